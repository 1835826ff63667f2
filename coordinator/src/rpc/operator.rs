//! What operators ask and order. One file per resource; this one only routes.

mod audit;
mod backups;
mod blobs;
mod config;
mod decisions;
mod guides;
mod inventory;
mod nodes;
mod rehearsals;
mod runs;
mod upgrades;

use std::sync::Arc;

use cutover_proto::convert::document;
use cutover_proto::pb;
use cutover_proto::pb::operator_service_server::OperatorService;
use cutover_proto::view::CoordinatorStatus;
use futures::stream::BoxStream;
use tonic::{Request, Response, Status, Streaming};

use super::operator_of;
use super::status::RpcError;
use crate::app::App;

/// The service.
#[derive(Debug, Clone)]
pub struct Operators(pub Arc<App>);

/// Checks who calls, then hands over the request and the operator's name.
macro_rules! as_operator {
    ($request:expr) => {{
        let operator = operator_of($request.extensions())?;
        (operator, $request.into_inner())
    }};
}

fn reply<T>(result: Result<T, RpcError>) -> Result<Response<T>, Status> {
    result.map(Response::new).map_err(Status::from)
}

#[tonic::async_trait]
impl OperatorService for Operators {
    type WatchRunStream = BoxStream<'static, Result<pb::WatchRunResponse, Status>>;
    type VerifyBackupStream = BoxStream<'static, Result<pb::BackupWorkResponse, Status>>;
    type RestoreBackupStream = BoxStream<'static, Result<pb::BackupWorkResponse, Status>>;
    type ExportAuditStream = BoxStream<'static, Result<pb::ExportAuditResponse, Status>>;

    async fn list_guides(
        &self,
        request: Request<pb::ListGuidesRequest>,
    ) -> Result<Response<pb::Document>, Status> {
        let _ = as_operator!(request);
        Ok(Response::new(self.0.list_guides()))
    }

    async fn show_guide(
        &self,
        request: Request<pb::ShowGuideRequest>,
    ) -> Result<Response<pb::Document>, Status> {
        let (_, request) = as_operator!(request);
        reply(self.0.show_guide(&request.guide))
    }

    async fn lint_guide(
        &self,
        request: Request<pb::LintGuideRequest>,
    ) -> Result<Response<pb::Document>, Status> {
        let (_, request) = as_operator!(request);
        reply(self.0.lint_guide(request))
    }

    async fn init_upgrade(
        &self,
        request: Request<pb::InitUpgradeRequest>,
    ) -> Result<Response<pb::InitUpgradeResponse>, Status> {
        let (operator, request) = as_operator!(request);
        reply(self.0.init_upgrade(&request, &operator).await)
    }

    async fn check_upgrade(
        &self,
        request: Request<pb::UpgradeRequest>,
    ) -> Result<Response<pb::UpgradeResponse>, Status> {
        let (operator, request) = as_operator!(request);
        reply(Box::pin(self.0.check_upgrade(request, &operator)).await)
    }

    async fn make_plan(
        &self,
        request: Request<pb::UpgradeRequest>,
    ) -> Result<Response<pb::UpgradeResponse>, Status> {
        let (operator, request) = as_operator!(request);
        reply(Box::pin(self.0.make_plan(request, &operator)).await)
    }

    async fn report_config(
        &self,
        request: Request<pb::UpgradeRequest>,
    ) -> Result<Response<pb::ConfigReportResponse>, Status> {
        let (operator, request) = as_operator!(request);
        reply(Box::pin(self.0.report_config(request, &operator)).await)
    }

    async fn get_plan(&self, request: Request<pb::GetPlanRequest>) -> Result<Response<pb::Document>, Status> {
        let (_, request) = as_operator!(request);
        reply(self.0.get_plan(&request.plan_hash).await)
    }

    async fn apply(&self, request: Request<pb::ApplyRequest>) -> Result<Response<pb::ApplyResponse>, Status> {
        let (operator, request) = as_operator!(request);
        reply(self.0.apply(request, operator).await)
    }

    async fn list_runs(
        &self,
        request: Request<pb::ListRunsRequest>,
    ) -> Result<Response<pb::Document>, Status> {
        let _ = as_operator!(request);
        reply(self.0.list_runs().await)
    }

    async fn get_run(&self, request: Request<pb::GetRunRequest>) -> Result<Response<pb::Document>, Status> {
        let (_, request) = as_operator!(request);
        reply(self.0.get_run(&request.run).await)
    }

    async fn watch_run(
        &self,
        request: Request<pb::WatchRunRequest>,
    ) -> Result<Response<Self::WatchRunStream>, Status> {
        let (_, request) = as_operator!(request);
        reply(self.0.watch_run(&request.run).await)
    }

    async fn control_run(
        &self,
        request: Request<pb::ControlRunRequest>,
    ) -> Result<Response<pb::Document>, Status> {
        let (operator, request) = as_operator!(request);
        reply(self.0.control_run(request, operator).await)
    }

    async fn list_nodes(
        &self,
        request: Request<pb::ListNodesRequest>,
    ) -> Result<Response<pb::Document>, Status> {
        let (_, request) = as_operator!(request);
        reply(self.0.list_nodes(&request.selector).await)
    }

    async fn get_node_facts(
        &self,
        request: Request<pb::GetNodeFactsRequest>,
    ) -> Result<Response<pb::Document>, Status> {
        let (_, request) = as_operator!(request);
        reply(self.0.node_facts(&request.node).await)
    }

    async fn create_token(
        &self,
        request: Request<pb::CreateTokenRequest>,
    ) -> Result<Response<pb::CreateTokenResponse>, Status> {
        let (operator, request) = as_operator!(request);
        reply(self.0.create_token(request, &operator).await)
    }

    async fn revoke_node(
        &self,
        request: Request<pb::RevokeNodeRequest>,
    ) -> Result<Response<pb::Document>, Status> {
        let (operator, request) = as_operator!(request);
        reply(self.0.revoke_node(request, &operator).await)
    }

    async fn do_action(
        &self,
        request: Request<pb::DoActionRequest>,
    ) -> Result<Response<pb::ApplyResponse>, Status> {
        let (operator, request) = as_operator!(request);
        reply(self.0.do_action(request, operator).await)
    }

    async fn export_audit(
        &self,
        request: Request<pb::ExportAuditRequest>,
    ) -> Result<Response<Self::ExportAuditStream>, Status> {
        let (_, mut request) = as_operator!(request);
        if !request.run.is_empty() {
            request.run = self
                .0
                .find_run(&request.run)
                .await
                .map_err(Status::from)?
                .id
                .to_string();
        }
        Ok(Response::new(self.0.clone().export_audit(request)))
    }

    async fn stat_blob(
        &self,
        request: Request<pb::StatBlobRequest>,
    ) -> Result<Response<pb::StatBlobResponse>, Status> {
        let (_, request) = as_operator!(request);
        reply(self.0.stat_blob(&request.sha256))
    }

    async fn upload_blob(
        &self,
        request: Request<Streaming<pb::UploadBlobRequest>>,
    ) -> Result<Response<pb::Blob>, Status> {
        let (operator, stream) = as_operator!(request);
        self.0.upload_blob(stream, &operator).await.map(Response::new)
    }

    async fn rehearse(
        &self,
        request: Request<pb::RehearseRequest>,
    ) -> Result<Response<pb::ApplyResponse>, Status> {
        let (operator, request) = as_operator!(request);
        reply(self.0.rehearse(&request, operator).await)
    }

    async fn get_rehearsal(
        &self,
        request: Request<pb::GetRehearsalRequest>,
    ) -> Result<Response<pb::Document>, Status> {
        let (_, request) = as_operator!(request);
        reply(self.0.get_rehearsal(&request.upgrade).await)
    }

    async fn list_dead_letters(
        &self,
        request: Request<pb::ListDeadLettersRequest>,
    ) -> Result<Response<pb::Document>, Status> {
        let (operator, request) = as_operator!(request);
        reply(self.0.list_dead_letters(&request.run, &operator).await)
    }

    async fn resolve_statement(
        &self,
        request: Request<pb::ResolveStatementRequest>,
    ) -> Result<Response<pb::Document>, Status> {
        let (operator, request) = as_operator!(request);
        reply(self.0.resolve_statement(request, operator).await)
    }

    async fn lift_fence(
        &self,
        request: Request<pb::LiftFenceRequest>,
    ) -> Result<Response<pb::Document>, Status> {
        let (operator, request) = as_operator!(request);
        reply(self.0.lift_fence(&request, &operator).await)
    }

    async fn list_backups(
        &self,
        request: Request<pb::ListBackupsRequest>,
    ) -> Result<Response<pb::Document>, Status> {
        let _ = as_operator!(request);
        reply(self.0.list_backups().await)
    }

    async fn verify_backup(
        &self,
        request: Request<pb::VerifyBackupRequest>,
    ) -> Result<Response<Self::VerifyBackupStream>, Status> {
        let (operator, request) = as_operator!(request);
        reply(self.0.clone().verify_backup(&request.backup, operator).await)
    }

    async fn restore_backup(
        &self,
        request: Request<pb::RestoreBackupRequest>,
    ) -> Result<Response<Self::RestoreBackupStream>, Status> {
        let (operator, request) = as_operator!(request);
        reply(Box::pin(self.0.clone().restore_backup(&request, operator)).await)
    }

    async fn get_status(
        &self,
        request: Request<pb::GetStatusRequest>,
    ) -> Result<Response<pb::Document>, Status> {
        let _ = as_operator!(request);
        reply(self.0.status().await)
    }
}

impl App {
    async fn status(&self) -> Result<pb::Document, RpcError> {
        let status = CoordinatorStatus {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            epoch: self.epoch,
            started: self.started.to_string(),
            nodes: u64::try_from(self.store.nodes().await?.len()).unwrap_or(0),
            connected: u64::try_from(self.fleet.count()).unwrap_or(0),
            open_runs: u64::try_from(self.engine.open().len()).unwrap_or(0),
            audit_records: self.store.audit_end().await?.0,
        };
        Ok(document("coordinator-status/1", &status))
    }
}
