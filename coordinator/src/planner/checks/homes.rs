//! Old and new homes: there, of the right product and version, the same on every node.

use std::collections::BTreeSet;

use cutover_proto::facts::HomeFacts;
use cutover_proto::view::{Finding, Severity};

use crate::guide::ANY_PRODUCT;
use crate::planner::{Inputs, PlanNode, error, finding};

fn home_problem(home: Option<&HomeFacts>, node: &PlanNode, path: &str) -> Option<Finding> {
    if home.is_some_and(|home| home.exists) {
        return None;
    }
    Some(error(
        "home-missing",
        &node.name,
        format!("there is no home {path}, or the agent's policy does not name it"),
        "correct [home] in the upgrade file, or `homes` in the agent's policy on that host",
    ))
}

/// Findings about the old home of a node.
pub(super) fn old(inputs: &Inputs<'_>, node: &PlanNode) -> Vec<Finding> {
    let path = &inputs.old_home(&node.name);
    let home = node.home(path);
    if let Some(problem) = home_problem(home, node, path) {
        return vec![problem];
    }
    let Some(home) = home else { return Vec::new() };
    let guide = inputs.guide;
    let mut findings: Vec<Finding> = product(inputs, node, home).into_iter().collect();
    if !guide.upgrades(&home.version, &home.kernel) {
        let found = format!(
            "{path} holds version `{}` on kernel `{}`",
            home.version, home.kernel
        );
        findings.push(if guide.is_behind(&home.version, &home.kernel) {
            error(
                "already-upgraded",
                &node.name,
                format!("{found}: that is what guide {} upgrades to", guide.name),
                "take the node out of the selection, or correct home.old",
            )
        } else {
            error(
                "wrong-version",
                &node.name,
                format!(
                    "{found}; guide {} upgrades from {}",
                    guide.name,
                    guide.from_words()
                ),
                "choose the guide for that version (`cutover guide list`)",
            )
        });
    }
    if let Some(hold) = &home.hold {
        findings.push(error(
            "held",
            &node.name,
            format!("{path} is held down by run {}", hold.run),
            format!(
                "finish or abort that run (cutover status {}); if it has ended: cutover do release --on name={} --home {path}",
                hold.run, node.name
            ),
        ));
    }
    findings.extend(offset(inputs, node, home));
    findings
}

/// A port offset on the command line stays with the old server.
fn offset(inputs: &Inputs<'_>, node: &PlanNode, home: &HomeFacts) -> Option<Finding> {
    const FILE: &str = "repository/conf/carbon.xml";
    const PLACE: &str = "/Server/Ports/Offset";
    let configured = home
        .configured_offset
        .filter(|offset| *offset != home.port_offset)?;
    let mut configs = inputs.upgrade.configs.iter();
    let is_set = configs
        .any(|config| config.file == FILE && config.set.iter().any(|(path, _)| path.as_str() == PLACE));
    (!is_set).then(|| {
        let started = home.port_offset;
        finding(
            Severity::Warning,
            "port-offset",
            &node.name,
            format!(
                "the server of {} was started with -DportOffset={started}, and its carbon.xml says {configured}: the \
                 new server will listen where the file says",
                home.path
            ),
            format!("to keep the ports write [[config]] file = \"{FILE}\" with set = {{ \"{PLACE}\" = \"{started}\" }}"),
        )
    })
}

fn product(inputs: &Inputs<'_>, node: &PlanNode, home: &HomeFacts) -> Option<Finding> {
    if home.product.is_empty() {
        return Some(error(
            "wrong-product",
            &node.name,
            format!(
                "{} does not say which product it holds (bin/version.txt)",
                home.path
            ),
            "correct [home]: it must be a complete Carbon home",
        ));
    }
    (!inputs.guide.is_for(&home.product)).then(|| {
        error(
            "wrong-product",
            &node.name,
            format!(
                "{} holds `{}`; guide {} is for {}",
                home.path, home.product, inputs.guide.name, inputs.guide.product
            ),
            "choose the guide for that product (`cutover guide list`), or correct [home]",
        )
    })
}

/// Findings about the new home of a node.
pub(super) fn new(inputs: &Inputs<'_>, node: &PlanNode) -> Vec<Finding> {
    let path = &inputs.new_home(&node.name);
    let home = node.home(path);
    let exists = home.is_some_and(|home| home.exists);
    if inputs.upgrade.distribution.is_some() {
        if !exists {
            return archive(inputs, node);
        }
        return vec![error(
            "new-home-exists",
            &node.name,
            format!("{path} exists already, and a distribution is to be unpacked there"),
            "remove the directory, or remove home.distribution to use it as it is",
        )];
    }
    if let Some(problem) = home_problem(home, node, path) {
        return vec![problem];
    }
    home.map(|home| unpacked(inputs, node, home)).unwrap_or_default()
}

/// What the agent found in the archive that is to be unpacked. Where nothing could be compared that is told by itself.
fn archive(inputs: &Inputs<'_>, node: &PlanNode) -> Vec<Finding> {
    let Some(Ok(comparison)) = inputs.configs.get(&node.name) else {
        return Vec::new();
    };
    let Some(found) = &comparison.new_version else {
        return vec![finding(
            Severity::Warning,
            "distribution-unchecked",
            &node.name,
            "its agent did not say which product and version the archive of home.distribution holds",
            "install the agent of this release there; or look into the archive yourself",
        )];
    };
    let home = HomeFacts {
        path: format!("the archive {} (home.distribution)", found.archive),
        product: found.product.clone(),
        version: found.version.clone(),
        kernel: found.kernel.clone(),
        ..HomeFacts::default()
    };
    unpacked(inputs, node, &home)
}

/// A new home that is there already, or the archive that it is made from.
fn unpacked(inputs: &Inputs<'_>, node: &PlanNode, home: &HomeFacts) -> Vec<Finding> {
    let guide = inputs.guide;
    let mut findings: Vec<Finding> = product(inputs, node, home).into_iter().collect();
    let old = node.home(&inputs.old_home(&node.name));
    if let Some(old) = old.filter(|old| guide.is_for(&old.product) && old.product != home.product)
        && findings.is_empty()
    {
        findings.push(error(
            "wrong-product",
            &node.name,
            format!(
                "{} holds `{}`, and {} `{}`",
                old.path, old.product, home.path, home.product
            ),
            "an upgrade stays with its product: correct [home]",
        ));
    }
    if !guide.reaches(&home.version, &home.kernel) {
        findings.push(error(
            "wrong-version",
            &node.name,
            format!(
                "{} holds version `{}` on kernel `{}`; guide {} upgrades to {}",
                home.path,
                home.version,
                home.kernel,
                guide.name,
                guide.to_words()
            ),
            "unpack the right version, or name its archive as home.distribution",
        ));
    }
    if home.server.is_some() {
        findings.push(error(
            "new-server-running",
            &node.name,
            format!("the server of the new home {} is running", home.path),
            "stop it: a new version must not be connected to a database that is not upgraded",
        ));
    }
    findings
}

/// A fleet whose homes differ is no one upgrade.
pub(super) fn mixed(inputs: &Inputs<'_>) -> Vec<Finding> {
    let old = |node: &PlanNode| inputs.old_home(&node.name);
    let new = |node: &PlanNode| inputs.new_home(&node.name);
    let unpacked = inputs.upgrade.distribution.is_none();
    let mut findings: Vec<Finding> = differing(inputs, "old", old).into_iter().collect();
    findings.extend(differing(inputs, "new", new).filter(|_| unpacked));
    findings
}

fn differing(inputs: &Inputs<'_>, which: &str, path: impl Fn(&PlanNode) -> String) -> Option<Finding> {
    let homes = inputs.nodes.iter().filter_map(|node| node.home(&path(node)));
    // Where the guide names the product, another one is told home by home.
    let product = |home: &HomeFacts| match inputs.guide.product.as_str() {
        ANY_PRODUCT => format!("{} ", home.product),
        _ => String::new(),
    };
    let versions: BTreeSet<String> = homes
        .filter(|home| home.exists && !home.version.is_empty())
        .map(|home| format!("{}{} on kernel {}", product(home), home.version, home.kernel))
        .collect();
    (versions.len() > 1).then(|| {
        error(
            "mixed-versions",
            inputs.file,
            format!(
                "the {which} homes are of different versions: {}",
                versions.into_iter().collect::<Vec<_>>().join(", ")
            ),
            "bring them to one version first, or upgrade each group with its own file",
        )
    })
}
