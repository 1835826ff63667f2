//! JDBC URLs, as far as a datasource's goes.

use anyhow::{Context as _, Result, bail};

/// Which engine a URL names, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Target {
    /// `jdbc:mysql:` or `jdbc:mariadb:`.
    MySql {
        host: String,
        port: u16,
        database: String,
    },
    /// `jdbc:postgresql:`.
    Postgres {
        host: String,
        port: u16,
        database: String,
    },
    /// `jdbc:h2:`, a file of the server's own.
    Embedded,
}

impl Target {
    pub(crate) fn parse(url: &str) -> Result<Self> {
        let rest = url
            .strip_prefix("jdbc:")
            .with_context(|| format!("{url} is not a JDBC URL"))?;
        if rest.starts_with("h2:") {
            return Ok(Self::Embedded);
        }
        let (scheme, address) = rest
            .split_once("://")
            .with_context(|| format!("{url} has no server"))?;
        let port = |default| port_of(address, default).with_context(|| format!("{url} has no valid port"));
        let (host, database) = parts(address).with_context(|| format!("{url} names no database"))?;
        Ok(match scheme {
            "mysql" | "mariadb" => Self::MySql {
                host,
                port: port(3306)?,
                database,
            },
            "postgresql" => Self::Postgres {
                host,
                port: port(5432)?,
                database,
            },
            other => bail!("no driver for jdbc:{other}"),
        })
    }

    /// The driver class a datasource for this engine names.
    pub(crate) fn driver_class(&self) -> Option<&'static str> {
        match self {
            Self::MySql { .. } => Some("com.mysql.jdbc.Driver"),
            Self::Postgres { .. } => Some("org.postgresql.Driver"),
            Self::Embedded => None,
        }
    }

    /// Words that a driver's class or jar file has in its name.
    pub(crate) fn driver_words(&self) -> &'static [&'static str] {
        match self {
            Self::MySql { .. } => &["mysql", "mariadb"],
            Self::Postgres { .. } => &["postgresql"],
            Self::Embedded => &["h2"],
        }
    }
}

fn parts(address: &str) -> Option<(String, String)> {
    let (server, path) = address.split_once('/')?;
    let host = server
        .split(':')
        .next()
        .filter(|host| !host.is_empty())
        .unwrap_or("localhost");
    let database = path.split(['?', ';']).next().filter(|name| !name.is_empty())?;
    Some((host.to_owned(), database.to_owned()))
}

fn port_of(address: &str, default: u16) -> Option<u16> {
    let server = address.split('/').next()?;
    match server.split_once(':') {
        Some((_, port)) => port.parse().ok(),
        None => Some(default),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_urls_carbon_sites_use() {
        let url = "jdbc:mysql://db.example:3307/regdb?autoReconnect=true&relaxAutoCommit=true";
        let expected = Target::MySql {
            host: "db.example".into(),
            port: 3307,
            database: "regdb".into(),
        };
        assert_eq!(Target::parse(url).expect("parses"), expected);
        let plain = Target::parse("jdbc:postgresql://localhost/carbon").expect("parses");
        assert_eq!(
            plain,
            Target::Postgres {
                host: "localhost".into(),
                port: 5432,
                database: "carbon".into()
            }
        );
        assert_eq!(
            Target::parse("jdbc:h2:repository/database/X").expect("parses"),
            Target::Embedded
        );
        for wrong in [
            "mysql://h/db",
            "jdbc:oracle:thin:@h:1521/x",
            "jdbc:mysql://h:x/db",
            "jdbc:mysql://h/",
        ] {
            assert!(Target::parse(wrong).is_err(), "{wrong}");
        }
    }
}
