//! MySQL and MariaDB, where every DDL statement commits by itself: rows and journal are committed together, and
//! a DDL statement of unknown outcome is judged by the schema's fingerprint from before it.

mod checks;
mod step;

use super::{Run, ScriptError, ScriptErrorKind, ScriptReport, fresh, session};
use crate::connection::Connection;
use crate::journal::{END, Entry, JournalState, Place};
use step::Runner;

/// Seconds to wait for the session of a killed run, which the server ends only after its statement.
const LOCK_SECS: u32 = 20;

pub(super) async fn run(run: &Run<'_>, connection: &mut Connection) -> Result<ScriptReport, ScriptError> {
    checks::refuse_unsupported(run)?;
    lock(run, connection).await?;
    let told = |error| run.reporter.database(error);
    connection
        .execute("set up the session", session::CLIENT_SESSION)
        .await
        .map_err(told)?;
    let journal = Place::find(connection).await.map_err(told)?;
    journal.ensure(connection).await.map_err(told)?;
    let script = run.script();
    let (entries, ended) = journal.read(connection, &script.sha256).await.map_err(told)?;
    run.require_same_history(&entries)?;
    if ended {
        run.tell_ended(&entries).await?;
        return Ok(run.report(&entries, 0, Some(script.statements.len())));
    }
    if let Some(other) = journal
        .unfinished(connection, &script.sha256)
        .await
        .map_err(told)?
    {
        return Err(run.reporter.error(
            ScriptErrorKind::HistoryChanged,
            format!("another script (SHA-256 {other}) began on this database and did not end"),
            "resume that one with its unchanged file, or restore the backup",
        ));
    }
    // An entry without an outcome can only be the last: a statement begins after its predecessor is done.
    let done = entries.iter().take_while(|entry| finished(entry.state)).count();
    let resumed = !entries.is_empty();
    if resumed {
        checks::refuse_lost_session(run, done)?;
        session::restore(run, connection, &entries, done).await?;
    }
    let mut runner = Runner::new(run, connection, journal, entries).await?;
    let mut executed = 0;
    for statement in script.statements.iter().skip(done) {
        let before = runner.kept();
        run.check_cancelled(statement)
            .map_err(|error| error.with_done(before))?;
        match Box::pin(runner.step(statement)).await {
            Ok(ran) => executed += usize::from(ran),
            Err(error) => {
                return Err(error.with_done(runner.kept()));
            }
        }
    }
    let entries = runner.finish().await?;
    Ok(run.report(&entries, executed, resumed.then_some(done)))
}

pub(super) fn finished(state: JournalState) -> bool {
    match state {
        JournalState::Done | JournalState::Skipped => true,
        JournalState::Intent | JournalState::Applied => false,
    }
}

/// Held by the session, so it also waits for a dead run's last statement to end on the server.
async fn lock(run: &Run<'_>, connection: &mut Connection) -> Result<(), ScriptError> {
    let sql = format!("SELECT GET_LOCK(CONCAT('cutover:', SHA1(DATABASE())), {LOCK_SECS})");
    let locked = connection
        .scalar("lock the database for a script", &sql)
        .await
        .map_err(|error| run.reporter.database(error))?;
    if locked.as_deref() == Some("1") {
        return Ok(());
    }
    Err(run.reporter.error(
        ScriptErrorKind::Busy,
        "another script run, or the last statement of one that was killed, still works on this database",
        "wait for it to end, then repeat the step",
    ))
}

/// The row that says the script has ended.
fn end_entry(run: &Run<'_>) -> Option<(i64, Entry)> {
    run.script()
        .statements
        .last()
        .map(|last| (END, fresh(last, JournalState::Done)))
}
