//! Upgrade files: written, checked, planned.

use std::collections::BTreeMap;

use cutover_proto::audit::AuditEntry;
use cutover_proto::convert::document;
use cutover_proto::ids::NodeName;
use cutover_proto::pb;
use cutover_proto::plan::{PLAN_SCHEMA, Plan};
use cutover_proto::step::BlobRef;
use cutover_proto::view::{Finding, Severity};
use cutover_sqlscript::Dialect;

use crate::app::App;
use crate::guide::{Guide, script_text};
use crate::model::selector::Selector;
use crate::model::upgrade::{Distribution, Upgrade, UpgradeDatabase};
use crate::planner::{self, DatabaseProbe, HostProbe, Inputs, KnownScript, PlanNode};
use crate::rpc::status::RpcError;
use crate::store::NodeRow;

/// What came of an upgrade file.
struct Checked {
    plan: Option<Plan>,
    findings: Vec<Finding>,
    wanted: Vec<String>,
}

impl Checked {
    fn refused(findings: Vec<Finding>) -> Self {
        Self {
            plan: None,
            findings,
            wanted: Vec::new(),
        }
    }

    fn response(self, with_plan: bool) -> pb::UpgradeResponse {
        let plan = self.plan.filter(|_| with_plan);
        pb::UpgradeResponse {
            findings: Some(document("findings/1", &self.findings)),
            wanted: self.wanted,
            plan_hash: plan
                .as_ref()
                .map(|plan| plan.hash().to_string())
                .unwrap_or_default(),
            plan: plan.as_ref().map(|plan| document(PLAN_SCHEMA, plan)),
        }
    }
}

impl App {
    pub(super) async fn check_upgrade(
        &self,
        request: pb::UpgradeRequest,
        operator: &str,
    ) -> Result<pb::UpgradeResponse, RpcError> {
        Ok(self.checked(&request, operator).await?.response(false))
    }

    pub(super) async fn make_plan(
        &self,
        request: pb::UpgradeRequest,
        operator: &str,
    ) -> Result<pb::UpgradeResponse, RpcError> {
        let checked = self.checked(&request, operator).await?;
        if let Some(plan) = &checked.plan {
            let hash = self.store.put_plan(plan).await?;
            let entry = AuditEntry {
                actor: format!("operator:{operator}"),
                action: "plan.made".into(),
                arguments: [
                    ("upgrade".to_owned(), plan.name.clone()),
                    ("guide".to_owned(), plan.guide.clone()),
                ]
                .into(),
                evidence: [("plan".to_owned(), hash.to_string())].into(),
                ..AuditEntry::default()
            };
            self.store.audit(vec![entry]).await?;
        }
        Ok(checked.response(true))
    }

    async fn checked(&self, request: &pb::UpgradeRequest, operator: &str) -> Result<Checked, RpcError> {
        let upgrade = match Upgrade::parse(&request.file_name, &request.text) {
            Ok(upgrade) => upgrade,
            Err(findings) => return Ok(Checked::refused(findings)),
        };
        let guide = match self.guide(&upgrade.guide) {
            Ok(guide) => guide,
            Err(error) => {
                let finding = planner::error(
                    "no-guide",
                    &request.file_name,
                    error.to_string(),
                    "correct `guide`",
                );
                return Ok(Checked::refused(vec![finding]));
            }
        };
        let attachments = attachments(&request.attachments)?;
        let wanted = wanted(&upgrade, &attachments, |blob| {
            self.blobs.size(&blob.sha256).is_some()
        });
        if !wanted.is_empty() {
            return Ok(Checked {
                plan: None,
                findings: Vec::new(),
                wanted,
            });
        }
        let wrong = wrong_archives(&upgrade, &attachments);
        if !wrong.is_empty() {
            return Ok(Checked::refused(wrong));
        }
        let nodes = self.nodes_now(&upgrade.nodes, operator).await?;
        let configs = self
            .compare_configs(&upgrade, &attachments, &nodes, operator)
            .await?;
        let mut databases: BTreeMap<String, DatabaseProbe> = BTreeMap::new();
        for database in &upgrade.databases {
            let old_home = |node: &PlanNode| upgrade.old_home.replace("{node}", node.name.as_str());
            let fencing = planner::fence::wanted(guide, &nodes, old_home, database);
            let probe =
                Box::pin(
                    self.worker
                        .probe(&database.name, &database.production, &database.staging, fencing),
                )
                .await;
            let host = self.host_of(database, operator).await?;
            databases.insert(database.name.clone(), DatabaseProbe { host, ..probe });
        }
        let scripts = self.scripts(guide, &upgrade, &attachments).await?;
        let identities = databases.values().map(|probe| probe.production_identity.clone());
        let rehearsal = self.rehearsal_of(&upgrade.name, &identities.collect()).await?;
        let inputs = Inputs {
            guide,
            upgrade: &upgrade,
            file: &request.file_name,
            nodes: &nodes,
            databases: &databases,
            attachments: &attachments,
            scripts: &scripts,
            configs: &configs,
            rehearsal: rehearsal.as_ref(),
        };
        let (mut plan, mut findings) = planner::plan(&inputs);
        if let Some(made) = &mut plan {
            let mut found = Vec::new();
            for database in &made.databases {
                found.extend(Box::pin(self.worker.hazards(database)).await);
            }
            let told = found
                .iter()
                .map(|finding| format!("{}: {}", finding.place, finding.text));
            made.notes.extend(told);
            if found.iter().any(|finding| finding.severity == Severity::Error) {
                plan = None;
            }
            findings.extend(found);
            findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
        }
        Ok(Checked {
            plan,
            findings,
            wanted: Vec::new(),
        })
    }

    /// What is to be known of the database host that the file names. A database that can't be read has findings of its
    /// own.
    async fn host_of(
        &self,
        database: &UpgradeDatabase,
        operator: &str,
    ) -> Result<Option<HostProbe>, RpcError> {
        let Some(host) = &database.host else {
            return Ok(None);
        };
        self.refresh_inventory(std::slice::from_ref(host), operator)
            .await
            .ok();
        let rows = self.store.nodes().await?;
        let row = rows.into_iter().find(|row| &row.name == host);
        let exportable = Box::pin(self.worker.exportable(&database.production, &database.staging)).await;
        Ok(Some(HostProbe {
            node: row.map(|row| self.plan_node(row)),
            ..exportable.unwrap_or_else(|error| HostProbe::unknown(&error))
        }))
    }

    /// The nodes that a selector chooses, as they are now.
    pub(super) async fn nodes_now(
        &self,
        selector: &Selector,
        operator: &str,
    ) -> Result<Vec<PlanNode>, RpcError> {
        let rows = self.select(selector).await?;
        let names: Vec<NodeName> = rows.into_iter().map(|row| row.name).collect();
        self.refresh_inventory(&names, operator).await?;
        let rows = self.select(selector).await?;
        Ok(rows.into_iter().map(|row| self.plan_node(row)).collect())
    }

    fn plan_node(&self, row: NodeRow) -> PlanNode {
        PlanNode {
            connected: self.fleet.connected(&row.name),
            name: row.name,
            labels: row.labels,
            facts: row.facts,
        }
    }

    /// The scripts that the upgrade file names, and those that ship with the guide, split once to know that they
    /// can be.
    async fn scripts(
        &self,
        guide: &Guide,
        upgrade: &Upgrade,
        attachments: &BTreeMap<String, BlobRef>,
    ) -> Result<BTreeMap<String, KnownScript>, RpcError> {
        let mut scripts = BTreeMap::new();
        for database in &upgrade.databases {
            let dialect = dialect(&database.production.url);
            for name in &database.scripts {
                let Some(blob) = attachments.get(name) else {
                    continue;
                };
                let text = self.blobs.text(&blob.sha256).await?;
                scripts.insert(name.clone(), known(blob.clone(), &text, dialect));
            }
            let engine = if dialect == Dialect::Postgres {
                "postgres"
            } else {
                "mysql"
            };
            let sets = guide.scripts.iter().filter_map(|script| script.shipped(engine));
            for name in sets.flat_map(|set| &set.files) {
                let Some(text) = script_text(name) else { continue };
                let blob = self.blobs.put(name, text.as_bytes()).await?;
                scripts.insert(name.clone(), known(blob, text, dialect));
            }
        }
        Ok(scripts)
    }

    pub(super) async fn init_upgrade(
        &self,
        request: &pb::InitUpgradeRequest,
        operator: &str,
    ) -> Result<pb::InitUpgradeResponse, RpcError> {
        let guide = self.guide(&request.guide)?;
        let selector = Selector::parse(&request.selector)?;
        let nodes = self.nodes_now(&selector, operator).await?;
        if nodes.is_empty() {
            return Err(RpcError::NotFound(format!(
                "`{selector}` selects no node; `cutover node list` shows them"
            )));
        }
        let (mut toml, findings) = crate::model::draft::draft(guide, &selector, &nodes);
        let answers = self.draft_answers(guide, &toml, &nodes, operator).await?;
        if !answers.is_empty() {
            toml = crate::model::draft::with_answers(&toml, &answers);
        }
        Ok(pb::InitUpgradeResponse {
            toml,
            findings: Some(document("findings/1", &findings)),
        })
    }
}

fn dialect(url: &str) -> Dialect {
    if url.starts_with("postgres") {
        Dialect::Postgres
    } else {
        Dialect::MySql
    }
}

fn known(blob: BlobRef, text: &str, dialect: Dialect) -> KnownScript {
    let split = cutover_sqlscript::split(text, dialect);
    let statements = split.as_ref().map(|script| script.statements.as_slice());
    KnownScript {
        blob,
        touches: statements
            .unwrap_or_default()
            .iter()
            .flat_map(|s| tables(&s.text))
            .collect(),
        databases: match dialect {
            // Elsewhere a qualifier is a schema of the same database.
            Dialect::MySql => statements
                .unwrap_or_default()
                .iter()
                .flat_map(|s| s.databases(dialect))
                .collect(),
            Dialect::Postgres
            | Dialect::Oracle
            | Dialect::Mssql
            | Dialect::Db2
            | Dialect::H2
            | Dialect::Wso2Compat => Default::default(),
        },
        // A hash of the splitter's own is always one that reads.
        hashes: statements
            .unwrap_or_default()
            .iter()
            .filter_map(|s| s.sha256.parse().ok())
            .collect(),
        statements: statements
            .map(|list| u32::try_from(list.len()).unwrap_or(u32::MAX))
            .map_err(|error| error.to_string()),
        parsed: split.map(|script| script.statements).unwrap_or_default(),
    }
}

/// Words of a statement that may be names of tables: Carbon's all have an underscore.
fn tables(statement: &str) -> impl Iterator<Item = String> {
    statement
        .split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
        .filter(|word| word.contains('_') && word.starts_with(|c: char| c.is_ascii_alphabetic()))
        .map(str::to_ascii_uppercase)
}

pub(super) fn attachments(
    sent: &std::collections::HashMap<String, pb::Blob>,
) -> Result<BTreeMap<String, BlobRef>, RpcError> {
    sent.iter()
        .map(|(name, blob)| {
            let blob =
                BlobRef::try_from(blob.clone()).map_err(|error| RpcError::Invalid(error.to_string()))?;
            Ok((name.clone(), blob))
        })
        .collect()
}

/// The files that are named and not here yet.
fn wanted(
    upgrade: &Upgrade,
    attachments: &BTreeMap<String, BlobRef>,
    present: impl Fn(&BlobRef) -> bool,
) -> Vec<String> {
    let scripts = upgrade.databases.iter().flat_map(|database| &database.scripts);
    let archives = upgrade.distribution.iter().chain(&upgrade.old_distribution);
    let mut names: Vec<String> = scripts
        .chain(archives.map(|archive| &archive.file))
        .filter(|name| !attachments.get(*name).is_some_and(&present))
        .cloned()
        .collect();
    names.sort();
    names.dedup();
    names
}

/// Archives that are not what the upgrade file says.
pub(super) fn wrong_archives(upgrade: &Upgrade, attachments: &BTreeMap<String, BlobRef>) -> Vec<Finding> {
    let named = [
        ("distribution", &upgrade.distribution),
        ("old_distribution", &upgrade.old_distribution),
    ];
    let wrong = |(key, archive): (&str, &Option<Distribution>)| {
        let archive = archive.as_ref()?;
        let blob = attachments.get(&archive.file)?;
        (blob.sha256 != archive.sha256).then(|| {
            planner::finding(
                Severity::Error,
                "wrong-hash",
                &archive.file,
                format!(
                    "{} has SHA-256 {}, the upgrade file says {}",
                    archive.file, blob.sha256, archive.sha256
                ),
                format!("download the distribution again, or correct home.{key}.sha256"),
            )
        })
    };
    named.into_iter().filter_map(wrong).collect()
}
