//! Where a database is and how to connect to it.

use std::fmt;
use std::path::PathBuf;

use secrecy::{ExposeSecret, SecretString};
use sqlx::ConnectOptions;
use sqlx::mysql::{MySqlConnectOptions, MySqlConnection, MySqlSslMode};
use sqlx::postgres::{PgConnectOptions, PgConnection, PgSslMode};

/// A family of database servers that Cutover works on natively.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Engine {
    /// MySQL and MariaDB.
    MySql,
    /// PostgreSQL.
    Postgres,
}

impl Engine {
    /// The word used in upgrade files, plans and messages.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Engine::MySql => "mysql",
            Engine::Postgres => "postgres",
        }
    }
}

impl fmt::Display for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The way to a server: over TCP or through a Unix socket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Host {
    /// Host name or address, and port.
    Tcp(String, u16),
    /// MySQL: the socket file. PostgreSQL: the directory that holds the socket, and the port in its name.
    Socket(PathBuf, u16),
}

/// Whether the connection must be encrypted (`?tls=` in the URL; `preferred` when absent).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tls {
    /// Never.
    Disabled,
    /// If the server offers it.
    Preferred,
    /// Refuse to connect without it.
    Required,
    /// Also verify the server's certificate and name.
    VerifyFull,
}

/// One database on one server, with the account to use. `Debug` and `Display` never show the password.
#[derive(Debug, Clone)]
pub struct Target {
    /// Engine family.
    pub engine: Engine,
    /// Way to the server.
    pub host: Host,
    /// Account name.
    pub user: String,
    /// Password; empty when none is needed.
    pub password: SecretString,
    /// Database name, as written.
    pub database: String,
    /// Encryption demanded.
    pub tls: Tls,
}

/// Why a database URL was refused.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum TargetError {
    /// The text is not a URL of the form `ENGINE://USER@HOST[:PORT]/DATABASE`.
    #[error(
        "`{0}` is not a database URL; write ENGINE://USER@HOST[:PORT]/DATABASE, for example mysql://dss@db1/WSO2CARBON_DB"
    )]
    Malformed(String),
    /// An engine that Carbon knows and Cutover does not work on.
    #[error(
        "engine `{0}` is not supported; Cutover works on mysql (MySQL, MariaDB) and postgres (PostgreSQL)"
    )]
    UnsupportedEngine(String),
    /// A password inside the URL would end up in plans and logs.
    #[error("the URL holds a password; remove it and name a secret instead: password = \"file:/path\"")]
    PasswordInUrl,
    /// A query parameter that is not known.
    #[error(
        "unknown URL parameter `{0}`; known are socket=PATH and tls=disabled|preferred|required|verify-full"
    )]
    UnknownParameter(String),
}

impl Target {
    /// Reads `ENGINE://USER@HOST[:PORT]/DATABASE[?socket=PATH][&tls=MODE]`.
    ///
    /// # Errors
    /// [`TargetError`] says what is wrong and how to write it.
    pub fn parse(url: &str, password: SecretString) -> Result<Self, TargetError> {
        let malformed = || TargetError::Malformed(url.to_owned());
        let (scheme, rest) = url.split_once("://").ok_or_else(malformed)?;
        let engine = match scheme {
            "mysql" | "mariadb" => Engine::MySql,
            "postgres" | "postgresql" => Engine::Postgres,
            other => return Err(TargetError::UnsupportedEngine(other.to_owned())),
        };
        let (authority, path) = rest.split_once('/').ok_or_else(malformed)?;
        let (user, address) = authority.rsplit_once('@').ok_or_else(malformed)?;
        if user.contains(':') {
            return Err(TargetError::PasswordInUrl);
        }
        let (database, query) = path.split_once('?').unwrap_or((path, ""));
        if user.is_empty() || database.is_empty() {
            return Err(malformed());
        }
        let default_port = match engine {
            Engine::MySql => 3306,
            Engine::Postgres => 5432,
        };
        let (name, port) = match address.rsplit_once(':') {
            Some((name, port)) if !port.ends_with(']') => (name, port.parse().map_err(|_| malformed())?),
            Some(_) | None => (address, default_port),
        };
        let mut host = Host::Tcp(
            if name.is_empty() {
                "localhost".into()
            } else {
                name.to_owned()
            },
            port,
        );
        let mut tls = Tls::Preferred;
        for pair in query.split('&').filter(|p| !p.is_empty()) {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            match (key, value) {
                ("socket", path) => host = Host::Socket(PathBuf::from(path), port),
                ("tls", "disabled") => tls = Tls::Disabled,
                ("tls", "preferred") => tls = Tls::Preferred,
                ("tls", "required") => tls = Tls::Required,
                ("tls", "verify-full") => tls = Tls::VerifyFull,
                _ => return Err(TargetError::UnknownParameter(pair.to_owned())),
            }
        }
        Ok(Target {
            engine,
            host,
            user: user.to_owned(),
            password,
            database: database.to_owned(),
            tls,
        })
    }

    /// The same server and account, another database.
    #[must_use]
    pub fn with_database(&self, database: &str) -> Target {
        Target {
            database: database.to_owned(),
            ..self.clone()
        }
    }

    /// Whether both name the same server by address (an alias of it is found by asking the servers).
    #[must_use]
    pub fn same_server(&self, other: &Target) -> bool {
        self.engine == other.engine && self.host == other.host
    }

    /// Connects with the session a migration script expects: nothing that sqlx would change in it is changed.
    ///
    /// # Errors
    /// The driver's error; it names no password.
    ///
    /// # Panics
    /// Never; a target of another engine is the caller's bug and comes back as a configuration error.
    pub async fn mysql(&self) -> Result<MySqlConnection, sqlx::Error> {
        self.expect_engine(Engine::MySql)?;
        let mut options = MySqlConnectOptions::new()
            .username(&self.user)
            .password(self.password.expose_secret())
            .database(&self.database)
            .pipes_as_concat(false)
            .no_engine_substitution(false)
            .timezone(None::<String>)
            .set_names(false)
            .disable_statement_logging()
            .ssl_mode(match self.tls {
                Tls::Disabled => MySqlSslMode::Disabled,
                Tls::Preferred => MySqlSslMode::Preferred,
                Tls::Required => MySqlSslMode::Required,
                Tls::VerifyFull => MySqlSslMode::VerifyIdentity,
            });
        options = match &self.host {
            Host::Tcp(host, port) => options.host(host).port(*port),
            Host::Socket(path, _) => options.socket(path),
        };
        options.connect().await
    }

    /// Connects to PostgreSQL; `application_name` is `cutover`, so that a DBA sees whose session it is.
    ///
    /// # Errors
    /// The driver's error; it names no password.
    pub async fn postgres(&self) -> Result<PgConnection, sqlx::Error> {
        self.expect_engine(Engine::Postgres)?;
        let mut options = PgConnectOptions::new_without_pgpass()
            .username(&self.user)
            .password(self.password.expose_secret())
            .database(&self.database)
            .application_name("cutover")
            .disable_statement_logging()
            .ssl_mode(match self.tls {
                Tls::Disabled => PgSslMode::Disable,
                Tls::Preferred => PgSslMode::Prefer,
                Tls::Required => PgSslMode::Require,
                Tls::VerifyFull => PgSslMode::VerifyFull,
            });
        options = match &self.host {
            Host::Tcp(host, port) => options.host(host).port(*port),
            Host::Socket(path, port) => options.socket(path).port(*port),
        };
        options.connect().await
    }

    fn expect_engine(&self, engine: Engine) -> Result<(), sqlx::Error> {
        if self.engine == engine {
            return Ok(());
        }
        Err(sqlx::Error::Configuration(
            format!("{self} is not a {engine} database").into(),
        ))
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.host {
            Host::Tcp(host, port) => write!(
                f,
                "{}://{}@{host}:{port}/{}",
                self.engine, self.user, self.database
            ),
            Host::Socket(path, port) => {
                write!(
                    f,
                    "{}://{}@:{port}/{}?socket={}",
                    self.engine,
                    self.user,
                    self.database,
                    path.display()
                )
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(url: &str) -> Result<Target, TargetError> {
        Target::parse(url, SecretString::from("planted-secret"))
    }

    #[test]
    fn url_when_complete_then_every_part_is_read() {
        let target = parse("mysql://dss@db1:3307/WSO2CARBON_DB?tls=required").unwrap();
        assert_eq!(target.host, Host::Tcp("db1".into(), 3307));
        assert_eq!(
            (target.user.as_str(), target.database.as_str()),
            ("dss", "WSO2CARBON_DB")
        );
        assert_eq!(target.tls, Tls::Required);
        assert_eq!(target.to_string(), "mysql://dss@db1:3307/WSO2CARBON_DB");
    }

    #[test]
    fn url_when_it_holds_a_password_then_refused() {
        assert_eq!(
            parse("mysql://dss:pw@db1/X").unwrap_err(),
            TargetError::PasswordInUrl
        );
    }

    #[test]
    fn engine_when_not_supported_then_named() {
        assert_eq!(
            parse("oracle://dss@db1/X").unwrap_err(),
            TargetError::UnsupportedEngine("oracle".into())
        );
    }

    #[test]
    fn debug_when_printed_then_password_is_absent() {
        let shown = format!("{:?}", parse("postgres://dss@db1/carbon").unwrap());
        assert!(!shown.contains("planted-secret"), "{shown}");
    }
}
