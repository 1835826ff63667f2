use std::path::Path;

use cutover_database::{
    BackupReceipt, CatalogError, Checkpoint, Engine, Kind, RowCounts, Target, Tools, Verdict, backup,
    catalog, check_with,
};
use cutover_testdb::{MariaDb, Postgres};

use crate::support::Server;

const SCHEMA: &str = "CREATE TABLE t (id INT PRIMARY KEY, name VARCHAR(40)); INSERT INTO t VALUES (1, 'one'), (2, NULL); \
     CREATE TABLE child (id INT REFERENCES t (id)); INSERT INTO child VALUES (1); CREATE VIEW v AS SELECT name FROM t;";

fn flip(path: &Path, at: impl Fn(&[u8]) -> usize) -> Vec<u8> {
    let before = std::fs::read(path).unwrap();
    let mut bytes = before.clone();
    let position = at(&bytes);
    bytes[position] ^= 1;
    std::fs::write(path, bytes).unwrap();
    before
}

fn refused(error: CatalogError) -> Kind {
    let CatalogError::Database(error) = error else {
        panic!("{error}");
    };
    error.kind()
}

async fn whole_life(server: &impl Server, empty: &str) {
    server.run("prod", SCHEMA);
    let target = server.target("prod");
    let folder = tempfile::tempdir().unwrap();
    let tools = Tools::find();
    let quiet = |_, _| {};
    let first = backup(&target, folder.path(), "first", &tools, &quiet)
        .await
        .unwrap();
    server.run("prod", "INSERT INTO t VALUES (3, 'three')");
    let second = backup(&target, folder.path(), "second", &tools, &quiet)
        .await
        .unwrap();
    let listed = catalog::list(folder.path()).unwrap();
    let receipts: Vec<_> = listed.iter().filter_map(|entry| entry.receipt.clone()).collect();
    assert!(
        receipts.contains(&first) && receipts.contains(&second) && listed.len() == 2,
        "{listed:?}"
    );
    assert!(listed.iter().all(|entry| entry.problem.is_none()), "{listed:?}");

    before_and_after(server, &first).await;
    // Moved elsewhere, with nothing but the two files.
    let vault = tempfile::tempdir().unwrap();
    for entry in std::fs::read_dir(folder.path()).unwrap() {
        let path = entry.unwrap().path();
        std::fs::copy(&path, vault.path().join(path.file_name().unwrap())).unwrap();
    }
    let file = vault.path().join(first.file.file_name().unwrap());
    let proof = catalog::verify(&target, &file, "cutover_scratch_2", &tools, &quiet)
        .await
        .unwrap();
    assert_eq!(proof.rows, 3);
    restored(server, &file, &tools, empty).await;
    altered(server, &target, &file, &tools).await;

    std::fs::remove_file(vault.path().join(second.file.file_name().unwrap())).unwrap();
    std::fs::write(vault.path().join("stray.sql"), "SELECT 1").unwrap();
    let listed = catalog::list(vault.path()).unwrap();
    let problems: Vec<_> = listed.iter().map(|entry| entry.problem.is_some()).collect();
    assert_eq!(
        (listed.len(), problems),
        (3, vec![false, true, true]),
        "{listed:?}"
    );
    let stray = catalog::verify(&target, &vault.path().join("stray.sql"), "x", &tools, &quiet).await;
    assert!(matches!(stray.unwrap_err(), CatalogError::NoReceipt(_)));
}

/// The rows of a receipt are what a dropped table is told by.
async fn before_and_after(server: &impl Server, receipt: &BackupReceipt) {
    // MariaDB tells names apart by case.
    let table = match server.target("prod").engine {
        Engine::MySql => "t",
        Engine::Postgres => "T",
    };
    let point = [Checkpoint::NotDropped {
        table: table.into(),
        at_least_rows: None,
        at_least_rows_of_production: true,
        explain: String::new(),
    }];
    let before = RowCounts::from(receipt);
    let target = server.target("prod");
    let verdict = check_with(&target, &point, Some(&before)).await.unwrap();
    assert_eq!(
        (verdict[0].verdict, verdict[0].expected.as_str()),
        (Verdict::Pass, "at least 2 rows")
    );
}

async fn restored(server: &impl Server, file: &Path, tools: &Tools, empty: &str) {
    server.run("", empty);
    let into = server.target("fresh");
    catalog::restore_empty(file, &into, tools, &|_, _| {})
        .await
        .unwrap();
    assert_eq!(server.run("fresh", "SELECT id FROM t ORDER BY id"), "1\n2\n");
    // A second time it is not empty any more, nor was production ever.
    for target in [&into, &server.target("prod")] {
        let error = catalog::restore_empty(file, target, tools, &|_, _| {})
            .await
            .unwrap_err();
        assert!(error.to_string().contains("is not empty"), "{error}");
        assert_eq!(refused(error), Kind::Refused);
    }
    assert_eq!(server.run("prod", "SELECT COUNT(*) FROM t").trim(), "3");
    server.run("", "DROP DATABASE fresh");
    server.run("", empty);
}

/// One byte, at any place of the backup or of its receipt.
async fn altered(server: &impl Server, target: &Target, file: &Path, tools: &Tools) {
    let into = server.target("fresh");
    for place in [0, 1, 2] {
        let before = flip(file, |bytes| [0, bytes.len() / 2, bytes.len() - 1][place]);
        let verified = catalog::verify(target, file, "cutover_scratch_2", tools, &|_, _| {}).await;
        assert_eq!(refused(verified.unwrap_err()), Kind::Integrity);
        let error = catalog::restore_empty(file, &into, tools, &|_, _| {})
            .await
            .unwrap_err();
        assert_eq!(refused(error), Kind::Integrity);
        std::fs::write(file, before).unwrap();
    }
    let receipt = file.with_file_name(format!(
        "{}.receipt.json",
        file.file_name().unwrap().to_str().unwrap()
    ));
    for word in ["\"rows\": 2", "server_time\": \"2", "sha256\": \""] {
        let place = |bytes: &[u8]| {
            let text = String::from_utf8(bytes.to_vec()).unwrap();
            text.find(word).unwrap() + word.len() - 1 + usize::from(word.ends_with(": \""))
        };
        let before = flip(&receipt, place);
        let error = catalog::restore_empty(file, &into, tools, &|_, _| {})
            .await
            .unwrap_err();
        assert!(matches!(error, CatalogError::Damaged(_)), "{word}: {error}");
        std::fs::write(&receipt, before).unwrap();
    }
    assert_eq!(catalog::list(file.parent().unwrap()).unwrap().len(), 2);
}

#[tokio::test]
async fn mariadb_catalog_when_listed_verified_and_restored_then_only_what_is_proven_passes() {
    let server = MariaDb::start().unwrap();
    server.run("", "CREATE DATABASE prod CHARACTER SET latin1");
    whole_life(&server, "CREATE DATABASE fresh CHARACTER SET utf8mb4").await;
    assert!(server.run("", "SHOW CREATE DATABASE fresh").contains("utf8mb4"));
}

#[tokio::test]
async fn postgres_catalog_when_listed_verified_and_restored_then_only_what_is_proven_passes() {
    let server = Postgres::start().unwrap();
    server.create_database("prod").unwrap();
    whole_life(&server, "CREATE DATABASE fresh TEMPLATE template0").await;
}
