//! A database made for a test restore. It carries a mark, and nothing without the mark is ever dropped.

use std::time::Duration;

use super::BackupReceipt;
use crate::connection::Connection;
use crate::error::{DatabaseError, Kind};
use crate::fingerprint::SCRATCH_MARK;
use crate::literal;
use crate::target::{Engine, Target};

const ACTION: &str = "make the scratch database";
const DROP: &str = "drop the scratch database";
const MARK: &str = "scratch database of Cutover, may be dropped";

/// Creates it; one that an interrupted run left behind is dropped first.
pub(super) async fn create(
    server: &Target,
    receipt: &BackupReceipt,
    name: &str,
) -> Result<Target, DatabaseError> {
    let mut connection = Connection::open(server).await?;
    let created = make(&mut connection, receipt, name).await;
    connection.close().await;
    created.map(|()| server.with_database(name))
}

async fn make(connection: &mut Connection, receipt: &BackupReceipt, name: &str) -> Result<(), DatabaseError> {
    if exists(connection, name).await? {
        remove(connection, name).await?;
    }
    let quoted = literal::name(connection.engine(), name);
    match connection.engine() {
        Engine::MySql => {
            let sql = format!(
                "CREATE DATABASE {quoted} CHARACTER SET {} COLLATE {}",
                literal::name(Engine::MySql, &receipt.charset),
                literal::name(Engine::MySql, &receipt.collation)
            );
            connection.execute(ACTION, &sql).await?;
            let mark = literal::qualified(Engine::MySql, name, SCRATCH_MARK);
            connection
                .execute(ACTION, &format!("CREATE TABLE {mark} (mark INT)"))
                .await?;
        }
        Engine::Postgres => {
            let text = |value: &str| literal::text(Engine::Postgres, value);
            let sql = format!(
                "CREATE DATABASE {quoted} TEMPLATE template0 ENCODING {} LC_COLLATE {} LC_CTYPE {}",
                text(&receipt.charset),
                text(&receipt.collation),
                text(receipt.ctype.as_deref().unwrap_or(&receipt.collation)),
            );
            connection.execute(ACTION, &sql).await?;
            connection
                .execute(ACTION, &format!("COMMENT ON DATABASE {quoted} IS {}", text(MARK)))
                .await?;
        }
    }
    Ok(())
}

pub(super) async fn drop(server: &Target, name: &str) -> Result<(), DatabaseError> {
    let mut connection = Connection::open(server).await?;
    let removed = remove(&mut connection, name).await;
    connection.close().await;
    removed
}

async fn exists(connection: &mut Connection, name: &str) -> Result<bool, DatabaseError> {
    let text = literal::text(connection.engine(), name);
    let sql = match connection.engine() {
        Engine::MySql => format!("SELECT 1 FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = {text}"),
        Engine::Postgres => format!("SELECT 1 FROM pg_catalog.pg_database WHERE datname = {text}"),
    };
    Ok(connection.scalar(ACTION, &sql).await?.is_some())
}

async fn marked(connection: &mut Connection, name: &str) -> Result<bool, DatabaseError> {
    let engine = connection.engine();
    let sql = match engine {
        Engine::MySql => format!(
            "SELECT 1 FROM information_schema.TABLES WHERE TABLE_SCHEMA = {} AND TABLE_NAME = '{SCRATCH_MARK}'",
            literal::text(engine, name)
        ),
        Engine::Postgres => format!(
            "SELECT 1 FROM pg_catalog.pg_database WHERE datname = {} \
             AND pg_catalog.shobj_description(oid, 'pg_database') = {}",
            literal::text(engine, name),
            literal::text(engine, MARK)
        ),
    };
    Ok(connection.scalar(DROP, &sql).await?.is_some())
}

async fn remove(connection: &mut Connection, name: &str) -> Result<(), DatabaseError> {
    if !marked(connection, name).await? {
        return Err(DatabaseError::new(
            Kind::Refused,
            DROP,
            connection.target(),
            format!("the database `{name}` was not made for this purpose"),
            "choose another name for the scratch database, or drop this one by hand",
        ));
    }
    let sql = format!("DROP DATABASE {}", literal::name(connection.engine(), name));
    // PostgreSQL refuses while the session that just said good-bye is still ending.
    let mut attempts = 0;
    loop {
        match connection.run(&sql).await {
            Ok(_) => return Ok(()),
            Err(sqlx::Error::Database(refusal))
                if refusal.code().as_deref() == Some("55006") && attempts < 50 =>
            {
                attempts += 1;
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            Err(error) => return Err(DatabaseError::driver(DROP, connection.target(), error)),
        }
    }
}
