//! `cutover do`: a single action on chosen nodes, as a plan of one phase, so that it is journaled, shown and audited
//! like any other.

use cutover_proto::ids::{NodeName, StepId};
use cutover_proto::plan::{Place, Plan, PlanPhase, PlanStep, Reversal, StepAction};
use cutover_proto::step::NodeAction;

/// An id made of characters that ids may hold.
#[must_use]
pub(crate) fn known_id(text: &str) -> StepId {
    #[expect(
        clippy::expect_used,
        reason = "the caller made the text of permitted characters, and it is not empty"
    )]
    text.parse().expect("a step id of permitted characters")
}

/// The plan. Actions in the inner list follow one another on the same node.
#[must_use]
pub fn plan(name: &str, nodes: &[NodeName], actions: &[NodeAction]) -> Plan {
    let mut steps = Vec::new();
    for node in nodes {
        let mut before: Option<StepId> = None;
        for action in actions {
            let action = on_node(action, node);
            let id = known_id(&format!("do.{}@{node}", action.kind()));
            steps.push(PlanStep {
                id: id.clone(),
                title: format!("{} {}", action.kind(), action.homes().join(", ")),
                place: Place::Node(node.clone()),
                action: StepAction::Node(action.clone()),
                reversal: Reversal::Nothing,
                undo: "a single action has no undo; give the opposite one".to_owned(),
                skippable: true,
                deadline_secs: 7200,
                after: before.take().into_iter().collect(),
                sentences: Vec::new(),
            });
            before = Some(id);
        }
    }
    Plan {
        name: name.to_owned(),
        guide: String::new(),
        order: "single action".to_owned(),
        summary: format!("One action on {} node(s), outside of an upgrade.", nodes.len()),
        nodes: nodes.to_vec(),
        databases: Vec::new(),
        parallel: 10,
        failures: u32::try_from(nodes.len()).unwrap_or(u32::MAX),
        phases: vec![PlanPhase {
            name: "do".to_owned(),
            approval: false,
            steps,
        }],
        point_of_no_return: None,
        window: None,
        downtime: None,
        notes: Vec::new(),
        inventory: std::collections::BTreeMap::new(),
        configs: std::collections::BTreeMap::new(),
        data: None,
        rehearses: None,
    }
}

/// The action with `{node}` in its homes replaced by the node's name.
fn on_node(action: &NodeAction, node: &NodeName) -> NodeAction {
    let named = |home: &String| home.replace("{node}", node.as_str());
    let mut action = action.clone();
    if let NodeAction::Inspect { homes } = &mut action {
        *homes = homes.iter().map(named).collect();
    }
    if let NodeAction::StopServer { home, .. }
    | NodeAction::ProveStopped { home }
    | NodeAction::StartServer { home }
    | NodeAction::ProveReady { home, .. }
    | NodeAction::BackupHome { home, .. }
    | NodeAction::ReleaseHold { home } = &mut action
    {
        *home = named(home);
    }
    action
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn home_when_it_names_the_node_then_each_node_gets_its_own() {
        let nodes = ["n1".parse().unwrap(), "n2".parse().unwrap()];
        let plan = plan(
            "do-release",
            &nodes,
            &[NodeAction::ReleaseHold {
                home: "/opt/{node}/x".into(),
            }],
        );
        let homes: Vec<String> = plan.steps().map(|step| step.title.clone()).collect();
        assert_eq!(homes, ["release-hold /opt/n1/x", "release-hold /opt/n2/x"]);
    }
}
