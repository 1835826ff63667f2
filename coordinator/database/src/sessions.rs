//! Who is connected to a database, by the server's own session list: the only proof that every Carbon server
//! let go of it.

mod busy;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sqlx::mysql::MySqlConnection;
use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, raw_sql};

use busy::Glances;

use crate::connection::{Connection, Row};
use crate::error::{DatabaseError, Kind};
use crate::privileges::privileges;
use crate::target::{Engine, Target};

const ACTION: &str = "list the sessions";

/// How often, and how long apart, a session of ours that just said good-bye is given time to go.
const GOODBYE_CHECKS: u32 = 50;
const GOODBYE_PAUSE: Duration = Duration::from_millis(100);

/// How often, and how long apart, a client that may be leaving is looked at.
const SETTLING_CHECKS: u32 = 25;
const SETTLING_PAUSE: Duration = Duration::from_millis(200);

/// A session that is not ours.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Session {
    /// The server's number for it; for a prepared transaction its name.
    pub id: String,
    /// Account.
    pub user: String,
    /// Where it comes from, `host:port` as the server shows it.
    pub address: String,
    /// What it is doing, in the server's words.
    pub state: String,
    /// Seconds in that state.
    pub since_secs: u64,
    /// What the program calls itself, where the engine knows.
    pub application: String,
    /// First word of the statement it runs, or empty; never the statement.
    pub query_kind: String,
}

impl Session {
    /// Whether the server has not decided yet whether to let it in, or it was killed before that: a refused one is
    /// gone a moment later.
    #[must_use]
    pub(crate) fn is_logging_in(&self) -> bool {
        let connecting = self.state == MYSQL_LOGIN || self.state.starts_with("Connect, ");
        // An event at work shows the same, and its statement.
        (connecting && self.query_kind.is_empty()) || self.state == MYSQL_KILLED_AT_LOGIN
    }

    /// Whether it was killed and its thread has not noticed yet, or it ends by itself: MariaDB shows both alike, as a rule
    /// `Killed, Rollback` at last.
    pub(crate) fn is_killed(&self) -> bool {
        self.state == MYSQL_KILLED || self.state.starts_with("Killed, ")
    }
}

/// What MySQL and MariaDB call a session that is logging in, before it has any further state.
const MYSQL_LOGIN: &str = "Connect";
const MYSQL_KILLED: &str = "Killed";
/// One that was killed while it was logging in, until its thread has noticed. No statement of it ran.
const MYSQL_KILLED_AT_LOGIN: &str = "Killed, login";

type Key = (String, String);

/// Connections that Cutover itself has open, so that they are not taken for the application's.
#[derive(Debug, Clone, Default)]
pub struct OwnSessions(Arc<Mutex<BTreeMap<Key, usize>>>);

/// A place in [`OwnSessions`], left when dropped.
#[derive(Debug)]
pub struct OwnSession {
    registry: OwnSessions,
    key: Key,
}

impl OwnSessions {
    /// An empty registry.
    #[must_use]
    pub fn new() -> Self {
        OwnSessions::default()
    }

    /// Enters a connection opened with [`Target::mysql`] for as long as the guard lives.
    ///
    /// # Errors
    /// The connection is lost.
    pub async fn enter_mysql(
        &self,
        target: &Target,
        connection: &mut MySqlConnection,
    ) -> Result<OwnSession, DatabaseError> {
        use sqlx::Row as _;
        let query = raw_sql(AssertSqlSafe(own_id_query(Engine::MySql)));
        let told = |error| DatabaseError::driver(ACTION, target, error);
        let row = query.fetch_one(connection).await.map_err(told)?;
        let id: &[u8] = row.try_get_unchecked(0).map_err(told)?;
        Ok(self.enter(target, &String::from_utf8_lossy(id)))
    }

    /// Enters a connection opened with [`Target::postgres`] for as long as the guard lives.
    ///
    /// # Errors
    /// The connection is lost.
    pub async fn enter_postgres(
        &self,
        target: &Target,
        connection: &mut PgConnection,
    ) -> Result<OwnSession, DatabaseError> {
        use sqlx::Row as _;
        let query = raw_sql(AssertSqlSafe(own_id_query(Engine::Postgres)));
        let told = |error| DatabaseError::driver(ACTION, target, error);
        let row = query.fetch_one(connection).await.map_err(told)?;
        let id: String = row.try_get_unchecked(0).map_err(told)?;
        Ok(self.enter(target, &id))
    }

    pub(crate) fn enter(&self, target: &Target, id: &str) -> OwnSession {
        let key = (server(target), id.to_owned());
        remember_past(target, id);
        *lock(&self.0).entry(key.clone()).or_default() += 1;
        OwnSession {
            registry: self.clone(),
            key,
        }
    }

    fn holds(&self, key: &Key) -> bool {
        lock(&self.0).contains_key(key)
    }
}

impl Drop for OwnSession {
    fn drop(&mut self) {
        let mut entries = lock(&self.registry.0);
        if let Some(count) = entries.get_mut(&self.key) {
            *count -= 1;
            if *count == 0 {
                entries.remove(&self.key);
            }
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Ids are numbered per server, so they are kept per address; an alias of it errs towards "foreign".
fn server(target: &Target) -> String {
    format!("{:?}", target.host)
}

/// Everything this process ever had open. Such a session is still foreign when it stays, it is merely given
/// a moment to end.
static PAST: Mutex<BTreeSet<Key>> = Mutex::new(BTreeSet::new());

pub(crate) fn remember_past(target: &Target, id: &str) {
    lock(&PAST).insert((server(target), id.to_owned()));
}

/// PostgreSQL reuses process ids, so the moment of connecting belongs to the id.
pub(crate) fn own_id_query(engine: Engine) -> &'static str {
    match engine {
        Engine::MySql => "SELECT CONNECTION_ID()",
        Engine::Postgres => {
            "SELECT pid::text || '@' || extract(epoch FROM backend_start)::text \
             FROM pg_catalog.pg_stat_activity WHERE pid = pg_backend_pid()"
        }
    }
}

/// Every session on the target's database that is not ours, sleeping pool connections and prepared
/// transactions included.
///
/// # Errors
/// [`Kind::SessionsHidden`] when the account would see only its own sessions: an empty list would prove nothing.
pub async fn foreign_sessions(target: &Target, own: &OwnSessions) -> Result<Vec<Session>, DatabaseError> {
    foreign_sessions_of(target, own, &[]).await
}

/// [`foreign_sessions`], asked again for a moment while it finds any: a server lists a client that has just said
/// good-bye until it gets round to it. The last list is the answer.
///
/// # Errors
/// As [`foreign_sessions`].
pub async fn settled_sessions(target: &Target, own: &OwnSessions) -> Result<Vec<Session>, DatabaseError> {
    let mut checks = 0;
    loop {
        let found = foreign_sessions(target, own).await?;
        checks += 1;
        if found.is_empty() || checks == SETTLING_CHECKS {
            return Ok(found);
        }
        tokio::time::sleep(SETTLING_PAUSE).await;
    }
}

/// As [`foreign_sessions`], and on MySQL also the sessions of these accounts whatever database they chose: an application's
/// account can reach its tables by qualified name.
///
/// # Errors
/// As [`foreign_sessions`].
pub async fn foreign_sessions_of(
    target: &Target,
    own: &OwnSessions,
    accounts: &[String],
) -> Result<Vec<Session>, DatabaseError> {
    let mut connection = Connection::open(target).await?;
    let found = look(&mut connection, own, accounts).await;
    connection.close().await;
    found
}

pub(crate) async fn look(
    connection: &mut Connection,
    own: &OwnSessions,
    accounts: &[String],
) -> Result<Vec<Session>, DatabaseError> {
    require_full_view(connection).await?;
    let mut checks = 0;
    let mut glances = Glances::default();
    loop {
        let listed = match connection.engine() {
            Engine::MySql => mysql(connection, accounts).await?,
            Engine::Postgres => postgres(connection).await?,
        };
        let host = server(connection.target());
        let own_id = connection.id().to_owned();
        let foreign = listed
            .into_iter()
            .filter(|(id, _)| *id != own_id && !own.holds(&(host.clone(), id.clone())))
            .collect();
        let foreign = glances.judge(foreign, accounts);
        let leaving = foreign
            .iter()
            .any(|(id, _)| lock(&PAST).contains(&(host.clone(), id.clone())));
        let busy = foreign.iter().any(|(_, session)| busy::is_busy(session));
        checks += 1;
        if !(leaving || busy) || checks == GOODBYE_CHECKS {
            return Ok(foreign.into_iter().map(|(_, session)| session).collect());
        }
        tokio::time::sleep(GOODBYE_PAUSE).await;
    }
}

pub(crate) async fn require_full_view(connection: &mut Connection) -> Result<(), DatabaseError> {
    if privileges(connection).await?.see_all_sessions {
        return Ok(());
    }
    let target = connection.target();
    let (missing, grant) = match target.engine {
        Engine::MySql => ("PROCESS", "run `GRANT PROCESS ON *.* TO` this account"),
        Engine::Postgres => ("pg_read_all_stats", "run `GRANT pg_monitor TO` this account"),
    };
    Err(DatabaseError::new(
        Kind::SessionsHidden,
        ACTION,
        target,
        format!(
            "the account `{}` lacks {missing} and is not shown the sessions of others",
            target.user
        ),
        &format!("{grant} as a database administrator, then repeat the step"),
    ))
}

async fn mysql(
    connection: &mut Connection,
    accounts: &[String],
) -> Result<Vec<(String, Session)>, DatabaseError> {
    let folds = connection
        .scalar(ACTION, "SELECT @@lower_case_table_names")
        .await?
        .as_deref()
        != Some("0");
    let database = connection.target().database.clone();
    let here = |name: &str| name == database || (folds && name.eq_ignore_ascii_case(&database));
    // SHOW FULL PROCESSLIST: Id, User, Host, db, Command, Time, State, Info.
    let rows = connection.rows(ACTION, "SHOW FULL PROCESSLIST").await?;
    let mut found: Vec<(String, Session)> = rows
        .iter()
        .filter(|row| {
            let on_it = row.get(3).is_some_and(here);
            concerns(&row.text(1), &row.text(4), on_it, accounts)
        })
        .map(|row| (row.text(0), mysql_session(row)))
        .collect();
    // A prepared transaction has no session any more, yet keeps its locks and may still be committed.
    let prepared = connection
        .rows("list the prepared XA transactions", "XA RECOVER")
        .await?;
    found.extend(prepared.iter().map(|row| {
        let name = row.text(3);
        (format!("xa:{name}"), prepared_session(name, String::new(), 0))
    }));
    Ok(found)
}

/// Whether a session of the server's list is to be looked at.
fn concerns(user: &str, command: &str, on_it: bool, accounts: &[String]) -> bool {
    on_it || accounts.iter().any(|account| account == user) || busy::hides_its_database(command)
}

fn mysql_session(row: &Row) -> Session {
    let state = [row.text(4), row.text(6)]
        .into_iter()
        .filter(|part| !part.is_empty());
    Session {
        id: row.text(0),
        user: row.text(1),
        address: row.text(2),
        state: state.collect::<Vec<_>>().join(", "),
        since_secs: row.number(5).unwrap_or_default(),
        application: String::new(),
        query_kind: query_kind(&row.text(7)),
    }
}

fn prepared_session(id: String, user: String, since_secs: u64) -> Session {
    Session {
        id,
        user,
        address: String::new(),
        state: "prepared transaction, waiting for commit or rollback".to_owned(),
        since_secs,
        application: String::new(),
        query_kind: String::new(),
    }
}

async fn postgres(connection: &mut Connection) -> Result<Vec<(String, Session)>, DatabaseError> {
    // Autovacuum and parallel workers act for the server or for a session that is listed itself.
    let rows = connection
        .rows(
            ACTION,
            "SELECT pid::text || '@' || extract(epoch FROM backend_start)::text, pid, usename, \
               CASE WHEN client_port > 0 THEN host(client_addr) || ':' || client_port ELSE 'local socket' END, \
               coalesce(state, backend_type), \
               greatest(0, floor(extract(epoch FROM clock_timestamp() - coalesce(state_change, backend_start))))::bigint, \
               application_name, CASE WHEN state = 'active' THEN left(ltrim(query), 24) ELSE '' END \
             FROM pg_catalog.pg_stat_activity \
             WHERE datname = current_database() AND backend_type NOT IN ('autovacuum worker', 'parallel worker')",
        )
        .await?;
    let mut found: Vec<(String, Session)> = rows
        .iter()
        .map(|row| (row.text(0), postgres_session(row)))
        .collect();
    let prepared = connection
        .rows(
            "list the prepared transactions",
            "SELECT gid, owner, greatest(0, floor(extract(epoch FROM clock_timestamp() - prepared)))::bigint \
             FROM pg_catalog.pg_prepared_xacts WHERE database = current_database()",
        )
        .await?;
    found.extend(prepared.iter().map(|row| {
        let session = prepared_session(row.text(0), row.text(1), row.number(2).unwrap_or_default());
        (format!("xact:{}", session.id), session)
    }));
    Ok(found)
}

fn postgres_session(row: &Row) -> Session {
    Session {
        id: row.text(1),
        user: row.text(2),
        address: row.text(3),
        state: row.text(4),
        since_secs: row.number(5).unwrap_or_default(),
        application: row.text(6),
        query_kind: query_kind(&row.text(7)),
    }
}

/// The statement's verb if it is a known one: a first word could otherwise be data.
fn query_kind(query: &str) -> String {
    const VERBS: [&str; 20] = [
        "SELECT", "INSERT", "UPDATE", "DELETE", "REPLACE", "MERGE", "WITH", "CALL", "EXECUTE", "CREATE",
        "ALTER", "DROP", "TRUNCATE", "BEGIN", "START", "COMMIT", "ROLLBACK", "SET", "SHOW", "COPY",
    ];
    let word: String = query
        .trim_start()
        .chars()
        .take_while(char::is_ascii_alphabetic)
        .collect();
    let word = word.to_ascii_uppercase();
    match (
        word.is_empty() && query.is_empty(),
        VERBS.contains(&word.as_str()),
    ) {
        (true, _) => String::new(),
        (false, true) => word,
        (false, false) => "OTHER".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn query_kind_when_a_statement_is_shown_then_its_data_is_not() {
        assert_eq!(query_kind("insert into t values ('planted')"), "INSERT");
        assert_eq!(query_kind("planted"), "OTHER");
        assert_eq!(query_kind(""), "");
    }

    #[test]
    fn session_when_of_the_application_or_without_a_database_then_of_concern() {
        let accounts = ["wso2".to_owned()];
        assert!(concerns("dba", "Sleep", true, &accounts));
        assert!(concerns("wso2", "Sleep", false, &accounts));
        assert!(concerns("dba", "Busy", false, &accounts));
        assert!(!concerns("dba", "Sleep", false, &accounts));
    }

    #[test]
    fn session_when_it_connects_or_ends_then_told_from_an_event_at_work() {
        let session = |state: &str, query_kind: &str| Session {
            state: state.to_owned(),
            query_kind: query_kind.to_owned(),
            ..prepared_session(String::new(), String::new(), 0)
        };
        for state in ["Connect", "Connect, login", "Killed, login"] {
            assert!(session(state, "").is_logging_in(), "{state}");
        }
        assert!(!session("Connect, updating", "DELETE").is_logging_in());
        assert!(
            !session("Sleep", "").is_logging_in() && !session("Query, updating", "UPDATE").is_logging_in()
        );
        for state in ["Killed", "Killed, Rollback"] {
            let killed = session(state, "");
            assert!(killed.is_killed() && !killed.is_logging_in(), "{state}");
        }
    }

    #[test]
    fn guard_when_dropped_then_the_session_counts_as_foreign_again() {
        let target = Target::parse("mysql://u@h/d", "".into()).unwrap();
        let own = OwnSessions::new();
        let key = (server(&target), "7".to_owned());
        let first = own.enter(&target, "7");
        let second = own.enter(&target, "7");
        drop(first);
        assert!(own.holds(&key));
        drop(second);
        assert!(!own.holds(&key));
    }
}
