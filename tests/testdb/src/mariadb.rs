//! A private MariaDB server.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow};
use rustix::process::Signal;

use crate::cache;
use crate::client::{literal, run_file, run_sql};
use crate::daemon::{Daemon, Launch};
use crate::home::{Home, random_password};
use crate::ports::free_port;
use crate::programs::{MariaDbPrograms, install_hint};

const SUPERUSER: &str = "cutover_admin";
const START_LIMIT: Duration = Duration::from_secs(180);
const STOP_LIMIT: Duration = Duration::from_secs(120);

/// A MariaDB server of this process' own; it ends when the value is dropped.
#[derive(Debug)]
pub struct MariaDb {
    // Before `home`: the process must be gone when its folder is removed.
    daemon: Mutex<Daemon>,
    port: u16,
    password: String,
    extra: Vec<String>,
    programs: MariaDbPrograms,
    home: Home,
}

impl MariaDb {
    /// Starts a server in a temporary folder.
    ///
    /// # Errors
    /// When the programs are not installed or the server does not come up; the text shows the end of its log.
    pub fn start() -> Result<Self> {
        Self::launch(Home::temporary()?, &[])
    }

    /// Starts a server in a temporary folder with further server options, like `--lower-case-table-names=1`.
    ///
    /// # Errors
    /// As [`MariaDb::start`].
    pub fn start_with(options: &[&str]) -> Result<Self> {
        Self::launch(Home::temporary()?, options)
    }

    /// Starts a server in `dir`, which stays; databases from an earlier start there are kept.
    ///
    /// # Errors
    /// As [`MariaDb::start`].
    pub fn start_in(dir: &Path) -> Result<Self> {
        Self::launch(Home::at(dir)?, &[])
    }

    fn launch(home: Home, options: &[&str]) -> Result<Self> {
        let programs = MariaDbPrograms::find().map_err(|missing| anyhow!(install_hint(&missing)))?;
        if !home.data().exists() {
            let name = cache_name(&programs.server, options)?;
            cache::fill(&name, &home.data(), |dir| initialise(&programs, dir, options))?;
        }
        let password = random_password()?;
        std::fs::write(home.file("init.sql"), superuser_sql(&password))?;
        let extra: Vec<String> = options.iter().map(|&option| option.to_owned()).collect();
        let mut attempts = 5;
        loop {
            let port = free_port()?;
            let (daemon, ready) = start_daemon(&programs, &home, port, &password, &extra)?;
            attempts -= 1;
            match ready {
                Ok(()) => {
                    return Ok(Self {
                        daemon: Mutex::new(daemon),
                        port,
                        password,
                        extra,
                        programs,
                        home,
                    });
                }
                Err(_) if daemon.lost_port() && attempts > 0 => {}
                Err(error) => return Err(error.context("start a private MariaDB server")),
            }
        }
    }

    /// The loopback port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The server's own socket.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        socket(&self.home)
    }

    /// The folder that holds the server's files.
    #[must_use]
    pub fn data_dir(&self) -> PathBuf {
        self.home.data()
    }

    /// A user that may do everything, over TCP and the socket.
    #[must_use]
    pub fn superuser(&self) -> &str {
        SUPERUSER
    }

    /// The superuser's password.
    #[must_use]
    pub fn password(&self) -> &str {
        &self.password
    }

    /// The process id while the server runs.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.daemon().pid()
    }

    /// `mysql://cutover_admin@127.0.0.1:PORT/db`, without the password.
    #[must_use]
    pub fn url(&self, db: &str) -> String {
        format!("mysql://{SUPERUSER}@127.0.0.1:{}/{db}", self.port)
    }

    /// The same with the password, for a client that takes it in the URL.
    #[must_use]
    pub fn url_with_password(&self, db: &str) -> String {
        format!(
            "mysql://{SUPERUSER}:{}@127.0.0.1:{}/{db}",
            self.password, self.port
        )
    }

    /// Creates an empty database with the server's default character set.
    ///
    /// # Errors
    /// When the server refuses.
    pub fn create_database(&self, name: &str) -> Result<()> {
        self.sql("", &format!("CREATE DATABASE `{}`", name.replace('`', "``")))
            .map(drop)
    }

    /// Runs SQL in `db` ("" for none); rows come back one per line, columns split by tabs, without a header.
    ///
    /// # Errors
    /// At the first statement that fails, with the server's text.
    pub fn sql(&self, db: &str, sql: &str) -> Result<String> {
        run_sql(self.client(db), sql)
    }

    /// Runs a file of SQL in `db` through the engine's client.
    ///
    /// # Errors
    /// At the first statement that fails, with the server's text.
    pub fn load_file(&self, db: &str, path: &Path) -> Result<()> {
        run_file(self.client(db), path).map(drop)
    }

    /// Creates a user for any host with `grants` such as `SELECT, INSERT ON carbon.*`.
    ///
    /// # Errors
    /// When the server refuses.
    pub fn create_user(&self, name: &str, password: &str, grants: &[&str]) -> Result<()> {
        let user = format!("{}@'%'", literal(name)?);
        let mut sql = format!("CREATE USER {user} IDENTIFIED BY {};\n", literal(password)?);
        for grant in grants {
            sql.push_str(&format!("GRANT {grant} TO {user};\n"));
        }
        self.sql("", &sql).map(drop)
    }

    /// Stops the server in order; [`MariaDb::restart`] starts it again.
    ///
    /// # Errors
    /// When the process cannot be waited for.
    pub fn stop(&self) -> Result<()> {
        self.daemon().stop(STOP_LIMIT)
    }

    /// Kills the server without warning; committed rows survive.
    ///
    /// # Errors
    /// When the process cannot be killed.
    pub fn kill9(&self) -> Result<()> {
        self.daemon().kill9()
    }

    /// Stops the server if it runs and starts it again on the same port.
    ///
    /// # Errors
    /// As [`MariaDb::start`]; also when another process took the port meanwhile.
    pub fn restart(&self) -> Result<()> {
        let mut daemon = self.daemon();
        daemon.stop(STOP_LIMIT)?;
        let (next, ready) = start_daemon(&self.programs, &self.home, self.port, &self.password, &self.extra)?;
        *daemon = next;
        ready.context("restart a private MariaDB server")
    }

    /// The engine's client as the server's owner in `db`, to be fed SQL on its standard input.
    #[must_use]
    pub fn client(&self, db: &str) -> Command {
        client(&self.programs, &self.home, &self.password, db)
    }

    fn daemon(&self) -> std::sync::MutexGuard<'_, Daemon> {
        self.daemon.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn start_daemon(
    programs: &MariaDbPrograms,
    home: &Home,
    port: u16,
    password: &str,
    extra: &[String],
) -> Result<(Daemon, Result<()>)> {
    let log = home.file("mariadbd.log");
    // Not the shared /tmp: a server that starts removes the temporary tables it finds there, other servers' too.
    std::fs::create_dir_all(home.file("tmp"))?;
    // Each start's log stands alone, so an earlier failure cannot be mistaken for this one's.
    std::fs::write(&log, "")?;
    let daemon = Daemon::launch(&Launch {
        program: &programs.server,
        args: server_args(home, port, extra),
        user: None,
        stop_signal: Signal::TERM,
        log: &log,
    })?;
    let socket = socket(home);
    let ready = daemon.wait_ready(START_LIMIT, || {
        socket.exists() && run_sql(client(programs, home, password, ""), "SELECT 1").is_ok()
    });
    Ok((daemon, ready))
}

fn server_args(home: &Home, port: u16, extra: &[String]) -> Vec<String> {
    let mut args = vec![
        "--no-defaults".to_owned(),
        format!("--datadir={}", home.data().display()),
        format!("--tmpdir={}", home.file("tmp").display()),
        format!("--socket={}", socket(home).display()),
        format!("--pid-file={}", home.file("mariadbd.pid").display()),
        format!("--init-file={}", home.file("init.sql").display()),
        format!("--port={port}"),
        "--bind-address=127.0.0.1".to_owned(),
        "--skip-name-resolve".to_owned(),
        "--performance-schema=OFF".to_owned(),
        "--character-set-server=utf8mb4".to_owned(),
        "--innodb-buffer-pool-size=128M".to_owned(),
        "--innodb-flush-log-at-trx-commit=2".to_owned(),
        "--innodb-log-file-size=128M".to_owned(),
        "--max-allowed-packet=64M".to_owned(),
    ];
    args.extend(as_root());
    args.extend(extra.iter().cloned());
    args
}

fn initialise(programs: &MariaDbPrograms, dir: &Path, options: &[&str]) -> Result<()> {
    let scratch = tempfile::tempdir()?;
    let mut command = Command::new(&programs.install);
    command
        .env("TMPDIR", scratch.path())
        .arg("--no-defaults")
        .arg(format!("--datadir={}", dir.display()))
        .args([
            "--auth-root-authentication-method=normal",
            "--skip-test-db",
            "--skip-name-resolve",
        ])
        .arg("--innodb-log-file-size=128M")
        .args(options)
        .args(as_root());
    cache::run(&mut command)
}

fn as_root() -> Option<String> {
    rustix::process::getuid()
        .is_root()
        .then(|| "--user=root".to_owned())
}

/// Some options (table name case) are fixed when the data folder is made, so they belong to the cache's key.
fn cache_name(server: &Path, options: &[&str]) -> Result<String> {
    let output = Command::new(server)
        .args(["--no-defaults", "--version"])
        .output()?;
    let version = String::from_utf8_lossy(&output.stdout).into_owned();
    let key = format!(
        "{} {}",
        version.rsplit("Ver").next().unwrap_or_default(),
        options.join(" ")
    );
    let safe = |c: char| {
        if c.is_ascii_alphanumeric() || c == '.' {
            c
        } else {
            '-'
        }
    };
    Ok(format!("mariadb{}", key.chars().map(safe).collect::<String>()))
}

/// Run at every start before the server listens. The anonymous user goes because over the socket it would
/// match before a named user for any host.
fn superuser_sql(password: &str) -> String {
    format!(
        "DELETE FROM mysql.global_priv WHERE User='';\n\
         FLUSH PRIVILEGES;\n\
         ALTER USER 'root'@'localhost' IDENTIFIED BY '{password}';\n\
         CREATE OR REPLACE USER '{SUPERUSER}'@'%' IDENTIFIED BY '{password}';\n\
         GRANT ALL PRIVILEGES ON *.* TO '{SUPERUSER}'@'%' WITH GRANT OPTION;\n"
    )
}

fn socket(home: &Home) -> PathBuf {
    home.socket_dir().join("mariadb.sock")
}

fn client(programs: &MariaDbPrograms, home: &Home, password: &str, db: &str) -> Command {
    let mut command = Command::new(&programs.client);
    command
        .args([
            "--no-defaults",
            "--batch",
            "--skip-column-names",
            "--default-character-set=utf8mb4",
        ])
        .arg(format!("--socket={}", socket(home).display()))
        .arg(format!("--user={SUPERUSER}"))
        .env("MYSQL_PWD", password);
    if !db.is_empty() {
        command.arg(db);
    }
    command
}
