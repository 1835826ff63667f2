//! A private PostgreSQL server.

use std::os::unix::process::CommandExt as _;
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
use crate::programs::{PostgresPrograms, install_hint};

const SUPERUSER: &str = "postgres";
const START_LIMIT: Duration = Duration::from_secs(180);
const STOP_LIMIT: Duration = Duration::from_secs(120);
const HBA: &str = "local all all trust\nhost all all 127.0.0.1/32 scram-sha-256\n";

/// A PostgreSQL server of this process' own; it ends when the value is dropped.
#[derive(Debug)]
pub struct Postgres {
    // Before `home`: the process must be gone when its folder is removed.
    daemon: Mutex<Daemon>,
    port: u16,
    password: String,
    extra: Vec<String>,
    programs: PostgresPrograms,
    user: Option<(u32, u32)>,
    home: Home,
}

impl Postgres {
    /// Starts a server in a temporary folder.
    ///
    /// # Errors
    /// When the programs are not installed or the server does not come up; the text shows the end of its log.
    pub fn start() -> Result<Self> {
        Self::launch(Home::temporary()?, &[])
    }

    /// Starts a server in a temporary folder with further settings, like `max_connections=20`.
    ///
    /// # Errors
    /// As [`Postgres::start`].
    pub fn start_with(settings: &[&str]) -> Result<Self> {
        Self::launch(Home::temporary()?, settings)
    }

    /// Starts a server in `dir`, which stays; databases from an earlier start there are kept.
    ///
    /// # Errors
    /// As [`Postgres::start`]. Run as root, `dir` must be reachable for the system user `postgres`.
    pub fn start_in(dir: &Path) -> Result<Self> {
        Self::launch(Home::at(dir)?, &[])
    }

    fn launch(home: Home, settings: &[&str]) -> Result<Self> {
        let programs = PostgresPrograms::find().map_err(|missing| anyhow!(install_hint(&missing)))?;
        let user = server_user()?;
        home.give_to(user)?;
        if !home.data().exists() {
            let name = cache_name(&programs.server)?;
            cache::fill(&name, &home.data(), |dir| initialise(&programs, dir, user))?;
        }
        let extra: Vec<String> = settings.iter().map(|&setting| setting.to_owned()).collect();
        let password = random_password()?;
        let mut attempts = 5;
        loop {
            let port = free_port()?;
            let (daemon, ready) = start_daemon(&programs, &home, user, port, &extra)?;
            attempts -= 1;
            match ready {
                Ok(()) => {
                    let daemon = Mutex::new(daemon);
                    let server = Self {
                        daemon,
                        port,
                        password,
                        extra,
                        programs,
                        user,
                        home,
                    };
                    let sql = format!("ALTER ROLE {SUPERUSER} PASSWORD '{}'", server.password);
                    server.sql("", &sql)?;
                    return Ok(server);
                }
                Err(_) if daemon.lost_port() && attempts > 0 => {}
                Err(error) => return Err(error.context("start a private PostgreSQL server")),
            }
        }
    }

    /// The loopback port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The folder of the server's own socket, as clients take it for a host name.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        self.home.socket_dir().to_owned()
    }

    /// A user that may do everything.
    #[must_use]
    pub fn superuser(&self) -> &str {
        SUPERUSER
    }

    /// The superuser's password over TCP; the socket needs none.
    #[must_use]
    pub fn password(&self) -> &str {
        &self.password
    }

    /// The process id of the postmaster while the server runs.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.daemon().pid()
    }

    /// `postgres://postgres@127.0.0.1:PORT/db`, without the password.
    #[must_use]
    pub fn url(&self, db: &str) -> String {
        format!("postgres://{SUPERUSER}@127.0.0.1:{}/{db}", self.port)
    }

    /// The same with the password, for a client that takes it in the URL.
    #[must_use]
    pub fn url_with_password(&self, db: &str) -> String {
        format!(
            "postgres://{SUPERUSER}:{}@127.0.0.1:{}/{db}",
            self.password, self.port
        )
    }

    /// Creates an empty database.
    ///
    /// # Errors
    /// When the server refuses.
    pub fn create_database(&self, name: &str) -> Result<()> {
        self.sql("", &format!("CREATE DATABASE {}", identifier(name)))
            .map(drop)
    }

    /// Runs SQL in `db` ("" for `postgres`); rows come back one per line, columns split by tabs, no header.
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

    /// Creates a user that may log in, with server-wide `grants` such as `pg_monitor` or `ALL ON DATABASE x`.
    ///
    /// # Errors
    /// When the server refuses.
    pub fn create_user(&self, name: &str, password: &str, grants: &[&str]) -> Result<()> {
        self.sql(
            "",
            &format!(
                "CREATE ROLE {} LOGIN PASSWORD {}",
                identifier(name),
                literal(password)?
            ),
        )?;
        grants.iter().try_for_each(|grant| self.grant("", grant, name))
    }

    /// Runs `GRANT {what} TO {name}` in `db`, where rights on tables must be given.
    ///
    /// # Errors
    /// When the server refuses.
    pub fn grant(&self, db: &str, what: &str, name: &str) -> Result<()> {
        self.sql(db, &format!("GRANT {what} TO {}", identifier(name)))
            .map(drop)
    }

    /// Stops the server in order, ending its sessions; [`Postgres::restart`] starts it again.
    ///
    /// # Errors
    /// When the process cannot be waited for.
    pub fn stop(&self) -> Result<()> {
        self.daemon().stop(STOP_LIMIT)
    }

    /// Kills the postmaster and all its backends without warning, as a machine that loses its power does.
    ///
    /// # Errors
    /// When the process cannot be killed.
    pub fn kill9(&self) -> Result<()> {
        let daemon = self.daemon();
        // A backend alone would notice the end of the postmaster only when it waits for something, and commit until then.
        daemon.kill_children();
        daemon.kill9()
    }

    /// Stops the server if it runs and starts it again on the same port.
    ///
    /// # Errors
    /// As [`Postgres::start`]; also when another process took the port meanwhile.
    pub fn restart(&self) -> Result<()> {
        let mut daemon = self.daemon();
        daemon.stop(STOP_LIMIT)?;
        let deadline = std::time::Instant::now() + START_LIMIT;
        loop {
            let (next, ready) = start_daemon(&self.programs, &self.home, self.user, self.port, &self.extra)?;
            // After a kill the old backends hold the shared memory for a moment longer.
            let retry = ready
                .as_ref()
                .is_err_and(|error| error.to_string().contains("still in use"));
            *daemon = next;
            if !retry || std::time::Instant::now() >= deadline {
                return ready.context("restart a private PostgreSQL server");
            }
        }
    }

    /// The engine's client as the server's owner in `db`, to be fed SQL on its standard input.
    #[must_use]
    pub fn client(&self, db: &str) -> Command {
        client(&self.programs, &self.home, self.port, db)
    }

    fn daemon(&self) -> std::sync::MutexGuard<'_, Daemon> {
        self.daemon.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn start_daemon(
    programs: &PostgresPrograms,
    home: &Home,
    user: Option<(u32, u32)>,
    port: u16,
    extra: &[String],
) -> Result<(Daemon, Result<()>)> {
    let log = home.file("postgres.log");
    std::fs::write(&log, "")?;
    let daemon = Daemon::launch(&Launch {
        program: &programs.server,
        args: server_args(home, port, extra),
        user,
        // "Fast" shutdown; TERM would wait for every session to end by itself.
        stop_signal: Signal::INT,
        log: &log,
    })?;
    let socket = home.socket_dir().join(format!(".s.PGSQL.{port}"));
    let ready = daemon.wait_ready(START_LIMIT, || {
        socket.exists() && run_sql(client(programs, home, port, ""), "SELECT 1").is_ok()
    });
    Ok((daemon, ready))
}

fn server_args(home: &Home, port: u16, extra: &[String]) -> Vec<String> {
    let settings = [
        format!("port={port}"),
        "listen_addresses=127.0.0.1".to_owned(),
        format!("unix_socket_directories={}", home.socket_dir().display()),
        // Commits still reach the operating system, so they survive a killed server, though not a power cut.
        "fsync=off".to_owned(),
        "full_page_writes=off".to_owned(),
        "shared_buffers=32MB".to_owned(),
        "password_encryption=scram-sha-256".to_owned(),
    ];
    let mut args = vec!["-D".to_owned(), home.data().display().to_string()];
    for setting in settings.iter().chain(extra) {
        args.extend(["-c".to_owned(), setting.clone()]);
    }
    args
}

fn initialise(programs: &PostgresPrograms, dir: &Path, user: Option<(u32, u32)>) -> Result<()> {
    let parent = dir.parent().context("the data folder has a parent")?;
    let mut command = Command::new(&programs.initdb);
    command
        .args([
            "--username",
            SUPERUSER,
            "--encoding=UTF8",
            "--locale=C.UTF-8",
            "--no-sync",
            "--auth=trust",
        ])
        .arg("--pgdata")
        .arg(dir)
        .current_dir("/");
    if let Some((uid, gid)) = user {
        std::os::unix::fs::chown(parent, Some(uid), Some(gid))?;
        command.uid(uid).gid(gid);
    }
    cache::run(&mut command)?;
    std::fs::write(dir.join("pg_hba.conf"), HBA)?;
    Ok(())
}

/// initdb and postgres refuse to run as root; Debian's package makes a system user for them.
fn server_user() -> Result<Option<(u32, u32)>> {
    if !rustix::process::getuid().is_root() {
        return Ok(None);
    }
    let passwd = std::fs::read_to_string("/etc/passwd").context("read /etc/passwd")?;
    let user = passwd.lines().find_map(|line| {
        let fields: Vec<&str> = line.split(':').collect();
        let (name, uid, gid) = (fields.first()?, fields.get(2)?, fields.get(3)?);
        (*name == "postgres").then_some(())?;
        Some((uid.parse().ok()?, gid.parse().ok()?))
    });
    user.map(Some).context("no system user `postgres`, which PostgreSQL needs when run by root; install it with `apt-get install postgresql`")
}

fn cache_name(server: &Path) -> Result<String> {
    let output = Command::new(server).arg("--version").output()?;
    let version = String::from_utf8_lossy(&output.stdout).into_owned();
    let safe = |c: char| {
        if c.is_ascii_alphanumeric() || c == '.' {
            c
        } else {
            '-'
        }
    };
    Ok(version.trim().chars().map(safe).collect())
}

fn identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

fn client(programs: &PostgresPrograms, home: &Home, port: u16, db: &str) -> Command {
    let mut command = Command::new(&programs.client);
    command
        .args([
            "-X",
            "-A",
            "-t",
            "-q",
            "-F",
            "\t",
            "-v",
            "ON_ERROR_STOP=1",
            "-f",
            "-",
        ])
        .arg("-h")
        .arg(home.socket_dir())
        .args(["-p", &port.to_string(), "-U", SUPERUSER])
        .args(["-d", if db.is_empty() { SUPERUSER } else { db }])
        .env("PGCLIENTENCODING", "UTF8")
        .env_remove("PGOPTIONS");
    command
}
