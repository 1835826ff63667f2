//! The fence on MySQL and MariaDB.

mod grants;
mod plan;

use super::{ACTION, FencePlan, Measure, not_restored};
use crate::connection::Connection;
use crate::error::DatabaseError;
use crate::literal;
use crate::target::Engine;

pub(super) use plan::prepare;

/// `'user'@'host'` as a statement takes it, whatever the session's mode.
fn account(user: &str, host: &str) -> String {
    let quoted = |text: &str| format!("`{}`", text.replace('`', "``"));
    format!("{}@{}", quoted(user), quoted(host))
}

/// Whether an entry is locked; `None` when it does not exist.
async fn locked(connection: &mut Connection, user: &str, host: &str) -> Result<Option<bool>, DatabaseError> {
    if !exists(connection, user, host).await? {
        return Ok(None);
    }
    let sql = format!("SHOW CREATE USER {}", account(user, host));
    let shown = connection.scalar(ACTION, &sql).await?;
    Ok(Some(shown.is_some_and(|text| grants::says_locked(&text))))
}

async fn exists(connection: &mut Connection, user: &str, host: &str) -> Result<bool, DatabaseError> {
    let sql = format!(
        "SELECT 1 FROM mysql.user WHERE User = {} AND Host = {}",
        literal::text(Engine::MySql, user),
        literal::text(Engine::MySql, host)
    );
    Ok(connection.scalar(ACTION, &sql).await?.is_some())
}

/// What an entry may do, as its `GRANT` statements.
async fn grant_lines(
    connection: &mut Connection,
    user: &str,
    host: &str,
) -> Result<Vec<String>, DatabaseError> {
    connection
        .column(ACTION, &format!("SHOW GRANTS FOR {}", account(user, host)))
        .await
}

pub(super) async fn apply(connection: &mut Connection, plan: &FencePlan) -> Result<(), DatabaseError> {
    for measure in &plan.measures {
        match measure {
            Measure::LockAccount { user, host, .. } => {
                if locked(connection, user, host).await? == Some(false) {
                    let sql = format!("ALTER USER {} ACCOUNT LOCK", account(user, host));
                    connection.execute(ACTION, &sql).await?;
                }
            }
            Measure::RevokeRights { user, host, .. } => {
                if exists(connection, user, host).await? {
                    for line in grant_lines(connection, user, host).await? {
                        if let Some(revoke) = grants::Grant::parse(&line)
                            .filter(|grant| grant.is_of(&plan.database))
                            .and_then(|grant| grant.revoke(&account(user, host)))
                        {
                            connection.execute(ACTION, &revoke).await?;
                        }
                    }
                }
            }
            Measure::RevokeConnect { .. } | Measure::NoLogin { .. } => {}
        }
    }
    Ok(())
}

pub(super) async fn gaps(
    connection: &mut Connection,
    plan: &FencePlan,
) -> Result<Vec<String>, DatabaseError> {
    let mut gaps = Vec::new();
    for measure in &plan.measures {
        match measure {
            Measure::LockAccount { user, host, .. } => {
                if locked(connection, user, host).await? == Some(false) {
                    gaps.push(format!("the account `{user}`@`{host}` is not locked"));
                }
            }
            Measure::RevokeRights { user, host, .. } => {
                if exists(connection, user, host).await? {
                    let lines = grant_lines(connection, user, host).await?;
                    if lines.iter().any(|line| {
                        grants::Grant::parse(line).is_some_and(|grant| grant.reaches(&plan.database))
                    }) {
                        gaps.push(format!(
                            "the account `{user}`@`{host}` has rights on `{}`",
                            plan.database
                        ));
                    }
                }
            }
            Measure::RevokeConnect { .. } | Measure::NoLogin { .. } => {}
        }
    }
    for account in &plan.accounts {
        for host in plan::hosts(connection, account).await? {
            if !plan.covers(account, &host) {
                gaps.push(format!(
                    "the account `{account}`@`{host}` was created after the fence was planned"
                ));
            }
        }
    }
    Ok(gaps)
}

impl FencePlan {
    fn covers(&self, account: &str, at: &str) -> bool {
        self.measures.iter().any(|measure| match measure {
            Measure::LockAccount { user, host, .. } | Measure::RevokeRights { user, host, .. } => {
                user == account && host == at
            }
            Measure::RevokeConnect { .. } | Measure::NoLogin { .. } => false,
        })
    }
}

pub(super) async fn lift(connection: &mut Connection, plan: &FencePlan) -> Result<(), DatabaseError> {
    const LIFT: &str = "lift the fence";
    for measure in &plan.measures {
        match measure {
            Measure::LockAccount {
                user,
                host,
                was_locked: false,
            } => {
                if locked(connection, user, host).await? == Some(true) {
                    let sql = format!("ALTER USER {} ACCOUNT UNLOCK", account(user, host));
                    connection.execute(LIFT, &sql).await?;
                }
            }
            Measure::RevokeRights { user, host, grants } => {
                for grant in grants {
                    connection.execute(LIFT, grant).await?;
                }
                let mut now = of_database(&grant_lines(connection, user, host).await?, &plan.database);
                let mut before = grants.clone();
                now.sort();
                before.sort();
                if now != before {
                    let what = format!("the rights of `{user}`@`{host}` are not the earlier ones");
                    return Err(not_restored(connection.target(), what));
                }
            }
            Measure::LockAccount { .. } | Measure::RevokeConnect { .. } | Measure::NoLogin { .. } => {}
        }
    }
    Ok(())
}

fn of_database(lines: &[String], database: &str) -> Vec<String> {
    let ours = lines
        .iter()
        .filter(|line| grants::Grant::parse(line).is_some_and(|grant| grant.is_of(database)));
    ours.cloned().collect()
}
