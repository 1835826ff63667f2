//! A vendor's page beside its guide: which of its sentences order something, and whether the guide has them.
//!
//! Pages come as plain text with broken lines, bullets and missing blanks, so everything is compared without white
//! space. A sentence orders something when it holds a word that people are told what to do with; the list is wide on
//! purpose: a sentence too many costs its author one line, a sentence too few costs somebody their data.

use std::ops::Range;

use cutover_proto::view::Finding;

use super::Guide;
use crate::planner::error;

/// Words that begin an order.
const IMPERATIVES: &[&str] = &[
    "Be",
    "Configure",
    "Copy",
    "Create",
    "Download",
    "Go",
    "Make",
    "Note",
    "Open",
    "Perform",
    "Run",
    "Select",
    "Start",
    "Stop",
    "Thereafter",
    "To",
    "Update",
    "If",
];

/// Words that make a sentence an order wherever they stand within it (as its first word they head a list).
const MODALS: &[&str] = &[
    "advised",
    "can",
    "cannot",
    "collect",
    "connect",
    "connected",
    "copy",
    "create",
    "following",
    "impossible",
    "inserted",
    "limited",
    "must",
    "necessary",
    "need",
    "recommended",
    "required",
    "run",
    "safe",
    "should",
    "simulated",
    "update",
];

/// Parts of every page of the wiki that order nothing about the upgrade.
const FRAME: &[&str] = &[
    "Skip to end of metadata",
    "Go to start of metadata",
    "View documentation for the latest release.",
    "For more information on release versions, see the Release Matrix",
    "see Migrating AS.",
    "See the instructions for changing the default RSS configuration for details on how to update these files.",
];

/// One sentence of a page, with its place in the page's text without white space.
struct Part {
    text: String,
    place: Range<usize>,
}

/// What a page orders and the guide does not have, and what the guide says that is not on the page.
#[must_use]
pub fn compare(guide: &Guide, page: &str) -> Vec<Finding> {
    let parts = parts(page);
    let squeezed: String = parts.iter().map(|part| squeeze(&part.text)).collect();
    let mut findings = Vec::new();
    let mut covered: Vec<Range<usize>> = Vec::new();
    for sentence in &guide.sentences {
        let wanted = squeeze(&sentence.text);
        let places: Vec<_> = squeezed
            .match_indices(&wanted)
            .map(|(at, _)| at..at + wanted.len())
            .collect();
        if places.is_empty() || wanted.is_empty() {
            findings.push(error(
                "sentence-not-on-page",
                format!("{}: sentence `{}`", guide.name, sentence.id),
                format!("\"{}\" does not stand on the page", sentence.text),
                "quote the page's own words",
            ));
        }
        covered.extend(places);
    }
    let said = |part: &&Part| {
        let whole = squeeze(&part.text);
        orders(&part.text).into_iter().any(|at| {
            let at = part.place.start + at;
            !covered.iter().any(|range| range.contains(&at))
                // A list whose markup broke repeats the first words of its items.
                && !guide.sentences.iter().any(|sentence| squeeze(&sentence.text).starts_with(&whole))
        })
    };
    findings.extend(parts.iter().filter(said).map(|part| {
        error(
            "page-sentence-left-out",
            &guide.name,
            format!("the page says \"{}\", and the guide does not have it", part.text),
            "add it as a [[sentence]] with the steps that carry it out, or with the reason why nothing does",
        )
    }));
    findings
}

/// Without white space: how lines are broken, and how wide blanks are, says nothing.
fn squeeze(text: &str) -> String {
    text.chars()
        .filter(|c| !c.is_whitespace() && *c != '\u{200b}')
        .collect()
}

/// The sentences of a page.
fn parts(page: &str) -> Vec<Part> {
    let mut blocks: Vec<String> = vec![String::new()];
    for line in page.lines() {
        let trimmed = line.trim_matches(|c: char| c.is_whitespace() || c == '\u{200b}');
        let (bullet, content) = item(trimmed);
        if bullet || content.is_empty() {
            blocks.push(String::new());
        }
        if let Some(block) = blocks.last_mut() {
            if !block.is_empty() {
                block.push(' ');
            }
            block.push_str(content);
        }
    }
    let mut end = 0;
    blocks
        .iter()
        .flat_map(|block| sentences(block))
        .map(|text| {
            let start = end;
            end += squeeze(&text).len();
            Part {
                text,
                place: start..end,
            }
        })
        .collect()
}

/// Whether a line begins an item of a list, and what stands behind the bullet or number.
fn item(line: &str) -> (bool, &str) {
    if let Some(rest) = line.strip_prefix('•').or_else(|| line.strip_prefix("- ")) {
        return (true, rest.trim_start());
    }
    let digits = line.bytes().take_while(u8::is_ascii_digit).count();
    match line.get(digits..).and_then(|rest| rest.strip_prefix(". ")) {
        Some(rest) if digits > 0 => (true, rest.trim_start()),
        Some(_) | None => (false, line),
    }
}

/// A block cut behind each full stop that ends a sentence, and before each dash that begins an item.
fn sentences(block: &str) -> Vec<String> {
    let chars: Vec<(usize, char)> = block.char_indices().collect();
    let at = |index: usize| chars.get(index).map(|(_, c)| *c);
    let mut cuts = vec![0];
    for (index, (offset, c)) in chars.iter().enumerate() {
        let ahead = |from: usize| (from..chars.len()).filter_map(at).find(|c| !c.is_whitespace());
        let opens = |c: Option<char>| c.is_some_and(|c| c.is_uppercase() || c == '<' || c == '-');
        let spaced = at(index + 1).is_some_and(char::is_whitespace);
        let lower_before = index > 0 && at(index - 1).is_some_and(char::is_lowercase);
        let ends = *c == '.' && opens(ahead(index + 1)) && (spaced || lower_before);
        let dash = *c == '-' && spaced && index > 0 && at(index - 1).is_some_and(char::is_whitespace);
        if ends {
            cuts.push(offset + c.len_utf8());
        } else if dash {
            cuts.push(*offset);
        }
    }
    cuts.push(block.len());
    cuts.windows(2)
        .filter_map(|pair| block.get(*pair.first()?..*pair.last()?))
        .map(|text| item(text.trim()).1.to_owned())
        .filter(|text| !text.is_empty())
        .collect()
}

/// Where a sentence orders something, as offsets into its text without white space.
fn orders(text: &str) -> Vec<usize> {
    let mut without_frame = text.to_owned();
    for frame in FRAME {
        without_frame = without_frame.replace(frame, &" ".repeat(frame.len()));
    }
    if is_heading(text) {
        return Vec::new();
    }
    // The frame counts towards the offsets, although nothing is looked for in it.
    let mut found = Vec::new();
    let mut start = 0;
    for word in without_frame.split_inclusive(char::is_whitespace) {
        let bare = word.trim_matches(|c: char| !c.is_alphanumeric());
        if IMPERATIVES.contains(&bare) || MODALS.contains(&bare) {
            found.push(squeeze(text.get(..start).unwrap_or_default()).len());
        }
        start += word.len();
    }
    found
}

/// A few words that are no sentence and do not begin with an order.
fn is_heading(text: &str) -> bool {
    let words: Vec<&str> = text.split_whitespace().collect();
    let ordered = words.first().is_some_and(|word| IMPERATIVES.contains(word));
    words.len() < 5 && !ordered && !text.ends_with(['.', ':', ','])
}

#[cfg(test)]
mod tests;
