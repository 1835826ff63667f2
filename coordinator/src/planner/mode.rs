//! Which way the data takes to staging: chosen from the operator's budget and what a rehearsal measured.

use cutover_proto::plan::{DataMode, DataPlan, ModeForecast, PlanDatabase};
use cutover_proto::view::{Finding, Severity};

use super::forecast::{self, FleetSize};
use super::{Inputs, finding};

/// The way, with what an operator should know of it.
#[must_use]
pub fn choose(
    inputs: &Inputs<'_>,
    databases: &[PlanDatabase],
    kept_in_step: &[String],
) -> (DataPlan, Vec<Finding>) {
    let estimated = forecast::estimated(inputs, databases);
    let directories_secs = estimated.directories;
    let rehearsal = inputs.rehearsal.filter(|rehearsal| rehearsal.failed.is_none());
    let mut took = rehearsal.map_or(estimated, |rehearsal| {
        forecast::measured(&rehearsal.steps, directories_secs, inputs.upgrade.parallel)
    });
    let possible = databases.iter().any(|database| database.delta.is_some());
    if !possible {
        took.databases
            .iter_mut()
            .for_each(|database| database.delta = None);
    }
    let fleet = FleetSize {
        nodes: inputs.nodes.len(),
        parallel: inputs.upgrade.parallel,
    };
    let forecasts = forecast::all(&took, fleet);
    let budget = inputs.upgrade.downtime.budget_secs;
    let (mode, why) = match inputs.upgrade.downtime.mode {
        Some(mode) => (mode, "the upgrade file names it".to_owned()),
        None if rehearsal.is_none() => (DataMode::StopCopy, unrehearsed(inputs)),
        None => fitting(budget, &forecasts),
    };
    let mut findings = over_budget(inputs, mode, budget, &forecasts);
    if mode == DataMode::Delta && !possible {
        findings.push(no_delta(inputs, kept_in_step));
    }
    let plan = DataPlan {
        mode,
        why,
        budget_secs: budget,
        rehearsal: rehearsal.map(|rehearsal| rehearsal.run.to_string()),
        forecasts,
        directories_secs,
    };
    (plan, findings)
}

fn no_delta(inputs: &Inputs<'_>, why: &[String]) -> Finding {
    finding(
        Severity::Error,
        "no-delta",
        inputs.file,
        format!(
            "`downtime.mode` is `delta`, and no database can be given rows after it was migrated: {}",
            why.join("; ")
        ),
        "write mode = \"sync\": staging is then kept equal to production and migrated last, whatever a script does",
    )
}

fn unrehearsed(inputs: &Inputs<'_>) -> String {
    let failed = inputs
        .rehearsal
        .is_some_and(|rehearsal| rehearsal.failed.is_some());
    let what = if failed {
        "the last rehearsal failed"
    } else {
        "no rehearsal of this upgrade has measured how long anything takes"
    };
    format!(
        "{what}: the servers are stopped first, which is always right; `cutover rehearse` measures the other ways"
    )
}

/// The plainest mode that fits the budget; without a budget the plainest of all.
fn fitting(budget: Option<u64>, forecasts: &[ModeForecast]) -> (DataMode, String) {
    let Some(budget) = budget else {
        let why = "no downtime budget is set, and it is the plainest way";
        return (DataMode::StopCopy, why.to_owned());
    };
    if let Some(fits) = forecasts.iter().find(|forecast| forecast.downtime.secs <= budget) {
        let why = format!(
            "it is the plainest way that fits the budget: {} s predicted, {budget} s allowed",
            fits.downtime.secs
        );
        return (fits.mode, why);
    }
    let least = forecasts.iter().min_by_key(|forecast| forecast.downtime.secs);
    let mode = least.map_or(DataMode::StopCopy, |forecast| forecast.mode);
    (
        mode,
        format!("no way fits the budget of {budget} s; this one comes nearest"),
    )
}

fn over_budget(
    inputs: &Inputs<'_>,
    mode: DataMode,
    budget: Option<u64>,
    forecasts: &[ModeForecast],
) -> Vec<Finding> {
    let secs = forecasts
        .iter()
        .find(|forecast| forecast.mode == mode)
        .map_or(0, |forecast| forecast.downtime.secs);
    let Some(budget) = budget.filter(|budget| secs > *budget) else {
        return Vec::new();
    };
    vec![finding(
        Severity::Warning,
        "over-budget",
        inputs.file,
        format!("the predicted downtime of {secs} s is more than the budget of {budget} s"),
        "rehearse to measure it, raise [downtime] budget, or name another mode",
    )]
}

#[cfg(test)]
mod tests {
    use cutover_proto::plan::DowntimeForecast;

    use super::*;

    fn forecasts(secs: [u64; 3]) -> Vec<ModeForecast> {
        DataMode::ALL
            .into_iter()
            .zip(secs)
            .map(|(mode, secs)| ModeForecast {
                mode,
                downtime: DowntimeForecast {
                    secs,
                    parts: Vec::new(),
                },
            })
            .collect()
    }

    #[test]
    fn mode_when_several_fit_then_the_plainest() {
        let mode = |budget| fitting(budget, &forecasts([200, 100, 50])).0;
        assert_eq!(mode(Some(300)), DataMode::StopCopy);
        assert_eq!(mode(Some(150)), DataMode::Sync);
        assert_eq!(mode(Some(60)), DataMode::Delta);
        assert_eq!(mode(None), DataMode::StopCopy);
    }

    #[test]
    fn mode_when_none_fits_then_the_shortest() {
        let (mode, why) = fitting(Some(10), &forecasts([200, 100, 100]));
        assert_eq!(mode, DataMode::Sync);
        assert!(why.contains("comes nearest"), "{why}");
    }
}
