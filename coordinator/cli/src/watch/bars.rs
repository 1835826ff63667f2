//! Live progress bars on a terminal: one for each step at work, that is for each node and database, with the table
//! or file it is at.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use cutover_proto::pb;
use cutover_proto::view::{RunStepView, RunView};
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use super::lines::change_lines;
use super::tracker::Change;
use super::{Message, Screen};
use crate::console::Console;
use crate::error::CliError;
use crate::runview;
use crate::text::{Style, one_line, shorten};

const TICK: Duration = Duration::from_millis(120);

/// The bars of one step.
struct StepBar {
    bar: ProgressBar,
    measured: bool,
}

/// Steps that ended scroll by above, steps at work have a bar each.
pub(super) struct Bars<'a> {
    console: &'a Console,
    all: MultiProgress,
    head: ProgressBar,
    steps: BTreeMap<String, StepBar>,
    looks: HashMap<Look, ProgressStyle>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Look {
    Head,
    Waiting,
    Bytes,
    Items,
}

impl Look {
    const ALL: [Look; 4] = [Look::Head, Look::Waiting, Look::Bytes, Look::Items];

    fn template(self) -> &'static str {
        match self {
            Look::Head => "{prefix}  {msg}  {elapsed}",
            Look::Waiting => "  {spinner} {prefix}  {elapsed}  {wide_msg}",
            Look::Bytes => {
                "  {spinner} {prefix}  [{bar:24}] {bytes}/{total_bytes} {bytes_per_sec} {eta}  {wide_msg}"
            }
            Look::Items => "  {spinner} {prefix}  [{bar:24}] {pos}/{len} {eta}  {wide_msg}",
        }
    }
}

fn looks(style: Style) -> HashMap<Look, ProgressStyle> {
    let (spinner, bar) = if style.unicode {
        ("⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏ ", "█▓░")
    } else {
        ("|/-\\ ", "=> ")
    };
    let made = Look::ALL.iter().filter_map(|look| {
        let made = ProgressStyle::with_template(look.template()).ok()?;
        Some((*look, made.tick_chars(spinner).progress_chars(bar)))
    });
    made.collect()
}

impl<'a> Bars<'a> {
    pub(super) fn new(console: &'a Console) -> Self {
        let all = MultiProgress::new();
        let looks = looks(console.style);
        let head = all.add(ProgressBar::new_spinner());
        if let Some(look) = looks.get(&Look::Head) {
            head.set_style(look.clone());
        }
        head.enable_steady_tick(TICK);
        Self {
            console,
            all,
            head,
            steps: BTreeMap::new(),
            looks,
        }
    }

    fn change(&mut self, change: &Change) -> Result<(), CliError> {
        match change {
            Change::Started(step) => self.start(step),
            Change::Ended(step) => {
                if let Some(ended) = self.steps.remove(step.id.as_str()) {
                    ended.bar.finish_and_clear();
                }
                self.above(&change_lines(change, self.console.style))?;
            }
            Change::Joined(0) => {}
            Change::Joined(_) => self.above(&change_lines(change, self.console.style))?,
        }
        Ok(())
    }

    fn start(&mut self, step: &RunStepView) {
        let bar = self.all.add(ProgressBar::new_spinner());
        if let Some(look) = self.looks.get(&Look::Waiting) {
            bar.set_style(look.clone());
        }
        bar.set_prefix(format!("{}  {}", step.place, shorten(&one_line(&step.title), 48)));
        bar.enable_steady_tick(TICK);
        let replaced = self
            .steps
            .insert(step.id.to_string(), StepBar { bar, measured: false });
        if let Some(replaced) = replaced {
            replaced.bar.finish_and_clear();
        }
    }

    fn progress(&mut self, progress: &pb::StepProgress) {
        let Some(step) = self.steps.get_mut(&progress.step) else {
            return;
        };
        let (look, done, total) = if progress.total_bytes > 0 {
            (Look::Bytes, progress.done_bytes, progress.total_bytes)
        } else {
            (Look::Items, progress.done_items, progress.total_items)
        };
        if total > 0 {
            if !step.measured
                && let Some(style) = self.looks.get(&look)
            {
                step.bar.set_style(style.clone());
                step.measured = true;
            }
            step.bar.set_length(total);
            step.bar.set_position(done.min(total));
        }
        step.bar.set_message(one_line(&progress.detail));
    }

    fn above(&self, text: &str) -> Result<(), CliError> {
        self.all
            .println(text.trim_end())
            .map_err(|error| CliError::failed("cannot write to the terminal").why(error))
    }

    fn clear(&mut self) {
        for step in self.steps.values() {
            step.bar.finish_and_clear();
        }
        self.head.finish_and_clear();
    }
}

impl Screen for Bars<'_> {
    fn show(&mut self, message: &Message, changes: &[Change], run: Option<&RunView>) -> Result<(), CliError> {
        for change in changes {
            self.change(change)?;
        }
        if let Some(run) = run {
            self.head.set_prefix(run.name.clone());
            self.head.set_message(format!(
                "{}, {}",
                runview::run_word(run.state),
                runview::progress(run)
            ));
        }
        match message {
            Message::Progress(progress) => self.progress(progress),
            Message::Run(_) | Message::Step(_) => {}
        }
        Ok(())
    }

    fn note(&mut self, text: &str) {
        // Above the bars; without a terminal to draw on, as a line.
        if self.above(text).is_err() {
            self.console.note(text);
        }
    }

    fn end(&mut self, run: &RunView) -> Result<(), CliError> {
        self.clear();
        self.console.print(&runview::ending(run, self.console.style))
    }
}

impl Drop for Bars<'_> {
    fn drop(&mut self) {
        self.clear();
    }
}

#[cfg(test)]
mod tests {
    use cutover_proto::view::StepStateView;

    use super::*;
    use crate::runview::example;

    #[test]
    fn every_template_is_one_that_indicatif_can_draw() {
        for unicode in [false, true] {
            assert_eq!(looks(Style::new(80, unicode)).len(), Look::ALL.len());
        }
    }

    #[test]
    fn bar_lives_from_start_to_end_of_its_step_and_follows_progress() {
        let console = Console {
            json: false,
            style: Style::new(80, true),
            live: true,
            person: false,
        };
        let mut bars = Bars::new(&console);
        bars.change(&Change::Started(example::step("dss-1", StepStateView::Running)))
            .unwrap();
        let step = "quiesce.stop@dss-1".to_owned();
        let mut progress = pb::StepProgress {
            step: step.clone(),
            detail: "UM_USER".into(),
            ..Default::default()
        };
        progress.done_bytes = 5;
        progress.total_bytes = 20;
        bars.progress(&progress);
        let bar = bars.steps.get(&step).map(|step| step.bar.clone()).unwrap();
        assert_eq!(
            (bar.position(), bar.length(), bar.message().as_str()),
            (5, Some(20), "UM_USER")
        );
        bars.change(&Change::Ended(example::step("dss-1", StepStateView::Succeeded)))
            .unwrap();
        assert!(bars.steps.is_empty() && bar.is_finished());
        // Late progress of a step that ended must not bring its bar back.
        bars.progress(&progress);
        assert!(bars.steps.is_empty());
    }
}
