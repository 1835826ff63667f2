//! What is known to go wrong is refused before the first statement runs.

use cutover_sqlscript::{Dialect, Statement, StatementKind};

use crate::script::{Run, ScriptError, ScriptErrorKind, words};

pub(super) fn refuse_unsupported(run: &Run<'_>) -> Result<(), ScriptError> {
    let sent = run.script().statements.iter();
    for statement in sent.filter(|statement| !run.orders.passes_over(statement.index)) {
        if let Some((why, next)) = unsupported(statement, &run.reporter.target.database) {
            return Err(run
                .reporter
                .at(statement, ScriptErrorKind::Unsupported, why, next));
        }
    }
    Ok(())
}

fn unsupported(statement: &Statement, database: &str) -> Option<(&'static str, &'static str)> {
    let words = words(statement);
    let word = |index: usize| words.get(index).map_or("", String::as_str);
    let upper = statement.text.to_uppercase();
    let reads_count = ["ROW_COUNT(", "FOUND_ROWS("]
        .iter()
        .any(|call| upper.contains(call));
    if word(0) == "USE" && !names(&statement.text, database) {
        return Some((
            "it switches to another database",
            "run each database's statements as a script of its own",
        ));
    }
    // Compared as it stands: where names differ by case alone they are two databases.
    if statement
        .databases(Dialect::MySql)
        .iter()
        .any(|name| name != database)
    {
        return Some((
            "it names another database than the one the script is run on, which may be production in use",
            "take the database's name out of the statement",
        ));
    }
    if word(0) == "XA" || upper.ends_with("AND CHAIN") {
        return Some(("its transaction cannot be journaled", "take it out of the script"));
    }
    if reads_count && statement.kind != StatementKind::Ddl {
        return Some((
            "it asks how many rows the statement before it touched, which is lost when each is journaled",
            "rewrite it without ROW_COUNT() or FOUND_ROWS()",
        ));
    }
    None
}

fn names(text: &str, database: &str) -> bool {
    let name = text.trim().get(3..).unwrap_or_default().trim().trim_matches('`');
    name == database
}

/// Temporary tables went with the interrupted run's connection.
pub(super) fn refuse_lost_session(run: &Run<'_>, done: usize) -> Result<(), ScriptError> {
    let lost = run.script().statements.iter().take(done).find(|statement| {
        let words = words(statement);
        words.first().is_some_and(|word| word == "CREATE")
            && words.iter().any(|word| word == "TEMPORARY")
            && !run.orders.passes_over(statement.index)
    });
    match lost {
        None => Ok(()),
        Some(statement) if done == run.script().statements.len() => {
            tracing::debug!(
                index = statement.index,
                "a temporary table is not needed any more"
            );
            Ok(())
        }
        Some(statement) => Err(run.reporter.at(
            statement,
            ScriptErrorKind::SessionLost,
            "the interrupted run had made a temporary table here, which went with its connection",
            "restore the backup and run the script from its start",
        )),
    }
}

/// Whether one statement may have taken effect in part, so that a changed schema does not mean "done".
pub(super) fn may_be_partial(statement: &Statement, atomic_ddl: bool) -> bool {
    let words = words(statement);
    let first = words.first().map_or("", String::as_str);
    let several = matches!(first, "DROP" | "RENAME") && statement.text.contains(',');
    first == "CALL" || first == "BEGIN" || (several && !atomic_ddl)
}

/// Whether the text names one of the tables, in whatever case.
pub(super) fn mentions(text: &str, tables: &[String]) -> bool {
    let cut = |c: char| !(c.is_alphanumeric() || c == '_' || c == '$');
    text.split(cut)
        .any(|word| tables.iter().any(|table| table.eq_ignore_ascii_case(word)))
}

/// MySQL 8.0 and MariaDB 10.6 made single DDL statements atomic.
pub(super) fn atomic_ddl(version: &str) -> bool {
    let mut numbers = version
        .split(|c: char| !c.is_ascii_digit())
        .filter_map(|part| part.parse::<u32>().ok());
    let (major, minor) = (
        numbers.next().unwrap_or_default(),
        numbers.next().unwrap_or_default(),
    );
    if version.to_lowercase().contains("mariadb") {
        (major, minor) >= (10, 6)
    } else {
        major >= 8
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cutover_sqlscript::{Dialect, split};

    fn statement(text: &str) -> Statement {
        split(text, Dialect::MySql).unwrap().statements.remove(0)
    }

    #[test]
    fn statement_when_it_leaves_the_database_then_unsupported() {
        assert!(unsupported(&statement("USE other;"), "carbon").is_some());
        assert!(unsupported(&statement("USE `carbon`;"), "carbon").is_none());
    }

    #[test]
    fn statement_when_a_name_is_of_another_database_then_unsupported() {
        for sql in [
            "ALTER TABLE WSO2CARBON_DB.UM_ROLE ADD a INT",
            "DROP TABLE a, Carbon.b",
            "ALTER DATABASE other COLLATE latin1_bin",
            "SELECT 1 FROM mysql.user",
        ] {
            assert!(unsupported(&statement(sql), "carbon").is_some(), "{sql}");
        }
        for sql in [
            "ALTER TABLE carbon.UM_ROLE ADD a INT",
            "ALTER DATABASE carbon COLLATE latin1_bin",
            "SELECT 1 FROM information_schema.TABLES",
        ] {
            assert!(unsupported(&statement(sql), "carbon").is_none(), "{sql}");
        }
    }

    #[test]
    fn statement_when_it_reads_a_row_count_then_unsupported() {
        assert!(unsupported(&statement("SELECT ROW_COUNT();"), "carbon").is_some());
        assert!(unsupported(&statement("SELECT 1;"), "carbon").is_none());
    }

    #[test]
    fn ddl_when_not_one_action_then_may_be_partial() {
        assert!(may_be_partial(&statement("CALL migrate();"), true));
        assert!(may_be_partial(&statement("DROP TABLE a, b;"), false));
        assert!(!may_be_partial(&statement("DROP TABLE a, b;"), true));
        assert!(!may_be_partial(&statement("ALTER TABLE a ADD b INT;"), false));
    }

    #[test]
    fn server_when_old_then_ddl_is_not_atomic() {
        assert!(atomic_ddl("10.11.6-MariaDB"));
        assert!(!atomic_ddl("10.5.23-MariaDB"));
        assert!(atomic_ddl("8.0.36"));
        assert!(!atomic_ddl("5.7.44-log"));
    }
}
