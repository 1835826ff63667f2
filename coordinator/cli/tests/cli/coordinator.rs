//! A coordinator that answers what a test told it to, over the real channel.

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, SystemTime};

use assert_cmd::Command;
use cutover_channel::{Identity, ServerTls, incoming, listen, server_builder, server_config};
use cutover_proto::config::report::ConfigReport;
use cutover_proto::convert::document;
use cutover_proto::ids::Sha256Hex;
use cutover_proto::pb;
use cutover_proto::pb::backup_work_response::Kind;
use cutover_proto::pb::operator_service_server::{OperatorService, OperatorServiceServer};
use cutover_proto::plan::Plan;
use cutover_proto::view::{DeadLetterView, Finding, RehearsalView, RestoreView, RunView};
use secrecy::SecretString;
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tokio_stream::{Stream, StreamExt as _};
use tonic::{Request, Response, Status, Streaming};

use crate::authority::Authority;
use crate::{cutover, write};

pub(crate) type Told = Result<pb::WatchRunResponse, Status>;

/// What the coordinator answers, and what it was asked.
#[derive(Default)]
pub(crate) struct Script {
    /// Files that the upgrade file names.
    pub(crate) wanted: Vec<String>,
    /// Answered to `check` and `plan`.
    pub(crate) findings: Vec<Finding>,
    /// Answered to `plan`, once nothing is wanted any more.
    pub(crate) plan: Option<Plan>,
    /// Answered to `config report`.
    pub(crate) report: Option<ConfigReport>,
    /// Answered to `status RUN` and to every order.
    pub(crate) run: Option<RunView>,
    /// One list for each time the run is watched; the last stream stays open.
    pub(crate) watches: VecDeque<Vec<Told>>,
    /// Lines of the audit trail.
    pub(crate) audit: Vec<String>,
    /// Content of uploads, and their messages' sizes.
    pub(crate) blobs: HashMap<String, Vec<u8>>,
    pub(crate) messages: Vec<usize>,
    /// Runs as `watch` named them.
    pub(crate) watched: Vec<String>,
    pub(crate) applied: Vec<pb::ApplyRequest>,
    pub(crate) orders: Vec<pb::ControlRunRequest>,
    pub(crate) actions: Vec<pb::DoActionRequest>,
    pub(crate) tokens: Vec<pb::CreateTokenRequest>,
    /// Answered to `rehearse --last` and at a rehearsal's end.
    pub(crate) rehearsal: Option<RehearsalView>,
    /// Answered to `dead-letters dss-prod`.
    pub(crate) letters: Vec<DeadLetterView>,
    pub(crate) rehearsed: Vec<pb::RehearseRequest>,
    pub(crate) resolved: Vec<pb::ResolveStatementRequest>,
    pub(crate) lifted: Vec<pb::LiftFenceRequest>,
    pub(crate) restored: Vec<pb::RestoreBackupRequest>,
}

#[derive(Clone, Default)]
struct Fake {
    script: Arc<Mutex<Script>>,
}

/// The coordinator, and an operator's profile for it. Dropping it ends it.
pub(crate) struct Coordinator {
    fake: Fake,
    pub(crate) profile: TempDir,
    authority: Authority,
    address: SocketAddr,
    runtime: Option<Runtime>,
}

impl Coordinator {
    pub(crate) fn start(script: Script) -> Self {
        cutover_channel::install_provider();
        let authority = Authority::new();
        let fake = Fake {
            script: Arc::new(Mutex::new(script)),
        };
        let (runtime, address) = serve(&authority, fake.clone(), "127.0.0.1:0".parse().unwrap());
        Self {
            fake,
            profile: profile(&authority, address),
            authority,
            address,
            runtime: Some(runtime),
        }
    }

    /// Ends every connection as a killed coordinator does, and listens again at the same address.
    pub(crate) fn restart(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_timeout(Duration::from_secs(5));
        }
        let (runtime, _) = serve(&self.authority, self.fake.clone(), self.address);
        self.runtime = Some(runtime);
    }

    /// Gives the profile another certificate of the same authority.
    pub(crate) fn operator_until(&self, not_after: SystemTime) {
        let operator = self.authority.operator_until(not_after);
        write(&self.profile.path().join("operator.pem"), operator.cert);
        write(&self.profile.path().join("operator.key"), operator.key);
    }

    pub(crate) fn script(&self) -> MutexGuard<'_, Script> {
        self.fake.script.lock().unwrap()
    }

    /// The binary with this coordinator's profile.
    pub(crate) fn cutover(&self, args: &[&str]) -> Command {
        let mut command = cutover();
        command.env("CUTOVER_PROFILE", self.profile.path()).args(args);
        command
    }
}

fn serve(authority: &Authority, fake: Fake, address: SocketAddr) -> (Runtime, SocketAddr) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let entered = runtime.enter();
    let listener = listen(address).unwrap();
    let address = listener.local_addr().unwrap();
    let issued = authority.coordinator();
    let identity = Identity {
        cert_chain_pem: issued.cert,
        key_pem: SecretString::from(issued.key),
    };
    let tls = ServerTls::new(server_config(&authority.pem, &identity).unwrap());
    let serving = server_builder()
        .add_service(OperatorServiceServer::new(fake))
        .serve_with_incoming(incoming(listener, tls));
    runtime.spawn(serving);
    drop(entered);
    (runtime, address)
}

/// A profile as the coordinator's `init` writes it.
pub(crate) fn profile(authority: &Authority, address: SocketAddr) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    let operator = authority.operator();
    write(&dir.path().join("ca.pem"), &authority.pem);
    write(&dir.path().join("operator.pem"), operator.cert);
    let key = dir.path().join("operator.key");
    write(&key, operator.key);
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o600)).unwrap();
    write(&dir.path().join("endpoint"), format!("{address}\n"));
    dir
}

fn no<T>() -> Result<Response<T>, Status> {
    Err(Status::unimplemented("this test does not need it"))
}

impl Fake {
    fn script(&self) -> MutexGuard<'_, Script> {
        self.script.lock().unwrap()
    }

    fn upgrade(&self, request: &pb::UpgradeRequest, with_plan: bool) -> pb::UpgradeResponse {
        let script = self.script();
        let have = |name: &String| {
            request
                .attachments
                .get(name)
                .is_some_and(|blob| script.blobs.contains_key(&blob.sha256))
        };
        let wanted: Vec<String> = script.wanted.iter().filter(|name| !have(name)).cloned().collect();
        let plan = script.plan.as_ref().filter(|_| with_plan && wanted.is_empty());
        pb::UpgradeResponse {
            findings: Some(document("findings/1", &script.findings)),
            plan_hash: plan.map(|plan| plan.hash().to_string()).unwrap_or_default(),
            plan: plan.map(|plan| document("plan/1", plan)),
            wanted,
        }
    }

    fn run_document(&self) -> Result<Response<pb::Document>, Status> {
        match &self.script().run {
            Some(run) => Ok(Response::new(document("run/1", run))),
            None => Err(Status::not_found(
                "no run is named so\nnext: list them with `cutover status`",
            )),
        }
    }
}

type Many<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

#[tonic::async_trait]
impl OperatorService for Fake {
    type WatchRunStream = Many<pb::WatchRunResponse>;
    type VerifyBackupStream = Many<pb::BackupWorkResponse>;
    type RestoreBackupStream = Many<pb::BackupWorkResponse>;
    type ExportAuditStream = Many<pb::ExportAuditResponse>;

    async fn check_upgrade(
        &self,
        request: Request<pb::UpgradeRequest>,
    ) -> Result<Response<pb::UpgradeResponse>, Status> {
        Ok(Response::new(self.upgrade(request.get_ref(), false)))
    }

    async fn make_plan(
        &self,
        request: Request<pb::UpgradeRequest>,
    ) -> Result<Response<pb::UpgradeResponse>, Status> {
        Ok(Response::new(self.upgrade(request.get_ref(), true)))
    }

    async fn report_config(
        &self,
        request: Request<pb::UpgradeRequest>,
    ) -> Result<Response<pb::ConfigReportResponse>, Status> {
        let script = self.script();
        let given = &request.get_ref().attachments;
        let wanted = script.wanted.iter().filter(|name| !given.contains_key(*name));
        let response = pb::ConfigReportResponse {
            findings: Some(document("findings/1", &script.findings)),
            wanted: wanted.cloned().collect(),
            report: script
                .report
                .as_ref()
                .map(|report| document("config-report/1", report)),
        };
        Ok(Response::new(response))
    }

    async fn get_plan(&self, request: Request<pb::GetPlanRequest>) -> Result<Response<pb::Document>, Status> {
        let script = self.script();
        let plan = script
            .plan
            .as_ref()
            .filter(|plan| plan.hash().as_str().starts_with(&request.get_ref().plan_hash));
        plan.map(|plan| Response::new(document("plan/1", plan)))
            .ok_or_else(|| Status::not_found("no such plan"))
    }

    async fn apply(&self, request: Request<pb::ApplyRequest>) -> Result<Response<pb::ApplyResponse>, Status> {
        let mut script = self.script();
        script.applied.push(request.into_inner());
        let run = script.run.as_ref().map(|run| run.id.to_string());
        run.map(|run| Response::new(pb::ApplyResponse { run }))
            .ok_or_else(|| Status::already_exists("node dss-1 is part of run 7, which has not ended"))
    }

    async fn get_run(&self, _: Request<pb::GetRunRequest>) -> Result<Response<pb::Document>, Status> {
        self.run_document()
    }

    async fn watch_run(
        &self,
        request: Request<pb::WatchRunRequest>,
    ) -> Result<Response<Self::WatchRunStream>, Status> {
        let mut script = self.script();
        script.watched.push(request.into_inner().run);
        let told = script
            .watches
            .pop_front()
            .ok_or_else(|| Status::not_found("no such run"))?;
        let told = tokio_stream::iter(told);
        Ok(Response::new(if script.watches.is_empty() {
            Box::pin(told.chain(tokio_stream::pending()))
        } else {
            Box::pin(told)
        }))
    }

    async fn control_run(
        &self,
        request: Request<pb::ControlRunRequest>,
    ) -> Result<Response<pb::Document>, Status> {
        self.script().orders.push(request.into_inner());
        self.run_document()
    }

    async fn do_action(
        &self,
        request: Request<pb::DoActionRequest>,
    ) -> Result<Response<pb::ApplyResponse>, Status> {
        self.script().actions.push(request.into_inner());
        Ok(Response::new(pb::ApplyResponse { run: "7".into() }))
    }

    async fn create_token(
        &self,
        request: Request<pb::CreateTokenRequest>,
    ) -> Result<Response<pb::CreateTokenResponse>, Status> {
        self.script().tokens.push(request.into_inner());
        let expires = "2026-01-01T01:00:00Z".into();
        Ok(Response::new(pb::CreateTokenResponse {
            token: "cutover-join-v1.abc".into(),
            expires,
        }))
    }

    async fn export_audit(
        &self,
        request: Request<pb::ExportAuditRequest>,
    ) -> Result<Response<Self::ExportAuditStream>, Status> {
        let skipped = usize::try_from(request.get_ref().first.saturating_sub(1)).unwrap();
        let lines: Vec<_> = self
            .script()
            .audit
            .iter()
            .skip(skipped)
            .map(|line| Ok(pb::ExportAuditResponse { line: line.clone() }))
            .collect();
        Ok(Response::new(Box::pin(tokio_stream::iter(lines))))
    }

    async fn stat_blob(
        &self,
        request: Request<pb::StatBlobRequest>,
    ) -> Result<Response<pb::StatBlobResponse>, Status> {
        let size = self
            .script()
            .blobs
            .get(&request.get_ref().sha256)
            .map(|blob| blob.len() as u64);
        Ok(Response::new(pb::StatBlobResponse {
            present: size.is_some(),
            size: size.unwrap_or(0),
        }))
    }

    async fn upload_blob(
        &self,
        request: Request<Streaming<pb::UploadBlobRequest>>,
    ) -> Result<Response<pb::Blob>, Status> {
        let mut stream = request.into_inner();
        let mut blob = pb::Blob::default();
        let mut content = Vec::new();
        while let Some(message) = stream.message().await? {
            if content.is_empty() {
                blob.name = message.name;
                blob.sha256 = message.sha256;
            }
            content.extend_from_slice(&message.data);
            self.script().messages.push(message.data.len());
        }
        if Sha256Hex::of(&content).as_str() != blob.sha256 {
            return Err(Status::invalid_argument(
                "the content is not what its SHA-256 says",
            ));
        }
        blob.size = content.len() as u64;
        self.script().blobs.insert(blob.sha256.clone(), content);
        Ok(Response::new(blob))
    }

    async fn list_guides(&self, _: Request<pb::ListGuidesRequest>) -> Result<Response<pb::Document>, Status> {
        Err(Status::permission_denied(
            "the certificate of `alice` was revoked",
        ))
    }

    async fn show_guide(&self, _: Request<pb::ShowGuideRequest>) -> Result<Response<pb::Document>, Status> {
        no()
    }

    async fn lint_guide(
        &self,
        request: Request<pb::LintGuideRequest>,
    ) -> Result<Response<pb::Document>, Status> {
        let mut findings = self.script().findings.clone();
        // What the page says comes back, so that a test sees that it was sent.
        for finding in &mut findings {
            finding.text = format!("{} {}", finding.text, request.get_ref().page);
        }
        Ok(Response::new(document("findings/1", &findings)))
    }

    async fn init_upgrade(
        &self,
        request: Request<pb::InitUpgradeRequest>,
    ) -> Result<Response<pb::InitUpgradeResponse>, Status> {
        let toml = format!("guide = \"{}\"\n", request.get_ref().guide);
        let findings = Some(document("findings/1", &self.script().findings));
        Ok(Response::new(pb::InitUpgradeResponse { toml, findings }))
    }

    async fn list_runs(&self, _: Request<pb::ListRunsRequest>) -> Result<Response<pb::Document>, Status> {
        no()
    }

    async fn list_nodes(&self, _: Request<pb::ListNodesRequest>) -> Result<Response<pb::Document>, Status> {
        no()
    }

    async fn get_node_facts(
        &self,
        _: Request<pb::GetNodeFactsRequest>,
    ) -> Result<Response<pb::Document>, Status> {
        no()
    }

    async fn revoke_node(&self, _: Request<pb::RevokeNodeRequest>) -> Result<Response<pb::Document>, Status> {
        no()
    }

    async fn rehearse(
        &self,
        request: Request<pb::RehearseRequest>,
    ) -> Result<Response<pb::ApplyResponse>, Status> {
        let mut script = self.script();
        script.rehearsed.push(request.into_inner());
        let run = script.run.as_ref().map(|run| run.id.to_string());
        run.map(|run| Response::new(pb::ApplyResponse { run }))
            .ok_or_else(|| Status::not_found("no such plan"))
    }

    async fn get_rehearsal(
        &self,
        request: Request<pb::GetRehearsalRequest>,
    ) -> Result<Response<pb::Document>, Status> {
        let script = self.script();
        let found = script
            .rehearsal
            .as_ref()
            .filter(|view| [view.upgrade.clone(), view.run.to_string()].contains(&request.get_ref().upgrade));
        found
            .map(|view| Response::new(document("rehearsal/1", view)))
            .ok_or_else(|| Status::not_found("no rehearsal has ended"))
    }

    async fn resolve_statement(
        &self,
        request: Request<pb::ResolveStatementRequest>,
    ) -> Result<Response<pb::Document>, Status> {
        self.script().resolved.push(request.into_inner());
        self.run_document()
    }

    async fn lift_fence(
        &self,
        request: Request<pb::LiftFenceRequest>,
    ) -> Result<Response<pb::Document>, Status> {
        self.script().lifted.push(request.into_inner());
        Ok(Response::new(document("fences-lifted/1", &["carbon"])))
    }

    async fn list_backups(
        &self,
        _: Request<pb::ListBackupsRequest>,
    ) -> Result<Response<pb::Document>, Status> {
        no()
    }

    async fn verify_backup(
        &self,
        _: Request<pb::VerifyBackupRequest>,
    ) -> Result<Response<Self::VerifyBackupStream>, Status> {
        let progress = pb::StepProgress {
            detail: "restore drill".into(),
            done_bytes: 10,
            total_bytes: 20,
            ..pb::StepProgress::default()
        };
        let view = RestoreView {
            id: "dss-prod/carbon".into(),
            into: "a scratch database".into(),
            sha256: String::new(),
            tables: 39,
            rows: 1000,
            millis: 2000,
        };
        let messages = [
            Kind::Progress(progress),
            Kind::Done(document("backup-restored/1", &view)),
        ];
        let messages = messages.map(|kind| Ok(pb::BackupWorkResponse { kind: Some(kind) }));
        Ok(Response::new(Box::pin(tokio_stream::iter(messages))))
    }

    async fn list_dead_letters(
        &self,
        request: Request<pb::ListDeadLettersRequest>,
    ) -> Result<Response<pb::Document>, Status> {
        let letters = if request.into_inner().run == "dss-prod" {
            self.script().letters.clone()
        } else {
            Vec::new()
        };
        Ok(Response::new(document("dead-letters/1", &letters)))
    }

    async fn restore_backup(
        &self,
        request: Request<pb::RestoreBackupRequest>,
    ) -> Result<Response<Self::RestoreBackupStream>, Status> {
        self.script().restored.push(request.into_inner());
        no()
    }

    async fn get_status(&self, _: Request<pb::GetStatusRequest>) -> Result<Response<pb::Document>, Status> {
        no()
    }
}
