//! The metadata of Storage Server's databases: which tables a version can work with, and where its ids come from.

use anyhow::{Context as _, Result, bail};

use super::conf::{Datasource, RssConf};
use super::db::Db;
use super::jdbc::Target;

/// The tables from which the newer version takes its ids; it makes those that are missing at its first start.
const SEQUENCES: [&str; 8] = [
    "ENVIRONMENT_SEQUENCE_TABLE",
    "DATABASE_SEQUENCE_TABLE",
    "SERVER_INSTANCE_SEQUENCE_TABLE",
    "DATABASE_USER_SEQUENCE_TABLE",
    "PRIVILEGE_TEMPLATE_SEQUENCE_TABLE",
    "DB_PRIVILEGE_TEMPLATE_ENTRY_SEQUENCE_TABLE",
    "USER_DATABASE_PRIVILEGE_SEQUENCE_TABLE",
    "USER_DATABASE_ENTRY_SEQUENCE_TABLE",
];
const USERS: &str = "DATABASE_USER_SEQUENCE_TABLE";

/// Refuses what this version cannot work with, and takes a first id as its first request would.
pub(super) async fn check(db: &Db, source: &Datasource, conf: &RssConf, new: bool) -> Result<()> {
    if source.target == Target::Embedded {
        return Ok(());
    }
    let column = if new { "ENVIRONMENT_ID" } else { "RSS_INSTANCE_ID" };
    if !db.has_column("RM_DATABASE_USER", column).await? {
        bail!(
            "org.wso2.carbon.rssmanager.core.exception.RSSManagerException: Unknown column '{column}' in \
             'RM_DATABASE_USER'"
        );
    }
    if new {
        conf.fits(source)?;
        sequences(db).await?;
        take_id(db, source).await?;
    }
    Ok(())
}

async fn sequences(db: &Db) -> Result<()> {
    for table in SEQUENCES {
        if !db.has_table(table).await? {
            // Several nodes may start at once.
            let create = format!(
                "CREATE TABLE {table} (SEQ_NAME VARCHAR(255) NOT NULL, SEQ_COUNT BIGINT, PRIMARY KEY (SEQ_NAME))"
            );
            if let Err(error) = db.execute(&create, &[]).await
                && !db.has_table(table).await?
            {
                return Err(error.context(format!("create {table}")));
            }
        }
        let rows = format!("SELECT CAST(COUNT(*) AS CHAR(20)) FROM {table} WHERE SEQ_NAME = 'EMP_SEQ'");
        if db.number(&rows, &[]).await? == Some(0) {
            let insert = format!("INSERT INTO {table} (SEQ_NAME, SEQ_COUNT) VALUES ('EMP_SEQ', 0)");
            db.execute(&insert, &[]).await.ok();
        }
    }
    Ok(())
}

/// An id that a migrated row has already is refused by the database, and so is the server's first new user.
async fn take_id(db: &Db, source: &Datasource) -> Result<()> {
    let id = next(db).await?;
    let environment = "SELECT CAST(MIN(ID) AS CHAR(20)) FROM RM_ENVIRONMENT";
    let environment = db
        .number(environment, &[])
        .await?
        .context("there is no environment DEFAULT")?;
    let versioned = matches!(source.target, Target::Postgres { .. });
    let (column, value) = if versioned { (", VERSION", ", 1") } else { ("", "") };
    let insert = format!(
        "INSERT INTO RM_DATABASE_USER (ID, USERNAME, ENVIRONMENT_ID, TYPE, TENANT_ID{column}) VALUES \
         ({id}, 'standin{id}', {environment}, 'SYSTEM', -1234{value})"
    );
    db.execute(&insert, &[])
        .await
        .with_context(|| format!("add a database user with the id {id} that {USERS} gave"))?;
    db.execute(&format!("DELETE FROM RM_DATABASE_USER WHERE ID = {id}"), &[])
        .await?;
    Ok(())
}

async fn next(db: &Db) -> Result<i64> {
    loop {
        let current = format!("SELECT CAST(SEQ_COUNT AS CHAR(20)) FROM {USERS} WHERE SEQ_NAME = 'EMP_SEQ'");
        let current = db
            .number(&current, &[])
            .await?
            .with_context(|| format!("{USERS} is empty"))?;
        let next = current + 1;
        let take = format!(
            "UPDATE {USERS} SET SEQ_COUNT = {next} WHERE SEQ_NAME = 'EMP_SEQ' AND SEQ_COUNT = {current}"
        );
        if db.execute(&take, &[]).await? == 1 {
            return Ok(next);
        }
    }
}
