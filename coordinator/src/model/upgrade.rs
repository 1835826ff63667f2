//! The upgrade file: which guide, which nodes, which homes, databases, scripts and limits (design.md section 5).

mod copying;
mod database;
mod decide;
pub mod downtime;
pub mod overrides;
mod plain;

use std::collections::{BTreeMap, BTreeSet};

use cutover_proto::ids::{NodeName, Sha256Hex};
use cutover_proto::step::AdminAccess;
use cutover_proto::view::Finding;
use toml::de::DeTable;

pub use self::database::UpgradeDatabase;
use self::database::secret;
pub use self::decide::{Decision, Scope, Take};

use super::reader::{Findings, Section};
use super::selector::Selector;

/// An upgrade file, read and valid in itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upgrade {
    /// Its name.
    pub name: String,
    /// The guide.
    pub guide: String,
    /// Whether production is copied first and never changed, whatever the guide's order.
    pub copy_first: bool,
    /// Which nodes.
    pub nodes: Selector,
    /// How many they must be.
    pub expect: u32,
    /// The one started first.
    pub manager: Option<NodeName>,
    /// The old home.
    pub old_home: String,
    /// The new home.
    pub new_home: String,
    /// The archive to unpack; without it the new home is there already.
    pub distribution: Option<Distribution>,
    /// The archive that the old homes were unpacked from: what the site changed in them is told by it.
    pub old_distribution: Option<Distribution>,
    /// The databases.
    pub databases: Vec<UpgradeDatabase>,
    /// Whether tenants' directories are copied; by default when there are any.
    pub copy_tenants: Option<bool>,
    /// Files to carry, instead of the guide's.
    pub carry: Option<Vec<String>>,
    /// Patterns of files that are taken from the old home although the new version ships them.
    pub overwrite: Vec<String>,
    /// Data sources on a node's own embedded database, which stays behind.
    pub leave: Vec<String>,
    /// Secondary user stores that are copied with the database that they name, which is not part of the upgrade.
    pub user_stores: Vec<String>,
    /// Tenants that never had a directory.
    pub without_directory: BTreeSet<i64>,
    /// Values of the site.
    pub configs: Vec<SiteConfig>,
    /// Answers to what the comparison of configurations leaves open.
    pub decisions: Vec<Decision>,
    /// Steps at work at the same time.
    pub parallel: u32,
    /// Node failures tolerated before a phase holds.
    pub failures: u32,
    /// How long a server may take to stop, in seconds.
    pub stop_grace_secs: u32,
    /// Whether a server that does not stop is killed.
    pub stop_kill: bool,
    /// How long a server may take to start, in seconds.
    pub start_timeout_secs: u32,
    /// Account for the admin services.
    pub admin: Option<AdminAccess>,
    /// When it may run.
    pub window: Option<Window>,
    /// How long the servers may be down, and how the data gets to staging.
    pub downtime: downtime::Downtime,
    /// Statements that are not run as they stand.
    pub overrides: Vec<overrides::SiteOverride>,
}

/// A distribution archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Distribution {
    /// File name, relative to the upgrade file.
    pub file: String,
    /// What its SHA-256 must be.
    pub sha256: Sha256Hex,
}

/// Values that a site wants in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SiteConfig {
    /// Path under the new home.
    pub file: String,
    /// Element path to value.
    pub set: BTreeMap<String, String>,
}

/// A maintenance window.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Window {
    /// `Sat 01:00 Europe/Berlin`.
    pub open: String,
    /// `4h`.
    pub length: String,
}

impl Upgrade {
    /// Reads an upgrade file.
    ///
    /// # Errors
    /// Every problem in it, each with file, line and remedy.
    pub fn parse(file: &str, text: &str) -> Result<Self, Vec<Finding>> {
        let mut findings = Findings::new(file, text);
        let (root, errors) = DeTable::parse_recoverable(text);
        for error in errors {
            let span = error.span().unwrap_or(0..0);
            findings.error(&span, "not-toml", error.message(), "correct the TOML syntax");
        }
        if !findings.is_empty() {
            return Err(findings.into_list());
        }
        let mut top = Section::new("", 0..0, root.get_ref());
        let upgrade = read(&mut top, &mut findings);
        top.finish(&mut findings);
        if findings.is_empty() {
            Ok(upgrade)
        } else {
            Err(findings.into_list())
        }
    }
}

fn read(top: &mut Section<'_>, findings: &mut Findings<'_>) -> Upgrade {
    let order_span = top.span_of("order");
    let order = top.text(findings, "order").unwrap_or_else(|| "guide".into());
    if order != "guide" && order != "copy-first" {
        let text = format!("`order` is `{order}`");
        findings.error(
            &order_span,
            "bad-value",
            text,
            "write \"guide\" or \"copy-first\"",
        );
    }
    let mut nodes = top.section(findings, "nodes");
    let mut home = top.section(findings, "home");
    let mut copy = top.section(findings, "copy");
    let mut limits = top.section(findings, "limits");
    let mut stop = top.section(findings, "stop");
    let mut start = top.section(findings, "start");
    let upgrade = Upgrade {
        name: name(top, findings),
        guide: top.required(
            findings,
            "guide",
            "\"dss-3.2.0\" (`cutover guide list` shows them)",
        ),
        copy_first: order == "copy-first",
        expect: expect(&mut nodes, findings),
        manager: nodes.node(findings, "manager"),
        nodes: select(&mut nodes, findings),
        old_home: absolute(&mut home, findings, "old", "\"/opt/wso2dss-3.0.1\""),
        new_home: absolute(&mut home, findings, "new", "\"/opt/wso2dss-3.2.0\""),
        distribution: distribution(&mut home, findings, "distribution"),
        old_distribution: distribution(&mut home, findings, "old_distribution"),
        databases: database::databases(top, findings),
        copy_tenants: copy.flag(findings, "tenants"),
        carry: copy.texts(findings, "carry"),
        overwrite: copying::overwrite(&mut copy, findings),
        leave: copy.texts(findings, "leave").unwrap_or_default(),
        user_stores: copy.texts(findings, "user_stores").unwrap_or_default(),
        without_directory: copying::without_directory(&mut copy, findings),
        configs: configs(top, findings),
        decisions: decide::decisions(top, findings),
        parallel: limits.number(findings, "parallel").unwrap_or(10).max(1),
        failures: limits.number(findings, "failures").unwrap_or(0),
        stop_grace_secs: stop.number(findings, "grace_secs").unwrap_or(180),
        stop_kill: stop.flag(findings, "kill").unwrap_or(false),
        start_timeout_secs: start.number(findings, "timeout_secs").unwrap_or(600),
        admin: admin(top, findings),
        window: window(top, findings),
        downtime: downtime::read(top, findings),
        overrides: overrides::read(top, findings),
    };
    if !upgrade.old_home.is_empty() && upgrade.old_home == upgrade.new_home {
        let text = "the old and the new home are the same directory";
        findings.error(
            &home.span_of("new"),
            "same-home",
            text,
            "name the directory of the new version",
        );
    }
    for section in [nodes, home, copy, limits, stop, start] {
        section.finish(findings);
    }
    upgrade
}

fn name(top: &mut Section<'_>, findings: &mut Findings<'_>) -> String {
    let span = top.span_of("name");
    let name = top.required(findings, "name", "\"dss-prod\"");
    if !name.is_empty() && name.parse::<NodeName>().is_err() {
        let text = format!("`name` is `{name}`");
        findings.error(
            &span,
            "bad-value",
            text,
            "use letters, digits, `-`, `_` and `.` only",
        );
    }
    name
}

fn expect(nodes: &mut Section<'_>, findings: &mut Findings<'_>) -> u32 {
    if !nodes.has("expect") {
        let text =
            "`nodes.expect` is missing: a plan for another number of nodes than you think is refused by it";
        findings.error(
            &nodes.span(),
            "missing-key",
            text,
            "add it, for example expect = 3",
        );
    }
    nodes.number(findings, "expect").unwrap_or(0)
}

fn select(nodes: &mut Section<'_>, findings: &mut Findings<'_>) -> Selector {
    if !nodes.has("select") {
        let text = "`nodes.select` is missing: it says which nodes are upgraded";
        findings.error(
            &nodes.span(),
            "missing-key",
            text,
            "add it, for example select = { cluster = \"dss-prod\" }",
        );
    }
    Selector(nodes.text_table(findings, "select"))
}

fn absolute(home: &mut Section<'_>, findings: &mut Findings<'_>, key: &str, example: &str) -> String {
    let span = home.span_of(key);
    let path = home.required(findings, key, example);
    if !path.is_empty() && (!path.starts_with('/') || path.split('/').any(|part| part == "..")) {
        let text = format!("`home.{key}` is `{path}`");
        findings.error(&span, "bad-value", text, "write an absolute path without `..`");
    }
    path.trim_end_matches('/').to_owned()
}

fn distribution(home: &mut Section<'_>, findings: &mut Findings<'_>, key: &str) -> Option<Distribution> {
    if !home.has(key) {
        // Asked for all the same, so that the key is known.
        home.section(findings, key);
        return None;
    }
    let mut section = home.section(findings, key);
    let file = section.required(findings, "file", "\"wso2dss-3.2.0.zip\"");
    let sha256 = sha256(&mut section, findings);
    section.finish(findings);
    Some(Distribution {
        file,
        sha256: sha256?,
    })
}

fn sha256(section: &mut Section<'_>, findings: &mut Findings<'_>) -> Option<Sha256Hex> {
    let span = section.span_of("sha256");
    let text = section.required(findings, "sha256", "\"…\" (`sha256sum FILE` prints it)");
    if text.is_empty() {
        return None;
    }
    text.parse()
        .map_err(|error| {
            findings.error(
                &span,
                "bad-value",
                format!("{error}"),
                "take it from WSO2's page or `sha256sum FILE`",
            )
        })
        .ok()
}

fn configs(top: &mut Section<'_>, findings: &mut Findings<'_>) -> Vec<SiteConfig> {
    let mut list = Vec::new();
    for mut section in top.sections(findings, "config") {
        let span = section.span_of("file");
        let file = section.required(findings, "file", "\"repository/conf/carbon.xml\"");
        let file = normal(&file);
        if file.starts_with('/') || file.split('/').any(|part| part == "..") {
            let text = format!("`config.file` is `{file}`");
            findings.error(
                &span,
                "bad-value",
                text,
                "write a path under the home, without `..`",
            );
        }
        let set = section.text_table(findings, "set");
        plain::secrets(&section, findings, &set);
        for path in set.keys() {
            if let Err(error) = path.parse::<cutover_xmledit::Path>() {
                let span = section.span_of("set");
                findings.error(
                    &span,
                    "bad-path",
                    format!("`{path}`: {error}"),
                    "write it as /Server/HostName or /a/b[@name='x']/@attribute",
                );
            }
        }
        section.finish(findings);
        list.push(SiteConfig { file, set });
    }
    list
}

/// One way to write a path: no empty parts and no `.`.
fn normal(path: &str) -> String {
    let parts: Vec<&str> = path
        .split('/')
        .filter(|part| !part.is_empty() && *part != ".")
        .collect();
    format!(
        "{}{}",
        if path.starts_with('/') { "/" } else { "" },
        parts.join("/")
    )
}

fn admin(top: &mut Section<'_>, findings: &mut Findings<'_>) -> Option<AdminAccess> {
    let present = top.has("admin");
    let mut table = top.section(findings, "admin");
    if !present {
        return None;
    }
    let access = AdminAccess {
        user: table.required(findings, "user", "\"admin\""),
        password: secret(&mut table, findings, "password"),
    };
    table.finish(findings);
    Some(access)
}

fn window(top: &mut Section<'_>, findings: &mut Findings<'_>) -> Option<Window> {
    let present = top.has("window");
    let mut table = top.section(findings, "window");
    if !present {
        return None;
    }
    let open_span = table.span_of("open");
    let length_span = table.span_of("length");
    let window = Window {
        open: table.required(findings, "open", "\"Sat 01:00 Europe/Berlin\""),
        length: table.required(findings, "length", "\"4h\""),
    };
    if !window.open.is_empty()
        && let Err(why) = crate::planner::window::parse_open(&window.open)
    {
        findings.error(
            &open_span,
            "bad-window",
            why,
            "write DAY HH:MM ZONE, for example \"Sat 01:00 Europe/Berlin\"",
        );
    }
    if !window.length.is_empty() && window.length.parse::<jiff::Span>().is_err() {
        findings.error(
            &length_span,
            "bad-window",
            "`window.length` is not a length of time",
            "write for example \"4h\"",
        );
    }
    table.finish(findings);
    Some(window)
}

#[cfg(test)]
mod tests;
