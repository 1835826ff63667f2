use cutover_database::script::ScriptErrorKind;
use cutover_database::{JournalState, forget_journal, run_script};
use cutover_sqlscript::{Dialect, Script, split};
use cutover_testdb::Postgres;

use crate::support::{Server, Sink, options};

const BASE: &str =
    "CREATE TABLE tenant (id INT PRIMARY KEY, n INT); INSERT INTO tenant VALUES (1, 10), (2, 20);";

pub(crate) const MIGRATION: &str = "BEGIN;
CREATE TABLE d (id SERIAL PRIMARY KEY, name VARCHAR(20), t INT);
INSERT INTO d (name, t) VALUES ('PRIMARY', -1234);
INSERT INTO d (name, t) SELECT 'SYSTEM', id FROM tenant;
ALTER TABLE tenant ADD COLUMN domain_id INT;
UPDATE tenant SET n = n + 1, domain_id = (SELECT min(id) FROM d);
CREATE FUNCTION f() RETURNS INT LANGUAGE plpgsql AS $$ BEGIN RETURN 1; END; $$;
SET search_path = pg_catalog;
UPDATE public.tenant SET n = n * 2;
COMMIT;
";

fn script(text: &str) -> Script {
    split(text, Dialect::Postgres).unwrap()
}

pub(crate) fn state(server: &Postgres) -> String {
    [
        "SELECT name, t FROM d ORDER BY id",
        "SELECT n, domain_id IS NULL FROM tenant ORDER BY id",
        "SELECT f()",
    ]
    .map(|sql| server.run("carbon", sql))
    .join("\n--\n")
}

pub(crate) fn prepare(server: &Postgres) {
    server.run("", "DROP DATABASE IF EXISTS carbon");
    server.create_database("carbon").unwrap();
    server.run("carbon", BASE);
}

#[tokio::test]
async fn script_when_killed_at_every_point_then_entirely_or_not_at_all() {
    let server = Postgres::start().unwrap();
    let script = script(MIGRATION);
    prepare(&server);
    let target = server.target("carbon");
    let sink = Sink::default();
    let report = run_script(&target, &script, &options(&sink)).await.unwrap();
    assert_eq!(
        report.executed,
        script.statements.len() - 2,
        "its BEGIN and COMMIT are not sent"
    );
    let expected = state(&server);
    let skipped = |record: &&cutover_database::JournalRecord| record.state == JournalState::Skipped;
    assert_eq!(sink.records.lock().unwrap().iter().filter(skipped).count(), 2);

    for point in 0..sink.calls() {
        prepare(&server);
        run_script(&target, &script, &options(&Sink::failing_at(point)))
            .await
            .unwrap_err();
        let second = run_script(&target, &script, &options(&Sink::failing_at(point % 3))).await;
        if second.is_err() && server.run("carbon", "SELECT to_regclass('d') IS NULL").trim() == "t" {
            assert_eq!(
                server.run("carbon", "SELECT sum(n) FROM tenant").trim(),
                "30",
                "nothing is left of it"
            );
        }
        run_script(&target, &script, &options(&Sink::default()))
            .await
            .unwrap();
        assert_eq!(state(&server), expected, "killed at point {point}");
    }
    let again = run_script(&target, &script, &options(&Sink::default()))
        .await
        .unwrap();
    assert_eq!(
        (again.executed, again.resumed_at),
        (0, Some(script.statements.len()))
    );
    forget_journal(&target).await.unwrap();
    assert_eq!(
        server
            .run("carbon", "SELECT to_regclass('cutover_journal') IS NULL")
            .trim(),
        "t"
    );
}

#[tokio::test]
async fn script_when_statement_seven_fails_then_named_and_nothing_changed() {
    let server = Postgres::start().unwrap();
    prepare(&server);
    let text = "CREATE TABLE a (i INT);\nSELECT 1;\nSELECT 2;\nSELECT 3;\nSELECT 4;\nSELECT 5;\n \
                INSERT INTO missing VALUES (1);\n";
    let error = run_script(
        &server.target("carbon"),
        &script(text),
        &options(&Sink::default()),
    )
    .await
    .unwrap_err();
    let at = error.at.as_ref().unwrap();
    assert_eq!((at.index, at.line, at.column), (6, 7, 2));
    assert_eq!(
        (error.kind, error.code.as_deref(), error.done),
        (ScriptErrorKind::Statement, Some("42P01"), 0)
    );
    assert_eq!(
        server.run("carbon", "SELECT to_regclass('a') IS NULL").trim(),
        "t"
    );
}

#[tokio::test]
async fn script_when_it_would_leave_the_transaction_then_refused_before_the_first_statement() {
    let server = Postgres::start().unwrap();
    prepare(&server);
    for text in ["DELETE FROM tenant; VACUUM;", "DELETE FROM tenant; ROLLBACK;"] {
        let error = run_script(
            &server.target("carbon"),
            &script(text),
            &options(&Sink::default()),
        )
        .await
        .unwrap_err();
        assert_eq!(error.kind, ScriptErrorKind::Unsupported, "{error}");
        assert_eq!(server.run("carbon", "SELECT count(*) FROM tenant").trim(), "2");
    }
}

#[tokio::test]
async fn script_when_somebody_is_connected_then_nothing_runs() {
    let server = Postgres::start().unwrap();
    prepare(&server);
    let target = server.target("carbon");
    let _carbon = target.postgres().await.unwrap();
    let error = run_script(&target, &script(MIGRATION), &options(&Sink::default()))
        .await
        .unwrap_err();
    assert_eq!(error.kind, ScriptErrorKind::NotAlone);
}
