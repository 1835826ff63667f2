use cutover_database::script::ScriptErrorKind;
use cutover_database::{
    DecidedAction, JournalState, Override, OverrideAction, ScriptError, ScriptReport, Target, run_script,
};
use cutover_sqlscript::{Dialect, Script, split};
use cutover_testdb::{MariaDb, Postgres};

use crate::support::{Server, Sink, options};

const SCRIPT: &str = "CREATE TABLE a (i INT);
SELECT 7 INTO @v;
INSERT INTO missing VALUES (1);
INSERT INTO a VALUES (@v);
INSERT INTO a VALUES (3);";

fn order(script: &Script, statement: u32, action: OverrideAction) -> Override {
    Override {
        script: "migration.sql".into(),
        statement,
        statement_sha256: script.statements[statement as usize - 1].sha256.clone(),
        action,
        reason: "seen at the rehearsal".into(),
        decided_by: "upgrade file".into(),
    }
}

async fn run(
    target: &Target,
    script: &Script,
    sink: &Sink,
    orders: &[Override],
) -> Result<ScriptReport, ScriptError> {
    let mut options = options(sink);
    options.overrides = orders.to_vec();
    run_script(target, script, &options).await
}

#[tokio::test]
async fn mariadb_override_when_a_statement_fails_then_obeyed_on_resume_and_audited() {
    let server = MariaDb::start().unwrap();
    server.create_database("carbon").unwrap();
    let target = server.target("carbon");
    let script = split(SCRIPT, Dialect::MySql).unwrap();
    let replaced = order(&script, 2, OverrideAction::Replace("SELECT 8 INTO @v".into()));
    let orders = [replaced.clone()];
    let error = run(&target, &script, &Sink::default(), &orders)
        .await
        .unwrap_err();
    assert_eq!(
        (error.kind, error.done),
        (ScriptErrorKind::Statement, 2),
        "{error}"
    );

    // The connection is another one: the variable has the replacement's value all the same.
    let orders = [replaced.clone(), order(&script, 3, OverrideAction::Skip)];
    let sink = Sink::default();
    let report = run(&target, &script, &sink, &orders).await.unwrap();
    assert_eq!(report.overrides, orders);
    assert_eq!((report.executed, report.resumed_at), (2, Some(2)));
    assert_eq!(server.run("carbon", "SELECT i FROM a ORDER BY i"), "3\n8\n");
    let skipped = sink
        .records
        .lock()
        .unwrap()
        .iter()
        .find(|record| record.index == 2)
        .cloned()
        .unwrap();
    assert_eq!(skipped.state, JournalState::Skipped);
    let decided = skipped.decided_by.unwrap();
    assert_eq!(
        (decided.action, decided.by.as_str(), decided.reason.as_str()),
        (DecidedAction::Skip, "upgrade file", "seen at the rehearsal")
    );
    let kept = server.run(
        "carbon",
        "SELECT decided_by FROM cutover_journal WHERE statement_number = 1",
    );
    assert!(
        kept.contains("replace") && kept.contains("upgrade file"),
        "{kept}"
    );

    // The same again changes nothing; without an override that was obeyed, or with one too late, it is refused.
    assert_eq!(run(&target, &script, &sink, &orders).await.unwrap().executed, 0);
    for orders in [
        vec![replaced.clone()],
        vec![
            replaced,
            orders[1].clone(),
            order(&script, 5, OverrideAction::Skip),
        ],
    ] {
        let error = run(&target, &script, &sink, &orders).await.unwrap_err();
        assert_eq!(error.kind, ScriptErrorKind::HistoryChanged, "{error}");
    }
}

#[tokio::test]
async fn mariadb_override_when_killed_at_every_point_then_the_same_rows() {
    let server = MariaDb::start().unwrap();
    let script = split(SCRIPT, Dialect::MySql).unwrap();
    let orders = [
        order(
            &script,
            1,
            OverrideAction::Replace("CREATE TABLE a (i INT, j INT DEFAULT 9)".into()),
        ),
        order(&script, 2, OverrideAction::Skip),
        order(&script, 3, OverrideAction::DoneByHand),
        order(
            &script,
            4,
            OverrideAction::Replace("INSERT INTO a (i) VALUES (COALESCE(@v, 4))".into()),
        ),
        order(
            &script,
            5,
            OverrideAction::Replace("INSERT INTO a (i) VALUES (5)".into()),
        ),
    ];
    let mut point = 0;
    loop {
        server.run("", "DROP DATABASE IF EXISTS carbon; CREATE DATABASE carbon");
        let target = server.target("carbon");
        let sink = Sink::failing_at(point);
        let first = run(&target, &script, &sink, &orders).await;
        run(&target, &script, &Sink::default(), &orders)
            .await
            .unwrap_or_else(|error| panic!("{point}: {error}"));
        assert_eq!(
            server.run("carbon", "SELECT * FROM a ORDER BY i"),
            "4\t9\n5\t9\n",
            "killed at {point}"
        );
        if first.is_ok() {
            break;
        }
        point += 1;
    }
    assert!(point > 10);
}

#[tokio::test]
async fn override_when_it_does_not_fit_the_script_then_refused_before_the_first_statement() {
    let server = MariaDb::start().unwrap();
    server.create_database("carbon").unwrap();
    let target = server.target("carbon");
    let script = split(SCRIPT, Dialect::MySql).unwrap();
    let good = order(&script, 3, OverrideAction::Skip);
    let wrong = [
        (
            Override {
                statement_sha256: "00".into(),
                ..good.clone()
            },
            "differs",
        ),
        (
            Override {
                statement: 9,
                ..good.clone()
            },
            "no statement of that number",
        ),
        (
            Override {
                statement: 0,
                ..good.clone()
            },
            "no statement of that number",
        ),
        (
            Override {
                script: "other.sql".into(),
                ..good.clone()
            },
            "another script",
        ),
        (
            Override {
                reason: " ".into(),
                ..good.clone()
            },
            "no reason",
        ),
        (
            order(&script, 3, OverrideAction::Replace("SELECT 1; SELECT 2".into())),
            "not exactly one",
        ),
        (
            order(&script, 3, OverrideAction::Replace("SELECT 'open".into())),
            "cannot be read",
        ),
        (order(&script, 2, OverrideAction::DoneByHand), "by hand"),
    ];
    for (order, means) in wrong {
        let error = run(&target, &script, &Sink::default(), &[order])
            .await
            .unwrap_err();
        assert_eq!(error.kind, ScriptErrorKind::Unsupported, "{error}");
        assert!(error.to_string().contains(means), "{error}");
    }
    let twice = [good.clone(), good.clone()];
    assert!(run(&target, &script, &Sink::default(), &twice).await.is_err());
    assert_eq!(server.run("carbon", "SHOW TABLES"), "");
    let short = good.statement_sha256[..11].to_owned();
    let doubtful = Override {
        statement_sha256: short,
        ..good.clone()
    };
    assert!(
        run(&target, &script, &Sink::default(), &[doubtful])
            .await
            .is_err()
    );
    let by_hash = Override {
        statement_sha256: good.statement_sha256[..12].to_ascii_uppercase(),
        script: script.sha256.clone(),
        ..good
    };
    run(&target, &script, &Sink::default(), &[by_hash]).await.unwrap();

    // What could not be run at all can be passed over.
    let script = split("USE elsewhere; INSERT INTO a VALUES (1);", Dialect::MySql).unwrap();
    run(
        &target,
        &script,
        &Sink::default(),
        &[order(&script, 1, OverrideAction::Skip)],
    )
    .await
    .unwrap();
}

#[tokio::test]
async fn postgres_override_when_given_then_obeyed_in_the_one_transaction() {
    let server = Postgres::start().unwrap();
    server.create_database("carbon").unwrap();
    let target = server.target("carbon");
    let text = "CREATE TABLE a (i INT); VACUUM; INSERT INTO a VALUES (1); INSERT INTO missing VALUES (1);";
    let script = split(text, Dialect::Postgres).unwrap();
    let orders = [
        order(&script, 2, OverrideAction::DoneByHand),
        order(
            &script,
            3,
            OverrideAction::Replace("INSERT INTO a VALUES (11)".into()),
        ),
        order(&script, 4, OverrideAction::Skip),
    ];
    let sink = Sink::default();
    let report = run(&target, &script, &sink, &orders).await.unwrap();
    assert_eq!(report.executed, 2);
    assert_eq!(server.run("carbon", "SELECT i FROM a").trim(), "11");
    let decided: Vec<_> = sink
        .records
        .lock()
        .unwrap()
        .iter()
        .filter(|record| record.state == JournalState::Skipped)
        .filter_map(|record| record.decided_by.clone().map(|decided| decided.action))
        .collect();
    assert_eq!(decided, [DecidedAction::DoneByHand, DecidedAction::Skip]);
    run(&target, &script, &sink, &orders).await.unwrap();
    let error = run(&target, &script, &sink, &orders[..2]).await.unwrap_err();
    assert_eq!(error.kind, ScriptErrorKind::HistoryChanged, "{error}");
}

#[tokio::test]
async fn journal_when_an_earlier_version_left_it_then_it_gets_what_it_lacks() {
    let maria = MariaDb::start().unwrap();
    let postgres = Postgres::start().unwrap();
    maria.create_database("carbon").unwrap();
    postgres.create_database("carbon").unwrap();
    let old = "CREATE TABLE cutover_journal (script_sha256 VARCHAR(64) NOT NULL, statement_number INTEGER NOT NULL, \
               statement_sha256 VARCHAR(64) NOT NULL, state VARCHAR(16) NOT NULL, fingerprint VARCHAR(64), \
               variables TEXT, last_insert_id DECIMAL(20, 0), row_count BIGINT NOT NULL, millis BIGINT NOT NULL, \
               warnings TEXT, PRIMARY KEY (script_sha256, statement_number))";
    maria.run("carbon", old);
    postgres.run("carbon", old);
    for (target, dialect) in [
        (maria.target("carbon"), Dialect::MySql),
        (postgres.target("carbon"), Dialect::Postgres),
    ] {
        let script = split("CREATE TABLE a (i INT);", dialect).unwrap();
        run(&target, &script, &Sink::default(), &[]).await.unwrap();
    }
}

#[test]
fn override_when_read_from_a_file_then_its_action_is_a_word_or_a_replacement() {
    let read = |action: &str| {
        let text = format!(
            r#"{{"script": "m.sql", "statement": 1, "statement_sha256": "ab", "action": {action}, "reason": "r"}}"#
        );
        serde_json::from_str::<Override>(&text).map(|order| order.action)
    };
    assert_eq!(read(r#""skip""#).unwrap(), OverrideAction::Skip);
    assert_eq!(read(r#""done_by_hand""#).unwrap(), OverrideAction::DoneByHand);
    assert_eq!(
        read(r#"{"replace": "SELECT 1"}"#).unwrap(),
        OverrideAction::Replace("SELECT 1".into())
    );
    assert!(read(r#""ignore""#).is_err());
}
