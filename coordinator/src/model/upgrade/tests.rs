use super::*;

pub(crate) const GOOD: &str = r#"
name  = "dss-prod"
guide = "dss-3.2.0"
order = "copy-first"

[nodes]
select  = { cluster = "dss-prod" }
expect  = 3
manager = "dss-1"

[home]
old = "/opt/wso2dss-3.0.1"
new = "/opt/wso2dss-3.2.0"

[[database]]
name       = "carbon"
datasource = "WSO2_CARBON_DB"
production = { url = "mysql://dss@db1/WSO2CARBON_DB",     password = "file:/etc/cutover/db1.pw" }
staging    = { url = "mysql://dss@db1/WSO2CARBON_DB_320", password = "file:/etc/cutover/db1.pw" }
scripts    = ["migration.sql"]

[[config]]
file = "repository/conf/carbon.xml"
set  = { "/Server/HostName" = "dss.example.com" }

[window]
open = "Sat 01:00 Europe/Berlin"
length = "4h"
"#;

#[test]
fn file_when_good_then_read() {
    let upgrade = Upgrade::parse("dss.toml", GOOD).unwrap();
    assert!(upgrade.copy_first);
    assert_eq!(upgrade.expect, 3);
    assert_eq!(upgrade.databases[0].scripts, ["migration.sql"]);
    assert_eq!(upgrade.parallel, 10);
}

fn problems(text: &str) -> Vec<(String, String)> {
    let findings = Upgrade::parse("dss.toml", text).unwrap_err();
    findings.into_iter().map(|f| (f.place, f.code)).collect()
}

#[test]
fn file_when_it_has_several_problems_then_all_are_reported_with_their_lines() {
    let text = GOOD
        .replace("expect  = 3", "expct = 3")
        .replace("order = \"copy-first\"", "order = \"sideways\"")
        .replace("mysql://dss@db1/WSO2CARBON_DB\"", "oracle://dss@db1/X\"");
    let expected = [
        ("dss.toml:4".to_owned(), "bad-value".to_owned()),
        ("dss.toml:6".to_owned(), "missing-key".to_owned()),
        ("dss.toml:8".to_owned(), "unknown-key".to_owned()),
        ("dss.toml:18".to_owned(), "bad-url".to_owned()),
    ];
    assert_eq!(problems(&text), expected);
}

#[test]
fn key_when_misspelt_then_the_right_one_is_offered() {
    let findings = Upgrade::parse("x", &GOOD.replace("expect  =", "expct =")).unwrap_err();
    assert!(
        findings
            .iter()
            .any(|f| f.remedy.contains("did you mean `expect`")),
        "{findings:?}"
    );
}

#[test]
fn secret_when_written_in_the_file_then_refused_and_not_repeated() {
    let text = GOOD.replace("file:/etc/cutover/db1.pw", "s3cret-value");
    let findings = Upgrade::parse("x", &text).unwrap_err();
    assert!(findings.iter().any(|f| f.code == "plain-secret"));
    assert!(!format!("{findings:?}").contains("s3cret-value"));
}

#[test]
fn toml_when_broken_then_line_is_named() {
    assert_eq!(
        problems("name = \n"),
        [("dss.toml:1".to_owned(), "not-toml".to_owned())]
    );
}

#[test]
fn staging_when_of_another_engine_then_refused() {
    let text = GOOD.replace(
        "mysql://dss@db1/WSO2CARBON_DB_320",
        "postgres://dss@db1/WSO2CARBON_DB_320",
    );
    assert_eq!(
        problems(&text),
        [("dss.toml:19".to_owned(), "other-engine".to_owned())]
    );
}

#[test]
fn url_when_it_holds_a_password_then_refused() {
    let text = GOOD.replace("mysql://dss@db1/WSO2CARBON_DB\"", "mysql://dss:pw@db1/X\"");
    assert_eq!(
        problems(&text),
        [("dss.toml:18".to_owned(), "bad-url".to_owned())]
    );
}

#[test]
fn config_when_a_secret_is_written_in_it_then_refused_and_a_reference_is_taken() {
    let text = GOOD.replace(
        "/Server/HostName\" = \"dss.example.com\"",
        "/Server/Security/KeyStore/Password\" = \"hunter2\"",
    );
    let findings = Upgrade::parse("x", &text).unwrap_err();
    assert_eq!(findings[0].code, "plain-secret");
    assert!(!format!("{findings:?}").contains("hunter2"));
    assert!(Upgrade::parse("x", &text.replace("hunter2", "file:/etc/cutover/ks.pw")).is_ok());
}

#[test]
fn repair_when_asked_for_then_the_domain_is_the_primary_one_unless_said() {
    let with = |lines: &str| GOOD.replace("scripts    = [\"migration.sql\"]", lines);
    let repair = |lines: &str| {
        Upgrade::parse("x", &with(lines)).unwrap().databases[0]
            .repair
            .clone()
    };
    assert_eq!(repair("repair = true"), Some("PRIMARY".to_owned()));
    assert_eq!(
        repair("repair = true\nprimary_domain = \"EXAMPLE\""),
        Some("EXAMPLE".to_owned())
    );
    assert_eq!(repair("repair = false"), None);
    assert_eq!(problems(&with("primary_domain = \"X\""))[0].1, "bad-value");
}

#[test]
fn copy_when_it_names_files_and_tenants_then_read_and_paths_outside_refused() {
    let upgrade = |lines: &str| Upgrade::parse("x", &format!("{GOOD}\n[copy]\n{lines}"));
    let good =
        upgrade("overwrite = [\"repository/deployment/server/a.aar\"]\nwithout_directory = [3, 7]").unwrap();
    assert_eq!(good.overwrite, ["repository/deployment/server/a.aar"]);
    assert_eq!(good.without_directory, [3, 7].into());
    for bad in ["overwrite = [\"../x\"]", "overwrite = [\"/etc/x\"]"] {
        assert_eq!(upgrade(bad).unwrap_err()[0].code, "bad-value", "{bad}");
    }
    assert_eq!(
        upgrade("without_directory = [\"a\"]").unwrap_err()[0].code,
        "wrong-type"
    );
}

const OVERRIDE: &str = r#"
[[override]]
script = "migration.sql"
statement = 12
sha256 = "0000000000000000000000000000000000000000000000000000000000000001"
do = "replace"
with = "ALTER TABLE UM_USER DROP KEY x"
reason = "the key has another name here"
"#;

#[test]
fn downtime_and_overrides_when_written_then_read() {
    let text = format!("{GOOD}\n[downtime]\nbudget = \"5m\"\nmode = \"sync\"\n{OVERRIDE}");
    let upgrade = Upgrade::parse("x", &text).unwrap();
    assert_eq!(upgrade.downtime.budget_secs, Some(300));
    assert_eq!(upgrade.downtime.mode, Some(cutover_proto::plan::DataMode::Sync));
    assert_eq!(upgrade.overrides[0].decision.statement, 12);
    assert!(upgrade.overrides[0].decision.with.is_some());
}

#[test]
fn downtime_and_overrides_when_wrong_then_each_problem_is_told() {
    let text = format!("{GOOD}\n[downtime]\nbudget = \"soon\"\nmode = \"fast\"\n");
    let codes: Vec<String> = problems(&text).into_iter().map(|(_, code)| code).collect();
    assert_eq!(codes, ["bad-value", "bad-value"]);
    for (from, to, code) in [
        ("do = \"replace\"", "do = \"skip\"", "bad-value"),
        ("statement = 12", "statement = 0", "bad-value"),
        ("000001\"", "00000x\"", "bad-value"),
        ("reason = \"the key has another name here\"", "", "missing-key"),
    ] {
        let text = format!("{GOOD}{}", OVERRIDE.replace(from, to));
        let found = problems(&text);
        assert!(found.iter().any(|(_, found)| found == code), "{from}: {found:?}");
    }
    let twice = format!("{GOOD}{OVERRIDE}{OVERRIDE}");
    assert_eq!(problems(&twice)[0].1, "double-override");
}

#[test]
fn config_when_a_secret_hides_in_a_long_path_or_in_a_url_then_refused_and_not_repeated() {
    for (path, value) in [
        (
            "/p/property[@name='openjpa.ConnectionPassword']/@value",
            "hunter2",
        ),
        ("/p/Password/Value", "hunter2"),
        ("/p/url", "jdbc:mysql://db1/X?password=hunter2"),
        ("/p/url", "jdbc:mysql://dss:hunter2@db1/X"),
    ] {
        let text = GOOD
            .replace("/Server/HostName", path)
            .replace("dss.example.com", value);
        let findings = Upgrade::parse("x", &text).unwrap_err();
        assert_eq!(findings[0].code, "plain-secret", "{path}");
        assert!(!format!("{findings:?}").contains("hunter2"));
        assert!(Upgrade::parse("x", &text.replace(value, "file:/etc/cutover/x")).is_ok());
    }
}
