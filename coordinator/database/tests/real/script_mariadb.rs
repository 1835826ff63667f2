use cutover_database::script::{Decision, ScriptErrorKind};
use cutover_database::{JournalState, forget_journal, run_script};
use cutover_sqlscript::{Dialect, Script, split};
use cutover_testdb::MariaDb;

use crate::support::{Server, Sink, options};

const BASE: &str = "CREATE TABLE TENANT (ID INT PRIMARY KEY, N INT) ENGINE=InnoDB;
INSERT INTO TENANT VALUES (1, 10), (2, 20);
CREATE TABLE CLAIM (A INT, B INT, UNIQUE KEY claim_key (A)) ENGINE=InnoDB;
CREATE TABLE GONE (I INT);";

pub(crate) const MIGRATION: &str = "SET @marker = '\u{e4}1', @five = 5;
CREATE TABLE D (ID INT AUTO_INCREMENT PRIMARY KEY, NAME VARCHAR(20), T INT) ENGINE=InnoDB;
CREATE TABLE CHILD (D_ID INT) ENGINE=InnoDB;
INSERT INTO D (NAME, T) VALUES ('PRIMARY', -1234);
INSERT INTO CHILD VALUES (LAST_INSERT_ID());
INSERT INTO D (NAME, T) SELECT @marker, ID FROM TENANT;
SELECT DATABASE() INTO @db;
select CONSTRAINT_NAME INTO @myvar from INFORMATION_SCHEMA.TABLE_CONSTRAINTS
 where TABLE_NAME = 'CLAIM' and CONSTRAINT_TYPE = 'UNIQUE' and TABLE_SCHEMA = @db;
SET @STMT = CONCAT(' ALTER TABLE CLAIM DROP INDEX ', @myvar);
PREPARE STMT2 FROM @STMT;
EXECUTE STMT2;
ALTER TABLE CLAIM ADD CONSTRAINT UNIQUE wide (A, B);
SET @STMT = 'INSERT INTO D (NAME, T) VALUES (''executed'', 7)';
PREPARE STMT3 FROM @STMT;
EXECUTE STMT3;
UPDATE TENANT SET N = N + @five;
START TRANSACTION;
UPDATE TENANT SET N = N * 2;
INSERT INTO D (NAME, T) VALUES ('in transaction', 8);
COMMIT;
BEGIN;
UPDATE TENANT SET N = 0;
ROLLBACK;
SET SESSION sql_mode = 'ANSI_QUOTES';
INSERT INTO D (\"NAME\", T) VALUES ('quoted', 9);
DROP TABLE IF EXISTS GONE;
CREATE PROCEDURE ADD_ONE() BEGIN INSERT INTO D (NAME, T) VALUES ('procedure', 1); UPDATE TENANT SET N = N + 1; END;
INSERT INTO D (NAME, T) SELECT CONCAT('n', @five + 1), CHARSET(@marker) = 'utf8mb4';
";

fn script(text: &str) -> Script {
    split(text, Dialect::MySql).unwrap()
}

/// Rows and definitions; generated ids are followed, not compared: a rolled back INSERT leaves a gap.
pub(crate) fn state(server: &MariaDb, database: &str) -> String {
    [
        "SELECT NAME, T FROM D ORDER BY NAME, T",
        "SELECT NAME FROM D JOIN CHILD ON D.ID = CHILD.D_ID",
        "SELECT * FROM TENANT ORDER BY ID",
        "SHOW CREATE TABLE CLAIM",
        "SHOW TABLES",
        "SELECT ROUTINE_NAME, ROUTINE_DEFINITION FROM information_schema.ROUTINES WHERE ROUTINE_SCHEMA = DATABASE()",
    ]
    .map(|sql| server.run(database, sql))
    .join("\n--\n")
}

pub(crate) fn prepare(server: &MariaDb, database: &str) {
    server.run(
        "",
        &format!("DROP DATABASE IF EXISTS {database}; CREATE DATABASE {database}"),
    );
    server.run(database, BASE);
}

#[tokio::test]
async fn script_when_killed_at_every_point_then_the_same_rows_and_definitions() {
    let server = MariaDb::start().unwrap();
    let script = script(MIGRATION);
    prepare(&server, "carbon");
    let target = server.target("carbon");
    let sink = Sink::default();
    let report = run_script(&target, &script, &options(&sink)).await.unwrap();
    assert_eq!(report.statements, script.statements.len());
    assert_eq!(
        (report.executed, report.resumed_at),
        (script.statements.len(), None)
    );
    let expected = state(&server, "carbon");
    assert!(
        expected.contains("executed\t7") && expected.contains("wide"),
        "{expected}"
    );
    assert!(
        expected.contains("n6\t1"),
        "variables keep their type and character set: {expected}"
    );
    let points = sink.calls();
    assert!(points >= 3 * script.statements.len());

    for point in 0..points {
        prepare(&server, "carbon");
        let first = run_script(&target, &script, &options(&Sink::failing_at(point)))
            .await
            .unwrap_err();
        assert_eq!(first.kind, ScriptErrorKind::Sink, "{first}");
        // Killed again, a little further on.
        let second = run_script(&target, &script, &options(&Sink::failing_at(point % 5))).await;
        if let Err(second) = second {
            assert_eq!(second.kind, ScriptErrorKind::Sink, "{second}");
            assert!(second.done >= first.done);
        }
        let last = run_script(&target, &script, &options(&Sink::default())).await;
        last.unwrap_or_else(|error| panic!("point {point}: {error} {error:?}"));
        assert_eq!(state(&server, "carbon"), expected, "killed at point {point}");
    }
    let again = run_script(&target, &script, &options(&Sink::default()))
        .await
        .unwrap();
    assert_eq!(
        (again.executed, again.resumed_at),
        (0, Some(script.statements.len()))
    );
    assert_eq!(state(&server, "carbon"), expected);
    forget_journal(&target).await.unwrap();
    assert!(!server.run("carbon", "SHOW TABLES").contains("cutover_journal"));
}

#[tokio::test]
async fn script_when_a_statement_fails_then_named_and_the_cause_can_be_repaired() {
    let server = MariaDb::start().unwrap();
    prepare(&server, "carbon");
    let target = server.target("carbon");
    let text = "CREATE TABLE a (i INT) ENGINE=InnoDB;\nINSERT INTO a VALUES (1);\nINSERT INTO a VALUES (2);\n\
                INSERT INTO a VALUES (3);\nUPDATE a SET i = i + 1;\nSELECT 1;\n  INSERT INTO missing VALUES (1);\n\
                ALTER TABLE lost ADD b INT;\nDROP TABLE IF EXISTS never;\n";
    let script = script(text);
    let error = run_script(&target, &script, &options(&Sink::default()))
        .await
        .unwrap_err();
    let at = error.at.as_ref().unwrap();
    assert_eq!((at.index, at.line, at.column), (6, 7, 3));
    assert_eq!(
        (error.kind, error.code.as_deref(), error.done),
        (ScriptErrorKind::Statement, Some("1146"), 6)
    );
    assert!(
        error
            .to_string()
            .contains("statement 7 (line 7, column 3: `INSERT INTO missing VALUES (1)`)"),
        "{error}"
    );

    server.run("carbon", "CREATE TABLE missing (i INT) ENGINE=InnoDB");
    let error = run_script(&target, &script, &options(&Sink::default()))
        .await
        .unwrap_err();
    assert_eq!((error.at.as_ref().unwrap().index, error.done), (7, 7), "{error}");
    // Repaired by hand: the changed definitions must not pass for the statement's own effect.
    server.run("carbon", "CREATE TABLE lost (i INT) ENGINE=InnoDB");
    let sink = Sink::default();
    let report = run_script(&target, &script, &options(&sink)).await.unwrap();
    assert_eq!((report.executed, report.resumed_at), (2, Some(7)));
    assert_eq!(report.warnings.len(), 1, "{:?}", report.warnings);
    assert!(report.warnings[0].text.contains("1051"), "{:?}", report.warnings);
    assert_eq!(server.run("carbon", "SELECT SUM(i) FROM a").trim(), "9");
    assert!(server.run("carbon", "SHOW CREATE TABLE lost").contains("`b`"));
    let last = sink.records.lock().unwrap().last().cloned().unwrap();
    assert_eq!((last.state, last.index), (JournalState::Done, 8));
}

#[tokio::test]
async fn script_when_somebody_is_connected_then_nothing_runs() {
    let server = MariaDb::start().unwrap();
    prepare(&server, "carbon");
    let target = server.target("carbon");
    let _carbon = target.mysql().await.unwrap();
    let error = run_script(&target, &script(MIGRATION), &options(&Sink::default()))
        .await
        .unwrap_err();
    assert_eq!(error.kind, ScriptErrorKind::NotAlone);
    assert!(
        error.to_string().contains("127.0.0.1:") || error.to_string().contains("localhost:"),
        "{error}"
    );
    assert!(!server.run("carbon", "SHOW TABLES").contains("cutover_journal"));
}

#[tokio::test]
async fn script_when_changed_after_a_part_ran_then_refused() {
    let server = MariaDb::start().unwrap();
    prepare(&server, "carbon");
    let target = server.target("carbon");
    run_script(&target, &script(MIGRATION), &options(&Sink::failing_at(20)))
        .await
        .unwrap_err();
    let changed = script(&format!("{MIGRATION}SELECT 1;"));
    let error = run_script(&target, &changed, &options(&Sink::default()))
        .await
        .unwrap_err();
    assert_eq!(error.kind, ScriptErrorKind::HistoryChanged, "{error}");
}

#[tokio::test]
async fn script_when_cancelled_then_stops_between_statements_and_resumes() {
    let server = MariaDb::start().unwrap();
    prepare(&server, "carbon");
    let target = server.target("carbon");
    let sink = Sink::default();
    let cancelled = options(&sink);
    cancelled.cancel.cancel();
    let error = run_script(&target, &script(MIGRATION), &cancelled)
        .await
        .unwrap_err();
    assert_eq!((error.kind, error.done), (ScriptErrorKind::Cancelled, 0));
    run_script(&target, &script(MIGRATION), &options(&Sink::default()))
        .await
        .unwrap();
}

#[tokio::test]
async fn script_when_a_procedure_was_interrupted_then_asked_and_not_guessed() {
    let server = MariaDb::start().unwrap();
    prepare(&server, "carbon");
    server.run(
        "carbon",
        "DELIMITER //\nCREATE PROCEDURE TWO() BEGIN CREATE TABLE x (i INT); INSERT INTO x VALUES (1); END//\n",
    );
    let target = server.target("carbon");
    let calls = script("CALL TWO();\nINSERT INTO x VALUES (2);");
    // Intent, then applied: killed before the entry is written.
    run_script(&target, &calls, &options(&Sink::failing_at(1)))
        .await
        .unwrap_err();
    let error = run_script(&target, &calls, &options(&Sink::default()))
        .await
        .unwrap_err();
    assert_eq!(error.kind, ScriptErrorKind::Uncertain, "{error}");
    let sink = Sink::default();
    let mut decided = options(&sink);
    decided.decisions.insert(0, Decision::Applied);
    run_script(&target, &calls, &decided).await.unwrap();
    assert!(server.run("carbon", "SELECT i FROM x").contains('2'));
}

#[tokio::test]
async fn script_when_it_cannot_be_journaled_then_refused_before_the_first_statement() {
    let server = MariaDb::start().unwrap();
    prepare(&server, "carbon");
    for text in [
        "DELETE FROM TENANT; USE mysql;",
        "DELETE FROM TENANT; SELECT ROW_COUNT();",
    ] {
        let error = run_script(
            &server.target("carbon"),
            &script(text),
            &options(&Sink::default()),
        )
        .await
        .unwrap_err();
        assert_eq!(error.kind, ScriptErrorKind::Unsupported, "{error}");
        assert_eq!(server.run("carbon", "SELECT COUNT(*) FROM TENANT").trim(), "2");
    }
}

#[tokio::test]
async fn script_when_a_temporary_table_was_lost_then_not_resumed() {
    let server = MariaDb::start().unwrap();
    prepare(&server, "carbon");
    let target = server.target("carbon");
    let temporary = script("CREATE TEMPORARY TABLE x (i INT);\nINSERT INTO x VALUES (2);\nSELECT 1;");
    run_script(&target, &temporary, &options(&Sink::failing_at(4)))
        .await
        .unwrap_err();
    let error = run_script(&target, &temporary, &options(&Sink::default()))
        .await
        .unwrap_err();
    assert_eq!(error.kind, ScriptErrorKind::SessionLost, "{error}");
}

#[tokio::test]
async fn script_when_the_connection_goes_in_the_middle_of_a_statement_then_its_rows_are_there_once() {
    let server = MariaDb::start().unwrap();
    prepare(&server, "carbon");
    let target = server.target("carbon");
    let slow =
        script("INSERT INTO TENANT SELECT 3, SLEEP(5);\nALTER TABLE TENANT ADD COLUMN X INT;\nSELECT 1;");
    let sink = Sink::default();
    let options_of_killed = options(&sink);
    let killed = run_script(&target, &slow, &options_of_killed);
    let waited = async {
        // Until the server is in the statement, as its own session list says.
        while !server.run("", "SHOW FULL PROCESSLIST").contains("SLEEP(5)") {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        ended = killed => panic!("it must still run: {ended:?}"),
        () = waited => {}
    }
    let report = run_script(&target, &slow, &options(&Sink::default()))
        .await
        .unwrap();
    assert_eq!(report.resumed_at.unwrap_or_default(), 0);
    assert_eq!(
        server
            .run("carbon", "SELECT COUNT(*) FROM TENANT WHERE ID = 3 AND X IS NULL")
            .trim(),
        "1"
    );
}
