//! Facts of MySQL and MariaDB.

use std::collections::BTreeMap;

use super::{ACTION, EngineFacts, Flavour, ServerIdentity};
use crate::connection::Connection;
use crate::error::DatabaseError;

pub(super) async fn facts(connection: &mut Connection) -> Result<EngineFacts, DatabaseError> {
    // SHOW VARIABLES does not fail on a name that this server's version lacks.
    let mut variables = pairs(
        connection,
        "SHOW GLOBAL VARIABLES WHERE Variable_name IN ('version', 'version_comment', 'hostname', 'port', 'datadir', \
         'server_uuid', 'server_uid', 'lower_case_table_names', 'max_allowed_packet', 'sql_mode')",
    )
    .await?;
    let mut status = pairs(connection, "SHOW GLOBAL STATUS LIKE 'wsrep_cluster_state_uuid'").await?;
    let schema = connection
        .rows(
            ACTION,
            "SELECT SCHEMA_NAME, DEFAULT_CHARACTER_SET_NAME, DEFAULT_COLLATION_NAME \
             FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = DATABASE()",
        )
        .await?;
    let bytes = connection
        .scalar(
            ACTION,
            "SELECT CAST(COALESCE(SUM(DATA_LENGTH + INDEX_LENGTH), 0) AS UNSIGNED) \
             FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE()",
        )
        .await?;
    let version = variables.remove("version").unwrap_or_default();
    let comment = variables.remove("version_comment").unwrap_or_default();
    let maria = format!("{version} {comment}").to_lowercase().contains("mariadb");
    let column = |index| schema.first().map(|row| row.text(index)).unwrap_or_default();
    Ok(EngineFacts {
        flavour: if maria { Flavour::MariaDb } else { Flavour::MySql },
        version,
        server: ServerIdentity {
            unique: variables
                .remove("server_uuid")
                .or_else(|| variables.remove("server_uid")),
            cluster: status
                .remove("wsrep_cluster_state_uuid")
                .filter(|uuid| real_cluster(uuid)),
            host: variables.remove("hostname"),
            port: variables.remove("port"),
            data_directory: variables.remove("datadir"),
            started: None,
        },
        database: column(0),
        charset: column(1),
        collation: column(2),
        ctype: None,
        locale_provider: None,
        lower_case_table_names: variables
            .remove("lower_case_table_names")
            .and_then(|mode| mode.parse().ok()),
        max_allowed_packet: variables
            .remove("max_allowed_packet")
            .and_then(|bytes| bytes.parse().ok()),
        sql_mode: variables.remove("sql_mode"),
        extensions: Vec::new(),
        locks: None,
        data_bytes: bytes.and_then(|bytes| bytes.parse().ok()).unwrap_or_default(),
    })
}

/// A server that is in no cluster shows an empty or zero id.
fn real_cluster(uuid: &str) -> bool {
    uuid.chars().any(|c| c.is_ascii_hexdigit() && c != '0')
}

async fn pairs(connection: &mut Connection, sql: &str) -> Result<BTreeMap<String, String>, DatabaseError> {
    let rows = connection.rows(ACTION, sql).await?;
    Ok(rows
        .iter()
        .map(|row| (row.text(0).to_lowercase(), row.text(1)))
        .collect())
}
