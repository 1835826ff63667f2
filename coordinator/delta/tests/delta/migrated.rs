//! The copy is migrated first, and what changed in production since is brought into it.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use cutover_database::Engine;
use cutover_delta::{
    DeltaError, DeltaReport, Manifest, Mapping, MigratedComparison, NoProgress, SyncOptions, SyncProgress,
    apply_delta, compare_migrated, dead_letters, delta_allowed, fix_ups,
};
use cutover_sqlscript::{Dialect, split};
use tokio_util::sync::CancellationToken;

use crate::support::{Pair, chain, maria, postgres, runtime};

fn capture(pair: &Pair, dir: &Path) -> Manifest {
    let options = SyncOptions::default();
    let cancel = CancellationToken::new();
    runtime()
        .block_on(Manifest::capture(&pair.staging, dir, &options, &cancel))
        .unwrap();
    Manifest::load(dir).unwrap()
}

fn try_apply(
    pair: &Pair,
    manifest: &Manifest,
    mapping: &Mapping,
    fix_ups: &[String],
    progress: Arc<dyn SyncProgress>,
    cancel: &CancellationToken,
) -> Result<DeltaReport, DeltaError> {
    let options = SyncOptions::default();
    runtime().block_on(apply_delta(
        &pair.production,
        &pair.staging,
        manifest,
        mapping,
        fix_ups,
        &options,
        progress,
        cancel,
    ))
}

#[track_caller]
fn apply(pair: &Pair, manifest: &Manifest, mapping: &Mapping, fix_ups: &[String]) -> DeltaReport {
    let cancel = CancellationToken::new();
    let result = try_apply(pair, manifest, mapping, fix_ups, Arc::new(NoProgress), &cancel);
    result.unwrap_or_else(|error| panic!("{}", chain(&error)))
}

#[track_caller]
fn compared(pair: &Pair, mapping: &Mapping) -> MigratedComparison {
    let options = SyncOptions::default();
    let cancel = CancellationToken::new();
    let result = runtime().block_on(compare_migrated(
        &pair.production,
        &pair.staging,
        mapping,
        &options,
        &cancel,
    ));
    result.unwrap_or_else(|error| panic!("{}", chain(&error)))
}

const MARIA: &str = "
CREATE TABLE PARENT (ID INT NOT NULL AUTO_INCREMENT PRIMARY KEY, NAME VARCHAR(40) COLLATE utf8mb4_bin NOT NULL UNIQUE, BLOBBY BLOB) ENGINE=InnoDB;
CREATE TABLE CHILD (NAME VARCHAR(40) NOT NULL, PARENT_ID INT, V VARCHAR(40), PRIMARY KEY (NAME), FOREIGN KEY (PARENT_ID) REFERENCES PARENT (ID) ON DELETE CASCADE) ENGINE=InnoDB;
CREATE TABLE TAG (PATH INT, TAG VARCHAR(20)) ENGINE=InnoDB;
CREATE TABLE UNUSED (ID INT NOT NULL PRIMARY KEY) ENGINE=InnoDB;
INSERT INTO PARENT VALUES (1,'one',NULL),(2,'two',NULL),(3,'three',NULL); INSERT INTO CHILD VALUES ('a',1,'x'),('b',2,'y'),('c',2,'z');
INSERT INTO TAG VALUES (1,'t'),(1,'t'),(2,'t');
";
const POSTGRES: &str = "
CREATE TABLE parent (id serial PRIMARY KEY, name varchar(40) NOT NULL UNIQUE, blobby bytea);
CREATE TABLE child (name varchar(40) NOT NULL, parent_id int, v varchar(40), PRIMARY KEY (name), FOREIGN KEY (parent_id) REFERENCES parent (id) ON DELETE CASCADE);
CREATE TABLE tag (path int, tag varchar(20));
CREATE TABLE unused (id int NOT NULL PRIMARY KEY);
INSERT INTO parent (name) VALUES ('one'),('two'),('three'); INSERT INTO child VALUES ('a',1,'x'),('b',2,'y'),('c',2,'z');
INSERT INTO tag VALUES (1,'t'),(1,'t'),(2,'t');
";
/// Renames a column and a table, adds a computed column, drops a table, and narrows a value.
const MIGRATE: &str = "
ALTER TABLE PARENT ADD COLUMN SIZE INT DEFAULT 0; ALTER TABLE PARENT ADD COLUMN KIND VARCHAR(20);
UPDATE PARENT SET KIND = CONCAT('k', NAME); ALTER TABLE CHILD RENAME COLUMN V TO VAL; ALTER TABLE TAG RENAME TO TAGS; DROP TABLE UNUSED;
ALTER TABLE CHILD ADD CONSTRAINT NOT_BAD CHECK (VAL <> 'bad');
";
const FIX: &str = "UPDATE PARENT SET KIND = CONCAT('k', NAME) WHERE KIND IS NULL";
const CHANGES: &str = "
INSERT INTO PARENT (ID, NAME) VALUES (10, 'ten'); INSERT INTO CHILD VALUES ('d', 10, 'w'), ('q''u', NULL, '');
DELETE FROM PARENT WHERE ID = 2; UPDATE PARENT SET NAME = 'ONE' WHERE ID = 1; INSERT INTO PARENT (ID, NAME) VALUES (12, 'two');
INSERT INTO TAG VALUES (2,'t'), (3,'n'), (3,'n'); INSERT INTO UNUSED VALUES (1); INSERT INTO CHILD VALUES ('z', 3, 'bad');
";

fn mapping(upper: bool) -> Mapping {
    let name = |text: &str| {
        if upper {
            text.to_owned()
        } else {
            text.to_lowercase()
        }
    };
    Mapping {
        tables: [(name("TAG"), name("TAGS"))].into(),
        columns: [(name("CHILD.V"), name("VAL"))].into(),
        dropped_tables: [name("UNUSED")].into(),
        derived_columns: [name("PARENT.KIND")].into(),
        ..Mapping::default()
    }
}

fn pair(engine: Engine, name: &str) -> (Pair, Mapping) {
    match engine {
        Engine::MySql => (Pair::maria(name, MARIA), mapping(true)),
        Engine::Postgres => (Pair::postgres(name, POSTGRES), mapping(false)),
    }
}

fn state(pair: &Pair) -> [String; 3] {
    [
        pair.there("SELECT ID, NAME, SIZE, KIND FROM PARENT ORDER BY ID"),
        pair.there("SELECT NAME, PARENT_ID, VAL FROM CHILD ORDER BY NAME"),
        pair.there("SELECT PATH, TAG, COUNT(*) FROM TAGS GROUP BY PATH, TAG ORDER BY PATH, TAG"),
    ]
}

fn brought_over(engine: Engine) {
    let (pair, mapping) = pair(engine, "migrated");
    let dir = tempfile::tempdir().unwrap();
    let manifest = capture(&pair, dir.path());
    pair.there(MIGRATE);
    pair.here(CHANGES);
    // A tag that the migrated database no longer has cannot go.
    pair.here("DELETE FROM TAG WHERE PATH = 1");
    pair.there("DELETE FROM TAGS WHERE PATH = 1");
    let fix = [FIX.to_owned()];
    let report = apply(&pair, &manifest, &mapping, &fix);
    assert_eq!(report.dead_letters, 2, "{report:?}");
    let unused = report
        .tables
        .iter()
        .find(|table| table.name.eq_ignore_ascii_case("unused"))
        .unwrap();
    assert_eq!(unused.left_behind, 1);
    let letters = runtime().block_on(dead_letters(&pair.staging)).unwrap();
    assert_eq!(letters.len(), 2, "{letters:?}");
    let child = letters.iter().find(|letter| letter.act == "store").unwrap();
    assert_eq!(child.key, ["z"]);
    assert!(
        child.row.as_deref().is_some_and(|row| row.contains("\"bad\""))
            && child.reason.to_lowercase().contains("not_bad"),
        "{child:?}"
    );
    let tag = letters.iter().find(|letter| letter.act == "delete").unwrap();
    assert!(tag.reason.contains("2 rows like it were to go"), "{tag:?}");
    let nothing = match engine {
        Engine::MySql => "NULL",
        Engine::Postgres => "",
    };
    let text = |rows: &[&[&str]]| -> String { rows.iter().map(|row| row.join("\t") + "\n").collect() };
    let expected = [
        text(&[
            &["1", "ONE", "0", "kONE"],
            &["3", "three", "0", "kthree"],
            &["10", "ten", "0", "kten"],
            &["12", "two", "0", "ktwo"],
        ]),
        text(&[&["a", "1", "x"], &["d", "10", "w"], &["q'u", nothing, ""]]),
        text(&[&["2", "t", "2"], &["3", "n", "2"]]),
    ];
    assert_eq!(state(&pair), expected);
    let found = compared(&pair, &mapping);
    assert_eq!(found.differences.len(), 1, "{found:?}");
    assert!(
        found.differences[0].contains("4 rows in production, 3 in staging, 1 differ")
            && !found.differences[0].contains("(z)"),
        "{found:?}"
    );
    assert_eq!(
        found
            .dropped
            .iter()
            .map(|name| name.to_uppercase())
            .collect::<Vec<_>>(),
        ["UNUSED"]
    );

    // Again: nothing new, the letters are tried again and stay.
    let again = apply(&pair, &manifest, &mapping, &fix);
    assert_eq!(
        (again.changes, again.dead_letters, again.fixed_rows),
        (4, 2, 0),
        "{again:?}"
    );
    assert_eq!(state(&pair), expected);
    // What was brought over is a base for the next difference; what was in the way is gone.
    pair.here("DELETE FROM PARENT WHERE ID = 10; DELETE FROM CHILD WHERE NAME = 'z'; INSERT INTO TAG VALUES (1,'t'), (1,'t'), (3,'n')");
    let last = apply(&pair, &manifest, &mapping, &fix);
    assert_eq!(last.dead_letters, 0, "{last:?}");
    assert!(
        runtime()
            .block_on(dead_letters(&pair.staging))
            .unwrap()
            .is_empty()
    );
    assert_eq!(state(&pair)[2], text(&[&["2", "t", "2"], &["3", "n", "3"]]));
    // What was taken out of staging by hand is missed, until it is back.
    assert_eq!(compared(&pair, &mapping).differences.len(), 1);
    pair.there("INSERT INTO TAGS VALUES (1,'t'), (1,'t')");
    assert_eq!(compared(&pair, &mapping).differences, [""; 0]);
    // One byte in staging, and one row too many of those that are alike.
    pair.there("UPDATE PARENT SET NAME = 'THREe' WHERE ID = 3; INSERT INTO TAGS VALUES (2,'t')");
    let found = compared(&pair, &mapping);
    assert_eq!(found.differences.len(), 2, "{found:?}");
    let text = found.differences.join("; ");
    assert!(
        text.contains("(3) has other values") && text.contains("another number of times"),
        "{text}"
    );
    pair.there("UPDATE PARENT SET NAME = 'three' WHERE ID = 3");
    assert!(!state(&pair)[0].contains("ten") && !state(&pair)[1].contains('w'));
}

#[test]
fn mariadb_when_migrated_first_then_the_delta_lands_and_what_cannot_is_shown() {
    brought_over(Engine::MySql);
}

#[test]
fn postgres_when_migrated_first_then_the_delta_lands_and_what_cannot_is_shown() {
    brought_over(Engine::Postgres);
}

#[test]
fn column_when_dropped_without_a_word_in_the_mapping_then_refused() {
    let (pair, _) = pair(Engine::MySql, "refused");
    let dir = tempfile::tempdir().unwrap();
    let manifest = capture(&pair, dir.path());
    pair.there(MIGRATE);
    pair.here(CHANGES);
    let error = try_apply(
        &pair,
        &manifest,
        &Mapping::default(),
        &[],
        Arc::new(NoProgress),
        &CancellationToken::new(),
    );
    let text = chain(&error.unwrap_err());
    assert!(
        text.contains("column `CHILD.V`") && text.contains("no such column"),
        "{text}"
    );
}

#[test]
fn manifest_when_a_byte_of_it_flipped_then_refused() {
    let (pair, _) = pair(Engine::MySql, "flipped");
    let dir = tempfile::tempdir().unwrap();
    let manifest = capture(&pair, dir.path());
    assert_eq!(manifest.tables()["TAG"].rows, 3);
    let file = dir.path().join(&manifest.tables()["PARENT"].file);
    let mut bytes = std::fs::read(&file).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&file, bytes).unwrap();
    assert!(matches!(
        Manifest::load(dir.path()),
        Err(DeltaError::Manifest { .. })
    ));
}

#[test]
fn production_when_its_schema_changed_since_the_copy_then_refused_by_name() {
    let (pair, mapping) = pair(Engine::Postgres, "changed");
    let dir = tempfile::tempdir().unwrap();
    let manifest = capture(&pair, dir.path());
    pair.there(MIGRATE);
    pair.here("ALTER TABLE tag ADD COLUMN later int");
    let error = try_apply(
        &pair,
        &manifest,
        &mapping,
        &[],
        Arc::new(NoProgress),
        &CancellationToken::new(),
    );
    let text = chain(&error.unwrap_err());
    assert!(text.contains("table `tag` changed"), "{text}");
}

/// Cancels at the n-th piece of news.
struct At(AtomicU64, CancellationToken);

impl At {
    fn news(&self) {
        if self.0.fetch_sub(1, Ordering::SeqCst) == 1 {
            self.1.cancel();
        }
    }
}

impl SyncProgress for At {
    fn total(&self, _tables: u64, _bytes: u64) {
        self.news();
    }
    fn scanned(&self, _table: &str, _rows: u64, _bytes: u64, _differing_chunks: u64) {
        self.news();
    }
    fn applied(&self, _table: &str, _rows: u64, _bytes: u64) {
        self.news();
    }
    fn done(&self, _table: &str) {
        self.news();
    }
}

fn once_after_kills(engine: Engine) {
    let (pair, mapping) = pair(engine, "killed");
    let dir = tempfile::tempdir().unwrap();
    let manifest = capture(&pair, dir.path());
    pair.there(MIGRATE);
    pair.here(match engine {
        Engine::MySql => "INSERT INTO TAG SELECT seq MOD 50, 'many' FROM seq_1_to_1500; INSERT INTO PARENT (NAME) SELECT CONCAT('p', seq) FROM seq_1_to_900",
        Engine::Postgres => "INSERT INTO tag SELECT i % 500, 'many' FROM generate_series(1, 1500) i; INSERT INTO parent (name) SELECT 'p' || i FROM generate_series(1, 900) i",
    });
    let mut cancelled = 0;
    for n in 1.. {
        let cancel = CancellationToken::new();
        let at = Arc::new(At(AtomicU64::new(n), cancel.clone()));
        match try_apply(&pair, &manifest, &mapping, &[], at, &cancel) {
            Ok(_) => break,
            Err(DeltaError::Cancelled) => cancelled += 1,
            Err(error) => panic!("{}", chain(&error)),
        }
    }
    assert!(cancelled > 5, "{cancelled}");
    let counts = |tags: &str| {
        format!("SELECT (SELECT COUNT(*) FROM {tags} WHERE TAG = 'many'), (SELECT COUNT(*) FROM PARENT)")
    };
    assert_eq!(pair.here(&counts("TAG")), pair.there(&counts("TAGS")));
}

#[test]
fn mariadb_when_the_delta_is_cancelled_anywhere_then_every_row_lands_once() {
    once_after_kills(Engine::MySql);
}

#[test]
fn postgres_when_the_delta_is_cancelled_anywhere_then_every_row_lands_once() {
    once_after_kills(Engine::Postgres);
}

/// Tenants, users, roles and permissions of a user store of Carbon 4.1, and what arrives while its copy is migrated.
const STORE: &str = "
INSERT INTO UM_TENANT (UM_ID, UM_DOMAIN_NAME, UM_ACTIVE, UM_CREATED_DATE) VALUES (1, 'a.com', TRUE, '2014-01-01 00:00:00'), (2, 'b.com', TRUE, '2014-01-01 00:00:00'), (3, 'gone.com', TRUE, '2014-01-01 00:00:00');
INSERT INTO UM_USER (UM_ID, UM_USER_NAME, UM_USER_PASSWORD, UM_CHANGED_TIME, UM_TENANT_ID) VALUES (1, 'admin', 'x', '2014-01-01 00:00:00', -1234), (2, 'bob', 'x', '2014-01-01 00:00:00', 1);
INSERT INTO UM_ROLE (UM_ID, UM_ROLE_NAME, UM_TENANT_ID) VALUES (1, 'admin', -1234), (2, 'staff', 1);
INSERT INTO UM_USER_ROLE (UM_ID, UM_ROLE_ID, UM_USER_ID, UM_TENANT_ID) VALUES (1, 1, 1, -1234), (2, 2, 2, 1);
INSERT INTO UM_PERMISSION (UM_ID, UM_RESOURCE_ID, UM_ACTION, UM_TENANT_ID) VALUES (1, '/permission', 'ui.execute', -1234), (2, '/permission', 'ui.execute', 1);
INSERT INTO UM_ROLE_PERMISSION (UM_ID, UM_PERMISSION_ID, UM_ROLE_NAME, UM_IS_ALLOWED, UM_TENANT_ID) VALUES
  (1, 1, 'admin', 1, -1234), (2, 1, 'everyone', 1, -1234), (3, 1, 'wso2.anonymous.role', 0, -1234), (4, 2, 'staff', 1, 1);
";
const ARRIVES: &str = "
INSERT INTO UM_TENANT (UM_ID, UM_DOMAIN_NAME, UM_ACTIVE, UM_CREATED_DATE) VALUES (4, 'new.com', TRUE, '2014-02-01 00:00:00');
DELETE FROM UM_TENANT WHERE UM_ID = 3;
INSERT INTO UM_USER (UM_ID, UM_USER_NAME, UM_USER_PASSWORD, UM_CHANGED_TIME, UM_TENANT_ID) VALUES (3, 'eve', 'y', '2014-02-01 00:00:00', 4);
UPDATE UM_USER SET UM_USER_PASSWORD = 'changed', UM_CHANGED_TIME = '2014-02-02 00:00:00' WHERE UM_ID = 2;
INSERT INTO UM_ROLE (UM_ID, UM_ROLE_NAME, UM_TENANT_ID) VALUES (3, 'boss', 4);
INSERT INTO UM_USER_ROLE (UM_ID, UM_ROLE_ID, UM_USER_ID, UM_TENANT_ID) VALUES (3, 3, 3, 4);
INSERT INTO UM_PERMISSION (UM_ID, UM_RESOURCE_ID, UM_ACTION, UM_TENANT_ID) VALUES (3, '/permission', 'ui.execute', 4);
INSERT INTO UM_ROLE_PERMISSION (UM_ID, UM_PERMISSION_ID, UM_ROLE_NAME, UM_IS_ALLOWED, UM_TENANT_ID) VALUES (5, 3, 'boss', 1, 4), (6, 3, 'everyone', 1, 4), (7, 3, 'wso2.anonymous.role', 1, 4);
UPDATE UM_ROLE_PERMISSION SET UM_ROLE_NAME = 'everyone' WHERE UM_ID = 4; DELETE FROM UM_ROLE_PERMISSION WHERE UM_ID = 3;
INSERT INTO REG_TAG (REG_ID, REG_TAG_NAME, REG_USER_ID, REG_TAGGED_TIME, REG_TENANT_ID) VALUES (1, 't', 'admin', '2014-02-01 00:00:00', 0);
INSERT INTO REG_RESOURCE_TAG (REG_TAG_ID, REG_VERSION, REG_TENANT_ID) VALUES (1, 1, 0), (1, 1, 0);
";

fn corpus() -> Option<PathBuf> {
    let path = std::env::var_os("CUTOVER_CORPUS")
        .map(PathBuf::from)
        .filter(|path| path.is_dir());
    if path.is_none() {
        println!("SKIPPED: CUTOVER_CORPUS does not name the folder of Carbon's own scripts");
    }
    path
}

/// A staging that was migrated first and given the delta, against one that was copied at the end and migrated then.
fn carbon(engine: Engine, schema: &Path, script: &Path) {
    let setup = std::fs::read_to_string(schema).unwrap();
    let mut tables: BTreeSet<String> = BTreeSet::new();
    let (server, other) = match engine {
        Engine::MySql => (Pair::maria("carbon", &format!("{setup};\n{STORE}")), "carbon_end"),
        Engine::Postgres => (
            Pair::postgres("carbon", &format!("{setup};\n{STORE}")),
            "carbon_end",
        ),
    };
    let migrate = |database: &str| match engine {
        Engine::MySql => maria().1.load_file(database, script).unwrap(),
        Engine::Postgres => postgres().1.load_file(database, script).unwrap(),
    };
    let dir = tempfile::tempdir().unwrap();
    let manifest = capture(&server, dir.path());
    migrate(&server.staging.database);
    server.here(ARRIVES);
    let fix_ups = fix_ups("carbon-4.2-user-store", engine).unwrap().unwrap();
    for _ in 0..2 {
        let report = apply(&server, &manifest, &fix_ups.mapping, &fix_ups.statements);
        assert_eq!(report.dead_letters, 0, "{report:?}");
        tables.extend(report.tables.into_iter().map(|table| table.name));
    }
    let compared = compared(&server, &fix_ups.mapping);
    assert_eq!(compared.differences, [""; 0]);
    assert!(compared.tables.len() >= 30, "{:?}", compared.tables);
    assert!(tables.len() >= 6, "{tables:?}");
    let dialect = match engine {
        Engine::MySql => Dialect::MySql,
        Engine::Postgres => Dialect::Postgres,
    };
    let statements = split(&std::fs::read_to_string(script).unwrap(), dialect)
        .unwrap()
        .statements;
    assert!(
        delta_allowed(&statements, &tables, None).is_err(),
        "this script needs its fix-ups"
    );
    let all: BTreeSet<String> = compared.tables.keys().map(|name| name.to_uppercase()).collect();
    assert_eq!(delta_allowed(&statements, &all, Some(&fix_ups)), Ok(()));

    let end = crate::support::unique(other);
    match engine {
        Engine::MySql => maria().1.create_database(&end).unwrap(),
        Engine::Postgres => postgres().1.create_database(&end).unwrap(),
    }
    let expected = Pair {
        production: server.production.clone(),
        staging: server.staging.with_database(&end),
    };
    expected.copy();
    migrate(&end);
    // Numbers of domains depend on the order in which they were made: documented, and compared by name.
    let list = match engine {
        Engine::MySql => {
            "SELECT TABLE_NAME FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME NOT LIKE 'cutover%' ORDER BY 1"
        }
        Engine::Postgres => {
            "SELECT table_name FROM information_schema.tables WHERE table_schema = 'public' AND table_name NOT LIKE 'cutover%' ORDER BY 1"
        }
    };
    let names = expected.there(list);
    assert_eq!(names, server.there(list));
    let mut compared = 0;
    for name in names.lines() {
        let sql = match name.to_uppercase().as_str() {
            "UM_DOMAIN" => "SELECT UM_DOMAIN_NAME, UM_TENANT_ID FROM UM_DOMAIN ORDER BY 1, 2".to_owned(),
            "UM_ROLE_PERMISSION" => "SELECT P.UM_ID, P.UM_PERMISSION_ID, P.UM_ROLE_NAME, P.UM_IS_ALLOWED, P.UM_TENANT_ID, D.UM_DOMAIN_NAME FROM UM_ROLE_PERMISSION P LEFT JOIN UM_DOMAIN D ON D.UM_DOMAIN_ID = P.UM_DOMAIN_ID AND D.UM_TENANT_ID = P.UM_TENANT_ID ORDER BY 1".to_owned(),
            _ => format!("SELECT * FROM {name} ORDER BY 1, 2"),
        };
        let (got, wanted) = (server.there(&sql), expected.there(&sql));
        assert_eq!(got, wanted, "{name}");
        compared += wanted.lines().count();
    }
    assert!(compared > 20, "{compared} rows");
}

#[test]
fn carbon_user_store_on_mariadb_when_migrated_first_then_as_if_migrated_at_the_end() {
    let Some(corpus) = corpus() else { return };
    carbon(
        Engine::MySql,
        &corpus.join("carbon-4.1.0/dbscripts/mysql.sql"),
        &corpus.join("migration/4.1.0-4.2.0/mysql/migration.sql"),
    );
}

#[test]
fn carbon_user_store_on_postgres_when_migrated_first_then_as_if_migrated_at_the_end() {
    let Some(corpus) = corpus() else { return };
    let script = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../guides/scripts/carbon-4.1-to-4.2-user-store.postgres.sql"
    );
    carbon(
        Engine::Postgres,
        &corpus.join("carbon-4.1.0/dbscripts/postgresql.sql"),
        Path::new(script),
    );
}
