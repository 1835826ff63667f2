//! Quoting of values and names, safe under every session mode a migration script may set.

use crate::target::Engine;

/// A string literal. MySQL: in hexadecimal, because `sql_mode` decides what quotes and backslashes mean.
pub(crate) fn text(engine: Engine, value: &str) -> String {
    match engine {
        Engine::MySql => format!("_utf8mb4 X'{}'", hex::encode(value)),
        Engine::Postgres => {
            let clean = value.replace('\0', "").replace('\\', "\\\\").replace('\'', "''");
            format!("E'{clean}'")
        }
    }
}

/// A text literal or `NULL`.
pub(crate) fn optional(engine: Engine, value: Option<&str>) -> String {
    value.map_or_else(|| "NULL".to_owned(), |value| text(engine, value))
}

/// A quoted identifier.
pub(crate) fn name(engine: Engine, name: &str) -> String {
    match engine {
        Engine::MySql => format!("`{}`", name.replace('`', "``")),
        Engine::Postgres => format!("\"{}\"", name.replace('"', "\"\"")),
    }
}

/// A name qualified by schema (PostgreSQL) or database (MySQL).
pub(crate) fn qualified(engine: Engine, outer: &str, inner: &str) -> String {
    format!("{}.{}", name(engine, outer), name(engine, inner))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_when_it_holds_quotes_then_it_cannot_end_the_literal() {
        assert_eq!(text(Engine::MySql, "a'b"), "_utf8mb4 X'612762'");
        assert_eq!(text(Engine::Postgres, r"a'b\"), r"E'a''b\\'");
    }

    #[test]
    fn name_when_it_holds_its_quote_then_doubled() {
        assert_eq!(name(Engine::MySql, "a`b"), "`a``b`");
        assert_eq!(name(Engine::Postgres, "a\"b"), "\"a\"\"b\"");
    }
}
