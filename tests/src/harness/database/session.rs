//! Sessions of the servers' account.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdout, Command, Stdio};

use anyhow::{Context as _, Result, bail};

use super::{APP, Databases, EngineKind, Server};
use crate::harness::Secrets;

/// An account that has nothing to do with the servers.
const STRANGER: &str = "reports";

impl Databases {
    /// Opens a session of the application's account that stays, as a forgotten server would.
    ///
    /// # Errors
    /// When the engine's client can't be started or does not get in.
    pub fn foreign_session(&self, database: &str, secrets: &Secrets) -> Result<Session> {
        self.session(database, APP, &secrets.app())
    }

    /// Opens a session of an account that has nothing to do with the servers, such as a report's, and that no fence
    /// keeps out. The account is made on the way.
    ///
    /// # Errors
    /// When the engine's client can't be started or does not get in.
    pub fn stranger(&self, database: &str) -> Result<Session> {
        const PASSWORD: &str = "reports-4711";
        match self.server_of(database) {
            Server::MariaDb(server) => {
                server.create_user(STRANGER, PASSWORD, &[&format!("SELECT ON {database}.*")])?;
            }
            Server::Postgres(server) => {
                server.create_user(STRANGER, PASSWORD, &[])?;
                server.sql("", &format!("GRANT CONNECT ON DATABASE {database} TO {STRANGER}"))?;
            }
        }
        self.session(database, STRANGER, PASSWORD)
    }

    /// The engine's client as the server's owner, to be fed statements on its standard input. It ends at the first
    /// one that fails.
    ///
    /// # Errors
    /// When it can't be started.
    pub fn feed(&self, database: &str) -> Result<Child> {
        let mut command = self.server_of(database).client(database);
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .context("start the engine's client")
    }

    fn session(&self, database: &str, user: &str, password: &str) -> Result<Session> {
        let port = self.port_of(database).to_string();
        let mut command = match self.kind {
            EngineKind::MariaDb => {
                let mut command = Command::new("mariadb");
                command.args([
                    "--no-defaults",
                    "--unbuffered",
                    "-h",
                    "127.0.0.1",
                    "-u",
                    user,
                    database,
                ]);
                command.args(["-P", &port]).env("MYSQL_PWD", password);
                command
            }
            EngineKind::Postgres => {
                let mut command = Command::new("psql");
                command.args(["-X", "-q", "-h", "127.0.0.1", "-U", user, "-d", database]);
                command.args(["-p", &port]).env("PGPASSWORD", password);
                command
            }
        };
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        let mut child = command.spawn().context("start the engine's client")?;
        let (asked, answer) = (child.stdin.as_mut(), child.stdout.take());
        writeln!(asked.context("its input")?, "SELECT 1;")?;
        let mut answers = BufReader::new(answer.context("its output")?);
        // It is in when it answers; one that is refused ends, and with it what it prints.
        let mut line = String::new();
        answers.read_line(&mut line)?;
        let session = Session {
            child,
            _answers: answers,
        };
        if line.is_empty() {
            bail!("the engine's client did not get in as {user}");
        }
        Ok(session)
    }

    /// How many sessions of the application's account are on a database.
    ///
    /// # Errors
    /// When the server refuses.
    pub fn sessions(&self, database: &str) -> Result<u64> {
        self.sessions_of(APP, database)
    }

    fn sessions_of(&self, user: &str, database: &str) -> Result<u64> {
        let sql = match self.kind {
            EngineKind::MariaDb => format!(
                "SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE USER = '{user}' AND DB = '{database}'"
            ),
            EngineKind::Postgres => {
                format!(
                    "SELECT COUNT(*) FROM pg_stat_activity WHERE usename = '{user}' AND datname = '{database}'"
                )
            }
        };
        self.number(database, &sql)
    }
}

/// A client that holds a connection until it is dropped.
#[derive(Debug)]
pub struct Session {
    child: Child,
    /// Kept open: the client would end when nobody reads what it prints.
    _answers: BufReader<ChildStdout>,
}

impl Drop for Session {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}
