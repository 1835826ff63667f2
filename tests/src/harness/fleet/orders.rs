//! What an operator does with a fleet: plan, apply, approve, abort.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use cutover_proto::view::{RunStateView, RunView};

use super::Fleet;
use super::report::summary;
use crate::harness::{Outcome, finished, wait};

impl Fleet {
    /// Writes the upgrade file.
    ///
    /// # Errors
    /// When it can't be written.
    pub fn write_upgrade(&self) -> Result<String> {
        let path = self.desk().join(format!("{}.toml", self.spec.hop.short));
        std::fs::write(&path, self.upgrade.text()?)?;
        Ok(path.display().to_string())
    }

    /// Writes the upgrade file, and plans it into [`Fleet::plan_file`].
    ///
    /// # Errors
    /// When the command can't be run.
    pub fn plan(&self) -> Result<Outcome> {
        let file = self.write_upgrade()?;
        self.cli.run(&["plan", &file, "--out", &self.plan_file()])
    }

    /// The plan's file.
    #[must_use]
    pub fn plan_file(&self) -> String {
        self.desk()
            .join(format!("{}.plan", self.spec.hop.short))
            .display()
            .to_string()
    }

    /// Plans and starts the run; its id.
    ///
    /// # Errors
    /// When there is no plan, or it is refused.
    pub fn apply(&mut self) -> Result<String> {
        self.plan()?.expect(0)?;
        self.apply_planned()
    }

    /// Starts the run of the plan that was made before; its id.
    ///
    /// # Errors
    /// When it is refused.
    pub fn apply_planned(&mut self) -> Result<String> {
        let plan = self.plan_file();
        let outcome = self.cli.run(&["--json", "apply", &plan, "--yes"])?;
        if outcome.code == 0 {
            let started: serde_json::Value = serde_json::from_str(&outcome.out)?;
            let run = started.get("started").and_then(serde_json::Value::as_str);
            return Ok(run
                .with_context(|| format!("no run in {}", outcome.out))?
                .to_owned());
        }
        let name = self.upgrade.name.clone();
        match self.begun_nevertheless(&outcome, &name)? {
            Some(view) => Ok(view.id.to_string()),
            None => self.apply_planned(),
        }
    }

    /// Rehearses the plan that was made before, until the rehearsal settles.
    ///
    /// # Errors
    /// When it is refused, or does not settle within `limit`.
    pub fn rehearse_planned(&mut self, limit: Duration) -> Result<RunView> {
        let run = format!("{}-rehearsal", self.upgrade.name);
        let outcome = self.cli.run(&["rehearse", &self.plan_file()])?;
        if outcome.code != 0 && self.begun_nevertheless(&outcome, &run)?.is_none() {
            return self.rehearse_planned(limit);
        }
        self.settle(&run, limit)
    }

    /// The coordinator may have died with the answer: then the run is there, or the command is to be given again.
    fn begun_nevertheless(&mut self, outcome: &Outcome, run: &str) -> Result<Option<RunView>> {
        ensure!(self.died(), "{}", outcome.text());
        self.wait_connected()?;
        let mut found = None;
        wait("an answer about the run", Duration::from_secs(60), || {
            found = match self.cli.view(run) {
                Ok(view) => Some(Some(view)),
                Err(error) => format!("{error:#}").contains("there is no run").then_some(None),
            };
            found.is_some()
        })?;
        Ok(found.flatten())
    }

    /// Gives an order to a run and waits for what becomes of it. A coordinator that dies with the answer gets the
    /// order again, if the run is still where it was.
    ///
    /// # Errors
    /// When it is refused, or the run does not settle within `limit`.
    pub fn order(&mut self, run: &str, order: &[&str], limit: Duration) -> Result<RunView> {
        let version = |view: &RunView| (view.state, view.waiting.clone());
        let before = self.cli.view(run).as_ref().map(version).ok();
        let outcome = self.cli.run(order)?;
        let refused = outcome.code != 0;
        ensure!(!refused || self.died(), "{}", outcome.text());
        let view = self.settle(run, limit)?;
        if refused && before.is_none_or(|before| before == version(&view)) {
            return self.order(run, order, limit);
        }
        Ok(view)
    }

    /// Whether a service died in this moment; it is started again.
    fn died(&mut self) -> bool {
        let died = || self.tend().is_ok_and(|started| started > 0);
        wait("the end of a service", Duration::from_secs(30), died).is_ok()
    }

    /// Waits until nothing more happens by itself, starting every service again that died.
    ///
    /// # Errors
    /// When it takes longer than `limit`.
    pub fn settle(&mut self, run: &str, limit: Duration) -> Result<RunView> {
        self.settle_when(run, limit, |view| finished(view.state))
    }

    /// [`Fleet::settle`] with another end.
    ///
    /// # Errors
    /// When it takes longer than `limit`.
    pub fn settle_when(
        &mut self,
        run: &str,
        limit: Duration,
        end: impl Fn(&RunView) -> bool,
    ) -> Result<RunView> {
        let deadline = Instant::now() + limit;
        let mut last = None;
        loop {
            self.tend()?;
            if let Ok(view) = self.cli.view(run) {
                if end(&view) {
                    return Ok(view);
                }
                last = Some(view);
            }
            if Instant::now() >= deadline {
                let open = last.map(|view| summary(&view)).unwrap_or_default();
                bail!(
                    "run {run} did not settle within {limit:?}; {open}\n{}",
                    self.logs()
                );
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Starts every service again that died; how many.
    ///
    /// # Errors
    /// When one can't be started.
    pub fn tend(&mut self) -> Result<usize> {
        let mut started = usize::from(self.coordinator.service.start_again()?);
        for host in &mut self.hosts {
            started += usize::from(host.service.start_again()?);
        }
        Ok(started)
    }

    /// Waits for the approval that every upgrade needs, gives it, and waits for the end.
    ///
    /// # Errors
    /// When the run does not end as done.
    pub fn finish(&mut self, run: &str, limit: Duration) -> Result<RunView> {
        let view = self.settle(run, limit)?;
        ensure!(
            view.state == RunStateView::WaitingForApproval,
            "{}\n{}",
            summary(&view),
            self.logs()
        );
        self.approve(run, limit)
    }

    /// Approves what the run waits for, and waits for its end.
    ///
    /// # Errors
    /// When the run does not end as done.
    pub fn approve(&mut self, run: &str, limit: Duration) -> Result<RunView> {
        let view = self.order(run, &["approve", run, "--reason", "CHG-4711"], limit)?;
        ensure!(
            view.state == RunStateView::Done,
            "{}\n{}",
            summary(&view),
            self.logs()
        );
        Ok(view)
    }

    /// Takes the run back, and waits until everything is where it was.
    ///
    /// # Errors
    /// When the run does not end as aborted.
    pub fn abort(&mut self, run: &str, limit: Duration) -> Result<RunView> {
        let view = self.order(
            run,
            &["abort", run, "--yes", "--reason", "the test says so"],
            limit,
        )?;
        ensure!(
            view.state == RunStateView::Aborted,
            "{}\n{}",
            summary(&view),
            self.logs()
        );
        Ok(view)
    }
}
