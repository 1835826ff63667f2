//! What is known of a node when its changes are judged.

use std::collections::BTreeMap;

use cutover_proto::facts::HomeFacts;
use cutover_proto::step::XmlEdit;

use super::paths::Steps;
use crate::guide::GuideEdit;
use crate::planner::{Inputs, PlanNode, edits, roles};

/// As the agents match: `*` stays within one name.
const CARRY_OPTIONS: glob::MatchOptions = glob::MatchOptions {
    case_sensitive: true,
    require_literal_separator: true,
    require_literal_leading_dot: false,
};

/// A node and what is planned on it.
pub(super) struct Context<'a> {
    pub(super) inputs: &'a Inputs<'a>,
    pub(super) node: &'a PlanNode,
    pub(super) old: Option<&'a HomeFacts>,
    pub(super) new: Option<&'a HomeFacts>,
    guide: Vec<(Vec<String>, Vec<XmlEdit>)>,
    site: BTreeMap<String, Vec<XmlEdit>>,
}

impl<'a> Context<'a> {
    pub(super) fn of(inputs: &'a Inputs<'a>, node: &'a PlanNode) -> Self {
        let old = node.home(&inputs.old_home(&node.name));
        let guide = inputs.guide.edits.iter();
        Self {
            inputs,
            node,
            old,
            new: node.home(&inputs.new_home(&node.name)).filter(|home| home.exists),
            guide: guide
                .map(|edit| (names(edit), edits::edits_of(inputs, edit, old)))
                .collect(),
            site: edits::site_edits(inputs, node),
        }
    }

    /// The guide's edits of a file.
    pub(super) fn guide_edits(&self, file: &str) -> impl Iterator<Item = &XmlEdit> {
        let of_file = move |files: &&(Vec<String>, Vec<XmlEdit>)| files.0.iter().any(|name| name == file);
        self.guide.iter().filter(of_file).flat_map(|(_, edits)| edits)
    }

    /// The guide's edit of a place.
    pub(super) fn guide_edit(&self, file: &str, place: &Steps) -> Option<&XmlEdit> {
        self.guide_edits(file)
            .find(|edit| Steps::of(&edit.path).same(place))
    }

    /// The upgrade file's edit of a place.
    pub(super) fn site_edit(&self, file: &str, place: &Steps) -> Option<&XmlEdit> {
        let edits = self.site.get(file)?;
        edits.iter().find(|edit| Steps::of(&edit.path).same(place))
    }

    /// Whether the guide leads every mount of the old home to staging: its cache is the one of the new database.
    pub(super) fn mounts_are_led(&self, file: &str) -> bool {
        let mounts = self
            .old
            .map(|home| home.registry_mounts.as_slice())
            .unwrap_or_default();
        let led = |instance: &str| {
            let id = format!("[id='{instance}']/cacheId");
            self.guide_edits(file).any(|edit| edit.path.ends_with(&id))
        };
        !mounts.is_empty() && mounts.iter().all(|mount| led(&mount.instance))
    }

    /// Every edit that is planned without the site's changes, with its file.
    pub(super) fn all_edits(&self) -> impl Iterator<Item = (&str, &XmlEdit)> {
        let guide = self.guide.iter().flat_map(|(files, edits)| {
            files
                .iter()
                .flat_map(move |file| edits.iter().map(move |edit| (file.as_str(), edit)))
        });
        guide.chain(self.site_edits().map(|(file, edit)| (file.as_str(), edit)))
    }

    /// The upgrade file's edits, with their files.
    pub(super) fn site_edits(&self) -> impl Iterator<Item = (&String, &XmlEdit)> {
        self.site
            .iter()
            .flat_map(|(file, edits)| edits.iter().map(move |edit| (file, edit)))
    }

    /// The production database that a text leads to: a new server told of it would be connected to a database that is
    /// not upgraded (promise 2).
    pub(super) fn production_in(&self, text: &str) -> Option<String> {
        let mut urls = jdbc_urls(text);
        urls.find_map(|url| roles::production_at(self.inputs, &url))
    }

    /// A JDBC URL in a text that does not lead to a staging database of the upgrade.
    pub(super) fn not_staging(&self, text: &str) -> Option<String> {
        jdbc_urls(text).find(|url| !roles::is_staging(self.inputs, url))
    }

    /// The files that are carried as they are, as patterns.
    pub(super) fn carry_list(&self) -> &'a [String] {
        let named = self.inputs.upgrade.carry.as_ref();
        named.unwrap_or(&self.inputs.guide.carry)
    }

    /// Whether the carry list names a file of the old home.
    pub(super) fn is_carried(&self, file: &str) -> bool {
        let matches = |pattern: &String| {
            glob::Pattern::new(pattern).is_ok_and(|pattern| pattern.matches_with(file, CARRY_OPTIONS))
        };
        self.carry_list().iter().any(matches)
    }

    /// Whether a data source of this name is a database of the upgrade.
    pub(super) fn is_database(&self, datasource: &str) -> bool {
        self.inputs
            .upgrade
            .databases
            .iter()
            .any(|database| database.datasource == datasource)
    }

    pub(super) fn old_home(&self) -> String {
        self.inputs.old_home(&self.node.name)
    }

    pub(super) fn new_home(&self) -> String {
        self.inputs.new_home(&self.node.name)
    }
}

/// The places where a file that the guide edits may lie.
fn names(edit: &GuideEdit) -> Vec<String> {
    std::iter::once(&edit.file)
        .chain(&edit.elsewhere)
        .cloned()
        .collect()
}

/// Every JDBC URL in a text, alone or within an element.
fn jdbc_urls(text: &str) -> impl Iterator<Item = String> {
    let ends = |c: char| c.is_whitespace() || "<\"'".contains(c);
    let lower = text.to_ascii_lowercase();
    let starts: Vec<usize> = lower.match_indices("jdbc:").map(|(at, _)| at).collect();
    let urls = starts.into_iter().filter_map(|at| text.get(at..));
    urls.map(move |url| url.split(ends).next().unwrap_or(url).replace("&amp;", "&"))
}
