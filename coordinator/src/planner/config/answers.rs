//! Lines for the upgrade file that decide on a change.

use cutover_proto::config::report::Fate;
use cutover_proto::config::{ChangeKind, FileState, NewPlace, ShownValue};

use super::{Item, Resolution, report};

/// A value in words.
#[must_use]
pub(super) fn shown(value: Option<&ShownValue>) -> String {
    match value {
        Some(ShownValue::Plain(text)) => format!("`{}`", short(text)),
        Some(ShownValue::Hidden) => "a secret that is not shown".to_owned(),
        Some(ShownValue::Vault(alias)) => format!("alias `{alias}` of Secure Vault"),
        Some(ShownValue::Encrypted) => "an encrypted value".to_owned(),
        None => "nothing".to_owned(),
    }
}

/// One line, not too long.
fn short(text: &str) -> String {
    let line = one_line(text);
    if line.chars().count() <= 120 {
        return line;
    }
    let cut: String = line.chars().take(119).collect();
    format!("{cut}…")
}

/// The answer that the planner would give if it had to: a person may well give another.
pub(super) fn answer(item: &Item) -> String {
    let path = item.change.as_ref().map(|change| change.path.as_str());
    let mut lines = vec!["[[decide]]".to_owned(), format!("file = {}", quoted(&item.file))];
    lines.extend(path.map(|path| format!("path = {}", quoted(path))));
    let take = if old_is_likely(item) { "old" } else { "new" };
    lines.push(format!("take = \"{take}\"    # {}", choices(item)));
    lines.join("\n")
}

/// The answer that leaves a place to Secure Vault.
pub(super) fn leave(file: &str, path: &str) -> String {
    format!(
        "[[decide]]\nfile = {}\npath = {}\ntake = \"new\"",
        quoted(file),
        quoted(path)
    )
}

/// Answers to everything undecided, with why each is asked.
pub(super) fn all(resolution: &Resolution, nodes: usize) -> String {
    let mut asked = Vec::new();
    let mut blocks = Vec::new();
    for group in report::groups(&resolution.items) {
        let item = group.item;
        if item.outcome.fate != Fate::Undecided || asked.contains(&report::place(item)) {
            continue;
        }
        asked.push(report::place(item));
        let on = report::on(&group.nodes, nodes);
        blocks.push(format!(
            "# {on}: {}\n{}\n",
            one_line(&item.outcome.why),
            answer(item)
        ));
    }
    blocks.join("\n")
}

/// A comment of TOML can hold no control characters.
fn one_line(text: &str) -> String {
    let words = text.split(|c: char| c.is_whitespace() || c.is_control());
    words
        .filter(|word| !word.is_empty())
        .collect::<Vec<_>>()
        .join(" ")
}

/// Where stock is not known most differences are the versions' own.
fn old_is_likely(item: &Item) -> bool {
    item.state != FileState::StockUnknown && old_is_possible(item)
}

fn old_is_possible(item: &Item) -> bool {
    let Some(change) = &item.change else {
        return matches!(item.state, FileState::AddedBySite) && item.outcome.refused.is_none();
    };
    let there = matches!(change.new, NewPlace::There { .. } | NewPlace::ParentOnly);
    let has_value = matches!(
        change.site,
        Some(ShownValue::Plain(_) | ShownValue::Hidden | ShownValue::Encrypted)
    );
    there
        && has_value
        && item.file.ends_with(".xml")
        && change.kind != ChangeKind::Removed
        && item.outcome.to.is_none()
}

/// What each word would mean here.
fn choices(item: &Item) -> String {
    let Some(change) = &item.change else {
        return match item.state {
            FileState::AddedBySite | FileState::GoneInNew => {
                "\"old\": the file is carried, \"new\": it stays behind, \"by-hand\": a person sees to it"
                    .to_owned()
            }
            FileState::Edited
            | FileState::StockUnknown
            | FileState::Opaque
            | FileState::Malformed { .. }
            | FileState::Unread { .. } => {
                "\"new\": as the new version ships it, \"by-hand\": a person sees to it".to_owned()
            }
        };
    };
    let new = match &change.new {
        NewPlace::There { value, .. } => shown(Some(value)),
        NewPlace::ParentOnly | NewPlace::Missing => "nothing".to_owned(),
        NewPlace::Several { count } => format!("{count} places"),
    };
    if old_is_possible(item) {
        format!(
            "\"old\": {}, \"new\": {new}, \"by-hand\": a person sees to it",
            shown(change.site.as_ref())
        )
    } else {
        format!(
            "the site has {}, \"new\": {new}, \"by-hand\": a person sees to it",
            shown(change.site.as_ref())
        )
    }
}

/// A text as TOML writes it.
fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_when_quoted_then_toml_reads_it_back() {
        for text in [
            "/a/b[@name='x']",
            "/a[n=\"x\"]/c",
            "a\\b\n\u{7f}",
            "${carbon.home}",
        ] {
            let table: toml::Table = toml::from_str(&format!("x = {}", quoted(text))).unwrap();
            assert_eq!(table["x"].as_str(), Some(text));
        }
    }
}
