//! Proof of the fence: the application tries to connect and is refused for the right reason.

use std::collections::BTreeSet;
use std::time::Duration;

use sqlx::Connection as _;

use super::{FencePlan, FenceProof, end};
use crate::connection::Connection;
use crate::error::{DatabaseError, Kind};
use crate::sessions::{OwnSessions, Session, look};
use crate::target::{Engine, Target};

const ACTION: &str = "prove the fence";
const CONNECT_TIMEOUT: Duration = Duration::from_secs(15);
/// A login takes milliseconds, on a busy server more; a pool that tries all the time has another one at each look.
const LOGIN_CHECKS: u32 = 50;
const LOGIN_PAUSE: Duration = Duration::from_millis(50);

pub(super) async fn prove(
    plan: &FencePlan,
    target: &Target,
    application: &Target,
    own: &OwnSessions,
) -> Result<FenceProof, DatabaseError> {
    if application.engine != plan.engine
        || application.database != plan.database
        || !plan.accounts.contains(&application.user)
    {
        return Err(DatabaseError::new(
            Kind::Refused,
            ACTION,
            application,
            "the fence was not planned for this account and database",
            "try with an account of the plan, on the database of the plan",
        ));
    }
    let code = refusal(application).await?;
    let state = plan.state(target, own).await?;
    if let Some(gap) = state.gaps.first() {
        return Err(DatabaseError::new(
            Kind::Integrity,
            ACTION,
            target,
            gap.clone(),
            "put the fence up again, and find out who took it down",
        ));
    }
    Ok(FenceProof {
        account: application.user.clone(),
        code,
        remaining: state.remaining,
        prepared: state.prepared,
    })
}

/// Sessions that are not ours, and prepared transactions.
pub(super) async fn connected(
    plan: &FencePlan,
    target: &Target,
    own: &OwnSessions,
) -> Result<(Vec<Session>, Vec<Session>), DatabaseError> {
    let mut connection = Connection::open(target).await?;
    let found = settled(&mut connection, plan, own).await;
    connection.close().await;
    found
}

/// A session that is logging in is waited for: it is refused, or it is in. So is one that was killed. One that began
/// to log in after the first look is no different from one that comes after the last: a pool that tries all the time
/// has one at every look.
async fn settled(
    connection: &mut Connection,
    plan: &FencePlan,
    own: &OwnSessions,
) -> Result<(Vec<Session>, Vec<Session>), DatabaseError> {
    let mut checks = 0;
    let mut awaited: Option<BTreeSet<String>> = None;
    loop {
        let listed = look(connection, own, &plan.accounts).await?;
        let intruders = end::application(connection, plan, own).await?;
        let (prepared, mut remaining): (Vec<_>, Vec<_>) = listed.into_iter().partition(end::is_prepared);
        // Sessions of an account that may go on working elsewhere are no concern here.
        let known: BTreeSet<&str> = intruders.iter().map(|session| session.id.as_str()).collect();
        remaining
            .retain(|session| !plan.accounts.contains(&session.user) || known.contains(session.id.as_str()));
        checks += 1;
        let first = awaited.get_or_insert_with(|| {
            let waiting = remaining.iter().filter(|session| session.is_logging_in());
            waiting.map(|session| session.id.clone()).collect()
        });
        remaining.retain(|session| !session.is_logging_in() || first.contains(&session.id));
        let undecided = |session: &Session| session.is_logging_in() || session.is_killed();
        if !remaining.iter().any(undecided) || checks == LOGIN_CHECKS {
            return Ok((remaining, prepared));
        }
        tokio::time::sleep(LOGIN_PAUSE).await;
    }
}

/// A connection as the application, which should not have been let in.
enum Open {
    MySql(sqlx::mysql::MySqlConnection),
    Postgres(sqlx::postgres::PgConnection),
}

impl Open {
    async fn close(self) {
        match self {
            Open::MySql(connection) => connection.close().await.ok(),
            Open::Postgres(connection) => connection.close().await.ok(),
        };
    }
}

/// The code with which the application was refused because of the fence.
async fn refusal(application: &Target) -> Result<String, DatabaseError> {
    let attempt = async {
        match application.engine {
            Engine::MySql => application.mysql().await.map(Open::MySql),
            Engine::Postgres => application.postgres().await.map(Open::Postgres),
        }
    };
    let error = match tokio::time::timeout(CONNECT_TIMEOUT, attempt).await {
        Ok(Ok(open)) => {
            // It says good-bye, so that it is not taken for the application later; let in it was either way.
            if tokio::time::timeout(LOGIN_PAUSE * LOGIN_CHECKS, open.close())
                .await
                .is_err()
            {
                tracing::debug!("the server did not take the good-bye");
            }
            return Err(DatabaseError::new(
                Kind::Integrity,
                ACTION,
                application,
                format!("the application's account `{}` was let in", application.user),
                "put the fence up again; if it is up, the account has another way in that must be closed by hand",
            ));
        }
        Ok(Err(error)) => error,
        Err(_elapsed) => {
            return Err(DatabaseError::new(
                Kind::Unreachable,
                ACTION,
                application,
                format!("no answer within {} seconds", CONNECT_TIMEOUT.as_secs()),
                "check host, port and firewall",
            ));
        }
    };
    let Some(code) = error.as_database_error().and_then(code) else {
        return Err(DatabaseError::driver(ACTION, application, error));
    };
    if FENCE_CODES.contains(&code.as_str()) {
        return Ok(code);
    }
    let told = DatabaseError::driver(ACTION, application, error);
    Err(DatabaseError::new(
        told.kind(),
        ACTION,
        application,
        format!(
            "the application was refused, but not by the fence: {}",
            told.why()
        ),
        "correct the application's account and password in the upgrade file, then prove the fence again",
    ))
}

/// An account that is locked (MySQL, MariaDB), one without rights on the database (MySQL), one without the right
/// to connect to it (42501) and one that may not log in (28000).
const FENCE_CODES: [&str; 5] = ["3118", "4151", "1044", "42501", "28000"];

fn code(refusal: &dyn sqlx::error::DatabaseError) -> Option<String> {
    match refusal.try_downcast_ref::<sqlx::mysql::MySqlDatabaseError>() {
        Some(refusal) => Some(refusal.number().to_string()),
        None => refusal.code().map(std::borrow::Cow::into_owned),
    }
}
