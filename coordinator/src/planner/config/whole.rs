//! Files that can only be judged as a whole.

use cutover_proto::config::report::Fate;
use cutover_proto::config::{FileComparison, FileState};

use super::context::Context;
use super::decide::Used;
use super::paths::Steps;
use super::{Outcome, decide};
use crate::model::upgrade::{Decision, Take};

pub(super) fn judge(context: &Context<'_>, file: &FileComparison, used: &mut Used) -> Outcome {
    match decide::find(context, &file.file, None) {
        Some(decision) => {
            used.mark(decision);
            decided(context, file, decision)
        }
        None => open(context, file),
    }
}

fn decided(context: &Context<'_>, file: &FileComparison, decision: &Decision) -> Outcome {
    let because = match &decision.reason {
        Some(reason) => format!("{} says so ({reason})", decision.line),
        None => format!("{} says so", decision.line),
    };
    match (decision.take, may_carry(context, file)) {
        (Take::New, _) => Outcome::new(Fate::Left, because),
        (Take::ByHand, _) => {
            let (old, new, name) = (context.old_home(), context.new_home(), &file.file);
            Outcome::new(
                Fate::ByHand,
                format!("bring what is needed of {old}/{name} into {new}/{name}; {because}"),
            )
        }
        (Take::Old, Ok(())) => {
            let mut outcome = Outcome::new(Fate::Carried, because);
            outcome.carry = Some(file.file.clone());
            outcome
        }
        (Take::Old, Err(why)) => {
            let remedy = "write take = \"new\" or take = \"by-hand\"";
            let text = format!("{} asks for the old file, but {why}", decision.line);
            Outcome::new(Fate::Undecided, text).refused("decide-impossible", remedy)
        }
    }
}

/// A file that the new version ships is edited, never copied (promise 5); one that it does not ship is the site's own.
fn may_carry(context: &Context<'_>, file: &FileComparison) -> Result<(), String> {
    match file.state {
        FileState::AddedBySite | FileState::GoneInNew => {}
        FileState::Edited | FileState::StockUnknown | FileState::Opaque => {
            return Err(
                "the new version ships a file of its own there, and files are never copied over it".into(),
            );
        }
        FileState::Malformed { .. } => return Err("it is not well-formed".into()),
        FileState::Unread { .. } => return Err("it can't be read".into()),
    }
    match live_production(context, &file.file) {
        Some(name) => Err(format!(
            "Carbon loads it, and its data source `{name}` leads to the production database, which is not upgraded: \
             name it as [[database]] or set its url in this file by [[config]]"
        )),
        None => Ok(()),
    }
}

/// A data source in the file that leads to production, unless the upgrade file sets its URL there.
fn live_production<'a>(context: &'a Context<'_>, file: &str) -> Option<&'a str> {
    let sources = context.old.map_or(&[][..], |home| &home.datasources);
    let set = |name: &str| {
        let url = format!(
            "/datasources-configuration/datasources/datasource[name='{name}']/definition/configuration/url"
        );
        context.site_edit(file, &Steps::of(&url)).is_some()
    };
    sources
        .iter()
        .filter(|source| source.file == file)
        .find(|source| context.production_in(&source.url).is_some() && !set(&source.name))
        .map(|source| source.name.as_str())
}

fn open(context: &Context<'_>, file: &FileComparison) -> Outcome {
    let name = &file.file;
    if context.is_carried(name) {
        return Outcome::new(Fate::Carried, "it is on the carry list");
    }
    let whole = |path: &str| path == "/" || Steps::of(path).is_root();
    let mut obsolete = context.inputs.guide.obsolete.iter();
    if let Some(gone) = obsolete.find(|obsolete| obsolete.file == *name && whole(&obsolete.path)) {
        return Outcome::new(Fate::Obsolete, gone.why.clone());
    }
    match &file.state {
        FileState::Malformed { reason } => {
            let remedy =
                "correct the file in the old home, or decide on the file with take = \"new\" or \"by-hand\"";
            Outcome::new(Fate::Undecided, format!("it is not well-formed: {reason}"))
                .refused("config-malformed", remedy)
        }
        FileState::Unread { reason } => Outcome::new(
            Fate::Undecided,
            format!("it can't be read, so nobody knows what the site has in it: {reason}"),
        ),
        FileState::AddedBySite if live_production(context, name).is_some() => Outcome::new(
            Fate::Undecided,
            "the site added it; Carbon loads it, and a data source in it leads to a production database",
        ),
        FileState::AddedBySite => {
            Outcome::new(Fate::Undecided, "the site added it; neither version ships it")
        }
        FileState::GoneInNew => {
            let moved: Vec<String> = context
                .inputs
                .guide
                .renames
                .iter()
                .filter(|rename| rename.file == *name)
                .map(|rename| format!("{} is now {}: {}", rename.from, rename.target_file(), rename.to))
                .collect();
            let text = "the site edited it, and the new version does not ship it";
            match moved.as_slice() {
                [] => Outcome::new(Fate::Undecided, text),
                moved => Outcome::new(Fate::Undecided, format!("{text}: {}", moved.join("; "))),
            }
        }
        FileState::Opaque | FileState::Edited | FileState::StockUnknown => Outcome::new(
            Fate::Undecided,
            "it is not as the old version shipped it, and it can't be compared value by value",
        ),
    }
}
