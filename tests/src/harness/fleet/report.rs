//! What a test that fails is told.

use cutover_proto::view::RunView;

use super::Fleet;

impl Fleet {
    /// Why a run is where it is: what its steps say, and the ends of all logs.
    #[must_use]
    pub fn why(&self, view: &RunView) -> String {
        format!("{}\n{}", summary(view), self.logs())
    }

    /// The ends of all logs, for a test that fails.
    #[must_use]
    pub fn logs(&self) -> String {
        let mut text = format!("coordinator:\n{}", troubles(&self.coordinator.service.log()));
        for host in &self.hosts {
            text.push_str(&format!("\n{}:\n{}", host.name, troubles(&host.service.log())));
            text.push_str(&format!(
                "\n{} new server:\n{}",
                host.name,
                tail(&host.new.log(), 3)
            ));
        }
        text
    }
}

/// What a run waits for, in a few lines.
#[must_use]
pub(in crate::harness) fn summary(view: &RunView) -> String {
    let mut text = format!("run {} is {:?}", view.name, view.state);
    if let Some(waiting) = &view.waiting {
        text.push_str(&format!(": {}", waiting.reason));
    }
    for step in view.phases.iter().flat_map(|phase| &phase.steps) {
        if let Some(error) = &step.error {
            text.push_str(&format!(
                "\n  {} ({}): {error}; next: {}",
                step.id, error.code, error.next
            ));
        }
        if step.state == cutover_proto::view::StepStateView::Running {
            text.push_str(&format!("\n  {} is running", step.id));
        }
    }
    text
}

/// The lines of a log that are no everyday ones, and its last ones.
fn troubles(log: &str) -> String {
    let unusual: Vec<&str> = log.lines().filter(|line| !line.contains(" INFO ")).collect();
    format!("{}\n… {}", tail(&unusual.join("\n"), 12), tail(log, 2))
}

fn tail(text: &str, count: usize) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines
        .get(lines.len().saturating_sub(count)..)
        .unwrap_or_default()
        .join("\n")
}
