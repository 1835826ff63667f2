//! Rehearsals: start one, look at what it found, and hold an apply against it.

use std::collections::BTreeSet;

use cutover_proto::audit::AuditEntry;
use cutover_proto::convert::document;
use cutover_proto::ids::RunId;
use cutover_proto::pb;
use cutover_proto::plan::{DataMode, Plan, PlanDatabase};
use cutover_proto::view::RehearsalView;

use crate::app::App;
use crate::model::upgrade::downtime::seconds;
use crate::planner::{rehearsal, window};
use crate::rpc::status::RpcError;

impl App {
    pub(super) async fn rehearse(
        &self,
        request: &pb::RehearseRequest,
        operator: String,
    ) -> Result<pb::ApplyResponse, RpcError> {
        let plan = self.stored_plan(&request.plan_hash).await?;
        if plan.rehearses.is_some() || plan.databases.is_empty() {
            return Err(RpcError::Invalid(format!(
                "plan {} is not the plan of an upgrade: there is nothing to rehearse",
                request.plan_hash
            )));
        }
        self.start_run(rehearsal::compile(&plan, request.keep), operator)
            .await
    }

    /// The last rehearsal of an upgrade by its name, or the one of a run.
    pub(super) async fn get_rehearsal(&self, text: &str) -> Result<pb::Document, RpcError> {
        let found = match text.parse::<RunId>() {
            Ok(run) => self.store.rehearsal(run).await?,
            Err(_) => self.store.rehearsals(text).await?.into_iter().next(),
        };
        match found {
            Some(view) => Ok(document("rehearsal/1", &view)),
            None => Err(RpcError::NotFound(format!(
                "no rehearsal of `{text}` has ended; start one with: cutover rehearse FILE"
            ))),
        }
    }

    /// The last rehearsal of an upgrade, if it was made on these production databases: another fleet may have had an
    /// upgrade of the same name.
    pub(super) async fn rehearsal_of(
        &self,
        upgrade: &str,
        production: &BTreeSet<String>,
    ) -> Result<Option<RehearsalView>, RpcError> {
        for rehearsal in self.store.rehearsals(upgrade).await? {
            // One that was broken off says nothing, and takes nothing back of what an earlier one said.
            if rehearsal.broken_off {
                continue;
            }
            let plan = self.store.plan(&rehearsal.plan_hash).await?;
            if plan.is_some_and(|plan| identities(&plan) == *production) {
                return Ok(Some(rehearsal));
            }
        }
        Ok(None)
    }

    /// Refuses to begin what the last rehearsal says will not fit. A reason lets it through, and is kept.
    pub(super) async fn fits_the_rehearsal(
        &self,
        plan: &Plan,
        begins: Begins,
        anyway: &str,
        operator: &str,
    ) -> Result<(), RpcError> {
        let Some(rehearsal) = self.rehearsal_of(&plan.name, &identities(plan)).await? else {
            return Ok(());
        };
        let left = match (&plan.window, begins) {
            // Its downtime begins with an approval, in a window that is open then.
            (Some(wanted), Begins::Later) => seconds(&wanted.length),
            (Some(wanted), Begins::Now) => {
                window::remaining(&wanted.open, &wanted.length, self.clock.now()).ok()
            }
            (None, _) => None,
        };
        let Some(problem) = too_short(plan, &rehearsal, left) else {
            return Ok(());
        };
        if anyway.trim().is_empty() {
            return Err(RpcError::Refused(format!(
                "{problem} (rehearsal {}); rehearse again, change the plan, or give --window-anyway with a reason",
                rehearsal.run
            )));
        }
        let entry = AuditEntry {
            actor: format!("operator:{operator}"),
            action: "downtime.anyway".into(),
            arguments: [
                ("reason".to_owned(), anyway.to_owned()),
                ("upgrade".to_owned(), plan.name.clone()),
            ]
            .into(),
            evidence: [
                ("plan".to_owned(), plan.hash().to_string()),
                ("rehearsal".to_owned(), rehearsal.run.to_string()),
                ("problem".to_owned(), problem),
            ]
            .into(),
            ..AuditEntry::default()
        };
        self.store.audit(vec![entry]).await?;
        Ok(())
    }
}

/// When the downtime of a plan begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Begins {
    /// With what is asked for.
    Now,
    /// With an approval that comes later.
    Later,
}

fn identities(plan: &Plan) -> BTreeSet<String> {
    let of = |database: &PlanDatabase| database.production_identity.clone();
    plan.databases.iter().map(of).collect()
}

/// What stands against beginning this plan now. `left` is what remains of the window, in seconds.
fn too_short(plan: &Plan, rehearsal: &RehearsalView, left: Option<u64>) -> Option<String> {
    let data = plan.data.as_ref()?;
    if let Some(failed) = &rehearsal.failed {
        // Whatever was planned since: nothing has shown that it is mended.
        return Some(format!("the last rehearsal of this upgrade failed at {failed}"));
    }
    if let Some(why) = rehearsal
        .delta_held
        .as_ref()
        .filter(|_| data.mode == DataMode::Delta)
    {
        return Some(format!(
            "the last rehearsal found that the way `delta` would be held ({why})"
        ));
    }
    let Some(forecast) = rehearsal
        .forecasts
        .iter()
        .find(|forecast| forecast.mode == data.mode)
    else {
        return Some(format!("the last rehearsal did not try the way `{}`", data.mode));
    };
    let predicted = forecast.downtime.secs;
    if let Some(budget) = data.budget_secs.filter(|budget| predicted > *budget) {
        return Some(format!(
            "the last rehearsal predicts a downtime of {predicted} s, the budget is {budget} s"
        ));
    }
    let left = left.filter(|left| predicted > *left)?;
    Some(format!(
        "the last rehearsal predicts a downtime of {predicted} s, the maintenance window has {left} s"
    ))
}

#[cfg(test)]
mod tests {
    use cutover_proto::plan::{DataPlan, DowntimeForecast, ModeForecast};

    use super::*;
    use crate::engine::testing;

    fn planned(budget_secs: Option<u64>) -> Plan {
        Plan {
            data: Some(DataPlan {
                mode: DataMode::Sync,
                why: String::new(),
                budget_secs,
                rehearsal: None,
                forecasts: Vec::new(),
                directories_secs: 0,
            }),
            ..testing::plan()
        }
    }

    fn rehearsal(plan: &Plan, failed: Option<&str>) -> RehearsalView {
        RehearsalView {
            upgrade: plan.name.clone(),
            run: RunId::new(uuid::Uuid::nil()),
            plan_hash: plan.hash(),
            at: String::new(),
            failed: failed.map(str::to_owned),
            broken_off: false,
            delta_held: None,
            steps: Vec::new(),
            forecasts: vec![ModeForecast {
                mode: DataMode::Sync,
                downtime: DowntimeForecast {
                    secs: 100,
                    parts: Vec::new(),
                },
            }],
            kept: Vec::new(),
        }
    }

    #[test]
    fn plan_when_budget_or_window_is_shorter_than_rehearsed_then_said() {
        let plan = planned(Some(99));
        assert!(
            too_short(&plan, &rehearsal(&plan, None), None)
                .unwrap()
                .contains("budget")
        );
        let plan = planned(Some(100));
        assert_eq!(too_short(&plan, &rehearsal(&plan, None), Some(100)), None);
        let text = too_short(&plan, &rehearsal(&plan, None), Some(99)).unwrap();
        assert!(text.contains("window has 99 s"), "{text}");
    }

    #[test]
    fn plan_when_the_last_rehearsal_failed_then_said_even_if_planned_anew() {
        let plan = planned(None);
        let failed = rehearsal(&plan, Some("rehearse.migrate@carbon: no such table"));
        for plan in [&plan, &planned(Some(1))] {
            assert!(too_short(plan, &failed, None).unwrap().contains("no such table"));
        }
        let mut refused = rehearsal(&plan, None);
        refused.delta_held = Some("rehearse.delta@carbon: 3 row(s)".into());
        assert_eq!(too_short(&plan, &refused, None), None);
        let mut delta = plan.clone();
        delta.data.as_mut().unwrap().mode = DataMode::Delta;
        assert!(too_short(&delta, &refused, None).unwrap().contains("3 row(s)"));
        let untried = too_short(&delta, &rehearsal(&plan, None), None).unwrap();
        assert!(untried.contains("did not try"), "{untried}");
    }
}
