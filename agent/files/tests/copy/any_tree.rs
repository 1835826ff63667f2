//! Whatever two trees look like: a copy puts the first into the second, and undo brings the second back.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use cutover_files::tree::{TreeError, compare};
use cutover_files::{Cancel, NoProgress};
use proptest::prelude::*;

use crate::homes::Homes;

/// One thing in a tree: where, and what.
#[derive(Clone, Debug)]
enum Thing {
    File(Vec<usize>, Vec<u8>),
    Dir(Vec<usize>),
    Link(Vec<usize>, usize),
}

const NAMES: [&str; 5] = ["a", "b", "c d", "e\nf", "ž"];

fn thing() -> impl Strategy<Value = Thing> {
    let path = || prop::collection::vec(0..NAMES.len(), 1..4);
    prop_oneof![
        4 => (path(), prop::collection::vec(0_u8..3, 0..4)).prop_map(|(path, content)| Thing::File(path, content)),
        1 => path().prop_map(Thing::Dir),
        1 => (path(), 0..NAMES.len()).prop_map(|(path, to)| Thing::Link(path, to)),
    ]
}

/// Makes what can be made; a thing that does not fit to an earlier one is left out.
fn make(root: &Path, things: &[Thing]) {
    let place = |path: &[usize]| {
        let mut place = root.to_owned();
        place.extend(path.iter().filter_map(|name| NAMES.get(*name)));
        place.parent().map(fs::create_dir_all);
        place
    };
    fs::create_dir_all(root).unwrap();
    for thing in things {
        match thing {
            // Never through a link: that would leave the tree.
            Thing::File(path, content) if !place(path).is_symlink() => fs::write(place(path), content).ok(),
            Thing::File(..) => None,
            Thing::Dir(path) => fs::create_dir_all(place(path)).ok(),
            Thing::Link(path, to) => NAMES
                .get(*to)
                .and_then(|to| symlink(format!("none/{to}"), place(path)).ok()),
        };
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn copy_then_all_is_there_and_undo_then_all_is_as_before(
        first in prop::collection::vec(thing(), 0..20),
        second in prop::collection::vec(thing(), 0..20),
        target in prop::collection::vec(thing(), 0..20),
    ) {
        let homes = Homes::empty();
        make(&homes.path("old/data"), &first);
        make(&homes.path("new/data"), &target);
        let before = homes.manifest("new");
        let copied = homes.copy_with("data", &NoProgress, &Cancel::new());
        check(&homes, copied.map(drop));
        // A source that has become another one altogether.
        fs::remove_dir_all(homes.path("old/data")).unwrap();
        make(&homes.path("old/data"), &second);
        let copied = homes.copy_with("data", &NoProgress, &Cancel::new());
        check(&homes, copied.map(drop));
        homes.undo();
        prop_assert_eq!(homes.manifest("new"), before);
    }
}

fn check(homes: &Homes, copied: Result<(), TreeError>) {
    match copied {
        Ok(()) => {
            let comparison = compare(&homes.manifest("old"), &homes.manifest("new"));
            assert!(comparison.contains_all(), "{comparison:?}");
        }
        Err(TreeError::Conflict { .. }) => {}
        Err(error) => panic!("{error}"),
    }
}
