//! A CARBON_HOME of the stand-in.

use std::fs;
use std::io::Write as _;
use std::net::{Ipv4Addr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

use super::{home_processes, wait};

const LIMIT: Duration = Duration::from_secs(60);

/// One home.
#[derive(Debug, Clone)]
pub struct Home {
    /// Where it lies.
    pub dir: PathBuf,
    /// Added to its ports.
    pub offset: u16,
}

impl Home {
    /// Makes its server behave badly: a line for `standin.toml`.
    ///
    /// # Errors
    /// When it can't be written.
    pub fn wart(&self, line: &str) -> Result<()> {
        let path = self.dir.join("standin.toml");
        let mut file = fs::File::options().create(true).append(true).open(&path)?;
        writeln!(file, "{line}").with_context(|| format!("write {}", path.display()))
    }

    /// Takes every wart back.
    ///
    /// # Errors
    /// When the file can't be removed.
    pub fn no_warts(&self) -> Result<()> {
        fs::remove_file(self.dir.join("standin.toml")).context("remove standin.toml")
    }

    /// Starts its server as a person would, and waits until it is up.
    ///
    /// # Errors
    /// When it does not come up.
    pub fn start(&self, java_home: &Path, owner: Option<u32>) -> Result<()> {
        let output = fs::File::create(self.dir.join("start.out"))?;
        let mut command = Command::new("sh");
        command
            .arg(self.dir.join("bin/wso2server.sh"))
            .arg("start")
            .env("JAVA_HOME", java_home)
            .stdin(Stdio::null())
            // A file, not a pipe: the older script leaves its output to the server, which would hold it open.
            .stdout(output.try_clone()?)
            .stderr(output);
        if let Some(owner) = owner {
            command.env("CARBON_STANDIN_OWNER", owner.to_string());
        }
        ensure!(command.status()?.success(), "bin/wso2server.sh start ends with 0");
        wait(&format!("the server of {}", self.dir.display()), LIMIT, || {
            self.is_serving()
        })
        .with_context(|| format!("its log ends: {}", tail(&self.log())))
    }

    /// Its log.
    #[must_use]
    pub fn log(&self) -> String {
        let path = self.dir.join("repository/logs/wso2carbon.log");
        String::from_utf8_lossy(&fs::read(path).unwrap_or_default()).into_owned()
    }

    /// Its servers, by process id.
    #[must_use]
    pub fn servers(&self) -> Vec<u32> {
        let exact = format!("-Dcarbon.home={}\0", self.dir.display());
        home_processes(&self.dir)
            .into_iter()
            .filter(|pid| {
                let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
                String::from_utf8_lossy(&line).contains(&exact)
            })
            .collect()
    }

    /// Whether its server is up: a process, its port, and the line in its log that says so (`Mgt Console URL` comes a
    /// little later).
    #[must_use]
    pub fn is_serving(&self) -> bool {
        let log = self.log();
        let starts = log.matches("Starting WSO2 Carbon").count();
        let ups = log.matches("WSO2 Carbon started in").count();
        self.servers().len() == 1 && ups > 0 && ups >= starts && self.https_open()
    }

    /// Whether its HTTPS port answers.
    #[must_use]
    pub fn https_open(&self) -> bool {
        TcpStream::connect((Ipv4Addr::LOCALHOST, 9443 + self.offset)).is_ok()
    }

    /// The rows that its server was told are safe.
    #[must_use]
    pub fn markers(&self) -> Vec<String> {
        let text =
            fs::read_to_string(self.dir.join("repository/logs/standin-writes.log")).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    /// A file of the home.
    #[must_use]
    pub fn file(&self, path: &str) -> PathBuf {
        self.dir.join(path)
    }
}

fn tail(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines
        .get(lines.len().saturating_sub(5)..)
        .unwrap_or_default()
        .join("\n")
}
