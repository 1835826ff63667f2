//! An upgrade file on its way to the coordinator, with the files it names.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use cutover_proto::config::report::{CONFIG_REPORT_SCHEMA, ConfigReport};
use cutover_proto::ids::Sha256Hex;
use cutover_proto::pb;
use cutover_proto::plan::{PLAN_SCHEMA, Plan};
use cutover_proto::view::Finding;

use crate::console::Console;
use crate::error::CliError;
use crate::remote::{Client, read, read_some};
use crate::upload;

/// What is asked of the coordinator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ask {
    /// Only findings.
    Check,
    /// Findings and a plan.
    Plan,
}

/// The coordinator's answer.
#[derive(Debug)]
pub(crate) struct Answer {
    /// The name under which findings speak of the upgrade file.
    pub(crate) file_name: String,
    /// What was found.
    pub(crate) findings: Vec<Finding>,
    /// The plan, unless a finding forbids one.
    pub(crate) plan: Option<Planned>,
}

/// A plan and the bytes that were hashed.
#[derive(Debug)]
pub(crate) struct Planned {
    /// The plan.
    pub(crate) plan: Plan,
    /// Its canonical JSON.
    pub(crate) json: Vec<u8>,
}

impl Planned {
    /// Reads a plan's document.
    pub(crate) fn from_document(document: &pb::Document) -> Result<Self, CliError> {
        Ok(Self {
            plan: read(PLAN_SCHEMA, document)?,
            json: document.json.clone(),
        })
    }

    /// The hash of the very bytes that the coordinator sent.
    pub(crate) fn hash(&self) -> Sha256Hex {
        Sha256Hex::of(&self.json)
    }
}

/// Asks for findings or a plan.
pub(crate) async fn ask(
    console: &Console,
    client: &mut Client,
    file: &Path,
    ask: Ask,
) -> Result<Answer, CliError> {
    let call = async |client: &mut Client, request| {
        let response = match ask {
            Ask::Check => client.check_upgrade(request).await?,
            Ask::Plan => client.make_plan(request).await?,
        };
        Ok(response.into_inner())
    };
    let response = send(console, client, file, call, |response| &response.wanted).await?;
    answer(name_of(file), &response)
}

/// The coordinator's answer to `config report`.
#[derive(Debug)]
pub(crate) struct ReportAnswer {
    /// What was found.
    pub(crate) findings: Vec<Finding>,
    /// The report, unless the upgrade file is not usable.
    pub(crate) report: Option<ConfigReport>,
}

/// Asks what becomes of the sites' changes.
pub(crate) async fn ask_report(
    console: &Console,
    client: &mut Client,
    file: &Path,
) -> Result<ReportAnswer, CliError> {
    let call = async |client: &mut Client, request| Ok(client.report_config(request).await?.into_inner());
    let response = send(
        console,
        client,
        file,
        call,
        |response: &pb::ConfigReportResponse| &response.wanted,
    )
    .await?;
    let report = response.report.as_ref();
    Ok(ReportAnswer {
        findings: read_some("findings/1", response.findings.as_ref())?,
        report: report
            .map(|document| read(CONFIG_REPORT_SCHEMA, document))
            .transpose()?,
    })
}

/// The name under which findings speak of an upgrade file.
pub(crate) fn name_of(file: &Path) -> String {
    file.file_name()
        .map_or_else(String::new, |name| name.to_string_lossy().into_owned())
}

/// Sends the upgrade file, and each file that the coordinator then asks for, until it has all.
async fn send<R>(
    console: &Console,
    client: &mut Client,
    file: &Path,
    call: impl AsyncFn(&mut Client, pb::UpgradeRequest) -> Result<R, CliError>,
    wanted: impl Fn(&R) -> &Vec<String>,
) -> Result<R, CliError> {
    let text = std::fs::read_to_string(file).map_err(|error| {
        CliError::input(format!("cannot read the upgrade file {}", file.display()))
            .why(error)
            .next("give the file that `cutover init` wrote")
    })?;
    let mut attachments = HashMap::new();
    loop {
        let request = pb::UpgradeRequest {
            file_name: name_of(file),
            text: text.clone(),
            attachments: attachments.clone(),
        };
        let response = call(client, request).await?;
        if wanted(&response).is_empty() {
            return Ok(response);
        }
        for name in wanted(&response).clone() {
            if attachments.contains_key(&name) {
                return Err(CliError::failed(format!("the coordinator asks for `{name}` again"))
                    .why("it was sent already, so it must have been lost there")
                    .next("look into the coordinator's log; give the command again when it has room for files"));
            }
            let blob = upload::provide(console, client, &name, &beside(file, &name)).await?;
            attachments.insert(name, blob);
        }
    }
}

fn answer(file_name: String, response: &pb::UpgradeResponse) -> Result<Answer, CliError> {
    let plan = response.plan.as_ref().map(Planned::from_document).transpose()?;
    if let Some(planned) = &plan
        && !response.plan_hash.is_empty()
        && planned.hash().as_str() != response.plan_hash
    {
        return Err(
            CliError::failed("the plan is not the one that the coordinator hashed")
                .why(format!(
                    "its hash is {}, not {}",
                    planned.hash(),
                    response.plan_hash
                ))
                .next("use the `cutover` of the coordinator's version"),
        );
    }
    Ok(Answer {
        file_name,
        findings: read_some("findings/1", response.findings.as_ref())?,
        plan,
    })
}

/// Names in an upgrade file are relative to its folder, so that folder and file can move together.
fn beside(file: &Path, name: &str) -> PathBuf {
    file.parent().unwrap_or(Path::new("")).join(name)
}
