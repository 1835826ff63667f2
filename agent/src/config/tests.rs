use std::os::unix::fs::PermissionsExt;

use super::*;

const GOOD: &str = r#"
node = "dss-1"
coordinator = "cutover.example.org:9443"
state_dir = "/var/lib/cutover"
backup_dir = "/var/backups/cutover"
homes = ["/opt/wso2dss-*"]
java_home = "/usr/lib/jvm/java-8"
run_as = "wso2"
[start.env]
JAVA_OPTS = "-Xmx2g"
"#;

#[test]
fn policy_when_complete_then_read() {
    let config = Config::parse(GOOD).unwrap();
    assert_eq!(config.node.as_str(), "dss-1");
    assert_eq!(config.homes, ["/opt/wso2dss-*"]);
    assert_eq!(config.start_env["JAVA_OPTS"], "-Xmx2g");
    assert_eq!(config.actions, None);
    assert_eq!(config.umask, 0o022);
    let stricter = Config::parse(&GOOD.replace("[start.env]", "umask = \"0027\"\n[start.env]"));
    assert_eq!(stricter.unwrap().umask, 0o027);
    assert_eq!(config.unit_dirs.len(), 2);
}

#[test]
fn policy_when_many_problems_then_all_named() {
    let problems = Config::parse(
        r#"
        node = "a/b"
        coordinator = "https://x"
        state_dir = "var"
        homes = ["/*", "/opt/../etc", "relative", "/opt/**", "/opt/wso2"]
        actions = ["inspect", "shell"]
        colour = "red"
        umask = "0o99"
        [start]
        shell = "bash"
        "#,
    )
    .unwrap_err();
    for word in [
        "node",
        "coordinator",
        "state_dir",
        "backup_dir",
        "`/*`",
        "..",
        "relative",
        "`/opt/**`",
        "shell",
        "colour",
        "umask",
        "start.shell",
    ] {
        assert!(
            problems.iter().any(|p| p.contains(word)),
            "{word} in {problems:#?}"
        );
    }
    assert!(
        !problems.iter().any(|p| p.contains("`/opt/wso2`")),
        "{problems:#?}"
    );
}

#[test]
fn policy_when_others_can_write_it_then_root_refuses() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("agent.toml");
    std::fs::write(&path, GOOD).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
    Config::load(&path).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o664)).unwrap();
    let error = Config::load(&path).unwrap_err().to_string();
    assert!(error.contains("chmod go-w"), "{error}");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
    std::os::unix::fs::chown(&path, Some(1234), None).unwrap();
    let error = Config::load(&path).unwrap_err().to_string();
    assert!(error.contains("user 1234"), "{error}");
}

#[test]
fn policy_when_its_folder_is_open_then_root_refuses() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let open = dir.path().join("open");
    std::fs::create_dir(&open).unwrap();
    std::fs::set_permissions(&open, std::fs::Permissions::from_mode(0o777)).unwrap();
    let path = open.join("agent.toml");
    std::fs::write(&path, GOOD).unwrap();
    assert!(Config::load(&path).is_err());
}
