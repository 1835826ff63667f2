//! The rule by which Carbon creates its own schema: lines are joined, and a statement ends where a line ends
//! with the delimiter, whatever quotes or comments are open there.

use std::ops::Range;

use crate::assemble::Assembler;
use crate::dialect::Dialect;
use crate::script::PieceKind;

pub(super) fn split(text: &str) -> Assembler<'_> {
    let mut out = Assembler::new(text, Dialect::Wso2Compat);
    let delimiter = delimiter(text);
    let mut joined = Joined::default();
    let mut done = 0;
    for (start, line) in lines(text) {
        let content = content(start, line);
        let body = text.get(content.clone()).unwrap_or("");
        if is_comment(body) {
            if joined.span.is_none() {
                out.piece(PieceKind::Blank, done..content.start);
                out.piece(PieceKind::Comment, content.clone());
                done = content.end;
            }
            continue;
        }
        joined.add(content.clone(), body);
        if body.ends_with(delimiter) && !body.contains("--") {
            done = joined.flush(text, &mut out, done, Some(delimiter));
        }
    }
    done = joined.flush(text, &mut out, done, None);
    out.piece(PieceKind::Blank, done..text.len());
    out
}

/// Lines joined since the last delimiter.
#[derive(Debug, Default)]
struct Joined {
    text: String,
    span: Option<Range<usize>>,
}

impl Joined {
    fn add(&mut self, content: Range<usize>, body: &str) {
        self.text.push(' ');
        self.text.push_str(body);
        if body.contains("--") {
            self.text.push('\n');
        }
        if !content.is_empty() {
            let start = self.span.as_ref().map_or(content.start, |span| span.start);
            self.span = Some(start..content.end);
        }
    }

    /// Hands over what was joined and returns where the text not yet handed over begins.
    fn flush(&mut self, file: &str, out: &mut Assembler<'_>, done: usize, delimiter: Option<char>) -> usize {
        let joined = std::mem::take(&mut self.text);
        let Some(span) = self.span.take() else { return done };
        let sent = delimiter.map_or(joined.as_str(), |mark| {
            joined.strip_suffix(mark).unwrap_or(&joined)
        });
        let mark = span.end - delimiter.map_or(0, char::len_utf8);
        let trailing = file.get(span.start..mark).unwrap_or("");
        let end = span.start + trailing.trim_end_matches(|c| c <= ' ').len();
        out.piece(PieceKind::Blank, done..span.start);
        let text = sent.trim_matches(|c| c <= ' ');
        if text.is_empty() {
            out.piece(PieceKind::Blank, span.start..end);
        } else {
            out.rewritten(span.start..end, text.to_owned());
        }
        out.piece(PieceKind::Blank, end..mark);
        out.piece(PieceKind::Terminator, mark..span.end);
        span.end
    }
}

/// Carbon takes `/` for Oracle and DB2 and `;` for the rest; a script tells which by how it ends.
fn delimiter(text: &str) -> char {
    let last = text
        .lines()
        .map(|line| line.trim_matches(|c| c <= ' '))
        .rfind(|line| !line.is_empty() && !is_comment(line) && !line.ends_with("*/"));
    if last.is_some_and(|line| line.ends_with('/')) {
        '/'
    } else {
        ';'
    }
}

/// Lines as Java's reader sees them, with their place in the text.
fn lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut at = 0;
    text.split_inclusive(['\n', '\r']).map(move |line| {
        let start = at;
        at += line.len();
        (start, line)
    })
}

fn content(start: usize, line: &str) -> Range<usize> {
    let left = line.len() - line.trim_start_matches(|c| c <= ' ').len();
    let length = line.trim_matches(|c| c <= ' ').len();
    start + left..start + left + length
}

fn is_comment(line: &str) -> bool {
    let remark = line
        .split_whitespace()
        .next()
        .is_some_and(|word| word.eq_ignore_ascii_case("REM"));
    line.starts_with("//") || line.starts_with("--") || remark
}
