use std::collections::BTreeMap;

use cutover_proto::facts::{DatasourceFacts, HomeFacts, MountFacts, NodeFacts};

use super::*;
use crate::planner::testing::shipped;

/// Product, old version and kernel, new version and kernel.
fn hop(guide: &str) -> [&'static str; 5] {
    match guide {
        "ss-1.1.0" => ["WSO2 Storage Server", "1.0.3", "4.1.0", "1.1.0", "4.2.0"],
        "dss-3.2.0" => ["WSO2 Data Services Server", "3.0.1", "4.1.0", "3.2.0", "4.2.0"],
        "as-5.2.0" => ["WSO2 Application Server", "5.1.0", "4.1.0", "5.2.0", "4.2.0"],
        "carbon-4.2.0" => ["WSO2 Governance Registry", "4.1.1", "4.0.0", "4.6.0", "4.2.0"],
        "carbon-4.4.7" => ["WSO2 Message Broker", "3.1.0", "4.4.6", "3.1.0", "4.4.7"],
        other => panic!("no fleet for {other}"),
    }
}

const GUIDES: [&str; 5] = [
    "ss-1.1.0",
    "dss-3.2.0",
    "carbon-4.4.7",
    "carbon-4.2.0",
    "as-5.2.0",
];

fn source(name: &str, jndi: &str, url: &str) -> DatasourceFacts {
    crate::planner::testing::source(name, jndi, url)
}

fn home(path: &str, product: &str, version: &str, kernel: &str) -> HomeFacts {
    HomeFacts {
        path: path.into(),
        exists: true,
        product: product.into(),
        version: version.into(),
        kernel: kernel.into(),
        user_datasource: Some("jdbc/WSO2CarbonDB".into()),
        registry_datasources: [("wso2registry".to_owned(), "jdbc/WSO2CarbonDB".to_owned())].into(),
        registry_current: Some("wso2registry".into()),
        datasources: vec![source(
            "WSO2_CARBON_DB",
            "jdbc/WSO2CarbonDB",
            "jdbc:mysql://db1:3306/CARBON",
        )],
        bytes: 1 << 20,
        free_bytes: 1 << 40,
        ..HomeFacts::default()
    }
}

fn node(name: &str, homes: Vec<HomeFacts>) -> PlanNode {
    PlanNode {
        name: name.parse().unwrap(),
        labels: BTreeMap::new(),
        connected: true,
        facts: Some(NodeFacts {
            node: name.parse().unwrap(),
            agent_version: String::new(),
            hostname: String::new(),
            addresses: vec![],
            java_home: Some("/jdk".into()),
            backup_free_bytes: 1 << 40,
            database_dirs: vec![],
            homes,
        }),
    }
}

/// Two nodes with an old and a new home of a guide's product.
fn fleet(guide: &str) -> Vec<PlanNode> {
    let [product, old, old_kernel, new, new_kernel] = hop(guide);
    let homes = || {
        let mut homes = vec![
            home("/opt/old", product, old, old_kernel),
            home("/opt/new", product, new, new_kernel),
        ];
        homes[0].tenants = vec![1];
        if guide == "ss-1.1.0" {
            let mut rss = source("RSS metadata", "", "jdbc:mysql://db1:3306/RSS");
            rss.file = "repository/conf/etc/rss-config.xml".into();
            homes[0].other_databases = vec![rss];
        }
        homes
    };
    vec![node("n1", homes()), node("n2", homes())]
}

fn draft_of(guide: &str, nodes: &[PlanNode]) -> (String, Vec<Finding>) {
    draft(&shipped(guide), &Selector::parse("cluster=dss").unwrap(), nodes)
}

/// What is planned from a draft as it stands, on the fleet that it was drafted from.
fn planned(guide: &str, text: &str, nodes: &[PlanNode]) -> (bool, Vec<Finding>) {
    use crate::planner::{DatabaseProbe, Inputs, KnownScript, plan};
    use cutover_database::SchemaLevel;
    let upgrade =
        crate::model::upgrade::Upgrade::parse("x.toml", text).unwrap_or_else(|e| panic!("{e:#?}\n{text}"));
    let guide = shipped(guide);
    let probe = |(index, name): (usize, &String)| DatabaseProbe {
        production_identity: format!("p{index}"),
        staging_identity: format!("s{index}"),
        level: if guide.scripts.is_empty() {
            SchemaLevel::At42
        } else {
            SchemaLevel::Before42
        },
        tables: [
            "UM_TENANT",
            "UM_USER",
            "UM_ROLE",
            "UM_PERMISSION",
            "RM_SERVER_INSTANCE",
            "RM_DATABASE",
            "RM_DATABASE_USER",
        ]
        .map(str::to_owned)
        .into_iter()
        .filter(|table| table.starts_with("RM_") == name.contains("metadata"))
        .collect(),
        hidden_tables: Default::default(),
        triggers: 0,
        tenants: if name.contains("metadata") {
            vec![]
        } else {
            vec![1]
        },
        rss: if name.contains("metadata") {
            cutover_database::RssLevel::At103
        } else {
            cutover_database::RssLevel::None
        },
        bytes: 1 << 20,
        findings: vec![],
        fencing: crate::planner::fence::Fencing::default(),
        host: None,
    };
    let names: Vec<String> = upgrade
        .databases
        .iter()
        .map(|database| database.name.clone())
        .collect();
    let databases = names
        .iter()
        .enumerate()
        .map(|(index, name)| (name.clone(), probe((index, name))))
        .collect();
    let script = |name: &str, table: &str| {
        let blob = cutover_proto::step::BlobRef {
            name: name.into(),
            sha256: cutover_proto::ids::Sha256Hex::of(name.as_bytes()),
            size: 1,
        };
        let known = KnownScript {
            blob,
            statements: Ok(1),
            touches: [table.to_owned()].into(),
            databases: Default::default(),
            hashes: Vec::new(),
            parsed: Vec::new(),
        };
        (name.to_owned(), known)
    };
    let scripts: BTreeMap<String, KnownScript> = [
        script("mysql-migration.sql", "UM_DOMAIN"),
        script("carbon-4.1-to-4.2-user-store.postgres.sql", "UM_DOMAIN"),
        script("ss-1.0.3-to-1.1.0-rss.mysql.sql", "RM_ENVIRONMENT"),
        script("ss-1.1.0-rss-ids.mysql.sql", "RM_ENVIRONMENT"),
        script("ss-1.1.0-rss-ids.postgres.sql", "RM_ENVIRONMENT"),
        script("ss-1.0.3-to-1.1.0-rss.postgres.sql", "RM_ENVIRONMENT"),
    ]
    .into();
    let configs = nodes
        .iter()
        .map(|node| (node.name.clone(), Ok(Default::default())))
        .collect();
    let (plan, findings) = plan(&Inputs {
        guide: &guide,
        upgrade: &upgrade,
        file: "x.toml",
        nodes,
        databases: &databases,
        attachments: &BTreeMap::new(),
        scripts: &scripts,
        configs: &configs,
        rehearsal: None,
    });
    (plan.is_some(), findings)
}

#[test]
fn draft_of_each_guide_when_read_back_then_it_plans_without_an_edit() {
    for guide in GUIDES {
        let nodes = fleet(guide);
        let (text, findings) = draft_of(guide, &nodes);
        assert_eq!(findings, [], "{guide}");
        let (has_plan, findings) = planned(guide, &text, &nodes);
        assert!(has_plan, "{guide}: {findings:#?}\n{text}");
    }
}

#[test]
fn draft_when_engine_is_postgres_then_the_script_that_ships_is_named_and_none_asked_for() {
    for guide in GUIDES {
        let mut nodes = fleet(guide);
        for home in nodes
            .iter_mut()
            .flat_map(|node| &mut node.facts.as_mut().unwrap().homes)
        {
            for source in home.datasources.iter_mut().chain(&mut home.other_databases) {
                source.url = source
                    .url
                    .replace("jdbc:mysql://db1:3306", "jdbc:postgresql://db1:5432");
            }
        }
        let (text, _) = draft_of(guide, &nodes);
        assert!(text.contains("postgres://dss@db1:5432/CARBON\""), "{text}");
        assert!(!text.contains("scripts    ="), "{text}");
        assert_eq!(
            text.contains("carbon-4.1-to-4.2-user-store.postgres.sql runs"),
            guide != "carbon-4.4.7"
        );
        let (has_plan, findings) = planned(guide, &text, &nodes);
        assert!(has_plan, "{guide}: {findings:#?}\n{text}");
    }
}

#[test]
fn draft_when_shown_then_what_only_a_person_knows_is_marked() {
    insta::assert_snapshot!(draft_of("ss-1.1.0", &fleet("ss-1.1.0")).0);
}

#[test]
fn homes_when_called_after_their_nodes_then_written_once_for_all() {
    let [product, old, kernel, ..] = hop("dss-3.2.0");
    let at = |name: &str, path: &str| node(name, vec![home(path, product, old, kernel)]);
    let text = |nodes: &[PlanNode]| draft_of("dss-3.2.0", nodes).0;
    let named = text(&[at("n1", "/opt/n1/dss"), at("n2", "/opt/n2/dss")]);
    assert!(named.contains("old = \"/opt/{node}/dss\""), "{named}");
    assert!(text(&[at("n1", "/opt/dss"), at("n2", "/opt/dss")]).contains("old = \"/opt/dss\""));
    assert!(text(&[at("n1", "/a"), at("n2", "/b")]).contains("old = \"FILL IN\""));
}

#[test]
fn home_when_there_are_two_then_the_running_one_is_the_old_one() {
    let [product, old, kernel, ..] = hop("dss-3.2.0");
    let mut running = home("/opt/z", product, old, kernel);
    running.server = Some(cutover_proto::facts::ServerProcess {
        pid: 1,
        started_ticks: 1,
    });
    let nodes = [node("n1", vec![home("/opt/a", product, old, kernel), running])];
    let text = draft_of("dss-3.2.0", &nodes).0;
    assert!(
        text.contains("old = \"/opt/z\"") && text.contains("distribution = { file = \"FILL IN\""),
        "{text}"
    );
}

#[test]
fn databases_when_several_then_each_once_with_what_it_is_used_for() {
    let mut nodes = fleet("dss-3.2.0");
    for node in &mut nodes {
        let old = &mut node.facts.as_mut().unwrap().homes[0];
        old.datasources
            .push(source("WSO2_REG", "jdbc/Reg", "jdbc:mysql://db1:3306/REG"));
        old.datasources
            .push(source("WSO2_SAME", "jdbc/Same", "jdbc:mysql://db1/CARBON?x=y"));
        old.datasources
            .push(source("UNUSED", "jdbc/Unused", "jdbc:mysql://db1/UNUSED"));
        old.registry_datasources = [
            ("gov".to_owned(), "jdbc/Reg".to_owned()),
            ("local".to_owned(), "jdbc/Same".to_owned()),
        ]
        .into();
        old.registry_mounts = vec![MountFacts {
            path: "/_system/governance".into(),
            target: "/_system/governance".into(),
            instance: "gov".into(),
            db_config: "gov".into(),
            cache_id: String::new(),
        }];
    }
    let text = draft_of("dss-3.2.0", &nodes).0;
    assert_eq!(text.matches("[[database]]").count(), 2, "{text}");
    assert!(
        text.contains("# users; registry (local)")
            && text.contains("# registry mounted at /_system/governance"),
        "{text}"
    );
}

#[test]
fn database_when_embedded_then_said_and_to_be_filled_in() {
    let mut nodes = fleet("dss-3.2.0");
    nodes[0].facts.as_mut().unwrap().homes[0].datasources[0].url = "jdbc:h2:repository/database/X".into();
    let (text, findings) = draft_of("dss-3.2.0", &nodes);
    assert_eq!(findings[0].code, "engine-unsupported");
    assert!(text.contains("url = \"FILL IN\""));
}

#[test]
fn fleet_when_it_tells_nothing_then_the_draft_still_says_what_is_needed() {
    let mut away = node("n1", vec![]);
    away.facts = None;
    let (text, findings) = draft_of("dss-3.2.0", &[away]);
    let codes: Vec<&str> = findings.iter().map(|finding| finding.code.as_str()).collect();
    assert_eq!(codes, ["no-facts", "no-home"]);
    assert!(text.contains("[[database]]") && text.contains("old = \"FILL IN\""));
}

#[test]
fn manager_when_a_name_or_label_says_so_then_taken() {
    let mut nodes = fleet("dss-3.2.0");
    assert!(
        draft_of("dss-3.2.0", &nodes)
            .0
            .contains("manager = \"n1\"    # started first; FILL IN")
    );
    nodes[1].labels.insert("role".into(), "manager".into());
    assert!(draft_of("dss-3.2.0", &nodes).0.contains("manager = \"n2\""));
}

#[test]
fn answers_when_added_then_they_are_comments_that_become_valid_toml() {
    let (text, _) = draft_of("dss-3.2.0", &fleet("dss-3.2.0"));
    let answers = "# n1: why\n[[decide]]\nfile = \"repository/conf/carbon.xml\"\npath = \"/Server/X\"\ntake = \"new\"\n";
    let draft = with_answers(&text, answers);
    let parse = |text: &str| crate::model::upgrade::Upgrade::parse("x", text).unwrap();
    assert!(parse(&draft).decisions.is_empty());
    let (head, tail) = draft.split_at(draft.find("# # n1: why").unwrap());
    let taken: Vec<&str> = tail
        .lines()
        .map(|line| line.strip_prefix("# ").unwrap_or(line))
        .collect();
    let taken = format!("{head}{}", taken.join("\n"));
    assert_eq!(parse(&taken).decisions.len(), 1, "{taken}");
}
