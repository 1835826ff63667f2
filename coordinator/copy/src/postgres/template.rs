//! Copy inside one server: the files of the database are copied as they are.

use std::sync::Arc;

use cutover_database::Target;
use sqlx::postgres::PgConnection;

use super::catalog;
use super::session::{self, ident, literal, rows, run, text};
use crate::{CopyError, CopyOptions, CopyProgress, CopyReport, CopyWay};

/// Either the report, or why the copy has to be streamed. The copy is made beside staging and takes its name in one
/// transaction: at every instant there is a staging database, the empty one or the complete one.
pub(crate) async fn copy(
    from: &Target,
    to: &Target,
    options: &CopyOptions,
    why: String,
    progress: &Arc<dyn CopyProgress>,
) -> Result<Result<CopyReport, String>, CopyError> {
    let Some(spare) = Spare::beside(to, from) else {
        return Ok(Err("there is no free name for the new database".to_owned()));
    };
    let admin = to.with_database("postgres");
    let Ok(mut conn) = session::connect(&admin).await else {
        return Ok(Err("no connection to the database `postgres`".to_owned()));
    };
    if let Some(reason) = spare.clear(&mut conn, &admin).await? {
        return Ok(Err(reason));
    }
    let mut report = match suitable(from, to, options, why, progress).await? {
        Ok(report) => report,
        Err(reason) => return Ok(Err(reason)),
    };
    let create = spare.create(&mut conn, &admin, from, to).await?;
    if let Err(error) = run(&mut conn, &admin, "copying the database", &create).await {
        return Ok(Err(reason(&error)));
    }
    if let Err(error) = run(
        &mut conn,
        &admin,
        "replacing the staging database",
        &spare.swap(to),
    )
    .await
    {
        run(&mut conn, &admin, "giving the replacement up", "ROLLBACK").await?;
        drop_database(&mut conn, &admin, &spare.new).await?;
        return Ok(Err(reason(&error)));
    }
    if let Err(error) = drop_database(&mut conn, &admin, &spare.old).await {
        let note = format!("the empty database `{}` is left: {}", spare.old, reason(&error));
        report.notes.push(note);
    }
    Ok(Ok(report))
}

/// The databases that are there for the time of a copy. None of them allows connections, from the statement that
/// makes it so: that is how a later try knows them for left-overs of a copy, whatever interrupted it.
#[derive(Debug)]
struct Spare {
    /// The copy, before it takes staging's name.
    new: String,
    /// The empty staging database, after the copy has taken its name.
    old: String,
}

impl Spare {
    /// `None` when the server would cut one of the names, or when one is production's.
    fn beside(to: &Target, from: &Target) -> Option<Self> {
        let spare = Self {
            new: format!("{}_cutover_new", to.database),
            old: format!("{}_cutover_old", to.database),
        };
        let usable = |name: &String| name.len() <= NAME_LIMIT && *name != from.database;
        (usable(&spare.new) && usable(&spare.old)).then_some(spare)
    }

    /// Drops what an interrupted copy left, or says why it can't.
    async fn clear(&self, conn: &mut PgConnection, admin: &Target) -> Result<Option<String>, CopyError> {
        let sql = format!(
            "SELECT datname::text, datallowconn::text FROM pg_database WHERE datname IN ({}, {})",
            literal(&self.new),
            literal(&self.old)
        );
        for row in rows(conn, admin, "looking for what an interrupted copy left", &sql).await? {
            let name = text(&row, 0);
            if text(&row, 1) == "true" {
                return Ok(Some(format!(
                    "the database `{name}` is in the way; it was not made by a copy and is left alone"
                )));
            }
            if let Err(error) = drop_database(conn, admin, &name).await {
                return Ok(Some(format!(
                    "the left-over database `{name}` is in the way: {}",
                    reason(&error)
                )));
            }
        }
        Ok(None)
    }

    async fn create(
        &self,
        conn: &mut PgConnection,
        admin: &Target,
        from: &Target,
        to: &Target,
    ) -> Result<String, CopyError> {
        let owner = format!(
            "SELECT pg_get_userbyid(datdba)::text FROM pg_database WHERE datname = {}",
            literal(&to.database)
        );
        let owner = catalog::names(conn, admin, &owner).await?.pop();
        let strategy = match catalog::major(conn, admin).await? {
            15.. => " STRATEGY file_copy",
            _ => "",
        };
        Ok(format!(
            "CREATE DATABASE {} TEMPLATE {} OWNER {} ALLOW_CONNECTIONS false{strategy}",
            ident(&self.new),
            ident(&from.database),
            ident(owner.as_deref().unwrap_or(&to.user))
        ))
    }

    fn swap(&self, to: &Target) -> String {
        let (staging, new, old) = (ident(&to.database), ident(&self.new), ident(&self.old));
        format!(
            "BEGIN; ALTER DATABASE {staging} RENAME TO {old}; ALTER DATABASE {old} ALLOW_CONNECTIONS false; \
             ALTER DATABASE {new} RENAME TO {staging}; ALTER DATABASE {staging} ALLOW_CONNECTIONS true; COMMIT"
        )
    }
}

async fn drop_database(conn: &mut PgConnection, admin: &Target, name: &str) -> Result<(), CopyError> {
    let sql = format!("DROP DATABASE {}", ident(name));
    run(conn, admin, &format!("dropping database `{name}`"), &sql).await
}

fn reason(error: &CopyError) -> String {
    let source = std::error::Error::source(error).map(ToString::to_string);
    source.unwrap_or_else(|| error.to_string())
}

/// Longer names are cut by the server, and might then be those of other databases.
const NAME_LIMIT: usize = 63;

async fn suitable(
    from: &Target,
    to: &Target,
    options: &CopyOptions,
    why: String,
    progress: &Arc<dyn CopyProgress>,
) -> Result<Result<CopyReport, String>, CopyError> {
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
    let mut report = CopyReport::new((CopyWay::Template, why));
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
