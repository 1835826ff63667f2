//! Production as a site has it before the upgrade.

use std::path::Path;

use anyhow::{Context as _, Result};
use carbon_standin::fixtures::{self, Dialect};

use super::{APP, Databases, EngineKind, MAIN, MOUNT, Pair, RSS};
use crate::harness::Secrets;

/// A row that the older generation only has a table for.
const GONE: &str = "INSERT INTO UM_CLAIM_BEHAVIOR";

impl Databases {
    pub(super) fn dialect(&self) -> Dialect {
        match self.kind {
            EngineKind::MariaDb => Dialect::MySql,
            EngineKind::Postgres => Dialect::Postgres,
        }
    }

    /// Fills every production database.
    pub(super) fn fill_all(&self, secrets: &Secrets) -> Result<()> {
        for pair in self.pairs() {
            self.fill(pair, pair.production, secrets)?;
        }
        Ok(())
    }

    /// Makes `database` what production of a pair is before the upgrade.
    pub(super) fn fill(&self, pair: &Pair, database: &str, secrets: &Secrets) -> Result<()> {
        if *pair == RSS {
            self.sql_as_app(database, &self.rss_tables()?)?;
            return self.sql_as_app(database, &fixtures::rss_rows());
        }
        self.sql_as_app(database, &self.tables_of_old()?)?;
        if *pair == MOUNT {
            return self.sql_as_app(database, &fixtures::mount_rows(self.dialect()));
        }
        self.sql_as_app(database, &self.rows_of_old())?;
        if self.layout.migrated || (self.layout.new_schema && self.layout.corpus.is_none()) {
            self.sql_as_app(database, self.migration())?;
        }
        let hash = secrets.admin_hash();
        let admin = format!(
            "UPDATE UM_USER SET UM_USER_PASSWORD = '{hash}' WHERE UM_USER_NAME = 'admin' AND UM_TENANT_ID = -1234"
        );
        self.sql(database, &admin).map(drop)
    }

    /// The tables of the old version's kernel.
    fn tables_of_old(&self) -> Result<String> {
        let layout = &self.layout;
        if let Some(path) = &layout.schema {
            return read(path);
        }
        if let Some(corpus) = &layout.corpus {
            let kernel = if layout.new_schema {
                "carbon-4.4.6"
            } else {
                "carbon-4.1.0"
            };
            return read(&corpus.join(kernel).join("dbscripts").join(self.script_name()));
        }
        Ok(match self.kind {
            EngineKind::MariaDb => fixtures::SCHEMA_41_MYSQL,
            EngineKind::Postgres => fixtures::SCHEMA_41_POSTGRES,
        }
        .to_owned())
    }

    fn rss_tables(&self) -> Result<String> {
        match (&self.layout.corpus, self.kind) {
            (Some(corpus), EngineKind::MariaDb) => {
                read(&corpus.join("ss-1.0.3/dbscripts/mysql/wso2_rss_mysql.sql"))
            }
            // 1.0.3 has no script for PostgreSQL.
            (Some(_), EngineKind::Postgres) | (None, _) => Ok(fixtures::rss_schema(self.dialect())),
        }
    }

    fn rows_of_old(&self) -> String {
        let rows = match self.kind {
            EngineKind::MariaDb => fixtures::SAMPLE_ROWS_MYSQL,
            EngineKind::Postgres => fixtures::SAMPLE_ROWS_POSTGRES,
        };
        if !self.layout.new_schema || self.layout.corpus.is_none() {
            return rows.to_owned();
        }
        let kept: Vec<&str> = rows
            .split_inclusive(";\n")
            .filter(|statement| !statement.contains(GONE))
            .collect();
        kept.concat() + DOMAINS
    }

    /// `mysql.sql` or `postgresql.sql`.
    #[must_use]
    pub fn script_name(&self) -> &'static str {
        match self.kind {
            EngineKind::MariaDb => "mysql.sql",
            EngineKind::Postgres => "postgresql.sql",
        }
    }

    /// Makes a further database on production's server and runs scripts in it, as the servers' account.
    ///
    /// # Errors
    /// When the server refuses.
    pub fn create(&self, name: &str, scripts: &[&str]) -> Result<()> {
        self.create_database(name)?;
        scripts
            .iter()
            .try_for_each(|script| self.sql_as_app(name, script))
    }

    /// What production of a pair becomes when the engine's own client migrates it.
    ///
    /// # Errors
    /// When the server refuses.
    pub fn reference(&self, pair: &Pair, name: &str, script: Option<&str>, secrets: &Secrets) -> Result<()> {
        self.create_database(name)?;
        self.fill(pair, name, secrets)?;
        match script {
            Some(script) => self.sql_as_app(name, script),
            None => Ok(()),
        }
    }

    /// The script that makes the new schema of our own tables.
    pub(in crate::harness) fn migration(&self) -> &'static str {
        match self.kind {
            EngineKind::MariaDb => fixtures::MIGRATION_MYSQL,
            EngineKind::Postgres => fixtures::MIGRATION_POSTGRES,
        }
    }

    /// The script that makes the new schema of a pair's tables, if it changes.
    ///
    /// # Errors
    /// When a script of the corpus can't be read.
    pub fn script_of(&self, pair: &Pair) -> Result<Option<String>> {
        let changes = !self.layout.new_schema && !self.layout.migrated;
        Ok(if *pair == RSS {
            Some(
                match self.kind {
                    EngineKind::MariaDb => {
                        include_str!("../../../../coordinator/guides/scripts/ss-1.0.3-to-1.1.0-rss.mysql.sql")
                    }
                    EngineKind::Postgres => include_str!(
                        "../../../../coordinator/guides/scripts/ss-1.0.3-to-1.1.0-rss.postgres.sql"
                    ),
                }
                .to_owned(),
            )
        } else if *pair == MAIN && changes {
            Some(match (&self.layout.script, self.kind) {
                (Some(path), EngineKind::MariaDb) => read(path)?,
                (_, EngineKind::MariaDb | EngineKind::Postgres) => self.migration().to_owned(),
            })
        } else {
            None
        })
    }

    /// SQL of a test's own, such as further tables, as the account that the servers use.
    ///
    /// # Errors
    /// When the server refuses.
    pub fn sql_as_application(&self, database: &str, sql: &str) -> Result<()> {
        self.sql_as_app(database, sql)
    }

    /// The tables belong to the account that the servers use, as at a site.
    fn sql_as_app(&self, database: &str, sql: &str) -> Result<()> {
        let sql = match self.kind {
            EngineKind::MariaDb => sql.to_owned(),
            EngineKind::Postgres => format!("SET ROLE {APP};\n{sql}"),
        };
        self.sql(database, &sql).map(drop)
    }
}

fn read(path: &Path) -> Result<String> {
    std::fs::read_to_string(path).with_context(|| format!("read {}", path.display()))
}

/// What a kernel from 4.2 on has made of the domains of every tenant.
const DOMAINS: &str = "
INSERT INTO UM_DOMAIN (UM_DOMAIN_NAME, UM_TENANT_ID)
SELECT n.name, t.id FROM (SELECT 'PRIMARY' AS name UNION ALL SELECT 'SYSTEM' UNION ALL SELECT 'INTERNAL') n
CROSS JOIN (SELECT -1234 AS id UNION ALL SELECT UM_ID FROM UM_TENANT) t ORDER BY 2, 1;
UPDATE UM_ROLE_PERMISSION SET UM_DOMAIN_ID = (SELECT d.UM_DOMAIN_ID FROM UM_DOMAIN d
    WHERE d.UM_TENANT_ID = UM_ROLE_PERMISSION.UM_TENANT_ID AND d.UM_DOMAIN_NAME = 'PRIMARY');
UPDATE UM_HYBRID_USER_ROLE SET UM_DOMAIN_ID = (SELECT d.UM_DOMAIN_ID FROM UM_DOMAIN d
    WHERE d.UM_TENANT_ID = UM_HYBRID_USER_ROLE.UM_TENANT_ID AND d.UM_DOMAIN_NAME = 'PRIMARY');
";
