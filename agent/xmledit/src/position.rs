//! Lines and columns as an editor counts them.

/// The line, counted from 1, on which byte `offset` of `text` lies.
pub(crate) fn line_at(text: &str, offset: usize) -> usize {
    let head = text.as_bytes().get(..offset).unwrap_or(text.as_bytes());
    1 + head.iter().filter(|byte| **byte == b'\n').count()
}

/// The column in characters, counted from 1, of byte `offset` of `text`.
pub(crate) fn column_at(text: &str, offset: usize) -> usize {
    let head = text.get(..offset).unwrap_or(text);
    let line_start = head.rfind('\n').map_or(0, |newline| newline + 1);
    1 + head[line_start..].chars().count()
}

#[cfg(test)]
mod tests;
