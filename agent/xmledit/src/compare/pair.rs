//! Which child of one element is which child of the other.

use crate::compare::Side;
use crate::leaf;

/// The children of two elements, paired.
pub(super) struct Pairs {
    /// The file's children in their order, each with its partner in the base.
    pub(super) site: Vec<(usize, Option<usize>)>,
    /// The base's children without a partner.
    pub(super) left: Vec<usize>,
}

/// Pairs the children of `site` with those of `base`.
pub(super) fn children(site_side: &Side<'_>, site: usize, base_side: &Side<'_>, base: usize) -> Pairs {
    let now = items(site_side, site);
    let then = items(base_side, base);
    let mut matching = Matching {
        partners: vec![None; now.len()],
        used: vec![false; then.len()],
        now: &now,
        then: &then,
    };
    matching.pass(|now, then| now.fingerprint == then.fingerprint);
    matching.pass(|now, then| now.identity.is_some() && now.identity == then.identity);
    let bare = |now: &Item<'_>, then: &Item<'_>| now.identity.is_none() && then.identity.is_none();
    matching.pass(|now, then| bare(now, then) && now.kind.is_some() && now.kind == then.kind);
    // The one of its name is the same one whatever its class; of several, another class is another element.
    matching.pass(|now, then| {
        let other_kind = now.kind.is_some() && then.kind.is_some() && now.kind != then.kind;
        bare(now, then) && ((now.alone && then.alone) || !other_kind)
    });
    let partners = matching.partners.clone();
    let used = matching.used.clone();
    Pairs {
        site: now
            .iter()
            .zip(partners)
            .map(|(item, partner)| (item.id, partner.and_then(|at| then.get(at)).map(|item| item.id)))
            .collect(),
        left: then
            .iter()
            .zip(used)
            .filter(|(_, used)| !used)
            .map(|(item, _)| item.id)
            .collect(),
    }
}

struct Item<'d> {
    id: usize,
    name: &'d str,
    fingerprint: Option<u128>,
    /// A name or id of its own.
    identity: Option<String>,
    /// What sort of element it is among those of its name: a class, a type.
    kind: Option<String>,
    /// Whether no sibling has its name.
    alone: bool,
}

fn items<'d>(side: &Side<'d>, parent: usize) -> Vec<Item<'d>> {
    let view = side.document.view();
    let children = &view.tree.elements[parent].children;
    let names: Vec<&str> = children.iter().map(|child| view.local_name(*child)).collect();
    children
        .iter()
        .zip(&names)
        .map(|(child, name)| Item {
            id: *child,
            name,
            fingerprint: side.fingerprints.get(*child),
            identity: leaf::identity(view, *child).map(|predicate| predicate.to_string()),
            kind: leaf::kind(view, *child).map(|predicate| predicate.to_string()),
            alone: names.iter().filter(|other| *other == name).count() == 1,
        })
        .collect()
}

struct Matching<'i, 'd> {
    now: &'i [Item<'d>],
    then: &'i [Item<'d>],
    partners: Vec<Option<usize>>,
    used: Vec<bool>,
}

impl Matching<'_, '_> {
    /// Pairs what is still alone and fits, in order.
    fn pass(&mut self, fits: impl Fn(&Item<'_>, &Item<'_>) -> bool) {
        for (item, partner) in self.now.iter().zip(&mut self.partners) {
            if partner.is_some() {
                continue;
            }
            let free = self
                .then
                .iter()
                .zip(&self.used)
                .position(|(other, used)| !used && other.name == item.name && fits(item, other));
            if let Some(at) = free {
                *partner = Some(at);
                if let Some(used) = self.used.get_mut(at) {
                    *used = true;
                }
            }
        }
    }
}
