//! What the site changed in its configuration: drafted, reported, decided on, and held to until the run.

use std::fs;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use cutover_e2e::harness::{EngineKind, Fleet, FleetSpec, PLANTED};
use cutover_proto::report::ErrorCode;
use cutover_proto::view::RunStateView;

const LIMIT: Duration = Duration::from_secs(240);
const OWN: &str = "repository/conf/own.xml";

#[test]
fn change_of_the_site_is_reported_decided_and_planned() -> Result<()> {
    let mut fleet = Fleet::start(&FleetSpec {
        nodes: 2,
        ..FleetSpec::new(EngineKind::MariaDb)
    })?;
    let draft = fleet
        .cli
        .run(&["init", "dss-3.2.0", "--select", "cluster=dss-prod"])?
        .expect(0)?;
    draft.says(&[
        "expect  = 2",
        "{node}/wso2dss-3.0.1\"",
        "# users; registry",
        "scripts    = [\"mysql-migration.sql\"]",
    ])?;
    let file = fleet.write_upgrade()?;
    fleet.cli.run(&["config", "report", &file])?.expect(0)?;

    let secret = format!("{PLANTED}own");
    let own = format!("<own><password>{secret}</password></own>");
    fs::write(fleet.hosts[0].old.file(OWN), own).context("write a file of the site's own")?;
    let page = fleet.desk().join("config.html");
    let page = page.to_str().context("a path that is text")?;
    let report = fleet
        .cli
        .run(&["config", "report", &file, "--html", page])?
        .expect(4)?
        .says(&[OWN, "undecided", "[[decide]]"])?;
    let html = fs::read_to_string(page)?;
    ensure!(html.contains(OWN), "{html}");
    ensure!(
        !html.contains(&secret) && !report.text().contains(&secret),
        "no secret is told"
    );
    fleet.plan()?.expect(3)?.says(&["config-undecided", OWN])?;

    fleet.upgrade.more.push_str(&format!(
        "\n[[decide]]\nfile = \"{OWN}\"\ntake = \"new\"\nreason = \"CHG-1\"\n"
    ));
    let file = fleet.write_upgrade()?;
    fleet
        .cli
        .run(&["config", "report", &file])?
        .expect(0)?
        .says(&["left", "CHG-1"])?;
    fleet.plan()?.expect(0)?;

    fs::write(fleet.hosts[0].old.file(OWN), "<own><more/></own>")
        .context("change it behind the plan's back")?;
    let run = fleet.apply_planned()?;
    let view = fleet.settle(&run, LIMIT)?;
    ensure!(view.state == RunStateView::Held, "{:?}", view.state);
    let mut steps = view.phases.iter().flat_map(|phase| &phase.steps);
    let failed = steps
        .find_map(|step| step.error.as_ref())
        .context("a step failed")?;
    ensure!(
        failed.code == ErrorCode::NotEqual && failed.why.contains(OWN),
        "{failed:?}"
    );
    fleet.abort(&run, LIMIT)?;
    Ok(())
}
