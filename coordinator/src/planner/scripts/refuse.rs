//! Scripts that must not run on a database, told by their names and by the tables that they work on.

use std::collections::BTreeSet;

use cutover_database::SchemaLevel;
use cutover_proto::view::Finding;

use super::{Question, works_on};
use crate::guide::{Order, Role};
use crate::planner::{KnownScript, error};

/// Scripts that only WSO2 Identity Server runs ("for all Carbon products except WSO2 IS, only the migration.sql
/// script is required to be executed").
const IDENTITY_ONLY: [&str; 2] = ["migration-identity.sql", "migration-service-provider.sql"];

/// The one product that they are for.
const IDENTITY_SERVER: &str = "WSO2 Identity Server";

/// What of the scripts that the upgrade file names must not run, or is lacking.
pub(super) fn check(question: &Question<'_>) -> Vec<Finding> {
    let mut findings: Vec<Finding> = question
        .database
        .scripts
        .iter()
        .filter_map(|name| refused(question, name))
        .collect();
    findings.extend(identity_lacking(question));
    findings.extend(too_old(question));
    findings
}

fn refused(question: &Question<'_>, name: &str) -> Option<Finding> {
    let database = question.database;
    let known = question.inputs.scripts.get(name);
    if !is_identity_server(question) && (is_identity_name(name) || known.is_some_and(touches_identity)) {
        return Some(error(
            "identity-script",
            &database.line,
            format!("`{name}` is for WSO2 Identity Server only"),
            "remove it: other Carbon products run migration.sql alone",
        ));
    }
    if question.inputs.guide.order == Order::CopyOnly {
        return Some(error(
            "script-unwanted",
            &database.line,
            format!(
                "`{name}` is named, and guide {} changes no schema",
                question.inputs.guide.name
            ),
            "remove it, or choose the guide for the versions that you have",
        ));
    }
    let works_on = works_on_roles(question, known?);
    let wrong = !works_on.is_empty() && works_on.is_disjoint(question.roles);
    wrong.then(|| {
        error(
            "script-wrong-database",
            &database.line,
            format!(
                "`{name}` works on the tables of {}, and this database is used for {}",
                words(&works_on),
                words(question.roles)
            ),
            "name it under the database that has this role; `cutover node facts NODE` shows which data source is used for what",
        )
    })
}

/// The roles whose tables a script works on.
fn works_on_roles(question: &Question<'_>, known: &KnownScript) -> BTreeSet<Role> {
    let scripts = question.inputs.guide.scripts.iter();
    let mut roles: BTreeSet<Role> = scripts
        .filter(|script| works_on(known, script))
        .map(|script| script.role)
        .collect();
    if known.touches.iter().any(|table| table.starts_with("REG_")) {
        roles.insert(Role::Registry);
    }
    roles
}

fn is_identity_name(name: &str) -> bool {
    let file = name.rsplit('/').next().unwrap_or(name);
    IDENTITY_ONLY.contains(&file)
}

/// The tables of Identity Server begin so.
fn touches_identity(known: &KnownScript) -> bool {
    known.touches.iter().any(|table| table.starts_with("IDN_"))
}

fn is_identity_server(question: &Question<'_>) -> bool {
    let inputs = question.inputs;
    let homes = inputs
        .nodes
        .iter()
        .filter_map(|node| node.home(&inputs.old_home(&node.name)));
    let mut products = homes.map(|home| home.product.as_str()).peekable();
    products.peek().is_some() && products.all(|product| product == IDENTITY_SERVER)
}

fn identity_lacking(question: &Question<'_>) -> Option<Finding> {
    let due = is_identity_server(question)
        && question.roles.contains(&Role::UserManagement)
        && question
            .inputs
            .guide
            .scripts
            .iter()
            .any(|script| script.role == Role::UserManagement)
        && question.probe.level == SchemaLevel::Before42;
    let named = |wanted: &&str| {
        let mut files = question
            .database
            .scripts
            .iter()
            .map(|name| name.rsplit('/').next().unwrap_or(name));
        files.any(|file| file == *wanted)
    };
    let lacking: Vec<&str> = IDENTITY_ONLY
        .iter()
        .filter(|wanted| !named(wanted))
        .copied()
        .collect();
    (due && !lacking.is_empty()).then(|| {
        error(
            "identity-scripts-missing",
            &question.database.line,
            format!(
                "Identity Server runs {} besides migration.sql",
                lacking.join(" and ")
            ),
            "put them beside the upgrade file and name all three in `scripts`, migration.sql first",
        )
    })
}

/// Without a migration the schema must be the new version's already.
fn too_old(question: &Question<'_>) -> Option<Finding> {
    let migrated = question.inputs.guide.order != Order::CopyOnly;
    if migrated
        || !question.roles.contains(&Role::UserManagement)
        || question.probe.level == SchemaLevel::At42
    {
        return None;
    }
    Some(error(
        "schema-too-old",
        &question.database.line,
        format!(
            "its user-management tables are not those of Carbon 4.2.0 or newer, and guide {} migrates nothing",
            question.inputs.guide.name
        ),
        "name the database that the servers really use; a server of this version can't be on this one",
    ))
}

fn words(roles: &BTreeSet<Role>) -> String {
    if roles.is_empty() {
        return "nothing that the guide knows".to_owned();
    }
    roles.iter().map(Role::to_string).collect::<Vec<_>>().join(", ")
}
