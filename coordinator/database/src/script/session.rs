//! MySQL's session state that later statements of a script depend on: kept in the journal, put back on resume.

use cutover_sqlscript::Statement;

use super::{Run, ScriptError, ScriptErrorKind};
use crate::connection::Connection;
use crate::journal::{Entry, Variables};
use crate::literal;
use crate::target::Engine;

/// Sets up the session as the engine's own client would have it.
pub(super) const CLIENT_SESSION: &str = "SET NAMES utf8mb4; SET SESSION sql_mode = @@GLOBAL.sql_mode";

/// Coercibility by which MySQL and MariaDB tell a number from a string.
const NUMERIC: &str = "5";

/// The variables a statement sets, as SQL expressions that give the same value, type and collation.
pub(super) async fn variables(
    connection: &mut Connection,
    statement: &Statement,
) -> Result<Variables, sqlx::Error> {
    let mut found = Variables::new();
    for name in written(statement) {
        let variable = quoted(&name);
        let sql = format!(
            "SELECT HEX(CAST({variable} AS BINARY)), CHARSET({variable}), COLLATION({variable}), COERCIBILITY({variable})"
        );
        let (rows, _) = connection.run(&sql).await?;
        let expression = rows.first().and_then(|row| {
            let bytes = row.get(0)?;
            Some(expression(
                bytes,
                &row.text(1),
                &row.text(2),
                row.get(3) == Some(NUMERIC),
            ))
        });
        found.insert(name, expression);
    }
    Ok(found)
}

fn expression(bytes: &str, charset: &str, collation: &str, numeric: bool) -> String {
    let text = hex::decode(bytes)
        .ok()
        .and_then(|bytes| String::from_utf8(bytes).ok());
    match text {
        Some(number) if numeric && is_number(&number) => number,
        _ if charset == "binary" => format!("X'{bytes}'"),
        _ => format!("_{charset} X'{bytes}' COLLATE {collation}"),
    }
}

/// The text enters SQL as it is, so nothing but a number may pass.
fn is_number(text: &str) -> bool {
    !text.is_empty()
        && text.parse::<f64>().is_ok_and(f64::is_finite)
        && text
            .bytes()
            .all(|byte| byte.is_ascii_digit() || b"+-.eE".contains(&byte))
}

fn written(statement: &Statement) -> impl Iterator<Item = String> {
    statement
        .writes_session()
        .into_iter()
        .filter(|name| name.starts_with('@') && !name.starts_with("@@"))
}

fn quoted(name: &str) -> String {
    format!("@{}", literal::name(Engine::MySql, name.trim_start_matches('@')))
}

/// Brings a new connection to where the interrupted one was before statement `from`.
///
/// Settings and prepared statements are made again by their statements. Variables get the values they had:
/// the query that set one might answer differently by now.
pub(super) async fn restore(
    run: &Run<'_>,
    connection: &mut Connection,
    entries: &[Entry],
    from: usize,
) -> Result<(), ScriptError> {
    let statements = &run.script().statements;
    for index in run.script().session_prerequisites(from) {
        let (Some(statement), Some(entry)) = (statements.get(index), entries.get(index)) else {
            continue;
        };
        let only_variables = !statement.writes_session().is_empty()
            && statement
                .writes_session()
                .iter()
                .all(|name| name.starts_with('@') && !name.starts_with("@@"));
        let mut replay = Vec::new();
        if !only_variables {
            replay.push(statement.text.clone());
        }
        replay.extend(assignments(&entry.variables));
        for sql in replay {
            connection
                .run(&sql)
                .await
                .map_err(|error| lost(run, statement, error))?;
        }
    }
    finish(run, connection, entries, from).await
}

/// The last value of every variable, whichever kind of statement set it, and the last generated id.
async fn finish(
    run: &Run<'_>,
    connection: &mut Connection,
    entries: &[Entry],
    from: usize,
) -> Result<(), ScriptError> {
    let mut last = Variables::new();
    let mut id = None;
    for entry in entries.iter().take(from) {
        last.extend(entry.variables.clone());
        id = entry.last_insert_id.or(id);
    }
    let mut replay = assignments(&last);
    replay.extend(id.map(|id| format!("SELECT LAST_INSERT_ID({id})")));
    let Some(statement) = run.script().statements.get(from) else {
        return Ok(());
    };
    for sql in replay {
        connection
            .run(&sql)
            .await
            .map_err(|error| lost(run, statement, error))?;
    }
    Ok(())
}

fn assignments(variables: &Variables) -> Vec<String> {
    variables
        .iter()
        .map(|(name, value)| format!("SET {} = {}", quoted(name), value.as_deref().unwrap_or("NULL")))
        .collect()
}

fn lost(run: &Run<'_>, statement: &Statement, error: sqlx::Error) -> ScriptError {
    run.reporter
        .at(
            statement,
            ScriptErrorKind::SessionLost,
            "the session of the interrupted run could not be put back at this statement",
            "restore the backup and run the script from its start",
        )
        .caused_by(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expression_when_text_then_bytes_and_collation_are_kept() {
        assert_eq!(
            expression("C3A4", "utf8mb3", "utf8mb3_general_ci", false),
            "_utf8mb3 X'C3A4' COLLATE utf8mb3_general_ci"
        );
        assert_eq!(expression("00FF", "binary", "binary", false), "X'00FF'");
    }

    #[test]
    fn expression_when_number_then_it_stays_one() {
        assert_eq!(
            expression("2D31323334", "latin1", "latin1_swedish_ci", true),
            "-1234"
        );
        assert!(!is_number("1; DROP TABLE x"));
        assert!(!is_number("inf"));
    }
}
