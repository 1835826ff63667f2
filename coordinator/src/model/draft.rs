//! `cutover init`: an upgrade file filled from the inventory. What only a person can know is marked `FILL IN`.

mod databases;
mod homes;

use std::fmt::Write as _;

use cutover_proto::view::{Finding, Severity};

use self::homes::Homes;
use super::selector::Selector;
use crate::guide::Guide;
use crate::planner::{PlanNode, error, finding};

/// What stands where only a person knows the value.
pub const FILL_IN: &str = "FILL IN";

/// The file, and what could not be found out.
#[must_use]
pub fn draft(guide: &Guide, selector: &Selector, nodes: &[PlanNode]) -> (String, Vec<Finding>) {
    let mut findings: Vec<Finding> = nodes
        .iter()
        .filter(|node| node.facts.is_none())
        .map(no_facts)
        .collect();
    let homes = Homes::of(guide, nodes);
    if homes.any_old().is_none() {
        let what = format!(
            "no node reports a home of {} {}",
            guide.product,
            guide.from_words()
        );
        findings.push(finding(
            Severity::Warning,
            "no-home",
            selector,
            what,
            "fill in home.old",
        ));
    }
    let mut text = head(guide, selector, nodes);
    text.push_str(&home_section(guide, &homes));
    text.push_str(&databases::sections(guide, &homes, &mut findings));
    text.push_str(&copy_section(guide, &homes));
    text.push_str(TAIL);
    (text, findings)
}

/// The draft with the answers that its own comparison asks for, as comments.
#[must_use]
pub fn with_answers(text: &str, answers: &str) -> String {
    let mut text = text.to_owned();
    // Writing to a text can't fail.
    writeln!(
        text,
        "\n# {FILL_IN}: what the site changed and nobody but you can decide on. `cutover config report FILE` shows it all;\n\
         # take one comment sign away from each line below, and choose."
    )
    .ok();
    for line in answers.trim_end().lines() {
        writeln!(text, "{}", format!("# {line}").trim_end()).ok();
    }
    text
}

fn no_facts(node: &PlanNode) -> Finding {
    error(
        "no-facts",
        &node.name,
        "its agent reported nothing yet",
        "start cutover-agent there",
    )
}

fn head(guide: &Guide, selector: &Selector, nodes: &[PlanNode]) -> String {
    let letters = selector.to_string();
    let name: String = letters
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '-' })
        .collect();
    let pairs: Vec<String> = selector
        .0
        .iter()
        .map(|(key, value)| format!("{} = {}", key_of(key), quoted(value)))
        .collect();
    let select = if pairs.is_empty() {
        "{}".to_owned()
    } else {
        format!("{{ {} }}", pairs.join(", "))
    };
    let (manager, why) = manager(nodes);
    format!(
        "name  = {}\nguide = {}\norder = \"guide\"                  # {}; or \"copy-first\": production is never changed\n\n\
         [nodes]\nselect  = {select}\nexpect  = {}\nmanager = {}    # started first; {why}\n",
        quoted(&name),
        quoted(&guide.name),
        guide.order.as_str(),
        nodes.len(),
        quoted(manager),
    )
}

/// A guess: the node whose labels or name say so, else the first.
fn manager(nodes: &[PlanNode]) -> (&str, &'static str) {
    let words = ["manager", "mgt", "mgr"];
    let says = |text: &str| {
        words.iter().any(|word| {
            text.to_ascii_lowercase()
                .split(['-', '_', '.'])
                .any(|part| part.starts_with(word))
        })
    };
    let named = |node: &&PlanNode| says(node.name.as_str()) || node.labels.values().any(|value| says(value));
    let mut sorted: Vec<&PlanNode> = nodes.iter().collect();
    sorted.sort_by_key(|node| &node.name);
    match (sorted.iter().copied().find(named), sorted.first()) {
        (Some(node), _) => (
            node.name.as_str(),
            "its name or label says that it is the manager",
        ),
        (None, Some(node)) if nodes.len() == 1 => (node.name.as_str(), "there is no other"),
        (None, Some(node)) => (node.name.as_str(), "FILL IN: a guess, the first by name"),
        (None, None) => ("", "FILL IN"),
    }
}

fn home_section(guide: &Guide, homes: &Homes<'_>) -> String {
    let mut text = format!(
        "\n[home]\nold = {}\nnew = {}\n",
        quoted(&homes.old_path()),
        quoted(&homes.new_path())
    );
    if homes.any_new().is_none() {
        writeln!(
            text,
            "distribution = {{ file = \"{FILL_IN}\", sha256 = \"{FILL_IN}\" }}    # {} {}; unpacked to `new`",
            guide.product,
            guide.to_words()
        )
        .ok();
    }
    let version = homes
        .any_old()
        .map_or("the old version", |home| home.version.as_str());
    writeln!(
        text,
        "# The archive of {version} that the old homes were unpacked from tells for sure what the site changed in them:\n\
         # old_distribution = {{ file = \"{FILL_IN}\", sha256 = \"{FILL_IN}\" }}"
    )
    .ok();
    text
}

fn copy_section(guide: &Guide, homes: &Homes<'_>) -> String {
    let tenants = homes.tenants();
    let mut text = "\n[copy]\n".to_owned();
    if guide.directories.iter().any(|directory| directory.tenants) {
        writeln!(
            text,
            "# tenants = true    # the default where the database has tenants; {tenants} have a directory in the old homes"
        )
        .ok();
    }
    let carry: Vec<String> = guide.carry.iter().map(|pattern| quoted(pattern)).collect();
    writeln!(text, "carry = [{}]", carry.join(", ")).ok();
    if guide.directories.iter().any(|directory| directory.protect) {
        writeln!(
            text,
            "# What both versions ship stays as the new one has it, but for:\n# overwrite = []"
        )
        .ok();
    }
    text
}

const TAIL: &str = "
[limits]
parallel = 10
failures = 0                       # node failures tolerated before a phase holds

# With an account of the admin services the guide's tests are run, and readiness is asked of the server itself:
# [admin]
# user = \"admin\"
# password = \"file:/FILL IN\"

# When the plan may be applied:
# [window]
# open = \"Sat 01:00 Europe/Berlin\"
# length = \"4h\"
";

/// A text as TOML writes it.
fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

/// A key as TOML writes it.
fn key_of(key: &str) -> String {
    let bare = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if !key.is_empty() && key.chars().all(bare) {
        key.to_owned()
    } else {
        quoted(key)
    }
}

#[cfg(test)]
mod tests;
