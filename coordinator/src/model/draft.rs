//! `cutover init`: an upgrade file filled from the inventory. What only a person can know is marked `FILL IN`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use cutover_database::Engine;
use cutover_proto::facts::{DatasourceFacts, HomeFacts};
use cutover_proto::view::{Finding, Severity};

use super::jdbc;
use super::selector::Selector;
use crate::guide::{Guide, version_fits};
use crate::planner::{PlanNode, error, finding};

/// The file, and what could not be found out.
#[must_use]
pub fn draft(guide: &Guide, selector: &Selector, nodes: &[PlanNode]) -> (String, Vec<Finding>) {
    let mut findings = Vec::new();
    for node in nodes.iter().filter(|node| node.facts.is_none()) {
        findings.push(error(
            "no-facts",
            &node.name,
            "its agent reported nothing yet",
            "start cutover-agent there",
        ));
    }
    let old = common(guide, nodes, &guide.from);
    let new = common(guide, nodes, &guide.to);
    if old.is_none() {
        findings.push(finding(
            Severity::Warning,
            "no-home",
            selector,
            format!("no node reports a home of {} {}", guide.product, guide.from),
            "fill in home.old",
        ));
    }
    let old_path = path_on_all(guide, nodes, &guide.from);
    let new_path = path_on_all(guide, nodes, &guide.to);
    let manager = nodes
        .iter()
        .map(|node| node.name.as_str())
        .min()
        .unwrap_or_default();
    let mut text = String::new();
    let mut line = |content: std::fmt::Arguments<'_>| {
        // Writing to a text can't fail.
        writeln!(text, "{content}").ok();
    };
    let name: String = selector
        .to_string()
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '-' })
        .collect();
    line(format_args!("name  = \"{name}\""));
    line(format_args!("guide = \"{}\"", guide.name));
    line(format_args!(
        "order = \"guide\"                  # or \"copy-first\": production is never changed"
    ));
    line(format_args!(""));
    line(format_args!("[nodes]"));
    let pairs: Vec<String> = selector
        .0
        .iter()
        .map(|(key, value)| format!("{key} = \"{value}\""))
        .collect();
    line(format_args!("select  = {{ {} }}", pairs.join(", ")));
    line(format_args!("expect  = {}", nodes.len()));
    line(format_args!(
        "manager = \"{manager}\"                # started first"
    ));
    line(format_args!(""));
    line(format_args!("[home]"));
    line(format_args!("old = \"{old_path}\""));
    line(format_args!("new = \"{new_path}\""));
    if new.is_none() {
        line(format_args!(
            "distribution = {{ file = \"FILL IN\", sha256 = \"FILL IN\" }}"
        ));
    }
    for (source, uses) in sources(old) {
        line(format_args!(""));
        database(&mut line, source, &uses, &mut findings);
    }
    line(format_args!(""));
    line(format_args!("[limits]"));
    line(format_args!("parallel = 10"));
    line(format_args!("failures = 0"));
    (text, findings)
}

/// A home of the guide's product in a range of versions, as the first node that has one reports it.
fn common<'a>(guide: &Guide, nodes: &'a [PlanNode], range: &str) -> Option<&'a HomeFacts> {
    nodes
        .iter()
        .filter_map(|node| node.facts.as_ref())
        .flat_map(|facts| &facts.homes)
        .find(|home| home.exists && home.product == guide.product && version_fits(range, &home.version))
}

/// The path of that home on every node, with `{node}` where the node's name stands in it; `FILL IN` when there is no
/// one way to write it.
fn path_on_all(guide: &Guide, nodes: &[PlanNode], range: &str) -> String {
    let of = |node: &PlanNode| common(guide, std::slice::from_ref(node), range).map(|home| home.path.clone());
    let plain: BTreeSet<Option<String>> = nodes.iter().map(of).collect();
    let named: BTreeSet<Option<String>> = nodes
        .iter()
        .map(|node| of(node).map(|path| path.replace(node.name.as_str(), "{node}")))
        .collect();
    let single = |paths: &BTreeSet<Option<String>>| match paths.first() {
        Some(Some(path)) if paths.len() == 1 => Some(path.clone()),
        Some(_) | None => None,
    };
    single(&plain)
        .or_else(|| single(&named))
        .unwrap_or_else(|| "FILL IN".to_owned())
}

/// The data sources that hold users or the registry, with what they are used for.
fn sources(old: Option<&HomeFacts>) -> Vec<(&DatasourceFacts, Vec<String>)> {
    let Some(home) = old else { return Vec::new() };
    let mut uses: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    if let Some(jndi) = &home.user_datasource {
        uses.entry(jndi).or_default().insert("users".into());
    }
    for (name, jndi) in &home.registry_datasources {
        uses.entry(jndi).or_default().insert(format!("registry {name}"));
    }
    home.datasources
        .iter()
        .filter_map(|source| {
            let uses = uses.get(source.jndi.as_str())?;
            Some((source, uses.iter().cloned().collect()))
        })
        .collect()
}

fn database(
    line: &mut impl FnMut(std::fmt::Arguments<'_>),
    source: &DatasourceFacts,
    uses: &[String],
    findings: &mut Vec<Finding>,
) {
    let url = match jdbc::parse(&source.url) {
        Some((engine, host, port, database)) => {
            let scheme = if engine == Engine::MySql {
                "mysql"
            } else {
                "postgres"
            };
            format!("{scheme}://{}@{host}:{port}/{database}", source.user)
        }
        None => {
            findings.push(error(
                "engine-unsupported",
                &source.name,
                format!("its URL is {}", source.url),
                "Cutover works on MySQL, MariaDB and PostgreSQL",
            ));
            "FILL IN".to_owned()
        }
    };
    line(format_args!(
        "[[database]]                        # {}",
        uses.join(", ")
    ));
    line(format_args!(
        "name       = \"{}\"",
        source.name.to_lowercase().replace('_', "-")
    ));
    line(format_args!("datasource = \"{}\"", source.name));
    line(format_args!(
        "# The account needs to see every session, and to create a scratch database for the restore drill."
    ));
    line(format_args!(
        "production = {{ url = \"{url}\", password = \"file:FILL IN\" }}"
    ));
    line(format_args!(
        "staging    = {{ url = \"{url}_FILL_IN\", password = \"file:FILL IN\" }}"
    ));
    line(format_args!(
        "# The account that the servers use on staging, when it is not the one above:"
    ));
    line(format_args!(
        "# application = {{ user = \"{}\", password = \"file:FILL IN\" }}",
        source.user
    ));
    line(format_args!(
        "# scripts  = [\"migration.sql\"]      # when production is before Carbon 4.2.0"
    ));
}

#[cfg(test)]
mod tests {
    use cutover_proto::facts::NodeFacts;

    use super::*;

    fn node(name: &str, path: &str) -> PlanNode {
        let home = HomeFacts {
            path: path.to_owned(),
            exists: true,
            product: "WSO2 Data Services Server".into(),
            version: "3.0.1".into(),
            user_datasource: Some("jdbc/WSO2CarbonDB".into()),
            datasources: vec![DatasourceFacts {
                file: String::new(),
                name: "WSO2_CARBON_DB".into(),
                jndi: "jdbc/WSO2CarbonDB".into(),
                url: "jdbc:mysql://db1:3306/CARBON".into(),
                user: "dss".into(),
                driver: String::new(),
                password_alias: None,
            }],
            ..HomeFacts::default()
        };
        PlanNode {
            name: name.parse().unwrap(),
            labels: BTreeMap::new(),
            connected: true,
            facts: Some(NodeFacts {
                node: name.parse().unwrap(),
                agent_version: String::new(),
                hostname: String::new(),
                addresses: vec![],
                java_home: None,
                backup_free_bytes: 0,
                homes: vec![home],
            }),
        }
    }

    fn draft_of(nodes: &[PlanNode]) -> String {
        let guide = Guide::shipped().unwrap().remove(0);
        draft(&guide, &Selector::parse("cluster=dss").unwrap(), nodes).0
    }

    #[test]
    fn homes_when_called_after_their_nodes_then_written_once_for_all() {
        let text = draft_of(&[node("n1", "/opt/n1/dss"), node("n2", "/opt/n2/dss")]);
        assert!(text.contains("old = \"/opt/{node}/dss\""), "{text}");
        assert!(draft_of(&[node("n1", "/opt/dss"), node("n2", "/opt/dss")]).contains("old = \"/opt/dss\""));
        assert!(draft_of(&[node("n1", "/a"), node("n2", "/b")]).contains("old = \"FILL IN\""));
    }

    #[test]
    fn draft_when_filled_in_then_it_is_a_valid_upgrade_file() {
        let text = draft_of(&[node("n1", "/opt/dss")])
            .replace("\"file:FILL IN\"", "\"file:/pw\"")
            .replace("new = \"FILL IN\"", "new = \"/opt/new\"")
            .replace(
                "sha256 = \"FILL IN\"",
                &format!("sha256 = \"{}\"", "a".repeat(64)),
            );
        let upgrade = crate::model::upgrade::Upgrade::parse("x", &text).unwrap();
        assert_eq!(upgrade.databases[0].production.url, "mysql://dss@db1:3306/CARBON");
    }
}
