//! Configurations: every node's agent compares its own, for a plan, a draft or a report.

use std::collections::BTreeMap;
use std::time::Duration;

use cutover_proto::audit::AuditEntry;
use cutover_proto::config::ConfigComparison;
use cutover_proto::config::report::{CONFIG_REPORT_SCHEMA, ConfigReport};
use cutover_proto::convert::{Command, document};
use cutover_proto::ids::{CommandId, Direction, NodeName, RunId, Sha256Hex};
use cutover_proto::pb;
use cutover_proto::pb::coordinator_message::Kind;
use cutover_proto::report::StepOutcome;
use cutover_proto::step::{BlobRef, NodeAction};
use cutover_proto::view::Finding;

use super::upgrades::{attachments, wrong_archives};
use crate::app::App;
use crate::guide::Guide;
use crate::model::upgrade::Upgrade;
use crate::planner::adhoc::known_id;
use crate::planner::config::{self, Comparisons};
use crate::planner::{self, Inputs, PlanNode};
use crate::rpc::status::RpcError;

/// Agents may have to fetch distributions first.
const PATIENCE: Duration = Duration::from_secs(600);

impl App {
    /// Has the agents compare their configurations. A node that could not be asked is not in the answer.
    pub(super) async fn compare_configs(
        &self,
        upgrade: &Upgrade,
        attachments: &BTreeMap<String, BlobRef>,
        nodes: &[PlanNode],
        operator: &str,
    ) -> Result<Comparisons, RpcError> {
        let mut answers = Vec::new();
        for node in nodes.iter().filter(|node| config::can_compare(upgrade, node)) {
            let id = RunId::new(uuid::Uuid::now_v7());
            let action = config::compare_action(upgrade, attachments, &node.name);
            let command = Kind::Command((&self.inquiry(id, &node.name, action)).into());
            if let Some(answer) = self.fleet.inquire(&node.name, id, command) {
                answers.push(async { (node.name.clone(), tokio::time::timeout(PATIENCE, answer).await) });
            }
        }
        if answers.is_empty() {
            return Ok(Comparisons::new());
        }
        let names: Vec<&str> = nodes.iter().map(|node| node.name.as_str()).collect();
        let entry = AuditEntry {
            actor: format!("operator:{operator}"),
            action: "config.compared".into(),
            arguments: [("nodes".to_owned(), names.join(", "))].into(),
            ..AuditEntry::default()
        };
        self.store.audit(vec![entry]).await?;
        let answers = futures::future::join_all(answers).await;
        let read = |(node, answer): (NodeName, Result<Result<StepOutcome, _>, _>)| {
            let comparison = match answer {
                Ok(Ok(outcome)) => comparison(outcome),
                Ok(Err(_)) => Err("the agent's answer was lost".to_owned()),
                Err(_) => Err(format!(
                    "its agent did not answer within {} s",
                    PATIENCE.as_secs()
                )),
            };
            (node, comparison)
        };
        Ok(answers.into_iter().map(read).collect())
    }

    /// The answers that a draft will need. One with gaps that make it no upgrade file yet, such as an archive to be
    /// named, is compared when it is filled in.
    pub(super) async fn draft_answers(
        &self,
        guide: &Guide,
        draft: &str,
        nodes: &[PlanNode],
        operator: &str,
    ) -> Result<String, RpcError> {
        let Ok(upgrade) = Upgrade::parse("draft", draft) else {
            return Ok(String::new());
        };
        let none = BTreeMap::new();
        let configs = self.compare_configs(&upgrade, &none, nodes, operator).await?;
        let inputs = Inputs {
            guide,
            upgrade: &upgrade,
            file: "draft",
            nodes,
            databases: &BTreeMap::new(),
            attachments: &none,
            scripts: &BTreeMap::new(),
            configs: &configs,
            rehearsal: None,
        };
        Ok(config::report(&inputs, &config::resolve(&inputs)).answers)
    }

    fn inquiry(&self, run: RunId, node: &NodeName, action: NodeAction) -> Command {
        Command {
            id: CommandId {
                run,
                step: known_id(&format!("inquiry.compare-config@{node}")),
                attempt: 1,
                direction: Direction::Do,
            },
            plan_hash: Sha256Hex::of(b"inquiry"),
            epoch: self.epoch,
            deadline_secs: PATIENCE.as_secs(),
            action,
            secrets: BTreeMap::new(),
            reason: "configuration".to_owned(),
        }
    }

    /// What becomes of the sites' changes, without a look at the databases.
    pub(super) async fn report_config(
        &self,
        request: pb::UpgradeRequest,
        operator: &str,
    ) -> Result<pb::ConfigReportResponse, RpcError> {
        let upgrade = match Upgrade::parse(&request.file_name, &request.text) {
            Ok(upgrade) => upgrade,
            Err(findings) => return Ok(response(&findings, Vec::new(), None)),
        };
        let guide = self.guide(&upgrade.guide)?;
        let attachments = attachments(&request.attachments)?;
        let archives = upgrade.distribution.iter().chain(&upgrade.old_distribution);
        let wanted: Vec<String> = archives
            .map(|archive| archive.file.clone())
            .filter(|file| {
                attachments
                    .get(file)
                    .is_none_or(|blob| self.blobs.size(&blob.sha256).is_none())
            })
            .collect();
        if !wanted.is_empty() {
            return Ok(response(&[], wanted, None));
        }
        let wrong = wrong_archives(&upgrade, &attachments);
        if !wrong.is_empty() {
            return Ok(response(&wrong, Vec::new(), None));
        }
        let nodes = self.nodes_now(&upgrade.nodes, operator).await?;
        let configs = self
            .compare_configs(&upgrade, &attachments, &nodes, operator)
            .await?;
        let inputs = Inputs {
            guide,
            upgrade: &upgrade,
            file: &request.file_name,
            nodes: &nodes,
            databases: &BTreeMap::new(),
            attachments: &attachments,
            scripts: &BTreeMap::new(),
            configs: &configs,
            rehearsal: None,
        };
        let resolution = config::resolve(&inputs);
        let report = config::report(&inputs, &resolution);
        let mut findings = planner::checks::nodes_away(&inputs);
        findings.extend(resolution.findings);
        Ok(response(&findings, Vec::new(), Some(&report)))
    }
}

fn comparison(outcome: StepOutcome) -> Result<ConfigComparison, String> {
    match outcome {
        Ok(receipt) => receipt
            .config
            .map(|config| *config)
            .ok_or_else(|| "the agent sent no comparison; it is of an older version".to_owned()),
        Err(error) => Err(format!("{error}; {}", error.next)),
    }
}

fn response(
    findings: &[Finding],
    mut wanted: Vec<String>,
    report: Option<&ConfigReport>,
) -> pb::ConfigReportResponse {
    wanted.sort();
    wanted.dedup();
    pb::ConfigReportResponse {
        findings: Some(document("findings/1", &findings)),
        wanted,
        report: report.map(|report| document(CONFIG_REPORT_SCHEMA, report)),
    }
}
