//! The migration of Storage Server's RSS database, run as an upgrade runs it, against the two versions' own schemas.

#![expect(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

#[path = "rss/catalog.rs"]
mod catalog;
#[path = "rss/rows.rs"]
mod rows;

use std::collections::BTreeMap;
use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use catalog::{MYSQL_CATALOG, POSTGRES_CATALOG};
use cutover_database::script::ScriptErrorKind;
use cutover_database::{
    JournalRecord, JournalSink, OwnSessions, RunOptions, ScriptError, ScriptReport, Target, forget_journal,
    run_script,
};
use cutover_sqlscript::{Dialect, Rule, Script, Severity, lint, split};
use cutover_testdb::{MariaDb, Postgres};
use futures::future::BoxFuture;
use rows::{KEPT, MADE, PRIVILEGE_NAMES, PRIVILEGES, ROWS};
use secrecy::SecretString;
use tokio_util::sync::CancellationToken;

/// How a site may have numbered the ids of a PostgreSQL schema that it had to write itself.
#[derive(Debug, Clone, Copy)]
enum Numbering {
    /// As Carbon's own scripts do.
    Sequence,
    /// By the engine's own means, privileges of an enumerated type.
    Serial,
}

#[derive(Debug, Default)]
struct Sink {
    calls: AtomicUsize,
    fail_at: Option<usize>,
}

impl JournalSink for Sink {
    fn record<'a>(&'a self, _: &'a JournalRecord) -> BoxFuture<'a, Result<(), Box<dyn Error + Send + Sync>>> {
        let fails = self.fail_at == Some(self.calls.fetch_add(1, Ordering::SeqCst));
        Box::pin(std::future::ready(if fails {
            Err("the process was killed here".into())
        } else {
            Ok(())
        }))
    }
}

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
    if let Err(missing) = cutover_testdb::available() {
        eprintln!("SKIPPED: {missing}");
        return None;
    }
    Some(path)
}

fn mysql_script() -> Script {
    let text = include_str!("../../guides/scripts/ss-1.0.3-to-1.1.0-rss.mysql.sql");
    split(text, Dialect::MySql).unwrap()
}

fn postgres_script() -> Script {
    let text = include_str!("../../guides/scripts/ss-1.0.3-to-1.1.0-rss.postgres.sql");
    split(text, Dialect::Postgres).unwrap()
}

async fn migrate(target: &Target, script: &Script, sink: &Sink) -> Result<ScriptReport, ScriptError> {
    let options = RunOptions {
        name: "rss.sql",
        sink,
        cancel: CancellationToken::new(),
        own: OwnSessions::new(),
        decisions: BTreeMap::new(),
        overrides: Vec::new(),
    };
    // The client that prepared the rows has said good-bye; on a busy machine its server takes a moment to hear it.
    for _ in 0..100 {
        match run_script(target, script, &options).await {
            Err(error) if error.kind == ScriptErrorKind::NotAlone => {
                tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            }
            ended => return ended,
        }
    }
    run_script(target, script, &options).await
}

fn target(url: &str, password: &str) -> Target {
    Target::parse(url, SecretString::from(password.to_owned())).unwrap()
}

/// `ROWS`, and privileges no two rows of which are alike.
fn all_rows() -> String {
    let mut sql = ROWS.to_owned();
    for (table, keys, rows) in PRIVILEGES {
        for (number, row) in rows.iter().enumerate() {
            let granted = |bit: usize| {
                if bit.is_multiple_of(number + 2) {
                    "'Y'"
                } else {
                    "'N'"
                }
            };
            let values: Vec<&str> = (1..)
                .map(granted)
                .take(PRIVILEGE_NAMES.split(' ').count())
                .collect();
            sql.push_str(&format!(
                "INSERT INTO {table} ({keys}, {}) VALUES ({row}, {});\n",
                privilege_columns(),
                values.join(", ")
            ));
        }
    }
    sql
}

fn privilege_columns() -> String {
    let columns: Vec<String> = PRIVILEGE_NAMES
        .split(' ')
        .map(|name| format!("{name}_PRIV"))
        .collect();
    columns.join(", ")
}

fn kept(run: impl Fn(&str) -> String) -> Vec<(&'static str, String)> {
    let ask = |query: &str| run(&query.replace("{PRIVILEGES}", &privilege_columns()));
    let answers = KEPT.map(|(what, query)| (what, ask(query)));
    for (what, answer) in &answers {
        assert!(!answer.trim().is_empty(), "no {what}");
    }
    answers.to_vec()
}

/// The servers a user is on, by name, in the old version and in the new.
const SERVERS_OF_USERS: [&str; 2] = [
    "SELECT U.USERNAME, U.TENANT_ID, S.NAME FROM RM_DATABASE_USER U \
     JOIN RM_SERVER_INSTANCE S ON S.ID = U.RSS_INSTANCE_ID ORDER BY 1, 2, 3",
    "SELECT U.USERNAME, U.TENANT_ID, S.NAME FROM RM_USER_INSTANCE_ENTRY I \
     JOIN RM_DATABASE_USER U ON U.ID = I.DATABASE_USER_ID JOIN RM_SERVER_INSTANCE S ON S.ID = I.RSS_INSTANCE_ID \
     ORDER BY 1, 2, 3",
];

fn assert_made(run: impl Fn(&str) -> String) {
    for (query, expected) in MADE {
        assert_eq!(run(query).trim(), expected, "{query}");
    }
}

fn assert_same_catalog(
    catalog: &[(&str, &str)],
    migrated: impl Fn(&str) -> String,
    fresh: impl Fn(&str) -> String,
) {
    for (what, query) in catalog {
        let (migrated, fresh) = (migrated(query), fresh(query));
        let known = fresh.to_lowercase();
        assert!(
            known.contains("rm_environment"),
            "{what} of the fresh schema are empty"
        );
        let only = |these: &str, those: &str| -> Vec<String> {
            let other = |line: &&str| !those.lines().any(|other| other == *line);
            these.lines().filter(other).map(str::to_owned).collect()
        };
        let none = Vec::<String>::new();
        assert_eq!(only(&migrated, &fresh), none, "{what} too many or different");
        assert_eq!(only(&fresh, &migrated), none, "{what} missing");
        assert_eq!(migrated, fresh, "{what}");
    }
}

fn prepare_mysql(server: &MariaDb, corpus: &Path) {
    for (database, schema) in [
        ("rss", "ss-1.0.3/dbscripts/mysql/wso2_rss_mysql.sql"),
        ("fresh", "ss-1.1.0/dbscripts/rss-manager/mysql/wso2_rss_mysql.sql"),
    ] {
        let sql = format!("DROP DATABASE IF EXISTS {database}; CREATE DATABASE {database}");
        server.sql("", &sql).unwrap();
        server.load_file(database, &corpus.join(schema)).unwrap();
    }
    server.sql("rss", &all_rows()).unwrap();
}

/// The schema of 1.0.3 as a site would have taken it to PostgreSQL from the vendor's MySQL one.
fn old_postgres_schema(mysql: &str, numbering: Numbering) -> String {
    let mut sequences = String::new();
    let mut tables = String::new();
    let mut table = "";
    for line in mysql.lines() {
        if let Some(rest) = line.strip_prefix("CREATE TABLE ") {
            table = rest.trim_end_matches([' ', '(']);
        }
        let line = match numbering {
            Numbering::Sequence => line
                .replace(
                    "INTEGER NOT NULL AUTO_INCREMENT",
                    &format!("INTEGER DEFAULT NEXTVAL('{table}_PK_SEQ')"),
                )
                .replace("enum('N','Y')", "CHAR(1)"),
            Numbering::Serial => line
                .replace("INTEGER NOT NULL AUTO_INCREMENT", "SERIAL")
                .replace("enum('N','Y')", "GRANTED"),
        };
        if line.contains("NEXTVAL") {
            sequences.push_str(&format!("CREATE SEQUENCE {table}_PK_SEQ;\n"));
        }
        tables.push_str(&line.replace(")ENGINE INNODB", ")"));
        tables.push('\n');
    }
    if matches!(numbering, Numbering::Serial) {
        sequences.push_str("CREATE TYPE GRANTED AS ENUM ('N', 'Y');\n");
    }
    sequences + &tables
}

fn postgres(corpus: &Path, numbering: Numbering) -> Postgres {
    let server = Postgres::start().unwrap();
    for database in ["rss", "fresh"] {
        server.create_database(database).unwrap();
    }
    let new = corpus.join("ss-1.1.0/dbscripts/rss-manager/postgresql/wso2_rss_postgresql.sql");
    server.load_file("fresh", &new).unwrap();
    let old = std::fs::read_to_string(corpus.join("ss-1.0.3/dbscripts/mysql/wso2_rss_mysql.sql")).unwrap();
    server.sql("rss", &old_postgres_schema(&old, numbering)).unwrap();
    server.sql("rss", &all_rows()).unwrap();
    server
}

#[test]
fn scripts_when_linted_then_only_the_moved_column_is_warned_of() {
    for script in [mysql_script(), postgres_script()] {
        let worse: Vec<_> = lint(&script)
            .into_iter()
            .filter(|finding| finding.severity > Severity::Note)
            .map(|finding| (finding.rule, finding.message))
            .collect();
        assert_eq!(worse.len(), 1, "{worse:?}");
        assert_eq!(worse[0].0, Rule::DropColumn);
        assert!(worse[0].1.contains("RSS_INSTANCE_ID"), "{worse:?}");
        assert!(
            script
                .statements
                .iter()
                .all(|statement| !statement.refuses_transaction())
        );
    }
}

#[tokio::test]
async fn mysql_when_migrated_then_schema_equals_a_fresh_one_and_rows_are_kept() {
    let Some(corpus) = corpus() else { return };
    for options in [&[][..], &["--lower-case-table-names=1"]] {
        let server = MariaDb::start_with(options).unwrap();
        prepare_mysql(&server, &corpus);
        let sql = |query: &str| server.sql("rss", query).unwrap();
        let target = target(&server.url("rss"), server.password());
        let (before, servers) = (kept(sql), sql(SERVERS_OF_USERS[0]));

        let report = migrate(&target, &mysql_script(), &Sink::default()).await.unwrap();
        assert_eq!(report.executed, report.statements);
        assert_eq!(report.warnings, []);
        forget_journal(&target).await.unwrap();

        assert_same_catalog(&MYSQL_CATALOG, sql, |query| server.sql("fresh", query).unwrap());
        assert_eq!(kept(sql), before);
        assert_eq!(sql(SERVERS_OF_USERS[1]), servers);
        assert_made(sql);
    }
}

#[tokio::test]
async fn mysql_when_killed_anywhere_then_resumed_to_the_same_end() {
    let Some(corpus) = corpus() else { return };
    let server = MariaDb::start().unwrap();
    let target = target(&server.url("rss"), server.password());
    let script = mysql_script();
    // Three records a statement; the step shares no factor with it, so that every kind of point has its turn.
    let points = 3 * script.statements.len();
    for point in (1..points).step_by(17) {
        prepare_mysql(&server, &corpus);
        let sql = |query: &str| server.sql("rss", query).unwrap();
        let before = kept(sql);
        let killed = Sink {
            fail_at: Some(point),
            ..Sink::default()
        };
        let error = migrate(&target, &script, &killed).await.unwrap_err();
        assert_eq!(error.kind, ScriptErrorKind::Sink, "{error}");
        let resumed = migrate(&target, &script, &Sink::default()).await;
        resumed.unwrap_or_else(|error| panic!("killed at record {point}: {error} {error:?}"));
        forget_journal(&target).await.unwrap();
        assert_same_catalog(&MYSQL_CATALOG, sql, |query| server.sql("fresh", query).unwrap());
        assert_eq!(kept(sql), before, "killed at record {point}");
        assert_made(sql);
    }
}

#[tokio::test]
async fn mysql_when_keys_have_other_names_or_are_gone_then_schema_equals_a_fresh_one() {
    let Some(corpus) = corpus() else { return };
    let server = MariaDb::start().unwrap();
    prepare_mysql(&server, &corpus);
    let sql = |query: &str| server.sql("rss", query).unwrap();
    sql("ALTER TABLE RM_DATABASE DROP FOREIGN KEY RM_DATABASE_ibfk_1;
         ALTER TABLE RM_USER_DATABASE_ENTRY DROP FOREIGN KEY RM_USER_DATABASE_ENTRY_ibfk_1;
         ALTER TABLE RM_USER_DATABASE_ENTRY ADD CONSTRAINT `odd``name` FOREIGN KEY (DATABASE_USER_ID)
            REFERENCES RM_DATABASE_USER (ID);
         ALTER TABLE RM_SERVER_INSTANCE DROP INDEX NAME, ADD UNIQUE `odd``key` (NAME, TENANT_ID);
         ALTER TABLE RM_DATABASE_USER DROP INDEX USERNAME;
         TRUNCATE TABLE RM_SYSTEM_DATABASE_COUNT;");
    let target = target(&server.url("rss"), server.password());
    let before = kept(sql);
    migrate(&target, &mysql_script(), &Sink::default()).await.unwrap();
    forget_journal(&target).await.unwrap();
    assert_same_catalog(&MYSQL_CATALOG, sql, |query| server.sql("fresh", query).unwrap());
    assert_eq!(kept(sql), before);
    assert_eq!(sql("SELECT * FROM RM_SYSTEM_DATABASE_COUNT"), "");
}

#[tokio::test]
async fn postgres_when_migrated_then_schema_equals_a_fresh_one_and_rows_are_kept() {
    let Some(corpus) = corpus() else { return };
    for numbering in [Numbering::Sequence, Numbering::Serial] {
        let server = postgres(&corpus, numbering);
        let sql = |query: &str| server.sql("rss", query).unwrap();
        let target = target(&server.url("rss"), server.password());
        let (before, servers) = (kept(sql), sql(SERVERS_OF_USERS[0]));

        let report = migrate(&target, &postgres_script(), &Sink::default())
            .await
            .unwrap();
        assert_eq!(report.executed, report.statements);
        forget_journal(&target).await.unwrap();

        assert_same_catalog(&POSTGRES_CATALOG, sql, |query| {
            server.sql("fresh", query).unwrap()
        });
        assert_eq!(kept(sql), before, "{numbering:?}");
        assert_eq!(sql(SERVERS_OF_USERS[1]), servers);
        assert_made(sql);
        for table in ["RM_ENVIRONMENT", "RM_DATABASE_USER", "RM_SYSTEM_DATABASE_COUNT"] {
            assert_eq!(sql(&format!("SELECT DISTINCT VERSION FROM {table}")).trim(), "1");
        }
    }
}

#[tokio::test]
async fn rows_when_the_new_version_cannot_hold_them_then_refused_and_unchanged() {
    let Some(corpus) = corpus() else { return };
    let maria = MariaDb::start().unwrap();
    prepare_mysql(&maria, &corpus);
    let pg = postgres(&corpus, Numbering::Sequence);
    type Case<'a> = (Target, Script, &'a dyn Fn(&str) -> String);
    let both: [Case<'_>; 2] = [
        (
            target(&maria.url("rss"), maria.password()),
            mysql_script(),
            &|sql| maria.sql("rss", sql).unwrap(),
        ),
        (target(&pg.url("rss"), pg.password()), postgres_script(), &|sql| {
            pg.sql("rss", sql).unwrap()
        }),
    ];
    let conflicts = [
        (
            "INSERT INTO RM_DATABASE_USER (ID, USERNAME, RSS_INSTANCE_ID, TYPE, TENANT_ID) \
             VALUES (40, 'jane_one', 8, 'USER_DEFINED', 1)",
            "DELETE FROM RM_DATABASE_USER WHERE ID = 40",
            "USERS OF BOTH TYPES SHARE A NAME",
        ),
        (
            "INSERT INTO RM_USER_DATABASE_ENTRY (ID, DATABASE_USER_ID, DATABASE_ID) VALUES (40, 11, 1)",
            "DELETE FROM RM_USER_DATABASE_ENTRY WHERE ID = 40",
            "HAS A USER OF ONE NAME TWICE",
        ),
    ];
    for (target, script, sql) in both {
        for (conflict, repair, told) in conflicts {
            sql(conflict);
            let error = migrate(&target, &script, &Sink::default()).await.unwrap_err();
            assert_eq!(error.kind, ScriptErrorKind::Statement, "{error}");
            let at = error.at.as_ref().unwrap();
            assert!(at.first_line.contains(told), "{error}");
            let there = "SELECT COUNT(*) FROM information_schema.tables WHERE LOWER(table_name) = 'rm_environment' \
                         AND table_schema IN ('rss', 'public')";
            assert_eq!(sql(there).trim(), "0");
            sql(repair);
        }
        migrate(&target, &script, &Sink::default()).await.unwrap();
        assert_made(sql);

        // Without its journal the script is a new one, and finds that it has run.
        forget_journal(&target).await.unwrap();
        let error = migrate(&target, &script, &Sink::default()).await.unwrap_err();
        assert!(
            error.at.as_ref().unwrap().first_line.contains("RM_ENVIRONMENT"),
            "{error}"
        );
        assert_made(sql);
    }
}
