//! What a site changed in its old homes: shown before anything is edited, asked about where a person must decide, and
//! then found in the new homes, spliced in byte for byte. No secret is shown on the way.

use std::fs;

use anyhow::{Context as _, Result, ensure};
use cutover_e2e::harness::{
    AgentHost, EngineKind, Evidence, Fleet, FleetSpec, Hop, MOUNT, NewHomes, PLANTED, file_hash,
};

use cutover_xmledit::Document;

use crate::support::{LIMIT, corpus_dir};

fn spec(engine: EngineKind) -> FleetSpec {
    FleetSpec {
        corpus: corpus_dir(),
        new_homes: NewHomes::Distribution,
        mount: true,
        site: true,
        ..FleetSpec::of(Hop::DSS, engine)
    }
}

/// The report in all of its forms; the answers it proposes.
fn report(fleet: &Fleet) -> Result<String> {
    let file = fleet.write_upgrade()?;
    let page = fleet.desk().join("config.html");
    let html = page.display().to_string();
    let text = fleet
        .cli
        .run(&["config", "report", &file, "--html", &html])?
        .expect(4)?;
    let text = text.says(&["carbon.example.com", "SITE_DB", "repository/conf/carbon.xml"])?;
    let json = fleet.cli.run(&["--json", "config", "report", &file])?.expect(4)?;
    let page = fs::read_to_string(page)?;
    ensure!(
        page.contains("carbon.example.com"),
        "the page lacks the host name"
    );
    for shown in [text.text(), json.text(), page] {
        ensure!(!shown.contains(PLANTED), "the report shows a secret: {shown}");
    }
    let report: serde_json::Value = serde_json::from_str(&json.out)?;
    let undecided = report.get("undecided").and_then(serde_json::Value::as_u64);
    ensure!(
        undecided.is_some_and(|count| count > 0),
        "nothing is asked: {}",
        json.out
    );
    let answers = report.get("answers").and_then(serde_json::Value::as_str);
    Ok(answers.context("no answers are proposed")?.to_owned())
}

fn site_changes_arrive(engine: EngineKind) -> Result<()> {
    let mut fleet = Fleet::start(&spec(engine))?;
    let before = Evidence::before(&fleet)?;
    fleet.draft_upgrade()?;
    let answers = report(&fleet)?;
    let refused = fleet.plan()?;
    ensure!(
        refused.code != 0 && !refused.text().contains(PLANTED),
        "{}",
        refused.text()
    );
    refused.says(&["config-undecided"])?;
    before.everything_is_back(&fleet)?;
    fleet.upgrade.more.push_str(&format!("\n{answers}\n"));
    // The site's own user store lies in a database that is not upgraded, and the new version may use it as it is.
    let kept = "user_stores = [\"repository/deployment/server/userstores/SITE_EXAMPLE.xml\"]";
    let draft = fleet.upgrade.raw.as_mut().context("there is no draft")?;
    *draft = draft.replacen("[copy]\n", &format!("[copy]\n{kept}\n"), 1);
    ensure!(draft.contains(kept), "the draft has no [copy]:\n{draft}");
    let run = fleet.apply()?;
    let view = fleet.finish(&run, LIMIT)?;
    before.upgraded(&fleet, &view)?;
    for host in &fleet.hosts {
        arrived(&fleet, host).with_context(|| host.name.clone())?;
    }
    for args in [
        &["show", &fleet.plan_file()][..],
        &["status", &run],
        &["audit", "list"],
    ] {
        let outcome = fleet.cli.run(args)?.expect(0)?;
        ensure!(
            !outcome.text().contains(PLANTED),
            "`{}` shows a secret",
            outcome.command
        );
    }
    fleet.no_secret_anywhere()
}

fn arrived(fleet: &Fleet, host: &AgentHost) -> Result<()> {
    let text = |path: &str| -> Result<String> {
        let bytes = fs::read(host.new.file(path))?;
        Ok(bytes.into_iter().map(char::from).collect())
    };
    let carbon = text("repository/conf/carbon.xml")?;
    for wanted in [
        "<HostName>carbon.example.com</HostName>",
        "<MgtHostName>mgt.carbon.example.com</MgtHostName>",
        "/repository/resources/security/site.jks</Location>",
        "<KeyAlias>site</KeyAlias>",
    ] {
        let count = carbon.matches(wanted).count();
        ensure!(count == 1, "carbon.xml holds {count} times {wanted}:\n{carbon}");
    }
    let document = Document::parse(&fs::read(host.new.file("repository/conf/carbon.xml"))?)?;
    for name in ["Password", "KeyPassword"] {
        let value = document.text(&format!("/Server/Security/KeyStore/{name}").parse()?)?;
        ensure!(
            value.as_deref() == Some(fleet.secrets.keystore().as_str()),
            "the key store's {name} is another"
        );
    }
    for file in [
        "repository/resources/security/site.jks",
        "repository/deployment/server/userstores/SITE_EXAMPLE.xml",
    ] {
        let (old, new) = (file_hash(&host.old.file(file))?, file_hash(&host.new.file(file))?);
        ensure!(old == new, "{file} is another");
    }
    let datasources = text("repository/conf/datasources/master-datasources.xml")?;
    ensure!(
        datasources.contains("<name>SITE_DB</name>") && datasources.contains("<name>jdbc/SiteDB</name>"),
        "the site's data source is not there:\n{datasources}"
    );
    let registry = text("repository/conf/registry.xml")?;
    for wanted in [
        "<mount path=\"/_system/governance\"",
        "<dbConfig>sharedregistry</dbConfig>",
    ] {
        ensure!(
            registry.contains(wanted),
            "registry.xml lacks {wanted}:\n{registry}"
        );
    }
    // The one in a comment of the stock file comes first.
    let cache = registry
        .rsplit_once("<cacheId>")
        .and_then(|(_, rest)| rest.split_once("</cacheId>"))
        .map(|(value, _)| value)
        .context("registry.xml has no cacheId")?;
    let place = format!(":{}/{}", fleet.databases.port_of(MOUNT.staging), MOUNT.staging);
    ensure!(
        cache.split('?').next().is_some_and(|url| url.ends_with(&place)),
        "the mount's cache is {cache}"
    );
    Ok(())
}

#[test]
fn site_changes_arrive_on_mariadb() -> Result<()> {
    site_changes_arrive(EngineKind::MariaDb)
}

#[test]
fn site_changes_arrive_on_postgres() -> Result<()> {
    site_changes_arrive(EngineKind::Postgres)
}
