//! Which accounts a fence keeps out: those that the old homes connect with.

use std::collections::BTreeMap;

use cutover_database::fence::Measure;
use cutover_database::{FencePlan, Target};
use cutover_proto::plan::PlanDatabase;
use cutover_proto::step::AdminAccess;
use cutover_proto::view::Finding;
use secrecy::SecretString;

use super::{DatabaseProbe, PlanNode, error, roles};
use crate::guide::Guide;
use crate::model::upgrade::UpgradeDatabase;

/// What a fence of one production database will do.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fencing {
    /// The application's accounts.
    pub accounts: Vec<String>,
    /// The one that tries to connect, where its password is known.
    pub proof: Option<AdminAccess>,
    /// What is done, and what else it touches, in words.
    pub words: Vec<String>,
    /// Accounts that can't log in anywhere on the server while the fence stands.
    pub locked_out: Vec<String>,
    /// Why there is none.
    pub refused: Option<String>,
}

/// The accounts, before anything was asked of the database. `old_home` gives the path of a node's old home.
#[must_use]
pub fn wanted(
    guide: &Guide,
    nodes: &[PlanNode],
    old_home: impl Fn(&PlanNode) -> String,
    database: &UpgradeDatabase,
) -> Fencing {
    let mut accounts: Vec<String> = nodes
        .iter()
        .filter_map(|node| node.home(&old_home(node)))
        .flat_map(|home| roles::sources(guide, database, home))
        .filter(|source| !source.user.is_empty())
        .map(|source| source.user.clone())
        .collect();
    accounts.sort();
    accounts.dedup();
    let proof = database
        .application
        .clone()
        .filter(|access| accounts.contains(&access.user));
    let refused = accounts
        .is_empty()
        .then(|| "the old homes do not say with which account they connect".to_owned());
    Fencing {
        accounts,
        proof,
        words: Vec::new(),
        locked_out: Vec::new(),
        refused,
    }
}

/// The accounts that a fence keeps out of the whole server, and not of its database alone.
#[must_use]
pub fn locked_out(plan: &FencePlan) -> Vec<String> {
    let mut accounts: Vec<String> = plan
        .measures
        .iter()
        .filter_map(|measure| match measure {
            Measure::LockAccount {
                user,
                was_locked: false,
                ..
            } => Some(user.clone()),
            Measure::NoLogin {
                role,
                could_login: true,
            } => Some(role.clone()),
            Measure::LockAccount { .. }
            | Measure::NoLogin { .. }
            | Measure::RevokeRights { .. }
            | Measure::RevokeConnect { .. } => None,
        })
        .collect();
    accounts.dedup();
    accounts
}

/// What the new servers would be refused by a fence around the database `fenced`: the names of a database and of their account on
/// its staging, which is on the fenced server.
#[must_use]
pub fn shuts_out(
    fenced: &str,
    locked_out: &[String],
    databases: &[PlanDatabase],
) -> Option<(String, String)> {
    let server = server_of(fenced)?;
    databases.iter().find_map(|database| {
        let account = new_account(database)?;
        let here = server_of(&database.staging_identity) == Some(server);
        (here && locked_out.contains(&account)).then(|| (database.name.clone(), account))
    })
}

/// What an operator can do about it.
pub const OWN_ACCOUNT: &str = "give the new servers an account of their own with `application`, or give the account its rights \
     per schema, so that those on the production schema can be taken alone";

/// The plan's findings about it.
#[must_use]
pub fn check(probes: &BTreeMap<String, DatabaseProbe>, databases: &[PlanDatabase]) -> Vec<Finding> {
    let shut_out = |(name, probe): (&String, &DatabaseProbe)| {
        let (other, account) = shuts_out(&probe.production_identity, &probe.fencing.locked_out, databases)?;
        Some(error(
            "fence-shuts-out",
            format!("database `{name}`"),
            format!(
                "the fence keeps `{account}` out of the whole server, and the new servers use it for the staging of `{other}`, which is on the same server"
            ),
            OWN_ACCOUNT,
        ))
    };
    probes.iter().filter_map(shut_out).collect()
}

fn server_of(identity: &str) -> Option<&str> {
    identity.rsplit_once('/').map(|(server, _)| server)
}

/// The account that the new servers connect to staging with.
fn new_account(database: &PlanDatabase) -> Option<String> {
    let own = || {
        // Nothing connects here, so no password is needed.
        let target = Target::parse(&database.staging.url, SecretString::from("")).ok()?;
        Some(target.user)
    };
    database.application.clone().or_else(own)
}
