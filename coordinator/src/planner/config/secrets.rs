//! How a home keeps its secrets, and what becomes of that (carbon-facts.md section 7).
//!
//! A value under Secure Vault is never set by an edit: the server reads it under its alias, and the edit would have no
//! effect or take the protection away. What is encrypted is bound to the key store and goes with it, or not at all.

mod keystores;
mod vault;

use cutover_proto::config::report::{Fate, SecretNote};
use cutover_proto::config::{ConfigComparison, NewPlace, ShownValue};
use cutover_proto::step::{ConfigValue, XmlEdit};
use cutover_proto::view::Finding;

use super::context::Context;
use super::decide::{self, Used};
use super::paths::Steps;
use super::{Item, Outcome, answers, error};
use crate::model::upgrade::{Scope, Take};

const FOLDER: &str = "repository/conf/security";
const CIPHER_TEXT: &str = "repository/conf/security/cipher-text.properties";
const CIPHER_TOOL: &str = "repository/conf/security/cipher-tool.properties";
const SECRET_CONF: &str = "repository/conf/security/secret-conf.properties";

/// What becomes of the secrets of one node.
#[derive(Debug, Default)]
pub(super) struct Kept {
    /// Files that go along, as patterns.
    pub(super) carries: Vec<String>,
    /// Places whose edits are left out: file and path.
    pub(super) leaves: Vec<(String, String)>,
    pub(super) notes: Vec<SecretNote>,
    pub(super) findings: Vec<Finding>,
}

impl Kept {
    fn note(
        &mut self,
        context: &Context<'_>,
        what: impl Into<String>,
        then: impl Into<String>,
        by_hand: bool,
    ) {
        self.notes.push(SecretNote {
            nodes: vec![context.node.name.clone()],
            what: what.into(),
            then: then.into(),
            by_hand,
        });
    }
}

/// Whether a file belongs to Secure Vault itself.
pub(super) fn is_vault_file(file: &str) -> bool {
    [CIPHER_TEXT, CIPHER_TOOL, SECRET_CONF].contains(&file)
}

pub(super) fn of(
    context: &Context<'_>,
    comparison: &ConfigComparison,
    items: &[Item],
    used: &mut Used,
) -> Kept {
    let mut kept = Kept::default();
    protected_edits(context, comparison, items, used, &mut kept);
    vault::look(context, comparison, items, &mut kept);
    keystores::look(context, items, &mut kept);
    kept
}

/// Edits of places that Secure Vault keeps in the new home.
fn protected_edits(
    context: &Context<'_>,
    comparison: &ConfigComparison,
    items: &[Item],
    used: &mut Used,
    kept: &mut Kept,
) {
    let carried = items.iter().filter_map(|item| item.outcome.edit.as_ref());
    let carried = carried.map(|(file, edit)| (file.as_str(), edit));
    for (file, edit) in context.all_edits().chain(carried) {
        if matches!(edit.value, ConfigValue::Element(_)) {
            continue;
        }
        let Some(alias) = protection(context, comparison, file, edit) else {
            continue;
        };
        let answer = decide::find(context, file, Some(&edit.path));
        if let Some(decision) =
            answer.filter(|answer| answer.take == Take::New && answer.scope != Scope::File)
        {
            used.mark(decision);
            kept.leaves.push((file.to_owned(), edit.path.clone()));
            let what = format!("{file}: {}", edit.path);
            kept.note(
                context,
                what,
                format!("left to Secure Vault ({alias}), as {} says", decision.line),
                false,
            );
            continue;
        }
        kept.findings.push(error(
            "config-protected",
            &context.node.name,
            format!(
                "{file}: {} would be set to {}, but in {} Secure Vault keeps it ({alias}): a plain value there has no effect",
                edit.path,
                edit.value,
                context.new_home()
            ),
            format!("{}, then leave it to Secure Vault:\n{}", store(context, &alias), answers::leave(file, &edit.path)),
        ));
    }
}

/// How to put a new value under an alias.
fn store(context: &Context<'_>, alias: &str) -> String {
    let new = context.new_home();
    let name = alias
        .strip_prefix("alias `")
        .and_then(|alias| alias.strip_suffix('`'))
        .unwrap_or("ALIAS");
    format!(
        "put `{name}=[VALUE]` into {new}/{CIPHER_TEXT} and run `cd {new} && bin/ciphertool.sh -Dconfigure`"
    )
}

/// The alias under which the new home keeps a place, in words.
fn protection(
    context: &Context<'_>,
    comparison: &ConfigComparison,
    file: &str,
    edit: &XmlEdit,
) -> Option<String> {
    let place = Steps::of(&edit.path);
    let changes = comparison
        .files
        .iter()
        .filter(|other| other.file == file)
        .flat_map(|file| &file.changes);
    let mut found = changes
        .filter(|change| Steps::of(&change.path).same(&place))
        .filter_map(|change| match &change.new {
            NewPlace::There {
                value: ShownValue::Vault(alias),
                ..
            } => Some(format!("alias `{alias}`")),
            NewPlace::There { .. } | NewPlace::ParentOnly | NewPlace::Missing | NewPlace::Several { .. } => {
                None
            }
        });
    found.next().or_else(|| protected_in_new(context, file, &place))
}

fn protected_in_new(context: &Context<'_>, file: &str, place: &Steps) -> Option<String> {
    let new = context.new?;
    let listed = new
        .secrets
        .protected
        .iter()
        .filter_map(|listed| listed.split_once(": "));
    let mut here = listed.filter(|(other, path)| *other == file && Steps::of(path).same(place));
    here.next()?;
    let source = new.datasources.iter().find(|source| {
        let of = format!(
            "/datasources-configuration/datasources/datasource[name='{}']",
            source.name
        );
        source.file == file && Steps::of(&of).above(place)
    });
    let alias = source.and_then(|source| source.password_alias.as_deref());
    Some(alias.map_or("under an alias of its own".to_owned(), |alias| {
        format!("alias `{alias}`")
    }))
}

/// A place of the new home that Secure Vault keeps, and a site's value for it.
pub(super) fn protected(context: &Context<'_>, alias: &str) -> Outcome {
    let why = format!(
        "the new home keeps it in Secure Vault under alias `{alias}`, and an edit would have no effect"
    );
    let remedy = format!(
        "{}, then decide on it with take = \"new\"",
        store(context, &format!("alias `{alias}`"))
    );
    Outcome::new(Fate::Vault, why).refused("config-protected", remedy)
}

/// Notes that are the same on several nodes stand once.
pub(super) fn merge_notes(notes: &mut Vec<SecretNote>) {
    let mut merged: Vec<SecretNote> = Vec::new();
    for note in notes.drain(..) {
        let same = |other: &&mut SecretNote| {
            (&other.what, &other.then, other.by_hand) == (&note.what, &note.then, note.by_hand)
        };
        match merged.iter_mut().find(same) {
            Some(other) => other.nodes.extend(note.nodes),
            None => merged.push(note),
        }
    }
    *notes = merged;
}
