//! Copy inside one server: the files of the database are copied as they are.

use std::sync::Arc;

use cutover_database::Target;
use sqlx::postgres::PgConnection;

use super::catalog;
use super::session::{self, ident, literal, rows, run, text};
use crate::{CopyError, CopyOptions, CopyProgress, CopyReport, CopyWay};

/// Either the report, or why the copy has to be streamed. Staging is touched only when its successor is complete.
pub(crate) async fn copy(
    from: &Target,
    to: &Target,
    options: &CopyOptions,
    progress: &Arc<dyn CopyProgress>,
) -> Result<Result<CopyReport, String>, CopyError> {
    let report = match suitable(from, to, options, progress).await? {
        Ok(report) => report,
        Err(reason) => return Ok(Err(reason)),
    };
    let admin = to.with_database("postgres");
    let Ok(mut conn) = session::connect(&admin).await else {
        return Ok(Err("no connection to the database `postgres`".to_owned()));
    };
    let owner = format!(
        "SELECT pg_get_userbyid(datdba)::text FROM pg_database WHERE datname = {}",
        literal(&to.database)
    );
    let owner = catalog::names(&mut conn, &admin, &owner)
        .await?
        .pop()
        .unwrap_or_else(|| to.user.clone());
    let new = successor(to);
    let strategy = match catalog::major(&mut conn, &admin).await? {
        15.. => " STRATEGY file_copy",
        _ => "",
    };
    let create = format!(
        "CREATE DATABASE {} TEMPLATE {} OWNER {}{strategy}",
        ident(&new),
        ident(&from.database),
        ident(&owner)
    );
    let drop_new = format!("DROP DATABASE IF EXISTS {}", ident(&new));
    run(
        &mut conn,
        &admin,
        "removing what an interrupted copy left",
        &drop_new,
    )
    .await?;
    if let Err(error) = run(&mut conn, &admin, "copying the database", &create).await {
        let source = std::error::Error::source(&error).map(ToString::to_string);
        return Ok(Err(source.unwrap_or_else(|| error.to_string())));
    }
    let drop_old = format!("DROP DATABASE {}", ident(&to.database));
    if let Err(error) = run(
        &mut conn,
        &admin,
        "replacing the empty staging database",
        &drop_old,
    )
    .await
    {
        run(&mut conn, &admin, "removing the copy", &drop_new).await?;
        let source = std::error::Error::source(&error).map(ToString::to_string);
        return Ok(Err(source.unwrap_or_else(|| error.to_string())));
    }
    let rename = format!("ALTER DATABASE {} RENAME TO {}", ident(&new), ident(&to.database));
    run(&mut conn, &admin, &format!("renaming database `{new}`"), &rename).await?;
    Ok(Ok(report))
}

fn successor(to: &Target) -> String {
    format!("{}_cutover_new", to.database)
}

/// Longer names are cut by the server, and might then be those of other databases.
const NAME_LIMIT: usize = 63;

async fn suitable(
    from: &Target,
    to: &Target,
    options: &CopyOptions,
    progress: &Arc<dyn CopyProgress>,
) -> Result<Result<CopyReport, String>, CopyError> {
    if successor(to).len() > NAME_LIMIT || successor(to) == from.database {
        return Ok(Err("there is no free name for the new database".to_owned()));
    }
    let mut source = session::connect(from).await?;
    let mut staging = session::connect(to).await?;
    if !catalog::tables(&mut staging, to, &CopyOptions::default())
        .await?
        .is_empty()
    {
        return Ok(Err("the staging database holds tables".to_owned()));
    }
    if let Some(reason) = own_settings(&mut staging, to).await? {
        return Ok(Err(reason));
    }
    let others = catalog::owners(&mut source, from).await?;
    if others.iter().any(|owner| *owner != to.user) {
        return Ok(Err(format!(
            "objects belong to {}, not to {}",
            others.join(", "),
            to.user
        )));
    }
    let tables = catalog::tables(&mut source, from, &CopyOptions::default()).await?;
    if tables.iter().any(|table| options.skips(&table.name)) {
        return Ok(Err("a table is to be left out".to_owned()));
    }
    let mut report = CopyReport::new(CopyWay::Template);
    report.tables = tables.len() as u64;
    report.bytes = tables.iter().map(|table| table.size).sum();
    progress.total(report.tables, report.bytes);
    let sql = "SELECT coalesce(sum(greatest(reltuples, 0)), 0)::bigint::text FROM pg_class c \
               JOIN pg_namespace n ON n.oid = c.relnamespace \
               WHERE relkind = 'r' AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_'";
    let estimate = rows(&mut source, from, "estimating the rows", sql).await?;
    report.rows = estimate
        .first()
        .map_or(0, |row| text(row, 0).parse().unwrap_or(0));
    report.objects.insert("table".to_owned(), report.tables);
    for mut conn in [source, staging] {
        run(&mut conn, from, "closing a session", "DISCARD ALL")
            .await
            .ok();
        sqlx::Connection::close(conn).await.ok();
    }
    Ok(Ok(report))
}

/// Privileges and settings of the staging database would be lost with it.
async fn own_settings(conn: &mut PgConnection, to: &Target) -> Result<Option<String>, CopyError> {
    let sql = "SELECT (datacl IS NOT NULL)::text, (datconnlimit <> -1)::text, \
                 (EXISTS (SELECT 1 FROM pg_db_role_setting s WHERE s.setdatabase = d.oid))::text \
               FROM pg_database d WHERE datname = current_database()";
    let found = rows(conn, to, "reading the settings of the staging database", sql).await?;
    let own = found
        .first()
        .is_some_and(|row| row.iter().any(|value| value.as_deref() == Some("true")));
    Ok(own.then(|| "the staging database has privileges or settings of its own".to_owned()))
}
