//! Gives the servers' account its place in a database that Cutover's account has filled.

use crate::connection::Connection;
use crate::error::{DatabaseError, Kind};
use crate::literal;
use crate::target::{Engine, Target};

const ACTION: &str = "give the application's account its rights";

/// Every table, view and sequence of users that this account may grant on and that is not the other's already.
const GRANTS: &str = "SELECT format('GRANT ALL ON %s %I.%I TO %I', \
     CASE c.relkind WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END, n.nspname, c.relname, r.rolname) \
     FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
     JOIN pg_catalog.pg_roles r ON r.rolname = {user} \
     WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S') AND n.nspname NOT LIKE 'pg\\_%' \
     AND n.nspname <> 'information_schema' AND c.relowner <> r.oid \
     AND pg_catalog.pg_has_role(current_user, c.relowner, 'USAGE') \
     UNION ALL SELECT format('GRANT USAGE ON SCHEMA %I TO %I', n.nspname, r.rolname) \
     FROM pg_catalog.pg_namespace n JOIN pg_catalog.pg_roles r ON r.rolname = {user} \
     WHERE n.nspname NOT LIKE 'pg\\_%' AND n.nspname <> 'information_schema' AND n.nspowner <> r.oid \
     AND pg_catalog.pg_has_role(current_user, n.nspowner, 'USAGE')";

/// Lets `user` use what is in the database; says on how many objects. In MySQL and MariaDB an account's rights are
/// on the database's name and were there before its tables: nothing is to be done.
///
/// # Errors
/// When the server has no such account, or refuses.
pub async fn hand_over(target: &Target, user: &str) -> Result<u64, DatabaseError> {
    if target.engine == Engine::MySql {
        return Ok(0);
    }
    let mut connection = Connection::open(target).await?;
    let name = literal::text(Engine::Postgres, user);
    let known = format!("SELECT 1 FROM pg_catalog.pg_roles WHERE rolname = {name}");
    if connection.scalar(ACTION, &known).await?.is_none() {
        return Err(DatabaseError::new(
            Kind::UnknownDatabase,
            ACTION,
            target,
            format!("the server has no account `{user}`"),
            "create it, or correct `application` in the upgrade file",
        ));
    }
    let grants = connection
        .column(ACTION, &GRANTS.replace("{user}", &name))
        .await?;
    for grant in &grants {
        connection.execute(ACTION, grant).await?;
    }
    connection.close().await;
    Ok(grants.len() as u64)
}
