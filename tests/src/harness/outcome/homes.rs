//! What must hold for the homes: servers and directories.

use std::collections::BTreeSet;

use anyhow::{Result, ensure};

use crate::harness::{AgentHost, tree};

pub(super) fn servers(host: &AgentHost) -> Result<()> {
    ensure!(host.new.is_serving(), "the new server is not up");
    ensure!(host.old.servers().is_empty(), "the old server runs");
    let log = host.new.log();
    ensure!(
        !log.contains("FATAL"),
        "the new server logs a fatal error:\n{log}"
    );
    Ok(())
}

/// The old home's artifacts and tenants stand in the new one, byte for byte, beside what the version brings itself.
pub(super) fn trees(host: &AgentHost) -> Result<()> {
    let all = [
        ("repository/deployment/server", true),
        ("repository/tenants", true),
        // The directory of an embedded LDAP server holds users: the old one's counts.
        ("repository/data/org.wso2.carbon.directory", false),
    ];
    for (path, shipped_stays) in all {
        let old = tree(&host.old.file(path))?;
        let new = tree(&host.new.file(path))?;
        let stock = tree(&host.stock.join(path))?;
        ensure!(
            !old.is_empty() || stock.is_empty(),
            "{path} of the old home is empty"
        );
        let wanted = |name: &String, what: &String| match stock.get(name) {
            Some(shipped) if shipped_stays => new.get(name) == Some(shipped),
            Some(_) | None => new.get(name) == Some(what),
        };
        let lost: Vec<_> = old
            .iter()
            .filter(|(name, what)| !wanted(name, what))
            .map(|(name, _)| name)
            .collect();
        ensure!(lost.is_empty(), "{path}: {lost:?} are not what they should be");
        let foreign: BTreeSet<_> = new
            .keys()
            .filter(|name| !old.contains_key(*name) && !stock.contains_key(*name))
            .collect();
        ensure!(foreign.is_empty(), "{path}: {foreign:?} come from nowhere");
    }
    Ok(())
}
