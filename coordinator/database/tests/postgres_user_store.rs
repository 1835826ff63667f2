//! The PostgreSQL user store migration against the two versions' own schemas, and against what the vendor's
//! MySQL migration makes of the same rows.

use std::path::{Path, PathBuf};

use cutover_sqlscript::{Dialect, Script, Severity, StatementKind, lint, split};
use cutover_testdb::{MariaDb, Postgres};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};

/// Rows of a 4.1 user store, in SQL that both engines take: five tenants, and rows of a tenant that is gone.
const ROWS: &str = include_str!("data/user_store_4_1.sql");

/// What the migration does to rows, domains by name: the ids come from each engine's own numbering.
const OUTCOMES: [(&str, &str); 6] = [
    (
        "domains",
        "SELECT UM_TENANT_ID, UM_DOMAIN_NAME, COUNT(*) FROM UM_DOMAIN GROUP BY 1, 2 ORDER BY 1, 2",
    ),
    (
        "role permissions",
        "SELECT P.UM_ID, P.UM_PERMISSION_ID, P.UM_ROLE_NAME, P.UM_IS_ALLOWED, P.UM_TENANT_ID, \
         COALESCE(D.UM_DOMAIN_NAME, '-'), COALESCE(D.UM_TENANT_ID, 0), CASE WHEN P.UM_DOMAIN_ID IS NULL THEN 1 ELSE 0 END \
         FROM UM_ROLE_PERMISSION P LEFT JOIN UM_DOMAIN D ON D.UM_DOMAIN_ID = P.UM_DOMAIN_ID ORDER BY 1",
    ),
    (
        "internal role members",
        "SELECT UM_ID, UM_USER_NAME, UM_ROLE_ID, UM_TENANT_ID, COALESCE(UM_DOMAIN_ID, 0) FROM UM_HYBRID_USER_ROLE ORDER BY 1",
    ),
    (
        "roles",
        "SELECT UM_ID, UM_ROLE_NAME, UM_TENANT_ID, CASE WHEN UM_SHARED_ROLE THEN 1 ELSE 0 END FROM UM_ROLE ORDER BY 1",
    ),
    (
        "permissions",
        "SELECT UM_ID, UM_RESOURCE_ID, UM_ACTION, UM_TENANT_ID, UM_MODULE_ID FROM UM_PERMISSION ORDER BY 1",
    ),
    (
        "claims",
        "SELECT UM_ID, UM_CLAIM_URI, COALESCE(UM_MAPPED_ATTRIBUTE_DOMAIN, '-'), COALESCE(UM_CHECKED_ATTRIBUTE, 9), \
         COALESCE(UM_READ_ONLY, 9) FROM UM_CLAIM ORDER BY 1",
    ),
];

/// Everything the catalog says about a schema but the order of columns.
const CATALOG: [(&str, &str); 4] = [
    (
        "columns",
        "SELECT table_name, column_name, data_type, character_maximum_length, is_nullable, column_default \
         FROM information_schema.columns WHERE table_schema = 'public' ORDER BY 1, 2",
    ),
    (
        "constraints",
        "SELECT conrelid::regclass::text, conname, contype, pg_get_constraintdef(oid) FROM pg_constraint \
         WHERE connamespace = 'public'::regnamespace ORDER BY 1, 2",
    ),
    (
        "indexes",
        "SELECT tablename, indexname, indexdef FROM pg_indexes WHERE schemaname = 'public' ORDER BY 1, 2",
    ),
    (
        "sequences",
        "SELECT sequencename, data_type, start_value, min_value, max_value, increment_by, cycle, cache_size \
         FROM pg_sequences WHERE schemaname = 'public' ORDER BY 1",
    ),
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The corpus of real schemas, which is not part of this repository.
fn corpus() -> Option<PathBuf> {
    let path =
        root().join(std::env::var_os("CUTOVER_CORPUS").unwrap_or_else(|| "../shared/carbon-corpus".into()));
    if !path.is_dir() {
        eprintln!(
            "SKIPPED: no corpus of Carbon scripts at {}; set CUTOVER_CORPUS",
            path.display()
        );
        return None;
    }
    if let Err(missing) = cutover_testdb::available() {
        eprintln!("SKIPPED: {missing}");
        return None;
    }
    Some(path)
}

fn migration() -> Script {
    let text = include_str!("../../guides/scripts/carbon-4.1-to-4.2-user-store.postgres.sql");
    split(text, Dialect::Postgres).unwrap_or_else(|error| panic!("{error}"))
}

/// Runs a script statement by statement on one connection in one transaction; tells what failed.
async fn run(url: &str, script: &Script) -> Result<(), (usize, sqlx::Error)> {
    let outside = |error| (usize::MAX, error);
    let mut connection = PgConnection::connect(url).await.map_err(outside)?;
    let mut transaction = connection.begin().await.map_err(outside)?;
    for statement in &script.statements {
        sqlx::raw_sql(AssertSqlSafe(statement.text.clone()))
            .execute(&mut *transaction)
            .await
            .map_err(|error| (statement.index, error))?;
    }
    transaction.commit().await.map_err(outside)
}

fn postgres_with_4_1(corpus: &Path) -> Postgres {
    let pg = Postgres::start().unwrap_or_else(|error| panic!("{error:#}"));
    let schema = |db: &str, version: &str| {
        pg.create_database(db)?;
        pg.load_file(
            db,
            &corpus.join(format!("carbon-{version}/dbscripts/postgresql.sql")),
        )
    };
    schema("old", "4.1.0")
        .and_then(|()| schema("fresh", "4.2.0"))
        .unwrap_or_else(|error| panic!("{error:#}"));
    pg.sql("old", ROWS).unwrap_or_else(|error| panic!("{error:#}"));
    pg
}

#[test]
fn script_when_read_then_can_run_in_one_transaction() {
    let script = migration();
    assert_eq!(script.statements.len(), 32);
    for statement in &script.statements {
        assert!(!statement.refuses_transaction(), "{}", statement.text);
        assert!(
            matches!(statement.kind, StatementKind::Ddl | StatementKind::Dml),
            "{}: {}",
            statement.kind,
            statement.text
        );
    }
    let worse: Vec<_> = lint(&script)
        .into_iter()
        .filter(|finding| finding.severity > Severity::Note)
        .collect();
    assert_eq!(worse, []);
}

#[tokio::test]
async fn user_store_when_migrated_then_schema_equals_a_fresh_one() {
    let Some(corpus) = corpus() else { return };
    let pg = postgres_with_4_1(&corpus);
    run(&pg.url_with_password("old"), &migration()).await.unwrap();
    for (what, query) in CATALOG {
        let fresh = pg.sql("fresh", query).unwrap();
        assert!(
            fresh.contains("um_domain"),
            "{what} of the fresh schema are empty"
        );
        let migrated = pg.sql("old", query).unwrap();
        assert_eq!(
            lines_only_in(&migrated, &fresh),
            Vec::<&str>::new(),
            "{what} too many or different"
        );
        assert_eq!(
            lines_only_in(&fresh, &migrated),
            Vec::<&str>::new(),
            "{what} missing"
        );
        assert_eq!(migrated, fresh, "{what}");
    }
}

#[tokio::test]
async fn user_store_when_migrated_then_rows_equal_those_of_the_vendors_mysql_script() {
    let Some(corpus) = corpus() else { return };
    let pg = postgres_with_4_1(&corpus);
    run(&pg.url_with_password("old"), &migration()).await.unwrap();

    // The vendor's schema has TIMESTAMP columns that a strict server refuses.
    let maria = MariaDb::start_with(&["--sql-mode="]).unwrap();
    maria.create_database("old").unwrap();
    maria
        .load_file("old", &corpus.join("carbon-4.1.0/dbscripts/mysql.sql"))
        .unwrap();
    maria.sql("old", ROWS).unwrap();
    maria
        .load_file("old", &corpus.join("migration/4.1.0-4.2.0/mysql/migration.sql"))
        .unwrap();

    for (what, query) in OUTCOMES {
        let ours = pg.sql("old", query).unwrap();
        let vendors = maria.sql("old", query).unwrap();
        assert!(!vendors.trim().is_empty(), "{what}");
        assert_eq!(ours, vendors, "{what}");
    }
    // Three domains for the super tenant and for each of the five tenants.
    assert_eq!(
        pg.sql("old", "SELECT COUNT(*) FROM UM_DOMAIN").unwrap().trim(),
        "18"
    );
    // The permissions of a tenant that is gone have no domain to belong to.
    let orphans = "SELECT COUNT(*) FROM UM_ROLE_PERMISSION WHERE UM_DOMAIN_ID IS NULL";
    assert_eq!(pg.sql("old", orphans).unwrap().trim(), "2");
}

#[tokio::test]
async fn user_store_when_migrated_again_then_refused_and_unchanged() {
    let Some(corpus) = corpus() else { return };
    let pg = postgres_with_4_1(&corpus);
    let url = pg.url_with_password("old");
    let script = migration();
    run(&url, &script).await.unwrap();
    let (at, error) = run(&url, &script).await.expect_err("a second run must fail");
    assert_eq!(at, 0, "{error}");
    assert!(error.to_string().contains("already exists"), "{error}");
    assert_eq!(
        pg.sql("old", "SELECT COUNT(*) FROM UM_DOMAIN").unwrap().trim(),
        "18"
    );
}

fn lines_only_in<'a>(these: &'a str, those: &str) -> Vec<&'a str> {
    these
        .lines()
        .filter(|line| !those.lines().any(|other| other == *line))
        .collect()
}
