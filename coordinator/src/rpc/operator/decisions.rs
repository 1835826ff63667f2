//! What a person decides beside a run: statements that hold a migration, and fences.

use cutover_proto::convert::document;
use cutover_proto::pb;
use cutover_proto::plan::{DataMode, OverrideAction, Place, StatementOverride};

use crate::app::App;
use crate::engine::driver::{Control, ControlKind};
use crate::rpc::status::RpcError;
use crate::store::RunRow;

impl App {
    pub(super) async fn resolve_statement(
        &self,
        request: pb::ResolveStatementRequest,
        operator: String,
    ) -> Result<pb::Document, RpcError> {
        let run = self.find_run(&request.run).await?;
        let action =
            match pb::StatementAction::try_from(request.action).unwrap_or(pb::StatementAction::Unspecified) {
                pb::StatementAction::Skip => OverrideAction::Skip,
                pb::StatementAction::Replace => OverrideAction::Replace,
                pb::StatementAction::DoneByHand => OverrideAction::DoneByHand,
                pb::StatementAction::Unspecified => {
                    return Err(RpcError::Invalid("name what to do about the statement".into()));
                }
            };
        let with = (!request.with.trim().is_empty()).then_some(request.with);
        if (action == OverrideAction::Replace) != with.is_some() {
            return Err(RpcError::Invalid(
                "a statement that runs in the place of another belongs to `replace`, and only there".into(),
            ));
        }
        self.may_resolve(&run, &request.step).await?;
        let invalid = |error: cutover_proto::ids::InvalidId| RpcError::Invalid(error.to_string());
        let kind = ControlKind::Resolve {
            step: request.step.parse().map_err(invalid)?,
            script: (!request.script.is_empty()).then_some(request.script),
            decision: StatementOverride {
                statement: request.statement,
                sha256: request.sha256.parse().map_err(invalid)?,
                action,
                with,
                reason: request.reason.clone(),
            },
        };
        let control = Control {
            operator,
            reason: request.reason,
            kind,
        };
        let view = self.engine.control(run.id, control).await?;
        Ok(document("run/1", &view))
    }

    /// Whether rows can follow a migration was judged by the script as it stands in the plan.
    async fn may_resolve(&self, run: &RunRow, step: &str) -> Result<(), RpcError> {
        let Some(plan) = self.store.plan(&run.plan_hash).await? else {
            return Ok(());
        };
        let planned = plan.steps().find(|planned| planned.id.as_str() == step);
        let database = planned.and_then(|planned| match &planned.place {
            Place::Database(name) => plan.database(name),
            Place::Node(_) | Place::Coordinator => None,
        });
        let migrates_first = plan
            .data
            .as_ref()
            .is_some_and(|data| data.mode == DataMode::Delta);
        if migrates_first && database.is_some_and(|database| database.delta.is_some()) {
            return Err(RpcError::Refused(
                "this staging is migrated first, and rows of production follow: write the decision as an [[override]], abort and \
                 plan again, which judges whether they still can; production serves meanwhile"
                    .into(),
            ));
        }
        Ok(())
    }

    /// Takes the fences of a run that has ended down.
    pub(super) async fn lift_fence(
        &self,
        request: &pb::LiftFenceRequest,
        operator: &str,
    ) -> Result<pb::Document, RpcError> {
        let run = self.find_run(&request.run).await?;
        if !run.ended {
            return Err(RpcError::Refused(format!(
                "run {} has not ended: its abort lifts the fence",
                run.id
            )));
        }
        if request.reason.trim().is_empty() {
            return Err(RpcError::Invalid(
                "lifting a fence needs a reason; it is kept in the audit trail".into(),
            ));
        }
        let plan =
            self.store.plan(&run.plan_hash).await?.ok_or_else(|| {
                RpcError::NotFound(format!("the plan of run {} is not in the store", run.id))
            })?;
        let lifted = Box::pin(self.worker.lift_fences(run.id, &plan, operator, &request.reason))
            .await
            .map_err(RpcError::Work)?;
        Ok(document("fences-lifted/1", &lifted))
    }
}
