use cutover_database::{Checkpoint, RepairOptions, RowCounts, RowRule, Verdict, check, check_with, repair};
use cutover_testdb::{MariaDb, Postgres};

use crate::support::Server;

const SCHEMA: &str = "CREATE TABLE UM_TENANT (UM_ID INT PRIMARY KEY);
CREATE TABLE UM_DOMAIN (UM_DOMAIN_ID INT, UM_DOMAIN_NAME VARCHAR(20), UM_TENANT_ID INT);
CREATE TABLE UM_HYBRID_USER_ROLE (UM_ID INT, UM_DOMAIN_ID INT);
INSERT INTO UM_TENANT VALUES (1);
INSERT INTO UM_DOMAIN VALUES (1, 'PRIMARY', -1234), (2, 'SYSTEM', -1234), (3, 'INTERNAL', -1234),
  (4, 'PRIMARY', 1), (5, 'SYSTEM', 1), (6, 'INTERNAL', 1), (7, 'LDAP.EXAMPLE', 1);
INSERT INTO UM_HYBRID_USER_ROLE VALUES (1, NULL), (2, 3);";

fn points() -> Vec<Checkpoint> {
    let nulls = |warn_only| Checkpoint::NullCount {
        table: "UM_HYBRID_USER_ROLE".into(),
        column: "UM_DOMAIN_ID".into(),
        warn_only,
        explain: "their internal roles vanish".into(),
    };
    vec![
        Checkpoint::Table {
            name: "UM_DOMAIN".into(),
        },
        Checkpoint::Table {
            name: "UM_SYSTEM_USER".into(),
        },
        Checkpoint::Column {
            table: "UM_DOMAIN".into(),
            column: "UM_TENANT_ID".into(),
        },
        Checkpoint::Column {
            table: "UM_DOMAIN".into(),
            column: "UM_NOT".into(),
        },
        Checkpoint::Rows {
            table: "UM_DOMAIN".into(),
            count: RowRule::DomainsPerTenant,
        },
        Checkpoint::Rows {
            table: "UM_TENANT".into(),
            count: RowRule::Exactly(2),
        },
        Checkpoint::Rows {
            table: "UM_TENANT".into(),
            count: RowRule::AtLeast(1),
        },
        nulls(true),
        nulls(false),
    ]
}

async fn verdicts(server: &impl Server) -> Vec<Verdict> {
    let results = check(&server.target("carbon"), &points()).await.unwrap();
    results.into_iter().map(|result| result.verdict).collect()
}

async fn judged(server: &impl Server) {
    use Verdict::{Fail, Pass, Warn};
    server.run("carbon", SCHEMA);
    assert_eq!(
        verdicts(server).await,
        [Pass, Fail, Pass, Fail, Pass, Fail, Pass, Warn, Fail]
    );
    server.run("carbon", "UPDATE UM_HYBRID_USER_ROLE SET UM_DOMAIN_ID = 3");
    assert_eq!(verdicts(server).await[7..], [Pass, Pass]);
    // The migration's INSERTs have run twice, which no unique key prevents.
    server.run("carbon", "INSERT INTO UM_DOMAIN VALUES (8, 'PRIMARY', -1234)");
    let results = check(&server.target("carbon"), &points()).await.unwrap();
    assert_eq!(
        (
            results[4].verdict,
            results[4].expected.as_str(),
            results[4].found.as_str()
        ),
        (Fail, "6", "7")
    );
    assert!(results[4].text.contains("more than once"), "{}", results[4].text);
    server.run("carbon", "DELETE FROM UM_DOMAIN WHERE UM_DOMAIN_ID IN (8, 6)");
    assert_eq!(verdicts(server).await[4], Fail);
}

#[tokio::test]
async fn mariadb_checkpoints_when_judged_then_each_has_its_verdict() {
    let server = MariaDb::start().unwrap();
    server.create_database("carbon").unwrap();
    judged(&server).await;
    server.run("carbon", "RENAME TABLE UM_DOMAIN TO um_domain");
    let results = check(&server.target("carbon"), &points()).await.unwrap();
    assert_eq!(results[0].verdict, Verdict::Fail);
    assert!(
        results[0].text.contains("`um_domain` exists"),
        "{}",
        results[0].text
    );
}

#[tokio::test]
async fn postgres_checkpoints_when_judged_then_each_has_its_verdict() {
    let server = Postgres::start().unwrap();
    server.create_database("carbon").unwrap();
    judged(&server).await;
    server.run("carbon", "ALTER TABLE um_domain RENAME TO \"UM_DOMAIN\"");
    assert_eq!(
        verdicts(&server).await[0],
        Verdict::Fail,
        "Carbon's unquoted name does not reach it"
    );
}

/// Sentences of one checkpoint.
async fn outcome(server: &impl Server, point: Checkpoint) -> (Verdict, String) {
    let mut results = check(&server.target("carbon"), &[point]).await.unwrap();
    let result = results.remove(0);
    (result.verdict, result.text)
}

fn not_dropped(of_production: bool) -> Checkpoint {
    Checkpoint::NotDropped {
        table: "REG_LOG".into(),
        at_least_rows: None,
        at_least_rows_of_production: of_production,
        explain: "the creation script was run".into(),
    }
}

fn orphans() -> Checkpoint {
    Checkpoint::Orphans {
        table: "UM_DOMAIN".into(),
        column: "UM_TENANT_ID".into(),
        of_table: "UM_TENANT".into(),
        of_column: "UM_ID".into(),
        except: vec![-1234],
        warn_only: false,
        explain: "rows of a tenant that is gone".into(),
    }
}

async fn kept(server: &impl Server, unchecked: &str) {
    server.run("carbon", SCHEMA);
    assert_eq!(outcome(server, not_dropped(false)).await.0, Verdict::Fail);
    server.run(
        "carbon",
        "CREATE TABLE REG_LOG (I INT); INSERT INTO REG_LOG VALUES (1), (2)",
    );
    assert_eq!(outcome(server, not_dropped(false)).await.0, Verdict::Pass);
    assert_eq!(
        outcome(server, not_dropped(true)).await.0,
        Verdict::Warn,
        "nobody told what production had"
    );
    let target = server.target("carbon");
    let before = RowCounts::read(&target, &[not_dropped(true)]).await.unwrap();
    let points = [not_dropped(true)];
    let verdict = async || check_with(&target, &points, Some(&before)).await.unwrap()[0].clone();
    assert_eq!(verdict().await.verdict, Verdict::Pass);
    server.run("carbon", "DROP TABLE REG_LOG; CREATE TABLE REG_LOG (I INT)");
    let dropped = verdict().await;
    assert_eq!(
        (dropped.verdict, dropped.expected.as_str()),
        (Verdict::Fail, "at least 2 rows")
    );
    assert!(
        dropped.text.ends_with("the creation script was run"),
        "{dropped:?}"
    );

    assert_eq!(outcome(server, orphans()).await.0, Verdict::Pass);
    server.run("carbon", "INSERT INTO UM_DOMAIN VALUES (9, 'PRIMARY', 77)");
    let (judged, text) = outcome(server, orphans()).await;
    assert!(
        judged == Verdict::Fail && text.starts_with("1 rows of UM_DOMAIN"),
        "{text}"
    );

    server.run(
        "carbon",
        "CREATE TABLE parent (a INT, b INT, PRIMARY KEY (a, b)); \
         CREATE TABLE child (x INT, y INT, CONSTRAINT both_parts FOREIGN KEY (x, y) REFERENCES parent (a, b)); \
         INSERT INTO parent VALUES (1, 2); INSERT INTO child VALUES (1, 2), (NULL, 5)",
    );
    let keys = || Checkpoint::ForeignKeys {
        warn_only: false,
        explain: String::new(),
    };
    assert_eq!(outcome(server, keys()).await.0, Verdict::Pass);
    server.run("carbon", unchecked);
    let (judged, text) = outcome(server, keys()).await;
    assert!(judged == Verdict::Fail && text.contains("both_parts"), "{text}");
}

#[tokio::test]
async fn mariadb_rows_when_lost_or_without_their_parents_then_found() {
    let server = MariaDb::start().unwrap();
    server.create_database("carbon").unwrap();
    kept(
        &server,
        "SET foreign_key_checks = 0; INSERT INTO child VALUES (2, 1)",
    )
    .await;
}

#[tokio::test]
async fn postgres_rows_when_lost_or_without_their_parents_then_found() {
    let server = Postgres::start().unwrap();
    server.create_database("carbon").unwrap();
    kept(
        &server,
        "SET session_replication_role = replica; INSERT INTO child VALUES (2, 1)",
    )
    .await;
}

fn sequences() -> Checkpoint {
    Checkpoint::Sequences {
        warn_only: false,
        explain: "an id would be given twice".into(),
    }
}

/// Storage Server 1.1.0 counts its ids in tables: one is behind, one has no row, one is not there, one is ahead.
const COUNTERS: &str = "CREATE TABLE RM_ENVIRONMENT (ID INT); INSERT INTO RM_ENVIRONMENT VALUES (1); \
     CREATE TABLE RM_DATABASE (ID INT); INSERT INTO RM_DATABASE VALUES (7); \
     CREATE TABLE RM_DATABASE_USER (ID INT); INSERT INTO RM_DATABASE_USER VALUES (3); \
     CREATE TABLE RM_SERVER_INSTANCE (ID INT); INSERT INTO RM_SERVER_INSTANCE VALUES (4); \
     CREATE TABLE RM_USER_DATABASE_ENTRY (ID INT); \
     CREATE TABLE ENVIRONMENT_SEQUENCE_TABLE (SEQ_NAME VARCHAR(255) PRIMARY KEY, SEQ_COUNT BIGINT); \
     CREATE TABLE DATABASE_SEQUENCE_TABLE (SEQ_NAME VARCHAR(255) PRIMARY KEY, SEQ_COUNT BIGINT); \
     CREATE TABLE DATABASE_USER_SEQUENCE_TABLE (SEQ_NAME VARCHAR(255) PRIMARY KEY, SEQ_COUNT BIGINT); \
     INSERT INTO ENVIRONMENT_SEQUENCE_TABLE VALUES ('EMP_SEQ', 51); \
     INSERT INTO DATABASE_SEQUENCE_TABLE VALUES ('EMP_SEQ', 7);";

async fn counted(server: &impl Server, behind: &[&str]) {
    server.run("carbon", COUNTERS);
    let (judged, text) = outcome(server, sequences()).await;
    assert!(
        judged == Verdict::Fail && text.ends_with("an id would be given twice"),
        "{text}"
    );
    let all = [
        "DATABASE_SEQUENCE_TABLE gives 7 next",
        "DATABASE_USER_SEQUENCE_TABLE is missing",
        "SERVER_INSTANCE_SEQUENCE_TABLE is missing",
    ];
    for name in all.iter().chain(behind) {
        assert!(text.contains(name), "{name}: {text}");
    }
    assert!(!text.contains("ENVIRONMENT") && !text.contains("ENTRY"), "{text}");
    let report = repair(&server.target("carbon"), &sequences(), &RepairOptions::default())
        .await
        .unwrap();
    let behind = behind.len() as u64 + 3;
    assert_eq!(
        (report.found, report.repaired, report.left),
        (behind, behind, 0),
        "{report:?}"
    );
    let made = server.run("carbon", "SELECT SEQ_COUNT FROM SERVER_INSTANCE_SEQUENCE_TABLE");
    assert_eq!(made.trim(), "5");
    assert_eq!(
        server
            .run("carbon", "SELECT SEQ_COUNT FROM DATABASE_SEQUENCE_TABLE")
            .trim(),
        "8"
    );
    assert_eq!(
        server
            .run("carbon", "SELECT SEQ_COUNT FROM DATABASE_USER_SEQUENCE_TABLE")
            .trim(),
        "4"
    );
}

#[tokio::test]
async fn mariadb_sequences_when_behind_then_named_and_repaired() {
    let server = MariaDb::start().unwrap();
    server.create_database("carbon").unwrap();
    server.run(
        "carbon",
        "CREATE SEQUENCE s; CREATE TABLE t (i INT DEFAULT NEXTVAL(s) PRIMARY KEY, a INT AUTO_INCREMENT UNIQUE); \
         INSERT INTO t (i) VALUES (2000); CREATE SEQUENCE ahead START WITH 5; \
         CREATE TABLE u (i INT DEFAULT NEXTVAL(ahead)); INSERT INTO u VALUES (4)",
    );
    counted(&server, &["s gives 1 next, and t.i has 2000"]).await;
    server.run("carbon", "INSERT INTO t (a) VALUES (NULL)");
    assert_eq!(server.run("carbon", "SELECT MAX(i) FROM t").trim(), "2001");
}

#[tokio::test]
async fn postgres_sequences_when_behind_then_named_and_repaired() {
    let server = Postgres::start().unwrap();
    server.create_database("carbon").unwrap();
    server.run(
        "carbon",
        "CREATE SEQUENCE free; CREATE TABLE t (i INT DEFAULT nextval('free')); INSERT INTO t VALUES (20); \
         CREATE SEQUENCE late; CREATE TABLE l (i INT DEFAULT nextval(('late'::text)::regclass)); INSERT INTO l VALUES (6); \
         CREATE TABLE own (i SERIAL, j INT GENERATED BY DEFAULT AS IDENTITY); INSERT INTO own VALUES (3, 30); \
         CREATE TABLE fine (i SERIAL); INSERT INTO fine DEFAULT VALUES; CREATE TABLE empty (i SERIAL)",
    );
    let behind = [
        "free gives 1 next, and t.i has 20",
        "late gives 1",
        "own_i_seq gives 1",
        "own_j_seq gives 1",
    ];
    counted(&server, &behind).await;
    server.run(
        "carbon",
        "INSERT INTO own DEFAULT VALUES; INSERT INTO t DEFAULT VALUES; INSERT INTO l DEFAULT VALUES",
    );
    assert_eq!(
        server.run("carbon", "SELECT max(i), max(j) FROM own").trim(),
        "4\t31"
    );
}

#[tokio::test]
async fn repair_when_a_row_cannot_be_decided_then_left_and_named() {
    let server = MariaDb::start().unwrap();
    server.create_database("carbon").unwrap();
    server.run(
        "carbon",
        "CREATE TABLE UM_DOMAIN (UM_DOMAIN_ID INT, UM_DOMAIN_NAME VARCHAR(20), UM_TENANT_ID INT); \
         INSERT INTO UM_DOMAIN VALUES (1, 'PRIMARY', -1234), (2, 'INTERNAL', -1234), (3, 'LDAP', -1234); \
         CREATE TABLE UM_HYBRID_USER_ROLE (UM_ID INT, UM_USER_NAME VARCHAR(20), UM_ROLE_ID INT, UM_TENANT_ID INT, \
           UM_DOMAIN_ID INT, UNIQUE (UM_USER_NAME, UM_ROLE_ID, UM_TENANT_ID, UM_DOMAIN_ID)); \
         INSERT INTO UM_HYBRID_USER_ROLE VALUES (1, 'plain', 1, -1234, NULL), (2, 'LDAP/jane', 1, -1234, NULL), \
           (3, 'twin', 1, -1234, NULL), (4, 'twin', 1, -1234, 1), (5, 'orphan', 1, 9, NULL), \
           (6, 'double', 1, -1234, NULL), (7, 'double', 1, -1234, NULL), (8, 'both', 1, -1234, NULL), (9, 'both', 1, -1234, 3)",
    );
    let nulls = points().remove(7);
    let target = server.target("carbon");
    let report = repair(&target, &nulls, &RepairOptions::default()).await.unwrap();
    assert_eq!(
        (report.found, report.repaired, report.left),
        (7, 3, 4),
        "{report:?}"
    );
    let told = report.unchanged.join("\n");
    for part in ["LDAP/jane", "row 3", "row 5", "PRIMARY 0 times", "row 7"] {
        assert!(told.contains(part), "{part}: {told}");
    }
    let repaired =
        "SELECT GROUP_CONCAT(UM_ID ORDER BY UM_ID) FROM UM_HYBRID_USER_ROLE WHERE UM_DOMAIN_ID = 1";
    assert_eq!(server.run("carbon", repaired).trim(), "1,4,6,8");
    let options = RepairOptions {
        primary_domain: "WSO2.COM".into(),
    };
    let other = repair(&target, &nulls, &options).await.unwrap();
    assert_eq!(
        (other.repaired, other.left),
        (0, 4),
        "a domain that is not there is no guess"
    );
    let refused = repair(&target, &points().remove(0), &options).await.unwrap_err();
    assert_eq!(refused.kind(), cutover_database::Kind::Refused);
}

#[test]
fn checkpoint_when_read_from_a_guide_then_what_is_left_out_has_its_default() {
    let read = |text: &str| serde_json::from_str::<Checkpoint>(text);
    assert_eq!(
        read(r#"{"kind": "sequences"}"#).unwrap(),
        Checkpoint::Sequences {
            warn_only: false,
            explain: String::new()
        }
    );
    let dropped = read(r#"{"kind": "not_dropped", "table": "REG_LOG", "at_least_rows_of_production": true}"#);
    assert!(matches!(
        dropped.unwrap(),
        Checkpoint::NotDropped {
            at_least_rows: None,
            ..
        }
    ));
    let orphans = r#"{"kind": "orphans", "table": "a", "column": "b", "of_table": "c", "of_column": "d", "except": [-1234]}"#;
    assert!(matches!(
        read(orphans).unwrap(),
        Checkpoint::Orphans { warn_only: false, .. }
    ));
    assert!(read(r#"{"kind": "foreign_keys"}"#).is_ok() && read(r#"{"kind": "tenant_domains"}"#).is_ok());
    assert!(read(r#"{"kind": "sequences", "tabel": "x"}"#).is_err());
}
