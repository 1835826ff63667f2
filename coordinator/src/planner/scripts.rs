//! Which migration scripts run on which database, and why. Each script runs on the database of its role, and the
//! database's own tables decide whether it must, not the product's version: a Data Services Server 3.1.0 is on the
//! 4.2.0 schema already (carbon-facts.md section 1).

mod level;
mod refuse;

use std::collections::BTreeSet;

use cutover_proto::plan::{PlanDatabase, PlanScript};
use cutover_proto::view::{Finding, Severity};

use self::level::Level;
use super::{DatabaseProbe, Inputs, KnownScript, error, finding};
use crate::guide::{GuideScript, Role, ScriptSet};
use crate::model::upgrade::UpgradeDatabase;

/// What is known of a database when its scripts are chosen.
struct Question<'a> {
    inputs: &'a Inputs<'a>,
    database: &'a UpgradeDatabase,
    probe: &'a DatabaseProbe,
    roles: &'a BTreeSet<Role>,
}

/// The scripts in order, and the reason in words.
///
/// # Errors
/// What stands in the way.
pub fn choose(
    inputs: &Inputs<'_>,
    database: &UpgradeDatabase,
    probe: &DatabaseProbe,
    roles: &BTreeSet<Role>,
) -> Result<(Vec<PlanScript>, String), Vec<Finding>> {
    let question = Question {
        inputs,
        database,
        probe,
        roles,
    };
    let refused = refuse::check(&question);
    if !refused.is_empty() {
        return Err(refused);
    }
    let mut before = Vec::new();
    let mut after = Vec::new();
    let mut whys = Vec::new();
    let mut problems = Vec::new();
    let mut wanted: Vec<&String> = database.scripts.iter().collect();
    for script in inputs
        .guide
        .scripts
        .iter()
        .filter(|script| roles.contains(&script.role))
    {
        let named: Vec<&String> = database
            .scripts
            .iter()
            .filter(|name| is_of(inputs, name, script))
            .collect();
        match level::of(script, probe) {
            Level::Done(why) => {
                whys.push(format!("no script for {} runs: {why}", script.role));
                wanted.retain(|name| !named.contains(name));
            }
            Level::Wrong(problem) => {
                problems.push(error(problem.code, &database.line, problem.text, problem.remedy))
            }
            Level::Needed
                if !named.is_empty() && !named.iter().any(|name| makes_tables(inputs, name, script)) =>
            {
                problems.push(no_migration(&question, script, &named));
            }
            Level::Needed if !named.is_empty() => {
                whys.push(format!(
                    "{} for {}, as the upgrade file says",
                    list(&named),
                    script.role
                ));
            }
            Level::Needed => match bundled(&question, script) {
                Ok((scripts, why)) => {
                    let side = if script.role == Role::UserManagement {
                        &mut before
                    } else {
                        &mut after
                    };
                    side.extend(scripts);
                    whys.push(why);
                }
                Err(found) => problems.extend(found),
            },
        }
    }
    let mut scripts = before;
    for name in wanted {
        match found(&question, name) {
            Ok(script) => scripts.push(script),
            Err(problem) => problems.push(problem),
        }
    }
    scripts.extend(after);
    if !problems.is_empty() {
        return Err(problems);
    }
    if whys.is_empty() {
        whys.push(without(&question, &scripts));
    }
    Ok((scripts, whys.join("; ")))
}

/// Why a database of none of the guide's roles has the scripts that it has.
fn without(question: &Question<'_>, scripts: &[PlanScript]) -> String {
    if !scripts.is_empty() {
        return "the scripts that the upgrade file names; the guide has none for it".to_owned();
    }
    let roles: Vec<String> = question.roles.iter().map(Role::to_string).collect();
    let used = if roles.is_empty() {
        "no home uses it for users, registry or the product".to_owned()
    } else {
        format!("it is used for {}", roles.join(", "))
    };
    let stays =
        if question.roles.contains(&Role::UserManagement) || !question.probe.tables.contains("UM_USER") {
            ""
        } else {
            "; its tables of users are nobody's and stay as they are"
        };
    format!("no migration script runs: {used}, and the guide migrates no such database{stays}")
}

/// Whether a script of the upgrade file works on the tables of a role.
fn is_of(inputs: &Inputs<'_>, name: &str, script: &GuideScript) -> bool {
    let known = inputs.scripts.get(name);
    known.is_some_and(|known| works_on(known, script))
}

fn works_on(known: &KnownScript, script: &GuideScript) -> bool {
    script
        .needs
        .iter()
        .chain(&script.makes)
        .any(|table| known.touches.contains(table))
}

fn makes_tables(inputs: &Inputs<'_>, name: &str, script: &GuideScript) -> bool {
    inputs
        .scripts
        .get(name)
        .is_some_and(|known| migrates(known, script))
}

/// Whether a script of the upgrade file is the migration of a role: one that only works on tables which are there
/// already, as a clean-up does, brings nobody to the new schema.
pub(super) fn migrates(known: &KnownScript, script: &GuideScript) -> bool {
    script.makes.iter().any(|table| known.touches.contains(table))
}

/// A script that names another database than the one it is run on, which is known once the mode is.
pub(super) fn elsewhere(inputs: &Inputs<'_>, migrates_production: bool, plan: &PlanDatabase) -> Vec<Finding> {
    let Some(database) = inputs.upgrade.databases.iter().find(|d| d.name == plan.name) else {
        return Vec::new();
    };
    let here = super::runs_on(database, migrates_production);
    let wrong = |script: &PlanScript| {
        let known = inputs.scripts.get(&script.blob.name)?;
        let other = known.databases.iter().find(|name| *name != here)?;
        Some(error(
            "script-other-database",
            &database.line,
            format!(
                "script `{}` names database `{other}`, whatever it is run on, and it is run on `{here}`",
                known.blob.name
            ),
            "take the database's name out of the script: it would change a database that is in use",
        ))
    };
    plan.scripts.iter().filter_map(wrong).collect()
}

fn no_migration(question: &Question<'_>, script: &GuideScript, named: &[&String]) -> Finding {
    error(
        "script-no-migration",
        &question.database.line,
        format!(
            "production is before the new version's schema for {}, and {} makes none of its new tables ({})",
            script.role,
            list(named),
            script.makes.join(", ")
        ),
        "name the migration script too, in the order in which they are to run; a script that only works on tables that are \
         there already runs beside it, not in its place",
    )
}

fn bundled(question: &Question<'_>, script: &GuideScript) -> Result<(Vec<PlanScript>, String), Vec<Finding>> {
    let engine = super::engine_of(question.database);
    let Some(set) = script.shipped(engine) else {
        return Err(vec![no_script(question, script, engine)]);
    };
    let scripts: Result<Vec<PlanScript>, Finding> =
        set.files.iter().map(|file| shipped(question, file)).collect();
    Ok((scripts.map_err(|problem| vec![problem])?, why(script, set)))
}

fn why(script: &GuideScript, set: &ScriptSet) -> String {
    let files: Vec<&String> = set.files.iter().collect();
    format!(
        "{} for {}, as no script is named. {}",
        list(&files),
        script.role,
        set.origin
    )
}

fn no_script(question: &Question<'_>, script: &GuideScript, engine: &str) -> Finding {
    error(
        "no-script",
        &question.database.line,
        format!(
            "production is before the new version's schema for {}, and no migration script is named for {engine}",
            script.role
        ),
        "download the vendor's migration script for your engine and add scripts = [\"migration.sql\"]",
    )
}

fn shipped(question: &Question<'_>, file: &str) -> Result<PlanScript, Finding> {
    match question.inputs.scripts.get(file) {
        Some(known) => script(question, known, true),
        None => Err(missing(question, file)),
    }
}

fn found(question: &Question<'_>, name: &str) -> Result<PlanScript, Finding> {
    match question.inputs.scripts.get(name) {
        Some(known) => script(question, known, false),
        None => Err(missing(question, name)),
    }
}

fn missing(question: &Question<'_>, name: &str) -> Finding {
    error(
        "script-missing",
        &question.database.line,
        format!("script `{name}` was not sent to the coordinator"),
        "put the file beside the upgrade file and plan again",
    )
}

fn script(question: &Question<'_>, known: &KnownScript, bundled: bool) -> Result<PlanScript, Finding> {
    let database = question.database;
    match &known.statements {
        Ok(statements) => Ok(PlanScript {
            blob: known.blob.clone(),
            statements: *statements,
            bundled,
            overrides: Vec::new(),
        }),
        Err(why) => Err(finding(
            Severity::Error,
            "script-unreadable",
            &database.line,
            format!(
                "script `{}` can't be split into statements: {why}",
                known.blob.name
            ),
            "correct the script, or check that it is for this engine",
        )),
    }
}

fn list(names: &[&String]) -> String {
    names
        .iter()
        .map(|name| format!("`{name}`"))
        .collect::<Vec<_>>()
        .join(", ")
}
