//! What a statement reads and writes of the connection's own state.

use std::collections::BTreeSet;

use crate::code::Code;
use crate::dialect::Dialect;

/// Names of session state, in lower case: `@variable`, `prepared`, `@@setting`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct SessionUse {
    pub(crate) reads: BTreeSet<String>,
    pub(crate) writes: BTreeSet<String>,
}

impl SessionUse {
    pub(crate) fn of(dialect: Dialect, code: Code<'_>) -> Self {
        let mut found = Self::default();
        match dialect {
            Dialect::MySql => {
                found.variables(code);
                found.prepared(code);
                found.mysql_settings(code);
            }
            Dialect::Postgres => {
                found.prepared(code);
                found.postgres_settings(code);
            }
            Dialect::Mssql | Dialect::Oracle | Dialect::Db2 | Dialect::H2 | Dialect::Wso2Compat => {
                if code.is(0, "USE") {
                    found.writes.insert("@@database".to_owned());
                }
            }
        }
        found
    }

    fn variables(&mut self, code: Code<'_>) {
        let targets = targets(code);
        let mut index = 0;
        while index < code.len() {
            let Some((name, next)) = variable(code, index) else {
                index += 1;
                continue;
            };
            let assigned = code.symbol(next, b':') && code.symbol(next + 1, b'=');
            let is_call = code.is(code.first(), "CALL");
            if assigned || is_call || targets.contains(&index) {
                self.writes.insert(name.clone());
            }
            if is_call || !(assigned || targets.contains(&index)) {
                self.reads.insert(name);
            }
            index = next;
        }
    }

    fn prepared(&mut self, code: Code<'_>) {
        let first = code.first();
        let name = |index: usize| code.name(index).map(|name| name.to_lowercase());
        match code.word(first).as_str() {
            "PREPARE" if !code.is(first + 1, "TRANSACTION") => self.writes.extend(name(first + 1)),
            "EXECUTE" if code.is(first + 1, "IMMEDIATE") => {}
            "EXECUTE" => self.reads.extend(name(first + 1)),
            "DEALLOCATE" | "DROP" => {
                let at = if code.is(first + 1, "PREPARE") {
                    first + 2
                } else {
                    first + 1
                };
                let is_prepared = code.is(first, "DEALLOCATE") || at == first + 2;
                self.reads
                    .extend(name(at).filter(|name| is_prepared && name != "all"));
            }
            _ => {}
        }
    }

    fn mysql_settings(&mut self, code: Code<'_>) {
        let first = code.first();
        if code.is(first, "USE") {
            self.writes.insert("@@database".to_owned());
        }
        if !code.is(first, "SET") || code.is_any(first + 1, &["GLOBAL", "PASSWORD", "TRANSACTION", "PERSIST"])
        {
            return;
        }
        for item in items(code, first + 1) {
            let at = if code.is_any(item, &["SESSION", "LOCAL"]) {
                item + 1
            } else {
                item
            };
            let setting = match code.symbol(at, b'@') {
                true if code.symbol(at + 1, b'@') && code.symbol(at + 3, b'.') => code.name(at + 4),
                true if code.symbol(at + 1, b'@') => code.name(at + 2),
                true => None,
                false => code.name(at),
            };
            self.writes
                .extend(setting.map(|name| format!("@@{}", name.to_lowercase())));
        }
    }

    fn postgres_settings(&mut self, code: Code<'_>) {
        let at = if code.is_any(1, &["SESSION", "LOCAL"]) {
            2
        } else {
            1
        };
        if code.is_any(0, &["SET", "RESET"]) && !code.is_any(at, &["TRANSACTION", "CONSTRAINTS"]) {
            self.writes
                .extend(code.name(at).map(|name| format!("@@{}", name.to_lowercase())));
        } else if code.is(0, "SELECT") {
            let set_config = code
                .find_anywhere(1, &["SET_CONFIG"])
                .filter(|call| code.symbol(call + 1, b'('));
            self.writes.extend(
                set_config
                    .and_then(|call| code.name(call + 2))
                    .map(|name| format!("@@{}", name.to_lowercase())),
            );
        }
    }
}

/// The variable whose `@` stands at `index`, and the index after it. `'user'@'host'` is none.
fn variable(code: Code<'_>, index: usize) -> Option<(String, usize)> {
    if !code.symbol(index, b'@') || code.symbol(index + 1, b'@') || !code.adjacent(index, index + 1) {
        return None;
    }
    let of_account = index > 0 && code.adjacent(index - 1, index) && code.name(index - 1).is_some();
    let of_system = index > 0 && code.symbol(index - 1, b'@');
    if of_account || of_system {
        return None;
    }
    let mut name = code.name(index + 1)?.to_lowercase();
    let mut next = index + 2;
    while code.symbol(next, b'.') && code.adjacent(next - 1, next) && code.adjacent(next, next + 1) {
        name = format!("{name}.{}", code.name(next + 1)?.to_lowercase());
        next += 2;
    }
    Some((format!("@{name}"), next))
}

/// Indexes of the `@` of every variable that is assigned by its place: `SET @a = …`, `INTO @a, @b`.
fn targets(code: Code<'_>) -> BTreeSet<usize> {
    let first = code.first();
    let mut found = BTreeSet::new();
    if code.is(first, "SET") {
        found.extend(items(code, first + 1));
    }
    for index in 0..code.len() {
        if code.is(index, "INTO") && code.symbol(index + 1, b'@') {
            let mut at = index + 1;
            while let Some((_, next)) = variable(code, at) {
                found.insert(at);
                at = if code.symbol(next, b',') { next + 1 } else { break };
            }
        }
    }
    found
}

/// Where the items of a list begin that are separated by commas outside parentheses.
fn items(code: Code<'_>, from: usize) -> Vec<usize> {
    let commas = code
        .outside_parentheses(from)
        .filter(|index| code.symbol(*index, b','));
    std::iter::once(from)
        .chain(commas.map(|comma| comma + 1))
        .collect()
}
