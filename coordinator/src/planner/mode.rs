//! Which way the data takes to staging: chosen from the operator's budget and what a rehearsal measured.

use cutover_proto::plan::{DataMode, DataPlan, ModeForecast};
use cutover_proto::view::{Finding, Severity};

use super::forecast::{self, FleetSize};
use super::{Inputs, finding};

/// The way, with what an operator should know of it.
#[must_use]
pub fn choose(inputs: &Inputs<'_>, scripts: usize) -> (DataPlan, Vec<Finding>) {
    let estimated = forecast::estimated(inputs, scripts);
    let rehearsal = inputs.rehearsal.filter(|rehearsal| rehearsal.failed.is_none());
    let took = rehearsal.map_or(estimated, |rehearsal| {
        forecast::measured(&rehearsal.steps, estimated.directories, inputs.upgrade.parallel)
    });
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
    let findings = over_budget(inputs, mode, budget, &forecasts);
    let plan = DataPlan {
        mode,
        why,
        budget_secs: budget,
        rehearsal: rehearsal.map(|rehearsal| rehearsal.run.to_string()),
        forecasts,
        directories_secs: estimated.directories,
    };
    (plan, findings)
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

    fn forecasts(secs: [u64; 2]) -> Vec<ModeForecast> {
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
        assert_eq!(fitting(Some(300), &forecasts([200, 100])).0, DataMode::StopCopy);
        assert_eq!(fitting(Some(150), &forecasts([200, 100])).0, DataMode::Sync);
        assert_eq!(fitting(None, &forecasts([200, 100])).0, DataMode::StopCopy);
    }

    #[test]
    fn mode_when_none_fits_then_the_shortest() {
        let (mode, why) = fitting(Some(10), &forecasts([200, 100]));
        assert_eq!(mode, DataMode::Sync);
        assert!(why.contains("comes nearest"), "{why}");
    }
}
