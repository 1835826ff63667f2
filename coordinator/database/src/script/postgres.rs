//! PostgreSQL: the whole script and its journal in one transaction, so it took effect entirely or not at all.

use std::time::Instant;

use cutover_sqlscript::{Statement, StatementKind};

use super::{Run, ScriptError, ScriptErrorKind, ScriptReport, fresh, millis, number, words};
use crate::connection::Connection;
use crate::journal::{END, Entry, JournalState, Place};

const KEPT: &str = "nothing was changed, the transaction was rolled back; correct the cause";

/// `TimeZone` as psql would have it; sqlx opens every session in UTC. The server's own default is not visible
/// from a session that overrides it, but initdb and packages set `log_timezone` to the same zone.
const CLIENT_SESSION: &str = "SELECT set_config('TimeZone', coalesce((SELECT substr(setting, 10) FROM \
     (SELECT unnest(setconfig) AS setting, setrole, setdatabase FROM pg_catalog.pg_db_role_setting) AS s \
     WHERE lower(setting) LIKE 'timezone=%' \
     AND setdatabase IN (0, (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database())) \
     AND setrole IN (0, (SELECT oid FROM pg_catalog.pg_roles WHERE rolname = current_user)) \
     ORDER BY setdatabase = 0, setrole = 0 LIMIT 1), current_setting('log_timezone')), false)";

pub(super) async fn run(run: &Run<'_>, connection: &mut Connection) -> Result<ScriptReport, ScriptError> {
    let sent = run.script().statements.iter();
    for statement in sent.filter(|statement| !run.orders.passes_over(statement.index)) {
        refuse_unsupported(run, statement)?;
    }
    let told = |error| run.reporter.database(error);
    let locked = connection
        .scalar(
            "lock the database for a script",
            "SELECT pg_try_advisory_lock(hashtext('cutover script'))",
        )
        .await
        .map_err(told)?;
    if locked.as_deref() != Some("t") {
        return Err(run.reporter.error(
            ScriptErrorKind::Busy,
            "another script run works on this database",
            "wait for it to end, then repeat the step",
        ));
    }
    connection
        .execute("set up the session", CLIENT_SESSION)
        .await
        .map_err(told)?;
    let journal = Place::find(connection).await.map_err(told)?;
    connection
        .execute("begin the script", "BEGIN")
        .await
        .map_err(told)?;
    journal.ensure(connection).await.map_err(told)?;
    let (entries, ended) = journal
        .read(connection, &run.script().sha256)
        .await
        .map_err(told)?;
    run.require_same_history(&entries)?;
    if ended {
        connection
            .execute("end the script", "COMMIT")
            .await
            .map_err(told)?;
        run.tell_ended(&entries).await?;
        return Ok(run.report(&entries, 0, Some(run.script().statements.len())));
    }
    match everything(run, connection, &journal).await {
        Ok(report) => Ok(report),
        Err(error) => {
            // The server rolls back by itself when the connection goes; this only says so sooner.
            connection.run("ROLLBACK").await.ok();
            Err(error)
        }
    }
}

async fn everything(
    run: &Run<'_>,
    connection: &mut Connection,
    journal: &Place,
) -> Result<ScriptReport, ScriptError> {
    let script = run.script();
    let mut entries = Vec::with_capacity(script.statements.len());
    for statement in &script.statements {
        run.check_cancelled(statement)?;
        entries.push(one(run, connection, journal, statement).await?);
    }
    if let Some(last) = script.statements.last() {
        let end = Entry {
            state: JournalState::Done,
            ..fresh(last, JournalState::Done)
        };
        let finish = [journal.write(&script.sha256, END, &end), "COMMIT".to_owned()];
        for sql in finish {
            // Deferred constraints are checked here.
            connection
                .run(&sql)
                .await
                .map_err(|error| run.reporter.statement(last, error, KEPT))?;
        }
    } else {
        connection
            .execute("end the script", "COMMIT")
            .await
            .map_err(|error| run.reporter.database(error))?;
    }
    for (statement, entry) in script.statements.iter().zip(&entries) {
        run.tell(statement, entry.state, entry).await?;
    }
    let executed = entries
        .iter()
        .filter(|entry| entry.state == JournalState::Done)
        .count();
    Ok(run.report(&entries, executed, None))
}

async fn one(
    run: &Run<'_>,
    connection: &mut Connection,
    journal: &Place,
    statement: &Statement,
) -> Result<Entry, ScriptError> {
    let decided = run.options.decisions.get(&statement.index) == Some(&super::Decision::Applied);
    let mut entry = run.fresh(statement, JournalState::Done);
    if decided || run.orders.passes_over(statement.index) || opens_or_closes(statement) {
        entry.state = JournalState::Skipped;
    } else {
        run.tell(statement, JournalState::Intent, &entry).await?;
        let started = Instant::now();
        let ran = connection.run_discarding(&statement.text).await;
        entry.rows = ran.map_err(|error| run.reporter.statement(statement, error, KEPT))?;
        entry.millis = millis(started);
        run.tell(statement, JournalState::Applied, &entry).await?;
    }
    let row = journal.write(&run.script().sha256, number(statement.index), &entry);
    connection
        .run(&row)
        .await
        .map_err(|error| run.reporter.statement(statement, error, KEPT))?;
    Ok(entry)
}

/// The script's own BEGIN and COMMIT: it runs in one transaction anyway.
fn opens_or_closes(statement: &Statement) -> bool {
    let first = words(statement).into_iter().next().unwrap_or_default();
    statement.kind == StatementKind::Transaction
        && ["BEGIN", "START", "COMMIT", "END"].contains(&first.as_str())
}

fn refuse_unsupported(run: &Run<'_>, statement: &Statement) -> Result<(), ScriptError> {
    let words = words(statement);
    let word = |index: usize| words.get(index).map_or("", String::as_str);
    let rolls_back = matches!(word(0), "ROLLBACK" | "ABORT") && !words.iter().any(|word| word == "TO");
    let prepared = word(1) == "PREPARED" || (word(0) == "PREPARE" && word(1) == "TRANSACTION");
    let client_data = word(0) == "COPY" && statement.text.to_uppercase().contains("STDIN");
    let why = if statement.refuses_transaction() {
        "the server refuses it inside a transaction, and a script is run in one"
    } else if rolls_back || prepared {
        "it would end the transaction that the whole script is run in"
    } else if client_data {
        "it reads rows from the client program"
    } else {
        return Ok(());
    };
    Err(run.reporter.at(
        statement,
        ScriptErrorKind::Unsupported,
        why,
        "take it out of the script and run it by hand afterwards",
    ))
}
