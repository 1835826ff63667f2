//! What comes after the rows, one by one: indexes, constraints, triggers, rules, as pg_restore prints them.

use std::collections::BTreeMap;
use std::sync::Arc;

use cutover_database::Target;
use sqlx::postgres::PgConnection;

use super::catalog::{USER_SCHEMAS, label};
use super::journal::Journal;
use super::session::{self, rows, run, text};
use crate::CopyError;
use crate::journal::Whole;
use crate::workers::Worker;

/// Deadlocks between two foreign keys of the same tables resolve themselves.
const TRIES: u32 = 20;
/// Session that builds indexes: another one that builds on the same table may take as long as it takes.
pub(crate) const BUILDER: &str = "SET maintenance_work_mem='128MB'; SET lock_timeout=0";
/// SQLSTATE of a deadlock.
const DEADLOCK: &str = "40P01";

/// One object of the rest of the schema.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    /// `INDEX`, `FK CONSTRAINT` and so on.
    pub(crate) kind: String,
    pub(crate) schema: String,
    pub(crate) name: String,
    pub(crate) sql: String,
    /// Which of those that have one header it is.
    number: usize,
}

impl Entry {
    /// Locks out other statements on its table, and may be what a foreign key needs.
    pub(crate) fn is_constraint(&self) -> bool {
        self.kind == "CONSTRAINT"
    }

    /// Needs nothing of the same kind.
    pub(crate) fn is_independent(&self) -> bool {
        matches!(self.kind.as_str(), "INDEX" | "FK CONSTRAINT")
    }

    /// Where the journal has it.
    pub(crate) fn place(&self) -> String {
        format!("{} {}.{} {}", self.kind, self.schema, self.name, self.number)
    }

    /// Creates it, and notes that in the same transaction.
    pub(crate) async fn create(
        &self,
        conn: &mut PgConnection,
        to: &Target,
        journal: &Journal,
    ) -> Result<(), CopyError> {
        let what = format!(
            "creating {} {}.{}",
            self.kind.to_lowercase(),
            self.schema,
            self.name
        );
        let zero = Whole { rows: 0, bytes: 0 };
        let sql = format!(
            "BEGIN; {}\n{}; COMMIT",
            self.sql,
            journal.record(&self.place(), zero)
        );
        let mut tries = 0;
        loop {
            let Err(error) = run(conn, to, &what, &sql).await else {
                return Ok(());
            };
            run(conn, to, "ending a transaction", "ROLLBACK").await?;
            tries += 1;
            if tries == TRIES || !is_deadlock(&error) {
                return Err(error);
            }
        }
    }
}

/// Creates entries that do not need one another, several at a time.
pub(crate) struct Creator {
    pub(crate) conn: PgConnection,
    pub(crate) to: Target,
    pub(crate) journal: Arc<Journal>,
}

impl Creator {
    pub(crate) async fn open(to: &Target, journal: &Arc<Journal>) -> Result<Self, CopyError> {
        let mut conn = session::connect(to).await?;
        run(&mut conn, to, "preparing the session", BUILDER).await?;
        Ok(Creator {
            conn,
            to: to.clone(),
            journal: Arc::clone(journal),
        })
    }
}

impl Worker for Creator {
    type Item = Entry;
    type Output = ();

    async fn run(&mut self, entry: Entry) -> Result<((), Vec<Entry>), CopyError> {
        entry.create(&mut self.conn, &self.to, &self.journal).await?;
        Ok(((), Vec::new()))
    }
}

fn is_deadlock(error: &CopyError) -> bool {
    let source = std::error::Error::source(error).and_then(|source| source.downcast_ref::<sqlx::Error>());
    source
        .and_then(sqlx::Error::as_database_error)
        .and_then(|error| error.code())
        .is_some_and(|code| code == DEADLOCK)
}

/// Takes the text of a schema apart at the headers that pg_dump puts before every object. The caller checks the
/// number of entries: a comment on an object could hold what looks like a header.
pub(crate) fn parse(script: &str) -> Vec<Entry> {
    let mut found: Vec<Entry> = Vec::new();
    let mut seen: BTreeMap<(String, String, String), usize> = BTreeMap::new();
    let mut open = false;
    for line in script.lines() {
        if let Some(header) = line.strip_prefix("-- Name: ")
            && let Some((kind, schema, name)) = parse_header(header)
        {
            let number = seen
                .entry((kind.clone(), schema.clone(), name.clone()))
                .or_default();
            found.push(Entry {
                kind,
                schema,
                name,
                sql: String::new(),
                number: *number,
            });
            *number += 1;
            open = true;
            continue;
        }
        let frame = line == "--"
            || line.starts_with("-- PostgreSQL database dump")
            || line.starts_with("\\restrict ")
            || line.starts_with("\\unrestrict ");
        if let Some(entry) = found.last_mut().filter(|_| open && !frame) {
            entry.sql.push_str(line);
            entry.sql.push('\n');
        }
    }
    for entry in &mut found {
        let sql = entry.sql.trim();
        entry.sql = sql.strip_suffix(';').unwrap_or(sql).to_owned();
    }
    found
}

/// Kind, schema and name of "reg_log reg_log_pkey; Type: CONSTRAINT; Schema: public; Owner: -".
fn parse_header(header: &str) -> Option<(String, String, String)> {
    let (name, rest) = header.rsplit_once("; Type: ")?;
    let (kind, rest) = rest.split_once("; Schema: ")?;
    let schema = rest.split(';').next()?;
    Some((kind.to_owned(), schema.to_owned(), name.to_owned()))
}

/// Which table an entry belongs to, so that it can be created as soon as the table's rows are there: its indexes,
/// and those of its constraints that need none but its own rows.
#[derive(Debug, Default)]
pub(crate) struct Owners(BTreeMap<(String, String, String), String>);

impl Owners {
    pub(crate) async fn read(conn: &mut PgConnection, from: &Target) -> Result<Self, CopyError> {
        // As pg_dump names them: an index by itself, a constraint by its table and itself.
        let sql = format!(
            "SELECT 'INDEX', n.nspname::text, x.relname::text, c.relname::text FROM pg_index i \
             JOIN pg_class c ON c.oid = i.indrelid JOIN pg_namespace n ON n.oid = c.relnamespace \
             JOIN pg_class x ON x.oid = i.indexrelid WHERE c.relkind = 'r' AND i.indexprs IS NULL \
               AND i.indpred IS NULL AND NOT c.relispartition AND {USER_SCHEMAS} \
             UNION ALL SELECT 'CONSTRAINT', n.nspname::text, c.relname::text || ' ' || k.conname::text, c.relname::text \
             FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid JOIN pg_namespace n ON n.oid = c.relnamespace \
             WHERE k.contype IN ('p', 'u') AND c.relkind = 'r' AND NOT c.relispartition AND {USER_SCHEMAS}"
        );
        let found = rows(conn, from, "listing the indexes", &sql).await?;
        let owner = |row: &Vec<Option<String>>| {
            let schema = text(row, 1);
            let table = label(&schema, &text(row, 3));
            ((text(row, 0), schema, text(row, 2)), table)
        };
        Ok(Owners(found.iter().map(owner).collect()))
    }

    pub(crate) fn of(&self, entry: &Entry) -> Option<&String> {
        let key = (entry.kind.clone(), entry.schema.clone(), entry.name.clone());
        self.0.get(&key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn script_when_taken_apart_then_each_object_has_its_statements() {
        let script = "--\n-- PostgreSQL database dump\n--\n\n\\restrict abc\n\nSET x = 0;\n\n--\n\
            -- Name: t t_pkey; Type: CONSTRAINT; Schema: public; Owner: -\n--\n\n\
            ALTER TABLE ONLY public.t\n    ADD CONSTRAINT t_pkey PRIMARY KEY (a);\n\n\
            ALTER TABLE public.t CLUSTER ON t_pkey;\n\n\n--\n\
            -- Name: i; Type: INDEX; Schema: public; Owner: -\n--\n\n\
            CREATE INDEX i ON public.t USING btree (a);\n\n\n--\n-- PostgreSQL database dump complete\n--\n\n\\unrestrict abc\n";
        let found = parse(script);
        let sql: Vec<&str> = found.iter().map(|entry| entry.sql.as_str()).collect();
        assert_eq!(
            sql,
            [
                "ALTER TABLE ONLY public.t\n    ADD CONSTRAINT t_pkey PRIMARY KEY (a);\n\n\
                 ALTER TABLE public.t CLUSTER ON t_pkey",
                "CREATE INDEX i ON public.t USING btree (a)",
            ]
        );
        assert_eq!(found[0].place(), "CONSTRAINT public.t t_pkey 0");
        assert_eq!(found[1].kind, "INDEX");
    }
}
