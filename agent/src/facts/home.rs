//! The facts of one home.

use std::io;
use std::path::Path;

use cutover_files::Root;
use cutover_proto::facts::{HoldFacts, HomeFacts, ServerProcess};
use walkdir::WalkDir;

use super::{Scene, conf, layout, managers, registry, rss, secrets, size, users, version};
use crate::service::account;
use crate::service::carbon::{self, Process};
use crate::service::inside::Inside;

/// Carbon's own ports, before the offset.
const HTTPS: u16 = 9443;
const HTTP: u16 = 9763;
const SCRIPT: &str = "bin/wso2server.sh";
const TENANTS: &str = "repository/tenants";
const LIBRARIES: &str = "repository/components/lib";
const SECRETS: &str = "repository/conf/security/secret-conf.properties";
/// More than such a file ever has.
const SECRETS_MAX: u64 = 4 << 20;

/// Ports of a home: https first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ports {
    /// `carbon.xml` `/Server/Ports/Offset`, or the running server's `-DportOffset`.
    pub offset: u16,
    /// The offset in `carbon.xml` alone.
    pub configured: u16,
    /// The https port, offset included.
    pub https: u16,
    /// The http port, offset included.
    pub http: u16,
}

/// The ports on which the server of a home listens when it is up.
#[must_use]
pub fn ports(home: &Path) -> Ports {
    match Root::open(home) {
        Ok(root) => ports_of(&root, home, &mut Vec::new()),
        Err(_) => Ports {
            offset: 0,
            configured: 0,
            https: HTTPS,
            http: HTTP,
        },
    }
}

fn ports_of(root: &Root, home: &Path, problems: &mut Vec<String>) -> Ports {
    let mut read = |file: &str| match conf::document(root, file) {
        Ok(document) => document,
        Err(problem) => {
            problems.push(problem);
            None
        }
    };
    let carbon = read("repository/conf/carbon.xml");
    let tomcat = read("repository/conf/tomcat/catalina-server.xml");
    let configured = carbon
        .and_then(|document| conf::text(&document, "/Server/Ports/Offset")?.parse().ok())
        .unwrap_or(0);
    let offset = running_offset(home).unwrap_or(configured);
    let port = |scheme: &str, default: u16| {
        let path = format!("/Server/Service/Connector[@scheme='{scheme}']/@port");
        let port = tomcat
            .as_ref()
            .and_then(|document| conf::first(document, &path)?.parse::<u16>().ok());
        port.unwrap_or(default).saturating_add(offset)
    };
    Ports {
        offset,
        configured,
        https: port("https", HTTPS),
        http: port("http", HTTP),
    }
}

/// `-DportOffset` on the command line of the running server overrides `carbon.xml`.
fn running_offset(home: &Path) -> Option<u16> {
    let server = carbon::find(home).servers.into_iter().next()?;
    let args = carbon::command_line(server.pid)?;
    let value = args.iter().find_map(|arg| arg.strip_prefix(b"-DportOffset="))?;
    std::str::from_utf8(value).ok()?.parse().ok()
}

/// Everything a home tells about itself.
pub(super) fn facts(scene: Scene<'_>, home: &Path) -> HomeFacts {
    let path = home.to_string_lossy().into_owned();
    let hold = scene
        .holds
        .and_then(|holds| holds.get(home))
        .map(|hold| HoldFacts { run: hold.run });
    let near = if home.exists() {
        home
    } else {
        home.parent().unwrap_or(home)
    };
    let mut facts = HomeFacts {
        path,
        exists: home.is_dir(),
        hold,
        free_bytes: cutover_files::space::free_bytes(near).unwrap_or(0),
        ..HomeFacts::default()
    };
    if !facts.exists {
        return facts;
    }
    facts.bytes = size(scene.sizes, home, false);
    facts.server = carbon::find(home).servers.into_iter().next().map(server);
    let config = scene.config;
    facts.restart_managers =
        managers::restart_managers(&managers::spellings(home), &config.unit_dirs, &config.cron_dirs);
    match (Root::open(home), Inside::open(home)) {
        (Ok(root), Ok(Some(inside))) => read_into(&mut facts, &root, &inside, home),
        (Err(error), _) => facts.problems.push(crate::fault::chain(&error)),
        (Ok(_), Err(error)) => facts.problems.push(error.to_string()),
        // Gone between the two looks.
        (Ok(_), Ok(None)) => facts.exists = false,
    }
    if let Err(error) = account::of_server(config, home) {
        facts.problems.push(format!("{}: {}", error.what, error.why));
    }
    facts
}

fn server(process: Process) -> ServerProcess {
    ServerProcess {
        pid: process.pid,
        started_ticks: process.started_ticks,
    }
}

fn read_into(facts: &mut HomeFacts, root: &Root, inside: &Inside, home: &Path) {
    versions(facts, root, inside);
    let ports = ports_of(root, home, &mut facts.problems);
    facts.port_offset = ports.offset;
    facts.configured_offset = Some(ports.configured);
    facts.ports = vec![ports.https, ports.http];
    facts.datasources = conf::datasources(root, &mut facts.problems);
    databases(facts, root);
    facts.other_databases = rss::databases(root, &mut facts.problems);
    let problems = &mut facts.problems;
    facts.tenants = told(TENANTS, tenants(inside), problems);
    facts.libraries = told(LIBRARIES, libraries(inside), problems);
    facts.secure_vault = told(SECRETS, secure_vault(inside), problems);
    facts.config_files = told(layout::CONF, layout::config_files(inside), problems);
    let extra = layout::extra_datasource_files(inside);
    facts.extra_datasource_files = told("repository/conf/datasources", extra, problems);
    facts.service_metadata = told("servicemetafiles", layout::service_metadata(inside), problems);
    let stores = secrets::user_stores(inside, problems);
    facts.named_databases.extend(users::secondary(root, &stores));
    facts.secrets = secrets::found(root, inside, home, &facts.config_files, &stores, problems);
    if told(SCRIPT, inside.file(SCRIPT).map(|file| file.is_none()), problems) {
        problems.push(format!("{SCRIPT} is missing: this is no complete Carbon home"));
    }
    facts.problems.sort();
    facts.problems.dedup();
}

fn versions(facts: &mut HomeFacts, root: &Root, inside: &Inside) {
    let carbon = match conf::document(root, "repository/conf/carbon.xml") {
        Ok(Some(document)) => Some(document),
        Ok(None) => {
            facts
                .problems
                .push("repository/conf/carbon.xml is missing".to_owned());
            None
        }
        Err(problem) => {
            facts.problems.push(problem);
            None
        }
    };
    let value = |path: &str| {
        carbon
            .as_ref()
            .and_then(|document| conf::text(document, path))
            .unwrap_or_default()
    };
    let mut problems = Vec::new();
    let mut named = |file| told(file, version::in_file(inside, file), &mut problems);
    let (product, kernel) = (named("bin/version.txt"), named("bin/wso2carbon-version.txt"));
    (facts.product, facts.version) =
        product.unwrap_or_else(|| (value("/Server/Name"), value("/Server/Version")));
    facts.server_key = value("/Server/ServerKey");
    facts.deployment_synchronizer =
        value("/Server/DeploymentSynchronizer/Enabled").eq_ignore_ascii_case("true");
    facts.kernel = kernel
        .map(|(_, version)| version)
        .or_else(|| version::kernel_in_jars(inside))
        .unwrap_or_default();
    facts.problems.append(&mut problems);
    if facts.version.is_empty() {
        facts
            .problems
            .push("the product's version is told neither by bin/version.txt nor by carbon.xml".to_owned());
    }
    if facts.kernel.is_empty() {
        facts.problems.push(
            "the kernel's version is told neither by bin/wso2carbon-version.txt nor by a jar".to_owned(),
        );
    }
}

fn databases(facts: &mut HomeFacts, root: &Root) {
    let (named, problems) = (&mut facts.named_databases, &mut facts.problems);
    match conf::document(root, users::USERS) {
        Ok(Some(document)) => facts.user_datasource = users::source(&document, named, problems),
        Ok(None) => problems.push(format!("{} is missing", users::USERS)),
        Err(problem) => problems.push(problem),
    }
    match conf::document(root, registry::REGISTRY) {
        Ok(Some(document)) => {
            (facts.registry_datasources, facts.registry_current) =
                registry::sources(&document, named, problems);
            facts.registry_mounts = registry::mounts(&document);
            facts.index_location = registry::index_location(&document);
        }
        Ok(None) => problems.push(format!("{} is missing", registry::REGISTRY)),
        Err(problem) => problems.push(problem),
    }
}

/// What was found in a file or folder, or nothing and why.
fn told<T: Default>(place: &str, found: io::Result<T>, problems: &mut Vec<String>) -> T {
    found.unwrap_or_else(|error| {
        problems.push(format!("{place}: {error}"));
        T::default()
    })
}

fn tenants(home: &Inside) -> io::Result<Vec<i64>> {
    let Some(folder) = home.folder(TENANTS)? else {
        return Ok(Vec::new());
    };
    let mut ids: Vec<i64> = home
        .names(TENANTS)?
        .into_iter()
        .filter(|name| folder.is_dir(name))
        .filter_map(|name| name.parse().ok())
        .collect();
    ids.sort_unstable();
    Ok(ids)
}

fn libraries(home: &Inside) -> io::Result<Vec<String>> {
    let all = home.names(LIBRARIES)?;
    Ok(all.into_iter().filter(|name| name.ends_with(".jar")).collect())
}

/// Secure Vault is set up when any line of its properties is not a comment.
fn secure_vault(home: &Inside) -> io::Result<bool> {
    let bytes = home.read(SECRETS, SECRETS_MAX)?.unwrap_or_default();
    Ok(String::from_utf8_lossy(&bytes)
        .lines()
        .map(str::trim)
        .any(|line| !line.is_empty() && !line.starts_with(['#', '!']) && line.contains('=')))
}

/// Bytes in the files of a home, links not followed.
pub(super) fn bytes(home: &Path) -> u64 {
    let entries = WalkDir::new(home).same_file_system(true).into_iter().flatten();
    entries
        .filter(|entry| entry.file_type().is_file())
        .filter_map(|entry| entry.metadata().ok())
        .map(|meta| meta.len())
        .sum()
}

#[cfg(test)]
mod tests;
