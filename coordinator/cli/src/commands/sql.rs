//! `cutover sql`: works on files alone.

use std::path::Path;

use cutover_proto::view::{Finding, Severity};
use cutover_sqlscript::{Script, SplitError, Statement, lint, split};
use serde_json::json;

use super::read_file;
use crate::args::SqlCommand;
use crate::console::Console;
use crate::error::CliError;
use crate::exit::Exit;
use crate::findings;
use crate::human;
use crate::text::{one_line, shorten};

pub(super) fn run(console: &Console, command: &SqlCommand) -> Result<Exit, CliError> {
    match command {
        SqlCommand::Split(args) => {
            let script = split(&read_file(&args.file)?, args.engine)
                .map_err(|error| unsplittable(&args.file, &error))?;
            show(console, &script)
        }
        SqlCommand::Lint(args) => {
            let text = read_file(&args.file)?;
            let found = match split(&text, args.engine) {
                Ok(script) => lint(&script)
                    .iter()
                    .map(|found| finding(&args.file, found))
                    .collect(),
                Err(error) => vec![split_finding(&args.file, error)],
            };
            report(console, &found)
        }
    }
}

fn show(console: &Console, script: &Script) -> Result<Exit, CliError> {
    if console.json {
        let statements: Vec<_> = script
            .statements
            .iter()
            .map(|statement| {
                json!({
                    "index": statement.index, "line": statement.line, "column": statement.column,
                    "kind": statement.kind.name(), "sha256": statement.sha256, "text": statement.text,
                })
            })
            .collect();
        let value =
            json!({ "dialect": script.dialect.name(), "sha256": script.sha256, "statements": statements });
        console.print_json(&value)?;
        return Ok(Exit::Done);
    }
    let lines: Vec<String> = script
        .statements
        .iter()
        .map(|statement| line(console, statement))
        .collect();
    let count = human::count(script.statements.len(), "statement");
    console.print(&format!("{}{count}, sha256 {}", lines.concat(), script.sha256))?;
    Ok(Exit::Done)
}

fn line(console: &Console, statement: &Statement) -> String {
    let place = format!("{}:{}", statement.line, statement.column);
    let hash = statement.sha256.get(..12).unwrap_or(&statement.sha256);
    let head = format!(
        "{:>4}  {place:<8}  {:<11}  {hash}  ",
        statement.index + 1,
        statement.kind
    );
    let first = one_line(statement.text.lines().next().unwrap_or_default());
    let room = console.style.width.saturating_sub(head.chars().count());
    format!("{head}{}\n", shorten(&first, room))
}

fn unsplittable(file: &Path, error: &SplitError) -> CliError {
    CliError::input(format!(
        "{}:{}:{}: {}",
        file.display(),
        error.line,
        error.column,
        error.what
    ))
    .why(&error.why)
    .next(error.next.clone())
}

fn split_finding(file: &Path, error: SplitError) -> Finding {
    Finding {
        severity: Severity::Error,
        code: "unsplittable".to_owned(),
        place: format!("{}:{}:{}", file.display(), error.line, error.column),
        text: format!("{}: {}", error.what, error.why),
        remedy: error.next,
    }
}

fn finding(file: &Path, found: &cutover_sqlscript::Finding) -> Finding {
    Finding {
        severity: match found.severity {
            cutover_sqlscript::Severity::Note => Severity::Note,
            cutover_sqlscript::Severity::Warning => Severity::Warning,
            cutover_sqlscript::Severity::Error => Severity::Error,
        },
        code: found.rule.name().to_owned(),
        place: format!("{}:{}:{}", file.display(), found.line, found.column),
        text: found.message.clone(),
        remedy: found.remedy.clone(),
    }
}

fn report(console: &Console, found: &[Finding]) -> Result<Exit, CliError> {
    if console.json {
        console.print_json(&found)?;
    } else if found.is_empty() {
        console.print("nothing found")?;
    } else {
        console.print(&findings::render(found, console.style))?;
    }
    Ok(if findings::any_error(found) {
        Exit::Failed
    } else {
        Exit::Done
    })
}
