//! Tells whether the body of a stored program is still open where its text has a `;`.
//!
//! Only MySQL scripts without DELIMITER and DB2 scripts that end statements with `;` need this. It counts what
//! opens and closes at the places where a statement can begin, so that columns called `end` and the IF()
//! function do not mislead it.

use crate::code::Code;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Open {
    Block,
    Case,
    Flow,
}

/// Reads a stored program from `;` to `;`.
#[derive(Debug, Default)]
pub(crate) struct Compound {
    stack: Vec<Open>,
    seen: usize,
}

impl Compound {
    /// Whether the statement read so far defines a stored program, and so can hold `;` inside.
    pub(crate) fn applies(code: Code<'_>) -> bool {
        let first = code.first();
        if code.starts(first, &["BEGIN", "NOT", "ATOMIC"]) {
            return true;
        }
        if !code.is_any(first, &["CREATE", "ALTER"]) {
            return false;
        }
        let head = first + 1..(first + 24).min(code.len());
        let kind = head
            .clone()
            .find(|index| code.is_any(*index, &["PROCEDURE", "FUNCTION", "TRIGGER", "EVENT", "PACKAGE"]));
        let mut head = head;
        let other = head.find(|index| {
            code.is_any(
                *index,
                &[
                    "TABLE", "VIEW", "INDEX", "DATABASE", "SCHEMA", "USER", "SERVER", "SEQUENCE",
                ],
            )
        });
        kind.is_some_and(|kind| other.is_none_or(|other| kind < other))
    }

    /// Takes in what was read since the last call and tells whether a body is still open.
    pub(crate) fn is_open(&mut self, code: Code<'_>) -> bool {
        let mut at = self.seen;
        while at < code.len() {
            at = self.step(code, at);
        }
        self.seen = code.len();
        !self.stack.is_empty()
    }

    /// Looks at the token at `at` and returns the place of the next one to look at.
    fn step(&mut self, code: Code<'_>, at: usize) -> usize {
        if at > 0 && code.symbol(at - 1, b'.') {
            return at + 1;
        }
        match code.word(at).as_str() {
            "BEGIN" if self.begins_statement(code, at) => self.stack.push(Open::Block),
            "CASE" => self.stack.push(Open::Case),
            "IF" if self.begins_statement(code, at) && is_if_statement(code, at) => {
                self.stack.push(Open::Flow)
            }
            "LOOP" | "REPEAT" if self.begins_statement(code, at) && !code.symbol(at + 1, b'(') => {
                self.stack.push(Open::Flow);
            }
            "WHILE" if self.begins_statement(code, at) => self.stack.push(Open::Flow),
            "FOR" if !self.stack.is_empty() && self.begins_statement(code, at) => self.stack.push(Open::Flow),
            "END" => return self.end(code, at),
            _ => {}
        }
        at + 1
    }

    fn end(&mut self, code: Code<'_>, at: usize) -> usize {
        let closes_flow = code.is_any(at + 1, &["IF", "LOOP", "REPEAT", "WHILE", "FOR"]);
        let closes = match self.stack.last() {
            Some(Open::Case) => true,
            Some(Open::Block) => !closes_flow && ends_statement_list(code, at),
            Some(Open::Flow) => closes_flow,
            None => false,
        };
        if closes {
            self.stack.pop();
        }
        at + if closes_flow || code.is(at + 1, "CASE") {
            2
        } else {
            1
        }
    }

    /// Whether a statement of the body can begin at `at`.
    fn begins_statement(&self, code: Code<'_>, at: usize) -> bool {
        let Some(before) = at.checked_sub(1) else {
            return true;
        };
        if code.symbol(before, b';') || code.symbol(before, b':') {
            return true;
        }
        if code.is_any(
            before,
            &["THEN", "ELSE", "DO", "LOOP", "REPEAT", "BEGIN", "ATOMIC"],
        ) {
            return true;
        }
        if !self.stack.is_empty() {
            return code.is(at, "BEGIN") && in_handler(code, before);
        }
        // The first statement of the body follows the header, which has no end mark of its own.
        code.is(at, "BEGIN")
            || code.symbol(before, b')')
            || code.is_any(
                before,
                &[
                    "ROW",
                    "DETERMINISTIC",
                    "SQL",
                    "DATA",
                    "INVOKER",
                    "DEFINER",
                    "STATEMENT",
                ],
            )
    }
}

/// Whether the IF at `at` opens a block: not the IF() function, not `IF [NOT] EXISTS` of a header.
fn is_if_statement(code: Code<'_>, at: usize) -> bool {
    code.outside_parentheses(at + 1)
        .take_while(|index| !code.symbol(*index, b';'))
        .find(|index| code.is_any(*index, &["THEN", "WHEN", "ELSE", "END"]))
        .is_some_and(|index| code.is(index, "THEN"))
}

/// Whether the END at `at` stands where a statement list can end.
fn ends_statement_list(code: Code<'_>, at: usize) -> bool {
    at.checked_sub(1).is_none_or(|before| {
        code.symbol(before, b';') || code.symbol(before, b':') || code.is_any(before, &["BEGIN", "ATOMIC"])
    })
}

/// Whether `at` belongs to the head of a `DECLARE … HANDLER FOR …`, whose action is a statement.
fn in_handler(code: Code<'_>, at: usize) -> bool {
    (0..=at)
        .rev()
        .take_while(|index| !code.symbol(*index, b';') && !code.is(*index, "BEGIN"))
        .any(|index| code.is(index, "HANDLER"))
}
