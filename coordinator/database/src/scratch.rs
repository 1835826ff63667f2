//! Scratch databases for rehearsals: made beside staging, with production's character set, and dropped again. The
//! caller keeps the mark of what it made; nothing whose name does not begin with its prefix is ever dropped.

use std::time::Duration;

use crate::connection::Connection;
use crate::error::{DatabaseError, Kind};
use crate::facts::DatabaseFacts;
use crate::literal;
use crate::target::{Engine, Target};

/// What names of scratch databases begin with.
pub const PREFIX: &str = "cutover_rehearsal_";

const MAKE: &str = "make the scratch database";
const DROP: &str = "drop the scratch database";
/// A session that just said good-bye is still ending.
const DROP_TRIES: u32 = 50;
const DROP_PAUSE: Duration = Duration::from_millis(100);

/// Whether the server that `server` lies on has a database of this name.
///
/// # Errors
/// The server can't be reached or asked.
pub async fn scratch_exists(server: &Target, name: &str) -> Result<bool, DatabaseError> {
    let mut connection = Connection::open(server).await?;
    let found = exists(&mut connection, name).await;
    connection.close().await;
    found
}

/// Makes an empty database with production's character set and collation.
///
/// # Errors
/// The name is not a scratch's, it exists, or the account may not create databases.
pub async fn make_scratch(
    server: &Target,
    production: &DatabaseFacts,
    name: &str,
) -> Result<(), DatabaseError> {
    require_prefix(server, MAKE, name)?;
    let mut connection = Connection::open(server).await?;
    let sql = creation(production, name);
    let made = connection.execute(MAKE, &sql).await;
    connection.close().await;
    made.map(drop)
}

fn creation(production: &DatabaseFacts, name: &str) -> String {
    let engine = production.engine;
    let quoted = literal::name(engine, name);
    match engine {
        Engine::MySql => format!(
            "CREATE DATABASE {quoted} CHARACTER SET {} COLLATE {}",
            literal::name(engine, &production.charset),
            literal::name(engine, &production.collation)
        ),
        Engine::Postgres => {
            let text = |value: &str| literal::text(engine, value);
            format!(
                "CREATE DATABASE {quoted} TEMPLATE template0 ENCODING {} LC_COLLATE {} LC_CTYPE {}",
                text(&production.charset),
                text(&production.collation),
                text(production.ctype.as_deref().unwrap_or(&production.collation)),
            )
        }
    }
}

/// Drops a scratch database; one that is not there is no error.
///
/// # Errors
/// The name is not a scratch's, or the server refuses.
pub async fn drop_scratch(server: &Target, name: &str) -> Result<(), DatabaseError> {
    require_prefix(server, DROP, name)?;
    let mut connection = Connection::open(server).await?;
    let dropped = remove(&mut connection, name).await;
    connection.close().await;
    dropped
}

async fn remove(connection: &mut Connection, name: &str) -> Result<(), DatabaseError> {
    let engine = connection.engine();
    if engine == Engine::Postgres {
        // Sessions of a coordinator that was killed in its middle may still be at their last statement.
        let sql = format!(
            "SELECT pg_catalog.pg_terminate_backend(pid) FROM pg_catalog.pg_stat_activity WHERE datname = {}",
            literal::text(engine, name)
        );
        connection.rows(DROP, &sql).await?;
    }
    let sql = format!("DROP DATABASE IF EXISTS {}", literal::name(engine, name));
    for _ in 0..DROP_TRIES {
        match connection.run(&sql).await {
            Ok(_) => return Ok(()),
            Err(sqlx::Error::Database(refusal)) if refusal.code().as_deref() == Some("55006") => {
                tokio::time::sleep(DROP_PAUSE).await;
            }
            Err(error) => return Err(DatabaseError::driver(DROP, connection.target(), error)),
        }
    }
    Err(DatabaseError::new(
        Kind::Refused,
        DROP,
        connection.target(),
        format!("sessions stay on `{name}`"),
        "find out who works there and end it, then try again",
    ))
}

async fn exists(connection: &mut Connection, name: &str) -> Result<bool, DatabaseError> {
    let text = literal::text(connection.engine(), name);
    let sql = match connection.engine() {
        Engine::MySql => format!("SELECT 1 FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = {text}"),
        Engine::Postgres => format!("SELECT 1 FROM pg_catalog.pg_database WHERE datname = {text}"),
    };
    Ok(connection.scalar(MAKE, &sql).await?.is_some())
}

fn require_prefix(server: &Target, action: &str, name: &str) -> Result<(), DatabaseError> {
    if name.strip_prefix(PREFIX).is_some_and(|rest| !rest.is_empty()) {
        return Ok(());
    }
    Err(DatabaseError::new(
        Kind::Refused,
        action,
        server,
        format!("`{name}` is not the name of a scratch database"),
        "only databases that Cutover made for a rehearsal are made and dropped",
    ))
}

#[cfg(test)]
mod tests {
    use secrecy::SecretString;

    use super::*;

    #[test]
    fn name_when_it_is_not_a_scratch_then_refused() {
        let server = Target::parse("mysql://a@h/b", SecretString::from("")).unwrap();
        assert!(require_prefix(&server, DROP, "wso2carbon_db").is_err());
        assert!(require_prefix(&server, DROP, PREFIX).is_err());
        assert!(require_prefix(&server, DROP, "cutover_rehearsal_1a").is_ok());
    }
}
