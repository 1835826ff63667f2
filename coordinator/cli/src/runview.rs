//! A run as people read it, and the exit code its state leads to.

use std::fmt::Write as _;

use cutover_proto::report::{Receipt, StepError};
use cutover_proto::view::{DowntimeView, PhaseView, RunStateView, RunStepView, RunView, StepStateView};

use crate::exit::Exit;
use crate::human;
use crate::text::{Style, one_line, shorten, wrap};

/// Characters of evidence in a line; `cutover audit` and `--json` have all of it.
const EVIDENCE_MAX: usize = 60;

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
pub(crate) fn step_word(state: StepStateView) -> &'static str {
    match state {
        StepStateView::Pending => "pending",
        StepStateView::Running => "running",
        StepStateView::Succeeded => "done",
        StepStateView::Failed => "failed",
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

/// One line for a step that ended: mark, step, title, time, evidence.
pub(crate) fn ended_line(step: &RunStepView, style: Style) -> String {
    let mut line = format!(
        "{} {}  {}",
        mark(step.state, style),
        step.id,
        one_line(&step.title)
    );
    if step.attempt > 1 {
        write!(line, "  (attempt {})", step.attempt).ok();
    }
    if let Some(millis) = step.millis {
        write!(line, "  {}", human::millis(millis)).ok();
    }
    if let Some(receipt) = &step.receipt {
        let evidence = evidence(receipt);
        if !evidence.is_empty() {
            write!(line, "  {evidence}").ok();
        }
    }
    line
}

fn evidence(receipt: &Receipt) -> String {
    let pairs: Vec<String> = receipt
        .evidence
        .iter()
        .map(|(name, value)| format!("{name}={}", shorten(&one_line(value), 24)))
        .collect();
    shorten(&pairs.join(" "), EVIDENCE_MAX)
}

/// Where a step failed, what, why and what to do next.
pub(crate) fn failure(step: &RunStepView, error: &StepError, style: Style) -> String {
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
            "  {} {:<width$}  {:<7}  {:<9}  {:>9}  {}",
            mark(step.state, style),
            step.id.as_str(),
            step_word(step.state),
            tries,
            step.millis.map(human::millis).unwrap_or_default(),
            step.receipt.as_ref().map(evidence).unwrap_or_default(),
        );
        writeln!(text, "{}", line.trim_end()).ok();
        if let Some(error) = &step.error {
            writeln!(text, "{}", failure(step, error, style)).ok();
        }
    }
}

#[cfg(test)]
pub(crate) mod example {
    //! A run built by hand.

    use cutover_proto::ids::{RunId, Sha256Hex};
    use cutover_proto::plan::Place;
    use cutover_proto::report::{ErrorCode, Receipt, StepError};
    use cutover_proto::view::{
        DowntimeView, PhaseView, RunStateView, RunStepView, RunView, StepStateView, WaitingView,
    };

    pub(crate) fn step(node: &str, state: StepStateView) -> RunStepView {
        let failed = matches!(state, StepStateView::Failed | StepStateView::Stuck);
        RunStepView {
            id: format!("quiesce.stop@{node}").parse().unwrap(),
            phase: "quiesce".into(),
            title: "stop and hold the server of /opt/dss".into(),
            place: Place::Node(node.parse().unwrap()),
            state,
            attempt: u32::from(state != StepStateView::Pending) + u32::from(failed),
            started: None,
            millis: (state == StepStateView::Succeeded).then_some(1234),
            error: failed.then(|| {
                StepError::new(
                    ErrorCode::StillRunning,
                    "server of /opt/dss did not stop",
                    "process 4711 is still there after 120 s",
                    "stop it by hand, then cutover retry",
                )
            }),
            receipt: (state == StepStateView::Succeeded)
                .then(|| Receipt::new().with("killed", "no").with("pid", 4711)),
        }
    }

    pub(crate) fn run(state: RunStateView, steps: Vec<RunStepView>) -> RunView {
        RunView {
            id: RunId::new(uuid::Uuid::from_u128(1)),
            plan_hash: Sha256Hex::of(b"plan"),
            name: "dss-prod".into(),
            guide: "dss-3.2.0".into(),
            operator: "alice".into(),
            state,
            started: "2026-01-01T00:00:00Z".into(),
            ended: None,
            phases: vec![PhaseView {
                name: "quiesce".into(),
                approval_missing: false,
                steps,
            }],
            waiting: (state == RunStateView::Held).then(|| WaitingView {
                reason: "quiesce.stop@dss-2 failed".into(),
                owner: "an operator".into(),
                commands: vec!["cutover retry 1".into(), "cutover abort 1".into()],
            }),
            downtime: Some(DowntimeView {
                from: "2026-01-01T00:01:00Z".into(),
                until: None,
                millis: 61_000,
            }),
            version: 7,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STYLE: Style = Style {
        width: 100,
        unicode: true,
    };

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
        let line = ended_line(
            &step,
            Style {
                width: 80,
                unicode: false,
            },
        );
        assert_eq!(
            line,
            " ok quiesce.stop@dss-1  stop and hold the server of /opt/dss  1.2 s  killed=no pid=4711"
        );
    }
}
