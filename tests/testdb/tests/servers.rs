//! The private servers do what every other test relies on.

use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::Result;
use cutover_testdb::{MariaDb, Postgres};

fn alive(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    !stat.is_empty() && !stat.contains(") Z ")
}

fn wait_gone(pid: u32) -> bool {
    let deadline = Instant::now() + Duration::from_secs(120);
    while alive(pid) && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(20));
    }
    !alive(pid)
}

#[test]
fn mariadb_serves_sql_files_and_users() -> Result<()> {
    let server = MariaDb::start()?;
    server.create_database("carbon")?;
    let file = tempfile::NamedTempFile::new()?;
    std::fs::write(
        file.path(),
        "CREATE TABLE t (a INT, b VARCHAR(9));\nINSERT INTO t VALUES (1,'ü'),(2,NULL);\n",
    )?;
    server.load_file("carbon", file.path())?;
    assert_eq!(
        server.sql("carbon", "SELECT a, b FROM t ORDER BY a")?,
        "1\tü\n2\tNULL\n"
    );
    server.create_user("reader", "it's secret", &["SELECT ON carbon.*"])?;
    let output = Command::new("mariadb")
        .args([
            "--no-defaults",
            "-N",
            "-B",
            "-h127.0.0.1",
            "-ureader",
            "carbon",
            "-e",
            "SELECT COUNT(*) FROM t",
        ])
        .arg(format!("-P{}", server.port()))
        .env("MYSQL_PWD", "it's secret")
        .output()?;
    assert_eq!(String::from_utf8_lossy(&output.stdout), "2\n");
    let error = server
        .sql("carbon", "SELECT * FROM nowhere")
        .expect_err("no such table");
    assert!(error.to_string().contains("nowhere"), "{error}");
    Ok(())
}

#[test]
fn mariadb_survives_a_kill_with_its_committed_rows() -> Result<()> {
    let server = MariaDb::start()?;
    server.create_database("carbon")?;
    server.sql(
        "carbon",
        "CREATE TABLE t (a INT) ENGINE=InnoDB; INSERT INTO t VALUES (7)",
    )?;
    let (before, port) = (server.pid(), server.port());
    server.kill9()?;
    assert!(server.sql("carbon", "SELECT 1").is_err());
    server.restart()?;
    assert_ne!(server.pid(), before);
    assert_eq!(server.port(), port);
    assert_eq!(server.sql("carbon", "SELECT a FROM t")?, "7\n");
    Ok(())
}

#[test]
fn postgres_serves_over_tcp_with_a_password_only() -> Result<()> {
    let server = Postgres::start()?;
    server.create_database("carbon")?;
    server.sql(
        "carbon",
        "CREATE TABLE t (a INT, b TEXT); INSERT INTO t VALUES (1,'ü'),(2,NULL)",
    )?;
    assert_eq!(
        server.sql("carbon", "SELECT a, b FROM t ORDER BY a")?,
        "1\tü\n2\t\n"
    );
    let over_tcp = |url: String| {
        Command::new("psql")
            .args(["-X", "-At", "-w", "-c", "SELECT 5"])
            .arg(url)
            .output()
    };
    assert_eq!(over_tcp(server.url_with_password("carbon"))?.stdout, b"5\n");
    assert!(!over_tcp(server.url("carbon"))?.status.success());
    server.create_user("reader", "it's secret", &["CONNECT ON DATABASE carbon"])?;
    server.grant("carbon", "SELECT ON ALL TABLES IN SCHEMA public", "reader")?;
    server.kill9()?;
    server.restart()?;
    assert_eq!(
        server.sql("carbon", "SELECT has_table_privilege('reader','t','SELECT')")?,
        "t\n"
    );
    Ok(())
}

#[test]
fn servers_run_side_by_side_and_end_when_dropped() -> Result<()> {
    let (one, two) = (MariaDb::start()?, Postgres::start()?);
    let three = MariaDb::start_with(&["--lower-case-table-names=1"])?;
    assert_ne!(one.port(), three.port());
    assert_eq!(three.sql("", "SELECT @@lower_case_table_names")?, "1\n");
    let pids: Vec<u32> = [one.pid(), two.pid(), three.pid()]
        .into_iter()
        .flatten()
        .collect();
    assert_eq!(pids.len(), 3);
    let socket = one.socket();
    drop((one, two, three));
    assert!(pids.iter().all(|&pid| !alive(pid)));
    assert!(!socket.exists());
    Ok(())
}

#[test]
fn a_server_outlives_the_thread_that_started_it() -> Result<()> {
    let server = std::thread::spawn(MariaDb::start)
        .join()
        .expect("the starting thread ends")?;
    assert_eq!(server.sql("", "SELECT 1")?, "1\n");
    Ok(())
}

#[test]
fn start_in_keeps_the_data() -> Result<()> {
    let dir = tempfile::tempdir()?;
    std::fs::set_permissions(dir.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755))?;
    for (round, expected) in [(1, "1\n"), (2, "2\n")] {
        let maria = MariaDb::start_in(&dir.path().join("maria"))?;
        let postgres = Postgres::start_in(&dir.path().join("postgres"))?;
        if round == 1 {
            maria.create_database("kept")?;
            maria.sql("kept", "CREATE TABLE t (a INT)")?;
            postgres.create_database("kept")?;
            postgres.sql("kept", "CREATE TABLE t (a INT)")?;
        }
        maria.sql("kept", "INSERT INTO t VALUES (1)")?;
        postgres.sql("kept", "INSERT INTO t VALUES (1)")?;
        assert_eq!(maria.sql("kept", "SELECT COUNT(*) FROM t")?, expected);
        assert_eq!(postgres.sql("kept", "SELECT COUNT(*) FROM t")?, expected);
    }
    Ok(())
}

/// Not a test of its own: run in a child process by the next test, which then kills that process.
#[test]
#[ignore = "helper process of servers_end_with_a_killed_test_process"]
fn helper_that_is_killed() -> Result<()> {
    let Ok(report) = std::env::var("TESTDB_REPORT") else {
        return Ok(());
    };
    let (maria, postgres) = (MariaDb::start()?, Postgres::start()?);
    let pids = format!(
        "{} {}",
        maria.pid().unwrap_or_default(),
        postgres.pid().unwrap_or_default()
    );
    std::fs::write(format!("{report}.part"), pids)?;
    std::fs::rename(format!("{report}.part"), &report)?;
    loop {
        std::thread::park();
    }
}

#[test]
fn servers_end_with_a_killed_test_process() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let report = dir.path().join("pids");
    let mut child = Command::new(std::env::current_exe()?)
        .args(["--exact", "helper_that_is_killed", "--ignored"])
        .env("TESTDB_REPORT", &report)
        .spawn()?;
    wait_for(&report, &mut child)?;
    let pids: Vec<u32> = std::fs::read_to_string(&report)?
        .split(' ')
        .map(str::parse)
        .collect::<Result<_, _>>()?;
    assert!(pids.iter().all(|&pid| alive(pid)), "{pids:?}");
    child.kill()?;
    assert_eq!(child.wait()?.signal(), Some(9));
    assert!(pids.iter().all(|&pid| wait_gone(pid)), "{pids:?}");
    Ok(())
}

fn wait_for(report: &Path, child: &mut std::process::Child) -> Result<()> {
    let deadline = Instant::now() + Duration::from_secs(120);
    while !report.exists() {
        anyhow::ensure!(child.try_wait()?.is_none(), "the helper ended early");
        anyhow::ensure!(Instant::now() < deadline, "the helper did not start its servers");
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}
