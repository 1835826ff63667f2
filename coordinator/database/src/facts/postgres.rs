//! Facts of PostgreSQL.

use super::{ACTION, EngineFacts, Flavour, ServerIdentity};
use crate::connection::Connection;
use crate::error::{DatabaseError, Kind};

/// The first version whose catalogs have all that is read.
const FIRST_VERSION: i64 = 12;

/// Said before anything else is asked, which an older server would not understand.
async fn refuse_older(connection: &mut Connection) -> Result<(), DatabaseError> {
    let sql = "SELECT current_setting('server_version_num')";
    let version = connection.scalar(ACTION, sql).await?.unwrap_or_default();
    let major = version.parse::<i64>().unwrap_or_default() / 10_000;
    if major >= FIRST_VERSION {
        return Ok(());
    }
    Err(DatabaseError::new(
        Kind::Refused,
        ACTION,
        connection.target(),
        format!("the server is PostgreSQL {major}, and Cutover needs {FIRST_VERSION} or newer"),
        "bring the database to a newer PostgreSQL first",
    ))
}

pub(super) async fn facts(connection: &mut Connection) -> Result<EngineFacts, DatabaseError> {
    refuse_older(connection).await?;
    let rows = connection
        .rows(
            ACTION,
            "SELECT current_setting('server_version'), current_database(), pg_encoding_to_char(encoding), datcollate, \
             datctype, pg_database_size(oid), current_setting('port'), \
             extract(epoch FROM pg_postmaster_start_time())::text, \
             current_setting('max_locks_per_transaction')::bigint * (current_setting('max_connections')::bigint \
               + current_setting('max_prepared_transactions')::bigint) \
             FROM pg_catalog.pg_database WHERE datname = current_database()",
        )
        .await?;
    let column = |index| rows.first().map(|row| row.text(index)).unwrap_or_default();
    let extensions = connection
        .column(
            ACTION,
            "SELECT extname FROM pg_catalog.pg_extension WHERE extname <> 'plpgsql' ORDER BY 1",
        )
        .await?;
    Ok(EngineFacts {
        flavour: Flavour::Postgres,
        version: column(0),
        server: ServerIdentity {
            unique: optional(
                connection,
                "SELECT system_identifier FROM pg_catalog.pg_control_system()",
            )
            .await,
            cluster: None,
            host: None,
            port: Some(column(6)),
            data_directory: optional(connection, "SHOW data_directory").await,
            started: Some(column(7)),
        },
        database: column(1),
        charset: column(2),
        collation: column(3),
        ctype: Some(column(4)),
        locale_provider: locale_provider(connection).await,
        lower_case_table_names: None,
        max_allowed_packet: None,
        sql_mode: None,
        extensions,
        data_bytes: column(5).parse().unwrap_or_default(),
        locks: column(8).parse().ok(),
    })
}

/// What only some accounts may read; its absence is a fact too.
async fn optional(connection: &mut Connection, sql: &str) -> Option<String> {
    connection.scalar(ACTION, sql).await.ok().flatten()
}

/// ICU and builtin locales decide the sort order instead of `LC_COLLATE`; the column's name changed twice.
async fn locale_provider(connection: &mut Connection) -> Option<String> {
    for column in ["datlocale", "daticulocale"] {
        let sql = format!(
            "SELECT datlocprovider || ':' || coalesce({column}, '') FROM pg_catalog.pg_database \
             WHERE datname = current_database() AND datlocprovider <> 'c'"
        );
        if let Ok(found) = connection.scalar(ACTION, &sql).await {
            return found;
        }
    }
    None
}
