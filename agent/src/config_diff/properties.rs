//! What a site changed in a properties file.

use cutover_proto::config::{ChangeKind, NewPlace, SiteChange};

use crate::properties;
use crate::secret;

type Entries = Vec<(String, String)>;

/// The changes against stock, or against the new version's file where stock is not known.
pub(super) fn changes(file: &str, site: &[u8], stock: Option<&[u8]>, new: Option<&[u8]>) -> Vec<SiteChange> {
    let (site, new) = (properties::parse(site), new.map(properties::parse));
    let stock = stock.map(properties::parse);
    let base = stock.as_ref().or(new.as_ref()).cloned().unwrap_or_default();
    let mut found: Vec<SiteChange> = site
        .iter()
        .filter(|(key, value)| get(&base, key) != Some(value))
        .map(|(key, value)| {
            let kind = match get(&base, key) {
                Some(_) => ChangeKind::Changed,
                None => ChangeKind::Added,
            };
            change(file, kind, key, Some(value), stock.as_ref(), new.as_ref())
        })
        .collect();
    // What the new version alone has is no removal of the site's.
    let removed = stock
        .iter()
        .flatten()
        .filter(|(key, _)| get(&site, key).is_none());
    found.extend(
        removed.map(|(key, _)| change(file, ChangeKind::Removed, key, None, stock.as_ref(), new.as_ref())),
    );
    found
}

fn get<'e>(entries: &'e Entries, key: &str) -> Option<&'e String> {
    entries
        .iter()
        .find(|(name, _)| name == key)
        .map(|(_, value)| value)
}

fn change(
    file: &str,
    kind: ChangeKind,
    key: &str,
    site: Option<&String>,
    stock: Option<&Entries>,
    new: Option<&Entries>,
) -> SiteChange {
    let shown = |value: &String| secret::shown_property(file, key, value);
    let new = match new {
        None => NewPlace::Missing,
        Some(new) => match get(new, key) {
            Some(value) => NewPlace::There {
                value: shown(value),
                same: Some(value) == site,
            },
            None => NewPlace::ParentOnly,
        },
    };
    SiteChange {
        path: key.to_owned(),
        kind,
        stock: stock.and_then(|stock| get(stock, key)).map(shown),
        site: site.map(shown),
        new,
    }
}
