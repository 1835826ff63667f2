//! `cutover config report` as people read it.

pub(crate) mod html;

use std::fmt::Write as _;

use cutover_proto::config::report::{ComparedNode, ConfigReport, Fate, ReportChange, SecretNote};
use cutover_proto::config::{ChangeKind, ShownValue};
use cutover_proto::ids::NodeName;

use crate::human::count;
use crate::text::{Style, wrap};

/// The report.
pub(crate) fn render(report: &ConfigReport, style: Style) -> String {
    let mut text = String::new();
    let mut line = |content: &str| {
        // Writing to a text can't fail.
        writeln!(text, "{content}").ok();
    };
    line(&format!("Configuration of {} ({})", report.upgrade, report.guide));
    line("");
    for node in &report.nodes {
        line(&wrap(&compared(node), style.width, "  ", "    "));
    }
    for file in &report.files {
        line("");
        line(&file.file);
        for change in &file.changes {
            for part in change_lines(change, report.nodes.len()) {
                line(&part.wrapped(style.width));
            }
        }
    }
    if !report.secrets.is_empty() {
        line("");
        line("Secrets");
        for note in &report.secrets {
            line(&wrap(
                &secret(note, report.nodes.len()),
                style.width,
                "  ",
                "    ",
            ));
        }
    }
    line("");
    line(&wrap(&summary(report), style.width, "", "  "));
    if !report.answers.is_empty() {
        line("");
        line("For the upgrade file, to be changed as you decide:");
        line("");
        line(report.answers.trim_end());
    }
    text
}

/// Only what concerns one node.
pub(crate) fn only(mut report: ConfigReport, node: &str) -> ConfigReport {
    let is = |name: &NodeName| name.as_str() == node;
    report.nodes.retain(|compared| is(&compared.node));
    for file in &mut report.files {
        file.changes.retain(|change| change.nodes.iter().any(is));
        for change in &mut file.changes {
            change.nodes.retain(is);
            change.everywhere = true;
        }
    }
    report.files.retain(|file| !file.changes.is_empty());
    report.secrets.retain(|note| note.nodes.iter().any(is));
    for note in &mut report.secrets {
        note.nodes.retain(is);
    }
    let undecided = changes(&report).filter(|change| change.fate == Fate::Undecided);
    let answers: Vec<String> = undecided.filter_map(|change| change.answer.clone()).collect();
    report.undecided = answers.len();
    report.answers = answers.join("\n\n");
    report
}

fn changes(report: &ConfigReport) -> impl Iterator<Item = &ReportChange> {
    report.files.iter().flat_map(|file| &file.changes)
}

fn compared(node: &ComparedNode) -> String {
    match &node.problem {
        Some(problem) => format!("{}: {} was not compared: {problem}", node.node, node.old),
        None => format!(
            "{}: {} -> {}; stock: {}",
            node.node, node.old, node.new, node.stock
        ),
    }
}

/// How many of each, in one line.
fn summary(report: &ConfigReport) -> String {
    let counts = Fate::ALL.map(|fate| (fate, changes(report).filter(|change| change.fate == fate).count()));
    let counts: Vec<String> = counts
        .into_iter()
        .filter(|(_, count)| *count > 0)
        .map(|(fate, count)| format!("{count} {}", fate.as_str()))
        .collect();
    match counts.as_slice() {
        [] => "The site changed nothing.".to_owned(),
        counts => format!(
            "{}: {}",
            count(changes(report).count(), "change"),
            counts.join(", ")
        ),
    }
}

/// A line of a change: wrapped where it is prose, as it is where it can be copied.
enum Part {
    Head(String),
    Body(String),
}

impl Part {
    fn wrapped(&self, width: usize) -> String {
        match self {
            Part::Head(text) => wrap(text, width, "  ", "      "),
            Part::Body(text) => wrap(text, width, "      ", "        "),
        }
    }
}

fn change_lines(change: &ReportChange, nodes: usize) -> Vec<Part> {
    let place = change.path.as_deref().unwrap_or("the file as a whole");
    let mut lines = vec![Part::Head(format!("{}: {place}", change.fate.as_str()))];
    let on = if change.everywhere && nodes == 1 {
        String::new()
    } else {
        format!("on {}", on(&change.nodes, change.everywhere))
    };
    lines.push(Part::Body(
        [what(change), on]
            .into_iter()
            .filter(|part| !part.is_empty())
            .collect::<Vec<_>>()
            .join("; "),
    ));
    if let Some(to) = &change.to {
        lines.push(Part::Body(format!("goes to {to}")));
    }
    lines.push(Part::Body(format!("because {}", change.why)));
    lines.retain(|line| !matches!(line, Part::Body(text) if text.is_empty()));
    lines
}

/// The nodes, in words.
fn on(nodes: &[NodeName], everywhere: bool) -> String {
    let names: Vec<&str> = nodes.iter().map(NodeName::as_str).collect();
    if everywhere && names.len() > 1 {
        format!("all {} nodes", names.len())
    } else {
        names.join(", ")
    }
}

/// What the site did, and what the new version has.
fn what(change: &ReportChange) -> String {
    let new = &change.new;
    match change.kind {
        None => format!("new version: {new}"),
        Some(ChangeKind::Changed) if change.stock.is_none() => {
            format!("the site has {}; new version: {new}", shown(change.site.as_ref()))
        }
        Some(ChangeKind::Changed) => format!(
            "stock {} -> site {}; new version: {new}",
            shown(change.stock.as_ref()),
            shown(change.site.as_ref())
        ),
        Some(ChangeKind::Added | ChangeKind::AddedElement) => {
            format!(
                "added by the site: {}; new version: {new}",
                shown(change.site.as_ref())
            )
        }
        Some(ChangeKind::Removed) => {
            format!(
                "removed by the site, stock {}; new version: {new}",
                shown(change.stock.as_ref())
            )
        }
    }
}

/// A value, in words.
fn shown(value: Option<&ShownValue>) -> String {
    match value {
        Some(ShownValue::Plain(text)) => {
            let words: Vec<&str> = text
                .split(|c: char| c.is_whitespace() || c.is_control())
                .collect();
            format!(
                "`{}`",
                words
                    .into_iter()
                    .filter(|word| !word.is_empty())
                    .collect::<Vec<_>>()
                    .join(" ")
            )
        }
        Some(ShownValue::Hidden) => "a secret".to_owned(),
        Some(ShownValue::Vault(alias)) => format!("alias `{alias}` of Secure Vault"),
        Some(ShownValue::Encrypted) => "an encrypted value".to_owned(),
        None => "nothing".to_owned(),
    }
}

fn secret(note: &SecretNote, nodes: usize) -> String {
    let everywhere = note.nodes.len() == nodes;
    let on = if everywhere && nodes == 1 {
        String::new()
    } else {
        format!(" (on {})", on(&note.nodes, everywhere))
    };
    let by_hand = if note.by_hand { "by hand: " } else { "" };
    format!("{}{on}: {by_hand}{}", note.what, note.then)
}

#[cfg(test)]
pub(crate) mod example;
#[cfg(test)]
mod tests;
