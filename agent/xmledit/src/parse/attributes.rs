//! The attributes of one tag, with the spans of their names and values.

use crate::chars::{is_name, is_space};
use crate::parse::error::Reason;
use crate::parse::references;
use crate::tree::{Attribute, Span};

/// Scans the attributes in `span` of `text`: what stands between an element's name and the end of its tag.
/// An error carries the offset it belongs to.
pub(crate) fn scan(text: &str, span: Span) -> Result<Vec<Attribute>, (usize, Reason)> {
    let mut found: Vec<Attribute> = Vec::new();
    let mut at = span.start;
    loop {
        let next = skip_space(text, at, span.end);
        if next == span.end {
            return Ok(found);
        }
        if next == at {
            return Err((at, Reason::Attribute));
        }
        let attribute = one(text, next, span.end)?;
        if found
            .iter()
            .any(|other| text[other.name.clone()] == text[attribute.name.clone()])
        {
            return Err((attribute.name.start, Reason::DuplicateAttribute));
        }
        // Past the closing quote.
        at = attribute.value.end + 1;
        found.push(attribute);
    }
}

fn one(text: &str, start: usize, end: usize) -> Result<Attribute, (usize, Reason)> {
    let name_end = text[start..end]
        .find(|c| is_space(c) || matches!(c, '=' | '"' | '\''))
        .map_or(end, |length| start + length);
    if !is_name(&text[start..name_end]) {
        return Err((start, Reason::Name));
    }
    let equals = skip_space(text, name_end, end);
    if !text[equals..end].starts_with('=') {
        return Err((start, Reason::Attribute));
    }
    let open = skip_space(text, equals + 1, end);
    let quote = match text[open..end].chars().next() {
        Some(quote @ ('"' | '\'')) => quote,
        Some(_) | None => return Err((open, Reason::Attribute)),
    };
    let value_start = open + 1;
    let length = text[value_start..end]
        .find(quote)
        .ok_or((open, Reason::Attribute))?;
    let value = value_start..value_start + length;
    if let Some(at) = text[value.clone()].find('<') {
        return Err((value.start + at, Reason::LessThanInAttribute));
    }
    references::check(text, value.clone())?;
    Ok(Attribute {
        name: start..name_end,
        value,
    })
}

fn skip_space(text: &str, at: usize, end: usize) -> usize {
    text[at..end]
        .find(|c| !is_space(c))
        .map_or(end, |length| at + length)
}

#[cfg(test)]
mod tests;
