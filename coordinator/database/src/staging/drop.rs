//! Dropping everything in a database while the database itself, its owner and its grants stay.

use super::ProvenStaging;
use crate::connection::Connection;
use crate::error::{DatabaseError, Kind};
use crate::facts::{count_objects, engine_facts};
use crate::fingerprint::USER_SCHEMA;
use crate::literal;
use crate::target::{Engine, Target};

const ACTION: &str = "drop all objects";

/// Makes a staging database empty again.
///
/// # Errors
/// [`Kind::Refused`] when `proof` was given for another database; otherwise what the server refused.
pub async fn drop_all_objects(target: &Target, proof: &ProvenStaging) -> Result<(), DatabaseError> {
    let mut connection = Connection::open(target).await?;
    let result = proven(&mut connection, proof).await;
    connection.close().await;
    result
}

async fn proven(connection: &mut Connection, proof: &ProvenStaging) -> Result<(), DatabaseError> {
    let here = engine_facts(connection).await?;
    if !proof.covers(&here.database, &here.server) {
        return Err(DatabaseError::new(
            Kind::Refused,
            ACTION,
            connection.target(),
            "this is not the database that was proven to be staging",
            "read the facts of production and staging again",
        ));
    }
    empty(connection).await
}

/// Drops everything, whatever database it is.
pub(crate) async fn empty(connection: &mut Connection) -> Result<(), DatabaseError> {
    match connection.engine() {
        Engine::MySql => mysql(connection).await?,
        Engine::Postgres => postgres(connection).await?,
    }
    let left = count_objects(connection).await?;
    if left.is_empty() {
        return Ok(());
    }
    let left: Vec<String> = left
        .iter()
        .map(|(kind, number)| format!("{number} × {kind}"))
        .collect();
    Err(DatabaseError::new(
        Kind::Denied,
        ACTION,
        connection.target(),
        format!("objects are left: {}", left.join(", ")),
        "drop them as their owner or as a database administrator",
    ))
}

async fn mysql(connection: &mut Connection) -> Result<(), DatabaseError> {
    let listed = connection
        .rows(
            ACTION,
            "SELECT 'EVENT', EVENT_NAME FROM information_schema.EVENTS WHERE EVENT_SCHEMA = DATABASE() \
             UNION ALL SELECT 'TRIGGER', TRIGGER_NAME FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA = DATABASE() \
             UNION ALL SELECT 'VIEW', TABLE_NAME FROM information_schema.TABLES \
               WHERE TABLE_SCHEMA = DATABASE() AND TABLE_TYPE = 'VIEW' \
             UNION ALL SELECT IF(TABLE_TYPE = 'SEQUENCE', 'SEQUENCE', 'TABLE'), TABLE_NAME FROM information_schema.TABLES \
               WHERE TABLE_SCHEMA = DATABASE() AND TABLE_TYPE <> 'VIEW' \
             UNION ALL SELECT ROUTINE_TYPE, ROUTINE_NAME FROM information_schema.ROUTINES \
               WHERE ROUTINE_SCHEMA = DATABASE() AND ROUTINE_TYPE <> 'PACKAGE BODY'",
        )
        .await?;
    connection
        .execute(ACTION, "SET SESSION foreign_key_checks = 0")
        .await?;
    // Tables with a default from a sequence must go before it.
    let (sequences, others): (Vec<_>, Vec<_>) = listed.iter().partition(|row| row.get(0) == Some("SEQUENCE"));
    for row in others.into_iter().chain(sequences) {
        let name = literal::name(Engine::MySql, &row.text(1));
        connection
            .execute(ACTION, &format!("DROP {} IF EXISTS {name}", row.text(0)))
            .await?;
    }
    connection
        .execute(ACTION, "SET SESSION foreign_key_checks = 1")
        .await?;
    Ok(())
}

/// Each object by itself: thousands in one transaction are more than the server has room for locks. What a try leaves,
/// the next one finds.
async fn postgres(connection: &mut Connection) -> Result<(), DatabaseError> {
    connection.execute(ACTION, "SET synchronous_commit = off").await?;
    for (step, list) in postgres_lists() {
        // Listed anew before each kind, because CASCADE took things with it.
        for name in connection.column(ACTION, &list).await? {
            let sql = step.replace("{}", &name);
            connection.execute(ACTION, &sql).await?;
        }
    }
    Ok(())
}

/// Statements with a list of the names to put into each. Extensions and what belongs to them stay.
fn postgres_lists() -> Vec<(&'static str, String)> {
    let free = |catalog: &str, alias: &str| {
        format!(
            "NOT EXISTS (SELECT 1 FROM pg_catalog.pg_depend d WHERE d.classid = 'pg_catalog.{catalog}'::regclass \
             AND d.objid = {alias}.oid AND d.deptype IN ('e', 'i'))"
        )
    };
    let relation = |kinds: &str| {
        // A composite type is the inner part of itself, whence no look at internal dependencies here.
        format!(
            "SELECT format('%I.%I', n.nspname, c.relname) FROM pg_catalog.pg_class c \
             JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
             WHERE {USER_SCHEMA} AND c.relkind IN ({kinds}) AND NOT EXISTS (SELECT 1 FROM pg_catalog.pg_depend d \
             WHERE d.classid = 'pg_catalog.pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')"
        )
    };
    let typed = |kinds: &str| {
        format!(
            "SELECT format('%I.%I', n.nspname, t.typname) FROM pg_catalog.pg_type t \
             JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace \
             WHERE {USER_SCHEMA} AND t.typtype IN ({kinds}) AND {}",
            free("pg_type", "t")
        )
    };
    let within = |catalog: &str, name: &str, schema: &str| {
        format!(
            "SELECT format('%I.%I', n.nspname, o.{name}) FROM pg_catalog.{catalog} o \
             JOIN pg_catalog.pg_namespace n ON n.oid = o.{schema} WHERE {USER_SCHEMA} AND {}",
            free(catalog, "o")
        )
    };
    let global = |catalog: &str, name: &str| {
        format!(
            "SELECT quote_ident({name}) FROM pg_catalog.{catalog} o WHERE {}",
            free(catalog, "o")
        )
    };
    vec![
        (
            "DROP EVENT TRIGGER {} CASCADE",
            global("pg_event_trigger", "evtname"),
        ),
        ("DROP PUBLICATION {} CASCADE", global("pg_publication", "pubname")),
        (
            "DROP SCHEMA {} CASCADE",
            format!(
                "SELECT quote_ident(n.nspname) FROM pg_catalog.pg_namespace n \
                 WHERE {USER_SCHEMA} AND n.nspname <> 'public' AND {}",
                free("pg_namespace", "n")
            ),
        ),
        ("DROP MATERIALIZED VIEW IF EXISTS {} CASCADE", relation("'m'")),
        ("DROP VIEW IF EXISTS {} CASCADE", relation("'v'")),
        ("DROP FOREIGN TABLE IF EXISTS {} CASCADE", relation("'f'")),
        ("DROP TABLE IF EXISTS {} CASCADE", relation("'r', 'p'")),
        ("DROP SEQUENCE IF EXISTS {} CASCADE", relation("'S'")),
        (
            "DROP ROUTINE IF EXISTS {} CASCADE",
            format!(
                "SELECT format('%I.%I(%s)', n.nspname, o.proname, pg_get_function_identity_arguments(o.oid)) \
                 FROM pg_catalog.pg_proc o JOIN pg_catalog.pg_namespace n ON n.oid = o.pronamespace \
                 WHERE {USER_SCHEMA} AND {}",
                free("pg_proc", "o")
            ),
        ),
        ("DROP DOMAIN IF EXISTS {} CASCADE", typed("'d'")),
        ("DROP TYPE IF EXISTS {} CASCADE", typed("'e', 'r'")),
        ("DROP TYPE IF EXISTS {} CASCADE", relation("'c'")),
        (
            "DROP TEXT SEARCH CONFIGURATION IF EXISTS {} CASCADE",
            within("pg_ts_config", "cfgname", "cfgnamespace"),
        ),
        (
            "DROP TEXT SEARCH DICTIONARY IF EXISTS {} CASCADE",
            within("pg_ts_dict", "dictname", "dictnamespace"),
        ),
        (
            "DROP COLLATION IF EXISTS {} CASCADE",
            within("pg_collation", "collname", "collnamespace"),
        ),
        (
            "DROP CONVERSION IF EXISTS {} CASCADE",
            within("pg_conversion", "conname", "connamespace"),
        ),
        (
            "DROP OPERATOR IF EXISTS {} CASCADE",
            format!(
                "SELECT format('%I.%s (%s, %s)', n.nspname, o.oprname, \
                 CASE WHEN o.oprleft = 0 THEN 'NONE' ELSE format_type(o.oprleft, NULL) END, format_type(o.oprright, NULL)) \
                 FROM pg_catalog.pg_operator o JOIN pg_catalog.pg_namespace n ON n.oid = o.oprnamespace \
                 WHERE {USER_SCHEMA} AND {}",
                free("pg_operator", "o")
            ),
        ),
        (
            "DROP SERVER IF EXISTS {} CASCADE",
            global("pg_foreign_server", "srvname"),
        ),
        (
            "SELECT lo_unlink({})",
            "SELECT oid::text FROM pg_catalog.pg_largeobject_metadata".to_owned(),
        ),
    ]
}
