//! The tables of a MySQL or MariaDB database.

use std::collections::BTreeMap;

use cutover_database::pieces::Cut;

use super::sql::{ident, literal};
use crate::DeltaError;
use crate::options::SyncOptions;
use crate::session::{Row, Session, number, text};
use crate::table::{Column, Literal, Table};

/// What the server says about itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Server {
    pub(crate) maria: bool,
    /// Has the CRC32C function, by which rows are summed several times faster than by MD5.
    pub(crate) crc32c: bool,
    pub(crate) max_packet: u64,
    pub(crate) local_infile: bool,
}

/// Below this, the text that is hashed of a row could exceed what functions may return.
const SMALLEST_PACKET: u64 = 512 * 1024;

pub(crate) async fn server(session: &mut Session) -> Result<Server, DeltaError> {
    let sql = "SELECT VERSION(), @@max_allowed_packet, @@local_infile";
    let found = session.rows("asking the server's version", sql).await?;
    let row = found.first().cloned().unwrap_or_default();
    let server = Server {
        maria: text(&row, 0).to_ascii_lowercase().contains("mariadb"),
        crc32c: session
            .rows("asking for a function", "SELECT CRC32C('')")
            .await
            .is_ok(),
        max_packet: number(&row, 1),
        local_infile: number::<u8>(&row, 2) == 1,
    };
    if server.max_packet >= SMALLEST_PACKET {
        return Ok(server);
    }
    Err(DeltaError::Unsupported {
        what: "the server".to_owned(),
        database: session.label().to_owned(),
        why: format!(
            "its max_allowed_packet of {} bytes is too small to hash rows",
            server.max_packet
        ),
        remedy: format!("set it to {SMALLEST_PACKET} or more"),
    })
}

/// The tables, hashed with functions that both servers have.
pub(crate) async fn tables(
    session: &mut Session,
    server: Server,
    crc32c: bool,
    options: &SyncOptions,
) -> Result<Vec<Table>, DeltaError> {
    let mut columns = columns(session, server, crc32c).await?;
    let mut keys = keys(session).await?;
    let sql = "SELECT TABLE_NAME, TABLE_TYPE, ENGINE, DATA_LENGTH, TABLE_ROWS \
               FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE() ORDER BY TABLE_NAME";
    let mut found = Vec::new();
    for row in session.rows("listing the tables", sql).await? {
        let name = text(&row, 0);
        match text(&row, 1).as_str() {
            "VIEW" | "SEQUENCE" => {}
            "BASE TABLE" if options.skips(&name) => {}
            "BASE TABLE" => {
                let (own, signature) = columns.remove(&name).unwrap_or_default();
                found.push(Table {
                    source: ident(&name),
                    quoted: ident(&name),
                    key: choose_key(&own, &keys.remove(&name).unwrap_or_default()),
                    columns: own,
                    signature,
                    size: number(&row, 3),
                    rows: number(&row, 4),
                    transactional: text(&row, 2).eq_ignore_ascii_case("innodb"),
                    label: name,
                });
            }
            other => {
                return Err(DeltaError::Unsupported {
                    what: format!("table `{name}`"),
                    database: session.label().to_owned(),
                    why: format!("it is a {other} table, whose history would not be kept"),
                    remedy: "bring it over by hand and name it in skip_tables".to_owned(),
                });
            }
        }
    }
    Ok(found)
}

type Described = (Vec<Column>, Vec<(String, String)>);

async fn columns(
    session: &mut Session,
    server: Server,
    crc32c: bool,
) -> Result<BTreeMap<String, Described>, DeltaError> {
    let sql = "SELECT TABLE_NAME, COLUMN_NAME, DATA_TYPE, COLUMN_TYPE, CHARACTER_SET_NAME, COLLATION_NAME, \
                 IS_NULLABLE, GENERATION_EXPRESSION \
               FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = DATABASE() \
               ORDER BY TABLE_NAME, ORDINAL_POSITION";
    let mut found: BTreeMap<String, Described> = BTreeMap::new();
    for row in session.rows("listing the columns", sql).await? {
        let (own, signature) = found.entry(text(&row, 0)).or_default();
        signature.push((text(&row, 1), description(&row)));
        // MySQL says DEFAULT_GENERATED of columns with a default expression; those hold data.
        if text(&row, 7).is_empty() {
            own.push(column(&row, server, crc32c));
        }
    }
    Ok(found)
}

fn description(row: &Row) -> String {
    let mut text_of = text(row, 3);
    for (index, word) in [(5, "collate"), (7, "generated as")] {
        let value = text(row, index);
        if !value.is_empty() {
            text_of.push_str(&format!(" {word} {value}"));
        }
    }
    if text(row, 6) == "NO" {
        text_of.push_str(" not null");
    }
    text_of
}

fn column(row: &Row, server: Server, crc32c: bool) -> Column {
    let name = text(row, 1);
    let data_type = text(row, 2).to_ascii_lowercase();
    let charset = row.get(4).and_then(Option::as_ref).map(|_| text(row, 4));
    let quoted = ident(&name);
    let form = Form::of(&data_type, server.maria);
    let (sum_digest, row_digest) = form.digests(&quoted, crc32c);
    Column {
        select: form.select(&quoted),
        around: form.around(),
        sum_digest,
        row_digest,
        literal: key_literal(&data_type, charset),
        integer: data_type.ends_with("int"),
        portable: true,
        cut: ["mediumblob", "longblob", "mediumtext", "longtext"]
            .contains(&data_type.as_str())
            .then_some(Cut::Bytes),
        name,
        quoted,
    }
}

fn key_literal(data_type: &str, charset: Option<String>) -> Option<Literal> {
    match data_type {
        "tinyint" | "smallint" | "mediumint" | "int" | "bigint" | "decimal" | "year" => Some(Literal::Number),
        "date" | "datetime" | "timestamp" | "time" => Some(Literal::Quoted),
        "char" | "varchar" => Some(Literal::Bytes(charset)),
        "binary" | "varbinary" => Some(Literal::Bytes(None)),
        _ => None,
    }
}

/// How a value of a type is read, stored and hashed without losing a bit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// Text or bytes that fit into a row.
    Short,
    /// Text or bytes that may be larger than a packet.
    Long,
    /// Numbers, dates, times.
    Plain,
    /// Text of a FLOAT has six digits; as DOUBLE it has all.
    Real,
    /// BIT has no text form.
    Bit,
    /// The number of the value; two values may look alike.
    Numbered,
    /// Hexadecimal, for values that are checked when stored as text.
    Hex,
    /// MySQL's JSON refuses text of the binary character set.
    Json,
    /// Address and UUID types take their bytes, not their text, from a binary session.
    Native(u8),
}

impl Form {
    fn of(data_type: &str, maria: bool) -> Self {
        match data_type {
            "char" | "varchar" | "binary" | "varbinary" | "tinytext" | "tinyblob" => Form::Short,
            "text" | "mediumtext" | "longtext" | "blob" | "mediumblob" | "longblob" => Form::Long,
            "float" => Form::Real,
            "bit" => Form::Bit,
            "enum" | "set" => Form::Numbered,
            "geometry" | "point" | "linestring" | "polygon" | "multipoint" | "multilinestring"
            | "multipolygon" | "geometrycollection" | "geomcollection" | "vector" => Form::Hex,
            "json" if maria => Form::Long,
            "json" => Form::Json,
            "uuid" | "inet6" => Form::Native(16),
            "inet4" => Form::Native(4),
            _ => Form::Plain,
        }
    }

    fn select(self, name: &str) -> String {
        match self {
            Form::Short | Form::Long | Form::Plain | Form::Numbered | Form::Json => name.to_owned(),
            Form::Real => format!("{name}+0e0"),
            Form::Bit => format!("{name}+0"),
            Form::Hex => format!("HEX({name})"),
            Form::Native(bytes) => format!("CAST({name} AS BINARY({bytes}))"),
        }
    }

    fn around(self) -> Option<(&'static str, &'static str)> {
        match self {
            Form::Short | Form::Long | Form::Plain | Form::Real | Form::Numbered | Form::Native(_) => None,
            Form::Bit => Some(("CAST(", " AS UNSIGNED)")),
            Form::Hex => Some(("UNHEX(", ")")),
            Form::Json => Some(("CONVERT(", " USING utf8mb4)")),
        }
    }

    /// Pieces of a CONCAT_WS, which leaves NULLs out: each begins with a number or the letter N, and bytes follow
    /// their length, so that no two different rows give one text. Digests of long values have a fixed length and,
    /// unlike the values, no limit on what a function takes.
    fn digests(self, name: &str, crc32c: bool) -> (String, String) {
        let both = |text: String| (text.clone(), text);
        match self {
            Form::Short => both(format!("IFNULL(LENGTH({name}),'N'),CAST({name} AS BINARY)")),
            Form::Long => {
                let row = format!("IFNULL(MD5({name}),'N')");
                let sum = format!("IFNULL(LENGTH({name}),'N'),CRC32({name}),CRC32C({name})");
                (if crc32c { sum } else { row.clone() }, row)
            }
            Form::Plain => both(format!("IFNULL({name},'N')")),
            Form::Real => both(format!("IFNULL({name}+0e0,'N')")),
            Form::Bit | Form::Numbered => both(format!("IFNULL({name}+0,'N')")),
            Form::Hex => both(format!("IFNULL(MD5({name}),'N')")),
            Form::Json => both(format!("IFNULL(MD5(CAST({name} AS CHAR)),'N')")),
            Form::Native(_) => both(format!("IFNULL(HEX({name}),'N')")),
        }
    }
}

/// The columns of a unique index without NULLs, in the index' order.
type Index = Vec<String>;

async fn keys(session: &mut Session) -> Result<BTreeMap<String, Vec<Index>>, DeltaError> {
    // An index over a prefix or an expression does not name a row by its columns.
    let sql = "SELECT TABLE_NAME, INDEX_NAME, COLUMN_NAME, \
                 SUB_PART IS NOT NULL OR COLUMN_NAME IS NULL OR NULLABLE = 'YES' \
               FROM information_schema.STATISTICS WHERE TABLE_SCHEMA = DATABASE() AND NON_UNIQUE = 0 \
               ORDER BY TABLE_NAME, INDEX_NAME <> 'PRIMARY', INDEX_NAME, SEQ_IN_INDEX";
    let mut found: BTreeMap<String, Vec<(String, Index, bool)>> = BTreeMap::new();
    for row in session.rows("listing the unique keys", sql).await? {
        let indexes = found.entry(text(&row, 0)).or_default();
        let name = text(&row, 1);
        if indexes.last().is_none_or(|(last, _, _)| *last != name) {
            indexes.push((name, Vec::new(), true));
        }
        if let Some((_, columns, usable)) = indexes.last_mut() {
            columns.push(text(&row, 2));
            *usable &= text(&row, 3) == "0";
        }
    }
    let usable = |indexes: Vec<(String, Index, bool)>| -> Vec<Index> {
        let kept = indexes.into_iter().filter(|(_, _, usable)| *usable);
        kept.map(|(_, columns, _)| columns).collect()
    };
    Ok(found
        .into_iter()
        .map(|(table, indexes)| (table, usable(indexes)))
        .collect())
}

/// The first index all of whose columns can be written in a condition; one of whole numbers is preferred.
fn choose_key(columns: &[Column], indexes: &[Index]) -> Vec<usize> {
    let places = indexes.iter().filter_map(|index| {
        let place = |name: &String| {
            columns
                .iter()
                .position(|column| column.name == *name && column.literal.is_some())
        };
        index.iter().map(place).collect::<Option<Vec<usize>>>()
    });
    let places: Vec<Vec<usize>> = places.collect();
    let whole = |key: &&Vec<usize>| {
        key.iter()
            .all(|index| columns.get(*index).is_some_and(|column| column.integer))
    };
    places
        .iter()
        .find(whole)
        .or(places.first())
        .cloned()
        .unwrap_or_default()
}

/// Tables that have triggers, with the triggers' names.
pub(crate) async fn triggers(session: &mut Session) -> Result<BTreeMap<String, Vec<String>>, DeltaError> {
    let sql = "SELECT EVENT_OBJECT_TABLE, TRIGGER_NAME FROM information_schema.TRIGGERS \
               WHERE TRIGGER_SCHEMA = DATABASE() \
               ORDER BY EVENT_OBJECT_TABLE, ACTION_TIMING, EVENT_MANIPULATION, ACTION_ORDER";
    let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for row in session.rows("listing the triggers", sql).await? {
        found.entry(text(&row, 0)).or_default().push(text(&row, 1));
    }
    Ok(found)
}

/// Whether a table of this name exists.
pub(crate) async fn has_table(session: &mut Session, name: &str) -> Result<bool, DeltaError> {
    let sql = format!(
        "SELECT 1 FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = {}",
        literal(name.as_bytes())
    );
    Ok(!session.rows("looking for a table", sql).await?.is_empty())
}
