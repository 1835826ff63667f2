//! The comparison loses and invents no line.

use proptest::prelude::*;

use super::{Line, Origin, compare};

fn side(lines: &[Line<'_>], skipped: Origin) -> String {
    lines
        .iter()
        .filter(|line| line.origin != skipped)
        .map(|line| line.text)
        .collect()
}

fn changed(lines: &[Line<'_>]) -> usize {
    lines.iter().filter(|line| line.origin != Origin::Both).count()
}

proptest! {
    #[test]
    fn each_side_can_be_put_together_again(before in "([a-c]\r?\n){0,9}[a-c]?", after in "([a-c]\r?\n){0,9}[a-c]?") {
        let lines = compare(&before, &after);
        prop_assert_eq!(side(&lines, Origin::After), before.as_str());
        prop_assert_eq!(side(&lines, Origin::Before), after.as_str());
    }

    #[test]
    fn one_inserted_line_is_one_change(lines in proptest::collection::vec("[a-c]\n", 0..9), at: prop::sample::Index) {
        let mut longer = lines.clone();
        longer.insert(at.index(lines.len() + 1), "new\n".to_owned());
        prop_assert_eq!(changed(&compare(&lines.concat(), &longer.concat())), 1);
        prop_assert_eq!(changed(&compare(&longer.concat(), &lines.concat())), 1);
    }
}

#[test]
fn the_longest_common_part_stays() {
    let lines = compare("a\nb\nc\na\nb\nb\na\n", "c\nb\na\nb\na\nc\n");
    assert_eq!(lines.iter().filter(|line| line.origin == Origin::Both).count(), 4);
}
