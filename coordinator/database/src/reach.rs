//! Can the database be reached, and if not, whose turn it is to do what.

use std::time::Instant;

use crate::connection::Connection;
use crate::error::{DatabaseError, Kind};
use crate::target::{Engine, Host, Target, Tls};

/// Proof that a database answers.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Reach {
    /// Version text of the server.
    pub version: String,
    /// Time to connect and ask.
    pub millis: u64,
}

/// Connects, asks for the version, and closes.
///
/// # Errors
/// Unreachable, wrong password, unknown database, TLS refused: each with what to do.
pub async fn reach(target: &Target) -> Result<Reach, DatabaseError> {
    let started = Instant::now();
    let mut connection = Connection::open(target).await?;
    let sql = match target.engine {
        Engine::MySql => "SELECT VERSION()",
        Engine::Postgres => "SHOW server_version",
    };
    let version = connection
        .scalar("ask for the version", sql)
        .await?
        .unwrap_or_default();
    connection.close().await;
    let millis = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
    Ok(Reach { version, millis })
}

pub(crate) struct Translation {
    pub(crate) kind: Kind,
    pub(crate) why: String,
    pub(crate) remedy: String,
}

fn told(kind: Kind, why: impl Into<String>, remedy: impl Into<String>) -> Translation {
    Translation {
        kind,
        why: why.into(),
        remedy: remedy.into(),
    }
}

/// The driver's error in an operator's words.
pub(crate) fn translate(target: &Target, error: &sqlx::Error) -> Translation {
    if let sqlx::Error::Database(refusal) = error {
        return refused(target, refusal.as_ref());
    }
    if matches!(error, sqlx::Error::Io(_)) {
        return told(
            Kind::Unreachable,
            format!("no database server answers at {}", place(target)),
            "check host, port, firewall, and that the server runs",
        );
    }
    if matches!(error, sqlx::Error::Tls(_)) {
        return told(
            Kind::Tls,
            tls_reason(target.tls),
            "enable TLS on the server, or correct `tls=` in the URL (disabled, preferred, required, verify-full)",
        );
    }
    if matches!(error, sqlx::Error::Configuration(_)) {
        return told(
            Kind::Refused,
            "the connection settings are not usable",
            "correct the URL",
        );
    }
    told(
        Kind::Statement,
        "the connection or the answer was not as expected",
        "look at the server's error log, then repeat the step",
    )
}

fn tls_reason(tls: Tls) -> &'static str {
    match tls {
        Tls::Disabled | Tls::Preferred => "the encrypted connection could not be made",
        Tls::Required => "the URL demands TLS and the server does not offer it",
        Tls::VerifyFull => "the server offers no TLS or its certificate is not valid for this host name",
    }
}

fn place(target: &Target) -> String {
    match &target.host {
        Host::Tcp(host, port) => format!("{host}:{port}"),
        Host::Socket(path, _) => path.display().to_string(),
    }
}

/// Distinguishes what the server itself says, by its stable codes and never by its words.
fn refused(target: &Target, refusal: &dyn sqlx::error::DatabaseError) -> Translation {
    let state = refusal.code().unwrap_or_default().into_owned();
    let number = refusal
        .try_downcast_ref::<sqlx::mysql::MySqlDatabaseError>()
        .map(sqlx::mysql::MySqlDatabaseError::number);
    let user = &target.user;
    let database = &target.database;
    match (target.engine, number, state.as_str()) {
        (Engine::MySql, Some(1045 | 1698 | 3118 | 4151), _) | (Engine::Postgres, _, "28P01" | "28000") => {
            told(
                Kind::WrongPassword,
                format!("the server refused the account `{user}` or its password"),
                match target.tls {
                    // MariaDB says no more of a connection that it wants encrypted.
                    Tls::Disabled => {
                        "check the user in the URL, the secret it names, from which hosts the account may connect, and \
                         whether the server wants TLS (`tls=required`)"
                    }
                    Tls::Preferred | Tls::Required | Tls::VerifyFull => {
                        "check the user in the URL, the secret it names, and from which hosts the account may connect"
                    }
                },
            )
        }
        (Engine::MySql, Some(1049), _) | (Engine::Postgres, _, "3D000") => told(
            Kind::UnknownDatabase,
            format!("the server has no database `{database}`"),
            "check its spelling and case, or create it empty",
        ),
        (Engine::MySql, Some(1044 | 1142 | 1143 | 1227 | 1370 | 1419 | 1449), _)
        | (Engine::Postgres, _, "42501") => told(
            Kind::Denied,
            format!("the account `{user}` lacks a privilege ({})", refusal.message()),
            "grant it, or name an account that has it",
        ),
        (Engine::MySql, Some(1040 | 1203 | 1226), _) | (Engine::Postgres, _, "53300") => told(
            Kind::Full,
            "the server has no connection left for this account",
            "stop what holds them (the Carbon servers must be down), or raise the limit",
        ),
        (Engine::MySql, Some(3159), _) => told(
            Kind::Tls,
            "the server accepts encrypted connections only",
            "set `tls=required` in the URL",
        ),
        (Engine::MySql | Engine::Postgres, _, _) => told(
            Kind::Statement,
            format!(
                "the server refused: {} ({})",
                refusal.message(),
                code(number, &state)
            ),
            "correct the cause, then repeat the step",
        ),
    }
}

/// The code an operator looks up: MySQL's error number, PostgreSQL's SQLSTATE.
pub(crate) fn code(number: Option<u16>, state: &str) -> String {
    number.map_or_else(|| format!("SQLSTATE {state}"), |number| format!("error {number}"))
}
