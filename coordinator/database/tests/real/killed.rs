//! The database server itself is killed while a script runs, twice in a row.

use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use cutover_database::script::ScriptErrorKind;
use cutover_database::{JournalRecord, JournalSink, Target, run_script};
use cutover_sqlscript::{Dialect, Script, split};
use cutover_testdb::{MariaDb, Postgres};
use futures::future::BoxFuture;
use rand::{Rng as _, SeedableRng as _, rngs::StdRng};

use crate::support::{Server, Sink, options};
use crate::{script_mariadb, script_postgres};

/// How often the server is killed in a row, at other places each time.
const ROUNDS: u64 = 10;
const KILLS: usize = 2;

trait Mortal: Server + Send + Sync + 'static {
    fn kill(&self);
    fn revive(&self);
}

impl Mortal for MariaDb {
    fn kill(&self) {
        self.kill9().unwrap();
    }
    fn revive(&self) {
        self.restart().unwrap();
    }
}

impl Mortal for Postgres {
    fn kill(&self) {
        self.kill9().unwrap();
    }
    fn revive(&self) {
        self.restart().unwrap();
    }
}

/// Kills the server at one of the records: at once, or while the statement after it is on its way.
struct Killer<S> {
    server: Arc<S>,
    at: usize,
    delay: Option<Duration>,
    calls: AtomicUsize,
    killed: Arc<AtomicBool>,
}

impl<S: Mortal> JournalSink for Killer<S> {
    fn record<'a>(&'a self, _: &'a JournalRecord) -> BoxFuture<'a, Result<(), Box<dyn Error + Send + Sync>>> {
        if self.calls.fetch_add(1, Ordering::SeqCst) == self.at {
            let (server, killed) = (self.server.clone(), self.killed.clone());
            let kill = move || {
                server.kill();
                killed.store(true, Ordering::SeqCst);
            };
            match self.delay {
                None => kill(),
                Some(delay) => {
                    std::thread::spawn(move || {
                        std::thread::sleep(delay);
                        kill();
                    });
                }
            }
        }
        Box::pin(std::future::ready(Ok(())))
    }
}

async fn run_until_killed<S: Mortal>(server: &Arc<S>, target: &Target, script: &Script, random: &mut StdRng) {
    let killer = Killer {
        server: server.clone(),
        at: random.random_range(0..3 * script.statements.len()),
        delay: random
            .random_bool(0.5)
            .then(|| Duration::from_micros(random.random_range(0..20_000))),
        calls: AtomicUsize::new(0),
        killed: Arc::new(AtomicBool::new(false)),
    };
    match run_script(target, script, &options(&killer)).await {
        // It was through before the blow fell.
        Ok(_) => {}
        Err(error) => {
            let expected = [
                ScriptErrorKind::ConnectionLost,
                ScriptErrorKind::Database,
                ScriptErrorKind::Statement,
            ];
            assert!(expected.contains(&error.kind), "{error} {error:?}");
        }
    }
    // A kill that is still on its way must not hit the server that was started again.
    while killer.calls.load(Ordering::SeqCst) > killer.at && !killer.killed.load(Ordering::SeqCst) {
        tokio::task::yield_now().await;
    }
    server.revive();
}

async fn survives<S: Mortal>(server: Arc<S>, script: Script, prepare: fn(&S), state: fn(&S) -> String) {
    let target = server.target("carbon");
    prepare(&server);
    run_script(&target, &script, &options(&Sink::default()))
        .await
        .unwrap();
    let expected = state(&server);
    for round in 0..ROUNDS {
        let mut random = StdRng::seed_from_u64(round);
        prepare(&server);
        for _ in 0..KILLS {
            run_until_killed(&server, &target, &script, &mut random).await;
        }
        let last = run_script(&target, &script, &options(&Sink::default())).await;
        last.unwrap_or_else(|error| panic!("round {round}: {error} {error:?}"));
        assert_eq!(state(&server), expected, "round {round}");
    }
}

#[tokio::test]
async fn mariadb_server_when_killed_twice_while_a_script_runs_then_the_same_rows_and_definitions() {
    let server = Arc::new(MariaDb::start().unwrap());
    let script = split(script_mariadb::MIGRATION, Dialect::MySql).unwrap();
    survives(
        server,
        script,
        |server| script_mariadb::prepare(server, "carbon"),
        |server| script_mariadb::state(server, "carbon"),
    )
    .await;
}

#[tokio::test]
async fn postgres_server_when_killed_twice_while_a_script_runs_then_the_same_rows_and_definitions() {
    let server = Arc::new(Postgres::start().unwrap());
    let script = split(script_postgres::MIGRATION, Dialect::Postgres).unwrap();
    survives(server, script, script_postgres::prepare, script_postgres::state).await;
}
