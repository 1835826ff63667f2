//! A run as people read it, and the exit code its state leads to.

#[cfg(test)]
pub(crate) mod example;

use std::fmt::Write as _;

use cutover_proto::report::StepError;
use cutover_proto::view::{DowntimeView, PhaseView, RunStateView, RunStepView, RunView, StepStateView};

use crate::evidence;
use crate::exit::Exit;
use crate::human;
use crate::text::{Style, one_line, wrap};

/// A run's state in words.
pub(crate) fn run_word(state: RunStateView) -> &'static str {
    match state {
        RunStateView::Running => "running",
        RunStateView::Paused => "paused",
        RunStateView::Held => "held",
        RunStateView::WaitingForApproval => "waiting for approval",
        RunStateView::Aborting => "aborting",
        RunStateView::Aborted => "aborted",
        RunStateView::Stuck => "stuck",
        RunStateView::Done => "done",
    }
}

/// A step's state in words.
fn step_word(step: &RunStepView) -> &'static str {
    match step.state {
        StepStateView::Pending => "pending",
        StepStateView::Running => "running",
        StepStateView::Succeeded => "done",
        StepStateView::Failed => "failed",
        // Left out with its failure: what could not be taken back is a person's now.
        StepStateView::Skipped if step.error.is_some() => "given up",
        StepStateView::Skipped => "skipped",
        StepStateView::Undoing => "undoing",
        StepStateView::Undone => "undone",
        StepStateView::Stuck => "stuck",
    }
}

/// A step's state as the mark before its line.
pub(crate) fn mark(state: StepStateView, style: Style) -> &'static str {
    let (sign, word) = match state {
        StepStateView::Pending => ("·", " .."),
        StepStateView::Running => ("…", "run"),
        StepStateView::Succeeded => ("✓", " ok"),
        StepStateView::Failed => ("✗", "ERR"),
        StepStateView::Skipped => ("–", "skp"),
        StepStateView::Undoing => ("…", "und"),
        StepStateView::Undone => ("↶", "und"),
        StepStateView::Stuck => ("‼", "!!!"),
    };
    if style.unicode { sign } else { word }
}

/// Where watching ends, and with which exit code; none while the run goes on.
pub(crate) fn end(run: &RunView) -> Option<Exit> {
    let exit = match run.state {
        RunStateView::Running | RunStateView::Aborting => return None,
        RunStateView::Done => Exit::Done,
        RunStateView::Aborted | RunStateView::Held | RunStateView::Stuck => Exit::Failed,
        RunStateView::Paused | RunStateView::WaitingForApproval => Exit::Waiting,
    };
    let at_work = || steps(run).any(|step| step.state == StepStateView::Running);
    // A paused run lets its running steps end; their results belong to what is watched.
    (run.state.is_final() || !at_work()).then_some(exit)
}

/// Every step of a run.
pub(crate) fn steps(run: &RunView) -> impl Iterator<Item = &RunStepView> {
    run.phases.iter().flat_map(|phase| &phase.steps)
}

/// `12 of 30 steps`: those that need nothing more, and all.
pub(crate) fn progress(run: &RunView) -> String {
    let ended = |step: &&RunStepView| match step.state {
        StepStateView::Succeeded | StepStateView::Skipped | StepStateView::Undone => true,
        StepStateView::Pending
        | StepStateView::Running
        | StepStateView::Failed
        | StepStateView::Undoing
        | StepStateView::Stuck => false,
    };
    format!(
        "{} of {} steps",
        steps(run).filter(ended).count(),
        steps(run).count()
    )
}

/// A step that ended: one line with mark, step, title, time and evidence; beneath it what needs lines of its own,
/// and what, why and next when it failed.
pub(crate) fn ended_lines(step: &RunStepView, style: Style) -> String {
    let mut tail = String::new();
    if step.attempt > 1 {
        write!(tail, "  (attempt {})", step.attempt).ok();
    }
    if let Some(millis) = step.millis {
        write!(tail, "  {}", human::millis(millis)).ok();
    }
    let brief = evidence::brief(step);
    if !brief.is_empty() {
        write!(tail, "  {brief}").ok();
    }
    let head = format!("{} {}  ", mark(step.state, style), step.id);
    let mut lines = vec![style.fit(&head, &one_line(&step.title), &tail)];
    lines.extend(beneath(step, style));
    lines.join("\n")
}

/// The lines beneath a step's own.
fn beneath(step: &RunStepView, style: Style) -> Vec<String> {
    let mut lines = evidence::beneath(step, style);
    if let Some(error) = &step.error {
        lines.push(failure(step, error, style));
    }
    lines
}

/// Where a step failed, what, why and what to do next.
fn failure(step: &RunStepView, error: &StepError, style: Style) -> String {
    let part = |name: &str, text: &str| wrap(text, style.width, &format!("      {name:<6}"), "            ");
    [
        part("where", &step.place.to_string()),
        part("what", &error.what),
        part("why", &format!("{} [{}]", error.why, error.code)),
        part("next", &error.next),
    ]
    .join("\n")
}

/// Why the run stands where it stands, and which commands can follow.
pub(crate) fn ending(run: &RunView, style: Style) -> String {
    let mut text = String::new();
    let line = format!(
        "run {} \"{}\" is {}: {}",
        run.id,
        run.name,
        run_word(run.state),
        progress(run)
    );
    writeln!(text, "{}", wrap(&line, style.width, "", "  ")).ok();
    if let Some(downtime) = &run.downtime {
        writeln!(text, "{}", downtime_line(downtime)).ok();
    }
    if let Some(waiting) = &run.waiting {
        writeln!(
            text,
            "{}",
            wrap(&waiting.reason, style.width, "  because: ", "           ")
        )
        .ok();
        writeln!(text, "  who must act: {}", waiting.owner).ok();
        if !waiting.commands.is_empty() {
            text.push_str("  what can follow:\n");
        }
        for command in &waiting.commands {
            writeln!(text, "    {command}").ok();
        }
    }
    text
}

fn downtime_line(downtime: &DowntimeView) -> String {
    let length = human::millis(downtime.millis);
    match &downtime.until {
        Some(until) => {
            let (from, until) = (human::time(&downtime.from), human::time(until));
            format!("downtime: {length}, from {from} until {until}")
        }
        None => format!("downtime: {length} so far, since {}", human::time(&downtime.from)),
    }
}

/// The whole run, step by step.
pub(crate) fn render(run: &RunView, style: Style) -> String {
    let mut text = format!(
        "{} ({}), applied by {}\n",
        run.name,
        guide(&run.guide),
        run.operator
    );
    write!(
        text,
        "plan {}, started {}",
        run.plan_hash.short(),
        human::time(&run.started)
    )
    .ok();
    if let Some(ended) = &run.ended {
        write!(text, ", ended {ended}").ok();
    }
    text.push('\n');
    let width = steps(run).map(|step| step.id.as_str().len()).max().unwrap_or(0);
    for phase in &run.phases {
        render_phase(&mut text, phase, width, style);
    }
    text.push('\n');
    text.push_str(&ending(run, style));
    text
}

/// A guide's name; a single action has none.
pub(crate) fn guide(name: &str) -> &str {
    if name.is_empty() { "single action" } else { name }
}

fn render_phase(text: &mut String, phase: &PhaseView, width: usize, style: Style) {
    let gate = if phase.approval_missing {
        "  [needs an approval]"
    } else {
        ""
    };
    writeln!(text, "\n{}{gate}", phase.name).ok();
    for step in &phase.steps {
        let tries = if step.attempt > 1 {
            format!("attempt {}", step.attempt)
        } else {
            String::new()
        };
        let line = format!(
            "  {} {:<width$}  {:<8}  {:<9}  {:>9}  {}",
            mark(step.state, style),
            step.id.as_str(),
            step_word(step),
            tries,
            step.millis.map(human::millis).unwrap_or_default(),
            evidence::brief(step),
        );
        writeln!(text, "{}", style.cut(line.trim_end())).ok();
        for line in beneath(step, style) {
            writeln!(text, "{line}").ok();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STYLE: Style = Style::new(100, true);

    #[test]
    fn status_of_a_held_run() {
        let steps = vec![
            example::step("dss-1", StepStateView::Succeeded),
            example::step("dss-2", StepStateView::Failed),
            example::step("dss-3", StepStateView::Pending),
        ];
        insta::assert_snapshot!(render(&example::run(RunStateView::Held, steps), STYLE));
    }

    #[test]
    fn end_of_watching_follows_the_documented_exit_codes() {
        let of = |state| end(&example::run(state, Vec::new()));
        assert_eq!(of(RunStateView::Running), None);
        assert_eq!(of(RunStateView::Aborting), None);
        assert_eq!(of(RunStateView::Done), Some(Exit::Done));
        assert_eq!(of(RunStateView::Held), Some(Exit::Failed));
        assert_eq!(of(RunStateView::Stuck), Some(Exit::Failed));
        assert_eq!(of(RunStateView::Aborted), Some(Exit::Failed));
        assert_eq!(of(RunStateView::Paused), Some(Exit::Waiting));
        assert_eq!(of(RunStateView::WaitingForApproval), Some(Exit::Waiting));
    }

    #[test]
    fn paused_run_when_a_step_is_at_work_then_watching_goes_on() {
        let steps = vec![example::step("dss-1", StepStateView::Running)];
        assert_eq!(end(&example::run(RunStateView::Paused, steps)), None);
    }

    #[test]
    fn ended_line_without_unicode_is_ascii() {
        let step = example::step("dss-1", StepStateView::Succeeded);
        assert_eq!(
            ended_lines(&step, Style::new(80, false)),
            " ok quiesce.stop@dss-1  stop and hold the server of /opt/dss  1.2 s  pid=4711 killed=no"
        );
    }

    #[test]
    fn terminal_when_narrow_then_the_title_gives_way_before_the_evidence() {
        let mut step = example::step("dss-1", StepStateView::Succeeded);
        step.title = "stop and hold the server of /opt/a/rather/long/way/to/wso2dss-3.0.1".into();
        let at = |columns| {
            ended_lines(
                &step,
                Style {
                    columns: Some(columns),
                    ..STYLE
                },
            )
        };
        assert_eq!(
            at(80),
            "✓ quiesce.stop@dss-1  stop and hold the server of...  1.2 s  pid=4711 killed=no"
        );
        let narrow = at(50);
        assert_eq!(narrow, "✓ quiesce.stop@dss-1  stop and hold...  1.2 s...");
        assert!(ended_lines(&step, STYLE).contains("/opt/a/rather/long/way/to/wso2dss-3.0.1  1.2 s"));
    }

    #[test]
    fn checkpoints_when_shown_then_each_has_a_whole_line_and_a_warning_is_marked() {
        let text = "table UM_DOMAIN has 18 rows, expected at least 6, and this text is longer than any line";
        let step = example::checkpoint(text);
        let narrow = Style {
            columns: Some(80),
            ..STYLE
        };
        let expected = format!("\n      check01=pass: {text}\n    ! check02=WARNING: {text}");
        let watched = ended_lines(&step, narrow);
        assert!(watched.contains("passed=1 warnings=1"), "{watched}");
        assert!(watched.ends_with(&expected), "{watched}");
        let status = render(&example::run(RunStateView::Running, vec![step.clone()]), STYLE);
        assert!(status.contains(&expected), "{status}");
        let colour = Style {
            colour: true,
            ..STYLE
        };
        let coloured = ended_lines(&step, colour);
        let marked = format!("\n\u{1b}[1;33m    ! check02=WARNING: {text}\u{1b}[0m");
        assert!(coloured.ends_with(&marked), "{coloured:?}");
    }

    #[test]
    fn undo_that_was_given_up_does_not_read_as_skipped() {
        let mut step = example::step("dss-1", StepStateView::Stuck);
        step.state = StepStateView::Skipped;
        let status = render(&example::run(RunStateView::Aborting, vec![step]), STYLE);
        assert!(status.contains("quiesce.stop@dss-1  given up"), "{status}");
        assert!(status.contains("process 4711 is still there"), "{status}");
    }
}
