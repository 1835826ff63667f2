//! Tables as the difference sees them: how rows are named, read and hashed, in the engine's own SQL.

use cutover_database::pieces::Cut;

/// A column that holds data of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Column {
    pub(crate) name: String,
    /// The name, quoted.
    pub(crate) quoted: String,
    /// Expression that reads the value for the way to staging.
    pub(crate) select: String,
    /// What stands around the value when it is stored from text.
    pub(crate) around: Option<(&'static str, &'static str)>,
    /// Pieces of the text or record that is hashed: for sums of chunks, and for one row.
    pub(crate) sum_digest: String,
    pub(crate) row_digest: String,
    /// How a value of a key is written in a condition; nothing where it cannot be part of a key.
    pub(crate) literal: Option<Literal>,
    /// Its order is the order of whole numbers.
    pub(crate) integer: bool,
    /// Its binary form means the same in another database.
    pub(crate) portable: bool,
    /// It may hold values too large to be held, which can be cut into pieces.
    pub(crate) cut: Option<Cut>,
}

/// How a value is written in SQL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Literal {
    /// Digits, sign and point, as they are.
    Number,
    /// In quotes.
    Quoted,
    /// As hexadecimal bytes of this character set; of none for binary columns.
    Bytes(Option<String>),
    /// As text that is cast to this type.
    Cast(String),
}

/// A table that holds rows itself.
#[derive(Debug, Clone)]
pub(crate) struct Table {
    /// Name for people: without the schema where it is the usual one.
    pub(crate) label: String,
    /// What follows FROM.
    pub(crate) source: String,
    /// What follows INSERT INTO or COPY.
    pub(crate) quoted: String,
    pub(crate) columns: Vec<Column>,
    /// Places among `columns` of those that name a row; none when a row can only be named by all of it.
    pub(crate) key: Vec<usize>,
    /// Estimates.
    pub(crate) size: u64,
    pub(crate) rows: u64,
    /// Reads of one transaction see one state.
    pub(crate) transactional: bool,
    /// Name and description of every column, generated ones too, and of the key.
    pub(crate) signature: Vec<(String, String)>,
}

impl Table {
    pub(crate) fn key_columns(&self) -> impl Iterator<Item = &Column> {
        self.key.iter().filter_map(|index| self.columns.get(*index))
    }

    pub(crate) fn keyless(&self) -> bool {
        self.key.is_empty()
    }

    /// All key columns are whole numbers, so that their order is the same everywhere.
    pub(crate) fn integer_key(&self) -> bool {
        !self.keyless() && self.key_columns().all(|column| column.integer)
    }

    /// The leading key column when it is a whole number, by which a table can be cut into ranges.
    pub(crate) fn range_column(&self) -> Option<&Column> {
        self.key_columns().next().filter(|column| column.integer)
    }

    pub(crate) fn column_list(&self) -> String {
        let names: Vec<&str> = self.columns.iter().map(|column| column.quoted.as_str()).collect();
        names.join(", ")
    }

    pub(crate) fn portable(&self) -> bool {
        self.columns.iter().all(|column| column.portable)
    }
}

/// What was brought over in one go.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Loaded {
    pub(crate) rows: u64,
    pub(crate) bytes: u64,
    /// Rows among them whose large values came in pieces.
    pub(crate) in_pieces: u64,
}
