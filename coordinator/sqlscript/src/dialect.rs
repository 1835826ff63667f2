//! The SQL dialects a script can be written in.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// How a script is written, which decides where its statements end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Dialect {
    /// MySQL and MariaDB, as their command line clients read a script.
    MySql,
    /// PostgreSQL, as psql reads a script.
    Postgres,
    /// Oracle, as SQL*Plus reads a script.
    Oracle,
    /// Microsoft SQL Server, as sqlcmd reads a script.
    Mssql,
    /// IBM DB2 LUW, as its command line processor reads a script.
    Db2,
    /// H2, as its RunScript reads a script.
    H2,
    /// The line rule by which Carbon itself creates its schema, for scripts written for it alone.
    Wso2Compat,
}

impl Dialect {
    /// Every dialect.
    pub const ALL: [Self; 7] = [
        Self::MySql,
        Self::Postgres,
        Self::Oracle,
        Self::Mssql,
        Self::Db2,
        Self::H2,
        Self::Wso2Compat,
    ];

    /// The name used in files and on screen.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::MySql => "mysql",
            Self::Postgres => "postgres",
            Self::Oracle => "oracle",
            Self::Mssql => "mssql",
            Self::Db2 => "db2",
            Self::H2 => "h2",
            Self::Wso2Compat => "wso2compat",
        }
    }
}

impl fmt::Display for Dialect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A name that is none of the known dialects.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a known SQL dialect; use one of mysql, postgres, oracle, mssql, db2, h2, wso2compat")]
pub struct UnknownDialect(pub String);

impl FromStr for Dialect {
    type Err = UnknownDialect;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        match name.to_ascii_lowercase().as_str() {
            "mysql" | "mariadb" => Ok(Self::MySql),
            "postgres" | "postgresql" => Ok(Self::Postgres),
            "oracle" => Ok(Self::Oracle),
            "mssql" | "sqlserver" => Ok(Self::Mssql),
            "db2" => Ok(Self::Db2),
            "h2" => Ok(Self::H2),
            "wso2compat" | "wso2-compat" => Ok(Self::Wso2Compat),
            _ => Err(UnknownDialect(name.to_owned())),
        }
    }
}
