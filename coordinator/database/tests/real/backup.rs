use std::sync::atomic::{AtomicU64, Ordering};

use cutover_database::{
    BackupReceipt, Engine, Kind, Target, Tools, backup, lapsed, restore_into, verify_by_restore,
};
use cutover_testdb::{MariaDb, Postgres};

use crate::support::{Server, as_user};

const PASSWORD: &str = "p\"l a\\n't#:e;d";

const MARIADB: &str = "CREATE TABLE t (id INT AUTO_INCREMENT PRIMARY KEY, name VARCHAR(40), body LONGBLOB, at TIMESTAMP NULL);
INSERT INTO t (name, body, at) VALUES ('\u{e4}\u{f6}', X'00FF0A0D5C27', '2013-05-06 07:08:09'), (NULL, NULL, NULL);
CREATE TABLE child (id INT, FOREIGN KEY (id) REFERENCES t (id) ON DELETE CASCADE);
INSERT INTO child VALUES (1), (1);
CREATE VIEW v AS SELECT t.name FROM t JOIN child ON child.id = t.id;
CREATE SEQUENCE s START WITH 7;
SELECT NEXTVAL(s);
CREATE FUNCTION f() RETURNS INT DETERMINISTIC RETURN 1;
CREATE TRIGGER tr BEFORE INSERT ON child FOR EACH ROW SET NEW.id = NEW.id;";

const POSTGRES: &str = "CREATE SEQUENCE t_pk_seq;
CREATE TABLE t (id INT DEFAULT nextval('t_pk_seq') PRIMARY KEY, name VARCHAR(40), body BYTEA, doc JSON);
INSERT INTO t (name, body, doc) VALUES ('\u{e4}\u{f6}', '\\x00ff0a', '{\"a\": 1}'), (NULL, NULL, NULL);
CREATE TABLE child (id INT REFERENCES t (id) ON DELETE CASCADE);
INSERT INTO child VALUES (1), (1);
CREATE VIEW v AS SELECT t.name FROM t JOIN child ON child.id = t.id;
CREATE FUNCTION f() RETURNS INT LANGUAGE sql AS 'SELECT 1';";

/// Every row as text, by the engine's own client.
fn rows(server: &impl Server, database: &str) -> String {
    let bytes = if server.target(database).engine == Engine::MySql {
        "HEX(body)"
    } else {
        "body"
    };
    let order = format!("SELECT id, name, {bytes} FROM t ORDER BY id");
    format!(
        "{}|{}|{}",
        server.run(database, &order),
        server.run(database, "SELECT id FROM child ORDER BY id"),
        server.run(database, "SELECT name FROM v")
    )
}

async fn round_trip(server: &impl Server, target: Target, schema: &str, change: &str) {
    server.run("prod", schema);
    let before = rows(server, "prod");
    let folder = tempfile::tempdir().unwrap();
    let tools = Tools::find();
    let seen = AtomicU64::new(0);
    let count = |done: u64, _: Option<u64>| seen.store(done, Ordering::SeqCst);
    let receipt = backup(&target, folder.path(), "before", &tools, &count)
        .await
        .unwrap();
    assert_eq!(seen.load(Ordering::SeqCst), receipt.size);
    assert_eq!(std::fs::metadata(&receipt.file).unwrap().len(), receipt.size);
    assert_eq!(
        std::fs::read_dir(folder.path()).unwrap().count(),
        2,
        "the backup and its receipt, no temporary file"
    );
    let stored = serde_json::to_string(&receipt).unwrap();
    assert_eq!(serde_json::from_str::<BackupReceipt>(&stored).unwrap(), receipt);
    assert_eq!(lapsed(&target, &receipt).await.unwrap(), None);

    let proof = verify_by_restore(&target, &receipt, "cutover_scratch_1", &tools, &|_, _| {})
        .await
        .unwrap();
    assert_eq!(proof.sha256, receipt.sha256);
    assert!(proof.rows >= 4, "{proof:?}");
    no_scratch(server);

    server.run("prod", change);
    let why = lapsed(&target, &receipt).await.unwrap().unwrap();
    assert!(why.contains('t'), "{why}");
    assert_ne!(rows(server, "prod"), before);
    restore_into(&target, &receipt, &tools, &|_, _| {}).await.unwrap();
    assert_eq!(rows(server, "prod"), before);
    assert_eq!(
        lapsed(&target, &receipt).await.unwrap(),
        None,
        "definitions are back as well"
    );

    flipped(server, &target, &receipt, &tools).await;
}

fn no_scratch(server: &impl Server) {
    let listed = server.run(
        "prod",
        "SELECT count(*) FROM information_schema.schemata WHERE schema_name LIKE 'cutover%'",
    );
    assert_eq!(listed.trim(), "0");
}

/// A file with one byte changed is refused before anything is touched.
async fn flipped(server: &impl Server, target: &Target, receipt: &BackupReceipt, tools: &Tools) {
    let mut bytes = std::fs::read(&receipt.file).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&receipt.file, bytes).unwrap();
    let before = rows(server, "prod");
    let verify = verify_by_restore(target, receipt, "cutover_scratch_1", tools, &|_, _| {}).await;
    assert_eq!(verify.unwrap_err().kind(), Kind::Integrity);
    let restore = restore_into(target, receipt, tools, &|_, _| {}).await;
    assert_eq!(restore.unwrap_err().kind(), Kind::Integrity);
    assert_eq!(rows(server, "prod"), before);
}

#[tokio::test]
async fn mariadb_backup_when_taken_then_restores_exactly_and_an_altered_file_is_refused() {
    let server = MariaDb::start().unwrap();
    server.run("", "CREATE DATABASE prod CHARACTER SET latin1");
    let literal = PASSWORD.replace('\\', "\\\\").replace('\'', "''");
    server.run(
        "",
        &format!("CREATE USER dba IDENTIFIED BY '{literal}'; GRANT ALL ON *.* TO dba"),
    );
    let target = as_user(&server.target("prod"), "dba", PASSWORD);
    let change = "ALTER TABLE t ADD COLUMN extra INT; UPDATE t SET name = 'x' WHERE id = 1; DROP FUNCTION f; \
                  CREATE TABLE added (i INT); DELETE FROM child";
    round_trip(&server, target.clone(), MARIADB, change).await;
    assert_eq!(
        server.run("prod", "SELECT NEXTVAL(s)").trim(),
        "1007",
        "the sequence goes on behind its cache"
    );

    server.run("", "CREATE DATABASE precious; CREATE TABLE precious.t (i INT)");
    let folder = tempfile::tempdir().unwrap();
    let receipt = backup(&target, folder.path(), "b", &Tools::find(), &|_, _| {})
        .await
        .unwrap();
    let refused = verify_by_restore(&target, &receipt, "precious", &Tools::find(), &|_, _| {})
        .await
        .unwrap_err();
    assert_eq!(refused.kind(), Kind::Refused);
    assert_eq!(
        server.run("precious", "SELECT COUNT(*) FROM t").trim(),
        "0",
        "a foreign database is never dropped"
    );
}

#[tokio::test]
async fn postgres_backup_when_taken_then_restores_exactly_and_an_altered_file_is_refused() {
    let server = Postgres::start().unwrap();
    server.create_database("prod").unwrap();
    let literal = PASSWORD.replace('\'', "''");
    server.run(
        "",
        &format!("CREATE ROLE dba SUPERUSER LOGIN PASSWORD '{literal}'"),
    );
    let target = as_user(&server.target("prod"), "dba", PASSWORD);
    let change = "SET ROLE dba; ALTER TABLE t ADD COLUMN extra INT; UPDATE t SET name = 'x' WHERE id = 1; \
                  DROP FUNCTION f; CREATE TABLE added (i INT); DELETE FROM child";
    round_trip(&server, target, &format!("SET ROLE dba; {POSTGRES}"), change).await;
    assert_eq!(server.run("prod", "SELECT nextval('t_pk_seq')").trim(), "3");
}

#[tokio::test]
async fn restored_contents_when_not_what_the_receipt_says_then_refused_and_scratch_is_dropped() {
    let server = MariaDb::start().unwrap();
    server.create_database("prod").unwrap();
    server.run(
        "prod",
        "CREATE TABLE t (id INT PRIMARY KEY); INSERT INTO t VALUES (1)",
    );
    let target = server.target("prod");
    let folder = tempfile::tempdir().unwrap();
    let tools = Tools::find();
    let mut receipt = backup(&target, folder.path(), "b", &tools, &|_, _| {})
        .await
        .unwrap();
    receipt.tables.get_mut("t").unwrap().rows = 2;
    let error = verify_by_restore(&target, &receipt, "cutover_x", &tools, &|_, _| {})
        .await
        .unwrap_err();
    assert_eq!(error.kind(), Kind::Integrity);
    assert!(error.to_string().contains("t has 1 rows instead of 2"), "{error}");
    no_scratch(&server);
}

#[tokio::test]
async fn backup_when_the_tool_is_missing_or_fails_then_no_file_and_no_password() {
    let server = MariaDb::start().unwrap();
    server.create_database("prod").unwrap();
    let target = server.target("prod");
    let folder = tempfile::tempdir().unwrap();
    let missing = backup(&target, folder.path(), "b", &Tools::default(), &|_, _| {})
        .await
        .unwrap_err();
    assert_eq!(missing.kind(), Kind::Tool);
    let tools = Tools {
        mysql_dump: Some("/bin/false".into()),
        ..Tools::default()
    };
    let failed = backup(&target, folder.path(), "b", &tools, &|_, _| {})
        .await
        .unwrap_err();
    assert_eq!(failed.kind(), Kind::Tool);
    assert!(!format!("{failed:?}").contains(server.password()));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}
