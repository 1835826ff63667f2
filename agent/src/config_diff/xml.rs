//! What a site changed in an XML file.

use cutover_proto::config::{ChangeKind, NewPlace, ShownValue, SiteChange};
use cutover_xmledit::{Difference, DifferenceKind, Document, Kept, Path};

use crate::secret;

/// The changes against stock, or against the new version's file where stock is not known.
pub(super) fn changes(site: &Document, stock: Option<&Document>, new: Option<&Document>) -> Vec<SiteChange> {
    let Some(base) = stock.or(new) else {
        return Vec::new();
    };
    let differences = site.differences(base).into_iter();
    differences
        // What the new version alone has is no removal of the site's.
        .filter(|difference| stock.is_some() || difference.kind != DifferenceKind::Removed)
        .map(|difference| change(&difference, site, stock, new))
        .collect()
}

fn change(
    difference: &Difference,
    site: &Document,
    stock: Option<&Document>,
    new: Option<&Document>,
) -> SiteChange {
    let path = best_path(difference, site, new);
    let kind = match difference.kind {
        DifferenceKind::Changed => ChangeKind::Changed,
        DifferenceKind::Added => ChangeKind::Added,
        DifferenceKind::AddedElement => ChangeKind::AddedElement,
        DifferenceKind::Removed => ChangeKind::Removed,
    };
    let base_path = difference.base_path.as_ref();
    let before = stock.and_then(|stock| match (&difference.base, base_path) {
        (Some(kept), Some(at)) => Some(secret::shown(at, kept)),
        (None, Some(at)) => secret::shown_element(stock, at),
        (_, None) => None,
    });
    let after = match (&difference.value, kind) {
        (Some(kept), _) => Some(secret::shown(&path, kept)),
        (None, ChangeKind::AddedElement) => secret::shown_element(site, &path),
        (None, ChangeKind::Changed | ChangeKind::Added | ChangeKind::Removed) => None,
    };
    SiteChange {
        new: new.map_or(NewPlace::Missing, |new| {
            place(new, &path, site, difference.value.as_ref(), kind)
        }),
        path: path.to_string(),
        kind,
        stock: before,
        site: after,
    }
}

/// The path that finds the value in the site's file and, if one does, in the new version's: that of the site's file,
/// or that of stock, where an element that the site told from its siblings in another way has its old one.
fn best_path(difference: &Difference, site: &Document, new: Option<&Document>) -> Path {
    let own = &difference.path;
    let found = |path: &Path| new.is_some_and(|new| new.count(path) == 1);
    let is_same = |path: &Path| matches!(site.all(path).as_slice(), [leaf] if leaf.path == *own);
    match &difference.base_path {
        Some(base) if base != own && !found(own) && found(base) && is_same(base) => base.clone(),
        Some(_) | None => own.clone(),
    }
}

fn place(new: &Document, path: &Path, site: &Document, value: Option<&Kept>, kind: ChangeKind) -> NewPlace {
    match new.count(path) {
        0 => {
            let parent = path.parent().is_some_and(|parent| new.count(&parent) == 1);
            if parent {
                NewPlace::ParentOnly
            } else {
                NewPlace::Missing
            }
        }
        1 => {
            let there = new.kept(path).ok().flatten();
            let same = match kind {
                ChangeKind::AddedElement => new.says_the_same(path, site, path),
                ChangeKind::Changed | ChangeKind::Added => there.is_some() && there.as_ref() == value,
                ChangeKind::Removed => false,
            };
            let element = kind == ChangeKind::AddedElement || there.is_none();
            let shown = match &there {
                Some(kept) if !element => Some(secret::shown(path, kept)),
                Some(_) | None => secret::shown_element(new, path),
            };
            NewPlace::There {
                value: shown.unwrap_or(ShownValue::Hidden),
                same,
            }
        }
        count => NewPlace::Several {
            count: u32::try_from(count).unwrap_or(u32::MAX),
        },
    }
}
