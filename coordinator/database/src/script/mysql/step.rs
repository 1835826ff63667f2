//! One statement with its journal entry.

use std::time::Instant;

use cutover_sqlscript::{Statement, StatementKind};

use super::{checks, end_entry, finished};
use crate::connection::Connection;
use crate::fingerprint;
use crate::journal::{Entry, JournalState, Place, Warning};
use crate::script::{Decision, Run, ScriptError, ScriptErrorKind, millis, number, session, words};

const KEPT: &str = "this statement changed nothing; correct the cause";

/// How a statement and its entry are committed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// Not sent.
    Skip,
    /// Together, in a transaction of their own.
    Together,
    /// Intent with fingerprint first, entry after.
    Fingerprinted,
    /// Inside a transaction that the script itself opened.
    Inside,
    /// Ends the script's transaction; its entry goes first.
    Commit,
    /// Undoes the script's transaction and with it the entries, which are written again.
    Rollback,
}

pub(super) struct Runner<'a, 'r> {
    run: &'r Run<'a>,
    connection: &'r mut Connection,
    journal: Place,
    entries: Vec<Entry>,
    /// Whether the script has a transaction open.
    open: bool,
    /// Whether the script switched autocommit off: the next transaction opens by itself.
    manual: bool,
    /// First entry that is not committed yet.
    uncommitted: usize,
    atomic_ddl: bool,
    /// Tables whose rows cannot be rolled back.
    untransactional: Vec<String>,
}

impl<'a, 'r> Runner<'a, 'r> {
    pub(super) async fn new(
        run: &'r Run<'a>,
        connection: &'r mut Connection,
        journal: Place,
        entries: Vec<Entry>,
    ) -> Result<Self, ScriptError> {
        let told = |error| run.reporter.database(error);
        let version = connection
            .scalar("ask for the version", "SELECT VERSION()")
            .await
            .map_err(told)?;
        let untransactional = connection
            .column(
                "look for tables without transactions",
                "SELECT t.TABLE_NAME FROM information_schema.TABLES t JOIN information_schema.ENGINES e \
                 ON e.ENGINE = t.ENGINE WHERE t.TABLE_SCHEMA = DATABASE() AND e.TRANSACTIONS <> 'YES'",
            )
            .await
            .map_err(told)?;
        let uncommitted = entries.iter().take_while(|entry| finished(entry.state)).count();
        let mut runner = Runner {
            run,
            connection,
            journal,
            entries,
            open: false,
            manual: false,
            uncommitted,
            atomic_ddl: checks::atomic_ddl(&version.unwrap_or_default()),
            untransactional,
        };
        if uncommitted > 0 {
            // Settings were put back already, autocommit among them.
            runner.look_at_autocommit().await.map_err(told)?;
        }
        Ok(runner)
    }

    /// Statements that took effect and stay so.
    pub(super) fn kept(&self) -> usize {
        self.uncommitted
    }

    pub(super) async fn finish(mut self) -> Result<Vec<Entry>, ScriptError> {
        let statements = &self.run.script().statements;
        let loses_rows = statements
            .iter()
            .skip(self.uncommitted)
            .any(|left| left.kind == StatementKind::Dml);
        // What is left open at the end is rolled back by the engine's own client as well.
        if self.open && loses_rows {
            return Err(self.run.reporter.error(
                ScriptErrorKind::Unsupported,
                "the script ends inside a transaction that it opened, which would be rolled back",
                "add COMMIT at its end",
            ));
        }
        if let Some((number, entry)) = end_entry(self.run) {
            let sql = self.journal.write(&self.run.script().sha256, number, &entry);
            self.own(&sql).await?;
            self.own("COMMIT").await?;
        }
        Ok(self.entries)
    }

    /// Runs the statement unless an earlier run has. Whether it was run now.
    pub(super) async fn step(&mut self, statement: &Statement) -> Result<bool, ScriptError> {
        let pending = self
            .entries
            .get(statement.index)
            .filter(|entry| !finished(entry.state))
            .cloned();
        self.entries.truncate(statement.index);
        let way = self.way(statement, pending.as_ref()).await?;
        let ran = match way {
            Way::Skip => self.skip(statement).await,
            Way::Together => self.together(statement).await,
            Way::Fingerprinted => self.fingerprinted(statement).await,
            Way::Inside => self.inside(statement).await,
            Way::Commit => self.commit(statement).await,
            Way::Rollback => self.rollback(statement).await,
        };
        ran?;
        if !self.open {
            self.uncommitted = self.entries.len();
        }
        if let Some(entry) = self.entries.last() {
            self.run.tell(statement, entry.state, entry).await?;
        }
        Ok(way != Way::Skip)
    }

    async fn way(&mut self, statement: &Statement, pending: Option<&Entry>) -> Result<Way, ScriptError> {
        if self.run.orders.passes_over(statement.index) {
            return Ok(Way::Skip);
        }
        // An interrupted statement in whose place another was ordered since: the person who did has looked.
        let pending = pending.filter(|pending| pending.statement_sha256 == statement.sha256);
        if let Some(decision) = self.run.options.decisions.get(&statement.index) {
            return Ok(match decision {
                Decision::Applied => Way::Skip,
                Decision::Run => self.plain_way(statement),
            });
        }
        if let Some(pending) = pending {
            return self.judge(statement, pending).await;
        }
        Ok(self.plain_way(statement))
    }

    fn plain_way(&self, statement: &Statement) -> Way {
        let words = words(statement);
        let first = words.first().map_or("", String::as_str);
        if matches!(first, "LOCK" | "UNLOCK") {
            // Nobody else is connected, and locked tables would lock out the journal.
            return Way::Skip;
        }
        match statement.kind {
            StatementKind::Ddl => Way::Fingerprinted,
            StatementKind::Transaction if first == "COMMIT" => Way::Commit,
            StatementKind::Transaction if first == "ROLLBACK" => Way::Rollback,
            StatementKind::Transaction => Way::Inside,
            StatementKind::Dml if self.irrevocable(statement) => Way::Fingerprinted,
            StatementKind::Session | StatementKind::Query | StatementKind::Dml | StatementKind::Other => {
                if self.open || statement.kind == StatementKind::Session {
                    Way::Inside
                } else {
                    Way::Together
                }
            }
        }
    }

    fn irrevocable(&self, statement: &Statement) -> bool {
        checks::mentions(&statement.text, &self.untransactional)
    }

    /// What an intent without an outcome means.
    async fn judge(&mut self, statement: &Statement, pending: &Entry) -> Result<Way, ScriptError> {
        let now = fingerprint::schema(self.connection)
            .await
            .map_err(|error| self.run.reporter.database(error))?;
        let changed = pending.fingerprint.as_ref() != Some(&now);
        let rows_unknown = self.irrevocable(statement) && statement.kind == StatementKind::Dml;
        if rows_unknown || (changed && checks::may_be_partial(statement, self.atomic_ddl)) {
            return Err(self.run.reporter.at(
                statement,
                ScriptErrorKind::Uncertain,
                "the run before was interrupted in this statement, and whether it took effect cannot be known",
                "look into the database and decide: applied, or run it",
            ));
        }
        Ok(if changed {
            Way::Skip
        } else {
            self.plain_way(statement)
        })
    }

    async fn skip(&mut self, statement: &Statement) -> Result<(), ScriptError> {
        let mut entry = self.run.fresh(statement, JournalState::Skipped);
        // Judged by its effect to have run: that is done, not skipped.
        let decided = entry.decided_by.is_some();
        if statement.kind == StatementKind::Ddl && !decided && self.plain_way(statement) != Way::Skip {
            entry.state = JournalState::Done;
        }
        self.record(entry).await?;
        if self.open {
            Ok(())
        } else {
            self.own("COMMIT").await
        }
    }

    async fn together(&mut self, statement: &Statement) -> Result<(), ScriptError> {
        self.own("START TRANSACTION").await?;
        match self.effect(statement).await {
            Ok(entry) => {
                self.record(entry).await?;
                self.own("COMMIT").await
            }
            Err(error) => {
                self.connection.run("ROLLBACK").await.ok();
                Err(error)
            }
        }
    }

    async fn fingerprinted(&mut self, statement: &Statement) -> Result<(), ScriptError> {
        let before = fingerprint::schema(self.connection)
            .await
            .map_err(|error| self.run.reporter.database(error))?;
        let intent = Entry {
            fingerprint: Some(before.clone()),
            ..self.run.fresh(statement, JournalState::Intent)
        };
        self.write(&intent).await?;
        self.own("COMMIT").await?;
        self.open = self.manual;
        self.uncommitted = statement.index;
        // DML behind an EXECUTE is still committed together with its entry; DDL commits this by itself.
        self.own("START TRANSACTION").await?;
        match self.effect(statement).await {
            Ok(entry) => {
                self.record(Entry {
                    fingerprint: Some(before),
                    ..entry
                })
                .await?;
                self.own("COMMIT").await?;
                self.uncommitted = self.entries.len();
                Ok(())
            }
            Err(error) => {
                if error.kind == ScriptErrorKind::Statement {
                    // It failed for certain. Were the intent kept, a repair by hand would look like its effect.
                    self.connection.run("ROLLBACK").await.ok();
                    let erase = self
                        .journal
                        .erase(&self.run.script().sha256, number(statement.index));
                    self.own(&erase).await?;
                    self.own("COMMIT").await?;
                }
                Err(error)
            }
        }
    }

    async fn inside(&mut self, statement: &Statement) -> Result<(), ScriptError> {
        let entry = match self.effect(statement).await {
            Ok(entry) => entry,
            Err(error) => {
                // The group goes back as a whole; resuming begins it again.
                self.connection.run("ROLLBACK").await.ok();
                return Err(error);
            }
        };
        let words = words(statement);
        let first = words.first().map_or("", String::as_str);
        if statement.kind == StatementKind::Transaction && matches!(first, "BEGIN" | "START") {
            self.uncommitted = statement.index;
            self.open = true;
        }
        if statement
            .writes_session()
            .iter()
            .any(|name| name == "@@autocommit")
        {
            self.look_at_autocommit()
                .await
                .map_err(|error| self.run.reporter.database(error))?;
        }
        self.record(entry).await
    }

    async fn commit(&mut self, statement: &Statement) -> Result<(), ScriptError> {
        self.record(self.run.fresh(statement, JournalState::Done)).await?;
        self.effect(statement).await?;
        self.open = self.manual;
        self.uncommitted = statement.index + 1;
        Ok(())
    }

    async fn rollback(&mut self, statement: &Statement) -> Result<(), ScriptError> {
        let entry = self.effect(statement).await?;
        let whole = !words(statement).iter().any(|word| word == "TO");
        for entry in self.entries.clone().iter().skip(self.uncommitted) {
            self.write(entry).await?;
        }
        self.record(entry).await?;
        if whole {
            self.own("COMMIT").await?;
            self.open = self.manual;
            self.uncommitted = statement.index + 1;
        }
        Ok(())
    }

    /// Runs the statement and reads what it left in the session.
    async fn effect(&mut self, statement: &Statement) -> Result<Entry, ScriptError> {
        let mut entry = self.run.fresh(statement, JournalState::Done);
        self.run.tell(statement, JournalState::Intent, &entry).await?;
        let started = Instant::now();
        let ran = self.connection.run_discarding(&statement.text).await;
        entry.rows = ran.map_err(|error| self.run.reporter.statement(statement, error, KEPT))?;
        entry.millis = millis(started);
        let after = self.aftermath(statement, &mut entry).await;
        after.map_err(|error| self.run.reporter.statement(statement, error, KEPT))?;
        self.run.tell(statement, JournalState::Applied, &entry).await?;
        Ok(entry)
    }

    async fn aftermath(&mut self, statement: &Statement, entry: &mut Entry) -> Result<(), sqlx::Error> {
        let (warnings, _) = self.connection.run("SHOW WARNINGS").await?;
        entry.warnings = warnings
            .iter()
            .map(|row| Warning {
                index: statement.index,
                line: statement.line,
                text: format!("{} {}: {}", row.text(0), row.text(1), row.text(2)),
            })
            .collect();
        entry.variables = session::variables(self.connection, statement).await?;
        if matches!(statement.kind, StatementKind::Dml | StatementKind::Ddl) {
            let (rows, _) = self.connection.run("SELECT LAST_INSERT_ID()").await?;
            entry.last_insert_id = rows.first().and_then(|row| row.number(0)).filter(|id| *id > 0);
        }
        Ok(())
    }

    async fn look_at_autocommit(&mut self) -> Result<(), crate::error::DatabaseError> {
        let on = self
            .connection
            .scalar("read the session's settings", "SELECT @@autocommit")
            .await?;
        let manual = on.as_deref() == Some("0");
        if manual != self.manual {
            // Switching it on commits; switching it off opens a transaction with the next statement.
            self.open = manual;
        }
        self.manual = manual;
        Ok(())
    }

    async fn record(&mut self, entry: Entry) -> Result<(), ScriptError> {
        self.write(&entry).await?;
        self.entries.push(entry);
        Ok(())
    }

    async fn write(&mut self, entry: &Entry) -> Result<(), ScriptError> {
        let sql = self
            .journal
            .write(&self.run.script().sha256, number(entry.index), entry);
        self.own(&sql).await
    }

    async fn own(&mut self, sql: &str) -> Result<(), ScriptError> {
        let ran = self.connection.execute("keep the script journal", sql).await;
        ran.map(drop).map_err(|error| self.run.reporter.database(error))
    }
}
