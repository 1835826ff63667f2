//! Statements that reach beyond the database the script is run on.

use super::{Findings, Rule, Severity};
use crate::code::Code;
use crate::dialect::Dialect;
use crate::script::Statement;

/// Qualifiers that name the database itself, or its own catalog.
const OWN: [&str; 7] = [
    "INFORMATION_SCHEMA",
    "PERFORMANCE_SCHEMA",
    "SYS",
    "PG_CATALOG",
    "PUBLIC",
    "DBO",
    "SYSCAT",
];

/// Of these, what MySQL has: a database of its that is called `public` is another.
const OWN_OF_MYSQL: usize = 3;

/// What may stand between a verb and its table.
const MODIFIERS: [&str; 5] = ["LOW_PRIORITY", "HIGH_PRIORITY", "DELAYED", "QUICK", "IGNORE"];

/// Where a list of tables ends.
const ENDS: [&str; 15] = [
    "SET",
    "WHERE",
    "ORDER",
    "GROUP",
    "HAVING",
    "LIMIT",
    "UNION",
    "WINDOW",
    "FOR",
    "SELECT",
    "VALUES",
    "VALUE",
    "INTO",
    "DUPLICATE",
    "BEGIN",
];

/// Words after `ALTER DATABASE` that begin an option: it is the one the script is run on.
const OPTIONS: [&str; 7] = [
    "CHARACTER",
    "CHARSET",
    "COLLATE",
    "COMMENT",
    "DEFAULT",
    "ENCRYPTION",
    "READ",
];

/// Functions in whose arguments FROM is no clause.
const WITH_FROM: [&str; 5] = ["EXTRACT", "TRIM", "SUBSTRING", "SUBSTR", "OVERLAY"];

pub(super) fn check(findings: &mut Findings, dialect: Dialect, statement: &Statement) {
    let code = statement.code();
    if code.is(code.first(), "USE") {
        findings.add(
            statement,
            code.first(),
            (Severity::Error, Rule::UseDatabase),
            format!(
                "USE {} turns the connection to a database the script names itself",
                code.text(code.first() + 1)
            ),
            "remove the line; the plan says which database the script is run on",
        );
    }
    for (at, qualifier) in qualifiers(dialect, code) {
        findings.add(
            statement,
            at,
            (Severity::Warning, Rule::OtherSchema),
            format!("{qualifier} is named as schema or database, whatever the script is run on"),
            "remove the qualifier, so that the copy is changed and not the database of that name",
        );
    }
}

impl Statement {
    /// Databases (on MySQL; schemas elsewhere) that the statement names, by a qualifier or as what it creates, alters
    /// or drops. What it builds as text and executes is not seen.
    #[must_use]
    pub fn databases(&self, dialect: Dialect) -> Vec<String> {
        let code = self.code();
        let first = code.first();
        let whole = code.is_any(first, &["CREATE", "ALTER", "DROP"])
            && code.is_any(first + 1, &["DATABASE", "SCHEMA"]);
        let named = after_exists(code, first + 2);
        let whole = (whole && !code.is_any(named, &OPTIONS)).then(|| code.name(named));
        let mut names: Vec<String> = whole.flatten().into_iter().collect();
        names.extend(qualifiers(dialect, code).map(|(_, name)| name));
        names.sort();
        names.dedup();
        names
    }
}

/// Every name with a qualifier of another schema or database, and where it stands.
fn qualifiers(dialect: Dialect, code: Code<'_>) -> impl Iterator<Item = (usize, String)> {
    let mut places: Vec<usize> = (0..code.len())
        .filter_map(|index| object(code, index))
        .flat_map(|at| std::iter::once(at).chain(others(code, at)))
        .collect();
    places.sort_unstable();
    places.dedup();
    places
        .into_iter()
        .filter_map(move |at| Some((at, qualifier(dialect, code, at)?)))
}

/// Where the further names of a list stand that begins at `at`.
fn others(code: Code<'_>, at: usize) -> Vec<usize> {
    let mut depth = 0_usize;
    let mut places = Vec::new();
    for index in at..code.len() {
        if code.symbol(index, b'(') {
            depth += 1;
        } else if code.symbol(index, b')') && depth > 0 {
            depth -= 1;
        } else if depth == 0 {
            if code.symbol(index, b')') || code.symbol(index, b';') || code.is_any(index, &ENDS) {
                break;
            }
            if code.symbol(index, b',') {
                places.push(index + 1);
            }
        }
    }
    places
}

/// Behind `IF EXISTS` and `IF NOT EXISTS`.
fn after_exists(code: Code<'_>, at: usize) -> usize {
    if code.starts(at, &["IF", "NOT", "EXISTS"]) {
        at + 3
    } else if code.starts(at, &["IF", "EXISTS"]) {
        at + 2
    } else {
        at
    }
}

/// Where the name of a table stands that the word at `index` announces.
fn object(code: Code<'_>, index: usize) -> Option<usize> {
    let next = index + 1;
    match code.word(index).as_str() {
        "FROM" if in_function(code, index) || (index > 0 && code.is(index - 1, "DISTINCT")) => None,
        // Functions of these names: REPLACE(…), INSERT(…), TRUNCATE(…).
        "INSERT" | "REPLACE" | "TRUNCATE" if code.symbol(next, b'(') => None,
        "UPDATE" if index > 0 && code.is_any(index - 1, &["KEY", "ON", "FOR"]) => None,
        "FROM" | "JOIN" | "STRAIGHT_JOIN" | "REFERENCES" | "CALL" => Some(next),
        "INSERT" | "REPLACE" | "UPDATE" | "DELETE" | "MERGE" => {
            let at = (next..code.len()).find(|at| !code.is_any(*at, &MODIFIERS))?;
            Some(if code.is(at, "INTO") { at + 1 } else { at })
        }
        "TO" if code.is(code.first(), "RENAME") => Some(next),
        "RENAME" if code.is(code.first(), "ALTER") => {
            Some(next + usize::from(code.is_any(next, &["TO", "AS"])))
        }
        "TABLE" | "TABLES" | "VIEW" | "TRIGGER" | "PROCEDURE" | "FUNCTION" | "EVENT" | "SEQUENCE"
        | "TRUNCATE" => Some(after_exists(code, next)),
        "ON" => is_object_of_create(code, index).then_some(next),
        _ => None,
    }
}

/// `CREATE INDEX … ON t`, `DROP INDEX … ON t` and `CREATE TRIGGER … ON t`; elsewhere ON announces a condition.
fn is_object_of_create(code: Code<'_>, on: usize) -> bool {
    let first = code.first();
    let creates = code.is_any(first, &["CREATE", "DROP"])
        && code
            .find(first, &["INDEX", "TRIGGER"])
            .is_some_and(|kind| kind < on);
    creates && code.find(first, &["ON"]) == Some(on)
}

/// Whether the FROM at `index` belongs to EXTRACT(… FROM …) and its like.
fn in_function(code: Code<'_>, index: usize) -> bool {
    let mut depth = 0_usize;
    for before in (0..index).rev() {
        if code.symbol(before, b')') {
            depth += 1;
        } else if code.symbol(before, b'(') {
            if depth == 0 {
                return before > 0 && code.is_any(before - 1, &WITH_FROM);
            }
            depth -= 1;
        }
    }
    false
}

/// The qualifier of the name at `at`, when it has one that is not the database's own.
fn qualifier(dialect: Dialect, code: Code<'_>, at: usize) -> Option<String> {
    let qualified = code.symbol(at + 1, b'.') && code.name(at + 2).is_some();
    let name = code.name(at).filter(|_| qualified)?;
    // `server.database.schema.table`: the middle names decide, and dbo alone does not make it local.
    let longer = dialect == Dialect::Mssql && code.symbol(at + 3, b'.');
    let known = if dialect == Dialect::MySql {
        OWN_OF_MYSQL
    } else {
        OWN.len()
    };
    let own = OWN.iter().take(known).any(|own| own.eq_ignore_ascii_case(&name));
    (longer || !own).then_some(name)
}
