//! Byte offsets as people read them: line and column.

/// Line and column (both from 1, the column in characters) of a byte offset.
pub(crate) fn locate(text: &str, offset: usize) -> (usize, usize) {
    let before = text.get(..offset).unwrap_or(text);
    let line = before.bytes().filter(|byte| *byte == b'\n').count() + 1;
    let column = before.rsplit('\n').next().map_or(0, |last| last.chars().count()) + 1;
    (line, column)
}

/// Walks a text once and answers ascending offsets, so that a long script is not scanned for each statement.
#[derive(Debug)]
pub(crate) struct Walker<'a> {
    text: &'a str,
    at: usize,
    line: usize,
    column: usize,
}

impl<'a> Walker<'a> {
    pub(crate) const fn new(text: &'a str) -> Self {
        Self {
            text,
            at: 0,
            line: 1,
            column: 1,
        }
    }

    /// Line and column of `offset`, which must not lie before the one asked for last.
    pub(crate) fn locate(&mut self, offset: usize) -> (usize, usize) {
        for character in self.text.get(self.at..offset).unwrap_or("").chars() {
            if character == '\n' {
                self.line += 1;
                self.column = 1;
            } else {
                self.column += 1;
            }
        }
        self.at = offset.max(self.at);
        (self.line, self.column)
    }
}
