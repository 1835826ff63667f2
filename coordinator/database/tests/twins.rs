//! Twin databases: one gets a script through the engine's own client, the other statement by statement on one
//! connection. What the engine's own dump says of them must be the same, for every script of the corpus.

#![expect(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

#[path = "support/run.rs"]
mod run;

use std::path::{Path, PathBuf};
use std::process::Command;

use cutover_database::{Target, forget_journal};
use cutover_sqlscript::{Dialect, split};
use cutover_testdb::{MariaDb, Postgres};
use run::{corpus, migrate};
use secrecy::SecretString;

fn scripts(folder: &Path, belongs: &dyn Fn(&str) -> bool, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            scripts(&path, belongs, found);
        } else if path.extension().is_some_and(|extension| extension == "sql") {
            let names = [path.file_name(), path.parent().and_then(Path::file_name)];
            let named = |name: &std::ffi::OsStr| name.to_str().is_some_and(belongs);
            if names.into_iter().flatten().any(named) {
                found.push(path);
            }
        }
    }
}

fn all(corpus: &Path, prefix: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    scripts(corpus, &|name| name.starts_with(prefix), &mut found);
    found.sort();
    assert!(!found.is_empty(), "the corpus has no scripts for {prefix}");
    found
}

/// What a script changes; the others create.
fn base(corpus: &Path, script: &Path) -> Vec<PathBuf> {
    if script.starts_with(corpus.join("migration/4.1.0-4.2.0")) {
        vec![
            corpus.join("carbon-4.1.0/dbscripts/mysql.sql"),
            Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/user_store_4_1.sql"),
        ]
    } else {
        Vec::new()
    }
}

/// The dump without what is made anew each time.
fn dumped(mut command: Command) -> Vec<String> {
    let output = command.output().unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let text = String::from_utf8(output.stdout).unwrap();
    let lines = text.lines().filter(|line| {
        let line = line.trim_start();
        !line.is_empty() && !line.starts_with("\\restrict") && !line.starts_with("\\unrestrict")
    });
    lines.map(str::to_owned).collect()
}

async fn by_pieces(target: &Target, script: &Path, dialect: Dialect) {
    let text = std::fs::read_to_string(script).unwrap();
    migrate(target, &split(&text, dialect).unwrap()).await;
    forget_journal(target).await.unwrap();
}

fn same(script: &Path, twins: [Vec<String>; 2], least: usize) {
    let [client, pieces] = twins;
    assert!(
        client.len() > least,
        "{}: {} lines",
        script.display(),
        client.len()
    );
    let first = client.iter().zip(&pieces).find(|(a, b)| a != b);
    assert_eq!(
        (first, client.len()),
        (None, pieces.len()),
        "{}",
        script.display()
    );
}

#[tokio::test]
async fn mysql_script_when_run_by_pieces_then_the_same_as_by_its_own_client() {
    let Some(corpus) = corpus() else { return };
    let server = MariaDb::start_with(&["--sql-mode="]).unwrap();
    for script in all(&corpus, "mysql") {
        for twin in ["client", "pieces"] {
            server
                .sql(
                    "",
                    &format!("DROP DATABASE IF EXISTS {twin}; CREATE DATABASE {twin} CHARACTER SET latin1"),
                )
                .unwrap();
            for file in base(&corpus, &script) {
                server.load_file(twin, &file).unwrap();
            }
        }
        server
            .load_file("client", &script)
            .unwrap_or_else(|error| panic!("{}: {error}", script.display()));
        let target = Target::parse(
            &server.url("pieces"),
            SecretString::from(server.password().to_owned()),
        )
        .unwrap();
        by_pieces(&target, &script, Dialect::MySql).await;
        let twins = ["client", "pieces"].map(|twin| {
            let mut command = Command::new("mariadb-dump");
            command
                .env("MYSQL_PWD", server.password())
                .arg(format!("--socket={}", server.socket().display()))
                .arg(format!("--user={}", server.superuser()))
                .args([
                    "--skip-comments",
                    "--routines",
                    "--triggers",
                    "--events",
                    "--order-by-primary",
                    twin,
                ]);
            dumped(command)
        });
        same(&script, twins, 100);
    }
}

#[tokio::test]
async fn postgres_script_when_run_by_pieces_then_the_same_as_by_its_own_client() {
    let Some(corpus) = corpus() else { return };
    let server = Postgres::start().unwrap();
    for script in all(&corpus, "postgres") {
        for twin in ["client", "pieces"] {
            server
                .sql("", &format!("DROP DATABASE IF EXISTS {twin}"))
                .unwrap();
            server.create_database(twin).unwrap();
        }
        server
            .load_file("client", &script)
            .unwrap_or_else(|error| panic!("{}: {error}", script.display()));
        let target = Target::parse(
            &server.url("pieces"),
            SecretString::from(server.password().to_owned()),
        )
        .unwrap();
        by_pieces(&target, &script, Dialect::Postgres).await;
        let twins = ["client", "pieces"].map(|twin| {
            let mut command = Command::new("pg_dump");
            command
                .env("PGPASSWORD", server.password())
                .args(["--host=127.0.0.1", &format!("--port={}", server.port())])
                .args([&format!("--username={}", server.superuser()), twin]);
            dumped(command)
        });
        same(&script, twins, 100);
    }
}
