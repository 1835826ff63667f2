use cutover_database::{Kind, hand_over};
use cutover_testdb::Postgres;

use crate::support::{Server, as_user};

#[tokio::test]
async fn postgres_when_handed_over_then_the_application_can_read_and_write() {
    let server = Postgres::start().unwrap();
    server.create_database("staging").unwrap();
    server.create_user("dss", "pw", &[]).unwrap();
    server.run("staging", "CREATE TABLE t (id SERIAL PRIMARY KEY); CREATE SCHEMA \"Other one\"; CREATE TABLE \"Other one\".u (id int)");
    let target = server.target("staging");
    let application = as_user(&target, "dss", "pw");
    let may = || async {
        let facts = cutover_database::facts(&application).await.unwrap();
        assert!(facts.tables() > 0);
        server.run(
            "staging",
            "SELECT has_table_privilege('dss', 't', 'INSERT') AND has_sequence_privilege('dss', 't_id_seq', 'USAGE') \
             AND has_table_privilege('dss', '\"Other one\".u', 'DELETE') AND has_schema_privilege('dss', 'Other one', 'USAGE')",
        )
    };
    assert_eq!(may().await.trim(), "f");
    assert!(hand_over(&target, "dss").await.unwrap() >= 4);
    assert_eq!(may().await.trim(), "t");
    let error = hand_over(&target, "nobody-there").await.unwrap_err();
    assert_eq!(error.kind(), Kind::UnknownDatabase);
    assert!(error.to_string().contains("nobody-there"), "{error}");
}
