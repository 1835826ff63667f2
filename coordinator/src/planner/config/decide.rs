//! The upgrade file's answers, held against what was found.

use std::collections::BTreeSet;

use cutover_proto::view::{Finding, Severity};

use super::context::Context;
use super::paths::Steps;
use super::{Inputs, Item, error, report};
use crate::model::reader::distance;
use crate::model::upgrade::{Decision, Scope};
use crate::planner::finding;

/// Which answers answered something, by where they stand.
#[derive(Default)]
pub(super) struct Used(BTreeSet<String>);

impl Used {
    pub(super) fn mark(&mut self, decision: &Decision) {
        self.0.insert(decision.line.clone());
    }
}

/// The nearest answer to a place of a file on a node; `None` for the place means the file as a whole.
pub(super) fn find<'a>(context: &Context<'a>, file: &str, place: Option<&str>) -> Option<&'a Decision> {
    let decisions = context.inputs.upgrade.decisions.iter();
    decisions
        .filter(|decision| decision.file == file && for_node(context, decision))
        .filter_map(|decision| Some((nearness(decision, file, place)?, decision)))
        .max_by_key(|(nearness, _)| *nearness)
        .map(|(_, decision)| decision)
}

fn for_node(context: &Context<'_>, decision: &Decision) -> bool {
    let fits =
        |nodes: &crate::model::selector::Selector| nodes.fits(&context.node.name, &context.node.labels);
    decision.nodes.as_ref().is_none_or(fits)
}

/// How near an answer is to a place: a path before what stands above it, that before the file; an answer for some nodes
/// before one for all.
fn nearness(decision: &Decision, file: &str, place: Option<&str>) -> Option<(usize, bool)> {
    let depth = match (&decision.scope, place) {
        (Scope::File, _) => 0,
        (Scope::Beneath(_) | Scope::Place(_), None) => return None,
        (Scope::Place(path), Some(place)) => one_place(file, path, place).then_some(usize::MAX)?,
        (Scope::Beneath(path), Some(place)) => {
            let (above, below) = (Steps::of(path), Steps::of(place));
            (file.ends_with(".xml") && above.leads_to(&below)).then_some(path.len())?
        }
    };
    Some((depth, decision.nodes.is_some()))
}

fn one_place(file: &str, a: &str, b: &str) -> bool {
    if file.ends_with(".xml") {
        Steps::of(a).same(&Steps::of(b))
    } else {
        a == b
    }
}

/// Answers to nothing: a slip of the pen would otherwise go unseen. Two answers to one question are one too many.
pub(super) fn unused(inputs: &Inputs<'_>, used: &Used, items: &[Item]) -> Vec<Finding> {
    let mut findings = Vec::new();
    let decisions = &inputs.upgrade.decisions;
    for (index, decision) in decisions.iter().enumerate() {
        let twin = |other: &&Decision| {
            other.file == decision.file && other.scope == decision.scope && other.nodes == decision.nodes
        };
        let later = decisions.iter().skip(index + 1).any(|other| twin(&other));
        if let Some(twin) = decisions.iter().take(index).find(twin) {
            findings.push(error(
                "decide-twice",
                &decision.line,
                format!("{} is decided on in {} already", asked(decision), twin.line),
                "keep one of the two",
            ));
        } else if !later && !used.0.contains(&decision.line) {
            findings.push(nothing_to_answer(decision, items));
        }
    }
    findings
}

fn asked(decision: &Decision) -> String {
    match &decision.scope {
        Scope::File => decision.file.clone(),
        Scope::Beneath(path) => format!("{}: {path}/*", decision.file),
        Scope::Place(path) => format!("{}: {path}", decision.file),
    }
}

fn nothing_to_answer(decision: &Decision, items: &[Item]) -> Finding {
    let wanted = asked(decision);
    let mut near: Vec<(usize, String)> = items
        .iter()
        .map(report::place)
        .collect::<BTreeSet<_>>()
        .into_iter()
        .map(|place| (distance(&wanted, &place), place))
        .collect();
    near.sort();
    let near: Vec<String> = near
        .into_iter()
        .take(3)
        .map(|(_, place)| format!("  {place}"))
        .collect();
    let remedy = if near.is_empty() {
        "remove it: the site changed nothing that could be decided on".to_owned()
    } else {
        format!(
            "correct `file` or `path`, or remove it; the nearest changes are\n{}",
            near.join("\n")
        )
    };
    finding(
        Severity::Error,
        "decide-unused",
        &decision.line,
        format!("no node has a change of the site at {wanted}"),
        remedy,
    )
}
