//! Every schema that Carbon ships is copied and compared.

use std::path::{Path, PathBuf};

use cutover_copy::CopyOptions;

use crate::support::{
    assert_difference, assert_equal, corpus, maria, maria_pair, postgres, postgres_pair, run_copy,
};

const VERSIONS: [&str; 4] = ["carbon-4.1.0", "carbon-4.2.0", "carbon-4.4.6", "carbon-4.4.7"];

fn scripts(name: &str) -> Vec<PathBuf> {
    let Some(corpus) = corpus() else {
        eprintln!(
            "SKIPPED: no Carbon scripts found; set CUTOVER_CORPUS to the folder that holds carbon-4.2.0"
        );
        return Vec::new();
    };
    let paths = VERSIONS
        .iter()
        .map(|version| corpus.join(version).join("dbscripts").join(name));
    let found: Vec<PathBuf> = paths.filter(|path| path.is_file()).collect();
    assert_eq!(
        found.len(),
        VERSIONS.len(),
        "the folder is there, so must be its scripts"
    );
    found
}

fn rows_for(path: &Path) -> &'static str {
    // Tenants came with columns that differ between the versions; these tables did not change.
    assert!(path.exists());
    "INSERT INTO REG_PATH (REG_PATH_VALUE, REG_TENANT_ID) VALUES ('/_system', 0), ('/_system/config', 0); \
     INSERT INTO REG_CONTENT (REG_CONTENT_DATA, REG_TENANT_ID) VALUES ('abc', 0), ('', 0), (NULL, 0); \
     INSERT INTO REG_LOG (REG_PATH, REG_USER_ID, REG_LOGGED_TIME, REG_ACTION, REG_TENANT_ID) \
       VALUES ('/a', 'admin', '2014-01-01 00:00:00', 1, 0), ('/b', 'admin', '2014-01-01 00:00:01', 1, 0); \
     INSERT INTO REG_PROPERTY (REG_NAME, REG_VALUE, REG_TENANT_ID) VALUES ('n', 'v', 0), ('n', 'v', 0);"
}

#[test]
fn mysql_schema_of_every_version_is_copied_whole() {
    for path in scripts("mysql.sql") {
        let (from, to) = maria_pair("corpus");
        let (production, staging) = maria();
        production.load_file(&from.database, &path).unwrap();
        production.sql(&from.database, rows_for(&path)).unwrap();
        let report = run_copy(&from, &to, &CopyOptions::default()).unwrap();
        assert_eq!(report.rows, 9, "{}", path.display());
        let compared = assert_equal(&from, &to);
        assert_eq!(compared.tables.len() as u64, report.tables);
        staging
            .sql(
                &to.database,
                "UPDATE REG_LOG SET REG_PATH='/c' WHERE REG_LOG_ID=2",
            )
            .unwrap();
        assert_difference(&from, &to, &["REG_LOG", "REG_LOG_ID = 2"]);
    }
}

#[test]
fn postgresql_schema_of_every_version_is_copied_whole() {
    for path in scripts("postgresql.sql") {
        let (from, to) = postgres_pair("corpus");
        let (production, staging) = postgres();
        production.load_file(&from.database, &path).unwrap();
        production.sql(&from.database, rows_for(&path)).unwrap();
        let report = run_copy(&from, &to, &CopyOptions::default()).unwrap();
        assert_eq!(report.rows, 9, "{}", path.display());
        assert!(report.objects["sequence"] > 10, "{:?}", report.objects);
        assert_equal(&from, &to);
        staging
            .sql(&to.database, "SELECT nextval('reg_log_pk_seq')")
            .unwrap();
        assert_difference(&from, &to, &["reg_log_pk_seq", "ahead"]);
    }
}
