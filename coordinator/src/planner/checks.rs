//! What must hold before there can be a plan: nodes, homes, data sources, configuration, tenants, disk.

mod configs;
mod databases;
mod homes;
mod named;
mod repairs;
mod surroundings;
mod tenants;

use cutover_proto::view::Finding;

pub(in crate::planner) use self::repairs::is_repairable;

use super::{Inputs, PlanNode, error};

/// Every finding about nodes, homes and what lies in them.
#[must_use]
pub fn check(inputs: &Inputs<'_>) -> Vec<Finding> {
    let mut findings = selection(inputs);
    for node in inputs.nodes {
        if let Some(problem) = reachable(node) {
            findings.push(problem);
            continue;
        }
        findings.extend(homes::old(inputs, node));
        findings.extend(homes::new(inputs, node));
        findings.extend(databases::of_node(inputs, node));
        findings.extend(named::of_node(inputs, node));
        findings.extend(configs::of_node(inputs, node));
        findings.extend(labels(inputs, node));
        findings.extend(surroundings::room(inputs, node));
        findings.extend(surroundings::of_node(inputs, node));
    }
    findings.extend(homes::mixed(inputs));
    findings.extend(databases::twice(inputs));
    findings.extend(databases::idle_answers(inputs));
    findings.extend(named::idle_answers(inputs));
    findings.extend(tenants::check(inputs));
    findings.extend(repairs::check(inputs));
    findings
}

/// The nodes that are away: nothing can be told of their configuration.
#[must_use]
pub fn nodes_away(inputs: &Inputs<'_>) -> Vec<Finding> {
    inputs.nodes.iter().filter_map(reachable).collect()
}

/// A label that a value of the site names and the node does not have would end up in a configuration file as it is.
fn labels(inputs: &Inputs<'_>, node: &PlanNode) -> Vec<Finding> {
    let values = inputs.upgrade.configs.iter().flat_map(|config| &config.set);
    values
        .filter(|(_, value)| node.site_value(value).contains("{label."))
        .map(|(path, value)| {
            error(
                "label-missing",
                &node.name,
                format!("`{path}` is set to `{value}`, and the node has no such label"),
                "give the label with `cutover node token --label KEY=VALUE` and enrol the node again, or write the value itself",
            )
        })
        .collect()
}

fn selection(inputs: &Inputs<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    let found = inputs.nodes.len();
    if found != inputs.upgrade.expect as usize {
        let names: Vec<&str> = inputs.nodes.iter().map(|node| node.name.as_str()).collect();
        findings.push(error(
            "wrong-count",
            inputs.file,
            format!(
                "`{}` selects {found} nodes ({}), {} are expected",
                inputs.upgrade.nodes,
                names.join(", "),
                inputs.upgrade.expect
            ),
            "correct nodes.select or nodes.expect; `cutover node list` shows every node and its labels",
        ));
    }
    if let Some(manager) = &inputs.upgrade.manager
        && !inputs.nodes.iter().any(|node| &node.name == manager)
    {
        findings.push(error(
            "manager-missing",
            inputs.file,
            format!("the manager `{manager}` is not among the nodes selected"),
            "name one of them as nodes.manager",
        ));
    }
    findings
}

fn reachable(node: &PlanNode) -> Option<Finding> {
    if !node.connected {
        return Some(error(
            "node-away",
            &node.name,
            "its agent is not connected: nothing can be said of its homes",
            "start cutover-agent on that host and look at its log; `cutover node list` shows when it was last heard of",
        ));
    }
    node.facts.is_none().then(|| {
        error(
            "no-facts",
            &node.name,
            "its agent reported nothing",
            "look at the agent's log on that host",
        )
    })
}
