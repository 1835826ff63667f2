//! The upgrade file that a test gives to `cutover plan`.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::Result;

use super::database::{APP, Account, Databases, MAIN, Pair};
use super::{FleetSpec, PRODUCTION, STAGING, Secrets};

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
    /// Its name; the nodes' label `cluster` is the same.
    pub name: String,
    /// The guide.
    pub guide: String,
    /// The node that is started first.
    pub manager: String,
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
    /// The node on the database host of the first.
    pub host: Option<String>,
    /// Databases beside the first: name, data source, URL of production, URL of staging.
    pub others: Vec<[String; 4]>,
    /// Tenants that never had a directory.
    pub without_directory: Vec<i32>,
    /// How long a server may take to stop, in seconds.
    pub stop_grace: u32,
    /// Whether one that does not stop is killed.
    pub stop_kill: bool,
    /// How long a server may take to start, in seconds.
    pub start_timeout: u32,
    /// Further lines at its end.
    pub more: String,
    /// The whole file but for its order and [`UpgradeFile::more`], instead of all this.
    pub raw: Option<String>,
}

impl UpgradeFile {
    pub(super) fn new(homes: &Path, databases: &Databases, secrets: &Secrets, spec: &FleetSpec) -> Self {
        let hop = &spec.hop;
        let home = |version: &str| format!("{}/{{node}}/{}", homes.display(), hop.folder(version));
        let other = |pair: &Pair| {
            [
                pair.production.to_owned(),
                pair.datasource.to_owned(),
                databases.url(pair.production),
                databases.url(pair.staging),
            ]
        };
        Self {
            name: hop.cluster(),
            guide: hop.guide.to_owned(),
            manager: hop.node(1),
            order: Order::Guide,
            expect: spec.nodes,
            old: home(spec.old().0),
            new: home(hop.new.0),
            distribution: None,
            old_distribution: None,
            others: databases
                .pairs()
                .iter()
                .filter(|pair| **pair != MAIN)
                .map(other)
                .collect(),
            production: databases.url(PRODUCTION),
            staging: databases.url(STAGING),
            password: secrets.reference(match databases.account() {
                Account::Administrator => "dba",
                Account::Application => "app",
            }),
            application: (databases.account() == Account::Administrator).then(|| secrets.reference("app")),
            admin: secrets.reference("admin"),
            scripts: Vec::new(),
            host: spec.database_host.then(|| hop.node(1)),
            without_directory: vec![4, 5],
            stop_grace: 60,
            stop_kill: false,
            start_timeout: 60,
            more: String::new(),
            raw: None,
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
        if let Some(raw) = &self.raw {
            return Ok(with_order(raw, order) + &self.more);
        }
        let mut text = String::new();
        writeln!(
            text,
            "name  = \"{}\"\nguide = \"{}\"\norder = \"{order}\"\n",
            self.name, self.guide
        )?;
        writeln!(
            text,
            "[nodes]\nselect  = {{ cluster = \"{}\" }}\nexpect  = {}\nmanager = \"{}\"\n",
            self.name, self.expect, self.manager
        )?;
        writeln!(text, "[home]\nold = \"{}\"\nnew = \"{}\"", self.old, self.new)?;
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
            "\n[[database]]\nname        = \"carbon\"\ndatasource  = \"{}\"",
            MAIN.datasource
        )?;
        self.addresses(&mut text, &self.production, &self.staging)?;
        if let Some(host) = &self.host {
            writeln!(text, "host        = \"{host}\"")?;
        }
        if !self.scripts.is_empty() {
            let names: Vec<String> = self
                .scripts
                .iter()
                .map(|path| format!("\"{}\"", path.display()))
                .collect();
            writeln!(text, "scripts     = [{}]", names.join(", "))?;
        }
        for [name, datasource, production, staging] in &self.others {
            writeln!(
                text,
                "\n[[database]]\nname        = \"{name}\"\ndatasource  = \"{datasource}\""
            )?;
            self.addresses(&mut text, production, staging)?;
        }
        writeln!(text, "\n[copy]\nwithout_directory = {:?}", self.without_directory)?;
        writeln!(text, "\n[admin]\nuser = \"admin\"\npassword = \"{}\"", self.admin)?;
        text.push_str(&self.limits()?);
        text.push_str(&self.more);
        Ok(text)
    }

    /// How long servers may take, and what to do with one that does not stop.
    pub(super) fn limits(&self) -> Result<String> {
        let mut text = String::new();
        writeln!(
            text,
            "\n[stop]\ngrace_secs = {}\nkill = {}",
            self.stop_grace, self.stop_kill
        )?;
        writeln!(text, "\n[start]\ntimeout_secs = {}", self.start_timeout)?;
        Ok(text)
    }

    fn addresses(&self, text: &mut String, production: &str, staging: &str) -> Result<()> {
        for (role, url) in [("production", production), ("staging", staging)] {
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
        Ok(())
    }
}

fn with_order(raw: &str, order: &str) -> String {
    let lines = raw.lines().map(|line| {
        if line.starts_with("order = ") {
            format!("order = \"{order}\"\n")
        } else {
            format!("{line}\n")
        }
    });
    lines.collect()
}
