//! The checkpoints of a user store's migration, after the real scripts ran on the real schema of Carbon 4.1 with rows
//! and five tenants.

#![expect(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

#[path = "support/run.rs"]
mod run;

use cutover_database::{CheckResult, Checkpoint, RepairOptions, RowRule, Target, Verdict, check, repair};
use cutover_sqlscript::{Dialect, split};
use cutover_testdb::{MariaDb, Postgres};
use run::{corpus, migrate};
use secrecy::SecretString;

const ROWS: &str = include_str!("data/user_store_4_1.sql");

/// As Carbon 4.4.7 asks for a user's internal roles.
const ROLES_OF: &str = "SELECT UM_ROLE_NAME FROM UM_HYBRID_USER_ROLE, UM_HYBRID_ROLE WHERE UM_USER_NAME = 'admin' \
     AND UM_HYBRID_USER_ROLE.UM_ROLE_ID = UM_HYBRID_ROLE.UM_ID AND UM_HYBRID_USER_ROLE.UM_TENANT_ID = 5 \
     AND UM_HYBRID_ROLE.UM_TENANT_ID = 5 AND UM_HYBRID_USER_ROLE.UM_DOMAIN_ID = (SELECT UM_DOMAIN_ID FROM UM_DOMAIN \
     WHERE UM_TENANT_ID = 5 AND UM_DOMAIN_NAME = 'PRIMARY')";

fn nulls() -> Checkpoint {
    Checkpoint::NullCount {
        table: "UM_HYBRID_USER_ROLE".into(),
        column: "UM_DOMAIN_ID".into(),
        warn_only: true,
        explain: "their internal roles vanish".into(),
    }
}

fn sequences() -> Checkpoint {
    Checkpoint::Sequences {
        warn_only: false,
        explain: String::new(),
    }
}

fn points() -> Vec<Checkpoint> {
    let mut points: Vec<Checkpoint> = [
        "UM_DOMAIN",
        "UM_SYSTEM_USER",
        "UM_SYSTEM_ROLE",
        "UM_SYSTEM_USER_ROLE",
    ]
    .map(|name| Checkpoint::Table { name: name.into() })
    .into();
    points.extend([
        Checkpoint::Rows {
            table: "UM_DOMAIN".into(),
            count: RowRule::DomainsPerTenant,
        },
        Checkpoint::TenantDomains {
            explain: String::new(),
        },
        nulls(),
        Checkpoint::ForeignKeys {
            warn_only: false,
            explain: String::new(),
        },
        sequences(),
    ]);
    points
}

fn verdicts(results: &[CheckResult]) -> Vec<Verdict> {
    results.iter().map(|result| result.verdict).collect()
}

/// Three members of internal roles, of two tenants, were there before the migration.
async fn repaired(target: &Target, sql: &dyn Fn(&str) -> String) {
    assert_eq!(sql(ROLES_OF).trim(), "", "the role has vanished");
    let report = repair(target, &nulls(), &RepairOptions::default()).await.unwrap();
    assert_eq!(
        (report.found, report.repaired, report.left),
        (3, 3, 0),
        "{report:?}"
    );
    assert_eq!(report.changed.len(), 3, "{report:?}");
    assert_eq!(sql(ROLES_OF).trim(), "internal", "the role is back");
    let again = repair(target, &nulls(), &RepairOptions::default()).await.unwrap();
    assert_eq!((again.found, again.repaired, again.left), (0, 0, 0), "{again:?}");
    let now = check(target, &[nulls()]).await.unwrap();
    assert_eq!((now[0].verdict, now[0].found.as_str()), (Verdict::Pass, "0"));
}

#[tokio::test]
async fn mysql_migration_when_run_with_five_tenants_then_the_checkpoints_have_their_numbers() {
    let Some(corpus) = corpus() else { return };
    let server = MariaDb::start_with(&["--sql-mode="]).unwrap();
    server
        .sql("", "CREATE DATABASE carbon CHARACTER SET latin1")
        .unwrap();
    server
        .load_file("carbon", &corpus.join("carbon-4.1.0/dbscripts/mysql.sql"))
        .unwrap();
    server.sql("carbon", ROWS).unwrap();
    let target = Target::parse(
        &server.url("carbon"),
        SecretString::from(server.password().to_owned()),
    )
    .unwrap();
    let before = check(&target, &points()).await.unwrap();
    assert_eq!(verdicts(&before)[..7], [Verdict::Fail; 7], "{before:?}");

    let text = std::fs::read_to_string(corpus.join("migration/4.1.0-4.2.0/mysql/migration.sql")).unwrap();
    migrate(&target, &split(&text, Dialect::MySql).unwrap()).await;
    let results = check(&target, &points()).await.unwrap();
    let (expected, found) = (results[4].expected.as_str(), results[4].found.as_str());
    assert_eq!((expected, found), ("18", "18"), "{results:?}");
    assert_eq!(
        (results[6].verdict, results[6].found.as_str()),
        (Verdict::Warn, "3"),
        "{results:?}"
    );
    let wrong: Vec<&CheckResult> = results
        .iter()
        .filter(|result| result.verdict == Verdict::Fail)
        .collect();
    assert!(wrong.is_empty(), "{wrong:?}");
    repaired(&target, &|sql| server.sql("carbon", sql).unwrap()).await;
}

#[tokio::test]
async fn postgres_migration_when_run_with_five_tenants_then_the_checkpoints_have_their_numbers() {
    let Some(corpus) = corpus() else { return };
    let server = Postgres::start().unwrap();
    server.create_database("carbon").unwrap();
    server
        .load_file("carbon", &corpus.join("carbon-4.1.0/dbscripts/postgresql.sql"))
        .unwrap();
    server.sql("carbon", ROWS).unwrap();
    let target = Target::parse(
        &server.url("carbon"),
        SecretString::from(server.password().to_owned()),
    )
    .unwrap();
    let text = include_str!("../../guides/scripts/carbon-4.1-to-4.2-user-store.postgres.sql");
    migrate(&target, &split(text, Dialect::Postgres).unwrap()).await;
    let results = check(&target, &points()).await.unwrap();
    assert_eq!(
        (results[4].expected.as_str(), results[4].found.as_str()),
        ("18", "18"),
        "{results:?}"
    );
    // The rows came with their ids, as a copy of rows alone brings them, and no sequence knows.
    assert_eq!(
        verdicts(&results)[5..],
        [Verdict::Pass, Verdict::Warn, Verdict::Pass, Verdict::Fail],
        "{results:?}"
    );
    assert!(
        results[8]
            .text
            .contains("um_tenant_pk_seq gives 1 next, and um_tenant.um_id has 8"),
        "{results:?}"
    );
    let insert =
        "INSERT INTO UM_TENANT (UM_DOMAIN_NAME, UM_ACTIVE, UM_CREATED_DATE) VALUES ('new.com', TRUE, now())";
    server.sql("carbon", insert).unwrap_err();

    let report = repair(&target, &sequences(), &RepairOptions::default())
        .await
        .unwrap();
    assert!(report.repaired > 5 && report.left == 0, "{report:?}");
    server.sql("carbon", insert).unwrap();
    assert_eq!(
        server
            .sql("carbon", "SELECT max(UM_ID) FROM UM_TENANT")
            .unwrap()
            .trim(),
        "9"
    );
    let again = repair(&target, &sequences(), &RepairOptions::default())
        .await
        .unwrap();
    assert_eq!(again.found, 0, "{again:?}");
    repaired(&target, &|sql| server.sql("carbon", sql).unwrap()).await;
    // Now a tenant has no domains.
    let tenant = check(
        &target,
        &[Checkpoint::TenantDomains {
            explain: "cannot log in".into(),
        }],
    )
    .await
    .unwrap();
    assert_eq!(tenant[0].verdict, Verdict::Fail);
    assert!(
        tenant[0].text.contains("tenant 9 has no PRIMARY") && tenant[0].text.ends_with("cannot log in"),
        "{tenant:?}"
    );
}
