//! One phase of a runbook.

use std::fmt::Write as _;

use cutover_proto::plan::{Place, Plan, PlanPhase};

use super::group::Group;
use crate::text::{Style, wrap};

/// Up to so many names a list is read; beyond it "all 40 nodes" says more.
const NAMES_READ: usize = 8;

/// The phase's heading, its gate and its steps.
pub(super) fn render<'a>(
    plan: &Plan,
    phase: &PlanPhase,
    groups: impl Iterator<Item = &'a Group<'a>>,
    style: Style,
) -> String {
    let mut text = format!("Phase {}\n", phase.name);
    if phase.approval {
        text.push_str("  [gate] waits until an operator approves: cutover approve RUN\n");
    }
    for group in groups {
        let has_point = group
            .steps
            .iter()
            .any(|step| Some(&step.id) == plan.point_of_no_return.as_ref());
        if has_point {
            writeln!(text, "{}", ruler(style)).ok();
        }
        render_group(&mut text, plan, group, style);
    }
    text
}

fn ruler(style: Style) -> String {
    format!(
        "{:=<width$}",
        "==== point of no return: from here on abort is not offered ",
        width = style.width
    )
}

fn render_group(text: &mut String, plan: &Plan, group: &Group<'_>, style: Style) {
    let look = &group.look;
    let number = format!("{:>4}. ", group.number);
    let (on, mut remarks) = places(plan, group);
    if !look.after.is_empty() {
        let numbers: Vec<String> = look.after.iter().map(ToString::to_string).collect();
        let word = if numbers.len() == 1 { "step" } else { "steps" };
        remarks.push(format!("after {word} {}", numbers.join(", ")));
    }
    let mut line = format!("{}{on}", look.title);
    if !remarks.is_empty() {
        write!(line, " ({})", remarks.join("; ")).ok();
    }
    if look.skippable {
        line.push_str(" [may be skipped]");
    }
    writeln!(text, "{}", wrap(&line, style.width, &number, "      ")).ok();
    for detail in &look.details {
        writeln!(text, "{}", wrap(detail, style.width, "        ", "            ")).ok();
    }
    if !look.undo.is_empty() {
        writeln!(
            text,
            "{}",
            wrap(&look.undo, style.width, "      undo: ", "            ")
        )
        .ok();
    }
    let (open, close) = if style.unicode {
        ("“", "”")
    } else {
        ("\"", "\"")
    };
    for sentence in &look.sentences {
        let sentence = if style.unicode {
            sentence.clone()
        } else {
            ascii(sentence)
        };
        let quoted = format!("{open}{sentence}{close}");
        writeln!(text, "{}", wrap(&quoted, style.width, "      ", "       ")).ok();
    }
}

/// What can be said of WSO2's typography without Unicode.
fn ascii(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            '“' | '”' => '"',
            '‘' | '’' => '\'',
            '–' | '—' => '-',
            c if c.is_ascii() => c,
            _ => '?',
        })
        .collect()
}

/// Nodes are part of the sentence, databases a remark behind it: titles speak of them already.
fn places(plan: &Plan, group: &Group<'_>) -> (String, Vec<String>) {
    let mut nodes = Vec::new();
    let mut databases = Vec::new();
    for step in &group.steps {
        match &step.place {
            Place::Node(node) => nodes.push(node.as_str()),
            Place::Database(name) => databases.push(name.as_str()),
            Place::Coordinator => {}
        }
    }
    if !databases.is_empty() {
        let word = if databases.len() == 1 {
            "database"
        } else {
            "databases"
        };
        return (String::new(), vec![format!("{word} {}", databases.join(", "))]);
    }
    let on = match nodes.len() {
        0 => String::new(),
        all if all > NAMES_READ && all == plan.nodes.len() => format!(" on all {all} nodes"),
        _ => format!(" on {}", nodes.join(", ")),
    };
    (on, Vec::new())
}
