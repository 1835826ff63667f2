//! What the account may do, as far as an upgrade depends on it.

use std::collections::BTreeSet;

use crate::connection::Connection;
use crate::error::DatabaseError;
use crate::target::Engine;

/// Privileges that steps of an upgrade need.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Privileges {
    /// May create a database next to this one: the scratch database of a backup's verification.
    pub create_database: bool,
    /// Is shown every session of the server, not only its own.
    pub see_all_sessions: bool,
}

pub(crate) async fn privileges(connection: &mut Connection) -> Result<Privileges, DatabaseError> {
    match connection.engine() {
        Engine::MySql => mysql(connection).await,
        Engine::Postgres => postgres(connection).await,
    }
}

async fn postgres(connection: &mut Connection) -> Result<Privileges, DatabaseError> {
    let rows = connection
        .rows(
            "read the account's privileges",
            "SELECT rolsuper OR rolcreatedb, rolsuper OR pg_has_role(current_user, 'pg_read_all_stats', 'USAGE') \
             FROM pg_catalog.pg_roles WHERE rolname = current_user",
        )
        .await?;
    let flag = |column| rows.first().is_some_and(|row| row.flag(column));
    Ok(Privileges {
        create_database: flag(0),
        see_all_sessions: flag(1),
    })
}

async fn mysql(connection: &mut Connection) -> Result<Privileges, DatabaseError> {
    let grants = own_grants(connection).await?;
    Ok(Privileges {
        create_database: grants.iter().any(|line| grants_create(line)),
        see_all_sessions: grants
            .iter()
            .any(|line| global(line).is_some_and(|list| has(&list, "PROCESS"))),
    })
}

/// MySQL: what the account may do on the whole server.
pub(crate) async fn global_privileges(
    connection: &mut Connection,
) -> Result<BTreeSet<String>, DatabaseError> {
    let grants = own_grants(connection).await?;
    Ok(grants.iter().filter_map(|line| global(line)).flatten().collect())
}

/// MySQL: whether the account may give others any right on any database.
pub(crate) async fn may_grant(connection: &mut Connection) -> Result<bool, DatabaseError> {
    const ON_DATABASES: [&str; 18] = [
        "SELECT",
        "INSERT",
        "UPDATE",
        "DELETE",
        "CREATE",
        "DROP",
        "REFERENCES",
        "INDEX",
        "ALTER",
        "CREATE TEMPORARY TABLES",
        "LOCK TABLES",
        "EXECUTE",
        "CREATE VIEW",
        "SHOW VIEW",
        "CREATE ROUTINE",
        "ALTER ROUTINE",
        "EVENT",
        "TRIGGER",
    ];
    let grants = own_grants(connection).await?;
    Ok(grants.iter().any(|line| {
        line.ends_with("WITH GRANT OPTION")
            && global(line).is_some_and(|list| ON_DATABASES.iter().all(|privilege| has(&list, privilege)))
    }))
}

async fn own_grants(connection: &mut Connection) -> Result<Vec<String>, DatabaseError> {
    const ACTION: &str = "read the account's privileges";
    let mut grants = connection.column(ACTION, "SHOW GRANTS").await?;
    // MySQL shows what an active role grants only when asked for it by name; MariaDB shows it anyway.
    let role = connection.run("SELECT CURRENT_ROLE()").await.ok();
    let role = role
        .and_then(|(rows, _)| rows.first().map(|row| row.text(0)))
        .unwrap_or_default();
    if role.contains('@')
        && let Ok((rows, _)) = connection
            .run(&format!("SHOW GRANTS FOR CURRENT_USER() USING {role}"))
            .await
    {
        grants.extend(rows.iter().map(|row| row.text(0)));
    }
    Ok(grants)
}

/// The privileges of a line `GRANT a, b ON *.* TO …`.
fn global(line: &str) -> Option<Vec<String>> {
    let (list, scope) = split(line)?;
    (scope == "*.*").then_some(list)
}

/// `(privileges, scope)` of a line `GRANT a, b ON scope TO …`.
fn split(line: &str) -> Option<(Vec<String>, &str)> {
    let rest = line.strip_prefix("GRANT ")?;
    let (list, rest) = rest.split_once(" ON ")?;
    let (scope, _) = rest.split_once(" TO ")?;
    Some((list.split(", ").map(str::to_ascii_uppercase).collect(), scope))
}

fn has(list: &[String], privilege: &str) -> bool {
    list.iter()
        .any(|entry| entry == privilege || entry == "ALL PRIVILEGES" || entry == "ALL")
}

/// Also a grant on names like `cutover_…`, which is all that a careful site will give.
fn grants_create(line: &str) -> bool {
    split(line).is_some_and(|(list, scope)| {
        let names_ours =
            scope.starts_with("`cutover\\_%") || scope.starts_with("`cutover_%") || scope.starts_with("`%`");
        (scope == "*.*" || names_ours) && has(&list, "CREATE")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grant_when_global_then_process_is_found() {
        let sees = |line| global(line).is_some_and(|list| has(&list, "PROCESS"));
        assert!(sees(
            "GRANT ALL PRIVILEGES ON *.* TO `root`@`localhost` WITH GRANT OPTION"
        ));
        assert!(sees("GRANT SELECT, PROCESS ON *.* TO `cutover`@`%`"));
        assert!(!sees("GRANT USAGE ON *.* TO `cutover`@`%`"));
        assert!(!sees("GRANT ALL PRIVILEGES ON `carbon`.* TO `cutover`@`%`"));
    }

    #[test]
    fn grant_when_on_our_names_then_a_scratch_database_can_be_made() {
        assert!(grants_create(
            "GRANT ALL PRIVILEGES ON `cutover\\_%`.* TO `cutover`@`%`"
        ));
        assert!(grants_create("GRANT CREATE, DROP ON *.* TO `cutover`@`%`"));
        assert!(!grants_create(
            "GRANT ALL PRIVILEGES ON `carbon`.* TO `cutover`@`%`"
        ));
    }
}
