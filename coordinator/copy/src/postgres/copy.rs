//! The steps of a copy between PostgreSQL databases.

use std::sync::Arc;

use cutover_database::Target;
use futures::future::try_join_all;
use sqlx::postgres::PgConnection;
use tokio_util::sync::CancellationToken;

use super::catalog::{self, Table};
use super::rows::{Loaded, RowCopier};
use super::schema::{Schema, copy_large_objects};
use super::session::{self, ident, literal, rows, run, text};
use super::template;
use super::tools::Tools;
use crate::workers::{Failure, run_all};
use crate::{CopyError, CopyOptions, CopyProgress, CopyReport, CopyWay};

pub(crate) async fn copy(
    from: &Target,
    to: &Target,
    options: &CopyOptions,
    progress: Arc<dyn CopyProgress>,
    cancel: &CancellationToken,
) -> Result<CopyReport, CopyError> {
    let mut notes = Vec::new();
    if options.same_server && from.same_server(to) {
        match template::copy(from, to, options, &progress).await? {
            Ok(report) => return Ok(report),
            Err(reason) => notes.push(format!("not copied inside the server: {reason}")),
        }
    }
    let mut report = stream(from, to, options, progress, cancel).await?;
    report.notes.splice(0..0, notes);
    Ok(report)
}

async fn stream(
    from: &Target,
    to: &Target,
    options: &CopyOptions,
    progress: Arc<dyn CopyProgress>,
    cancel: &CancellationToken,
) -> Result<CopyReport, CopyError> {
    let mut control = session::connect(from).await?;
    let mut writer = session::connect(to).await?;
    let majors = (
        catalog::major(&mut control, from).await?,
        catalog::major(&mut writer, to).await?,
    );
    let tools = Tools::find(majors.0, from).await?;
    let mut report = CopyReport::new(CopyWay::Stream);

    let begin = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
    run(&mut control, from, "starting a snapshot", begin).await?;
    let exported = rows(
        &mut control,
        from,
        "exporting the snapshot",
        "SELECT pg_export_snapshot()",
    )
    .await?;
    let snapshot = exported.first().map(|row| text(row, 0)).unwrap_or_default();
    let mut tables = catalog::tables(&mut control, from, options).await?;
    tables.sort_by_key(|table| std::cmp::Reverse(table.size));
    progress.total(tables.len() as u64, tables.iter().map(|table| table.size).sum());

    let mut schema = Schema::dump(&tools, from, to, &snapshot, options).await?;
    schema.privileges = facts(&mut control, from, &mut writer, to, &mut report.notes).await?;
    schema.restore_before().await?;
    report.objects = schema.objects.clone();

    let loaded = load(
        from,
        to,
        tables,
        &snapshot,
        majors.0 == majors.1,
        options,
        &progress,
        cancel,
    )
    .await?;
    large_objects(&mut control, &tools, from, to, &snapshot, &mut report).await?;
    schema.restore_after(options.jobs()).await?;
    set_sequences(&mut control, from, &mut writer, to, options).await?;
    run(&mut control, from, "ending the snapshot", "COMMIT").await?;

    report.tables = loaded.len() as u64;
    report.rows = loaded.iter().map(|table| table.rows).sum();
    report.bytes = loaded.iter().map(|table| table.bytes).sum();
    Ok(report)
}

#[expect(
    clippy::too_many_arguments,
    reason = "all of it is needed by every worker, and nowhere else"
)]
async fn load(
    from: &Target,
    to: &Target,
    tables: Vec<Table>,
    snapshot: &str,
    same_major: bool,
    options: &CopyOptions,
    progress: &Arc<dyn CopyProgress>,
    cancel: &CancellationToken,
) -> Result<Vec<Loaded>, CopyError> {
    let count = options.jobs().min(tables.len().max(1));
    let copiers = try_join_all((0..count).map(|_| async {
        let mut reader = session::connect(from).await?;
        let begin = format!(
            "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET TRANSACTION SNAPSHOT {}",
            literal(snapshot)
        );
        run(&mut reader, from, "taking the common snapshot", &begin).await?;
        Ok::<_, CopyError>(RowCopier {
            from: from.clone(),
            to: to.clone(),
            reader,
            writer: session::connect(to).await?,
            same_major,
            progress: Arc::clone(progress),
        })
    }))
    .await?;
    let result = run_all(copiers, tables, cancel).await;
    result.map_err(|Failure { done, error }| {
        error.with_complete(done.into_iter().map(|loaded| loaded.name).collect())
    })
}

/// Notes what a person should know; says whether privileges can be taken over.
async fn facts(
    control: &mut PgConnection,
    from: &Target,
    writer: &mut PgConnection,
    to: &Target,
    notes: &mut Vec<String>,
) -> Result<bool, CopyError> {
    let owners = catalog::owners(control, from).await?;
    let others: Vec<String> = owners.into_iter().filter(|owner| *owner != to.user).collect();
    if !others.is_empty() {
        notes.push(format!(
            "objects of {} now belong to {}",
            others.join(", "),
            to.user
        ));
    }
    let sql = "SELECT extname::text FROM pg_extension WHERE extname <> 'plpgsql' ORDER BY 1";
    let extensions = catalog::names(control, from, sql).await?;
    if !extensions.is_empty() {
        notes.push(format!(
            "extensions created in staging: {}",
            extensions.join(", ")
        ));
    }
    let grantees = catalog::grantees(control, from).await?;
    let known = catalog::names(writer, to, "SELECT rolname::text FROM pg_roles").await?;
    let superuser = catalog::names(writer, to, "SELECT current_setting('is_superuser')").await?;
    let missing: Vec<&String> = grantees.iter().filter(|name| !known.contains(name)).collect();
    let keep = missing.is_empty() && superuser.iter().any(|value| value == "on");
    let foreign: Vec<String> = grantees
        .iter()
        .filter(|name| **name != to.user)
        .cloned()
        .collect();
    if !keep && !foreign.is_empty() {
        notes.push(format!(
            "privileges granted to {} were not taken over: {} may not grant them in staging, or they do not exist there",
            foreign.join(", "),
            to.user
        ));
    }
    Ok(keep)
}

async fn large_objects(
    control: &mut PgConnection,
    tools: &Tools,
    from: &Target,
    to: &Target,
    snapshot: &str,
    report: &mut CopyReport,
) -> Result<(), CopyError> {
    let count = catalog::names(
        control,
        from,
        "SELECT count(*)::text FROM pg_largeobject_metadata",
    )
    .await?;
    let count: u64 = count.first().and_then(|count| count.parse().ok()).unwrap_or(0);
    if count > 0 {
        copy_large_objects(tools, from, to, snapshot).await?;
        report.objects.insert("large object".to_owned(), count);
    }
    Ok(())
}

/// Last of all, and not from the snapshot: sequences do not take part in transactions.
async fn set_sequences(
    control: &mut PgConnection,
    from: &Target,
    writer: &mut PgConnection,
    to: &Target,
    options: &CopyOptions,
) -> Result<(), CopyError> {
    let there = catalog::sequences(writer, to).await?;
    for sequence in catalog::sequences(control, from).await? {
        // The sequence of a skipped table stays behind with it.
        let exists = there
            .iter()
            .any(|other| (&other.schema, &other.name) == (&sequence.schema, &sequence.name));
        if !exists && !options.skip_tables.is_empty() {
            continue;
        }
        let name = format!("{}.{}", ident(&sequence.schema), ident(&sequence.name));
        let sql = format!(
            "SELECT setval({}, {}, {})",
            literal(&name),
            sequence.last,
            sequence.called
        );
        run(writer, to, &format!("setting sequence {name}"), &sql).await?;
    }
    Ok(())
}
