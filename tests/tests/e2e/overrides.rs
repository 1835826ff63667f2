//! Statements that are not run as they stand: by the upgrade file, and by a person while the migration is held.

use anyhow::{Context as _, Result, ensure};
use cutover_e2e::harness::{EngineKind, Evidence, Fleet, FleetSpec, Order, Phase as _};
use cutover_proto::report::ErrorCode;

use crate::faults::held_by;
use crate::support::LIMIT;

const BROKEN: &str = "ALTER TABLE NO_SUCH_TABLE ADD X INT";

/// Puts the script back to what it was: the engine's own client, which the outcome is compared with, has no overrides.
fn mend(fleet: &Fleet) -> Result<()> {
    let script = fleet.desk().join("migration.sql");
    let text = std::fs::read_to_string(&script)?;
    Ok(std::fs::write(
        &script,
        text.replacen(&format!("{BROKEN};\n"), "", 1),
    )?)
}

/// A fleet whose script has a statement that no database takes; its number and its hash.
fn broken() -> Result<(Fleet, Evidence, u64, String)> {
    let mut fleet = Fleet::start(&FleetSpec {
        nodes: 1,
        ..FleetSpec::new(EngineKind::MariaDb)
    })?;
    fleet.upgrade.order = Order::CopyFirst;
    let before = Evidence::before(&fleet)?;
    let script = fleet.desk().join("migration.sql");
    let text = std::fs::read_to_string(&script)?;
    std::fs::write(&script, format!("{BROKEN};\n{text}"))?;
    let path = script.display().to_string();
    let split = fleet
        .cli
        .run(&["--json", "sql", "split", &path, "--engine", "mysql"])?
        .expect(0)?;
    let split: serde_json::Value = serde_json::from_str(&split.out)?;
    let statement = split["statements"]
        .as_array()
        .context("statements")?
        .iter()
        .find(|statement| {
            statement["text"]
                .as_str()
                .is_some_and(|text| text.contains("NO_SUCH_TABLE"))
        })
        .context("the broken statement")?;
    let number = statement["index"].as_u64().context("an index")? + 1;
    let hash = statement["sha256"].as_str().context("a hash")?.to_owned();
    Ok((fleet, before, number, hash))
}

fn in_the_trail(fleet: &Fleet, texts: &[&str]) -> Result<()> {
    let trail = fleet.cli.run(&["--json", "audit", "list"])?.expect(0)?;
    for text in texts {
        ensure!(trail.out.contains(text), "the trail does not say {text}");
    }
    Ok(())
}

#[test]
fn statement_that_the_upgrade_file_leaves_out_is_not_run() -> Result<()> {
    let (mut fleet, before, number, hash) = broken()?;
    fleet.upgrade.more = format!(
        "\n[[override]]\nscript = \"migration.sql\"\nstatement = {number}\nsha256 = \"{hash}\"\ndo = \"skip\"\nreason \
         = \"the table was never here\"\n"
    );
    fleet
        .plan()?
        .expect(0)?
        .says(&["1 of them overridden", "the table was never here"])?;
    let run = fleet.apply_planned()?;
    let view = fleet.finish(&run, LIMIT)?;
    let receipt = view
        .step("data.migrate@carbon")?
        .receipt
        .clone()
        .context("a receipt")?;
    ensure!(
        receipt.evidence.get("script1_overrides").map(String::as_str) == Some("1"),
        "{receipt:?}"
    );
    mend(&fleet)?;
    before.upgraded(&fleet, &view)
}

#[test]
fn override_for_another_statement_is_refused() -> Result<()> {
    let (mut fleet, _, number, _) = broken()?;
    let other = "0".repeat(64);
    fleet.upgrade.more = format!(
        "\n[[override]]\nscript = \"migration.sql\"\nstatement = {number}\nsha256 = \"{other}\"\ndo = \"skip\"\nreason \
         = \"x\"\n"
    );
    fleet.plan()?.expect(3)?.says(&["override-mismatch"]).map(drop)
}

#[test]
fn statement_that_holds_the_run_is_resolved_and_the_run_goes_on() -> Result<()> {
    let (mut fleet, before, number, hash) = broken()?;
    let run = fleet.apply()?;
    let view = fleet.settle(&run, LIMIT)?;
    held_by(&view, "data.migrate@carbon", ErrorCode::ScriptFailed)?;
    let number = number.to_string();
    let cli = fleet.cli.clone();
    let resolve = |hash: &str| {
        cli.run(&[
            "resolve",
            &run,
            "--step",
            "data.migrate@carbon",
            "--statement",
            &number,
            "--sha256",
            hash,
            "--do",
            "skip",
            "--reason",
            "CHG-4712",
        ])
    };
    // Decided for another text: the retry is refused, and nothing has run.
    resolve(&"0".repeat(64))?.expect(0)?;
    fleet.cli.run(&["retry", &run])?.expect(0)?;
    let again = fleet.settle(&run, LIMIT)?;
    held_by(&again, "data.migrate@carbon", ErrorCode::ScriptFailed)?;
    resolve(&hash)?.expect(0)?.says(&["cutover retry"])?;
    fleet.cli.run(&["retry", &run])?.expect(0)?;
    let view = fleet.finish(&run, LIMIT)?;
    in_the_trail(&fleet, &["statement.resolved", "CHG-4712", &hash])?;
    mend(&fleet)?;
    before.upgraded(&fleet, &view)
}
