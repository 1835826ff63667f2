//! The upgrade file that a test gives to `cutover plan`.

use std::fmt::Write as _;
use std::path::PathBuf;

use anyhow::Result;

use super::database::{APP, Account, Databases};
use super::{PRODUCTION, STAGING, Secrets};

/// In which order production is migrated and copied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// As WSO2 wrote it.
    Guide,
    /// Production is never changed.
    CopyFirst,
}

/// An upgrade file in parts, so that a test can spoil one of them.
#[derive(Debug, Clone)]
pub struct UpgradeFile {
    /// Its order.
    pub order: Order,
    /// How many nodes.
    pub expect: usize,
    /// The old home, with `{node}` for the node's name.
    pub old: String,
    /// The new home.
    pub new: String,
    /// File name and SHA-256 of the distribution.
    pub distribution: Option<(String, String)>,
    /// File name and SHA-256 of the old version's distribution.
    pub old_distribution: Option<(String, String)>,
    /// URL of production.
    pub production: String,
    /// URL of staging.
    pub staging: String,
    /// Reference to the password of both.
    pub password: String,
    /// Reference to the password of the application's account, when Cutover uses another.
    pub application: Option<String>,
    /// Reference to the administrator's password.
    pub admin: String,
    /// Script files beside the upgrade file.
    pub scripts: Vec<PathBuf>,
    /// How long a server may take to stop, in seconds.
    pub stop_grace: u32,
    /// Whether one that does not stop is killed.
    pub stop_kill: bool,
    /// How long a server may take to start, in seconds.
    pub start_timeout: u32,
    /// Further lines at its end.
    pub more: String,
}

impl UpgradeFile {
    pub(super) fn new(homes: &str, databases: &Databases, secrets: &Secrets, nodes: usize) -> Self {
        Self {
            order: Order::Guide,
            expect: nodes,
            old: format!("{homes}/{{node}}/wso2dss-3.0.1"),
            new: format!("{homes}/{{node}}/wso2dss-3.2.0"),
            distribution: None,
            old_distribution: None,
            production: databases.url(PRODUCTION),
            staging: databases.url(STAGING),
            password: secrets.reference(match databases.account() {
                Account::Administrator => "dba",
                Account::Application => "app",
            }),
            application: (databases.account() == Account::Administrator).then(|| secrets.reference("app")),
            admin: secrets.reference("admin"),
            scripts: Vec::new(),
            stop_grace: 60,
            stop_kill: false,
            start_timeout: 60,
            more: String::new(),
        }
    }

    /// The file's text.
    ///
    /// # Errors
    /// Never in practice: writing to a text can't fail.
    pub fn text(&self) -> Result<String> {
        let order = match self.order {
            Order::Guide => "guide",
            Order::CopyFirst => "copy-first",
        };
        let mut text = String::new();
        writeln!(
            text,
            "name  = \"dss-prod\"\nguide = \"dss-3.2.0\"\norder = \"{order}\"\n"
        )?;
        writeln!(
            text,
            "[nodes]\nselect  = {{ cluster = \"dss-prod\" }}\nexpect  = {}",
            self.expect
        )?;
        writeln!(
            text,
            "manager = \"dss-1\"\n\n[home]\nold = \"{}\"\nnew = \"{}\"",
            self.old, self.new
        )?;
        for (key, archive) in [
            ("distribution", &self.distribution),
            ("old_distribution", &self.old_distribution),
        ] {
            if let Some((file, sha256)) = archive {
                writeln!(text, "{key} = {{ file = \"{file}\", sha256 = \"{sha256}\" }}")?;
            }
        }
        writeln!(
            text,
            "\n[[database]]\nname        = \"carbon\"\ndatasource  = \"WSO2_CARBON_DB\""
        )?;
        for (role, url) in [("production", &self.production), ("staging", &self.staging)] {
            writeln!(
                text,
                "{role:<11} = {{ url = \"{url}\", password = \"{}\" }}",
                self.password
            )?;
        }
        if let Some(password) = &self.application {
            writeln!(
                text,
                "application = {{ user = \"{APP}\", password = \"{password}\" }}"
            )?;
        }
        if !self.scripts.is_empty() {
            let names: Vec<String> = self
                .scripts
                .iter()
                .map(|path| format!("\"{}\"", path.display()))
                .collect();
            writeln!(text, "scripts     = [{}]", names.join(", "))?;
        }
        writeln!(text, "\n[admin]\nuser = \"admin\"\npassword = \"{}\"", self.admin)?;
        writeln!(
            text,
            "\n[stop]\ngrace_secs = {}\nkill = {}",
            self.stop_grace, self.stop_kill
        )?;
        writeln!(
            text,
            "\n[start]\ntimeout_secs = {}\n{}",
            self.start_timeout, self.more
        )?;
        Ok(text)
    }
}
