//! Where ids come from, and whether they are ahead of the ids in use.
//!
//! PostgreSQL: sequences, found by the columns that use them. MariaDB: sequences that are a column's default;
//! `AUTO_INCREMENT` cannot be behind, the server sees to it. Both: the tables in which Storage Server 1.1.0 counts
//! its ids.

mod counters;

use super::ACTION;
use super::checker::Checker;
use super::outcome::{Outcome, none_of, tail};
use crate::connection::Connection;
use crate::error::DatabaseError;
use crate::fingerprint::USER_SCHEMA;
use crate::literal;
use crate::target::Engine;

/// A source of ids with its table.
#[derive(Debug, Clone)]
pub(crate) struct Source {
    /// Its name, for people.
    pub(crate) name: String,
    /// The table and column that it is for.
    pub(crate) used_by: String,
    /// The id it gives next; `None` when that cannot be said, because it is not there.
    pub(crate) next: Option<i128>,
    /// The highest id in use.
    pub(crate) highest: Option<i128>,
    /// The statement that puts it right, when there is one.
    pub(crate) repair: Option<String>,
}

impl Source {
    pub(crate) fn is_behind(&self) -> bool {
        self.highest
            .is_some_and(|highest| highest > 0 && self.next.is_none_or(|next| next <= highest))
    }

    pub(crate) fn described(&self) -> String {
        let highest = self.highest.unwrap_or_default();
        match self.next {
            Some(next) => format!(
                "{} gives {next} next, and {} has {highest}",
                self.name, self.used_by
            ),
            None => format!("{} is missing, and {} has {highest}", self.name, self.used_by),
        }
    }
}

pub(super) async fn judge(
    checker: &mut Checker<'_>,
    warn_only: bool,
    explain: &str,
) -> Result<Outcome, DatabaseError> {
    let sources = find(checker).await?;
    let behind: Vec<String> = sources
        .iter()
        .filter(|source| source.is_behind())
        .map(Source::described)
        .collect();
    let verdict = none_of(behind.len() as u64, warn_only);
    let text = if behind.is_empty() {
        format!("{} sequences are ahead of their tables", sources.len())
    } else {
        format!("ids would be given out twice: {}", behind.join(", "))
    };
    let found = format!("{} behind", behind.len());
    Ok(Outcome::new(
        verdict,
        "0 behind",
        found,
        text + &tail(verdict, explain),
    ))
}

pub(crate) async fn find(checker: &mut Checker<'_>) -> Result<Vec<Source>, DatabaseError> {
    let mut sources = match checker.connection.engine() {
        Engine::MySql => mariadb(checker.connection).await?,
        Engine::Postgres => postgres(checker.connection).await?,
    };
    sources.extend(counters::find(checker).await?);
    Ok(sources)
}

/// Sequences by the columns whose default reads them: owned, of an identity column, or standing free as Carbon's
/// own. A default that names its sequence as text is no dependency in the catalog and is read.
async fn postgres(connection: &mut Connection) -> Result<Vec<Source>, DatabaseError> {
    let sql = format!(
        "WITH used AS (\
           SELECT p.refobjid AS sequence, d.adrelid AS relation, d.adnum AS attribute \
             FROM pg_catalog.pg_attrdef d JOIN pg_catalog.pg_depend p ON p.classid = 'pg_catalog.pg_attrdef'::regclass \
               AND p.objid = d.oid AND p.refclassid = 'pg_catalog.pg_class'::regclass \
           UNION SELECT p.objid, p.refobjid, p.refobjsubid FROM pg_catalog.pg_depend p \
             WHERE p.classid = 'pg_catalog.pg_class'::regclass AND p.refclassid = 'pg_catalog.pg_class'::regclass \
               AND p.deptype = 'i' AND p.refobjsubid > 0 \
           UNION SELECT to_regclass(substring(pg_catalog.pg_get_expr(d.adbin, d.adrelid) \
               from 'nextval\\(\\(''([^'']+)''::text'))::oid, d.adrelid, d.adnum FROM pg_catalog.pg_attrdef d) \
         SELECT sn.nspname, s.relname, n.nspname, t.relname, a.attname FROM used \
         JOIN pg_catalog.pg_class s ON s.oid = used.sequence AND s.relkind = 'S' \
         JOIN pg_catalog.pg_sequence q ON q.seqrelid = s.oid AND q.seqincrement > 0 \
         JOIN pg_catalog.pg_namespace sn ON sn.oid = s.relnamespace \
         JOIN pg_catalog.pg_class t ON t.oid = used.relation AND t.relkind IN ('r', 'p') \
         JOIN pg_catalog.pg_namespace n ON n.oid = t.relnamespace \
         JOIN pg_catalog.pg_attribute a ON a.attrelid = t.oid AND a.attnum = used.attribute \
         WHERE {USER_SCHEMA} ORDER BY 3, 4, 5"
    );
    let rows = connection.rows(ACTION, &sql).await?;
    let mut sources = Vec::with_capacity(rows.len());
    for row in rows {
        let quoted = literal::qualified(Engine::Postgres, &row.text(0), &row.text(1));
        let table = literal::qualified(Engine::Postgres, &row.text(2), &row.text(3));
        let column = literal::name(Engine::Postgres, &row.text(4));
        let read = format!(
            "SELECT CASE WHEN is_called THEN last_value + 1 ELSE last_value END, (SELECT max({column}) FROM {table}) \
             FROM {quoted}"
        );
        let now = connection.rows(ACTION, &read).await?;
        let number = |column| now.first().and_then(|row| row.number(column));
        sources.push(Source {
            name: row.text(1),
            used_by: format!("{}.{}", row.text(3), row.text(4)),
            next: number(0),
            highest: number(1),
            repair: Some(format!(
                "SELECT pg_catalog.setval({}::regclass, (SELECT max({column}) FROM {table}) + 1, false)",
                literal::text(Engine::Postgres, &quoted)
            )),
        });
    }
    Ok(sources)
}

/// MySQL has none, and its catalog knows no such default.
async fn mariadb(connection: &mut Connection) -> Result<Vec<Source>, DatabaseError> {
    let rows = connection
        .rows(
            ACTION,
            "SELECT c.TABLE_NAME, c.COLUMN_NAME, s.TABLE_NAME FROM information_schema.COLUMNS c \
             JOIN information_schema.TABLES s ON s.TABLE_SCHEMA = c.TABLE_SCHEMA AND s.TABLE_TYPE = 'SEQUENCE' \
             AND c.COLUMN_DEFAULT IN (CONCAT('nextval(`', s.TABLE_SCHEMA, '`.`', s.TABLE_NAME, '`)'), \
               CONCAT('nextval(`', s.TABLE_NAME, '`)')) \
             WHERE c.TABLE_SCHEMA = DATABASE() ORDER BY 1, 2",
        )
        .await?;
    let mut sources = Vec::with_capacity(rows.len());
    for row in rows {
        let name = |column| literal::name(Engine::MySql, &row.text(column));
        let (table, column, sequence) = (name(0), name(1), name(2));
        let read =
            format!("SELECT NEXT_NOT_CACHED_VALUE, (SELECT MAX({column}) FROM {table}) FROM {sequence}");
        let now = connection.rows(ACTION, &read).await?;
        let number = |column| now.first().and_then(|row| row.number::<i128>(column));
        let highest = number(1);
        sources.push(Source {
            name: row.text(2),
            used_by: format!("{}.{}", row.text(0), row.text(1)),
            next: number(0),
            highest,
            repair: highest.map(|highest| format!("SELECT SETVAL({sequence}, {highest})")),
        });
    }
    Ok(sources)
}
