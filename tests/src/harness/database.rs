//! A private database server with production, filled as a Carbon 4.1 site has it, and an empty staging.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, Result, bail};
use carbon_standin::fixtures;
use cutover_testdb::{MariaDb, Postgres};

use super::Secrets;

/// The database in use.
pub const PRODUCTION: &str = "wso2carbon_db";
/// The empty database that becomes the new production.
pub const STAGING: &str = "wso2carbon_db_320";
/// The account the servers use.
pub(super) const APP: &str = "dss";
/// An account that has nothing to do with the servers.
const STRANGER: &str = "reports";
/// The account Cutover uses.
pub(super) const DBA: &str = "cutover_dba";

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

#[derive(Debug)]
enum Server {
    MariaDb(MariaDb),
    Postgres(Postgres),
}

/// The rows of a database: table to the hash of each row, sorted.
pub type Rows = BTreeMap<String, Vec<String>>;

/// The server and its two databases.
#[derive(Debug)]
pub struct Databases {
    kind: EngineKind,
    server: Server,
    account: Account,
}

/// With which account Cutover works on the databases.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Account {
    /// One of its own that may do everything.
    Administrator,
    /// The one that the servers use, with no more rights than Cutover needs.
    Application,
}

/// What a production database is like before the upgrade.
#[derive(Debug, Clone)]
pub struct Production<'a> {
    /// The tables, instead of our own.
    pub schema: Option<&'a Path>,
    /// Whether it is at the level of Carbon 4.2.0 already.
    pub migrated: bool,
}

impl Databases {
    /// Starts a server, fills production and creates the accounts.
    ///
    /// # Errors
    /// When the server does not start or refuses.
    pub fn start(
        kind: EngineKind,
        secrets: &Secrets,
        production: &Production<'_>,
        account: Account,
    ) -> Result<Self> {
        let server = match kind {
            EngineKind::MariaDb => Server::MariaDb(MariaDb::start()?),
            EngineKind::Postgres => Server::Postgres(Postgres::start()?),
        };
        let databases = Self {
            kind,
            server,
            account,
        };
        databases.accounts(secrets)?;
        databases.fill(PRODUCTION, production.schema)?;
        if production.migrated {
            databases.sql_as_app(PRODUCTION, databases.migration())?;
        }
        let hash = secrets.admin_hash();
        databases.sql(
            PRODUCTION,
            &format!(
                "UPDATE UM_USER SET UM_USER_PASSWORD = '{hash}' WHERE UM_USER_NAME = 'admin' AND UM_TENANT_ID = -1234"
            ),
        )?;
        Ok(databases)
    }

    fn accounts(&self, secrets: &Secrets) -> Result<()> {
        match &self.server {
            Server::MariaDb(server) => {
                server.create_database(PRODUCTION)?;
                server.create_database(STAGING)?;
                let grants = [PRODUCTION, STAGING].map(|name| format!("ALL ON {name}.*"));
                server.create_user(APP, &secrets.app(), &grants.each_ref().map(String::as_str))?;
                server.create_user(DBA, &secrets.dba(), &["ALL ON *.*"])?;
                // Only who may give rights may take the application's away on one database.
                server.sql("", &format!("GRANT GRANT OPTION ON *.* TO {DBA}"))?;
                if self.account == Account::Application {
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
                if self.account == Account::Application {
                    server.sql(
                        "",
                        &format!("ALTER ROLE {APP} CREATEDB; GRANT pg_read_all_stats TO {APP}"),
                    )?;
                }
                for name in [PRODUCTION, STAGING] {
                    server.sql("", &format!("CREATE DATABASE {name} OWNER {APP}"))?;
                }
            }
        }
        Ok(())
    }

    /// Makes a database what a Carbon 4.1 site has: `schema` or our own tables, and the sample rows.
    fn fill(&self, database: &str, schema: Option<&Path>) -> Result<()> {
        let own = match self.kind {
            EngineKind::MariaDb => fixtures::SCHEMA_41_MYSQL,
            EngineKind::Postgres => fixtures::SCHEMA_41_POSTGRES,
        };
        let schema = match schema {
            Some(path) => {
                std::fs::read_to_string(path).with_context(|| format!("read {}", path.display()))?
            }
            None => own.to_owned(),
        };
        let rows = match self.kind {
            EngineKind::MariaDb => fixtures::SAMPLE_ROWS_MYSQL.to_owned(),
            EngineKind::Postgres => fixtures::SAMPLE_ROWS_POSTGRES.to_owned(),
        };
        self.sql_as_app(database, &schema)?;
        self.sql_as_app(database, &rows)
    }

    /// The tables belong to the account that the servers use, as at a site.
    fn sql_as_app(&self, database: &str, sql: &str) -> Result<()> {
        let sql = match self.kind {
            EngineKind::MariaDb => sql.to_owned(),
            EngineKind::Postgres => format!("SET ROLE {APP};\n{sql}"),
        };
        self.sql(database, &sql).map(drop)
    }

    /// SQL of a test's own, such as further tables, as the account that the servers use.
    ///
    /// # Errors
    /// When the server refuses.
    pub fn sql_as_application(&self, database: &str, sql: &str) -> Result<()> {
        self.sql_as_app(database, sql)
    }

    /// The engine's client as the server's owner, to be fed statements on its standard input. It ends at the first
    /// one that fails.
    ///
    /// # Errors
    /// When it can't be started.
    pub fn feed(&self, database: &str) -> Result<Child> {
        let mut command = match &self.server {
            Server::MariaDb(server) => server.client(database),
            Server::Postgres(server) => server.client(database),
        };
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .context("start the engine's client")
    }

    /// A third database: what production becomes when its rows are migrated by the engine's own client.
    ///
    /// # Errors
    /// When the server refuses.
    pub fn reference(
        &self,
        name: &str,
        schema: Option<&Path>,
        migration: &str,
        secrets: &Secrets,
    ) -> Result<()> {
        match &self.server {
            Server::MariaDb(server) => server.create_database(name)?,
            Server::Postgres(server) => {
                server.sql("", &format!("CREATE DATABASE {name} OWNER {APP}"))?;
            }
        }
        self.fill(name, schema)?;
        let hash = secrets.admin_hash();
        self.sql(
            name,
            &format!(
                "UPDATE UM_USER SET UM_USER_PASSWORD = '{hash}' WHERE UM_USER_NAME = 'admin' AND UM_TENANT_ID = -1234"
            ),
        )?;
        self.sql_as_app(name, migration)
    }

    /// The script that makes the new schema of our own tables.
    pub(super) fn migration(&self) -> &'static str {
        match self.kind {
            EngineKind::MariaDb => fixtures::MIGRATION_MYSQL,
            EngineKind::Postgres => fixtures::MIGRATION_POSTGRES,
        }
    }

    /// The account that Cutover uses.
    #[must_use]
    pub fn account(&self) -> Account {
        self.account
    }

    /// The engine.
    #[must_use]
    pub fn kind(&self) -> EngineKind {
        self.kind
    }

    /// The loopback port.
    #[must_use]
    pub fn port(&self) -> u16 {
        match &self.server {
            Server::MariaDb(server) => server.port(),
            Server::Postgres(server) => server.port(),
        }
    }

    /// Runs SQL; rows come back one per line, columns split by tabs.
    ///
    /// # Errors
    /// When the server refuses.
    pub fn sql(&self, database: &str, sql: &str) -> Result<String> {
        match &self.server {
            Server::MariaDb(server) => server.sql(database, sql),
            Server::Postgres(server) => server.sql(database, sql),
        }
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
        let user = match self.account {
            Account::Administrator => DBA,
            Account::Application => APP,
        };
        format!("{}://{user}@127.0.0.1:{}/{database}", self.scheme(), self.port())
    }

    fn scheme(&self) -> &'static str {
        match self.kind {
            EngineKind::MariaDb => "mysql",
            EngineKind::Postgres => "postgres",
        }
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
            self.port()
        )
    }

    /// The tables, by upper-case name.
    ///
    /// # Errors
    /// When the server refuses.
    pub fn tables(&self, database: &str) -> Result<BTreeSet<String>> {
        let sql = format!(
            "SELECT UPPER(table_name) FROM information_schema.tables WHERE table_schema = '{}'",
            self.schema(database)
        );
        Ok(self.sql(database, &sql)?.lines().map(str::to_owned).collect())
    }

    fn schema<'a>(&self, database: &'a str) -> &'a str {
        match self.kind {
            EngineKind::MariaDb => database,
            EngineKind::Postgres => "public",
        }
    }

    /// Every column, index and constraint as text, one object per line.
    ///
    /// # Errors
    /// When the server refuses.
    pub fn definition(&self, database: &str) -> Result<BTreeSet<String>> {
        let schema = self.schema(database);
        let columns = match self.kind {
            EngineKind::MariaDb => format!(
                "SELECT 'column', TABLE_NAME, COLUMN_NAME, ORDINAL_POSITION, COLUMN_TYPE, IS_NULLABLE, COLUMN_DEFAULT, \
                 EXTRA, COLLATION_NAME FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = '{schema}'; \
                 SELECT 'index', TABLE_NAME, INDEX_NAME, SEQ_IN_INDEX, COLUMN_NAME, NON_UNIQUE, SUB_PART \
                 FROM information_schema.STATISTICS WHERE TABLE_SCHEMA = '{schema}'; \
                 SELECT 'key', TABLE_NAME, COLUMN_NAME, CONSTRAINT_NAME, REFERENCED_TABLE_NAME, \
                 REFERENCED_COLUMN_NAME FROM information_schema.KEY_COLUMN_USAGE WHERE TABLE_SCHEMA = '{schema}'"
            ),
            EngineKind::Postgres => "SELECT 'column', table_name, column_name, data_type, character_maximum_length, \
                 is_nullable, column_default FROM information_schema.columns WHERE table_schema = 'public'; \
                 SELECT 'index', tablename, indexdef FROM pg_indexes WHERE schemaname = 'public'; \
                 SELECT 'constraint', conrelid::regclass, conname, pg_get_constraintdef(oid) FROM pg_constraint \
                 WHERE connamespace = 'public'::regnamespace; \
                 SELECT 'sequence', sequencename, increment_by FROM pg_sequences WHERE schemaname = 'public'"
                .to_owned(),
        };
        Ok(self.sql(database, &columns)?.lines().map(str::to_owned).collect())
    }

    /// The hash of every row over all of a table's columns.
    ///
    /// # Errors
    /// When the server refuses.
    pub fn rows(&self, database: &str) -> Result<Rows> {
        self.rows_of(database, &self.columns(database)?)
    }

    /// The columns of each table, in the order of their names.
    ///
    /// # Errors
    /// When the server refuses.
    pub fn columns(&self, database: &str) -> Result<BTreeMap<String, Vec<String>>> {
        let sql = format!(
            "SELECT UPPER(c.table_name), UPPER(c.column_name) FROM information_schema.columns c JOIN information_schema.tables t \
             ON t.table_schema = c.table_schema AND t.table_name = c.table_name AND t.table_type = 'BASE TABLE' \
             WHERE c.table_schema = '{}' ORDER BY 1, 2",
            self.schema(database)
        );
        let mut columns: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for line in self.sql(database, &sql)?.lines() {
            let (table, column) = line.split_once('\t').context("two columns")?;
            columns
                .entry(table.to_owned())
                .or_default()
                .push(column.to_owned());
        }
        Ok(columns)
    }

    /// The hash of every row over the columns given.
    ///
    /// # Errors
    /// When the server refuses.
    pub fn rows_of(&self, database: &str, columns: &BTreeMap<String, Vec<String>>) -> Result<Rows> {
        let mut sql = String::new();
        for (table, columns) in columns {
            let values: Vec<String> = columns.iter().map(|column| self.text_of(column)).collect();
            sql.push_str(&format!(
                "SELECT '{table}', MD5(CONCAT({})) FROM {table};\n",
                values.join(", '|', ")
            ));
        }
        let mut rows: Rows = columns.keys().map(|table| (table.clone(), Vec::new())).collect();
        for line in self.sql(database, &sql)?.lines() {
            let (table, hash) = line.split_once('\t').context("two columns")?;
            rows.entry(table.to_owned()).or_default().push(hash.to_owned());
        }
        rows.values_mut().for_each(|list| list.sort_unstable());
        Ok(rows)
    }

    fn text_of(&self, column: &str) -> String {
        match self.kind {
            EngineKind::MariaDb => format!("IFNULL(HEX(`{column}`), 'null')"),
            EngineKind::Postgres => format!("COALESCE(MD5({column}::text), 'null')"),
        }
    }

    /// Opens a session of the application's account that stays, as a forgotten server would.
    ///
    /// # Errors
    /// When the engine's client can't be started or does not get in.
    pub fn foreign_session(&self, database: &str, secrets: &Secrets) -> Result<Session> {
        self.session(database, APP, &secrets.app())
    }

    /// Opens a session of an account that has nothing to do with the servers, such as a report's, and that no fence
    /// keeps out. The account is made on the way.
    ///
    /// # Errors
    /// When the engine's client can't be started or does not get in.
    pub fn stranger(&self, database: &str) -> Result<Session> {
        const PASSWORD: &str = "reports-4711";
        match &self.server {
            Server::MariaDb(server) => {
                server.create_user(STRANGER, PASSWORD, &[&format!("SELECT ON {database}.*")])?;
            }
            Server::Postgres(server) => {
                server.create_user(STRANGER, PASSWORD, &[])?;
                server.sql("", &format!("GRANT CONNECT ON DATABASE {database} TO {STRANGER}"))?;
            }
        }
        self.session(database, STRANGER, PASSWORD)
    }

    fn session(&self, database: &str, user: &str, password: &str) -> Result<Session> {
        let port = self.port().to_string();
        let mut command = match self.kind {
            EngineKind::MariaDb => {
                let mut command = Command::new("mariadb");
                command.args([
                    "--no-defaults",
                    "--unbuffered",
                    "-h",
                    "127.0.0.1",
                    "-u",
                    user,
                    database,
                ]);
                command.args(["-P", &port]).env("MYSQL_PWD", password);
                command
            }
            EngineKind::Postgres => {
                let mut command = Command::new("psql");
                command.args(["-X", "-q", "-h", "127.0.0.1", "-U", user, "-d", database]);
                command.args(["-p", &port]).env("PGPASSWORD", password);
                command
            }
        };
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let child = command.spawn().context("start the engine's client")?;
        let mut session = Session { child };
        super::wait("the foreign session", std::time::Duration::from_secs(20), || {
            self.sessions_of(user, database).is_ok_and(|count| count > 0) || session.ended()
        })?;
        if session.ended() {
            bail!("the engine's client did not get in as {user}");
        }
        Ok(session)
    }

    /// How many sessions of the application's account are on a database.
    ///
    /// # Errors
    /// When the server refuses.
    pub fn sessions(&self, database: &str) -> Result<u64> {
        self.sessions_of(APP, database)
    }

    fn sessions_of(&self, user: &str, database: &str) -> Result<u64> {
        let sql = match self.kind {
            EngineKind::MariaDb => format!(
                "SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE USER = '{user}' AND DB = '{database}'"
            ),
            EngineKind::Postgres => {
                format!(
                    "SELECT COUNT(*) FROM pg_stat_activity WHERE usename = '{user}' AND datname = '{database}'"
                )
            }
        };
        self.number("", &sql)
    }
}

/// A client that holds a connection until it is dropped.
#[derive(Debug)]
pub struct Session {
    child: Child,
}

impl Session {
    fn ended(&mut self) -> bool {
        !matches!(self.child.try_wait(), Ok(None))
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}
