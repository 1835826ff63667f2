//! Tables, columns and keys as the catalog lists them.

use cutover_database::Engine;

/// A column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ColumnShape {
    /// Name, not quoted.
    pub name: String,
    /// Type with its length, as the server prints it.
    pub sql_type: String,
    /// Whether it may be NULL.
    pub nullable: bool,
    /// Computed by the server from other columns: it cannot be written.
    pub generated: bool,
    /// Expression of the value's contribution to the row's hash.
    pub(crate) digest: String,
}

/// A unique key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyShape {
    /// Name, not quoted.
    pub name: String,
    /// Columns in the key's order, not quoted.
    pub columns: Vec<String>,
    /// No column of it may be NULL: it names at most one row.
    pub not_null: bool,
}

/// A table that holds rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableShape {
    /// Engine whose SQL the expressions are in.
    pub engine: Engine,
    /// Schema; empty for MySQL.
    pub schema: String,
    /// Name, not quoted.
    pub name: String,
    /// All columns in the table's order.
    pub columns: Vec<ColumnShape>,
    /// Columns of the primary key in its order; empty without one.
    pub primary_key: Vec<String>,
    /// Unique keys over plain columns and all rows, the primary key not among them.
    pub unique_keys: Vec<KeyShape>,
    /// Estimated bytes.
    pub bytes: u64,
    /// Version on which hashes that are the server's own depend.
    pub(crate) server_version: String,
    /// The server's hash of a record tells all values of this table apart.
    pub(crate) record_hash: bool,
}

impl TableShape {
    /// The name as people write it: without the schema where it is the usual one.
    #[must_use]
    pub fn label(&self) -> String {
        match self.schema.as_str() {
            "" | "public" => self.name.clone(),
            schema => format!("{schema}.{}", self.name),
        }
    }

    /// The name as SQL takes it.
    #[must_use]
    pub fn quoted(&self) -> String {
        match self.schema.as_str() {
            "" => self.quote(&self.name),
            schema => format!("{}.{}", self.quote(schema), self.quote(&self.name)),
        }
    }

    /// `name` quoted as an identifier of this engine.
    #[must_use]
    pub fn quote(&self, name: &str) -> String {
        match self.engine {
            Engine::MySql => crate::mysql::ident(name),
            Engine::Postgres => crate::postgres::ident(name),
        }
    }

    /// Columns that hold data of their own, in the table's order.
    pub fn stored(&self) -> impl Iterator<Item = &ColumnShape> {
        self.columns.iter().filter(|column| !column.generated)
    }

    /// Columns that name one row: of the primary key, or else of the shortest unique key without NULL.
    #[must_use]
    pub fn key(&self) -> Option<&[String]> {
        if !self.primary_key.is_empty() {
            return Some(&self.primary_key);
        }
        let keys = self.unique_keys.iter().filter(|key| key.not_null);
        keys.min_by_key(|key| key.columns.len())
            .map(|key| key.columns.as_slice())
    }

    pub(crate) fn has_columns_of(&self, other: &TableShape) -> bool {
        let stored = |table: &TableShape| -> Vec<(String, String)> {
            let columns = table.stored();
            columns
                .map(|column| (column.name.clone(), column.digest.clone()))
                .collect()
        };
        self.engine == other.engine && stored(self) == stored(other)
    }

    pub(crate) fn md5(&self) -> String {
        // Digests have no comma in them, numbers and dates have none, and none of them is the letter N.
        let digests = self
            .stored()
            .map(|column| format!("IFNULL({}, 'N')", column.digest));
        let digests: Vec<String> = digests.collect();
        match digests.is_empty() {
            true => "MD5('')".to_owned(),
            false => format!("MD5(CONCAT_WS(',', {}))", digests.join(", ")),
        }
    }

    pub(crate) fn record(&self) -> String {
        let digests = self.stored().map(|column| column.digest.as_str());
        format!("ROW({})", digests.collect::<Vec<_>>().join(", "))
    }
}
