//! A small table travels as one statement. A COPY into staging waits for the network several times, which for most
//! tables of a Carbon database is longer than everything else.

use cutover_database::Target;
use cutover_database::pieces::Cut;
use futures::StreamExt as _;
use sqlx::postgres::PgConnection;

use super::catalog::Table;
use super::session::literal;
use crate::{CopyError, may_be_secret};

/// Names of columns that hold anything: of properties and attributes, which may be secret ones.
const ANYTHING: [&str; 3] = ["value", "data", "content"];

/// Whether a table may travel so. A server can be set to log its statements, so none has what may be a secret.
pub(crate) fn fits(table: &Table) -> bool {
    let bytes = table.cut.values().any(|cut| *cut == Cut::Bytes);
    let open = table.columns.iter().all(|name| may_be_logged(name));
    table.small && !bytes && !table.columns.is_empty() && open
}

fn may_be_logged(column: &str) -> bool {
    let folded = column.to_lowercase();
    !may_be_secret(column) && !ANYTHING.iter().any(|word| folded.contains(word))
}

/// A table's rows as one INSERT, with their number and the bytes read. An empty table has no statement; `None` when its
/// text is not UTF-8, which a statement can't hold.
pub(crate) async fn statement(
    reader: &mut PgConnection,
    from: &Target,
    table: &Table,
) -> Result<Option<(String, u64, u64)>, CopyError> {
    let what = format!("reading table `{}`", table.label());
    let failed = |error| CopyError::statement(&what, from, error);
    let sql = format!(
        "COPY {} ({}) TO STDOUT (FORMAT text)",
        table.quoted(),
        table.column_list()
    );
    let mut stream = reader.copy_out_raw(&sql).await.map_err(failed)?;
    let mut bytes = Vec::new();
    while let Some(message) = stream.next().await {
        bytes.extend_from_slice(&message.map_err(failed)?);
    }
    drop(stream);
    let Ok(text) = std::str::from_utf8(&bytes) else {
        return Ok(None);
    };
    let rows: Vec<String> = lines(text).map(values).collect();
    let statement = match rows.is_empty() {
        true => String::new(),
        false => format!(
            "; INSERT INTO {} ({}) OVERRIDING SYSTEM VALUE VALUES {}",
            table.quoted(),
            table.column_list(),
            rows.join(", ")
        ),
    };
    Ok(Some((statement, rows.len() as u64, bytes.len() as u64)))
}

/// The server ends each row with one line feed; those in values are escaped.
fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.split_terminator('\n')
}

/// `('a', NULL)` of a row as COPY writes it.
fn values(row: &str) -> String {
    let list: Vec<String> = row.split('\t').map(value).collect();
    format!("({})", list.join(", "))
}

fn value(field: &str) -> String {
    if field == "\\N" {
        return "NULL".to_owned();
    }
    let mut text = String::with_capacity(field.len());
    let mut letters = field.chars();
    while let Some(letter) = letters.next() {
        text.push(match letter {
            '\\' => unescaped(letters.next()),
            other => other,
        });
    }
    literal(&text)
}

/// What follows a backslash in the text form of COPY.
fn unescaped(letter: Option<char>) -> char {
    match letter {
        Some('b') => '\u{8}',
        Some('f') => '\u{c}',
        Some('n') => '\n',
        Some('r') => '\r',
        Some('t') => '\t',
        Some('v') => '\u{b}',
        Some(other) => other,
        None => '\\',
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn row_when_it_holds_every_kind_of_letter_then_the_same_value() {
        let row = "1\t\\N\t\ta\\tb\\nc\\\\N\\r\\b\\f\\v\to'k\t\\\\x00ff";
        let expected = "('1', NULL, '', 'a\tb\nc\\N\r\u{8}\u{c}\u{b}', 'o''k', '\\x00ff')";
        assert_eq!(values(row), expected);
    }

    #[test]
    fn column_when_it_may_hold_a_secret_then_never_in_a_statement() {
        for name in [
            "um_user_password",
            "UM_ATTR_VALUE",
            "reg_value",
            "REG_CONTENT_DATA",
            "token",
        ] {
            assert!(!may_be_logged(name), "{name}");
        }
        assert!(may_be_logged("um_tenant_id") && may_be_logged("REG_PATH"));
    }

    #[test]
    fn rows_when_read_then_a_line_each() {
        assert_eq!(lines("").count(), 0);
        assert_eq!(lines("\n").collect::<Vec<_>>(), [""]);
        assert_eq!(lines("a\n\nb\n").collect::<Vec<_>>(), ["a", "", "b"]);
    }
}
