//! Plain lines for logs, and JSON lines for programs.

use std::collections::HashMap;
use std::time::Duration;

use cutover_proto::pb;
use cutover_proto::view::{RunStepView, RunView, StepStateView};
use serde_json::json;
use tokio::time::Instant;

use super::tracker::Change;
use super::{Message, Screen};
use crate::console::Console;
use crate::error::CliError;
use crate::human;
use crate::runview;
use crate::text::{Style, one_line};

/// A log shall not drown in progress.
const BETWEEN_PROGRESS: Duration = Duration::from_secs(15);

/// A line for each step that starts or ends.
pub(super) struct Lines<'a> {
    console: &'a Console,
    style: Style,
    told: HashMap<String, Instant>,
}

impl<'a> Lines<'a> {
    pub(super) fn new(console: &'a Console) -> Self {
        Self {
            console,
            // Who wants plain lines reads or searches them later: nothing is cut.
            style: Style {
                columns: None,
                ..console.style
            },
            told: HashMap::new(),
        }
    }

    fn progress(&mut self, progress: &pb::StepProgress) -> Result<(), CliError> {
        let now = Instant::now();
        // The first report of a step says little; the next ones tell whether it moves.
        let last = self.told.entry(progress.step.clone()).or_insert(now);
        if now.duration_since(*last) < BETWEEN_PROGRESS {
            return Ok(());
        }
        *last = now;
        self.console
            .print(&format!("    {}  {}", progress.step, amount(progress)))
    }
}

impl Screen for Lines<'_> {
    fn show(
        &mut self,
        message: &Message,
        changes: &[Change],
        _run: Option<&RunView>,
    ) -> Result<(), CliError> {
        for change in changes {
            self.console.print(&change_lines(change, self.style))?;
        }
        match message {
            Message::Progress(progress) => self.progress(progress),
            Message::Run(_) | Message::Step(_) => Ok(()),
        }
    }

    fn note(&mut self, text: &str) {
        self.console.note(text);
    }

    fn end(&mut self, run: &RunView) -> Result<(), CliError> {
        self.console.print(&runview::ending(run, self.console.style))
    }
}

/// A piece of news in words.
pub(super) fn change_lines(change: &Change, style: Style) -> String {
    match change {
        Change::Joined(ended) => format!("{} had ended before", human::count(*ended, "step")),
        Change::Started(step) => started_line(step, style),
        Change::Ended(step) => runview::ended_lines(step, style),
    }
}

fn started_line(step: &RunStepView, style: Style) -> String {
    let undo = if step.state == StepStateView::Undoing {
        "undo: "
    } else {
        ""
    };
    let head = format!("{} {}  {undo}", runview::mark(step.state, style), step.id);
    style.fit(&head, &one_line(&step.title), "")
}

/// `UM_USER  1.5 MiB of 3.0 MiB  2 of 40`.
fn amount(progress: &pb::StepProgress) -> String {
    let mut parts = Vec::new();
    if !progress.detail.is_empty() {
        parts.push(one_line(&progress.detail));
    }
    if progress.total_bytes > 0 {
        let (done, total) = (progress.done_bytes, progress.total_bytes);
        parts.push(format!("{} of {}", human::bytes(done), human::bytes(total)));
    }
    if progress.total_items > 0 {
        parts.push(format!("{} of {}", progress.done_items, progress.total_items));
    }
    parts.join("  ")
}

/// One JSON object in a line for each message: `{"run":…}`, `{"step":…}` or `{"progress":…}`.
pub(super) struct JsonLines<'a> {
    console: &'a Console,
}

impl<'a> JsonLines<'a> {
    pub(super) fn new(console: &'a Console) -> Self {
        Self { console }
    }
}

impl Screen for JsonLines<'_> {
    fn show(
        &mut self,
        message: &Message,
        _changes: &[Change],
        _run: Option<&RunView>,
    ) -> Result<(), CliError> {
        let value = match message {
            Message::Run(run) => json!({ "run": run }),
            Message::Step(step) => json!({ "step": step }),
            Message::Progress(progress) => json!({ "progress": {
                "step": progress.step, "detail": progress.detail,
                "done_bytes": progress.done_bytes, "total_bytes": progress.total_bytes,
                "done_items": progress.done_items, "total_items": progress.total_items,
            }}),
        };
        self.console.print_json(&value)
    }

    fn note(&mut self, text: &str) {
        self.console.note(text);
    }

    fn end(&mut self, _run: &RunView) -> Result<(), CliError> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amount_says_what_is_known_and_no_more() {
        let mut progress = pb::StepProgress {
            detail: "UM_USER".into(),
            ..pb::StepProgress::default()
        };
        assert_eq!(amount(&progress), "UM_USER");
        progress.done_bytes = 1536;
        progress.total_bytes = 2048;
        progress.done_items = 2;
        progress.total_items = 40;
        assert_eq!(amount(&progress), "UM_USER  1.5 KiB of 2.0 KiB  2 of 40");
    }
}
