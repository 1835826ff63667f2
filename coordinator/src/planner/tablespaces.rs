//! Which large tables are copied as files, by the agent on the database host that the upgrade file names.

use cutover_proto::plan::{DataMode, PlanDatabase, Tablespaces};
use cutover_proto::view::Finding;

use super::{HostProbe, Inputs, error};
use crate::model::upgrade::UpgradeDatabase;

/// Attaches them to the databases. Returns what stands in the way, and where a host is named, what it is used for or
/// why it is not.
pub(super) fn attach(
    inputs: &Inputs<'_>,
    mode: DataMode,
    databases: &mut [PlanDatabase],
) -> (Vec<Finding>, Vec<String>) {
    let (mut findings, mut notes) = (Vec::new(), Vec::new());
    for database in databases {
        let named = |asked: &&UpgradeDatabase| asked.name == database.name;
        let Some(asked) = inputs.upgrade.databases.iter().find(named) else {
            continue;
        };
        let probe = inputs.databases.get(&database.name);
        let Some(probe) = probe.and_then(|probe| probe.host.as_ref()) else {
            continue;
        };
        if let Some(finding) = unable(asked, probe) {
            findings.push(finding);
            continue;
        }
        let told = match of(mode, probe) {
            Ok(tablespaces) => {
                let count = tablespaces.tables.len();
                let told = format!(
                    "{count} table(s) of at least 1 MiB are copied as files by {}, the rest by rows; a table whose file \
                     the server does not take is copied by rows, too",
                    tablespaces.node
                );
                database.tablespaces = Some(tablespaces);
                told
            }
            Err(why) => format!("no table is copied as a file: {why}"),
        };
        notes.push(format!("database {}: {told}", database.name));
    }
    (findings, notes)
}

fn of(mode: DataMode, probe: &HostProbe) -> Result<Tablespaces, String> {
    if let Some(obstacle) = &probe.exportable.obstacle {
        return Err(obstacle.clone());
    }
    if !probe.same_server {
        return Err("production and staging are not on one MariaDB server".to_owned());
    }
    if mode.is_online() {
        return Err(format!(
            "the files stand still only while production is locked, and in the mode `{mode}` it serves"
        ));
    }
    let found = &probe.exportable;
    let node = probe.node.as_ref().filter(|_| !found.tables.is_empty());
    let node = node.ok_or("production has no table for which it is worthwhile and possible")?;
    Ok(Tablespaces {
        node: node.name.clone(),
        data_dir: found.data_dir.clone(),
        from: found.from.clone(),
        to: found.to.clone(),
        tables: found.tables.clone(),
        bytes: found.bytes,
    })
}

/// Why the node can't do it, although the file asks for it.
fn unable(asked: &UpgradeDatabase, probe: &HostProbe) -> Option<Finding> {
    let host = asked.host.as_ref()?;
    let without = "or remove `host`: the tables are then copied by rows";
    let place = &asked.line;
    let Some(node) = &probe.node else {
        let text = format!("its host is `{host}`, and no node is called so");
        let remedy = format!("name a node as `cutover node list` shows it, {without}");
        return Some(error("no-database-host", place, text, remedy));
    };
    if !node.connected {
        let text = format!("the agent of its host {host} is not connected");
        let remedy = format!("start it, {without}");
        return Some(error("database-host-away", place, text, remedy));
    }
    let dir = probe.exportable.data_dir.trim_end_matches('/');
    let allowed = node.facts.as_ref().is_some_and(|facts| {
        let mut allowed = facts.database_dirs.iter();
        allowed.any(|allowed| allowed.trim_end_matches('/') == dir)
    });
    if probe.same_server && !probe.exportable.tables.is_empty() && !allowed {
        let text = format!("the agent of its host {host} may not touch the server's data folder {dir}");
        let remedy = format!(
            "add database_dirs = [\"{dir}\"] to its policy, copy-tablespaces to its `actions` where it names any, \
             and restart it, {without}"
        );
        return Some(error("database-host-policy", place, text, remedy));
    }
    None
}
