//! `[[database]]`: production, staging and the scripts of each.

use std::ops::Range;

use cutover_database::Target;
use cutover_proto::ids::NodeName;
use cutover_proto::plan::DatabaseAddress;
use cutover_proto::step::{AdminAccess, SecretRef};
use secrecy::SecretString;

use crate::model::reader::{Findings, Section};

/// A database of the upgrade.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpgradeDatabase {
    /// Its name in the upgrade.
    pub name: String,
    /// The data source in the homes.
    pub datasource: String,
    /// In use.
    pub production: DatabaseAddress,
    /// The operator has checked that the host that the old homes name for it is production's server.
    pub same_server: bool,
    /// Empty, becomes the new production.
    pub staging: DatabaseAddress,
    /// The account the servers use on staging, when it is not the one in `staging`.
    pub application: Option<AdminAccess>,
    /// Scripts, by file name. Empty: what the guide ships.
    pub scripts: Vec<String>,
    /// Tables whose rows its scripts may lose.
    pub may_lose: Vec<String>,
    /// Whether what checkpoints find in staging is repaired, and the domain of the primary user store.
    pub repair: Option<String>,
    /// The node on production's database host, whose agent may copy the files of its tables.
    pub host: Option<NodeName>,
    /// Line in the file.
    pub line: String,
}

pub(super) fn databases(top: &mut Section<'_>, findings: &mut Findings<'_>) -> Vec<UpgradeDatabase> {
    let mut list: Vec<UpgradeDatabase> = Vec::new();
    for mut section in top.sections(findings, "database") {
        let database = UpgradeDatabase {
            name: section.required(findings, "name", "\"carbon\""),
            datasource: section.required(findings, "datasource", "\"WSO2_CARBON_DB\""),
            production: address(&mut section, findings, "production"),
            same_server: section.flag(findings, "same_server").unwrap_or(false),
            staging: address(&mut section, findings, "staging"),
            application: application(&mut section, findings),
            scripts: section.texts(findings, "scripts").unwrap_or_default(),
            may_lose: section.texts(findings, "may_lose").unwrap_or_default(),
            repair: repair(&mut section, findings),
            host: section.node(findings, "host"),
            line: format!(
                "database `{}`",
                section.text(findings, "name").unwrap_or_default()
            ),
        };
        if list.iter().any(|other| other.name == database.name) {
            let text = format!("two databases are called `{}`", database.name);
            findings.error(&section.span(), "double-name", text, "give each its own name");
        }
        same_engine(&section, findings, &database);
        section.finish(findings);
        list.push(database);
    }
    if list.is_empty() {
        let text = "no database is named";
        findings.error(
            &top.span(),
            "missing-key",
            text,
            "add a [[database]] with name, datasource, production and staging",
        );
    }
    list
}

/// Said before anything connects: a client of the other engine only says that it does not understand the answer.
fn same_engine(section: &Section<'_>, findings: &mut Findings<'_>, database: &UpgradeDatabase) {
    let target = |address: &DatabaseAddress| Target::parse(&address.url, SecretString::from("")).ok();
    let (Some(production), Some(staging)) = (target(&database.production), target(&database.staging)) else {
        return;
    };
    if production.engine != staging.engine {
        let text = format!(
            "staging is of another engine ({}) than production ({})",
            staging.engine, production.engine
        );
        let remedy =
            "name a staging database of production's engine: scripts and copies work within one engine only";
        findings.error(&section.span_of("staging"), "other-engine", text, remedy);
    }
}

fn address(section: &mut Section<'_>, findings: &mut Findings<'_>, key: &str) -> DatabaseAddress {
    if !section.has(key) {
        let text = format!("`database.{key}` is missing");
        let remedy =
            format!("add {key} = {{ url = \"mysql://USER@HOST/DATABASE\", password = \"file:/PATH\" }}");
        findings.error(&section.span(), "missing-key", text, remedy);
        section.section(findings, key);
        return DatabaseAddress {
            url: String::new(),
            password: SecretRef(String::new()),
        };
    }
    let mut table = section.section(findings, key);
    let span = table.span_of("url");
    let url = table.required(findings, "url", "\"mysql://dss@db1/WSO2CARBON_DB\"");
    if !url.is_empty()
        && let Err(error) = Target::parse(&url, SecretString::from(""))
    {
        findings.error(
            &span,
            "bad-url",
            error.to_string(),
            "write ENGINE://USER@HOST[:PORT]/DATABASE",
        );
    }
    let password = secret(&mut table, findings, "password");
    table.finish(findings);
    DatabaseAddress { url, password }
}

fn application(section: &mut Section<'_>, findings: &mut Findings<'_>) -> Option<AdminAccess> {
    let present = section.has("application");
    let mut table = section.section(findings, "application");
    if !present {
        return None;
    }
    let access = AdminAccess {
        user: table.required(findings, "user", "\"dss\""),
        password: secret(&mut table, findings, "password"),
    };
    table.finish(findings);
    Some(access)
}

/// A reference to a secret: a value in the file itself is refused.
pub(super) fn secret(section: &mut Section<'_>, findings: &mut Findings<'_>, key: &str) -> SecretRef {
    let span: Range<usize> = section.span_of(key);
    let text = section.required(findings, key, "\"file:/etc/cutover/db1.pw\"");
    let known = crate::secrets::is_reference(&text);
    if !text.is_empty() && !known {
        // The text is not repeated: it may be the password itself.
        let what = format!("`{key}` is not a reference to a secret");
        findings.error(&span, "plain-secret", what, "put the value into a file that only the coordinator reads and write \"file:/PATH\" (or \"env:NAME\", \"credential:NAME\")");
        return SecretRef(String::new());
    }
    SecretRef(text)
}

/// `repair = true`, and the domain that members of internal roles are of.
fn repair(section: &mut Section<'_>, findings: &mut Findings<'_>) -> Option<String> {
    let wanted = section.flag(findings, "repair").unwrap_or(false);
    let span = section.span_of("primary_domain");
    let domain = section.text(findings, "primary_domain");
    if !wanted && domain.is_some() {
        findings.error(
            &span,
            "bad-value",
            "`database.primary_domain` says nothing without a repair",
            "add repair = true, or remove it",
        );
    }
    if domain.as_ref().is_some_and(|domain| domain.trim().is_empty()) {
        let remedy = "write the DomainName of the primary user store in user-mgt.xml, or remove it";
        findings.error(&span, "bad-value", "`database.primary_domain` is empty", remedy);
    }
    wanted.then(|| domain.unwrap_or_else(|| "PRIMARY".to_owned()))
}
