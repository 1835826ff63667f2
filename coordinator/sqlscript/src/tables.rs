//! Which tables a statement empties, drops or updates, as far as its words say.

use crate::code::Code;
use crate::lexer::TokenKind;
use crate::script::Statement;

/// The name of a table as it stands in a script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableName {
    /// Schema or database before it.
    pub qualifier: Option<String>,
    /// The table, without quotes.
    pub name: String,
    /// It stands in quotes, so that the server does not change its case.
    pub quoted: bool,
}

/// What may follow DROP in an ALTER TABLE without a column being lost.
const NO_COLUMNS: [&str; 12] = [
    "INDEX",
    "KEY",
    "CONSTRAINT",
    "FOREIGN",
    "PRIMARY",
    "UNIQUE",
    "CHECK",
    "DEFAULT",
    "NOT",
    "PARTITION",
    "EXPRESSION",
    "IDENTITY",
];

impl Statement {
    /// Whether it drops a whole database or schema.
    #[must_use]
    pub fn destroys_all(&self) -> bool {
        let code = self.code();
        let first = code.first();
        code.is(first, "DROP") && code.is_any(first + 1, &["DATABASE", "SCHEMA"])
    }

    /// Tables whose rows are gone afterwards: dropped, replaced by new ones, or emptied by `TRUNCATE` or by a `DELETE` of
    /// all rows.
    #[must_use]
    pub fn destroys(&self) -> Vec<TableName> {
        let code = self.code();
        let first = code.first();
        if code.starts(first, &["DROP", "TABLE"]) {
            list(code, first + 2)
        } else if code.starts(first, &["CREATE", "OR", "REPLACE", "TABLE"]) {
            one(code, first + 4).map(|(name, _)| name).into_iter().collect()
        } else if code.starts(first, &["DELETE", "FROM"]) && code.find(first, &["WHERE"]).is_none() {
            let only = usize::from(code.is(first + 2, "ONLY"));
            one(code, first + 2 + only)
                .map(|(name, _)| name)
                .into_iter()
                .collect()
        } else if code.is(first, "TRUNCATE") {
            list(
                code,
                if code.is(first + 1, "TABLE") {
                    first + 2
                } else {
                    first + 1
                },
            )
        } else {
            Vec::new()
        }
    }

    /// Columns that an `ALTER TABLE` drops, with the place of their DROP among the statement's words.
    pub(crate) fn columns_dropped(&self) -> Vec<(usize, String)> {
        let code = self.code();
        let first = code.first();
        let table = first + 1 + usize::from(code.is_any(first + 1, &["ONLINE", "IGNORE"]));
        if !code.is(first, "ALTER") || !code.is(table, "TABLE") {
            return Vec::new();
        }
        let drops = code
            .outside_parentheses(2)
            .filter(|index| code.is(*index, "DROP"));
        let column = |at: usize| {
            let named = code.is(at + 1, "COLUMN");
            let other = code.is_any(at + 1, &NO_COLUMNS) || code.is(at - 1, "ALTER");
            // `ALTER COLUMN c DROP DEFAULT` is of no column either.
            let part_of_one = code.is_any(at + 1, &["DEFAULT", "NOT", "EXPRESSION", "IDENTITY"]);
            let name = code.name(if named { at + 2 } else { at + 1 }).unwrap_or_default();
            (named || !other).then_some((at, name)).filter(|_| !part_of_one)
        };
        drops.filter_map(column).collect()
    }

    /// Whether values of a table's columns are gone afterwards, because an `ALTER TABLE` drops the columns.
    #[must_use]
    pub fn drops_columns(&self) -> bool {
        !self.columns_dropped().is_empty()
    }

    /// Tables that stand where an `UPDATE` names those it changes; of a join all of them.
    #[must_use]
    pub fn updates(&self) -> Vec<TableName> {
        let code = self.code();
        let first = code.first();
        if !code.is(first, "UPDATE") {
            return Vec::new();
        }
        let end = code.find(first, &["SET"]).unwrap_or(code.len());
        let mut at = first + 1;
        while code.is_any(at, &["LOW_PRIORITY", "IGNORE", "ONLY"]) {
            at += 1;
        }
        let joined = (at..end).filter(|index| code.is(*index, "JOIN") || code.symbol(*index, b','));
        std::iter::once(at)
            .chain(joined.map(|index| index + 1))
            .filter_map(|index| one(code, index).map(|(name, _)| name))
            .collect()
    }
}

/// Names separated by commas, `IF EXISTS` and `ONLY` left out.
pub(crate) fn list(code: Code<'_>, at: usize) -> Vec<TableName> {
    let mut at = if code.starts(at, &["IF", "EXISTS"]) {
        at + 2
    } else {
        at
    };
    let mut names = Vec::new();
    loop {
        if code.is(at, "ONLY") {
            at += 1;
        }
        let Some((name, next)) = one(code, at) else {
            return names;
        };
        names.push(name);
        if !code.symbol(next, b',') {
            return names;
        }
        at = next + 1;
    }
}

/// A name at `at`, and where it ends.
fn one(code: Code<'_>, at: usize) -> Option<(TableName, usize)> {
    let first = code.name(at)?;
    let quoted = |index: usize| {
        code.token(index)
            .is_some_and(|token| token.kind != TokenKind::Word)
    };
    if code.symbol(at + 1, b'.')
        && let Some(name) = code.name(at + 2)
    {
        let name = TableName {
            qualifier: Some(first),
            name,
            quoted: quoted(at + 2),
        };
        return Some((name, at + 3));
    }
    let name = TableName {
        qualifier: None,
        name: first,
        quoted: quoted(at),
    };
    Some((name, at + 1))
}

#[cfg(test)]
mod tests {
    use crate::{Dialect, split};

    fn names(sql: &str, of: impl Fn(&crate::Statement) -> Vec<super::TableName>) -> String {
        let script = split(sql, Dialect::MySql).unwrap_or_else(|error| panic!("{error}"));
        let mut shown: Vec<String> = Vec::new();
        for name in script.statements.iter().flat_map(of) {
            let qualifier = name
                .qualifier
                .map(|qualifier| qualifier + ".")
                .unwrap_or_default();
            let mark = if name.quoted { "!" } else { "" };
            shown.push(format!("{qualifier}{}{mark}", name.name));
        }
        shown.join(" ")
    }

    #[test]
    fn statement_when_it_destroys_then_every_table_is_named() {
        let sql = "DROP TABLE IF EXISTS a, db.`b` CASCADE; TRUNCATE TABLE c; TRUNCATE d; DROP VIEW v; DELETE FROM e; \
                   DELETE FROM f WHERE i = 1; CREATE OR REPLACE TABLE g (i INT); CREATE OR REPLACE VIEW h AS SELECT 1";
        assert_eq!(names(sql, crate::Statement::destroys), "a db.b! c d e g");
        let all = split(
            "DROP DATABASE x; DROP SCHEMA y CASCADE; DROP TABLE z",
            Dialect::Postgres,
        )
        .unwrap();
        let all: Vec<bool> = all
            .statements
            .iter()
            .map(crate::Statement::destroys_all)
            .collect();
        assert_eq!(all, [true, true, false]);
    }

    #[test]
    fn statement_when_it_updates_then_every_table_is_named() {
        let sql = "UPDATE IGNORE a SET x = (SELECT MAX(y) FROM b); UPDATE c JOIN d ON c.i = d.i SET c.x = 1; SELECT 1";
        assert_eq!(names(sql, crate::Statement::updates), "a c d");
    }
}
