//! Large tables of one MariaDB server copied as files, and what happens to those whose file does not fit.

use std::fs;
use std::path::PathBuf;
use std::sync::OnceLock;

use cutover_copy::tablespaces::{Export, export, exportable};
use cutover_copy::{CopyOptions, CopyReport};
use cutover_database::{OwnSessions, Target};
use cutover_testdb::MariaDb;

use crate::support::{assert_equal, chain, maria, maria_target, run_copy, runtime, unique};

const TABLES: &str = "
CREATE TABLE users (id INT PRIMARY KEY AUTO_INCREMENT, name VARCHAR(200) NOT NULL, UNIQUE KEY name (name)) AUTO_INCREMENT=900000;
INSERT INTO users (name) SELECT CONCAT(REPEAT('n', 150), seq) FROM seq_1_to_20000;
CREATE TABLE content (id INT PRIMARY KEY, user INT, data LONGBLOB, KEY user (user), CONSTRAINT of_user FOREIGN KEY (user) REFERENCES users (id));
INSERT INTO content SELECT seq, 899999 + seq, REPEAT(CHAR(seq MOD 256), 9000) FROM seq_1_to_1000;
UPDATE content SET data = NULL WHERE id > 900; DELETE FROM content WHERE id = 7;
CREATE TABLE `odd-name` LIKE content; INSERT INTO `odd-name` SELECT * FROM content;
CREATE TABLE text_index (id INT PRIMARY KEY, t LONGTEXT, FULLTEXT KEY t (t)); INSERT INTO text_index SELECT seq, REPEAT('word ', 2000) FROM seq_1_to_300;
CREATE TABLE small (id INT PRIMARY KEY); INSERT INTO small VALUES (1), (2);
CREATE TABLE counted (n INT); CREATE TRIGGER t AFTER INSERT ON content FOR EACH ROW INSERT INTO counted VALUES (1);
CREATE VIEW v AS SELECT id FROM users;
ANALYZE TABLE users, content, `odd-name`, text_index, small";

/// One for all: the connection that holds a lock belongs to the runtime that opened it.
fn driver() -> &'static tokio::runtime::Runtime {
    static DRIVER: OnceLock<tokio::runtime::Runtime> = OnceLock::new();
    DRIVER.get_or_init(runtime)
}

/// Production and an empty staging on one server.
fn pair() -> (&'static MariaDb, Target, Target) {
    let server = &maria().0;
    let (from, to) = (unique("files"), unique("files"));
    server.create_database(&from).unwrap();
    server.create_database(&to).unwrap();
    server.sql(&from, TABLES).unwrap();
    let (from, to) = (maria_target(server, &from), maria_target(server, &to));
    (server, from, to)
}

fn folder(server: &MariaDb, target: &Target) -> PathBuf {
    server.data_dir().join(&target.database)
}

/// What the agent on the database host does.
fn copy_files(server: &MariaDb, from: &Target, to: &Target, table: &str) {
    for kind in ["cfg", "ibd"] {
        let name = format!("{table}.{kind}");
        let to = folder(server, to).join(&name);
        fs::copy(folder(server, from).join(&name), &to).unwrap();
        let owner = fs::metadata(folder(server, from).join(format!("{table}.ibd"))).unwrap();
        use std::os::unix::fs::MetadataExt as _;
        std::os::unix::fs::chown(&to, Some(owner.uid()), Some(owner.gid())).unwrap();
    }
}

fn begun(from: &Target, to: &Target, wanted: &[&str]) -> Export {
    let wanted: Vec<String> = wanted.iter().map(|&name| name.to_owned()).collect();
    driver()
        .block_on(export(
            from,
            to,
            &wanted,
            &CopyOptions::default(),
            &OwnSessions::new(),
        ))
        .unwrap()
}

fn rest(from: &Target, to: &Target) -> CopyReport {
    let options = CopyOptions {
        resume: true,
        ..CopyOptions::default()
    };
    run_copy(from, to, &options).unwrap()
}

#[test]
fn tables_when_worthwhile_and_possible_then_exportable() {
    let (server, from, to) = pair();
    let found = driver()
        .block_on(exportable(&from, &to, &CopyOptions::default()))
        .unwrap();
    assert_eq!(found.tables, ["content", "users"], "{found:?}");
    assert_eq!(
        (found.from.as_str(), found.to.as_str()),
        (from.database.as_str(), to.database.as_str())
    );
    assert_eq!(PathBuf::from(&found.data_dir), server.data_dir());
    assert!(found.bytes > 4 << 20, "{found:?}");
}

#[test]
fn tables_when_their_files_are_copied_then_equal_and_not_copied_by_rows() {
    let (server, from, to) = pair();
    let export = begun(&from, &to, &["content", "users", "small", "text_index", "gone"]);
    assert_eq!(export.tables().collect::<Vec<_>>(), ["content", "users"]);
    // Nobody can write to them meanwhile.
    let write = server.sql(
        &from.database,
        "SET lock_wait_timeout=1; DELETE FROM users WHERE id = 900001",
    );
    assert!(write.is_err(), "production's table is not locked");
    for table in ["content", "users"] {
        copy_files(server, &from, &to, table);
    }
    let (taken, notes) = driver().block_on(export.import(&to)).unwrap();
    assert_eq!((taken.len(), notes.len()), (2, 0), "{notes:?}");
    let report = rest(&from, &to);
    assert_eq!(report.kept, 2, "{report:?}");
    assert_equal(&from, &to);
    let sql =
        "INSERT INTO users (name) VALUES ('new'); SELECT MAX(id) FROM users; SELECT COUNT(*) FROM counted";
    let next = server
        .sql(&from.database, "SELECT MAX(id) + 1 FROM users")
        .unwrap();
    let seen = server.sql(&to.database, sql).unwrap();
    assert!(seen.ends_with("\n0\n"), "a trigger acted on copied rows: {seen}");
    assert!(seen.trim().parse::<u64>().is_err() && !next.is_empty(), "{seen}");
    // Foreign keys came back.
    let orphan = server.sql(&to.database, "INSERT INTO content VALUES (5000, 1, NULL)");
    assert!(orphan.is_err());
    server.sql("", &format!("DROP DATABASE {}", to.database)).unwrap();
    assert!(!folder(server, &to).exists());
}

#[test]
fn tables_when_a_file_is_missing_or_broken_then_copied_by_rows() {
    let (server, from, to) = pair();
    let export = begun(&from, &to, &["content", "users"]);
    copy_files(server, &from, &to, "content");
    let broken = folder(server, &to).join("content.ibd");
    let file = fs::OpenOptions::new().write(true).open(&broken).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&file, &[7; 40], 5 * 16384 + 4000).unwrap();
    drop(file);
    let (taken, notes) = driver().block_on(export.import(&to)).unwrap();
    assert!(taken.is_empty(), "{taken:?}");
    assert_eq!(notes.len(), 2, "{notes:?}");
    assert!(
        notes.iter().all(|note| note.contains("copied by rows")),
        "{notes:?}"
    );
    assert_eq!(rest(&from, &to).kept, 0);
    assert_equal(&from, &to);
}

#[test]
fn tables_when_the_lock_is_lost_then_copied_by_rows() {
    let (server, from, to) = pair();
    let export = begun(&from, &to, &["content", "users"]);
    for table in ["content", "users"] {
        copy_files(server, &from, &to, table);
    }
    let find = format!(
        "SELECT ID FROM information_schema.PROCESSLIST WHERE DB = '{}' AND COMMAND = 'Sleep'",
        from.database
    );
    for id in server.sql("", &find).unwrap().lines() {
        // One that has ended meanwhile is no error.
        server.sql("", &format!("KILL {id}")).ok();
    }
    let (taken, notes) = driver().block_on(export.import(&to)).unwrap();
    assert!(
        taken.is_empty() && notes[0].contains("lock on its rows was lost"),
        "{notes:?}"
    );
    assert_eq!(rest(&from, &to).kept, 0);
    assert_equal(&from, &to);
}

#[test]
fn tables_when_the_export_is_given_up_then_the_copy_begins_anew_and_nothing_is_locked() {
    let (server, from, to) = pair();
    let export = begun(&from, &to, &["content", "users"]);
    copy_files(server, &from, &to, "users");
    drop(export);
    // The server notices the end of the session in its own time.
    let unlocked = (0..50).any(|_| {
        let write = server.sql(
            &from.database,
            "SET lock_wait_timeout=1; DELETE FROM content WHERE id = 900",
        );
        write.is_ok()
    });
    assert!(unlocked, "production is still locked");
    assert_eq!(rest(&from, &to).kept, 0);
    assert_equal(&from, &to);
}

#[test]
fn export_when_staging_is_not_empty_then_refused_and_nothing_is_locked() {
    let (server, from, to) = pair();
    server.sql(&to.database, "CREATE TABLE users (x INT)").unwrap();
    let wanted = ["users".to_owned()];
    let error = driver()
        .block_on(export(
            &from,
            &to,
            &wanted,
            &CopyOptions::default(),
            &OwnSessions::new(),
        ))
        .unwrap_err();
    assert!(chain(&error).contains("users"), "{}", chain(&error));
    server
        .sql(&from.database, "DELETE FROM content WHERE id = 900")
        .unwrap();
}

#[test]
fn tables_when_they_can_not_be_locked_then_told_and_copied_by_rows() {
    let (server, from, to) = pair();
    let user = unique("reader");
    server
        .create_user(
            &user,
            "pw",
            &[
                "RELOAD ON *.*",
                &format!("SELECT, SHOW VIEW, TRIGGER ON {}.*", from.database),
            ],
        )
        .unwrap();
    let reader = Target {
        user,
        password: secrecy::SecretString::from("pw"),
        ..from.clone()
    };
    let export = begun(&reader, &to, &["content", "users"]);
    assert_eq!(export.tables().count(), 0);
    assert!(
        export.refused().unwrap().contains("denied"),
        "{:?}",
        export.refused()
    );
    driver().block_on(export.import(&to)).unwrap();
    assert_eq!(rest(&reader, &to).kept, 0);
    assert_equal(&from, &to);
}

#[test]
fn tables_when_the_server_writes_a_binary_log_then_none_and_told_why() {
    let server = MariaDb::start_with(&["--log-bin"]).unwrap();
    server.create_database("live").unwrap();
    server.create_database("staging").unwrap();
    server.sql("live", TABLES).unwrap();
    let (from, to) = (maria_target(&server, "live"), maria_target(&server, "staging"));
    let found = driver()
        .block_on(exportable(&from, &to, &CopyOptions::default()))
        .unwrap();
    assert!(found.tables.is_empty());
    assert!(found.obstacle.unwrap().contains("binary log"));
}
