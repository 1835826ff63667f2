//! The edits of one file: what the site changed goes between what the guide sets and what the upgrade file sets.

use std::collections::BTreeMap;

use cutover_proto::ids::NodeName;
use cutover_proto::step::{ConfigValue, XmlEdit};
use cutover_proto::view::{Finding, Severity};

use super::context::Context;
use super::paths::Steps;
use super::{Resolution, safety};
use crate::planner::{error, finding};

impl Resolution {
    /// The site's changes that go into files of the new home on a node, by file.
    #[must_use]
    pub fn edits(&self, node: &NodeName) -> BTreeMap<String, Vec<XmlEdit>> {
        let mut files: BTreeMap<String, Vec<XmlEdit>> = BTreeMap::new();
        let items = self.items.iter().filter(|item| &item.node == node);
        for (file, edit) in items.filter_map(|item| item.outcome.edit.as_ref()) {
            files.entry(file.clone()).or_default().push(edit.clone());
        }
        files
    }

    /// All edits of one file, which may lie under several names, in the order in which they are made. Whole elements come first, as the guide may set values
    /// within them; then the guide's edits, the site's changes, and the upgrade file's own values, each place once.
    #[must_use]
    pub fn merge(
        &self,
        node: &NodeName,
        names: &[&String],
        guide: Vec<XmlEdit>,
        changes: Vec<XmlEdit>,
        site: Vec<XmlEdit>,
    ) -> Vec<XmlEdit> {
        let left = self.leaves.get(node).map_or(&[][..], Vec::as_slice);
        let (elements, values): (Vec<XmlEdit>, Vec<XmlEdit>) = changes
            .into_iter()
            .partition(|edit| matches!(edit.value, ConfigValue::Element(_)));
        let is_left = |edit: &XmlEdit| {
            left.iter()
                .any(|(file, path)| names.contains(&file) && *path == edit.path)
        };
        let set_by_site = |edit: &XmlEdit| {
            let place = Steps::of(&edit.path);
            site.iter().any(|other| Steps::of(&other.path).same(&place))
        };
        let first = elements.into_iter().chain(guide).chain(values);
        let mut edits: Vec<XmlEdit> = first
            .filter(|edit| !is_left(edit) && !set_by_site(edit))
            .collect();
        edits.extend(site.iter().filter(|edit| !is_left(edit)).cloned());
        edits
    }
}

/// Places that both the guide and the upgrade file set.
pub(super) fn overruled(context: &Context<'_>) -> Vec<Finding> {
    let clash = |(file, site): (&String, &XmlEdit)| {
        let guide = context.guide_edit(file, &Steps::of(&site.path))?;
        (guide.value != site.value).then(|| {
            finding(
                Severity::Note,
                "config-overruled",
                &context.node.name,
                format!(
                    "{file}: {} is set to {} by [[config]]; the guide would set it to {}",
                    site.path, site.value, guide.value
                ),
                "remove it from [[config]] if that is not what you want",
            )
        })
    };
    context.site_edits().filter_map(clash).collect()
}

/// Values of the upgrade file that would connect the new server to production.
pub(super) fn on_production(context: &Context<'_>) -> Vec<Finding> {
    let refused = |(file, site): (&String, &XmlEdit)| {
        let ConfigValue::Literal(text) = &site.value else {
            return None;
        };
        let why = safety::forbidden(context, text)?;
        Some(error(
            "config-on-production",
            &context.node.name,
            format!("{file}: [[config]] sets {}, and {why}", site.path),
            "write the URL of a staging database, or remove it from [[config]]: the guide sets the databases of the upgrade",
        ))
    };
    context.site_edits().filter_map(refused).collect()
}
