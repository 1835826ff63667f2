//! Which accounts a fence keeps out: those that the old homes connect with.

use cutover_proto::step::AdminAccess;

use super::{PlanNode, roles};
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
        refused,
    }
}
