use std::collections::BTreeMap;

use super::*;
use crate::facts::{Flavour, ObjectKind};
use crate::privileges::Privileges;
use crate::schema_level::SchemaLevel;
use crate::target::Engine;

fn facts(database: &str) -> DatabaseFacts {
    DatabaseFacts {
        engine: Engine::MySql,
        flavour: Flavour::MariaDb,
        version: "10.11.6-MariaDB".into(),
        server: ServerIdentity {
            unique: Some("u".into()),
            ..ServerIdentity::default()
        },
        database: database.into(),
        charset: "latin1".into(),
        collation: "latin1_swedish_ci".into(),
        ctype: None,
        locale_provider: None,
        lower_case_table_names: Some(0),
        max_allowed_packet: Some(16_777_216),
        sql_mode: None,
        table_names: std::collections::BTreeSet::new(),
        hidden_tables: std::collections::BTreeSet::new(),
        objects: BTreeMap::new(),
        extensions: Vec::new(),
        data_bytes: 0,
        locks: None,
        schema_level: SchemaLevel::NoUserStore,
        rss_level: crate::rss_level::RssLevel::None,
        tenants: None,
        privileges: Privileges {
            create_database: true,
            see_all_sessions: true,
        },
        tools: Vec::new(),
    }
}

fn codes(production: &DatabaseFacts, staging: &DatabaseFacts) -> Vec<ProblemCode> {
    compatible(production, staging)
        .into_iter()
        .map(|problem| problem.code)
        .collect()
}

#[test]
fn staging_when_alike_and_empty_then_no_problem() {
    assert_eq!(codes(&facts("prod"), &facts("staging")), []);
}

#[test]
fn staging_when_each_rule_is_broken_then_that_rule_is_named() {
    type Change = fn(&mut DatabaseFacts);
    let cases: [(Change, ProblemCode); 9] = [
        (|f| f.database = "prod".into(), ProblemCode::SameDatabase),
        (|f| f.engine = Engine::Postgres, ProblemCode::Engine),
        (|f| f.flavour = Flavour::MySql, ProblemCode::Flavour),
        (|f| f.version = "10.6.2-MariaDB".into(), ProblemCode::Version),
        (|f| f.charset = "utf8mb4".into(), ProblemCode::Charset),
        (|f| f.collation = "latin1_bin".into(), ProblemCode::Collation),
        (|f| f.lower_case_table_names = Some(1), ProblemCode::TableNameCase),
        (|f| f.max_allowed_packet = Some(1024), ProblemCode::PacketSize),
        (
            |f| f.objects = BTreeMap::from([(ObjectKind::View, 1)]),
            ProblemCode::NotEmpty,
        ),
    ];
    for (change, code) in cases {
        let mut staging = facts("staging");
        change(&mut staging);
        assert_eq!(codes(&facts("prod"), &staging), [code]);
    }
}

#[test]
fn staging_when_only_the_case_differs_and_names_are_folded_then_the_same() {
    let mut production = facts("prod");
    let mut staging = facts("PROD");
    assert_eq!(codes(&production, &staging), []);
    production.lower_case_table_names = Some(1);
    staging.lower_case_table_names = Some(1);
    assert_eq!(codes(&production, &staging), [ProblemCode::SameDatabase]);
}

#[test]
fn charset_when_only_its_name_changed_then_alike() {
    let mut production = facts("prod");
    production.charset = "utf8".into();
    production.collation = "utf8_general_ci".into();
    let mut staging = facts("staging");
    staging.charset = "utf8mb3".into();
    staging.collation = "utf8mb3_general_ci".into();
    assert_eq!(codes(&production, &staging), []);
}

#[test]
fn proof_when_staging_is_production_then_refused() {
    assert_eq!(
        ProvenStaging::prove(&facts("prod"), &facts("prod"))
            .unwrap_err()
            .code,
        ProblemCode::SameDatabase
    );
}

#[test]
fn proof_when_shown_for_one_database_then_not_valid_for_another() {
    let proof = ProvenStaging::prove(&facts("prod"), &facts("staging")).unwrap();
    let here = facts("staging");
    assert!(proof.covers("staging", &here.server));
    assert!(!proof.covers("prod", &here.server));
}

#[test]
fn server_when_it_has_room_for_too_few_locks_then_named_with_what_to_set() {
    let mut production = facts("prod");
    let mut staging = facts("staging");
    (production.locks, staging.locks) = (Some(6400), Some(6400));
    production.objects.insert(ObjectKind::Table, 40);
    assert_eq!(codes(&production, &staging), []);
    production.objects.insert(ObjectKind::Table, 5000);
    assert_eq!(
        codes(&production, &staging),
        [ProblemCode::Locks, ProblemCode::Locks]
    );
    let problems = compatible(&production, &staging);
    assert!(
        problems[0].remedy.contains("max_locks_per_transaction"),
        "{problems:?}"
    );
    (production.locks, staging.locks) = (Some(102_400), Some(102_400));
    assert_eq!(codes(&production, &staging), []);
}
