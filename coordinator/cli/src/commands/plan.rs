//! `cutover init`, `check`, `plan`, `show`.

use std::fs;
use std::path::Path;

use cutover_proto::ids::Sha256Hex;
use cutover_proto::pb;
use cutover_proto::plan::{PLAN_SCHEMA, Plan};
use cutover_proto::view::Finding;
use serde_json::json;

use super::Context;
use crate::args::{InitArgs, PlanArgs};
use crate::console::Console;
use crate::error::CliError;
use crate::exit::Exit;
use crate::findings;
use crate::remote::{Client, read};
use crate::runbook;
use crate::upgrade::{self, Answer, Ask, Planned};

pub(super) async fn init(context: &Context<'_>, args: InitArgs) -> Result<Exit, CliError> {
    let request = pb::InitUpgradeRequest {
        guide: args.guide,
        selector: args.select,
    };
    let response = context.client().await?.init_upgrade(request).await?.into_inner();
    let found: Vec<Finding> = match &response.findings {
        Some(document) => read("findings/1", document)?,
        None => Vec::new(),
    };
    let console = context.console;
    if console.json {
        console.print_json(&json!({ "toml": response.toml, "findings": found }))?;
    } else {
        note_findings(console, &found);
        console.print(&response.toml)?;
    }
    Ok(if findings::any_error(&found) {
        Exit::Refused
    } else {
        Exit::Done
    })
}

pub(super) async fn check(context: &Context<'_>, file: &Path) -> Result<Exit, CliError> {
    let console = context.console;
    let answer = upgrade::ask(console, &mut context.client().await?, file, Ask::Check).await?;
    if console.json {
        console.print_json(&answer.findings)?;
    } else if answer.findings.is_empty() {
        console.print("nothing found")?;
    } else {
        console.print(&findings::render(&answer.findings, console.style))?;
    }
    Ok(findings::exit(&answer.findings, &answer.file_name))
}

pub(super) async fn plan(context: &Context<'_>, args: PlanArgs) -> Result<Exit, CliError> {
    let console = context.console;
    let answer = upgrade::ask(console, &mut context.client().await?, &args.file, Ask::Plan).await?;
    if let (Some(out), Some(planned)) = (&args.out, &answer.plan) {
        write_plan(out, &planned.json)?;
    }
    if console.json {
        print_json(console, &answer)?;
        return exit_of(&answer);
    }
    note_findings(console, &answer.findings);
    if let Some(planned) = &answer.plan {
        console.print(&runbook::render(&planned.plan, console.style))?;
        let what = match &args.out {
            Some(out) => out.display().to_string(),
            None => planned.hash().to_string(),
        };
        console.print(&format!(
            "\nPlan {}\nCarry it out with: cutover apply {what} --watch",
            planned.hash()
        ))?;
    }
    exit_of(&answer)
}

/// The plan stands in the answer byte for byte, so that its hash can be checked.
fn print_json(console: &Console, answer: &Answer) -> Result<(), CliError> {
    let (hash, plan) = match &answer.plan {
        Some(planned) => (json!(planned.hash()), String::from_utf8_lossy(&planned.json)),
        None => (json!(null), "null".into()),
    };
    let findings = json!(answer.findings);
    console.print(&format!(
        "{{\"findings\":{findings},\"plan_hash\":{hash},\"plan\":{plan}}}"
    ))
}

/// How planning ended. No plan and no finding that says why is a defect worth an error of its own.
pub(super) fn exit_of(answer: &Answer) -> Result<Exit, CliError> {
    match (findings::exit(&answer.findings, &answer.file_name), &answer.plan) {
        (Exit::Done, None) => Err(
            CliError::failed("the coordinator made no plan and did not say why")
                .next("look into the coordinator's log"),
        ),
        (exit, _) => Ok(exit),
    }
}

/// Findings are no part of the answer where the answer is a file or a runbook.
pub(super) fn note_findings(console: &Console, found: &[Finding]) {
    if !found.is_empty() {
        console.note(&findings::render(found, console.style));
    }
}

/// Writes the plan whole or not at all: half a plan file would still be a file to apply.
fn write_plan(out: &Path, json: &[u8]) -> Result<(), CliError> {
    let mut partial = out.as_os_str().to_owned();
    partial.push(".partial");
    fs::write(&partial, json)
        .and_then(|()| fs::rename(&partial, out))
        .map_err(|error| {
            CliError::failed(format!("cannot write the plan to {}", out.display()))
                .why(error)
                .next("give another file with --out")
        })
}

pub(super) async fn show(context: &Context<'_>, name: &str) -> Result<Exit, CliError> {
    let console = context.console;
    let planned = match Named::of(name) {
        Named::Hash => fetch(&mut context.client().await?, name).await?,
        Named::File => read_plan(Path::new(name))?,
        Named::Upgrade => {
            return Err(CliError::input(format!("{name} is an upgrade file, not a plan"))
                .next(format!("make its plan with: cutover plan {name}")));
        }
    };
    if console.json {
        console.print_bytes(&planned.json)?;
        console.print("")?;
    } else {
        console.print(&runbook::render(&planned.plan, console.style))?;
    }
    Ok(Exit::Done)
}

/// What an argument PLAN names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Named {
    /// A plan that the coordinator keeps.
    Hash,
    /// A plan file.
    File,
    /// An upgrade file.
    Upgrade,
}

impl Named {
    pub(super) fn of(name: &str) -> Self {
        let path = Path::new(name);
        let hex = (8..=64).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_hexdigit());
        if path.extension().is_some_and(|extension| extension == "toml") {
            Named::Upgrade
        } else if hex && !path.is_file() {
            Named::Hash
        } else {
            Named::File
        }
    }
}

/// A plan of the coordinator's.
pub(super) async fn fetch(client: &mut Client, hash: &str) -> Result<Planned, CliError> {
    let request = pb::GetPlanRequest {
        plan_hash: hash.to_ascii_lowercase(),
    };
    Planned::from_document(&client.get_plan(request).await?.into_inner())
}

/// A plan from a file.
pub(super) fn read_plan(path: &Path) -> Result<Planned, CliError> {
    let refused = |what: String| {
        CliError::input(what)
            .next("give a file written by `cutover plan --out`, a plan's hash, or an upgrade file (*.toml)")
    };
    let json = fs::read(path)
        .map_err(|error| refused(format!("cannot read the plan {}", path.display())).why(error))?;
    let plan: Plan = serde_json::from_slice(&json)
        .map_err(|error| refused(format!("{} is not a plan ({PLAN_SCHEMA})", path.display())).why(error))?;
    if plan.hash() != Sha256Hex::of(&json) {
        return Err(
            refused(format!("{} is not the plan as it was written", path.display()))
                .why("it was edited or reformatted since, so its hash is another"),
        );
    }
    Ok(Planned { plan, json })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runbook::example;

    #[test]
    fn argument_when_all_hex_then_a_hash_unless_a_file() {
        assert_eq!(Named::of("0123456789ab"), Named::Hash);
        assert_eq!(Named::of("abc"), Named::File);
        assert_eq!(Named::of("dss.plan"), Named::File);
        assert_eq!(Named::of("dir/dss.toml"), Named::Upgrade);
    }

    #[test]
    fn plan_file_when_edited_then_refused() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("dss.plan");
        let plan = example::plan();
        write_plan(&file, &plan.canonical()).unwrap();
        let read = read_plan(&file).unwrap();
        assert_eq!((read.hash(), &read.plan), (plan.hash(), &plan));
        fs::write(&file, serde_json::to_vec_pretty(&plan).unwrap()).unwrap();
        assert_eq!(read_plan(&file).unwrap_err().exit(), Exit::BadInput);
        fs::write(&file, "{}").unwrap();
        assert!(
            read_plan(&file)
                .unwrap_err()
                .to_string()
                .contains("is not a plan")
        );
    }
}
