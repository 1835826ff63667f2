//! The schema of a MySQL or MariaDB database, told alike by both.

use std::collections::BTreeMap;

use super::{ACTION, Column, Schema};
use crate::connection::Connection;
use crate::error::DatabaseError;
use crate::fingerprint::SCRATCH_MARK;
use crate::journal::TABLE as JOURNAL;

pub(super) async fn read(connection: &mut Connection) -> Result<Schema, DatabaseError> {
    let mut schema = Schema::new();
    let relations = connection
        .rows(
            ACTION,
            "SELECT TABLE_NAME, TABLE_TYPE FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE()",
        )
        .await?;
    for row in relations {
        schema.entry(row.text(0)).or_default().kind = row.text(1).to_lowercase();
    }
    let columns = connection
        .rows(
            ACTION,
            "SELECT TABLE_NAME, COLUMN_NAME, COLUMN_TYPE, IS_NULLABLE, COLUMN_DEFAULT, EXTRA \
             FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = DATABASE()",
        )
        .await?;
    for row in columns {
        let column = Column {
            kind: kind(&row.text(2)),
            nullable: row.get(3) == Some("YES"),
            default: default(row.get(4), &row.text(5)),
        };
        let relation = schema.entry(row.text(0)).or_default();
        relation.columns.insert(row.text(1).to_lowercase(), column);
    }
    indexes(connection, &mut schema).await?;
    foreign_keys(connection, &mut schema).await?;
    schema.remove(JOURNAL);
    schema.remove(SCRATCH_MARK);
    Ok(schema)
}

/// MySQL 8.0.19 dropped the display width of integers, which never meant anything but for `tinyint(1)`.
fn kind(text: &str) -> String {
    let text = text.to_lowercase();
    let (head, rest) = text.split_once('(').unwrap_or((text.as_str(), ""));
    let integer = ["smallint", "mediumint", "int", "bigint", "year"].contains(&head)
        || (head == "tinyint" && !rest.starts_with("1)"));
    match rest.split_once(')') {
        Some((_, tail)) if integer => format!("{head}{tail}"),
        Some(_) | None => text,
    }
}

/// MariaDB writes a default as an expression, MySQL as a value.
fn default(value: Option<&str>, extra: &str) -> String {
    let extra = extra.to_lowercase().replace("default_generated", "");
    let value = match value {
        None | Some("NULL") => "none".to_owned(),
        Some(value) => value
            .strip_prefix('\'')
            .and_then(|value| value.strip_suffix('\''))
            .unwrap_or(value)
            .to_owned(),
    };
    let whole = format!("{value} {extra}").replace("()", "");
    let words: Vec<&str> = whole.split_whitespace().collect();
    let text = words.join(" ");
    if text.to_lowercase().contains("current_timestamp") {
        text.to_lowercase()
    } else {
        text
    }
}

async fn indexes(connection: &mut Connection, schema: &mut Schema) -> Result<(), DatabaseError> {
    let rows = connection
        .rows(
            ACTION,
            "SELECT TABLE_NAME, INDEX_NAME, NON_UNIQUE, COLUMN_NAME, SUB_PART, INDEX_TYPE \
             FROM information_schema.STATISTICS WHERE TABLE_SCHEMA = DATABASE() \
             ORDER BY TABLE_NAME, INDEX_NAME, SEQ_IN_INDEX",
        )
        .await?;
    let mut found: BTreeMap<(String, String), (String, Vec<String>)> = BTreeMap::new();
    for row in rows {
        let kind = match (row.get(1), row.get(2)) {
            (Some("PRIMARY"), _) => "primary key",
            (_, Some("0")) => "unique",
            (_, _) => "index",
        };
        let kind = match row.get(5) {
            Some("BTREE") | None => kind.to_owned(),
            Some(other) => format!("{} {kind}", other.to_lowercase()),
        };
        let part = row.get(4).map(|part| format!("({part})")).unwrap_or_default();
        let entry = found
            .entry((row.text(0), row.text(1)))
            .or_insert((kind, Vec::new()));
        entry.1.push(format!("{}{part}", row.text(3).to_lowercase()));
    }
    for ((table, _), (kind, columns)) in found {
        let key = format!("{kind} ({})", columns.join(", "));
        schema.entry(table).or_default().keys.insert(key);
    }
    Ok(())
}

#[derive(Default)]
struct ForeignKey {
    columns: Vec<String>,
    referenced: Vec<String>,
    tail: String,
}

async fn foreign_keys(connection: &mut Connection, schema: &mut Schema) -> Result<(), DatabaseError> {
    let rows = connection
        .rows(
            ACTION,
            "SELECT K.TABLE_NAME, K.CONSTRAINT_NAME, K.COLUMN_NAME, K.REFERENCED_TABLE_NAME, K.REFERENCED_COLUMN_NAME, \
             R.UPDATE_RULE, R.DELETE_RULE FROM information_schema.KEY_COLUMN_USAGE K \
             JOIN information_schema.REFERENTIAL_CONSTRAINTS R ON R.CONSTRAINT_SCHEMA = K.CONSTRAINT_SCHEMA \
             AND R.TABLE_NAME = K.TABLE_NAME AND R.CONSTRAINT_NAME = K.CONSTRAINT_NAME \
             WHERE K.CONSTRAINT_SCHEMA = DATABASE() ORDER BY K.TABLE_NAME, K.CONSTRAINT_NAME, K.ORDINAL_POSITION",
        )
        .await?;
    let mut found: BTreeMap<(String, String), ForeignKey> = BTreeMap::new();
    for row in rows {
        let rule = |column| row.text(column).replace("NO ACTION", "RESTRICT").to_lowercase();
        let tail = format!("{} on update {} on delete {}", row.text(3), rule(5), rule(6));
        let key = found.entry((row.text(0), row.text(1))).or_default();
        key.tail = tail;
        key.columns.push(row.text(2).to_lowercase());
        key.referenced.push(row.text(4).to_lowercase());
    }
    for ((table, _), key) in found {
        let text = format!(
            "foreign key ({}) to ({}) of {}",
            key.columns.join(", "),
            key.referenced.join(", "),
            key.tail
        );
        schema.entry(table).or_default().keys.insert(text);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn column_when_told_by_mysql_or_mariadb_then_alike() {
        assert_eq!(kind("int(11) unsigned"), kind("int unsigned"));
        assert_eq!(kind("tinyint(1)"), "tinyint(1)");
        assert_ne!(kind("varchar(20)"), kind("varchar(21)"));
        assert_eq!(default(Some("'PRIMARY'"), ""), default(Some("PRIMARY"), ""));
        assert_eq!(default(Some("NULL"), ""), default(None, ""));
        assert_eq!(
            default(Some("current_timestamp()"), "on update current_timestamp()"),
            default(
                Some("CURRENT_TIMESTAMP"),
                "DEFAULT_GENERATED on update CURRENT_TIMESTAMP"
            )
        );
        assert_ne!(default(None, "auto_increment"), default(None, ""));
    }
}
