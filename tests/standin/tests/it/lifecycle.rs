//! Start, serve, stop, restart.

use std::os::unix::process::ExitStatusExt as _;

use anyhow::{Context as _, Result};

use crate::harness::{Engine, Home, wait};

fn in_order(text: &str, lines: &[&str]) {
    let mut at = 0;
    for line in lines {
        let found = text[at..]
            .find(line)
            .unwrap_or_else(|| panic!("`{line}` is missing after byte {at} of:\n{text}"));
        at += found + line.len();
    }
}

fn serves_and_stops(engine: &Engine, kernel: &str) -> Result<()> {
    let home = Home::new(kernel, Some(engine.database()))?;
    home.option("write_interval_ms = 20")?;
    home.option("startup_delay_ms = 800")?;
    assert_eq!(engine.sessions()?, 0);
    assert!(home.script("start")?.status.success());

    wait("the https port", || home.https_open())?;
    home.wait_log("Mgt Console URL")?;
    in_order(
        &home.log(),
        &[
            "Starting WSO2 Carbon...",
            "HTTPS port",
            "Server           :  WSO2 Data Services Server-3",
            "WSO2 Carbon started in",
            "Mgt Console URL  : https://localhost:",
        ],
    );
    assert!(home.log().starts_with("TID: [0] [DSS] [20"), "{}", home.log());

    let pid = home.pid().context("a pid")?;
    let mut expected = format!("{pid}\n").into_bytes();
    expected.resize(100, 0);
    assert_eq!(home.pid_file(), expected);
    assert!(home.runs());
    assert!(engine.sessions()? >= 3, "the pool is held");

    wait("rows", || home.markers().len() >= 5)?;
    let again = home.script("start")?;
    assert!(again.status.success());
    assert_eq!(
        String::from_utf8_lossy(&again.stdout),
        "Process is already running\n"
    );

    assert!(home.script("stop")?.status.success());
    home.wait_gone()?;
    in_order(
        &home.log(),
        &[
            "Shutdown hook triggered....",
            "Gracefully shutting down WSO2 Data Services Server-3",
            "Starting to switch to maintenance mode...",
            "Stopped all transport listeners",
            "Waiting for request service completion...",
            "All requests have been served.",
            "Waiting for deployment completion...",
            "Waiting for server task completion...",
            "Shutting down WSO2 Data Services Server-3",
            "Shutting down OSGi framework...",
            "Shutdown complete",
            "Halting JVM",
        ],
    );
    // The server counts a client until it has heard its good-bye.
    wait("the end of the sessions", || {
        engine.sessions().is_ok_and(|sessions| sessions == 0)
    })?;
    assert_eq!(home.pid_file(), expected, "the pid file stays");
    assert!(
        home.script("stop")?.status.success(),
        "stopping what does not run ends with 0"
    );
    let markers = home.markers();
    let mut stored: Vec<String> = engine
        .sql(
            "SELECT REG_PATH FROM REG_LOG WHERE REG_PATH LIKE '/_system/local/standin/%' ORDER BY REG_LOG_ID",
        )?
        .lines()
        .map(str::to_owned)
        .collect();
    // A row may be committed without having been noted, never the other way round.
    stored.retain(|marker| markers.contains(marker));
    assert_eq!(stored, markers);
    Ok(())
}

#[test]
fn an_old_server_serves_on_mariadb() -> Result<()> {
    serves_and_stops(&Engine::maria(false)?, "4.1.0")
}

#[test]
fn a_new_server_serves_on_migrated_mariadb() -> Result<()> {
    serves_and_stops(&Engine::maria(true)?, "4.2.0")
}

#[test]
fn an_old_server_serves_on_postgres() -> Result<()> {
    serves_and_stops(&Engine::postgres(false)?, "4.1.0")
}

#[test]
fn a_new_server_serves_on_migrated_postgres() -> Result<()> {
    serves_and_stops(&Engine::postgres(true)?, "4.2.0")
}

#[test]
fn a_server_that_never_stops_keeps_its_pool() -> Result<()> {
    let engine = Engine::maria(false)?;
    let home = Home::new("4.1.0", Some(engine.database()))?;
    home.option("never_stops = true")?;
    home.option("write_interval_ms = 20")?;
    home.start()?;
    assert!(home.script("stop")?.status.success());
    home.wait_log("Waiting for deployment completion...")?;
    let before = home.markers().len();
    wait("more rows", || home.markers().len() > before + 3)?;
    assert!(home.runs() && engine.sessions()? >= 3);
    let pid = home
        .pid()
        .and_then(|pid| rustix::process::Pid::from_raw(pid.cast_signed()))
        .context("a pid")?;
    rustix::process::kill_process(pid, rustix::process::Signal::KILL)?;
    home.wait_gone()?;
    wait("the end of the sessions", || {
        engine.sessions().is_ok_and(|sessions| sessions == 0)
    })
}

#[test]
fn a_server_that_asks_for_it_is_started_again() -> Result<()> {
    let home = Home::new("4.2.0", None)?;
    home.option("exit_121_once = true")?;
    home.option("startup_delay_ms = 50")?;
    assert!(home.script("start")?.status.success());
    wait("a second start", || {
        home.log().matches("Mgt Console URL").count() == 2
    })?;
    assert_eq!(home.log().matches("Halting JVM").count(), 1);
    assert!(home.runs());
    Ok(())
}

#[test]
fn restart_waits_in_the_newer_script() -> Result<()> {
    let home = Home::new("4.2.0", None)?;
    home.start()?;
    let first = home.pid();
    assert!(home.script("restart")?.status.success());
    wait("a second start", || {
        home.log().matches("Mgt Console URL").count() == 2
    })?;
    assert_ne!(home.pid(), first);
    Ok(())
}

#[test]
fn a_terminated_server_ends_with_143() -> Result<()> {
    let home = Home::new("4.2.0", None)?;
    let mut child = std::process::Command::new(crate::harness::STANDIN)
        .arg(format!("-Dcarbon.home={}", home.dir.display()))
        .arg("org.wso2.carbon.bootstrap.Bootstrap")
        .env("CARBON_STANDIN_OWNER", std::process::id().to_string())
        .stdout(std::process::Stdio::null())
        .spawn()?;
    home.wait_log("Mgt Console URL")?;
    rustix::process::kill_process(
        rustix::process::Pid::from_child(&child),
        rustix::process::Signal::TERM,
    )?;
    let status = child.wait()?;
    assert_eq!((status.code(), status.signal()), (Some(143), None));
    Ok(())
}

#[test]
fn a_pid_file_can_name_somebody_else() -> Result<()> {
    let home = Home::new("4.2.0", None)?;
    home.option("pid_file_foreign = 1")?;
    assert!(home.script("start")?.status.success());
    home.wait_log("Mgt Console URL")?;
    assert_eq!(home.pid(), Some(1));
    assert!(!home.runs());
    // The script believes the file and does not start a second server.
    assert_eq!(home.script("start")?.stdout, b"Process is already running\n");
    end_by_command_line(&home)
}

/// Ends the server whose pid file lies, found as the agent has to find it: by its command line.
fn end_by_command_line(home: &Home) -> Result<()> {
    let mark = format!("-Dcarbon.home={}\0", home.dir.display());
    let mut ended = 0;
    for entry in std::fs::read_dir("/proc")?.flatten() {
        let line = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let pid = entry.file_name().to_str().and_then(|name| name.parse().ok());
        if String::from_utf8_lossy(&line).contains(&mark)
            && let Some(pid) = pid.and_then(rustix::process::Pid::from_raw)
        {
            rustix::process::kill_process(pid, rustix::process::Signal::KILL)?;
            ended += 1;
        }
    }
    assert_eq!(ended, 1);
    Ok(())
}
