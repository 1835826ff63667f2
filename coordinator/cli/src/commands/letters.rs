//! `cutover dead-letters`.

use std::fmt::Write as _;

use cutover_proto::pb;
use cutover_proto::view::DeadLetterView;

use super::Context;
use crate::args::DeadLettersArgs;
use crate::error::CliError;
use crate::exit::Exit;
use crate::remote::read;
use crate::text::{Style, wrap};

pub(super) async fn run(context: &Context<'_>, args: DeadLettersArgs) -> Result<Exit, CliError> {
    let request = pb::ListDeadLettersRequest { run: args.run };
    let document = context
        .client()
        .await?
        .list_dead_letters(request)
        .await?
        .into_inner();
    let letters: Vec<DeadLetterView> = read("dead-letters/1", &document)?;
    let console = context.console;
    if console.json {
        console.print_json(&letters)?;
    } else {
        console.print(&render(&letters, console.style))?;
    }
    Ok(if letters.is_empty() {
        Exit::Done
    } else {
        Exit::Failed
    })
}

/// One paragraph for each row.
fn render(letters: &[DeadLetterView], style: Style) -> String {
    if letters.is_empty() {
        return "every row of production that was brought over went in".to_owned();
    }
    let mut text = String::new();
    for letter in letters {
        let (act, row) = match &letter.row {
            Some(row) => ("could not be stored", row.as_str()),
            None => ("could not be deleted", ""),
        };
        let head = format!(
            "{}: {} ({}) {act}, {}",
            letter.database,
            letter.table,
            letter.key.join(", "),
            letter.at
        );
        for (line, indent) in [(head.as_str(), ""), (letter.reason.as_str(), "  "), (row, "  ")] {
            if !line.is_empty() {
                writeln!(text, "{}", wrap(line, style.width, indent, "    ")).ok();
            }
        }
    }
    text.truncate(text.trim_end().len());
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letter_when_shown_then_row_and_reason() {
        let letter = DeadLetterView {
            database: "carbon".into(),
            table: "UM_USER".into(),
            act: "store".into(),
            key: vec!["7".into()],
            row: Some("{\"UM_ID\":\"7\"}".into()),
            reason: "Duplicate entry".into(),
            at: "2026-01-01 00:00:00".into(),
        };
        let text = render(&[letter], Style::new(100, true));
        assert_eq!(
            text,
            "carbon: UM_USER (7) could not be stored, 2026-01-01 00:00:00\n  Duplicate entry\n  {\"UM_ID\":\"7\"}"
        );
        assert!(render(&[], Style::new(100, true)).contains("went in"));
    }
}
