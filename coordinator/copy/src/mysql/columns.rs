//! How the values of a column travel without losing a bit, and how they are hashed.

use super::syntax::ident;

/// A column that holds data.
#[derive(Debug, Clone)]
pub(crate) struct Column {
    pub(crate) name: String,
    pub(crate) data_type: String,
    pub(crate) codec: Codec,
    pub(crate) auto_increment: bool,
    pub(crate) primary: bool,
    pub(crate) nullable: bool,
    /// Type with its length.
    pub(crate) sql_type: String,
    /// Character set of text.
    pub(crate) charset: Option<String>,
    /// Its bytes may be part of a concatenation: they are few.
    pub(crate) short: bool,
}

/// The form in which a value is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Codec {
    /// The bytes as they are.
    Plain,
    /// Text of a FLOAT has six digits; as DOUBLE it has all.
    Real,
    /// As a number: BIT has no text form.
    Bit,
    /// Hexadecimal, for values that are checked when stored as text.
    Hex,
    /// MySQL's JSON refuses text of the binary character set.
    Json,
    /// Address and UUID types take their bytes, not their text, from a binary session.
    Native(u8),
}

impl Codec {
    pub(crate) fn of(data_type: &str, maria: bool) -> Self {
        match data_type {
            "float" => Codec::Real,
            "bit" => Codec::Bit,
            "geometry" | "point" | "linestring" | "polygon" | "multipoint" | "multilinestring"
            | "multipolygon" | "geometrycollection" | "geomcollection" | "vector" => Codec::Hex,
            "json" if !maria => Codec::Json,
            "uuid" | "inet6" => Codec::Native(16),
            "inet4" => Codec::Native(4),
            _ => Codec::Plain,
        }
    }

    /// What is put around a value that arrives, if anything.
    pub(crate) fn around(self) -> Option<(&'static str, &'static str)> {
        match self {
            Codec::Plain | Codec::Real | Codec::Native(_) => None,
            Codec::Bit => Some(("CAST(", " AS UNSIGNED)")),
            Codec::Hex => Some(("UNHEX(", ")")),
            Codec::Json => Some(("CONVERT(", " USING utf8mb4)")),
        }
    }
}

impl Column {
    /// The expression that reads the value.
    pub(crate) fn select(&self) -> String {
        let name = ident(&self.name);
        match self.codec {
            Codec::Plain | Codec::Json => name,
            Codec::Real => format!("{name}+0e0"),
            Codec::Bit => format!("{name}+0"),
            Codec::Hex => format!("HEX({name})"),
            Codec::Native(bytes) => format!("CAST({name} AS BINARY({bytes}))"),
        }
    }

    /// An expression whose text identifies the value: no two different values share it.
    pub(crate) fn digest(&self) -> String {
        let name = ident(&self.name);
        match self.codec {
            Codec::Real => format!("{name}+0e0"),
            Codec::Bit => format!("{name}+0"),
            Codec::Hex => format!("MD5({name})"),
            Codec::Json => format!("MD5(CAST({name} AS CHAR))"),
            Codec::Native(_) => format!("HEX({name})"),
            // The length tells where the value ends; the cast keeps its bytes, whatever its character set.
            Codec::Plain if self.is_text() && self.short => {
                format!("CONCAT(LENGTH({name}), ':', CAST({name} AS BINARY))")
            }
            // A digest has a fixed length and, unlike a concatenation, no limit on what it takes.
            Codec::Plain if self.is_text() => format!("MD5({name})"),
            Codec::Plain => name,
        }
    }

    pub(crate) fn is_text(&self) -> bool {
        ["char", "text", "blob", "binary", "enum", "set", "json", "clob"]
            .iter()
            .any(|word| self.data_type.contains(word))
    }
}

/// The column list of LOAD DATA with its SET clause; also the list alone for INSERT.
pub(crate) fn load_columns(columns: &[Column]) -> (String, String) {
    let mut list = Vec::new();
    let mut set = Vec::new();
    for (index, column) in columns.iter().enumerate() {
        match column.codec.around() {
            None => list.push(ident(&column.name)),
            Some((before, after)) => {
                list.push(format!("@v{index}"));
                set.push(format!("{} = {before}@v{index}{after}", ident(&column.name)));
            }
        }
    }
    let set = if set.is_empty() {
        String::new()
    } else {
        format!(" SET {}", set.join(", "))
    };
    (list.join(", "), set)
}

pub(crate) fn select_list(columns: &[Column]) -> String {
    let list: Vec<String> = columns.iter().map(Column::select).collect();
    list.join(", ")
}

pub(crate) fn name_list(columns: &[Column]) -> String {
    let list: Vec<String> = columns.iter().map(|column| ident(&column.name)).collect();
    list.join(", ")
}
