//! What becomes of the values that a site changed in its old homes (design.md, promise 5).
//!
//! Each change that the agents' comparison found gets one fate: the new home has it already, the guide or the upgrade
//! file sets the place, it is carried, renamed, obsolete, left to Secure Vault – or undecided, and then there is no
//! plan until the upgrade file says. Nothing is carried by guess: a place is carried by itself only where the site
//! changed what both versions ship with one and the same value.

mod answers;
mod classify;
mod context;
mod decide;
mod hold;
mod merge;
pub mod paths;
mod report;
mod safety;
mod secrets;
mod whole;

use std::collections::{BTreeMap, BTreeSet};

use cutover_proto::config::report::{Fate, SecretNote};
use cutover_proto::config::{ConfigComparison, FileState, SiteChange};
use cutover_proto::ids::NodeName;
use cutover_proto::step::XmlEdit;
use cutover_proto::view::{Finding, Severity};

use super::{Inputs, PlanNode, error, finding};

pub use self::hold::{Prints, can_compare, compare_action, differences, prints};
pub use self::report::report;

/// The comparison of each node, or why there is none.
pub type Comparisons = BTreeMap<NodeName, Result<ConfigComparison, String>>;

/// A change on one node, and what becomes of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// The node.
    pub node: NodeName,
    /// File of the old home.
    pub file: String,
    /// How the file stands to both stocks.
    pub state: FileState,
    /// The change; none where the file as a whole is meant.
    pub change: Option<SiteChange>,
    /// What becomes of it.
    pub outcome: Outcome,
}

/// What becomes of a change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// In a word.
    pub fate: Fate,
    /// Why.
    pub why: String,
    /// The edit that does it, and the file of the new home.
    pub edit: Option<(String, XmlEdit)>,
    /// The file to carry as a whole: one that the new version does not ship.
    pub carry: Option<String>,
    /// Where it goes, when that is another place.
    pub to: Option<String>,
    /// Why there can be no plan with it, besides being undecided.
    pub refused: Option<Refusal>,
}

/// Why there can be no plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// One word for programs.
    pub code: &'static str,
    /// What to do.
    pub remedy: String,
}

impl Outcome {
    fn new(fate: Fate, why: impl Into<String>) -> Self {
        Self {
            fate,
            why: why.into(),
            edit: None,
            carry: None,
            to: None,
            refused: None,
        }
    }

    fn with_edit(mut self, file: &str, edit: XmlEdit) -> Self {
        self.edit = Some((file.to_owned(), edit));
        self
    }

    fn to(mut self, file: &str, path: &str) -> Self {
        self.to = Some(format!("{file}: {path}"));
        self
    }

    fn refused(mut self, code: &'static str, remedy: impl Into<String>) -> Self {
        self.refused = Some(Refusal {
            code,
            remedy: remedy.into(),
        });
        self
    }
}

/// What becomes of everything.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Resolution {
    /// Every change on every node.
    pub items: Vec<Item>,
    /// How the homes keep their secrets, and what becomes of that.
    pub secrets: Vec<SecretNote>,
    /// What stands in the way, and what is worth knowing.
    pub findings: Vec<Finding>,
    carries: BTreeMap<NodeName, Vec<String>>,
    leaves: BTreeMap<NodeName, Vec<(String, String)>>,
}

/// Decides on every change.
#[must_use]
pub fn resolve(inputs: &Inputs<'_>) -> Resolution {
    let mut resolution = Resolution::default();
    let mut used = decide::Used::default();
    for node in inputs.ordered_nodes() {
        resolve_node(inputs, node, &mut used, &mut resolution);
    }
    let compared = inputs.configs.values().any(Result::is_ok);
    if compared {
        resolution
            .findings
            .extend(decide::unused(inputs, &used, &resolution.items));
    }
    resolution
        .findings
        .extend(stock_unknown(inputs, &resolution.items));
    let open = resolution.open(inputs);
    resolution.findings.extend(open);
    secrets::merge_notes(&mut resolution.secrets);
    resolution
}

fn resolve_node(inputs: &Inputs<'_>, node: &PlanNode, used: &mut decide::Used, resolution: &mut Resolution) {
    // What is the matter with a node that is away or has no such home is said by the checks.
    let context = context::Context::of(inputs, node);
    if !can_compare(inputs.upgrade, node) {
        return;
    }
    let comparison = match inputs.configs.get(&node.name) {
        Some(Ok(comparison)) => comparison,
        failed => {
            let why = failed
                .and_then(|result| result.as_ref().err())
                .map_or("", String::as_str);
            resolution.findings.push(not_compared(node, why));
            return;
        }
    };
    resolution.findings.extend(merge::overruled(&context));
    resolution.findings.extend(merge::on_production(&context));
    let from = resolution.items.len();
    for file in &comparison.files {
        let outcomes = classify::file(&context, file, used);
        resolution
            .items
            .extend(outcomes.into_iter().map(|(change, outcome)| Item {
                node: node.name.clone(),
                file: file.file.clone(),
                state: file.state.clone(),
                change,
                outcome,
            }));
    }
    let items = resolution.items.get(from..).unwrap_or_default();
    let carries = items.iter().filter_map(|item| item.outcome.carry.as_deref());
    let mut carries: Vec<String> = carries.map(glob_escape).collect();
    let kept = secrets::of(&context, comparison, items, used);
    carries.extend(kept.carries);
    resolution.secrets.extend(kept.notes);
    resolution.findings.extend(kept.findings);
    resolution.carries.insert(node.name.clone(), carries);
    resolution.leaves.insert(node.name.clone(), kept.leaves);
}

/// Much that is asked would not be, if the old version's archive were there to tell.
fn stock_unknown(inputs: &Inputs<'_>, items: &[Item]) -> Option<Finding> {
    let asked = |item: &&Item| item.state == FileState::StockUnknown && item.outcome.fate == Fate::Undecided;
    let files: BTreeSet<&str> = items
        .iter()
        .filter(asked)
        .map(|item| item.file.as_str())
        .collect();
    if inputs.upgrade.old_distribution.is_some() || files.is_empty() {
        return None;
    }
    Some(finding(
        Severity::Warning,
        "stock-unknown",
        inputs.file,
        format!(
            "what the old version shipped is not known for {} file(s) with undecided values",
            files.len()
        ),
        "name the archive that the old homes were unpacked from as home.old_distribution: most of them are then decided",
    ))
}

fn not_compared(node: &PlanNode, why: &str) -> Finding {
    let why = if why.is_empty() {
        "its agent did not answer"
    } else {
        why
    };
    error(
        "config-not-compared",
        &node.name,
        format!("its configuration could not be compared: {why}"),
        "look at the agent's log on that host, then give the command again",
    )
}

/// A name that matches itself alone as a pattern.
fn glob_escape(name: &str) -> String {
    let escape = |c: char| match c {
        '*' | '?' | '[' | ']' => format!("[{c}]"),
        c => c.to_string(),
    };
    name.chars().map(escape).collect()
}

impl Resolution {
    /// Files of the old home that are carried to the new one beside those of the guide, as patterns.
    #[must_use]
    pub fn carries(&self, node: &NodeName) -> &[String] {
        self.carries.get(node).map_or(&[], Vec::as_slice)
    }

    /// How many different changes nobody has decided on.
    #[must_use]
    pub fn undecided(&self) -> usize {
        report::groups(&self.items)
            .iter()
            .filter(|group| group.item.outcome.fate == Fate::Undecided)
            .count()
    }

    /// What a person has to do on the nodes before the servers are stopped.
    #[must_use]
    pub fn by_hand(&self, all: usize) -> Vec<String> {
        let groups = report::groups(&self.items);
        let changes = groups
            .iter()
            .filter(|group| group.item.outcome.fate == Fate::ByHand)
            .map(|group| {
                let place = report::place(group.item);
                format!(
                    "{}: {place}: {}",
                    report::on(&group.nodes, all),
                    group.item.outcome.why
                )
            });
        let secrets = self
            .secrets
            .iter()
            .filter(|note| note.by_hand)
            .map(|note| format!("{}: {}: {}", report::on(&note.nodes, all), note.what, note.then));
        changes.chain(secrets).collect()
    }

    /// What a plan says of all this.
    #[must_use]
    pub fn notes(&self, all: usize) -> Vec<String> {
        let mut notes = Vec::new();
        let groups = report::groups(&self.items);
        for fate in [
            Fate::Carried,
            Fate::Renamed,
            Fate::ByGuide,
            Fate::BySite,
            Fate::Obsolete,
            Fate::Left,
            Fate::Vault,
        ] {
            let count = groups
                .iter()
                .filter(|group| group.item.outcome.fate == fate)
                .count();
            if count > 0 {
                notes.push(format!(
                    "configuration: {count} change(s) of the site: {}",
                    meaning(fate)
                ));
            }
        }
        if !groups.is_empty() {
            notes.push("`cutover config report` shows each change and what becomes of it".to_owned());
        }
        for todo in self.by_hand(all) {
            notes.push(format!("by hand, before phase quiesce is approved: {todo}"));
        }
        for note in self.secrets.iter().filter(|note| !note.by_hand) {
            notes.push(format!(
                "{}: {}: {}",
                report::on(&note.nodes, all),
                note.what,
                note.then
            ));
        }
        notes
    }

    /// The findings about changes that stand in the way.
    fn open(&self, inputs: &Inputs<'_>) -> Vec<Finding> {
        let all = inputs.nodes.len();
        let mut findings = Vec::new();
        for group in report::groups(&self.items) {
            let (item, on) = (group.item, report::on(&group.nodes, all));
            let text = format!("{}: {}", report::place(item), item.outcome.why);
            if let Some(refusal) = &item.outcome.refused {
                findings.push(error(refusal.code, on, text, refusal.remedy.clone()));
            } else if item.outcome.fate == Fate::Undecided {
                let remedy = format!(
                    "decide on it in the upgrade file, for example:\n{}",
                    answers::answer(item)
                );
                findings.push(error("config-undecided", on, text, remedy));
            }
        }
        findings
    }
}

/// What a fate means, in words.
#[must_use]
pub fn meaning(fate: Fate) -> &'static str {
    match fate {
        Fate::Undecided => "the upgrade file has to say what becomes of it",
        Fate::ByHand => "a person sees to it on the node before the servers are stopped",
        Fate::Vault => "left to Secure Vault",
        Fate::Carried => "put into the same place of the new home",
        Fate::Renamed => "put into the place that the new version has for it",
        Fate::ByGuide => "the guide sets that place",
        Fate::BySite => "the upgrade file sets that place",
        Fate::Obsolete => "the new version has no use for it",
        Fate::Left => "the new home's value stays",
        Fate::Same => "the new home has it already",
    }
}

#[cfg(test)]
mod tests;
