use cutover_database::{Kind, OwnSessions, foreign_sessions};
use cutover_testdb::{MariaDb, Postgres};
use sqlx::{Connection as _, raw_sql};

use crate::support::{Server, as_user};

#[tokio::test]
async fn mariadb_when_a_pool_sleeps_then_seen_with_its_address_and_ours_are_not() {
    let server = MariaDb::start().unwrap();
    server.create_database("carbon").unwrap();
    server.create_database("other").unwrap();
    server
        .create_user("wso2", "pw", &["ALL ON carbon.*", "ALL ON other.*"])
        .unwrap();
    let target = server.target("carbon");
    let own = OwnSessions::new();
    let mut ours = target.mysql().await.unwrap();
    let guard = own.enter_mysql(&target, &mut ours).await.unwrap();
    let elsewhere = as_user(&server.target("other"), "wso2", "pw")
        .mysql()
        .await
        .unwrap();
    assert_eq!(foreign_sessions(&target, &own).await.unwrap(), []);

    let sleeping = as_user(&target, "wso2", "pw").mysql().await.unwrap();
    // The server says that a client is in before it has changed its state.
    let mut found = foreign_sessions(&target, &own).await.unwrap();
    for _ in 0..200 {
        if found.iter().all(|session| session.state.starts_with("Sleep")) {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        found = foreign_sessions(&target, &own).await.unwrap();
    }
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0].user, "wso2");
    assert!(found[0].state.starts_with("Sleep"), "{found:?}");
    let port: u16 = found[0].address.rsplit_once(':').unwrap().1.parse().unwrap();
    assert_ne!(port, server.port());
    assert!(port > 0);

    let accounts = ["wso2".to_owned()];
    let wider = cutover_database::sessions::foreign_sessions_of(&target, &own, &accounts)
        .await
        .unwrap();
    assert_eq!(
        wider.len(),
        2,
        "the session on another database counts by its account"
    );

    sleeping.close().await.unwrap();
    elsewhere.close().await.unwrap();
    drop(guard);
    // Open, yet no longer entered as ours: it must show up.
    assert_eq!(foreign_sessions(&target, &own).await.unwrap().len(), 1);
    ours.close().await.unwrap();
    assert_eq!(foreign_sessions(&target, &own).await.unwrap(), []);
}

#[tokio::test]
async fn mariadb_when_the_account_lacks_process_then_an_error_and_not_an_empty_list() {
    let server = MariaDb::start().unwrap();
    server.create_database("carbon").unwrap();
    server.create_user("narrow", "pw", &["ALL ON carbon.*"]).unwrap();
    let target = as_user(&server.target("carbon"), "narrow", "pw");
    let error = foreign_sessions(&target, &OwnSessions::new()).await.unwrap_err();
    assert_eq!(error.kind(), Kind::SessionsHidden);
    assert!(error.to_string().contains("GRANT PROCESS"), "{error}");
}

#[tokio::test]
async fn mariadb_when_a_transaction_was_prepared_then_seen_without_a_session() {
    let server = MariaDb::start().unwrap();
    server.create_database("carbon").unwrap();
    server.run("carbon", "CREATE TABLE t (i INT)");
    let target = server.target("carbon");
    let mut connection = target.mysql().await.unwrap();
    for sql in [
        "XA START 'branch'",
        "INSERT INTO t VALUES (1)",
        "XA END 'branch'",
        "XA PREPARE 'branch'",
    ] {
        raw_sql(sql).execute(&mut connection).await.unwrap();
    }
    connection.close().await.unwrap();
    let found = foreign_sessions(&target, &OwnSessions::new()).await.unwrap();
    assert!(found.iter().any(|session| session.id == "branch"), "{found:?}");
}

#[tokio::test]
async fn postgres_when_a_pool_sleeps_then_seen_with_its_address_and_ours_are_not() {
    let server = Postgres::start_with(&["max_prepared_transactions=5"]).unwrap();
    server.create_database("carbon").unwrap();
    server.create_user("wso2", "pw", &[]).unwrap();
    let target = server.target("carbon");
    let own = OwnSessions::new();
    let mut ours = target.postgres().await.unwrap();
    let guard = own.enter_postgres(&target, &mut ours).await.unwrap();
    assert_eq!(foreign_sessions(&target, &own).await.unwrap(), []);

    let sleeping = as_user(&target, "wso2", "pw").postgres().await.unwrap();
    let found = foreign_sessions(&target, &own).await.unwrap();
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(
        (found[0].user.as_str(), found[0].state.as_str()),
        ("wso2", "idle")
    );
    assert!(found[0].address.starts_with("127.0.0.1:"), "{found:?}");
    sleeping.close().await.unwrap();
    drop(guard);
    assert_eq!(foreign_sessions(&target, &own).await.unwrap().len(), 1);

    raw_sql("CREATE TABLE t (i INT); BEGIN; INSERT INTO t VALUES (1); PREPARE TRANSACTION 'branch'")
        .execute(&mut ours)
        .await
        .unwrap();
    ours.close().await.unwrap();
    let found = foreign_sessions(&target, &own).await.unwrap();
    assert_eq!(
        found
            .iter()
            .map(|session| session.id.as_str())
            .collect::<Vec<_>>(),
        ["branch"]
    );
}

#[tokio::test]
async fn postgres_when_the_account_lacks_pg_monitor_then_an_error_and_with_it_none() {
    let server = Postgres::start().unwrap();
    server.create_database("carbon").unwrap();
    server.create_user("narrow", "pw", &[]).unwrap();
    server.create_user("monitor", "pw", &["pg_monitor"]).unwrap();
    let target = server.target("carbon");
    let error = foreign_sessions(&as_user(&target, "narrow", "pw"), &OwnSessions::new())
        .await
        .unwrap_err();
    assert_eq!(error.kind(), Kind::SessionsHidden);
    assert_eq!(
        foreign_sessions(&as_user(&target, "monitor", "pw"), &OwnSessions::new())
            .await
            .unwrap(),
        []
    );
}
