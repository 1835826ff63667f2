//! Whether rows that come after a migration script ran may be added to what it made.

use std::collections::BTreeSet;

use cutover_sqlscript::{Statement, StatementKind};

use crate::mapping::FixUps;

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

/// Says whether rows of `tables` may be brought into staging after the script ran.
///
/// The script is read word by word, not understood: a statement that may compute rows from one of the tables, write
/// to one, or change what its columns hold, forbids it, and so does one whose effect is not in its text. What the
/// fix-ups of the script's upgrade path know is left out of that: the tables whose rows they compute, the tables that
/// the migration drops, and the statements that the migration builds itself.
///
/// # Errors
/// The first statement that forbids it.
pub fn delta_allowed(
    statements: &[Statement],
    tables: &BTreeSet<String>,
    known: Option<&FixUps>,
) -> Result<(), Reason> {
    let is_known = |name: &String| {
        known.is_some_and(|known| {
            let dropped = known
                .mapping
                .dropped_tables
                .iter()
                .any(|table| bare(table) == *name);
            dropped || known.computes.contains(name)
        })
    };
    let tables: BTreeSet<String> = tables
        .iter()
        .map(|name| bare(name))
        .filter(|name| !is_known(name))
        .collect();
    for statement in statements {
        let words = words(&statement.text);
        let mentioned = words.iter().find(|word| tables.contains(*word)).cloned();
        let found = rows(statement.kind, &words, mentioned.is_some())
            .or_else(|| definitions(statement, &words, mentioned.is_some()))
            .or_else(|| unseen(statement, &words).filter(|_| known.is_none()));
        if let Some(why) = found {
            let table = mentioned.filter(|_| !UNSEEN.contains(&why));
            return Err(Reason {
                line: statement.line,
                table,
                why,
            });
        }
    }
    Ok(())
}

const BUILT: &str = "runs statements that are not in its text";
const CALLED: &str = "calls functions whose effect is not in its text";
const UNSEEN: [&str; 2] = [BUILT, CALLED];

/// What a statement computes from rows, or does to them.
fn rows(kind: StatementKind, words: &[String], mentions: bool) -> Option<&'static str> {
    let has = |word: &str| words.iter().any(|found| found == word);
    let first = words.first().map_or("", String::as_str);
    match kind {
        _ if !mentions => None,
        StatementKind::Dml => Some("changes or reads rows of"),
        StatementKind::Ddl if first == "TRUNCATE" => Some("empties"),
        StatementKind::Ddl if has("TRIGGER") => Some("makes a trigger for"),
        StatementKind::Ddl if first == "CREATE" && has("SELECT") && !has("VIEW") => {
            Some("makes a table from rows of")
        }
        StatementKind::Ddl if first == "SELECT" => Some("makes a table from rows of"),
        StatementKind::Other => Some("does something unknown to"),
        StatementKind::Query | StatementKind::Transaction | StatementKind::Session | StatementKind::Ddl => {
            None
        }
    }
}

/// What a statement does to the definition of a table, so that its rows have another place or other values.
fn definitions(statement: &Statement, words: &[String], mentions: bool) -> Option<&'static str> {
    let first = words.first().map_or("", String::as_str);
    let second = words.get(1).map_or("", String::as_str);
    if statement.kind != StatementKind::Ddl || !mentions {
        return None;
    }
    let behind = |word: &str, harmless: &[&str]| {
        let pairs = words.windows(2);
        pairs
            .filter(|pair| pair.first().is_some_and(|found| found == word))
            .any(|pair| pair.get(1).is_some_and(|next| !harmless.contains(&next.as_str())))
    };
    match (first, second) {
        ("DROP", "TABLE") => Some("drops"),
        ("CREATE", "OR") if words.get(2).is_some_and(|word| word == "REPLACE") => Some("makes anew"),
        ("RENAME", _) => Some("renames"),
        ("ALTER", "TABLE" | "ONLINE" | "IGNORE") => {
            let has = |wanted: &[&str]| words.iter().any(|word| wanted.contains(&word.as_str()));
            if behind("RENAME", &["INDEX", "KEY", "CONSTRAINT"]) {
                Some("renames something of")
            } else if has(&["CHANGE", "MODIFY", "CONVERT", "TYPE", "USING"]) {
                Some("converts values of")
            } else if statement.drops_columns() {
                Some("drops a column of")
            } else {
                None
            }
        }
        _ => None,
    }
}

fn unseen(statement: &Statement, words: &[String]) -> Option<&'static str> {
    let has = |word: &str| words.iter().any(|found| found == word);
    let first = words.first().map_or("", String::as_str);
    match statement.kind {
        StatementKind::Ddl if first == "CREATE" && (has("FUNCTION") || has("PROCEDURE")) => Some(BUILT),
        StatementKind::Ddl | StatementKind::Dml | StatementKind::Other
            if matches!(first, "EXECUTE" | "CALL" | "DO" | "BEGIN" | "DECLARE" | "EXEC") =>
        {
            Some(BUILT)
        }
        StatementKind::Session if has("SELECT") => Some("keeps values in variables"),
        StatementKind::Query if statement.text.contains('(') => Some(CALLED),
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
        delta_allowed(&split(sql, dialect).unwrap().statements, &tables, None)
    }

    #[test]
    fn script_when_it_changes_definitions_only_then_allowed() {
        let sql = "CREATE TABLE N (A INT, FOREIGN KEY (A) REFERENCES T (A) ON DELETE CASCADE ON UPDATE CASCADE);\n\
                   ALTER TABLE T ADD COLUMN B INT DEFAULT 0; ALTER TABLE T DROP INDEX I; INSERT INTO N VALUES (1); CREATE INDEX I ON U (A);";
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
            "DROP TABLE T",
            "CREATE OR REPLACE TABLE T (A INT)",
            "RENAME TABLE T TO Z",
            "ALTER TABLE T DROP COLUMN A",
            "ALTER TABLE T DROP A",
            "ALTER TABLE T RENAME COLUMN A TO B",
            "ALTER TABLE T CHANGE A B INT",
            "ALTER TABLE T MODIFY A BIGINT",
            "ALTER TABLE T CONVERT TO CHARACTER SET utf8mb4",
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
        assert_eq!((reason.why, reason.table), (BUILT, None));
        assert!(check("DO $$ BEGIN PERFORM 1; END $$;", Dialect::Postgres).is_err());
        assert!(check("SELECT m();", Dialect::Postgres).is_err());
        let sql = "CREATE FUNCTION m() RETURNS int LANGUAGE sql AS 'UPDATE t SET a = 1 RETURNING 1';";
        assert!(check(sql, Dialect::Postgres).is_err());
    }

    #[test]
    fn script_when_of_a_known_path_then_only_what_the_fix_ups_do_not_know_forbids_it() {
        let known = crate::fix_ups("carbon-4.2-user-store", cutover_database::Engine::MySql);
        let known = known.unwrap().unwrap();
        let tables: BTreeSet<String> = [
            "UM_TENANT",
            "UM_ROLE_PERMISSION",
            "UM_CLAIM_BEHAVIOR",
            "UM_USER",
            "UM_CLAIM",
        ]
        .map(str::to_owned)
        .into();
        let check = |sql: &str| {
            let script = split(sql, Dialect::MySql).unwrap();
            delta_allowed(&script.statements, &tables, Some(&known)).map_err(|reason| reason.to_string())
        };
        let vendor = "INSERT INTO UM_DOMAIN SELECT 'PRIMARY', UM_ID FROM UM_TENANT; \
                      SELECT CONSTRAINT_NAME INTO @k FROM INFORMATION_SCHEMA.TABLE_CONSTRAINTS WHERE TABLE_NAME = 'UM_CLAIM'; \
                      SET @s = CONCAT('ALTER TABLE UM_CLAIM DROP INDEX ', @k); PREPARE p FROM @s; EXECUTE p; \
                      DROP TABLE IF EXISTS UM_CLAIM_BEHAVIOR; UPDATE UM_ROLE_PERMISSION SET UM_DOMAIN_ID = 1;";
        assert_eq!(check(vendor), Ok(()));
        for own in [
            "INSERT INTO MINE SELECT UM_ID FROM UM_USER;",
            "UPDATE UM_CLAIM SET A = 1;",
            "DROP TABLE UM_USER;",
        ] {
            assert!(check(&format!("{vendor}\n{own}")).is_err(), "{own}");
        }
    }
}
