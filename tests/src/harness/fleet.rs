//! Everything at once: database server, coordinator, agents, running old servers.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use carbon_standin::fixtures;
use carbon_standin::home::{Database, HomeSpec, make_home};
use cutover_proto::view::{NodeView, RunStateView, RunView};
use tempfile::TempDir;

use super::agent::{AgentHost, AgentSetup};
use super::database::Production;
use super::process::kill_homes;
use super::{
    Account, Binaries, Cli, Coordinator, Databases, EngineKind, Home, Outcome, PRODUCT, PRODUCTION, Secrets,
    UpgradeFile, file_hash, finished, free_offset, wait,
};

const OLD: (&str, &str) = ("3.0.1", "4.1.0");
/// The only version between, on a kernel that has the new schema.
const OLD_MIGRATED: (&str, &str) = ("3.1.0", "4.2.0");
const NEW: (&str, &str) = ("3.2.0", "4.2.0");

/// Where the new homes come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NewHomes {
    /// Someone unpacked them before.
    Unpacked,
    /// The agents unpack a distribution.
    Distribution,
}

/// What fleet a test wants.
#[derive(Debug, Clone)]
pub struct FleetSpec {
    /// The engine.
    pub engine: EngineKind,
    /// How many nodes.
    pub nodes: usize,
    /// Where the new homes come from.
    pub new_homes: NewHomes,
    /// A folder of real stock files to use instead of our own.
    pub corpus: Option<PathBuf>,
    /// Further lines of the coordinator's configuration.
    pub coordinator: String,
    /// The tables of production, instead of our own.
    pub schema: Option<PathBuf>,
    /// The migration script, instead of our own. The guide brings one for PostgreSQL.
    pub script: Option<PathBuf>,
    /// Whether production is of a version that has the new schema already.
    pub migrated: bool,
    /// With which account Cutover works on the databases.
    pub account: Account,
}

impl FleetSpec {
    /// Three nodes with homes unpacked before.
    #[must_use]
    pub fn new(engine: EngineKind) -> Self {
        Self {
            engine,
            nodes: 3,
            new_homes: NewHomes::Unpacked,
            corpus: None,
            coordinator: String::new(),
            schema: None,
            script: None,
            migrated: false,
            account: Account::Administrator,
        }
    }
}

impl FleetSpec {
    fn old(&self) -> (&'static str, &'static str) {
        if self.migrated { OLD_MIGRATED } else { OLD }
    }
}

/// A fleet. Fields are dropped in this order: services first, the folder last.
#[derive(Debug)]
pub struct Fleet {
    /// The agents' hosts.
    pub hosts: Vec<AgentHost>,
    /// The coordinator.
    pub coordinator: Coordinator,
    /// The operator's command line.
    pub cli: Cli,
    /// The upgrade file that fits this fleet.
    pub upgrade: UpgradeFile,
    homes: HomeFolder,
    /// The database server.
    pub databases: Databases,
    /// The planted passwords.
    pub secrets: Secrets,
    /// A folder with a `bin/java`.
    pub java_home: PathBuf,
    pub(super) schema: Option<PathBuf>,
    pub(super) migrated: bool,
    root: PathBuf,
    _folder: TempDir,
}

/// Ends every server below it.
#[derive(Debug)]
struct HomeFolder(PathBuf);

impl Drop for HomeFolder {
    fn drop(&mut self) {
        kill_homes(&self.0);
    }
}

impl Fleet {
    /// Starts everything; the old servers are up when it returns.
    ///
    /// # Errors
    /// When a part does not come up.
    pub fn start(spec: &FleetSpec) -> Result<Self> {
        Self::start_saying(spec, &mut |_| Ok(()))
    }

    /// [`Fleet::start`], telling what is being started.
    ///
    /// # Errors
    /// When a part does not come up.
    pub fn start_saying(spec: &FleetSpec, say: &mut dyn FnMut(&str) -> Result<()>) -> Result<Self> {
        let binaries = Binaries::find()?;
        let folder = tempfile::Builder::new().prefix("cutover-e2e-").tempdir()?;
        let root = folder.path().canonicalize()?;
        let secrets = Secrets::plant(&root.join("secrets"))?;
        say(&format!(
            "a private {} with production and an empty staging database",
            spec.engine
        ))?;
        let production = Production {
            schema: spec.schema.as_deref(),
            migrated: spec.migrated,
        };
        let databases = Databases::start(spec.engine, &secrets, &production, spec.account)?;
        say("the coordinator, with a certificate authority of its own")?;
        let coordinator = Coordinator::start(&root, &binaries, &spec.coordinator)?;
        let cli = Cli::new(binaries.cli(), coordinator.profile.clone());
        let homes = HomeFolder(root.join("homes"));
        let java_home = java(&root)?;
        let mut upgrade = UpgradeFile::new(&homes.0.display().to_string(), &databases, &secrets, spec.nodes);
        upgrade.old = format!("{}/{{node}}/wso2dss-{}", homes.0.display(), spec.old().0);
        files(spec, &root, &binaries, &mut upgrade)?;
        let mut fleet = Self {
            hosts: Vec::new(),
            coordinator,
            cli,
            upgrade,
            homes,
            databases,
            secrets,
            java_home,
            schema: spec.schema.clone(),
            migrated: spec.migrated,
            root,
            _folder: folder,
        };
        for number in 1..=spec.nodes {
            let name = format!("dss-{number}");
            say(&format!(
                "node {name}: a Carbon server of version {}, and its agent, which enrols with a token",
                spec.old().0
            ))?;
            let host = fleet.host(spec, &binaries, &name)?;
            fleet.hosts.push(host);
        }
        fleet.wait_connected()?;
        Ok(fleet)
    }

    fn host(&self, spec: &FleetSpec, binaries: &Binaries, name: &str) -> Result<AgentHost> {
        let homes = self.homes.0.join(name);
        let (old_offset, new_offset) = (free_offset()?, free_offset()?);
        let stock = |(version, kernel): (&str, &str)| HomeSpec {
            corpus: spec.corpus.clone(),
            ..HomeSpec::stock(PRODUCT, version, kernel, &binaries.standin())
        };
        let database = Database {
            url: self.databases.jdbc(PRODUCTION),
            user: super::database::APP.to_owned(),
            password: self.secrets.app(),
        };
        let old = Home {
            dir: homes.join(format!("wso2dss-{}", spec.old().0)),
            offset: old_offset,
        };
        let new = Home {
            dir: homes.join("wso2dss-3.2.0"),
            offset: new_offset,
        };
        let site = HomeSpec {
            database: Some(database),
            offset: old.offset,
            tenants: vec![1, 2, 3, 4, 5],
            ..stock(spec.old())
        };
        make_home(&old.dir, &site)?;
        if spec.new_homes == NewHomes::Unpacked {
            make_home(
                &new.dir,
                &HomeSpec {
                    offset: new.offset,
                    ..stock(NEW)
                },
            )?;
        }
        let stocks = self.root.join("stock").join(name);
        make_home(&stocks.join("old"), &stock(spec.old()))?;
        let unpacked = spec.new_homes == NewHomes::Distribution;
        let offset = if unpacked { 0 } else { new.offset };
        make_home(&stocks.join("new"), &HomeSpec { offset, ..stock(NEW) })?;
        old.wart("write_interval_ms = 100")?;
        old.start(&self.java_home, Some(std::process::id()))?;
        let setup = AgentSetup {
            name,
            dir: self.root.join("hosts").join(name),
            homes: &homes,
            java_home: &self.java_home,
            coordinator: &self.coordinator.address,
            owner: std::process::id(),
            labels: &["cluster=dss-prod".to_owned(), format!("offset={new_offset}")],
            stock: stocks.join("new"),
            old_stock: stocks.join("old"),
            unpacked,
        };
        AgentHost::start(&setup, binaries, &self.cli, (old, new))
    }

    /// The temporary folder.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The folder of the upgrade file.
    #[must_use]
    pub fn desk(&self) -> PathBuf {
        self.root.join("desk")
    }

    /// Waits until every node is connected and has reported its homes.
    ///
    /// # Errors
    /// When one does not.
    pub fn wait_connected(&mut self) -> Result<()> {
        let count = self.hosts.len();
        let mut seen = String::new();
        wait("every node", Duration::from_secs(60), || {
            if self.tend().is_err() {
                return false;
            }
            let Ok(outcome) = self.cli.run(&["--json", "node", "list"]) else {
                return false;
            };
            let nodes: Vec<NodeView> = serde_json::from_str(&outcome.out).unwrap_or_default();
            seen = outcome.text();
            nodes
                .iter()
                .filter(|node| node.connected && !node.homes.is_empty())
                .count()
                == count
        })
        .with_context(|| format!("cutover node list says: {seen}"))
    }

    /// Writes the upgrade file.
    ///
    /// # Errors
    /// When it can't be written.
    pub fn write_upgrade(&self) -> Result<String> {
        let path = self.desk().join("dss.toml");
        std::fs::write(&path, self.upgrade.text()?)?;
        Ok(path.display().to_string())
    }

    /// Writes the upgrade file, and plans it into `dss.plan`.
    ///
    /// # Errors
    /// When the command can't be run.
    pub fn plan(&self) -> Result<Outcome> {
        let file = self.write_upgrade()?;
        self.cli.run(&["plan", &file, "--out", &self.plan_file()])
    }

    /// The plan's file.
    #[must_use]
    pub fn plan_file(&self) -> String {
        self.desk().join("dss.plan").display().to_string()
    }

    /// Plans and starts the run; its id.
    ///
    /// # Errors
    /// When there is no plan, or it is refused.
    pub fn apply(&mut self) -> Result<String> {
        self.plan()?.expect(0)?;
        self.apply_planned()
    }

    /// Starts the run of the plan that was made before; its id.
    ///
    /// # Errors
    /// When it is refused.
    pub fn apply_planned(&mut self) -> Result<String> {
        let plan = self.plan_file();
        let outcome = self.cli.run(&["--json", "apply", &plan, "--yes"])?;
        if outcome.code == 0 {
            let started: serde_json::Value = serde_json::from_str(&outcome.out)?;
            let run = started.get("started").and_then(serde_json::Value::as_str);
            return Ok(run
                .with_context(|| format!("no run in {}", outcome.out))?
                .to_owned());
        }
        // The coordinator may have died with the answer: then the run is there, or the command is given again.
        ensure!(self.died(), "{}", outcome.text());
        self.wait_connected()?;
        match self.cli.view("dss-prod") {
            Ok(view) => Ok(view.id.to_string()),
            Err(_) => self.apply_planned(),
        }
    }

    /// Gives an order to a run and waits for what becomes of it. A coordinator that dies with the answer gets the
    /// order again, if the run is still where it was.
    fn order(&mut self, run: &str, order: &[&str], limit: Duration) -> Result<RunView> {
        let version = |view: &RunView| (view.state, view.waiting.clone());
        let before = self.cli.view(run).as_ref().map(version).ok();
        let outcome = self.cli.run(order)?;
        let refused = outcome.code != 0;
        ensure!(!refused || self.died(), "{}", outcome.text());
        let view = self.settle(run, limit)?;
        if refused && before.is_none_or(|before| before == version(&view)) {
            return self.order(run, order, limit);
        }
        Ok(view)
    }

    /// Whether a service died in this moment; it is started again.
    fn died(&mut self) -> bool {
        let died = || self.tend().is_ok_and(|started| started > 0);
        wait("the end of a service", Duration::from_secs(5), died).is_ok()
    }

    /// Waits until nothing more happens by itself, starting every service again that died.
    ///
    /// # Errors
    /// When it takes longer than `limit`.
    pub fn settle(&mut self, run: &str, limit: Duration) -> Result<RunView> {
        self.settle_when(run, limit, |view| finished(view.state))
    }

    /// [`Fleet::settle`] with another end.
    ///
    /// # Errors
    /// When it takes longer than `limit`.
    pub fn settle_when(
        &mut self,
        run: &str,
        limit: Duration,
        end: impl Fn(&RunView) -> bool,
    ) -> Result<RunView> {
        let deadline = Instant::now() + limit;
        let mut last = None;
        loop {
            self.tend()?;
            if let Ok(view) = self.cli.view(run) {
                if end(&view) {
                    return Ok(view);
                }
                last = Some(view);
            }
            if Instant::now() >= deadline {
                let open = last.map(|view| summary(&view)).unwrap_or_default();
                bail!(
                    "run {run} did not settle within {limit:?}; {open}\n{}",
                    self.logs()
                );
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Starts every service again that died; how many.
    ///
    /// # Errors
    /// When one can't be started.
    pub fn tend(&mut self) -> Result<usize> {
        let mut started = usize::from(self.coordinator.service.start_again()?);
        for host in &mut self.hosts {
            started += usize::from(host.service.start_again()?);
        }
        Ok(started)
    }

    /// Waits for the approval that every upgrade needs, gives it, and waits for the end.
    ///
    /// # Errors
    /// When the run does not end as done.
    pub fn finish(&mut self, run: &str, limit: Duration) -> Result<RunView> {
        let view = self.settle(run, limit)?;
        ensure!(
            view.state == RunStateView::WaitingForApproval,
            "{}\n{}",
            summary(&view),
            self.logs()
        );
        self.approve(run, limit)
    }

    /// Approves what the run waits for, and waits for its end.
    ///
    /// # Errors
    /// When the run does not end as done.
    pub fn approve(&mut self, run: &str, limit: Duration) -> Result<RunView> {
        let view = self.order(run, &["approve", run, "--reason", "CHG-4711"], limit)?;
        ensure!(
            view.state == RunStateView::Done,
            "{}\n{}",
            summary(&view),
            self.logs()
        );
        Ok(view)
    }

    /// Takes the run back, and waits until everything is where it was.
    ///
    /// # Errors
    /// When the run does not end as aborted.
    pub fn abort(&mut self, run: &str, limit: Duration) -> Result<RunView> {
        let view = self.order(
            run,
            &["abort", run, "--yes", "--reason", "the test says so"],
            limit,
        )?;
        ensure!(
            view.state == RunStateView::Aborted,
            "{}\n{}",
            summary(&view),
            self.logs()
        );
        Ok(view)
    }

    /// The ends of all logs, for a test that fails.
    #[must_use]
    pub fn logs(&self) -> String {
        let mut text = format!("coordinator:\n{}", troubles(&self.coordinator.service.log()));
        for host in &self.hosts {
            text.push_str(&format!("\n{}:\n{}", host.name, troubles(&host.service.log())));
            text.push_str(&format!(
                "\n{} new server:\n{}",
                host.name,
                tail(&host.new.log(), 3)
            ));
        }
        text
    }
}

/// What a run waits for, in a few lines.
#[must_use]
pub(super) fn summary(view: &RunView) -> String {
    let mut text = format!("run {} is {:?}", view.name, view.state);
    if let Some(waiting) = &view.waiting {
        text.push_str(&format!(": {}", waiting.reason));
    }
    for step in view.phases.iter().flat_map(|phase| &phase.steps) {
        if let Some(error) = &step.error {
            text.push_str(&format!(
                "\n  {} ({}): {error}; next: {}",
                step.id, error.code, error.next
            ));
        }
        if step.state == cutover_proto::view::StepStateView::Running {
            text.push_str(&format!("\n  {} is running", step.id));
        }
    }
    text
}

/// The lines of a log that are no everyday ones, and its last ones.
fn troubles(log: &str) -> String {
    let unusual: Vec<&str> = log.lines().filter(|line| !line.contains(" INFO ")).collect();
    format!("{}\n… {}", tail(&unusual.join("\n"), 12), tail(log, 2))
}

fn tail(text: &str, count: usize) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines
        .get(lines.len().saturating_sub(count)..)
        .unwrap_or_default()
        .join("\n")
}

/// The desk: the migration script and, when asked for, the distribution.
fn files(spec: &FleetSpec, root: &Path, binaries: &Binaries, upgrade: &mut UpgradeFile) -> Result<()> {
    let desk = root.join("desk");
    std::fs::create_dir_all(&desk)?;
    if let Some(script) = &spec.script {
        std::fs::copy(script, desk.join("migration.sql"))
            .with_context(|| format!("copy {}", script.display()))?;
        upgrade.scripts = vec!["migration.sql".into()];
    } else if spec.engine == EngineKind::MariaDb && !spec.migrated {
        std::fs::write(desk.join("migration.sql"), fixtures::MIGRATION_MYSQL)?;
        upgrade.scripts = vec!["migration.sql".into()];
    }
    if spec.corpus.is_some() {
        // Real stock files of two versions differ in many values: only the old archive tells which are the site's.
        let archive = desk.join("wso2dss-3.0.1.zip");
        let stock = HomeSpec {
            corpus: spec.corpus.clone(),
            ..HomeSpec::stock(PRODUCT, OLD.0, OLD.1, &binaries.standin())
        };
        carbon_standin::distribution::make_distribution(&archive, &stock)?;
        upgrade.old_distribution = Some(("wso2dss-3.0.1.zip".to_owned(), file_hash(&archive)?));
    }
    if spec.new_homes == NewHomes::Distribution {
        let archive = desk.join("wso2dss-3.2.0.zip");
        let stock = HomeSpec {
            corpus: spec.corpus.clone(),
            ..HomeSpec::stock(PRODUCT, NEW.0, NEW.1, &binaries.standin())
        };
        carbon_standin::distribution::make_distribution(&archive, &stock)?;
        upgrade.distribution = Some(("wso2dss-3.2.0.zip".to_owned(), file_hash(&archive)?));
        upgrade.more.push_str(
            "\n[[config]]\nfile = \"repository/conf/carbon.xml\"\nset  = { \"/Server/Ports/Offset\" = \"{label.offset}\" }\n",
        );
    }
    Ok(())
}

/// What the start script takes for Java: it only looks whether the folder is there.
fn java(root: &Path) -> Result<PathBuf> {
    let home = root.join("java");
    std::fs::create_dir_all(home.join("bin"))?;
    let program = home.join("bin/java");
    std::fs::write(&program, "#!/bin/sh\nexit 0\n")?;
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755))?;
    Ok(home)
}
