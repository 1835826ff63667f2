//! A line diff for showing an edit to an operator.

mod lines;
mod mask;

use lines::{Line, Origin};
use mask::Mask;

/// How many unchanged lines are shown around a change.
const CONTEXT: usize = 3;

/// The unified diff of two versions of a file, without a file header; empty when they are the same.
///
/// Every occurrence of a value in `mask` is shown as `********`, however the file writes it: plainly, with
/// entities, with character references or in CDATA. A line that differs only in a masked value is still shown as
/// changed. Line endings are shown, as `\r`, only where the versions do not all agree on one.
pub fn diff(before: &[u8], after: &[u8], mask: &[&str]) -> String {
    let before = mask::decode(before);
    let after = mask::decode(after);
    if before.text == after.text {
        return String::new();
    }
    let mask = Mask::new(mask, &[&before, &after]);
    let show_cr = mixes_endings(&before.text, &after.text);
    let lines = lines::compare(&before.text, &after.text);
    let mut shown = String::new();
    for (start, end) in hunks(&lines) {
        shown.push_str(&header(&lines, start, end));
        for line in &lines[start..end] {
            show(line, &mask, show_cr, &mut shown);
        }
    }
    shown
}

fn mixes_endings(before: &str, after: &str) -> bool {
    let newlines = before.matches('\n').count() + after.matches('\n').count();
    let returns = before.matches("\r\n").count() + after.matches("\r\n").count();
    returns != 0 && returns != newlines
}

/// Ranges of lines that hold all changes with their context.
fn hunks(lines: &[Line<'_>]) -> Vec<(usize, usize)> {
    let mut hunks: Vec<(usize, usize)> = Vec::new();
    for (index, line) in lines.iter().enumerate() {
        if line.origin == Origin::Both {
            continue;
        }
        let start = index.saturating_sub(CONTEXT);
        let end = (index + CONTEXT + 1).min(lines.len());
        match hunks.last_mut() {
            Some(last) if start <= last.1 => last.1 = end,
            Some(_) | None => hunks.push((start, end)),
        }
    }
    hunks
}

fn header(lines: &[Line<'_>], start: usize, end: usize) -> String {
    let range = |skipped: Origin| {
        let count = |lines: &[Line<'_>]| lines.iter().filter(|line| line.origin != skipped).count();
        let length = count(&lines[start..end]);
        let first = count(&lines[..start]) + usize::from(length > 0);
        if length == 1 {
            first.to_string()
        } else {
            format!("{first},{length}")
        }
    };
    format!("@@ -{} +{} @@\n", range(Origin::After), range(Origin::Before))
}

fn show(line: &Line<'_>, mask: &Mask, show_cr: bool, shown: &mut String) {
    shown.push(match line.origin {
        Origin::Both => ' ',
        Origin::Before => '-',
        Origin::After => '+',
    });
    let complete = line.text.strip_suffix('\n');
    let text = complete.unwrap_or(line.text);
    let (text, cr) = text.strip_suffix('\r').map_or((text, false), |text| (text, true));
    shown.push_str(&mask.hide(text));
    if cr && show_cr {
        shown.push_str("\\r");
    }
    shown.push('\n');
    if complete.is_none() {
        shown.push_str("\\ No newline at end of file\n");
    }
}
