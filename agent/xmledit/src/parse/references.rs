//! References in text and attribute values: `&lt;`, `&#10;`, `&#xA;`, `&name;`.

use crate::chars::{is_name, is_xml_char};
use crate::parse::error::Reason;
use crate::tree::Span;

/// What a reference stands for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Reference {
    Char(char),
    /// An entity that only a DTD could define.
    Unknown,
}

/// Reads what stands between `&` and `;`; `None` when it is not a reference.
pub(crate) fn read(name: &str) -> Option<Reference> {
    let number = match name.strip_prefix('#') {
        Some(number) => number,
        None => return named(name),
    };
    let (digits, radix) = number.strip_prefix('x').map_or((number, 10), |hex| (hex, 16));
    if !digits.chars().all(|c| c.is_digit(radix)) {
        return None;
    }
    let c = u32::from_str_radix(digits, radix).ok().and_then(char::from_u32)?;
    is_xml_char(c).then_some(Reference::Char(c))
}

fn named(name: &str) -> Option<Reference> {
    match name {
        "lt" => Some(Reference::Char('<')),
        "gt" => Some(Reference::Char('>')),
        "amp" => Some(Reference::Char('&')),
        "quot" => Some(Reference::Char('"')),
        "apos" => Some(Reference::Char('\'')),
        other => is_name(other).then_some(Reference::Unknown),
    }
}

/// Checks that every `&` in `span` begins a reference. Entities nobody here knows are left alone.
pub(crate) fn check(text: &str, span: Span) -> Result<(), (usize, Reason)> {
    let mut at = span.start;
    while let Some(length) = text[at..span.end].find('&') {
        let start = at + length;
        let name = text[start + 1..span.end].split_once(';').map(|(name, _)| name);
        match name.filter(|name| read(name).is_some()) {
            Some(name) => at = start + name.len() + 2,
            None => return Err((start, Reason::Reference)),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
