//! Tables in which Storage Server 1.1.0 counts the ids of its RSS tables: one row `EMP_SEQ` whose `SEQ_COUNT` is the
//! next id. The product makes those that are missing at its first start and begins to count at 1, whatever ids a
//! migration brought along.

use super::Source;
use crate::checkpoint::{ACTION, Checker};
use crate::error::DatabaseError;
use crate::literal;

/// The counting table and the table it counts for.
pub(crate) const COUNTERS: [(&str, &str); 8] = [
    ("ENVIRONMENT_SEQUENCE_TABLE", "RM_ENVIRONMENT"),
    ("SERVER_INSTANCE_SEQUENCE_TABLE", "RM_SERVER_INSTANCE"),
    ("DATABASE_SEQUENCE_TABLE", "RM_DATABASE"),
    ("DATABASE_USER_SEQUENCE_TABLE", "RM_DATABASE_USER"),
    ("USER_DATABASE_ENTRY_SEQUENCE_TABLE", "RM_USER_DATABASE_ENTRY"),
    (
        "USER_DATABASE_PRIVILEGE_SEQUENCE_TABLE",
        "RM_USER_DATABASE_PRIVILEGE",
    ),
    ("PRIVILEGE_TEMPLATE_SEQUENCE_TABLE", "RM_DB_PRIVILEGE_TEMPLATE"),
    (
        "DB_PRIVILEGE_TEMPLATE_ENTRY_SEQUENCE_TABLE",
        "RM_DB_PRIVILEGE_TEMPLATE_ENTRY",
    ),
];

/// The table that came with 1.1.0; before it, ids were the server's own.
const LEVEL: &str = "RM_ENVIRONMENT";

pub(super) async fn find(checker: &mut Checker<'_>) -> Result<Vec<Source>, DatabaseError> {
    let mut sources = Vec::new();
    if checker.find_table(LEVEL).is_none() {
        return Ok(sources);
    }
    for (counter, counted) in COUNTERS {
        if let Some(table) = checker.find_table(counted) {
            sources.push(one(checker, counter, &table).await?);
        }
    }
    Ok(sources)
}

async fn one(checker: &mut Checker<'_>, counter: &str, table: &str) -> Result<Source, DatabaseError> {
    let engine = checker.connection.engine();
    let quoted = literal::name(engine, table);
    let highest = checker
        .connection
        .scalar(ACTION, &format!("SELECT MAX(ID) FROM {quoted}"))
        .await?;
    let highest: Option<i128> = highest.and_then(|id| id.parse().ok());
    let mut source = Source {
        name: counter.to_owned(),
        used_by: format!("{table}.ID"),
        next: None,
        highest,
        repair: highest.map(|highest| {
            format!(
                "CREATE TABLE {counter} (SEQ_NAME VARCHAR(255) NOT NULL, SEQ_COUNT BIGINT, PRIMARY KEY (SEQ_NAME)); \
                 INSERT INTO {counter} (SEQ_NAME, SEQ_COUNT) VALUES ('EMP_SEQ', {highest} + 1)"
            )
        }),
    };
    if let Some(found) = checker.find_table(counter) {
        let counter = literal::name(engine, &found);
        let next = checker
            .connection
            .scalar(
                ACTION,
                &format!("SELECT SEQ_COUNT FROM {counter} WHERE SEQ_NAME = 'EMP_SEQ'"),
            )
            .await?;
        source.next = next.and_then(|next| next.parse().ok());
        source.repair = highest.map(|highest| match source.next {
            Some(_) => format!("UPDATE {counter} SET SEQ_COUNT = {highest} + 1 WHERE SEQ_NAME = 'EMP_SEQ'"),
            None => format!("INSERT INTO {counter} (SEQ_NAME, SEQ_COUNT) VALUES ('EMP_SEQ', {highest} + 1)"),
        });
    }
    Ok(source)
}
