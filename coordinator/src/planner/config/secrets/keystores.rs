//! Key stores: what is encrypted under one is of no use without it.

use cutover_proto::facts::{HomeFacts, KeystoreFacts};
use cutover_proto::view::Severity;

use super::{Context, Item, Kept, vault};
use crate::planner::config::error;
use crate::planner::finding;

pub(super) fn look(context: &Context<'_>, items: &[Item], kept: &mut Kept) {
    let Some(old) = context.old else { return };
    let bound = bound(old);
    if bound.is_empty() {
        return;
    }
    for store in old
        .secrets
        .keystores
        .iter()
        .filter(|store| store.role != "trust store")
    {
        look_at(context, items, store, &bound, kept);
    }
    if !old.secrets.encrypted.is_empty() {
        let what = format!(
            "{} value(s) with encrypted=\"true\": {}",
            old.secrets.encrypted.len(),
            list(&old.secrets.encrypted)
        );
        kept.note(
            context,
            what,
            "they go along with their files, and are readable with the old home's key store only",
            false,
        );
    }
}

/// What in a home is bound to its key store.
fn bound(home: &HomeFacts) -> String {
    let mut bound = Vec::new();
    if vault::is_vaulted(home) {
        bound.push("the values of Secure Vault");
    }
    if !home.secrets.encrypted.is_empty() {
        bound.push("encrypted values of configuration and user stores");
    }
    if !home.tenants.is_empty() {
        bound.push("the tenants' key stores");
    }
    bound.join(", ")
}

fn look_at(context: &Context<'_>, items: &[Item], store: &KeystoreFacts, bound: &str, kept: &mut Kept) {
    let (role, file) = (&store.role, &store.file);
    let what = format!("{role} {file}");
    let same_role = |other: &&KeystoreFacts| other.role == *role;
    let of_new = context
        .new
        .and_then(|new| new.secrets.keystores.iter().find(same_role));
    if file.starts_with('/') {
        kept.note(
            context,
            what,
            "it lies outside of the homes: both versions use the same file",
            false,
        );
    } else if store.sha256.is_none() {
        kept.findings.push(finding(
            Severity::Warning,
            "keystore-missing",
            &context.node.name,
            format!("the old home's carbon.xml names {what}, which is not there"),
            "look whether the server really runs with this configuration",
        ));
        return;
    } else if context.is_carried(file) {
        kept.note(
            context,
            what,
            format!("carried to the new home: {bound} need it"),
            false,
        );
    } else if of_new.is_some_and(|new| new.sha256.is_some() && new.sha256 == store.sha256) {
        kept.note(context, what, "the new home has the same one", false);
        return;
    } else {
        kept.findings.push(error(
            "keystore-left",
            &context.node.name,
            format!("{what} of the old home is not carried, and the new home has another one: {bound} would be lost"),
            format!("add \"{file}\" to copy.carry in the upgrade file"),
        ));
        return;
    }
    let location = |path: &str| path.ends_with("/Location") && path.contains("KeyStore");
    let edited = items
        .iter()
        .filter_map(|item| item.outcome.edit.as_ref())
        .any(|(_, edit)| location(&edit.path))
        || context.all_edits().any(|(_, edit)| location(&edit.path));
    if let Some(new) = of_new.filter(|new| new.file != *file && !edited) {
        kept.findings.push(finding(
            Severity::Warning,
            "keystore-path",
            &context.node.name,
            format!(
                "the new home's carbon.xml names {} as its {role}, the old home's is {file}",
                new.file
            ),
            "set the place in carbon.xml by [[config]], or make sure that both are the same key store",
        ));
    }
}

/// The first few of a list.
pub(super) fn list(names: &[String]) -> String {
    let shown: Vec<&str> = names.iter().take(5).map(String::as_str).collect();
    let more = names.len().saturating_sub(shown.len());
    if more == 0 {
        shown.join(", ")
    } else {
        format!("{} and {more} more", shown.join(", "))
    }
}
