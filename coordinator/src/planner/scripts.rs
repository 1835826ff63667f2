//! Which migration scripts run on which database, and why.

use cutover_database::SchemaLevel;
use cutover_proto::plan::PlanScript;
use cutover_proto::view::{Finding, Severity};

use super::{DatabaseProbe, Inputs, KnownScript, error, finding};
use crate::model::upgrade::UpgradeDatabase;

/// Scripts that only WSO2 Identity Server runs ("for all Carbon products except WSO2 IS, only the migration.sql
/// script is required to be executed").
const IDENTITY_ONLY: &[&str] = &["migration-identity.sql", "migration-service-provider.sql"];

/// The scripts, and the reason in words. The database's own schema decides, not the product's version: a Data
/// Services Server 3.1.0 is on the 4.2.0 schema already (carbon-facts.md section 1).
///
/// # Errors
/// What stands in the way.
pub fn choose(
    inputs: &Inputs<'_>,
    database: &UpgradeDatabase,
    probe: &DatabaseProbe,
) -> Result<(Vec<PlanScript>, String), Vec<Finding>> {
    refuse_identity_scripts(database)?;
    match &probe.level {
        SchemaLevel::At42 => Ok((
            Vec::new(),
            "no migration script runs: its schema is at the level of Carbon 4.2.0 already".to_owned(),
        )),
        SchemaLevel::NoUserStore => Ok((
            Vec::new(),
            "no migration script runs: it holds no user-management tables".to_owned(),
        )),
        SchemaLevel::Mixed { present, absent } => Err(vec![error(
            "half-migrated",
            &database.line,
            format!(
                "production is half migrated: {} of Carbon 4.2.0 there, {} missing",
                list(present),
                list(absent)
            ),
            "a migration died half-way before: restore the backup taken before it, then plan again",
        )]),
        SchemaLevel::Before42 if database.scripts.is_empty() => bundled(inputs, database),
        SchemaLevel::Before42 => named(inputs, database),
    }
}

fn refuse_identity_scripts(database: &UpgradeDatabase) -> Result<(), Vec<Finding>> {
    let refused: Vec<Finding> = database
        .scripts
        .iter()
        .filter(|script| IDENTITY_ONLY.iter().any(|name| script.ends_with(name)))
        .map(|script| {
            error(
                "identity-script",
                &database.line,
                format!("`{script}` is for WSO2 Identity Server only"),
                "remove it: other Carbon products run migration.sql alone",
            )
        })
        .collect();
    if refused.is_empty() { Ok(()) } else { Err(refused) }
}

fn bundled(
    inputs: &Inputs<'_>,
    database: &UpgradeDatabase,
) -> Result<(Vec<PlanScript>, String), Vec<Finding>> {
    let engine = if database.production.url.starts_with("postgres") {
        "postgres"
    } else {
        "mysql"
    };
    let offered = inputs.guide.scripts.get(engine);
    let Some((offered, known)) = offered.and_then(|s| Some((s, inputs.scripts.get(&s.name)?))) else {
        return Err(vec![error(
            "no-script",
            &database.line,
            format!(
                "production is on the schema before Carbon 4.2.0 and no migration script is named for {engine}"
            ),
            "download WSO2's migration.sql for your engine and add scripts = [\"migration.sql\"]",
        )]);
    };
    let why = format!(
        "`{}` runs, as no script is named. {}",
        offered.name, offered.origin
    );
    Ok((vec![script(database, known, true)?], why))
}

fn named(inputs: &Inputs<'_>, database: &UpgradeDatabase) -> Result<(Vec<PlanScript>, String), Vec<Finding>> {
    let mut scripts = Vec::new();
    let mut problems = Vec::new();
    for name in &database.scripts {
        match inputs.scripts.get(name) {
            Some(known) => match script(database, known, false) {
                Ok(script) => scripts.push(script),
                Err(found) => problems.extend(found),
            },
            None => problems.push(error(
                "script-missing",
                &database.line,
                format!("script `{name}` was not sent to the coordinator"),
                "put the file beside the upgrade file and plan again",
            )),
        }
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    let why = format!(
        "{} run, as the upgrade file says: the schema is before Carbon 4.2.0",
        list(&database.scripts)
    );
    Ok((scripts, why))
}

fn script(
    database: &UpgradeDatabase,
    known: &KnownScript,
    bundled: bool,
) -> Result<PlanScript, Vec<Finding>> {
    match &known.statements {
        Ok(statements) => Ok(PlanScript {
            blob: known.blob.clone(),
            statements: *statements,
            bundled,
        }),
        Err(why) => Err(vec![finding(
            Severity::Error,
            "script-unreadable",
            &database.line,
            format!(
                "script `{}` can't be split into statements: {why}",
                known.blob.name
            ),
            "correct the script, or check that it is for this engine",
        )]),
    }
}

fn list(names: &[String]) -> String {
    names
        .iter()
        .map(|name| format!("`{name}`"))
        .collect::<Vec<_>>()
        .join(", ")
}
