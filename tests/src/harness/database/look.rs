//! What stands in a database: tables, definitions, rows.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result};

use super::{Databases, EngineKind};

/// The rows of a database: table to the hash of each row, sorted.
pub type Rows = BTreeMap<String, Vec<String>>;

impl Databases {
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
        Ok(without_journal(&self.sql(database, &columns)?))
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
            if is_journal(table) {
                continue;
            }
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

    /// What a schema is apart from names of keys and the order of columns: two versions of a product that mean the same
    /// schema have the same shape.
    ///
    /// # Errors
    /// When the server refuses.
    pub fn shape(&self, database: &str) -> Result<BTreeSet<String>> {
        let schema = self.schema(database);
        let sql = match self.kind {
            EngineKind::MariaDb => format!(
                "SELECT 'column', TABLE_NAME, COLUMN_NAME, COLUMN_TYPE, IS_NULLABLE, COLUMN_DEFAULT, EXTRA \
                 FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = '{schema}'; \
                 SELECT DISTINCT 'index', TABLE_NAME, NON_UNIQUE, \
                 GROUP_CONCAT(COLUMN_NAME, IFNULL(SUB_PART, '') ORDER BY SEQ_IN_INDEX) \
                 FROM information_schema.STATISTICS WHERE TABLE_SCHEMA = '{schema}' GROUP BY TABLE_NAME, INDEX_NAME, NON_UNIQUE; \
                 SELECT 'key', K.TABLE_NAME, GROUP_CONCAT(K.COLUMN_NAME ORDER BY K.ORDINAL_POSITION), \
                 MAX(K.REFERENCED_TABLE_NAME), GROUP_CONCAT(K.REFERENCED_COLUMN_NAME ORDER BY K.ORDINAL_POSITION), \
                 MAX(R.UPDATE_RULE), MAX(R.DELETE_RULE) FROM information_schema.KEY_COLUMN_USAGE K \
                 JOIN information_schema.REFERENTIAL_CONSTRAINTS R ON R.CONSTRAINT_SCHEMA = K.CONSTRAINT_SCHEMA \
                 AND R.TABLE_NAME = K.TABLE_NAME AND R.CONSTRAINT_NAME = K.CONSTRAINT_NAME \
                 WHERE K.TABLE_SCHEMA = '{schema}' GROUP BY K.TABLE_NAME, K.CONSTRAINT_NAME"
            ),
            EngineKind::Postgres => {
                "SELECT 'column', table_name, column_name, data_type, character_maximum_length, \
                 is_nullable, column_default FROM information_schema.columns WHERE table_schema = 'public'; \
                 SELECT 'index', tablename, regexp_replace(indexdef, 'INDEX \\S+ ON', 'INDEX ON') \
                 FROM pg_indexes WHERE schemaname = 'public'; \
                 SELECT 'constraint', conrelid::regclass, pg_get_constraintdef(oid) FROM pg_constraint \
                 WHERE connamespace = 'public'::regnamespace; \
                 SELECT 'sequence', sequencename, increment_by FROM pg_sequences WHERE schemaname = 'public'"
                    .to_owned()
            }
        };
        Ok(without_journal(&self.sql(database, &sql)?))
    }
}

/// The journal of a migration lies in the database that is migrated until the upgrade is finalised.
fn without_journal(lines: &str) -> BTreeSet<String> {
    let lines = lines.lines().filter(|line| !is_journal(line));
    lines.map(str::to_owned).collect()
}

fn is_journal(text: &str) -> bool {
    text.to_uppercase().contains("CUTOVER_JOURNAL")
}
