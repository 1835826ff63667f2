//! Private database servers with production, filled as a site has it, and empty staging databases.

mod fill;
mod look;
mod session;

use std::fmt;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, Result};
use cutover_testdb::{MariaDb, Postgres};

pub use look::Rows;
pub use session::Session;

use super::{FleetSpec, Secrets};

/// The database of users and registry that is in use.
pub const PRODUCTION: &str = "wso2carbon_db";
/// The empty database that becomes the new production.
pub const STAGING: &str = "wso2carbon_db_320";
/// Users and registry.
pub const MAIN: Pair = Pair {
    datasource: "WSO2_CARBON_DB",
    production: PRODUCTION,
    staging: STAGING,
};
/// A registry that the homes mount.
pub const MOUNT: Pair = Pair {
    datasource: "WSO2_REG_DB",
    production: "wso2reg_db",
    staging: "wso2reg_db_new",
};
/// The metadata of Storage Server's databases.
pub const RSS: Pair = Pair {
    datasource: "MetadataRepoDS",
    production: "wso2rss_db",
    staging: "wso2rss_db_110",
};
/// A database of the site's own, which no upgrade touches.
pub(super) const SITE: &str = "site_db";
/// The account the servers use.
pub(super) const APP: &str = "dss";
/// The account Cutover uses.
pub(super) const DBA: &str = "cutover_dba";

/// A database in use and the empty one that takes its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pair {
    /// The data source of the new homes.
    pub datasource: &'static str,
    /// In use.
    pub production: &'static str,
    /// Empty.
    pub staging: &'static str,
}

/// Which engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EngineKind {
    /// MariaDB.
    MariaDb,
    /// PostgreSQL.
    Postgres,
}

impl fmt::Display for EngineKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            EngineKind::MariaDb => "MariaDB",
            EngineKind::Postgres => "PostgreSQL",
        })
    }
}

/// With which account Cutover works on the databases.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Account {
    /// One of its own that may do everything.
    Administrator,
    /// The one that the servers use, with no more rights than Cutover needs.
    Application,
}

/// Which databases there are, and what production holds.
#[derive(Debug, Clone)]
pub(super) struct Layout {
    kind: EngineKind,
    account: Account,
    pairs: Vec<Pair>,
    schema: Option<PathBuf>,
    script: Option<PathBuf>,
    corpus: Option<PathBuf>,
    /// Production is of a version between, that has the new schema already.
    migrated: bool,
    /// The old version has the new schema already.
    new_schema: bool,
    site: bool,
    two_servers: bool,
}

impl Layout {
    pub(super) fn of(spec: &FleetSpec) -> Self {
        let mut pairs = vec![MAIN];
        pairs.extend(spec.mount.then_some(MOUNT));
        pairs.extend(spec.hop.rss.then_some(RSS));
        Self {
            kind: spec.engine,
            account: spec.account,
            pairs,
            schema: spec.schema.clone(),
            script: spec.script.clone(),
            corpus: spec.corpus.clone().filter(|_| spec.schema.is_none()),
            migrated: spec.migrated,
            new_schema: !spec.hop.migrates,
            site: spec.site,
            two_servers: spec.two_servers,
        }
    }
}

#[derive(Debug)]
enum Server {
    MariaDb(MariaDb),
    Postgres(Postgres),
}

impl Server {
    fn start(kind: EngineKind) -> Result<Self> {
        Ok(match kind {
            EngineKind::MariaDb => Server::MariaDb(MariaDb::start()?),
            EngineKind::Postgres => Server::Postgres(Postgres::start()?),
        })
    }

    fn sql(&self, database: &str, sql: &str) -> Result<String> {
        match self {
            Server::MariaDb(server) => server.sql(database, sql),
            Server::Postgres(server) => server.sql(database, sql),
        }
    }

    /// The engine's client as the server's owner.
    fn client(&self, database: &str) -> Command {
        match self {
            Server::MariaDb(server) => server.client(database),
            Server::Postgres(server) => server.client(database),
        }
    }

    fn port(&self) -> u16 {
        match self {
            Server::MariaDb(server) => server.port(),
            Server::Postgres(server) => server.port(),
        }
    }

    fn create(&self, database: &str) -> Result<()> {
        match self {
            Server::MariaDb(server) => {
                server.create_database(database)?;
                server.sql("", &format!("GRANT ALL ON {database}.* TO {APP}"))?;
            }
            Server::Postgres(server) => {
                server.sql("", &format!("CREATE DATABASE {database} OWNER {APP}"))?;
            }
        }
        Ok(())
    }

    fn accounts(&self, account: Account, secrets: &Secrets) -> Result<()> {
        match self {
            Server::MariaDb(server) => {
                server.create_user(APP, &secrets.app(), &[])?;
                server.create_user(DBA, &secrets.dba(), &["ALL ON *.*"])?;
                // Only who may give rights may take the application's away on one database.
                server.sql("", &format!("GRANT GRANT OPTION ON *.* TO {DBA}"))?;
                if account == Account::Application {
                    // As docs/operations.md asks for it.
                    server.sql(
                        "",
                        &format!("GRANT PROCESS ON *.* TO {APP}; GRANT ALL ON `cutover\\_%`.* TO {APP}"),
                    )?;
                }
            }
            Server::Postgres(server) => {
                server.create_user(APP, &secrets.app(), &[])?;
                server.create_user(DBA, &secrets.dba(), &[])?;
                server.sql("", &format!("ALTER ROLE {DBA} SUPERUSER"))?;
                if account == Account::Application {
                    server.sql(
                        "",
                        &format!("ALTER ROLE {APP} CREATEDB; GRANT pg_read_all_stats TO {APP}"),
                    )?;
                }
            }
        }
        Ok(())
    }
}

/// The servers and their databases.
#[derive(Debug)]
pub struct Databases {
    kind: EngineKind,
    layout: Layout,
    server: Server,
    /// Where staging lies when it has a server of its own.
    other: Option<Server>,
}

impl Databases {
    /// Starts the servers, fills production and creates the accounts.
    ///
    /// # Errors
    /// When a server does not start or refuses.
    pub(super) fn start(layout: &Layout, secrets: &Secrets) -> Result<Self> {
        let kind = layout.kind;
        let databases = Self {
            kind,
            layout: layout.clone(),
            server: Server::start(kind)?,
            other: layout.two_servers.then(|| Server::start(kind)).transpose()?,
        };
        for server in [Some(&databases.server), databases.other.as_ref()]
            .into_iter()
            .flatten()
        {
            server.accounts(layout.account, secrets)?;
        }
        for pair in databases.pairs() {
            databases.create_database(pair.production)?;
            databases.create_database(pair.staging)?;
        }
        if layout.site {
            databases.create_database(SITE)?;
        }
        databases.fill_all(secrets)?;
        Ok(databases)
    }

    /// The databases of the upgrade, that of users and registry first.
    #[must_use]
    pub fn pairs(&self) -> &[Pair] {
        &self.layout.pairs
    }

    fn create_database(&self, name: &str) -> Result<()> {
        self.server_of(name).create(name)
    }

    fn server_of(&self, database: &str) -> &Server {
        let staging = self.layout.pairs.iter().any(|pair| pair.staging == database);
        match &self.other {
            Some(other) if staging => other,
            Some(_) | None => &self.server,
        }
    }

    /// The account that Cutover uses.
    #[must_use]
    pub fn account(&self) -> Account {
        self.layout.account
    }

    /// The engine.
    #[must_use]
    pub fn kind(&self) -> EngineKind {
        self.kind
    }

    /// The loopback port of production's server.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.server.port()
    }

    /// The folder of production's MariaDB server.
    #[must_use]
    pub fn data_dir(&self) -> Option<PathBuf> {
        match &self.server {
            Server::MariaDb(server) => Some(server.data_dir()),
            Server::Postgres(_) => None,
        }
    }

    /// The loopback port of a database's server.
    #[must_use]
    pub fn port_of(&self, database: &str) -> u16 {
        self.server_of(database).port()
    }

    /// Runs SQL; rows come back one per line, columns split by tabs.
    ///
    /// # Errors
    /// When the server refuses.
    pub fn sql(&self, database: &str, sql: &str) -> Result<String> {
        self.server_of(database).sql(database, sql)
    }

    /// Runs SQL that gives one number.
    ///
    /// # Errors
    /// When the server refuses, or it is no number.
    pub fn number(&self, database: &str, sql: &str) -> Result<u64> {
        let text = self.sql(database, sql)?;
        text.trim()
            .parse()
            .with_context(|| format!("`{sql}` gave `{}`", text.trim()))
    }

    /// `ENGINE://USER@HOST:PORT/DATABASE`, as upgrade files write it.
    #[must_use]
    pub fn url(&self, database: &str) -> String {
        let user = match self.account() {
            Account::Administrator => DBA,
            Account::Application => APP,
        };
        let scheme = match self.kind {
            EngineKind::MariaDb => "mysql",
            EngineKind::Postgres => "postgres",
        };
        format!(
            "{scheme}://{user}@127.0.0.1:{}/{database}",
            self.port_of(database)
        )
    }

    /// The JDBC URL that a home has.
    #[must_use]
    pub fn jdbc(&self, database: &str) -> String {
        let scheme = match self.kind {
            EngineKind::MariaDb => "mysql",
            EngineKind::Postgres => "postgresql",
        };
        format!(
            "jdbc:{scheme}://127.0.0.1:{}/{database}?autoReconnect=true",
            self.port_of(database)
        )
    }
}
