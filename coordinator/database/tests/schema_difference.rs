//! Schema equality: what a migration makes of an old schema against a fresh new one, and what is noticed.

#![expect(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

use std::path::{Path, PathBuf};

use cutover_database::{Aspect, Difference, Target, schema_difference};
use cutover_testdb::{MariaDb, Postgres};
use secrecy::SecretString;

/// The corpus of real schemas, which is not part of this repository.
fn corpus() -> Option<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let path =
        root.join(std::env::var_os("CUTOVER_CORPUS").unwrap_or_else(|| "../shared/carbon-corpus".into()));
    if !path.is_dir() {
        eprintln!(
            "SKIPPED: no corpus of Carbon scripts at {}; set CUTOVER_CORPUS",
            path.display()
        );
        return None;
    }
    Some(path)
}

fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../guides/scripts")
        .join(name)
}

fn target(url: &str, password: &str) -> Target {
    Target::parse(url, SecretString::from(password.to_owned())).unwrap()
}

fn shown(differences: &[Difference]) -> Vec<String> {
    differences.iter().map(ToString::to_string).collect()
}

/// Databases of one server, each filled with files in order.
async fn mysql(server: &MariaDb, old: &[PathBuf], new: &[PathBuf]) -> Vec<Difference> {
    for (name, files) in [("old", old), ("new", new)] {
        server
            .sql(
                "",
                &format!("DROP DATABASE IF EXISTS {name}; CREATE DATABASE {name} CHARACTER SET latin1"),
            )
            .unwrap();
        for file in files {
            server.load_file(name, file).unwrap();
        }
    }
    let named = |name: &str| target(&server.url(name), server.password());
    schema_difference(&named("old"), &named("new")).await.unwrap()
}

async fn postgres(server: &Postgres, old: &[PathBuf], new: &[PathBuf]) -> Vec<Difference> {
    for (name, files) in [("old", old), ("new", new)] {
        server
            .sql("", &format!("DROP DATABASE IF EXISTS {name}"))
            .unwrap();
        server.create_database(name).unwrap();
        for file in files {
            server.load_file(name, file).unwrap();
        }
    }
    let named = |name: &str| target(&server.url(name), server.password());
    schema_difference(&named("old"), &named("new")).await.unwrap()
}

#[tokio::test]
async fn mysql_schema_when_migrated_then_equal_to_a_fresh_new_one_and_otherwise_not() {
    let Some(corpus) = corpus() else { return };
    let server = MariaDb::start_with(&["--sql-mode="]).unwrap();
    let of = |name: &str| corpus.join(name);
    let (old, new) = (
        of("carbon-4.1.0/dbscripts/mysql.sql"),
        of("carbon-4.2.0/dbscripts/mysql.sql"),
    );
    let migration = of("migration/4.1.0-4.2.0/mysql/migration.sql");
    let equal = mysql(&server, &[old.clone(), migration], std::slice::from_ref(&new)).await;
    assert_eq!(shown(&equal), Vec::<String>::new());
    let apart = mysql(&server, &[old], &[new]).await;
    let tables = apart.iter().filter(|found| found.aspect == Aspect::Relation);
    assert_eq!(
        tables.filter(|found| found.left.is_none()).count(),
        8,
        "{:?}",
        shown(&apart)
    );
    let gone: Vec<_> = apart
        .iter()
        .filter(|found| found.right.is_none() && found.aspect == Aspect::Relation)
        .collect();
    assert_eq!(gone.len(), 1, "{gone:?}");

    let rss = [
        of("ss-1.0.3/dbscripts/mysql/wso2_rss_mysql.sql"),
        script("ss-1.0.3-to-1.1.0-rss.mysql.sql"),
    ];
    let equal = mysql(
        &server,
        &rss,
        &[of("ss-1.1.0/dbscripts/rss-manager/mysql/wso2_rss_mysql.sql")],
    )
    .await;
    assert_eq!(shown(&equal), Vec::<String>::new());
}

#[tokio::test]
async fn mysql_schema_when_only_indexes_were_renamed_then_they_do_not_count() {
    let Some(corpus) = corpus() else { return };
    let server = MariaDb::start_with(&["--sql-mode="]).unwrap();
    let of = |name: &str| vec![corpus.join(name)];
    let found = mysql(
        &server,
        &of("carbon-4.4.6/dbscripts/mysql.sql"),
        &of("carbon-4.4.7/dbscripts/mysql.sql"),
    )
    .await;
    assert!(
        found
            .iter()
            .all(|found| found.aspect == Aspect::Default && found.object.starts_with("REG_RESOURCE.")),
        "{:?}",
        shown(&found)
    );
}

#[tokio::test]
async fn postgres_schema_when_migrated_then_equal_to_a_fresh_new_one_and_otherwise_not() {
    let Some(corpus) = corpus() else { return };
    let server = Postgres::start().unwrap();
    let of = |name: &str| corpus.join(name);
    let (old, new) = (
        of("carbon-4.1.0/dbscripts/postgresql.sql"),
        of("carbon-4.2.0/dbscripts/postgresql.sql"),
    );
    let migration = script("carbon-4.1-to-4.2-user-store.postgres.sql");
    let equal = postgres(&server, &[old.clone(), migration], std::slice::from_ref(&new)).await;
    assert_eq!(shown(&equal), Vec::<String>::new());
    let apart = postgres(&server, &[old], &[new]).await;
    let tables = apart.iter().filter(|found| found.aspect == Aspect::Relation);
    let missing = tables.filter(|found| found.right.as_deref() == Some("table"));
    assert_eq!(missing.count(), 8, "{:?}", shown(&apart));
    let renamed = postgres(
        &server,
        &[of("carbon-4.4.6/dbscripts/postgresql.sql")],
        &[of("carbon-4.4.7/dbscripts/postgresql.sql")],
    )
    .await;
    assert_eq!(shown(&renamed), Vec::<String>::new());
}

const BASE: &str = "CREATE TABLE a (i INT NOT NULL PRIMARY KEY, s VARCHAR(20) DEFAULT 'x', n INT, b INT); \
     CREATE TABLE p (i INT NOT NULL PRIMARY KEY, j INT); CREATE UNIQUE INDEX u ON p (j);";

/// Each change alone, the object it is found at, and how often.
const CHANGES: [(&str, &str, Aspect, usize); 10] = [
    ("DROP TABLE p", "p", Aspect::Relation, 1),
    ("CREATE VIEW v AS SELECT i FROM a", "v", Aspect::Relation, 1),
    ("ALTER TABLE a DROP COLUMN n", "a.n", Aspect::Column, 1),
    ("ALTER TABLE a ADD COLUMN extra INT", "a.extra", Aspect::Column, 1),
    (
        "ALTER TABLE a ALTER COLUMN s SET DEFAULT 'y'",
        "a.s",
        Aspect::Default,
        1,
    ),
    (
        "ALTER TABLE a ALTER COLUMN s DROP DEFAULT",
        "a.s",
        Aspect::Default,
        1,
    ),
    (
        "ALTER TABLE a ADD CONSTRAINT f FOREIGN KEY (b) REFERENCES p (i)",
        "a",
        Aspect::Key,
        1,
    ),
    ("CREATE INDEX x ON a (n)", "a", Aspect::Key, 1),
    (
        "ALTER TABLE a ADD CONSTRAINT q UNIQUE (n, b)",
        "a",
        Aspect::Key,
        1,
    ),
    (
        "ALTER TABLE a ADD CONSTRAINT q UNIQUE (b, n)",
        "a",
        Aspect::Key,
        1,
    ),
];

fn judged(change: &str, found: &[Difference], object: &str, aspect: Aspect, number: usize) {
    assert!(
        found.len() >= number
            && found
                .iter()
                .any(|found| found.object == object && found.aspect == aspect),
        "{change}: {:?}",
        shown(found)
    );
    assert!(
        found
            .iter()
            .all(|found| found.object.starts_with(object.split('.').next().unwrap())),
        "{:?}",
        shown(found)
    );
}

#[tokio::test]
async fn mariadb_schema_when_one_thing_was_changed_then_it_is_named() {
    let server = MariaDb::start().unwrap();
    let own = [
        (
            "ALTER TABLE a MODIFY s VARCHAR(21) DEFAULT 'x'",
            "a.s",
            Aspect::Type,
            1,
        ),
        (
            "ALTER TABLE a MODIFY n INT NOT NULL",
            "a.n",
            Aspect::Nullability,
            1,
        ),
        (
            "ALTER TABLE a MODIFY i INT NOT NULL AUTO_INCREMENT",
            "a.i",
            Aspect::Default,
            1,
        ),
    ];
    for (change, object, aspect, number) in CHANGES.into_iter().chain(own) {
        for name in ["one", "two"] {
            server
                .sql(
                    "",
                    &format!("DROP DATABASE IF EXISTS {name}; CREATE DATABASE {name}"),
                )
                .unwrap();
            server.sql(name, BASE).unwrap();
        }
        let named = |name: &str| target(&server.url(name), server.password());
        assert_eq!(schema_difference(&named("one"), &named("two")).await.unwrap(), []);
        server.sql("two", change).unwrap();
        let found = schema_difference(&named("one"), &named("two")).await.unwrap();
        judged(change, &found, object, aspect, number);
    }
}

#[tokio::test]
async fn postgres_schema_when_one_thing_was_changed_then_it_is_named() {
    let server = Postgres::start().unwrap();
    let own = [
        (
            "ALTER TABLE a ALTER COLUMN s TYPE VARCHAR(21)",
            "a.s",
            Aspect::Type,
            1,
        ),
        (
            "ALTER TABLE a ALTER COLUMN n SET NOT NULL",
            "a.n",
            Aspect::Nullability,
            1,
        ),
        ("CREATE SEQUENCE s", "s", Aspect::Relation, 1),
        ("CREATE INDEX x ON a (n) WHERE n > 1", "a", Aspect::Key, 1),
        ("ALTER TABLE a ADD CHECK (n > 1)", "a", Aspect::Key, 1),
    ];
    for (change, object, aspect, number) in CHANGES.into_iter().chain(own) {
        for name in ["one", "two"] {
            server
                .sql("", &format!("DROP DATABASE IF EXISTS {name}"))
                .unwrap();
            server.create_database(name).unwrap();
            server.sql(name, BASE).unwrap();
        }
        let named = |name: &str| target(&server.url(name), server.password());
        assert_eq!(schema_difference(&named("one"), &named("two")).await.unwrap(), []);
        server.sql("two", change).unwrap();
        let found = schema_difference(&named("one"), &named("two")).await.unwrap();
        judged(change, &found, object, aspect, number);
    }
}
