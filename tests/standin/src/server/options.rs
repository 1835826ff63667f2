//! Warts on request: `standin.toml` in the home, or `CARBON_STANDIN_<KEY>` in the environment.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

/// How this server behaves beyond what its configuration says.
#[derive(Debug, Clone)]
pub(crate) struct Options {
    pub(crate) startup_delay: Duration,
    pub(crate) shutdown_delay: Duration,
    /// How often a row is written while serving; zero is never.
    pub(crate) write_interval: Duration,
    /// How often the user-store folders are looked at.
    pub(crate) deploy_interval: Duration,
    /// How long adding a tenant takes.
    pub(crate) add_tenant_delay: Duration,
    /// How often a server that does not come up says that it waits.
    pub(crate) waiting_interval: Duration,
    pub(crate) pool_size: u32,
    pub(crate) bind_address: String,
    pub(crate) never_ready: bool,
    pub(crate) never_stops: bool,
    pub(crate) exit_121_once: bool,
    /// End with status 1 after a fatal error instead of hanging on.
    pub(crate) fatal_exits: bool,
    pub(crate) roll_log_at_start: bool,
    pub(crate) needs_driver_jar: bool,
    /// Written to the pid file instead of the process' own id.
    pub(crate) pid_file_foreign: Option<u32>,
    /// The server ends when this process does, so that no test leaves one behind.
    pub(crate) owner: Option<u32>,
}

const KEYS: &[&str] = &[
    "startup_delay_ms",
    "shutdown_delay_ms",
    "write_interval_ms",
    "deploy_interval_ms",
    "add_tenant_delay_ms",
    "waiting_interval_ms",
    "pool_size",
    "bind_address",
    "never_ready",
    "never_stops",
    "exit_121_once",
    "fatal_exits",
    "roll_log_at_start",
    "needs_driver_jar",
    "pid_file_foreign",
    "owner",
];

impl Options {
    pub(crate) fn read(home: &Path) -> Result<Self> {
        let file = home.join("standin.toml");
        let mut values = if file.exists() {
            parse(&std::fs::read_to_string(&file)?).with_context(|| format!("read {}", file.display()))?
        } else {
            BTreeMap::new()
        };
        for key in KEYS {
            if let Ok(value) = std::env::var(format!("CARBON_STANDIN_{}", key.to_uppercase())) {
                values.insert((*key).to_owned(), value);
            }
        }
        Self::from_values(&values)
    }

    fn from_values(values: &BTreeMap<String, String>) -> Result<Self> {
        let millis = |key: &str, default: u64| -> Result<Duration> {
            Ok(Duration::from_millis(number(values, key)?.unwrap_or(default)))
        };
        let flag = |key: &str, default: bool| match values.get(key).map(String::as_str) {
            None => Ok(default),
            Some("true") => Ok(true),
            Some("false") => Ok(false),
            Some(other) => bail!("{key} is true or false, not {other}"),
        };
        Ok(Self {
            startup_delay: millis("startup_delay_ms", 200)?,
            shutdown_delay: millis("shutdown_delay_ms", 200)?,
            write_interval: millis("write_interval_ms", 500)?,
            deploy_interval: millis("deploy_interval_ms", 400)?,
            add_tenant_delay: millis("add_tenant_delay_ms", 200)?,
            waiting_interval: millis("waiting_interval_ms", 60_000)?,
            pool_size: number(values, "pool_size")?.unwrap_or(3),
            bind_address: values
                .get("bind_address")
                .cloned()
                .unwrap_or_else(|| "127.0.0.1".to_owned()),
            never_ready: flag("never_ready", false)?,
            never_stops: flag("never_stops", false)?,
            exit_121_once: flag("exit_121_once", false)?,
            fatal_exits: flag("fatal_exits", false)?,
            roll_log_at_start: flag("roll_log_at_start", false)?,
            needs_driver_jar: flag("needs_driver_jar", true)?,
            pid_file_foreign: number(values, "pid_file_foreign")?,
            owner: number(values, "owner")?,
        })
    }
}

fn number<T: std::str::FromStr>(values: &BTreeMap<String, String>, key: &str) -> Result<Option<T>> {
    let Some(value) = values.get(key) else {
        return Ok(None);
    };
    value
        .parse()
        .map(Some)
        .map_err(|_| anyhow::anyhow!("{key} is a number, not {value}"))
}

/// `key = value` lines; a key nobody knows is an error, so that a misspelt wart does not pass unnoticed.
fn parse(text: &str) -> Result<BTreeMap<String, String>> {
    let mut values = BTreeMap::new();
    for line in text
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
    {
        let (key, value) = line
            .split_once('=')
            .with_context(|| format!("`{line}` is not key = value"))?;
        let (key, value) = (key.trim(), value.trim().trim_matches('"'));
        if !KEYS.contains(&key) {
            bail!("there is no option {key}; the options are {}", KEYS.join(", "));
        }
        values.insert(key.to_owned(), value.to_owned());
    }
    Ok(values)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_keys_and_refuses_unknown_ones() {
        let values = parse("# slow\nstartup_delay_ms = 1500\nnever_ready=true\n").expect("parses");
        let options = Options::from_values(&values).expect("valid");
        assert_eq!(options.startup_delay, Duration::from_millis(1500));
        assert!(options.never_ready && !options.never_stops);
        let error = parse("never_redy = true").expect_err("unknown key");
        assert!(error.to_string().contains("never_redy"), "{error}");
    }
}
