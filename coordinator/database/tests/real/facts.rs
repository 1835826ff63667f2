use cutover_database::facts::ObjectKind;
use cutover_database::{
    Flavour, Kind, ProblemCode, ProvenStaging, SchemaLevel, compatible, drop_all_objects, facts, reach,
};
use cutover_testdb::{MariaDb, Postgres};

use crate::support::{Server, as_user};

const EVERYTHING_MARIADB: &str = "CREATE TABLE UM_TENANT (UM_ID INT PRIMARY KEY);
INSERT INTO UM_TENANT VALUES (1), (2);
CREATE TABLE child (id INT, FOREIGN KEY (id) REFERENCES UM_TENANT (UM_ID));
CREATE VIEW v AS SELECT * FROM child;
CREATE SEQUENCE s;
CREATE PROCEDURE p() SELECT 1;
CREATE TRIGGER tr BEFORE INSERT ON child FOR EACH ROW SET NEW.id = NEW.id;
CREATE EVENT e ON SCHEDULE EVERY 1 DAY DISABLE DO SELECT 1;";

#[tokio::test]
async fn mariadb_facts_when_read_then_every_kind_is_counted_and_staging_can_be_emptied() {
    let server = MariaDb::start().unwrap();
    server.run(
        "",
        "CREATE DATABASE prod CHARACTER SET latin1 COLLATE latin1_swedish_ci",
    );
    server.run(
        "",
        "CREATE DATABASE staging CHARACTER SET latin1 COLLATE latin1_swedish_ci",
    );
    server.run("prod", EVERYTHING_MARIADB);
    let production = facts(&server.target("prod")).await.unwrap();
    assert_eq!(production.flavour, Flavour::MariaDb);
    assert_eq!(
        (production.database.as_str(), production.charset.as_str()),
        ("prod", "latin1")
    );
    assert_eq!(production.lower_case_table_names, Some(0));
    assert_eq!(production.tenants.as_ref().unwrap().ids, [1, 2]);
    assert!(production.privileges.see_all_sessions && production.privileges.create_database);
    assert!(
        production.tools.iter().all(|tool| tool.adequate),
        "{:?}",
        production.tools
    );
    assert!(
        matches!(production.schema_level, SchemaLevel::Mixed { .. }),
        "UM_TENANT alone is no user store"
    );
    for kind in [
        ObjectKind::View,
        ObjectKind::Sequence,
        ObjectKind::Routine,
        ObjectKind::Trigger,
        ObjectKind::Event,
    ] {
        assert_eq!(production.objects.get(&kind), Some(&1), "{kind}");
    }
    assert_eq!(production.tables(), 2);

    let staging = facts(&server.target("staging")).await.unwrap();
    assert_eq!(compatible(&production, &staging), []);
    server.run("staging", EVERYTHING_MARIADB);
    let filled = facts(&server.target("staging")).await.unwrap();
    assert_eq!(compatible(&production, &filled)[0].code, ProblemCode::NotEmpty);

    let proof = ProvenStaging::prove(&production, &filled).unwrap();
    let refused = drop_all_objects(&server.target("prod"), &proof)
        .await
        .unwrap_err();
    assert_eq!(refused.kind(), Kind::Refused);
    assert_eq!(
        facts(&server.target("prod")).await.unwrap().objects,
        production.objects
    );
    drop_all_objects(&server.target("staging"), &proof).await.unwrap();
    assert_eq!(
        compatible(&production, &facts(&server.target("staging")).await.unwrap()),
        []
    );

    let alias = Target::parse(
        &server.url("prod").replace("127.0.0.1", "localhost"),
        secrecy::SecretString::from(server.password().to_owned()),
    );
    let alias = facts(&alias.unwrap()).await.unwrap();
    assert_eq!(compatible(&production, &alias)[0].code, ProblemCode::SameDatabase);
}

use cutover_database::Target;

const EVERYTHING_POSTGRES: &str = "CREATE TABLE um_tenant (um_id INT PRIMARY KEY);
INSERT INTO um_tenant VALUES (1);
CREATE SCHEMA extra; CREATE TABLE extra.t (i INT);
CREATE VIEW v AS SELECT * FROM um_tenant;
CREATE MATERIALIZED VIEW m AS SELECT * FROM um_tenant;
CREATE SEQUENCE s;
CREATE TYPE colour AS ENUM ('red'); CREATE DOMAIN d AS INT; CREATE TYPE pair AS (a INT, b INT);
CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$;
CREATE TRIGGER tr BEFORE INSERT ON um_tenant FOR EACH ROW EXECUTE FUNCTION f();
CREATE COLLATION c FROM \"C\";
CREATE PUBLICATION pub;
SELECT lo_create(0);";

#[tokio::test]
async fn postgres_facts_when_read_then_every_kind_is_counted_and_staging_can_be_emptied() {
    let server = Postgres::start().unwrap();
    server.create_database("prod").unwrap();
    server.create_database("staging").unwrap();
    server.run("prod", EVERYTHING_POSTGRES);
    let production = facts(&server.target("prod")).await.unwrap();
    for (kind, number) in [
        (ObjectKind::Table, 2),
        (ObjectKind::View, 1),
        (ObjectKind::MaterializedView, 1),
        (ObjectKind::Sequence, 1),
        (ObjectKind::Routine, 1),
        (ObjectKind::Trigger, 1),
        (ObjectKind::Type, 3),
        (ObjectKind::Schema, 1),
        (ObjectKind::LargeObject, 1),
        (ObjectKind::Other, 1),
        (ObjectKind::Replication, 1),
    ] {
        assert_eq!(production.objects.get(&kind), Some(&number), "{kind}");
    }
    assert_eq!(production.tenants.as_ref().unwrap().count, 1);
    assert!(production.server.unique.is_some());
    let staging = facts(&server.target("staging")).await.unwrap();
    assert_eq!(compatible(&production, &staging), []);

    server.run("staging", EVERYTHING_POSTGRES);
    server.run("staging", "GRANT CREATE ON SCHEMA public TO PUBLIC");
    let acl = "SELECT nspacl FROM pg_namespace WHERE nspname = 'public'";
    let before = server.run("staging", acl);
    let proof = ProvenStaging::prove(&production, &staging).unwrap();
    drop_all_objects(&server.target("staging"), &proof).await.unwrap();
    assert_eq!(
        compatible(&production, &facts(&server.target("staging")).await.unwrap()),
        []
    );
    assert_eq!(
        server.run("staging", acl),
        before,
        "the schema public keeps its grants"
    );
    assert_eq!(
        facts(&server.target("prod")).await.unwrap().objects,
        production.objects
    );

    let same = facts(&server.target("prod")).await.unwrap();
    assert_eq!(compatible(&production, &same)[0].code, ProblemCode::SameDatabase);
}

#[tokio::test]
async fn reach_when_refused_then_says_whose_turn_it_is() {
    let maria = MariaDb::start().unwrap();
    maria.create_database("carbon").unwrap();
    let postgres = Postgres::start().unwrap();
    postgres.create_database("carbon").unwrap();
    for good in [maria.target("carbon"), postgres.target("carbon")] {
        assert!(!reach(&good).await.unwrap().version.is_empty());
        let wrong = as_user(&good, &good.user, "not-the-planted-secret");
        let error = reach(&wrong).await.unwrap_err();
        assert_eq!(error.kind(), Kind::WrongPassword, "{error}");
        assert!(!format!("{error} {error:?}").contains("not-the-planted-secret"));
        assert_eq!(
            reach(&good.with_database("nowhere")).await.unwrap_err().kind(),
            Kind::UnknownDatabase
        );
        let closed = std::net::TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let gone = Target {
            host: cutover_database::target::Host::Tcp("127.0.0.1".into(), closed),
            ..good.clone()
        };
        assert_eq!(reach(&gone).await.unwrap_err().kind(), Kind::Unreachable);
        let strict = Target {
            tls: cutover_database::target::Tls::Required,
            ..good
        };
        assert_eq!(reach(&strict).await.unwrap_err().kind(), Kind::Tls);
    }
}
