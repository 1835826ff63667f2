//! Standard output, standard error, and what is known of the terminal behind them.

use std::env;
use std::io::{self, BufRead, ErrorKind, IsTerminal as _, Write};

use serde::Serialize;
use serde_json::json;

use crate::error::CliError;
use crate::text::Style;

/// Narrower text is hard to read, wider text too.
const WIDTHS: (usize, usize) = (80, 120);
/// Without a terminal: wide enough for a pager, narrow enough for a mail.
const WIDTH_ELSEWHERE: usize = 100;

/// Where a command writes to.
#[derive(Debug)]
pub(crate) struct Console {
    /// Whether programs read the output.
    pub(crate) json: bool,
    /// What the reader's terminal can show.
    pub(crate) style: Style,
    /// Whether progress bars can be drawn.
    pub(crate) live: bool,
    /// Whether somebody is there to be asked.
    pub(crate) person: bool,
}

impl Console {
    /// Looks at the terminal.
    pub(crate) fn detect(json: bool) -> Self {
        let (out, err) = (io::stdout().is_terminal(), io::stderr().is_terminal());
        // A terminal that does not know its width says 0.
        let columns = comfy_table::Table::new()
            .width()
            .map(usize::from)
            .filter(|columns| *columns > 0);
        let width = columns.unwrap_or(WIDTH_ELSEWHERE);
        let variable = |name: &str| env::var(name).ok();
        Self {
            json,
            style: Style {
                columns: columns.filter(|_| out),
                colour: out && wants_colour(variable),
                ..Style::new(width.clamp(WIDTHS.0, WIDTHS.1), locale_is_utf8(variable))
            },
            live: out && err && !json,
            person: err && io::stdin().is_terminal(),
        }
    }

    /// Writes text; it always ends with a line end.
    pub(crate) fn print(&self, text: &str) -> Result<(), CliError> {
        let mut out = io::stdout().lock();
        let end = if text.ends_with('\n') { "" } else { "\n" };
        write!(out, "{text}{end}")
            .and_then(|()| out.flush())
            .map_err(unwritable)
    }

    /// Writes bytes as they are.
    pub(crate) fn print_bytes(&self, bytes: &[u8]) -> Result<(), CliError> {
        let mut out = io::stdout().lock();
        out.write_all(bytes)
            .and_then(|()| out.flush())
            .map_err(unwritable)
    }

    /// Writes one JSON value in one line.
    pub(crate) fn print_json<T: Serialize>(&self, value: &T) -> Result<(), CliError> {
        let text = serde_json::to_string(value)
            .map_err(|error| CliError::failed("cannot write the answer as JSON").why(error))?;
        self.print(&text)
    }

    /// Tells a person something that is no part of the answer. Nobody may be listening, and that is no failure.
    pub(crate) fn note(&self, text: &str) {
        writeln!(io::stderr().lock(), "{text}").ok();
    }

    /// Tells why the command failed.
    pub(crate) fn error(&self, error: &CliError) {
        if error.what.is_empty() {
            return;
        }
        if self.json {
            let exit = error.exit();
            let value = json!({ "error": {
                "exit": exit.code(), "code": exit.word(),
                "what": error.what, "why": error.why, "next": error.next,
            }});
            self.note(&value.to_string());
        } else {
            self.note(&error.to_string());
        }
    }

    /// Asks a person; `yes` written out is the only yes. Without anybody to ask it is an error that names the flag.
    pub(crate) fn confirm(&self, question: &str) -> Result<bool, CliError> {
        if !self.person {
            return Err(CliError::input(format!("{question} Nobody is there to answer"))
                .why("standard input is not a terminal")
                .next("look at what would be done, then give the command again with --yes"));
        }
        ask(question, &mut io::stdin().lock(), &mut io::stderr().lock())
    }
}

/// Whether the answer is `yes`. An empty answer, another word or the end of the input is a no.
fn ask(question: &str, answers: &mut impl BufRead, questions: &mut impl Write) -> Result<bool, CliError> {
    write!(questions, "{question} Type \"yes\" to go on: ")
        .and_then(|()| questions.flush())
        .map_err(unwritable)?;
    let mut answer = String::new();
    answers
        .read_line(&mut answer)
        .map_err(|error| CliError::failed("cannot read the answer").why(error))?;
    Ok(answer.trim().eq_ignore_ascii_case("yes"))
}

fn unwritable(error: io::Error) -> CliError {
    if error.kind() == ErrorKind::BrokenPipe {
        return CliError::closed_output();
    }
    CliError::failed("cannot write the output").why(error)
}

/// Whether the first of the three variables that is set names UTF-8: the order in which C libraries look.
fn locale_is_utf8(variable: impl Fn(&str) -> Option<String>) -> bool {
    ["LC_ALL", "LC_CTYPE", "LANG"]
        .iter()
        .find_map(|name| variable(name).filter(|value| !value.is_empty()))
        .is_some_and(|value| {
            let value = value.to_ascii_lowercase();
            value.contains("utf-8") || value.contains("utf8")
        })
}

/// Whether a terminal takes colours and its reader has not declined them (<https://no-color.org>).
fn wants_colour(variable: impl Fn(&str) -> Option<String>) -> bool {
    variable("NO_COLOR").is_none_or(|value| value.is_empty())
        && variable("TERM").is_some_and(|terminal| !terminal.is_empty() && terminal != "dumb")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_whole_yes_is_a_yes() {
        let answered = |text: &str| {
            let mut asked = Vec::new();
            let yes = ask("Apply?", &mut text.as_bytes(), &mut asked).unwrap();
            assert_eq!(asked, b"Apply? Type \"yes\" to go on: ");
            yes
        };
        assert!(answered("yes\n") && answered("YES\r\n") && answered("yes"));
        for no in ["", "\n", "y\n", "no\n", "yes please\n"] {
            assert!(!answered(no), "{no:?}");
        }
    }

    fn with(pairs: &'static [(&str, &str)]) -> impl Fn(&str) -> Option<String> {
        move |name: &str| {
            pairs
                .iter()
                .find(|(key, _)| *key == name)
                .map(|(_, value)| (*value).to_owned())
        }
    }

    #[test]
    fn locale_when_lc_all_overrides_lang_then_lc_all_counts() {
        assert!(locale_is_utf8(with(&[("LANG", "de_DE.UTF-8")])));
        assert!(locale_is_utf8(with(&[("LC_ALL", ""), ("LC_CTYPE", "C.utf8")])));
        assert!(!locale_is_utf8(with(&[("LC_ALL", "C"), ("LANG", "de_DE.UTF-8")])));
        assert!(!locale_is_utf8(with(&[])));
    }

    #[test]
    fn colour_when_declined_or_the_terminal_is_dumb_then_none() {
        assert!(wants_colour(with(&[("TERM", "xterm")])));
        assert!(wants_colour(with(&[("TERM", "xterm"), ("NO_COLOR", "")])));
        assert!(!wants_colour(with(&[("TERM", "xterm"), ("NO_COLOR", "1")])));
        assert!(!wants_colour(with(&[("TERM", "dumb")])));
        assert!(!wants_colour(with(&[])));
    }
}
