//! `repository/logs/wso2carbon.log`, appended to, and the console.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use anyhow::{Context as _, Result};
use jiff::Zoned;

/// The severities of a log line.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Level {
    Info,
    Warn,
    Error,
    Fatal,
}

impl Level {
    /// Padded to five, as the pattern `%5p` does.
    fn padded(self) -> &'static str {
        match self {
            Self::Info => " INFO",
            Self::Warn => " WARN",
            Self::Error => "ERROR",
            Self::Fatal => "FATAL",
        }
    }
}

/// The server's log.
#[derive(Debug)]
pub(crate) struct Log {
    file: Mutex<File>,
    /// What stands behind `TID:`.
    tid: String,
}

impl Log {
    pub(crate) fn open(home: &Path, kernel: &str, key: &str, roll: bool) -> Result<Self> {
        let folder = home.join("repository/logs");
        fs::create_dir_all(&folder).with_context(|| format!("create {}", folder.display()))?;
        let path = folder.join("wso2carbon.log");
        if roll && path.exists() {
            let rolled = folder.join(format!("wso2carbon.log.{}", Zoned::now().strftime("%Y-%m-%d")));
            fs::rename(&path, &rolled).with_context(|| format!("roll {}", path.display()))?;
        }
        let file = File::options()
            .create(true)
            .append(true)
            .open(&path)
            .with_context(|| format!("open {}", path.display()))?;
        let tid = if kernel.starts_with("4.4") {
            "[-1234] []".to_owned()
        } else {
            format!("[0] [{key}]")
        };
        Ok(Self {
            file: Mutex::new(file),
            tid,
        })
    }

    pub(crate) fn info(&self, class: &str, message: &str) {
        self.line(Level::Info, class, message);
    }

    pub(crate) fn line(&self, level: Level, class: &str, message: &str) {
        let (now, level) = (Zoned::now(), level.padded());
        let at = format!("{},{:03}", now.strftime("%Y-%m-%d %H:%M:%S"), now.millisecond());
        let line = format!(
            "TID: {} [{at}] {level} {{{class}}} -  {message} {{{class}}}\n",
            self.tid
        );
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        // A log that cannot be written stops no server, and neither does a closed console.
        file.write_all(line.as_bytes()).ok();
        writeln!(std::io::stdout(), "[{at}] {level} {{{class}}} -  {message}").ok();
    }
}
