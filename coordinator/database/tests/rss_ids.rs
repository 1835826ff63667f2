//! The script that makes the tables in which Storage Server 1.1.0 counts its ids, on the real 1.1.0 schema.

#![expect(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

#[path = "support/run.rs"]
mod run;

use cutover_database::{Checkpoint, RssLevel, Target, Verdict, check, facts, forget_journal};
use cutover_sqlscript::{Dialect, Rule, Severity, lint, split};
use cutover_testdb::{MariaDb, Postgres};
use run::{corpus, migrate};
use secrecy::SecretString;

/// What a migration from 1.0.3 brings along; templates and privileges have none.
const ROWS: &str = "INSERT INTO RM_ENVIRONMENT (ID, {V}NAME) VALUES (1, {1}'DEFAULT'); \
     INSERT INTO RM_SERVER_INSTANCE (ID, {V}ENVIRONMENT_ID, NAME, SERVER_URL, DBMS_TYPE, INSTANCE_TYPE, SERVER_CATEGORY, TENANT_ID) \
       VALUES (4, {1}1, 'RSS1', 'jdbc:x', 'MYSQL', 'SYSTEM', 'LOCAL', -1234); \
     INSERT INTO RM_DATABASE (ID, {V}NAME, RSS_INSTANCE_ID, TYPE, TENANT_ID) VALUES (77, {1}'shop', 4, 'SYSTEM', 1); \
     INSERT INTO RM_DATABASE_USER (ID, {V}USERNAME, ENVIRONMENT_ID, TYPE, TENANT_ID) VALUES (9, {1}'jane', 1, 'SYSTEM', 1);";

/// The schema for PostgreSQL alone counts the changes of a row.
fn rows(dialect: Dialect) -> String {
    let (column, value) = if dialect == Dialect::Postgres {
        ("VERSION, ", "1, ")
    } else {
        ("", "")
    };
    ROWS.replace("{V}", column).replace("{1}", value)
}

/// Next ids, tables by name.
const COUNTS: [(&str, &str); 8] = [
    ("ENVIRONMENT", "2"),
    ("SERVER_INSTANCE", "5"),
    ("DATABASE", "78"),
    ("DATABASE_USER", "10"),
    ("USER_DATABASE_ENTRY", "1"),
    ("USER_DATABASE_PRIVILEGE", "1"),
    ("PRIVILEGE_TEMPLATE", "1"),
    ("DB_PRIVILEGE_TEMPLATE_ENTRY", "1"),
];

async fn verdict(target: &Target) -> Verdict {
    let point = Checkpoint::Sequences {
        warn_only: false,
        explain: String::new(),
    };
    check(target, &[point]).await.unwrap()[0].verdict
}

async fn right(target: &Target, text: &str, dialect: Dialect, sql: &dyn Fn(&str) -> String) {
    let script = split(text, dialect).unwrap();
    let findings = lint(&script);
    assert!(
        findings.iter().all(|found| found.severity != Severity::Error),
        "{findings:?}"
    );
    assert!(
        findings
            .iter()
            .all(|found| found.rule != Rule::InsertNotRerunnable),
        "{findings:?}"
    );
    sql(&rows(dialect));
    assert_eq!(facts(target).await.unwrap().rss_level, RssLevel::At110);
    assert_eq!(verdict(target).await, Verdict::Fail);
    migrate(target, &script).await;
    assert_eq!(verdict(target).await, Verdict::Pass);
    for (name, next) in COUNTS {
        let count = format!("SELECT SEQ_NAME, SEQ_COUNT FROM {name}_SEQUENCE_TABLE");
        assert_eq!(sql(&count).trim(), format!("EMP_SEQ\t{next}"), "{name}");
    }
    // Again, after the product took ids, and after rows came that it did not count.
    sql("UPDATE DATABASE_SEQUENCE_TABLE SET SEQ_COUNT = 150");
    sql("UPDATE ENVIRONMENT_SEQUENCE_TABLE SET SEQ_COUNT = 0");
    forget_journal(target).await.unwrap();
    migrate(target, &script).await;
    assert_eq!(sql("SELECT SEQ_COUNT FROM DATABASE_SEQUENCE_TABLE").trim(), "150");
    assert_eq!(
        sql("SELECT SEQ_COUNT FROM ENVIRONMENT_SEQUENCE_TABLE").trim(),
        "2"
    );
}

#[tokio::test]
async fn mysql_ids_when_the_script_ran_then_above_the_migrated_ones_and_again_as_well() {
    let Some(corpus) = corpus() else { return };
    let server = MariaDb::start().unwrap();
    server.create_database("rss").unwrap();
    server
        .load_file(
            "rss",
            &corpus.join("ss-1.1.0/dbscripts/rss-manager/mysql/wso2_rss_mysql.sql"),
        )
        .unwrap();
    let target = Target::parse(
        &server.url("rss"),
        SecretString::from(server.password().to_owned()),
    )
    .unwrap();
    let text = include_str!("../../guides/scripts/ss-1.1.0-rss-ids.mysql.sql");
    right(&target, text, Dialect::MySql, &|sql| {
        server.sql("rss", sql).unwrap()
    })
    .await;
}

#[tokio::test]
async fn postgres_ids_when_the_script_ran_then_above_the_migrated_ones_and_again_as_well() {
    let Some(corpus) = corpus() else { return };
    let server = Postgres::start().unwrap();
    server.create_database("rss").unwrap();
    server
        .load_file(
            "rss",
            &corpus.join("ss-1.1.0/dbscripts/rss-manager/postgresql/wso2_rss_postgresql.sql"),
        )
        .unwrap();
    let target = Target::parse(
        &server.url("rss"),
        SecretString::from(server.password().to_owned()),
    )
    .unwrap();
    let text = include_str!("../../guides/scripts/ss-1.1.0-rss-ids.postgres.sql");
    right(&target, text, Dialect::Postgres, &|sql| {
        server.sql("rss", sql).unwrap()
    })
    .await;
}

#[tokio::test]
async fn rss_database_when_of_1_0_3_then_its_level_is_told_and_nothing_is_counted() {
    let Some(corpus) = corpus() else { return };
    let server = MariaDb::start().unwrap();
    server.create_database("rss").unwrap();
    let script = corpus.join("ss-1.0.3/dbscripts/mysql/wso2_rss_mysql.sql");
    server.load_file("rss", &script).unwrap();
    let target = Target::parse(
        &server.url("rss"),
        SecretString::from(server.password().to_owned()),
    )
    .unwrap();
    assert_eq!(facts(&target).await.unwrap().rss_level, RssLevel::At103);
    assert_eq!(verdict(&target).await, Verdict::Pass);
    server.sql("rss", "CREATE TABLE RM_ENVIRONMENT (ID INT)").unwrap();
    assert!(matches!(
        facts(&target).await.unwrap().rss_level,
        RssLevel::Mixed { .. }
    ));
}
