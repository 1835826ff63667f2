//! Deciding how an account of MySQL or MariaDB is kept out.

use std::collections::BTreeSet;

use super::super::{FencePlan, Measure, denied, own_account, unknown_account};
use super::{ACTION, grant_lines, grants, locked, of_database};
use crate::connection::Connection;
use crate::error::DatabaseError;
use crate::literal;
use crate::privileges::{global_privileges, may_grant};
use crate::target::Engine;

const OWN_ACCOUNT: &str = "create an account for Cutover alone, for example `CREATE USER cutover IDENTIFIED BY …; \
     GRANT ALL PRIVILEGES ON *.* TO cutover WITH GRANT OPTION`, and name it in the upgrade file";

pub(in super::super) async fn prepare(
    connection: &mut Connection,
    accounts: Vec<String>,
) -> Result<FencePlan, DatabaseError> {
    let target = connection.target().clone();
    require_privileges(connection).await?;
    let locks = can_lock(connection).await?;
    let own = connection
        .scalar(ACTION, "SELECT CURRENT_USER()")
        .await?
        .unwrap_or_default();
    let mut plan = FencePlan::new(Engine::MySql, &target.database, accounts.clone());
    for user in &accounts {
        let hosts = hosts(connection, user).await?;
        if hosts.is_empty() {
            return Err(unknown_account(&target, user));
        }
        for host in hosts {
            if own == format!("{user}@{host}") {
                return Err(own_account(&target, &own, OWN_ACCOUNT));
            }
            one(connection, &mut plan, user, &host, locks).await?;
        }
    }
    warn_of_events(connection, &mut plan).await?;
    Ok(plan)
}

/// Locking needs the right to change accounts, ending sessions the right to do it to others.
async fn require_privileges(connection: &mut Connection) -> Result<(), DatabaseError> {
    let held = global_privileges(connection).await?;
    let has = |names: &[&str]| names.iter().any(|name| held.contains(*name));
    let target = connection.target();
    let missing = if !has(&["CREATE USER", "ALL PRIVILEGES"]) {
        "CREATE USER"
    } else if !has(&["SUPER", "CONNECTION ADMIN", "CONNECTION_ADMIN", "ALL PRIVILEGES"]) {
        "CONNECTION ADMIN (CONNECTION_ADMIN on MySQL 8, SUPER on older servers)"
    } else {
        return Ok(());
    };
    Err(denied(
        target,
        format!("the account `{}` lacks {missing}", target.user),
        "grant it ON *.* as a database administrator, then repeat the step",
    ))
}

/// From where the account may connect. Roles are not accounts.
pub(super) async fn hosts(connection: &mut Connection, user: &str) -> Result<Vec<String>, DatabaseError> {
    let user = literal::text(Engine::MySql, user);
    let roles = connection
        .scalar(
            ACTION,
            "SELECT 1 FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = 'mysql' AND TABLE_NAME = 'user' \
             AND COLUMN_NAME = 'is_role'",
        )
        .await?
        .map_or("", |_| "AND is_role <> 'Y'");
    let sql = format!("SELECT Host FROM mysql.user WHERE User = {user} {roles} ORDER BY Host");
    connection.column(ACTION, &sql).await
}

/// MySQL 5.7.6 and MariaDB 10.4.2 can lock an account.
async fn can_lock(connection: &mut Connection) -> Result<bool, DatabaseError> {
    let version = connection
        .scalar(ACTION, "SELECT VERSION()")
        .await?
        .unwrap_or_default();
    Ok(locks_accounts(&version))
}

fn locks_accounts(version: &str) -> bool {
    let mut numbers = version
        .split(|c: char| !c.is_ascii_digit())
        .map(|part| part.parse::<u32>().unwrap_or_default());
    let mut next = || numbers.next().unwrap_or_default();
    let version_number = (next(), next(), next());
    if version.to_lowercase().contains("mariadb") {
        version_number >= (10, 4, 2)
    } else {
        version_number >= (5, 7, 6)
    }
}

async fn one(
    connection: &mut Connection,
    plan: &mut FencePlan,
    user: &str,
    host: &str,
    locks: bool,
) -> Result<(), DatabaseError> {
    let database = plan.database.clone();
    let lines = grant_lines(connection, user, host).await?;
    let parsed: Vec<grants::Grant> = lines
        .iter()
        .filter_map(|line| grants::Grant::parse(line))
        .collect();
    let has_roles = lines.iter().any(|line| {
        grants::Grant::parse(line).is_none()
            && line.starts_with("GRANT ")
            && !line.starts_with("GRANT PROXY ")
    });
    let mut others: BTreeSet<String> = parsed
        .iter()
        .filter_map(|grant| grant.elsewhere(&database))
        .collect();
    others.extend(
        working_on(connection, user)
            .await?
            .into_iter()
            .filter(|name| *name != database),
    );
    let separable = !has_roles
        && parsed
            .iter()
            .filter(|grant| grant.reaches(&database))
            .all(|grant| grant.is_of(&database));
    let revocable =
        separable && may_grant(connection).await? && !defines_objects(connection, user, host).await?;
    if revocable && (!others.is_empty() || !locks) {
        let grants = of_database(&lines, &database);
        plan.does.push(format!(
            "take the rights on `{database}` from `{user}`@`{host}` ({} statements) and end its sessions there; {} stay as they are",
            grants.len(),
            if others.is_empty() { "its other rights".to_owned() } else { names(&others) }
        ));
        plan.undoes.push(format!(
            "give `{user}`@`{host}` back the rights it had on `{database}`"
        ));
        plan.measures.push(Measure::RevokeRights {
            user: user.to_owned(),
            host: host.to_owned(),
            grants,
        });
        return Ok(());
    }
    if !locks {
        return Err(denied(
            connection.target(),
            format!(
                "this server cannot lock accounts, and the rights of `{user}`@`{host}` cannot be taken from this database alone"
            ),
            "give the application's account rights on this one database only, or lock it out by hand",
        ));
    }
    let was_locked = locked(connection, user, host).await?.unwrap_or_default();
    plan.does
        .push(format!("lock the account `{user}`@`{host}` and end its sessions"));
    plan.undoes.push(if was_locked {
        format!("leave `{user}`@`{host}` locked, as it was before")
    } else {
        format!("unlock the account `{user}`@`{host}`")
    });
    if parsed.iter().any(grants::Grant::is_global) && !was_locked {
        plan.warnings.push(format!(
            "`{user}`@`{host}` has rights on the whole server: it is locked out of everything on it"
        ));
    }
    if !others.is_empty() && !was_locked {
        plan.warnings.push(format!(
            "`{user}`@`{host}` also serves {}: it is locked out of them as well, because its rights on `{database}` cannot be taken alone",
            names(&others)
        ));
    }
    plan.measures.push(Measure::LockAccount {
        user: user.to_owned(),
        host: host.to_owned(),
        was_locked,
    });
    Ok(())
}

fn names(databases: &BTreeSet<String>) -> String {
    let quoted: Vec<String> = databases.iter().map(|name| format!("`{name}`")).collect();
    quoted.join(", ")
}

/// Databases that the account's sessions have chosen at present.
async fn working_on(connection: &mut Connection, user: &str) -> Result<Vec<String>, DatabaseError> {
    let user = literal::text(Engine::MySql, user);
    let sql = format!(
        "SELECT DISTINCT DB FROM information_schema.PROCESSLIST WHERE USER = {user} AND DB IS NOT NULL"
    );
    connection.column(ACTION, &sql).await
}

/// A view without a definer that may read its tables cannot even be dumped.
async fn defines_objects(connection: &mut Connection, user: &str, host: &str) -> Result<bool, DatabaseError> {
    let definer = literal::text(Engine::MySql, &format!("{user}@{host}"));
    let sql = [
        ("VIEWS", "TABLE_SCHEMA"),
        ("TRIGGERS", "TRIGGER_SCHEMA"),
        ("ROUTINES", "ROUTINE_SCHEMA"),
        ("EVENTS", "EVENT_SCHEMA"),
    ]
    .map(|(table, schema)| {
        format!(
            "SELECT 1 FROM information_schema.{table} WHERE {schema} = DATABASE() \
             AND CONVERT(DEFINER USING utf8mb4) = {definer}"
        )
    })
    .join(" UNION ");
    Ok(connection.scalar(ACTION, &sql).await?.is_some())
}

/// The server's own scheduler writes without a session of the application.
async fn warn_of_events(connection: &mut Connection, plan: &mut FencePlan) -> Result<(), DatabaseError> {
    let events = connection
        .column(
            ACTION,
            "SELECT EVENT_NAME FROM information_schema.EVENTS WHERE EVENT_SCHEMA = DATABASE() AND STATUS = 'ENABLED' \
             AND @@GLOBAL.event_scheduler = 'ON'",
        )
        .await?;
    if !events.is_empty() {
        plan.warnings.push(format!(
            "the server runs the events {} by itself; the fence does not stop them: disable those that write",
            events.join(", ")
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::locks_accounts;

    #[test]
    fn server_when_old_then_it_cannot_lock_accounts() {
        assert!(locks_accounts("10.11.6-MariaDB-0+deb12u1"));
        assert!(!locks_accounts("10.4.1-MariaDB"));
        assert!(locks_accounts("8.0.36"));
        assert!(!locks_accounts("5.6.51-log"));
    }
}
