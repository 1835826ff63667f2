//! Folds the same step on several nodes into one.

use std::collections::{BTreeMap, BTreeSet};

use cutover_proto::ids::StepId;
use cutover_proto::plan::{Place, Plan, PlanStep, Reversal};

use super::details;

/// The same step on one or more places.
#[derive(Debug)]
pub(super) struct Group<'a> {
    /// Its number in the runbook, from 1.
    pub(super) number: usize,
    /// Its phase.
    phase: usize,
    /// The steps, in plan order; never empty.
    pub(super) steps: Vec<&'a PlanStep>,
    /// What every step of it has in common.
    pub(super) look: Look,
}

/// What makes two steps the same to a reader: all but the place's name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Look {
    kind: u8,
    phase: usize,
    /// The title without its place.
    pub(super) title: String,
    /// What it does in detail.
    pub(super) details: Vec<String>,
    /// What undo does.
    pub(super) undo: String,
    reversal: u8,
    /// WSO2's sentences.
    pub(super) sentences: Vec<String>,
    /// Whether `skip` is allowed.
    pub(super) skippable: bool,
    /// Numbers of the groups that must have ended.
    pub(super) after: BTreeSet<usize>,
}

/// Every group of a plan.
#[derive(Debug)]
pub(super) struct Groups<'a> {
    groups: Vec<Group<'a>>,
}

impl<'a> Groups<'a> {
    /// Those of one phase.
    pub(super) fn of_phase(&self, phase: usize) -> impl Iterator<Item = &Group<'a>> {
        self.groups.iter().filter(move |group| group.phase == phase)
    }
}

/// Groups the steps of each phase, numbered through the whole plan in the order they appear.
pub(super) fn groups(plan: &Plan) -> Groups<'_> {
    let mut groups: Vec<Group<'_>> = Vec::new();
    let mut known: BTreeMap<Look, usize> = BTreeMap::new();
    let mut of_step: BTreeMap<&StepId, usize> = BTreeMap::new();
    for (phase, planned) in plan.phases.iter().enumerate() {
        for step in &planned.steps {
            let after = step
                .after
                .iter()
                .filter_map(|id| of_step.get(id).copied())
                .collect();
            let look = look(phase, step, after);
            let index = *known.entry(look.clone()).or_insert(groups.len());
            match groups.get_mut(index) {
                Some(group) => group.steps.push(step),
                None => groups.push(Group {
                    number: index + 1,
                    phase,
                    steps: vec![step],
                    look,
                }),
            }
            of_step.insert(&step.id, index + 1);
        }
    }
    Groups { groups }
}

fn look(phase: usize, step: &PlanStep, after: BTreeSet<usize>) -> Look {
    let (kind, name) = match &step.place {
        Place::Node(node) => (0, node.as_str()),
        Place::Database(name) => (1, name.as_str()),
        Place::Coordinator => (2, ""),
    };
    let place = if kind == 0 { "<node>" } else { "<database>" };
    let without_place = |text: &str| {
        text.strip_suffix(&format!(" on {name}"))
            .unwrap_or(text)
            .to_owned()
    };
    Look {
        kind,
        phase,
        title: replace_word(&without_place(&step.title), name, place),
        details: details::of(&step.action)
            .iter()
            .map(|line| replace_word(line, name, place))
            .collect(),
        undo: replace_word(&without_place(&step.undo), name, place),
        reversal: match step.reversal {
            Reversal::Nothing => 0,
            Reversal::Undo => 1,
            Reversal::PointOfNoReturn => 2,
        },
        sentences: step.sentences.clone(),
        skippable: step.skippable,
        after,
    }
}

/// Replaces `word` where it stands alone: `dss-1` neither in `dss-10` nor in a path such as `/srv/dss-1x`.
fn replace_word(text: &str, word: &str, by: &str) -> String {
    if word.is_empty() {
        return text.to_owned();
    }
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(word) {
        let (before, found) = rest.split_at(at);
        let behind = &found[word.len()..];
        let joins = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let alone = !before.ends_with(joins) && !behind.starts_with(joins);
        out.push_str(before);
        out.push_str(if alone { by } else { word });
        rest = behind;
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn name_inside_another_name_stays() {
        assert_eq!(
            replace_word("back up dss-1 to prod-dss-1.tar", "dss-1", "N"),
            "back up N to prod-N.tar"
        );
        assert_eq!(
            replace_word("dss-10 and xdss-1", "dss-1", "N"),
            "dss-10 and xdss-1"
        );
    }
}
