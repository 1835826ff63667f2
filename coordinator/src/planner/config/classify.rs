//! One change of the site: what becomes of it.

use cutover_proto::config::report::Fate;
use cutover_proto::config::{ChangeKind, FileComparison, FileState, NewPlace, ShownValue, SiteChange};
use cutover_proto::step::{ConfigValue, HomeValue, XmlEdit};

use super::context::Context;
use super::decide::Used;
use super::paths::Steps;
use super::{Outcome, answers, decide, safety, secrets, whole};
use crate::model::upgrade::{Decision, Take};

/// A change, or none for the file as a whole, and what becomes of it.
pub(super) type Judged = (Option<SiteChange>, Outcome);

/// Everything that a file has to say.
pub(super) fn file(context: &Context<'_>, file: &FileComparison, used: &mut Used) -> Vec<Judged> {
    if secrets::is_vault_file(&file.file) {
        let why = "it belongs to Secure Vault; the notes on secrets say what becomes of it";
        return vec![(None, Outcome::new(Fate::Vault, why))];
    }
    match file.state {
        FileState::Malformed { .. }
        | FileState::Unread { .. }
        | FileState::Opaque
        | FileState::AddedBySite => {
            vec![(None, whole::judge(context, file, used))]
        }
        FileState::GoneInNew if file.changes.is_empty() => vec![(None, whole::judge(context, file, used))],
        FileState::Edited | FileState::StockUnknown | FileState::GoneInNew => {
            let changes = file.changes.iter();
            let judged = |change: &SiteChange| {
                let one = One::of(context, file, change);
                (Some(change.clone()), one.judge(used))
            };
            changes.map(judged).collect()
        }
    }
}

/// A change with all that its judgement rests on.
struct One<'a, 'c> {
    context: &'a Context<'c>,
    file: &'a FileComparison,
    change: &'a SiteChange,
    place: Steps,
}

impl<'a, 'c> One<'a, 'c> {
    fn of(context: &'a Context<'c>, file: &'a FileComparison, change: &'a SiteChange) -> Self {
        Self {
            context,
            file,
            change,
            place: Steps::of(&change.path),
        }
    }

    fn is_xml(&self) -> bool {
        self.file.file.ends_with(".xml")
    }

    fn judge(&self, used: &mut Used) -> Outcome {
        let decision = decide::find(self.context, &self.file.file, Some(&self.change.path));
        if let Some(decision) = decision {
            used.mark(decision);
        }
        if let Some(outcome) = self.set_by_others(&self.file.file, &self.place) {
            return outcome;
        }
        if self.is_there_already() {
            return Outcome::new(Fate::Same, "the new home has it already");
        }
        if let Some(decision) = decision {
            return self.decided(decision);
        }
        if let Some(outcome) = self.vault() {
            return outcome;
        }
        self.by_guide_table().unwrap_or_else(|| self.three_way())
    }

    /// What the upgrade file or the guide sets anyway.
    fn set_by_others(&self, file: &str, place: &Steps) -> Option<Outcome> {
        if !self.is_xml() {
            return None;
        }
        if let Some(edit) = self.context.site_edit(file, place) {
            return Some(Outcome::new(
                Fate::BySite,
                format!("[[config]] sets it to {}", edit.value),
            ));
        }
        let edit = self.context.guide_edit(file, place)?;
        Some(Outcome::new(
            Fate::ByGuide,
            format!("the guide sets it to {}", edit.value),
        ))
    }

    fn is_there_already(&self) -> bool {
        match &self.change.new {
            NewPlace::There { same, .. } => *same,
            NewPlace::ParentOnly | NewPlace::Missing => self.change.kind == ChangeKind::Removed,
            NewPlace::Several { .. } => false,
        }
    }

    fn home_value(&self) -> HomeValue {
        HomeValue {
            home: self.context.old_home(),
            file: self.file.file.clone(),
            path: self.change.path.clone(),
        }
    }

    /// The edit that puts the site's value into a place of the new home.
    fn edit(&self, path: &str) -> Option<XmlEdit> {
        let value = match (self.change.kind, self.change.site.as_ref()?) {
            (ChangeKind::AddedElement, _) => ConfigValue::Element(self.home_value()),
            (ChangeKind::Changed | ChangeKind::Added, ShownValue::Plain(text)) if safety::is_whole(text) => {
                ConfigValue::Literal(text.clone())
            }
            (ChangeKind::Changed | ChangeKind::Added, ShownValue::Plain(_)) => {
                ConfigValue::Carried(self.home_value())
            }
            (ChangeKind::Changed | ChangeKind::Added, ShownValue::Hidden | ShownValue::Encrypted) => {
                ConfigValue::Carried(self.home_value())
            }
            (ChangeKind::Changed | ChangeKind::Added, ShownValue::Vault(_)) | (ChangeKind::Removed, _) => {
                return None;
            }
        };
        Some(XmlEdit {
            path: path.to_owned(),
            value,
            only_if_present: false,
        })
    }

    fn carried(&self, why: impl Into<String>) -> Outcome {
        match self.edit(&self.change.path) {
            Some(edit) => Outcome::new(Fate::Carried, why).with_edit(&self.file.file, edit),
            None => self.undecided(why),
        }
    }

    fn undecided(&self, why: impl Into<String>) -> Outcome {
        Outcome::new(Fate::Undecided, why)
    }

    fn site_text(&self) -> Option<&str> {
        match self.change.site.as_ref()? {
            ShownValue::Plain(text) => Some(text),
            ShownValue::Hidden | ShownValue::Vault(_) | ShownValue::Encrypted => None,
        }
    }

    /// Values that Secure Vault keeps, in the old home or in the new one.
    fn vault(&self) -> Option<Outcome> {
        let new_alias = self.new_alias();
        match (&self.change.site, new_alias) {
            (Some(ShownValue::Vault(alias)), Some(_)) => Some(Outcome::new(
                Fate::Vault,
                format!("Secure Vault keeps it under alias `{alias}` in both homes"),
            )),
            (Some(ShownValue::Vault(alias)), None) => Some(Outcome::new(
                Fate::Vault,
                format!(
                    "Secure Vault keeps it under alias `{alias}`; the new home's file has no alias there yet"
                ),
            )),
            (Some(ShownValue::Plain(_) | ShownValue::Hidden | ShownValue::Encrypted), Some(alias)) => {
                Some(secrets::protected(self.context, alias))
            }
            (Some(ShownValue::Plain(_) | ShownValue::Hidden | ShownValue::Encrypted) | None, None)
            | (None, Some(_)) => None,
        }
    }

    /// The alias under which the new home keeps the place.
    fn new_alias(&self) -> Option<&'a str> {
        match &self.change.new {
            NewPlace::There {
                value: ShownValue::Vault(alias),
                ..
            } => Some(alias),
            NewPlace::There { .. } | NewPlace::ParentOnly | NewPlace::Missing | NewPlace::Several { .. } => {
                None
            }
        }
    }

    /// What the guide says became of the place.
    fn by_guide_table(&self) -> Option<Outcome> {
        let guide = self.context.inputs.guide;
        let renames = guide
            .renames
            .iter()
            .filter(|rename| rename.file == self.file.file);
        let moved = renames.map(|rename| (Steps::of(&rename.from), rename));
        if let Some((from, rename)) = moved.into_iter().find(|(from, _)| from.leads_to(&self.place)) {
            let path = from.rebase(&self.place, &rename.to);
            return Some(self.moved(rename.target_file(), &path, &rename.why));
        }
        let mut obsolete = guide
            .obsolete
            .iter()
            .filter(|obsolete| obsolete.file == self.file.file);
        let gone = obsolete.find(|obsolete| Steps::of(&obsolete.path).leads_to(&self.place))?;
        Some(Outcome::new(Fate::Obsolete, gone.why.clone()))
    }

    fn moved(&self, file: &str, path: &str, why: &str) -> Outcome {
        if self.change.kind == ChangeKind::Removed {
            let why = format!("the site removed it, and in the new version it is {file}: {path} ({why})");
            return self.undecided(why).to(file, path);
        }
        let target = Steps::of(path);
        if let Some(outcome) = self.set_by_others(file, &target) {
            return outcome.to(file, path);
        }
        if let Some(why) = self.site_text().and_then(|text| {
            safety::forbidden(self.context, text).or_else(|| safety::elsewhere(self.context, text))
        }) {
            return self.undecided(why).to(file, path);
        }
        if self.change.kind == ChangeKind::AddedElement && target.last_name() != self.place.last_name() {
            let why = format!(
                "the new version has it as {file}: {path} ({why}), and a whole element can't be renamed"
            );
            return self.undecided(why).to(file, path);
        }
        match self.edit(path) {
            Some(edit) => Outcome::new(Fate::Renamed, why)
                .with_edit(file, edit)
                .to(file, path),
            None => self.undecided(why).to(file, path),
        }
    }

    /// Without a word from guide or operator: what the site changed in a value that both versions ship alike is carried,
    /// and nothing else.
    fn three_way(&self) -> Outcome {
        if !self.is_xml() {
            return self.undecided(
                "files that are not XML are not edited; a person must say whether the value matters",
            );
        }
        if let Some(outcome) = self.site_place() {
            return outcome;
        }
        match &self.change.new {
            NewPlace::There { value, .. } => self.there(value),
            NewPlace::ParentOnly if self.change.kind == ChangeKind::AddedElement => self.added_element(),
            NewPlace::ParentOnly | NewPlace::Missing => self.undecided(match self.change.kind {
                ChangeKind::Changed | ChangeKind::Removed => "the new version's file does not have it",
                ChangeKind::Added | ChangeKind::AddedElement => {
                    "the site added it, and the new version's file does not have it: whether the new version reads it is not \
                     known"
                }
            }),
            NewPlace::Several { count } => {
                self.undecided(format!("the new version's file has {count} such places, and which one is meant is not known"))
            }
        }
    }

    /// Places that hold nothing but values of the site.
    fn site_place(&self) -> Option<Outcome> {
        let shipped = safety::site_place(&self.file.file, &self.change.path)?;
        self.change.site.as_ref()?;
        match (&self.change.new, shipped) {
            (NewPlace::ParentOnly, _) => {
                Some(self.carried("every version reads it there, and none ships a value of its own"))
            }
            (
                NewPlace::There {
                    value: ShownValue::Plain(new),
                    ..
                },
                Some(shipped),
            ) => {
                if new.trim() == shipped {
                    return Some(
                        self.carried(format!("every version reads it there, and ships `{shipped}`")),
                    );
                }
                Some(Outcome::new(
                    Fate::Left,
                    format!(
                        "every version ships `{shipped}` there, and somebody set the new home to `{new}`: that stays"
                    ),
                ))
            }
            (NewPlace::There { .. } | NewPlace::Missing | NewPlace::Several { .. }, _) => None,
        }
    }

    fn there(&self, new: &ShownValue) -> Outcome {
        let (stock, site) = (self.change.stock.as_ref(), self.change.site.as_ref());
        match site {
            None => {
                self.undecided("the site removed it, and the new version has it: an edit can't take it out")
            }
            Some(ShownValue::Encrypted) if *new == ShownValue::Encrypted => {
                self.carried("it is encrypted in place in both versions; the key store is carried with it")
            }
            Some(ShownValue::Encrypted | ShownValue::Vault(_)) => {
                self.undecided("it is encrypted in the old home, and the new version's file has it in plain")
            }
            Some(ShownValue::Hidden) => {
                self.carried("a secret of the site; it goes from home to home on the node")
            }
            Some(ShownValue::Plain(text)) => {
                let new_text = match new {
                    ShownValue::Plain(text) => Some(text.as_str()),
                    ShownValue::Hidden | ShownValue::Vault(_) | ShownValue::Encrypted => None,
                };
                if safety::is_own_version(self.context, text, new_text) {
                    return Outcome::new(
                        Fate::Obsolete,
                        "it says which version the old home is; the new home says its own",
                    );
                }
                if self.file.state == FileState::StockUnknown {
                    return self.undecided(
                        "the old version's stock of the file is not known: the difference may be the site's, or the versions' own",
                    );
                }
                if stock != Some(new) {
                    return self.undecided(format!(
                        "both the site and the new version changed it: stock was {}, the new version has {}",
                        answers::shown(stock),
                        answers::shown(Some(new))
                    ));
                }
                match safety::doubtful(self.context, text, stock) {
                    Some(why) => self.undecided(why),
                    None => self.carried("both versions ship the same value, and the site changed it"),
                }
            }
        }
    }

    /// A data source of the upgrade that the new version does not ship: the guide sets it to staging.
    fn added_element(&self) -> Outcome {
        if let Some(why) = self.vaulted_password() {
            let remedy = format!(
                "put the data source into the new home beforehand, with an alias and staging's password under it; or let the \
                 plan make it anew, with staging's password in plain until bin/ciphertool.sh protects it:\n{}",
                answers::leave(&self.file.file, &self.change.path)
            );
            return self.undecided(why).refused("config-protected", remedy);
        }
        if self.is_mounted() {
            return self.carried(
                "it belongs to a registry that is mounted from a database of the upgrade: it is put in, and then led to staging",
            );
        }
        let set = self.guide_leads_it();
        let database = self
            .place
            .last_identity()
            .filter(|name| self.context.is_database(name));
        match database {
            Some(name) if set && self.place.last_name() == "datasource" => self.carried(format!(
                "data source `{name}` is a database of the upgrade: it is put in, and then set to staging"
            )),
            Some(_) | None => self.undecided(
                "the site added the whole element: whether the new version reads it, and what it leads to, is not known",
            ),
        }
    }

    /// A part of a mount in `registry.xml`: each part that names a database is led to staging by the guide.
    fn is_mounted(&self) -> bool {
        self.file.file == "repository/conf/registry.xml"
            && match self.place.last_name() {
                "dbConfig" | "remoteInstance" => self.guide_leads_it(),
                "mount" => self.context.mounts_are_led(&self.file.file),
                _ => false,
            }
    }

    /// Whether the guide or the upgrade file sets what an added element leads to.
    fn guide_leads_it(&self) -> bool {
        let within = |edit: &XmlEdit| {
            let path = Steps::of(&edit.path);
            let leads = ["url", "dataSource", "cacheId"];
            self.place.above(&path)
                && leads
                    .iter()
                    .any(|name| path.last_name().eq_ignore_ascii_case(name))
        };
        self.edits_of_file().any(within)
    }

    /// Why an added element can't be put in and then be edited: an edit within it would set a value that Secure Vault
    /// keeps, which agents refuse.
    fn vaulted_password(&self) -> Option<String> {
        if self.change.kind != ChangeKind::AddedElement || self.place.last_name() != "datasource" {
            return None;
        }
        let name = self.place.last_identity()?;
        let mut sources = self.context.old?.datasources.iter();
        let by_facts = sources.any(|source| source.name == name && source.password_alias.is_some());
        let by_text = self.site_text().is_some_and(|text| text.contains("secretAlias="));
        let sets_secret = |edit: &XmlEdit| {
            matches!(edit.value, ConfigValue::Secret(_)) && self.place.above(&Steps::of(&edit.path))
        };
        let mut edits = self.edits_of_file();
        ((by_facts || by_text) && edits.any(sets_secret)).then(|| {
            format!(
                "Secure Vault keeps the password of data source `{name}` under an alias, and setting staging's password in it \
                 would have no effect"
            )
        })
    }

    fn edits_of_file(&self) -> impl Iterator<Item = &XmlEdit> {
        let edits = self.context.all_edits();
        edits.filter_map(|(file, edit)| (file == self.file.file).then_some(edit))
    }

    /// As the upgrade file says.
    fn decided(&self, decision: &Decision) -> Outcome {
        let because = match &decision.reason {
            Some(reason) => format!("{} says so ({reason})", decision.line),
            None => format!("{} says so", decision.line),
        };
        match decision.take {
            Take::New => Outcome::new(Fate::Left, because),
            Take::ByHand => Outcome::new(
                Fate::ByHand,
                format!(
                    "see to it in {}/{}; {because}",
                    self.context.new_home(),
                    self.file.file
                ),
            ),
            Take::Old => self.take_old(decision, &because).unwrap_or_else(|why| {
                let remedy =
                    "write take = \"new\" or take = \"by-hand\", or set the value itself by [[config]]";
                Outcome::new(
                    Fate::Undecided,
                    format!("{} asks for the old value, but {why}", decision.line),
                )
                .refused("decide-impossible", remedy)
            }),
        }
    }

    fn take_old(&self, decision: &Decision, because: &str) -> Result<Outcome, String> {
        let file = decision.to_file.as_deref().unwrap_or(&self.file.file);
        let path = decision.to.as_deref().unwrap_or(&self.change.path);
        if !self.is_xml() || !file.ends_with(".xml") {
            return Err("only XML files are edited".into());
        }
        if let Some(why) = self
            .site_text()
            .and_then(|text| safety::forbidden(self.context, text))
            && !self.guide_leads_it()
        {
            return Err(why);
        }
        if let Some(why) = self.vaulted_password() {
            return Err(why);
        }
        if self.change.kind == ChangeKind::AddedElement && self.site_text().is_some_and(safety::is_cut) {
            return Err(
                "it is too long to be shown, and whether it leads to production can't be told".into(),
            );
        }
        if let Some(ShownValue::Vault(alias)) = &self.change.site {
            return Err(format!(
                "Secure Vault keeps it under alias `{alias}`; an edit can't carry that"
            ));
        }
        if decision.to.is_none() {
            match &self.change.new {
                NewPlace::Missing => {
                    return Err("the new file lacks its parent too: say with `to` where it goes".into());
                }
                NewPlace::Several { count } => {
                    return Err(format!(
                        "the new file has {count} such places: say with `to` which one"
                    ));
                }
                NewPlace::There { .. } | NewPlace::ParentOnly => {}
            }
            if let Some(alias) = self.new_alias() {
                return Err(format!(
                    "Secure Vault keeps the new home's value under alias `{alias}`"
                ));
            }
        }
        if let Some(outcome) = self.set_by_others(file, &Steps::of(path)) {
            return Err(format!("{} is set otherwise: {}", path, outcome.why));
        }
        let edit = self
            .edit(path)
            .ok_or("the site removed it: there is no value to put in")?;
        let outcome = if decision.to.is_some() {
            Outcome::new(Fate::Renamed, because).to(file, path)
        } else {
            Outcome::new(Fate::Carried, because)
        };
        Ok(outcome.with_edit(file, edit))
    }
}
