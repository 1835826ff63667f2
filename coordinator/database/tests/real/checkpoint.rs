use cutover_database::{Checkpoint, RowRule, Verdict, check};
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
