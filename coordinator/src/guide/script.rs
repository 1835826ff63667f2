//! Scripts of a guide, and the databases that they run on.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

/// What a database is used for. One database may have several roles.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Users, roles, permissions and tenants: the data source that `user-mgt.xml` names.
    UserManagement,
    /// The registry: the data sources of the `dbConfig` entries of `registry.xml`, those of mounts too.
    Registry,
    /// What belongs to the product alone, such as Storage Server's RSS database.
    Product,
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Role::UserManagement => "user-management",
            Role::Registry => "registry",
            Role::Product => "product",
        })
    }
}

/// The migration of one role's tables.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GuideScript {
    /// The role of the database that it runs on.
    pub role: Role,
    /// The sentence that it carries out.
    pub sentence: String,
    /// Tables that it works on: a database without them is not of this role.
    pub needs: Vec<String>,
    /// Tables that it makes: with all of them there it has run, with some of them it died half-way.
    pub makes: Vec<String>,
    /// Scripts that ship with Cutover, by engine (`mysql`, `postgres`). Without one the upgrade file names it.
    #[serde(default)]
    pub ships: BTreeMap<String, ScriptSet>,
    /// Tables whose rows it loses on purpose.
    #[serde(default)]
    pub loses: Vec<String>,
    /// The upgrade path whose fix-ups know what it does to rows, so that rows can be brought in after it ran.
    #[serde(default)]
    pub fix_ups: Option<String>,
}

/// Scripts that ship with Cutover for one engine, in order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScriptSet {
    /// Their names.
    pub files: Vec<String>,
    /// Where they come from.
    pub origin: String,
}

/// The database that belongs to the product alone, as the new home names it. The old home may name it otherwise.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProductDatabase {
    /// What it holds, in words.
    pub holds: String,
    /// Name of its data source in the new home.
    pub datasource: String,
    /// JNDI name of its data source in the new home.
    pub jndi: String,
}
