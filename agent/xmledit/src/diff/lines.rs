//! Which lines two texts have in common.

/// Above this many comparisons the differing middle is shown as replaced outright.
const MAX_CELLS: usize = 4_000_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    Both,
    Before,
    After,
}

/// A line with its ending, and which text it is from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Line<'t> {
    pub(super) origin: Origin,
    pub(super) text: &'t str,
}

/// The lines of both texts in an order that fits both.
pub(super) fn compare<'t>(before: &'t str, after: &'t str) -> Vec<Line<'t>> {
    let old: Vec<&str> = before.split_inclusive('\n').collect();
    let new: Vec<&str> = after.split_inclusive('\n').collect();
    let head = common(old.iter().zip(&new));
    let tail = common(old[head..].iter().rev().zip(new[head..].iter().rev()));
    let old_middle = &old[head..old.len() - tail];
    let new_middle = &new[head..new.len() - tail];
    let both = |text: &&'t str| Line {
        origin: Origin::Both,
        text,
    };
    let mut lines: Vec<Line<'t>> = old[..head].iter().map(both).collect();
    lines.extend(middle(old_middle, new_middle));
    lines.extend(old[old.len() - tail..].iter().map(both));
    lines
}

fn common<'p>(pairs: impl Iterator<Item = (&'p &'p str, &'p &'p str)>) -> usize {
    pairs.take_while(|(old, new)| old == new).count()
}

fn middle<'t>(old: &[&'t str], new: &[&'t str]) -> Vec<Line<'t>> {
    let before = |text: &&'t str| Line {
        origin: Origin::Before,
        text,
    };
    let after = |text: &&'t str| Line {
        origin: Origin::After,
        text,
    };
    if old.len().saturating_mul(new.len()) > MAX_CELLS {
        return old.iter().map(before).chain(new.iter().map(after)).collect();
    }
    let lengths = Lengths::new(old, new);
    let (mut i, mut j) = (0, 0);
    let mut lines = Vec::new();
    while i < old.len() && j < new.len() {
        if old[i] == new[j] {
            lines.push(Line {
                origin: Origin::Both,
                text: old[i],
            });
            (i, j) = (i + 1, j + 1);
        } else if lengths.at(i + 1, j) >= lengths.at(i, j + 1) {
            lines.push(before(&old[i]));
            i += 1;
        } else {
            lines.push(after(&new[j]));
            j += 1;
        }
    }
    lines.extend(old[i..].iter().map(before));
    lines.extend(new[j..].iter().map(after));
    lines
}

/// Lengths of the longest common subsequences of all pairs of tails.
struct Lengths {
    width: usize,
    cells: Vec<u32>,
}

impl Lengths {
    fn new(old: &[&str], new: &[&str]) -> Self {
        let width = new.len() + 1;
        let mut lengths = Self {
            width,
            cells: vec![0; width * (old.len() + 1)],
        };
        for i in (0..old.len()).rev() {
            for j in (0..new.len()).rev() {
                lengths.cells[i * width + j] = if old[i] == new[j] {
                    lengths.at(i + 1, j + 1) + 1
                } else {
                    lengths.at(i + 1, j).max(lengths.at(i, j + 1))
                };
            }
        }
        lengths
    }

    fn at(&self, i: usize, j: usize) -> u32 {
        self.cells[i * self.width + j]
    }
}

#[cfg(test)]
mod tests;
