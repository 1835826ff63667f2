//! Encrypted connections: copy and comparison, the engines' own programs included, where the server refuses any other.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::Command;

use cutover_copy::CopyOptions;
use cutover_database::{Target, Tools, backup, facts};
use cutover_testdb::{MariaDb, Postgres};
use secrecy::SecretString;

use crate::support::{assert_equal, chain, run_copy, runtime};

const MARIA: &str = "CREATE TABLE t (id INT PRIMARY KEY, x BLOB); INSERT INTO t VALUES (1, 'x'), (2, NULL); CREATE VIEW v AS SELECT id FROM t";
const POSTGRES: &str = "CREATE TABLE t (id int PRIMARY KEY, x bytea); INSERT INTO t VALUES (1, 'x'), (2, NULL); CREATE VIEW v AS SELECT id FROM t";
/// Names the test that is made in a process of its own, with the servers' certificate for a trusted one.
const CHILD: &str = "CUTOVER_TEST_TLS";

/// A certificate for 127.0.0.1 that nobody has signed but itself, and its key.
fn certificate(folder: &Path) -> (PathBuf, PathBuf) {
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let (cert, key) = (folder.join("server.crt"), folder.join("server.key"));
    fs::write(&cert, made.cert.pem()).unwrap();
    fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
    (cert, key)
}

/// A MariaDB server that lets nobody in without TLS over the network, with a filled database and an empty one.
fn maria(folder: &Path) -> (MariaDb, PathBuf) {
    let (cert, key) = certificate(folder);
    let server = MariaDb::start_with(&[
        &format!("--ssl-cert={}", cert.display()),
        &format!("--ssl-key={}", key.display()),
    ])
    .unwrap();
    server.create_database("live").unwrap();
    server.create_database("staging").unwrap();
    server.sql("live", MARIA).unwrap();
    server.sql("", "SET GLOBAL require_secure_transport=ON").unwrap();
    (server, cert)
}

/// The same of PostgreSQL.
fn postgres() -> (Postgres, PathBuf) {
    let server = Postgres::start().unwrap();
    server.create_database("live").unwrap();
    server.create_database("staging").unwrap();
    server.sql("live", POSTGRES).unwrap();
    let data = PathBuf::from(server.sql("", "SHOW data_directory").unwrap().trim());
    let owner = fs::metadata(&data).unwrap();
    let (cert, key) = certificate(&data);
    for file in [&cert, &key] {
        chown(file, Some(owner.uid()), Some(owner.gid())).unwrap();
    }
    let access = data.join("pg_hba.conf");
    let lines = fs::read_to_string(&access).unwrap();
    fs::write(
        &access,
        lines
            .replace("\nhost ", "\nhostssl ")
            .replace("\nhost\t", "\nhostssl\t"),
    )
    .unwrap();
    server.sql("", "ALTER SYSTEM SET ssl = on").unwrap();
    server.sql("", "SELECT pg_reload_conf()").unwrap();
    (server, cert)
}

fn targets(url: impl Fn(&str) -> String, password: &str, tls: &str) -> (Target, Target) {
    let target = |name: &str| {
        let url = format!("{}?tls={tls}", url(name));
        Target::parse(&url, SecretString::from(password)).unwrap()
    };
    (target("live"), target("staging"))
}

fn refused(target: &Target) -> String {
    let error = runtime().block_on(facts(target)).unwrap_err();
    chain(&error)
}

/// Everything that connects: drivers, the bulk driver, the engine's programs.
fn everything_works((from, to): (Target, Target)) {
    run_copy(&from, &to, &CopyOptions::default()).unwrap();
    assert_equal(&from, &to);
    let (folder, tools) = (tempfile::tempdir().unwrap(), Tools::find());
    let work = backup(&from, folder.path(), "tls", &tools, &|_, _| ());
    assert!(runtime().block_on(work).unwrap().size > 0);
}

fn trusting(name: &str, cert: &Path, server: &[(&str, String)]) {
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", name, "--nocapture"])
        .env(CHILD, name)
        .env("SSL_CERT_FILE", cert)
        .envs(server.iter().map(|(name, value)| (name, value)))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&child.stdout);
    assert!(
        child.status.success() && said.contains("1 passed"),
        "{said}{}",
        String::from_utf8_lossy(&child.stderr)
    );
}

/// The addresses for [`trusting`], in the process that it starts.
fn given(name: &str) -> Option<(Target, Target)> {
    let is_child = std::env::var(CHILD).is_ok_and(|child| child == name);
    let value = |name: &str| std::env::var(name).unwrap();
    is_child.then(|| {
        let url = |database: &str| value("URL").replace("DATABASE", database);
        targets(url, &value("PASSWORD"), "verify-full")
    })
}

#[test]
fn mariadb_when_it_wants_tls_then_everything_is_encrypted_and_verified() {
    let name = "tls::mariadb_when_it_wants_tls_then_everything_is_encrypted_and_verified";
    if let Some(pair) = given(name) {
        everything_works(pair);
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let (server, cert) = maria(folder.path());
    let with = |tls: &str| targets(|name| server.url(name), server.password(), tls);
    let plain = refused(&with("disabled").0);
    assert!(plain.contains("tls=required"), "{plain}");
    let unknown = refused(&with("verify-full").0);
    assert!(unknown.to_lowercase().contains("certificate"), "{unknown}");
    everything_works(with("required"));
    server
        .sql("", "DROP DATABASE staging; CREATE DATABASE staging")
        .unwrap();
    let (url, password) = (server.url("DATABASE"), server.password().to_owned());
    trusting(name, &cert, &[("URL", url), ("PASSWORD", password)]);
}

#[test]
fn postgres_when_it_wants_tls_then_everything_is_encrypted_and_verified() {
    let name = "tls::postgres_when_it_wants_tls_then_everything_is_encrypted_and_verified";
    if let Some(pair) = given(name) {
        everything_works(pair);
        return;
    }
    let (server, cert) = postgres();
    let with = |tls: &str| targets(|name| server.url(name), server.password(), tls);
    // The server reads its files again in its own time.
    let plain = (0..50)
        .map(|_| refused_later(&with("disabled").0))
        .find(|said| said.contains("no encryption"));
    assert!(plain.is_some(), "connected without TLS");
    let unknown = refused(&with("verify-full").0);
    assert!(unknown.to_lowercase().contains("certificate"), "{unknown}");
    everything_works(with("required"));
    server.sql("", "DROP DATABASE staging").unwrap();
    server.create_database("staging").unwrap();
    let (url, password) = (server.url("DATABASE"), server.password().to_owned());
    trusting(name, &cert, &[("URL", url), ("PASSWORD", password)]);
}

fn refused_later(target: &Target) -> String {
    match runtime().block_on(facts(target)) {
        Ok(_) => {
            std::thread::sleep(std::time::Duration::from_millis(100));
            String::new()
        }
        Err(error) => chain(&error),
    }
}
