//! Ending the application's sessions.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use super::{ACTION, FencePlan, Measure};
use crate::connection::Connection;
use crate::error::{DatabaseError, Kind};
use crate::literal;
use crate::sessions::{OwnSessions, Session, look};
use crate::target::Engine;

/// A killed session first rolls back what it did.
const PATIENCE: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(100);
/// A connection that was being made when the fence went up shows in the list a moment later.
const CLEAN_LOOKS: u32 = 3;

/// Ends them until the list has been free of them several times in a row.
pub(super) async fn sessions(
    connection: &mut Connection,
    plan: &FencePlan,
    own: &OwnSessions,
) -> Result<Vec<Session>, DatabaseError> {
    let began = Instant::now();
    let mut ended: Vec<Session> = Vec::new();
    let mut known = BTreeSet::new();
    // Those that were logging in, or going already: nothing was ended, whatever they show until they are gone.
    let mut kept_out = BTreeSet::new();
    let mut clean = 0;
    loop {
        let found = application(connection, plan, own).await?;
        // One that is logging in is refused a moment later; a pool that tries all the time has one at every look.
        if found.iter().all(Session::is_logging_in) {
            clean += 1;
            if clean == CLEAN_LOOKS {
                return Ok(ended);
            }
        } else {
            clean = 0;
            if began.elapsed() > PATIENCE {
                return Err(still_there(connection, &found));
            }
        }
        for session in found {
            kill(connection, &session).await?;
            if session.is_logging_in() || session.is_killed() && !known.contains(&session.id) {
                kept_out.insert(session.id);
            } else if !kept_out.contains(&session.id) && known.insert(session.id.clone()) {
                ended.push(session);
            }
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Sessions of the plan's accounts that can touch the database.
pub(super) async fn application(
    connection: &mut Connection,
    plan: &FencePlan,
    own: &OwnSessions,
) -> Result<Vec<Session>, DatabaseError> {
    let sessions = look(connection, own, &plan.accounts).await?;
    let ours = sessions
        .into_iter()
        .filter(|session| !is_prepared(session) && plan.accounts.contains(&session.user));
    let found: Vec<Session> = ours.collect();
    if found.is_empty() || connection.engine() == Engine::Postgres {
        return Ok(found);
    }
    let spared = spared(connection, plan).await?;
    Ok(found
        .into_iter()
        .filter(|session| !spared.contains(&session.id))
        .collect())
}

pub(super) fn is_prepared(session: &Session) -> bool {
    session.address.is_empty() && session.state.starts_with("prepared")
}

/// MySQL: sessions on another database of accounts that keep their login, with no transaction open that could
/// hold rows of this one.
async fn spared(connection: &mut Connection, plan: &FencePlan) -> Result<BTreeSet<String>, DatabaseError> {
    let kept: Vec<String> = plan
        .measures
        .iter()
        .filter_map(|measure| match measure {
            Measure::RevokeRights { user, .. } => Some(literal::text(Engine::MySql, user)),
            Measure::LockAccount { .. } | Measure::RevokeConnect { .. } | Measure::NoLogin { .. } => None,
        })
        .collect();
    if kept.is_empty() {
        return Ok(BTreeSet::new());
    }
    let sql = format!(
        "SELECT ID FROM information_schema.PROCESSLIST p WHERE DB <> DATABASE() AND USER IN ({}) \
         AND NOT EXISTS (SELECT 1 FROM information_schema.INNODB_TRX t WHERE t.trx_mysql_thread_id = p.ID)",
        kept.join(", ")
    );
    Ok(connection.column(ACTION, &sql).await?.into_iter().collect())
}

async fn kill(connection: &mut Connection, session: &Session) -> Result<(), DatabaseError> {
    const ENDING: &str = "end a session of the application";
    // The number came from the server's own list, and enters a statement only as a number.
    let Ok(id) = session.id.parse::<u64>() else {
        return Ok(());
    };
    match connection.engine() {
        Engine::Postgres => connection
            .scalar(ENDING, &format!("SELECT pg_catalog.pg_terminate_backend({id})"))
            .await
            .map(drop),
        Engine::MySql => match connection.run(&format!("KILL CONNECTION {id}")).await {
            Ok(_) => Ok(()),
            Err(error) if went_already(&error) => Ok(()),
            Err(error) => Err(DatabaseError::driver(ENDING, connection.target(), error)),
        },
    }
}

fn went_already(error: &sqlx::Error) -> bool {
    const NO_SUCH_THREAD: u16 = 1094;
    error
        .as_database_error()
        .and_then(|refusal| refusal.try_downcast_ref::<sqlx::mysql::MySqlDatabaseError>())
        .is_some_and(|refusal| refusal.number() == NO_SUCH_THREAD)
}

fn still_there(connection: &Connection, sessions: &[Session]) -> DatabaseError {
    let shown: Vec<String> = sessions
        .iter()
        .take(5)
        .map(|session| {
            format!(
                "{} of {} from {} ({})",
                session.id, session.user, session.address, session.state
            )
        })
        .collect();
    DatabaseError::new(
        Kind::Refused,
        "end the application's sessions",
        connection.target(),
        format!(
            "{} sessions are still there after {} seconds: {}",
            sessions.len(),
            PATIENCE.as_secs(),
            shown.join(", ")
        ),
        "they may be rolling back a large transaction; wait for them, then repeat the step",
    )
}
