//! Servers, targets, and a sink that stops a script like a crash.

use std::collections::BTreeMap;
use std::error::Error;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use cutover_database::script::RunOptions;
use cutover_database::{JournalRecord, JournalSink, OwnSessions, Target};
use cutover_testdb::{MariaDb, Postgres};
use futures::future::BoxFuture;
use secrecy::SecretString;
use tokio_util::sync::CancellationToken;

pub(crate) trait Server {
    fn target(&self, database: &str) -> Target;
    fn run(&self, database: &str, sql: &str) -> String;
}

impl Server for MariaDb {
    fn target(&self, database: &str) -> Target {
        Target::parse(
            &self.url(database),
            SecretString::from(self.password().to_owned()),
        )
        .unwrap()
    }

    fn run(&self, database: &str, sql: &str) -> String {
        self.sql(database, sql).unwrap()
    }
}

impl Server for Postgres {
    fn target(&self, database: &str) -> Target {
        Target::parse(
            &self.url(database),
            SecretString::from(self.password().to_owned()),
        )
        .unwrap()
    }

    fn run(&self, database: &str, sql: &str) -> String {
        self.sql(database, sql).unwrap()
    }
}

pub(crate) fn as_user(target: &Target, user: &str, password: &str) -> Target {
    Target {
        user: user.to_owned(),
        password: SecretString::from(password.to_owned()),
        ..target.clone()
    }
}

/// Keeps the records, and fails at one of them.
#[derive(Debug, Default)]
pub(crate) struct Sink {
    pub(crate) records: Mutex<Vec<JournalRecord>>,
    calls: AtomicUsize,
    fail_at: Option<usize>,
}

impl Sink {
    pub(crate) fn failing_at(call: usize) -> Self {
        Sink {
            fail_at: Some(call),
            ..Sink::default()
        }
    }

    pub(crate) fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }
}

impl JournalSink for Sink {
    fn record<'a>(
        &'a self,
        record: &'a JournalRecord,
    ) -> BoxFuture<'a, Result<(), Box<dyn Error + Send + Sync>>> {
        let call = self.calls.fetch_add(1, Ordering::SeqCst);
        self.records.lock().unwrap().push(record.clone());
        let fails = self.fail_at == Some(call);
        Box::pin(async move {
            if fails {
                Err("the process was killed here".into())
            } else {
                Ok(())
            }
        })
    }
}

pub(crate) fn options(sink: &dyn JournalSink) -> RunOptions<'_> {
    RunOptions {
        name: "migration.sql",
        sink,
        cancel: CancellationToken::new(),
        own: OwnSessions::new(),
        decisions: BTreeMap::new(),
        overrides: Vec::new(),
    }
}
