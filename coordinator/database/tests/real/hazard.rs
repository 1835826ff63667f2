use cutover_database::{Harm, hazards};
use cutover_sqlscript::{Dialect, split};
use cutover_testdb::{MariaDb, Postgres};

use crate::support::Server;

#[tokio::test]
async fn mariadb_script_when_it_would_lose_rows_or_times_then_each_is_named() {
    let server = MariaDb::start().unwrap();
    server.create_database("carbon").unwrap();
    server.run(
        "carbon",
        "CREATE TABLE full (i INT); INSERT INTO full VALUES (1), (2); CREATE TABLE empty (i INT); \
         CREATE TABLE REG_LOG (i INT, at TIMESTAMP DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP)",
    );
    let text = "DROP TABLE IF EXISTS empty, full, gone; TRUNCATE carbon.full; TRUNCATE elsewhere.full; \
                CREATE TABLE own (i INT); DROP TABLE own; UPDATE REG_LOG SET i = 1; \
                UPDATE REG_LOG SET i = 1, at = at; DROP VIEW full;";
    let script = split(text, Dialect::MySql).unwrap();
    let found = hazards(&server.target("carbon"), &script).await.unwrap();
    let told: Vec<_> = found
        .iter()
        .map(|hazard| (hazard.statement, hazard.table.as_str(), hazard.harm.clone()))
        .collect();
    let rows = Harm::LosesRows { rows: 2 };
    let time = Harm::OverwritesTimestamp { column: "at".into() };
    assert_eq!(
        told,
        [(1, "full", rows.clone()), (2, "full", rows), (6, "REG_LOG", time)]
    );
    assert_eq!(found[0].statement_sha256, script.statements[0].sha256);
}

#[tokio::test]
async fn postgres_script_when_it_would_lose_rows_then_named_and_quoted_names_are_kept_apart() {
    let server = Postgres::start().unwrap();
    server.create_database("carbon").unwrap();
    server.run(
        "carbon",
        "CREATE TABLE reg_log (i INT); INSERT INTO reg_log VALUES (1); CREATE TABLE \"Mixed\" (i INT); \
         INSERT INTO \"Mixed\" VALUES (1)",
    );
    let text =
        "DROP TABLE IF EXISTS REG_LOG; TRUNCATE TABLE ONLY \"Mixed\", Mixed; UPDATE reg_log SET i = 2;";
    let script = split(text, Dialect::Postgres).unwrap();
    let found = hazards(&server.target("carbon"), &script).await.unwrap();
    let told: Vec<_> = found
        .iter()
        .map(|hazard| (hazard.statement, hazard.table.as_str()))
        .collect();
    assert_eq!(told, [(1, "reg_log"), (2, "Mixed")]);
}
