//! Whether rows that come after a migration script ran may be added to what it made.

use std::collections::BTreeSet;

use cutover_sqlscript::{Statement, StatementKind};

/// Why a script forbids it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, thiserror::Error)]
#[error(
    "line {line} of the script {why}{}; keep staging un-migrated and equal to production instead, or give a mapping \
     with fix-ups for this upgrade path", table.as_deref().map_or_else(String::new, |name| format!(" table `{name}`"))
)]
pub struct Reason {
    /// Line in the script, from 1.
    pub line: usize,
    /// The table, where one is at fault.
    pub table: Option<String>,
    /// What the statement does.
    pub why: &'static str,
}

/// Says whether rows of `tables` may be brought into staging after the script ran, without a mapping that knows what
/// the script does to rows.
///
/// The script is read word by word, not understood: a statement that may compute rows from one of the tables, or write
/// to one, forbids it, and so does one whose effect is not in its text.
///
/// # Errors
/// The first statement that forbids it.
pub fn delta_allowed(statements: &[Statement], tables: &BTreeSet<String>) -> Result<(), Reason> {
    let tables: BTreeSet<String> = tables.iter().map(|name| bare(name)).collect();
    for statement in statements {
        let words = words(&statement.text);
        let mentioned = words.iter().find(|word| tables.contains(*word)).cloned();
        if let Some(why) = why(statement.kind, &words, mentioned.is_some()) {
            let table = mentioned.filter(|_| !why.starts_with("runs"));
            return Err(Reason {
                line: statement.line,
                table,
                why,
            });
        }
    }
    Ok(())
}

const UNSEEN: &str = "runs statements that are not in its text";

fn why(kind: StatementKind, words: &[String], mentions: bool) -> Option<&'static str> {
    let has = |word: &str| words.iter().any(|found| found == word);
    let first = words.first().map_or("", String::as_str);
    match kind {
        StatementKind::Dml if mentions => Some("changes or reads rows of"),
        StatementKind::Ddl | StatementKind::Dml | StatementKind::Other
            if matches!(first, "EXECUTE" | "CALL" | "DO" | "BEGIN" | "DECLARE" | "EXEC") =>
        {
            Some(UNSEEN)
        }
        StatementKind::Ddl if mentions && first == "TRUNCATE" => Some("empties"),
        StatementKind::Ddl if mentions && has("TRIGGER") => Some("makes a trigger for"),
        StatementKind::Ddl if mentions && first == "CREATE" && has("SELECT") && !has("VIEW") => {
            Some("makes a table from rows of")
        }
        StatementKind::Ddl if mentions && first == "SELECT" => Some("makes a table from rows of"),
        StatementKind::Ddl if mentions && first == "ALTER" && has("USING") => Some("converts values of"),
        StatementKind::Session if mentions && has("SELECT") => {
            Some("keeps values in variables that it reads from")
        }
        StatementKind::Other if mentions => Some("does something unknown to"),
        StatementKind::Query
        | StatementKind::Transaction
        | StatementKind::Session
        | StatementKind::Ddl
        | StatementKind::Dml
        | StatementKind::Other => None,
    }
}

/// The table's own name in upper case: scripts fold names, and rarely name a schema.
fn bare(name: &str) -> String {
    name.rsplit('.').next().unwrap_or(name).to_uppercase()
}

fn words(text: &str) -> Vec<String> {
    let is_word = |c: char| c.is_alphanumeric() || c == '_' || c == '$';
    text.split(|c: char| !is_word(c))
        .filter(|word| !word.is_empty())
        .map(str::to_uppercase)
        .collect()
}

#[cfg(test)]
mod tests {
    use cutover_sqlscript::{Dialect, split};

    use super::*;

    fn check(sql: &str, dialect: Dialect) -> Result<(), Reason> {
        let tables = ["T".to_owned(), "public.u".to_owned()].into();
        delta_allowed(&split(sql, dialect).unwrap().statements, &tables)
    }

    #[test]
    fn script_when_it_changes_definitions_only_then_allowed() {
        let sql = "CREATE TABLE N (A INT, FOREIGN KEY (A) REFERENCES T (A) ON DELETE CASCADE ON UPDATE CASCADE);\n\
                   ALTER TABLE T ADD COLUMN B INT DEFAULT 0; INSERT INTO N VALUES (1); CREATE INDEX I ON U (A);";
        assert_eq!(check(sql, Dialect::MySql), Ok(()));
        assert_eq!(check(sql, Dialect::Postgres), Ok(()));
    }

    #[test]
    fn script_when_it_computes_rows_then_refused_with_line_and_table() {
        for sql in [
            "UPDATE T SET A = 1",
            "UPDATE `t`, N SET t.A = 1",
            "INSERT INTO N SELECT A FROM U",
            "DELETE FROM T",
            "CREATE TABLE N AS SELECT * FROM T",
            "TRUNCATE TABLE T",
            "CREATE TRIGGER X BEFORE INSERT ON T FOR EACH ROW SET NEW.A = 1",
        ] {
            let reason = check(&format!("SELECT 1;\n{sql};"), Dialect::MySql).unwrap_err();
            assert_eq!(reason.line, 2, "{sql}");
            assert!(reason.table.is_some(), "{reason}");
        }
        let reason = check("ALTER TABLE u ALTER a TYPE int USING a::int;", Dialect::Postgres).unwrap_err();
        assert!(
            reason.to_string().contains("converts values of table `U`"),
            "{reason}"
        );
    }

    #[test]
    fn script_when_its_effect_is_not_in_its_text_then_refused() {
        let reason = check("SET @s = 'x'; PREPARE p FROM @s; EXECUTE p;", Dialect::MySql).unwrap_err();
        assert_eq!((reason.why, reason.table), (UNSEEN, None));
        assert!(check("DO $$ BEGIN PERFORM 1; END $$;", Dialect::Postgres).is_err());
    }
}
