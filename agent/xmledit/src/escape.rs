//! How values are written into a file.

/// Whether a line of the file ends in CR LF or LF.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LineEnding {
    Lf,
    CrLf,
}

impl LineEnding {
    /// The ending most lines of `text` have.
    pub(crate) fn of(text: &str) -> Self {
        let crlf = text.matches("\r\n").count();
        if crlf * 2 > text.matches('\n').count() {
            Self::CrLf
        } else {
            Self::Lf
        }
    }

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Lf => "\n",
            Self::CrLf => "\r\n",
        }
    }
}

/// Escapes character data. A line feed takes the file's line ending, which every reader turns back.
pub(crate) fn text(value: &str, ending: LineEnding) -> String {
    let mut written = String::with_capacity(value.len());
    for c in value.chars() {
        match c {
            '&' => written.push_str("&amp;"),
            '<' => written.push_str("&lt;"),
            '>' => written.push_str("&gt;"),
            '\r' => written.push_str("&#13;"),
            '\n' => written.push_str(ending.as_str()),
            other => written.push(other),
        }
    }
    written
}

/// Escapes an attribute value for the given quote. White space other than a blank would be read as a blank.
pub(crate) fn attribute(value: &str, quote: char) -> String {
    let mut written = String::with_capacity(value.len());
    for c in value.chars() {
        match c {
            '&' => written.push_str("&amp;"),
            '<' => written.push_str("&lt;"),
            '"' if quote == '"' => written.push_str("&quot;"),
            '\'' if quote == '\'' => written.push_str("&apos;"),
            '\t' => written.push_str("&#9;"),
            '\n' => written.push_str("&#10;"),
            '\r' => written.push_str("&#13;"),
            other => written.push(other),
        }
    }
    written
}

/// The content of a CDATA section, or `None` when the value cannot be written in one.
pub(crate) fn cdata(value: &str, ending: LineEnding) -> Option<String> {
    (!value.contains("]]>") && !value.contains('\r')).then(|| value.replace('\n', ending.as_str()))
}

#[cfg(test)]
mod tests;
