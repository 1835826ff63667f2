//! The coordinator's configuration file: read as written ([`RawConfig`]), then checked ([`Config`]).

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;

/// The file as written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawConfig {
    listen: String,
    advertise: String,
    data_dir: PathBuf,
    backup_dir: Option<PathBuf>,
    guides_dir: Option<PathBuf>,
    node_grace_secs: Option<u64>,
    heartbeat_secs: Option<u32>,
}

/// A valid configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Where to listen.
    pub listen: SocketAddr,
    /// The address that agents and operators dial, `HOST:PORT`.
    pub advertise: String,
    /// CA, store, blobs.
    pub data_dir: PathBuf,
    /// Database backups.
    pub backup_dir: PathBuf,
    /// Guides of the site's own.
    pub guides_dir: Option<PathBuf>,
    /// How long a node may be away before its running step counts as failed.
    pub node_grace: Duration,
    /// How often agents say that they are there, in seconds.
    pub heartbeat_secs: u32,
}

/// What is wrong with a configuration file.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// It can't be read.
    #[error("failed to read {path}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// It is not TOML, or has keys that do not exist.
    #[error("{path} is not a coordinator configuration")]
    Parse {
        /// The file.
        path: PathBuf,
        /// Where and why.
        #[source]
        source: Box<toml::de::Error>,
    },
    /// Values that can't be.
    #[error("{path}: {}", problems.join("; "))]
    Invalid {
        /// The file.
        path: PathBuf,
        /// All of them.
        problems: Vec<String>,
    },
}

impl Config {
    /// Reads and checks a file.
    ///
    /// # Errors
    /// [`ConfigError`], with every invalid value at once.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path).map_err(|source| ConfigError::Read {
            path: path.to_owned(),
            source,
        })?;
        let raw: RawConfig = toml::from_str(&text).map_err(|source| ConfigError::Parse {
            path: path.to_owned(),
            source: Box::new(source),
        })?;
        Self::check(raw).map_err(|problems| ConfigError::Invalid {
            path: path.to_owned(),
            problems,
        })
    }

    fn check(raw: RawConfig) -> Result<Self, Vec<String>> {
        let mut problems = Vec::new();
        let listen = raw.listen.parse();
        if listen.is_err() {
            problems.push(format!(
                "listen = `{}` is not ADDRESS:PORT, for example 0.0.0.0:7443",
                raw.listen
            ));
        }
        if !raw
            .advertise
            .rsplit_once(':')
            .is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok())
        {
            problems.push(format!(
                "advertise = `{}` is not HOST:PORT, for example cutover.example.com:7443",
                raw.advertise
            ));
        }
        for (key, path) in [
            ("data_dir", Some(&raw.data_dir)),
            ("backup_dir", raw.backup_dir.as_ref()),
            ("guides_dir", raw.guides_dir.as_ref()),
        ] {
            if path.is_some_and(|path| !path.is_absolute()) {
                problems.push(format!("{key} must be an absolute path"));
            }
        }
        match listen {
            Ok(listen) if problems.is_empty() => Ok(Self {
                listen,
                advertise: raw.advertise,
                backup_dir: raw.backup_dir.unwrap_or_else(|| raw.data_dir.join("backups")),
                data_dir: raw.data_dir,
                guides_dir: raw.guides_dir,
                node_grace: Duration::from_secs(raw.node_grace_secs.unwrap_or(60)),
                heartbeat_secs: raw.heartbeat_secs.unwrap_or(5).max(1),
            }),
            Ok(_) | Err(_) => Err(problems),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn config_when_several_values_are_wrong_then_all_are_named() {
        let raw = RawConfig {
            listen: "here".into(),
            advertise: "there".into(),
            data_dir: "relative".into(),
            backup_dir: None,
            guides_dir: None,
            node_grace_secs: None,
            heartbeat_secs: None,
        };
        assert_eq!(Config::check(raw).unwrap_err().len(), 3);
    }
}
