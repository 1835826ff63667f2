//! Wraps text for people.

/// What of a title is kept when a line has to be cut: enough to recognise the step.
const TITLE_MIN: usize = 16;

/// What the reader's terminal can show.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Style {
    /// Characters in a line of wrapped text.
    pub(crate) width: usize,
    /// Characters in a line of the terminal; none where lines can be of any length.
    pub(crate) columns: Option<usize>,
    /// Whether more than ASCII can be shown.
    pub(crate) unicode: bool,
    /// Whether colours can be shown.
    pub(crate) colour: bool,
}

impl Style {
    /// No terminal: no colours, and no line is cut.
    pub(crate) const fn new(width: usize, unicode: bool) -> Self {
        Self {
            width,
            columns: None,
            unicode,
            colour: false,
        }
    }

    /// A line that fits into the terminal.
    pub(crate) fn cut(self, line: &str) -> String {
        self.columns
            .map_or_else(|| line.to_owned(), |columns| shorten(line, columns))
    }

    /// A line that fits into the terminal; what is too long is taken from the title first.
    pub(crate) fn fit(self, head: &str, title: &str, tail: &str) -> String {
        let Some(columns) = self.columns else {
            return format!("{head}{title}{tail}");
        };
        let room = columns.saturating_sub(head.chars().count() + tail.chars().count());
        self.cut(&format!("{head}{}{tail}", shorten(title, room.max(TITLE_MIN))))
    }

    /// A text that nobody shall overlook.
    pub(crate) fn warning(self, text: &str) -> String {
        if self.colour {
            format!("\u{1b}[1;33m{text}\u{1b}[0m")
        } else {
            text.to_owned()
        }
    }
}

/// `text` in lines of at most `width` characters: the first begins with `first`, the others with `rest`. A word
/// longer than a line, such as a path, stays whole so that it can be copied.
pub(crate) fn wrap(text: &str, width: usize, first: &str, rest: &str) -> String {
    let mut lines = Vec::new();
    let mut prefix = first;
    for paragraph in text.lines() {
        let mut line = String::new();
        for word in paragraph.split_whitespace() {
            let used = prefix.chars().count() + line.chars().count();
            if !line.is_empty() && used + 1 + word.chars().count() > width {
                lines.push(format!("{prefix}{line}"));
                prefix = rest;
                line.clear();
            }
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
        lines.push(format!("{prefix}{line}").trim_end().to_owned());
        prefix = rest;
    }
    if lines.is_empty() {
        // An empty value still has its name before it.
        return first.trim_end().to_owned();
    }
    lines.join("\n")
}

/// The text for one line of a terminal: no line ends, and no control characters that could repaint the screen.
pub(crate) fn one_line(text: &str) -> String {
    text.split_whitespace()
        .map(|word| word.chars().filter(|c| !c.is_control()).collect::<String>())
        .collect::<Vec<_>>()
        .join(" ")
}

/// At most `limit` characters, with an ellipsis where something is missing.
pub(crate) fn shorten(text: &str, limit: usize) -> String {
    if text.chars().count() <= limit {
        return text.to_owned();
    }
    let kept: String = text.chars().take(limit.saturating_sub(3)).collect();
    format!("{}...", kept.trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrap_when_a_word_does_not_fit_then_it_moves_and_the_rest_is_indented() {
        assert_eq!(wrap("one two three", 9, "- ", "  "), "- one two\n  three");
        assert_eq!(
            wrap("a /very/long/path/that/stays b", 8, "", " "),
            "a\n /very/long/path/that/stays\n b"
        );
        assert_eq!(wrap("", 10, "x", ""), "x");
    }

    #[test]
    fn control_characters_never_reach_the_terminal() {
        assert_eq!(one_line("a\x1b[2Jb\n  c\td"), "a[2Jb c d");
        assert_eq!(shorten("abcdefgh", 6), "abc...");
        assert_eq!(shorten("abcdef", 6), "abcdef");
    }
}
