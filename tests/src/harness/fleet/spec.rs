//! What fleet a test wants.

use std::path::PathBuf;

use crate::harness::{Account, EngineKind, Hop};

/// The only version of Data Services Server between, on a kernel that has the new schema.
const MIGRATED: (&str, &str) = ("3.1.0", "4.2.0");

/// Where the new homes come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NewHomes {
    /// Someone unpacked them before.
    Unpacked,
    /// The agents unpack a distribution.
    Distribution,
}

/// What fleet a test wants.
#[derive(Debug, Clone)]
pub struct FleetSpec {
    /// Which product and versions.
    pub hop: Hop,
    /// The engine.
    pub engine: EngineKind,
    /// How many nodes.
    pub nodes: usize,
    /// Where the new homes come from.
    pub new_homes: NewHomes,
    /// A folder of real stock files to use instead of our own.
    pub corpus: Option<PathBuf>,
    /// Further lines of the coordinator's configuration.
    pub coordinator: String,
    /// The tables of production, instead of our own.
    pub schema: Option<PathBuf>,
    /// The migration script, instead of our own. The guide brings one for PostgreSQL.
    pub script: Option<PathBuf>,
    /// Whether production is of a version that has the new schema already.
    pub migrated: bool,
    /// With which account Cutover works on the databases.
    pub account: Account,
    /// Whether the homes mount a registry in a database of its own.
    pub mount: bool,
    /// Whether the site changed its homes: names, key store, data source, user store.
    pub site: bool,
    /// Whether the old homes keep the database password in Secure Vault.
    pub vault: bool,
    /// Whether staging lies on a database server of its own.
    pub two_servers: bool,
    /// Whether the first node is the database host, too, and its agent may copy files of tables there (MariaDB).
    pub database_host: bool,
}

impl FleetSpec {
    /// Three nodes of Data Services Server with homes unpacked before.
    #[must_use]
    pub fn new(engine: EngineKind) -> Self {
        Self {
            hop: Hop::DSS,
            engine,
            nodes: 3,
            new_homes: NewHomes::Unpacked,
            corpus: None,
            coordinator: String::new(),
            schema: None,
            script: None,
            migrated: false,
            account: Account::Administrator,
            mount: false,
            site: false,
            vault: false,
            two_servers: false,
            database_host: false,
        }
    }

    /// Two nodes of a hop.
    #[must_use]
    pub fn of(hop: Hop, engine: EngineKind) -> Self {
        Self {
            hop,
            nodes: 2,
            ..Self::new(engine)
        }
    }

    /// Version and kernel of the old homes.
    #[must_use]
    pub fn old(&self) -> (&'static str, &'static str) {
        if self.migrated { MIGRATED } else { self.hop.old }
    }
}
