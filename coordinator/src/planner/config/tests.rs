mod mounts;

use cutover_proto::config::{ChangeKind, FileComparison, NewPlace, ShownValue};
use cutover_proto::facts::{DatasourceFacts, HomeFacts, KeystoreFacts, NodeFacts, SecretFacts};
use cutover_proto::ids::Sha256Hex;
use cutover_proto::step::{ConfigValue, HomeValue};

use super::*;
use crate::guide::{Guide, Obsolete, Rename};
use crate::model::upgrade::Upgrade;
use crate::planner::PlanNode;

const CARBON: &str = "repository/conf/carbon.xml";
const USERS: &str = "repository/conf/user-mgt.xml";
const SOURCES: &str = "repository/conf/datasources/master-datasources.xml";

const FILE: &str = r#"
name  = "dss-prod"
guide = "dss-3.2.0"
[nodes]
select  = { cluster = "dss" }
expect  = 2
[home]
old = "/opt/old"
new = "/opt/new"
[[database]]
name       = "carbon"
datasource = "WSO2_CARBON_DB"
production = { url = "mysql://dss@db1/CARBON", password = "file:/pw" }
staging    = { url = "mysql://dss@db1/CARBON_320", password = "file:/pw" }
"#;

fn plain(text: &str) -> Option<ShownValue> {
    Some(ShownValue::Plain(text.into()))
}

fn there(value: ShownValue) -> NewPlace {
    NewPlace::There { value, same: false }
}

/// The site changed `stock` to `site`; the new version has `new`.
fn changed(path: &str, stock: &str, site: &str, new: &str) -> SiteChange {
    SiteChange {
        path: path.into(),
        kind: ChangeKind::Changed,
        stock: plain(stock),
        site: plain(site),
        new: there(ShownValue::Plain(new.into())),
    }
}

fn with_site(path: &str, site: ShownValue, new: NewPlace) -> SiteChange {
    SiteChange {
        path: path.into(),
        kind: ChangeKind::Changed,
        stock: Some(ShownValue::Hidden),
        site: Some(site),
        new,
    }
}

fn added(path: &str, kind: ChangeKind, site: &str) -> SiteChange {
    SiteChange {
        path: path.into(),
        kind,
        stock: None,
        site: plain(site),
        new: NewPlace::ParentOnly,
    }
}

fn file(name: &str, state: FileState, changes: Vec<SiteChange>) -> FileComparison {
    FileComparison {
        file: name.into(),
        sha256: Sha256Hex::of(name.as_bytes()),
        state,
        changes,
    }
}

fn edited(name: &str, changes: Vec<SiteChange>) -> FileComparison {
    file(name, FileState::Edited, changes)
}

struct World {
    guide: Guide,
    more: String,
    nodes: Vec<PlanNode>,
    configs: Comparisons,
}

impl World {
    fn new(files: Vec<FileComparison>) -> Self {
        let home = |path: &str, version: &str, kernel: &str| HomeFacts {
            path: path.into(),
            exists: true,
            product: "WSO2 Data Services Server".into(),
            version: version.into(),
            kernel: kernel.into(),
            datasources: vec![DatasourceFacts {
                file: SOURCES.into(),
                name: "WSO2_CARBON_DB".into(),
                jndi: "jdbc/WSO2CarbonDB".into(),
                url: "jdbc:mysql://db1:3306/CARBON?autoReconnect=true".into(),
                user: "dss".into(),
                driver: "com.mysql.jdbc.Driver".into(),
                password_alias: None,
            }],
            user_datasource: Some("jdbc/WSO2CarbonDB".into()),
            ..HomeFacts::default()
        };
        let node = |name: &str, zone: &str| PlanNode {
            name: name.parse().unwrap(),
            labels: [("zone".to_owned(), zone.to_owned())].into(),
            connected: true,
            facts: Some(NodeFacts {
                node: name.parse().unwrap(),
                agent_version: String::new(),
                hostname: String::new(),
                addresses: vec![],
                java_home: None,
                backup_free_bytes: 0,
                database_dirs: vec![],
                homes: vec![
                    home("/opt/old", "3.0.1", "4.1.0"),
                    home("/opt/new", "3.2.0", "4.2.0"),
                ],
            }),
        };
        let guides = Guide::shipped().unwrap();
        let mut guide = guides
            .into_iter()
            .find(|guide| guide.name == "dss-3.2.0")
            .unwrap();
        guide.renames.clear();
        guide.obsolete.clear();
        let comparison = ConfigComparison {
            old: "/opt/old".into(),
            stock: "old.zip".into(),
            new_version: None,
            files,
        };
        let configs = ["n1", "n2"].map(|node| (node.parse().unwrap(), Ok(comparison.clone())));
        Self {
            guide,
            more: String::new(),
            nodes: vec![node("n1", "a"), node("n2", "b")],
            configs: configs.into(),
        }
    }

    fn one(name: &str, change: SiteChange) -> Self {
        Self::new(vec![edited(name, vec![change])])
    }

    fn answering(mut self, more: &str) -> Self {
        self.more.push_str(more);
        self
    }

    fn with<T>(&self, look: impl FnOnce(&Inputs<'_>) -> T) -> T {
        let upgrade = Upgrade::parse("x.toml", &format!("{FILE}{}", self.more)).unwrap();
        look(&Inputs {
            guide: &self.guide,
            upgrade: &upgrade,
            file: "x.toml",
            nodes: &self.nodes,
            databases: &BTreeMap::new(),
            attachments: &BTreeMap::new(),
            scripts: &BTreeMap::new(),
            configs: &self.configs,
            rehearsal: None,
        })
    }

    fn resolve(&self) -> Resolution {
        self.with(resolve)
    }

    /// The outcome of the first change on the first node.
    fn outcome(&self) -> Outcome {
        self.resolve().items.remove(0).outcome
    }

    fn codes(&self) -> Vec<String> {
        let findings = self.resolve().findings;
        let errors = findings
            .into_iter()
            .filter(|finding| finding.severity == cutover_proto::view::Severity::Error);
        errors.map(|finding| finding.code).collect()
    }

    fn old(&mut self) -> &mut HomeFacts {
        &mut self.nodes[0].facts.as_mut().unwrap().homes[0]
    }

    fn new_home(&mut self) -> &mut HomeFacts {
        &mut self.nodes[0].facts.as_mut().unwrap().homes[1]
    }
}

fn literal(outcome: &Outcome) -> (&str, &str, &str) {
    match outcome
        .edit
        .as_ref()
        .map(|(file, edit)| (file, &edit.path, &edit.value))
    {
        Some((file, path, ConfigValue::Literal(text))) => (file, path, text),
        other => panic!("{other:?}"),
    }
}

#[test]
fn value_when_both_versions_ship_the_same_then_the_sites_is_carried() {
    let outcome = World::one(CARBON, changed("/Server/Axis2Config/X", "a", "b", "a")).outcome();
    assert_eq!(outcome.fate, Fate::Carried);
    assert_eq!(literal(&outcome), (CARBON, "/Server/Axis2Config/X", "b"));
}

#[test]
fn value_when_the_new_version_changed_it_too_then_undecided_with_all_three() {
    let world = World::one(CARBON, changed("/Server/X", "tribes", "ours", "hazelcast"));
    let outcome = world.outcome();
    assert_eq!(outcome.fate, Fate::Undecided);
    assert!(
        outcome
            .why
            .contains("stock was `tribes`, the new version has `hazelcast`"),
        "{}",
        outcome.why
    );
    assert_eq!(world.codes(), ["config-undecided"]);
}

#[test]
fn value_when_carried_then_it_must_not_tie_the_new_server_to_the_old_one() {
    for (site, why) in [
        ("jdbc:mysql://db1:3306/CARBON?x=y", "production database"),
        ("dss@jdbc:mysql://db1/CARBON", "production database"),
        ("jdbc:mysql://other-name:3307/CARBON", "production database"),
        ("jdbc:mysql://u:***@db1/CARBON", "production database"),
        ("jdbc:mysql:replication://db1,db2/CARBON", "production database"),
        ("jdbc:mysql://db1:3306/OTHER", "not a staging database"),
        ("jdbc:oracle:thin:@db9:1521/ORCL", "not a staging database"),
        ("/opt/old/repository/x", "names the old home"),
        ("lib-3.0.1.jar", "names the old version 3.0.1"),
        ("${db.host}", "${db.host}"),
    ] {
        let outcome = World::one(CARBON, changed("/Server/X", "a", site, "a")).outcome();
        assert_eq!(outcome.fate, Fate::Undecided, "{site}");
        assert!(outcome.why.contains(why), "{}", outcome.why);
    }
    for site in [
        "${carbon.home}/x",
        "jdbc:mysql://db1:3306/CARBON_320?x=y",
        "jdbc/Source",
        "13.0.10",
    ] {
        let outcome = World::one(CARBON, changed("/Server/X", "a", site, "a")).outcome();
        assert_eq!(outcome.fate, Fate::Carried, "{site}");
    }
}

#[test]
fn value_when_stock_is_not_known_then_only_places_of_the_site_are_carried() {
    let unknown = |path: &str, site: &str, new: &str| {
        let mut change = changed(path, "", site, new);
        change.stock = None;
        World::new(vec![file(CARBON, FileState::StockUnknown, vec![change])]).outcome()
    };
    assert_eq!(unknown("/Server/X", "a", "b").fate, Fate::Undecided);
    let mut change = changed("/Server/X", "", "a\u{1b}[1m", "b");
    change.stock = None;
    let world = World::new(vec![file(CARBON, FileState::StockUnknown, vec![change])]);
    let findings = world.resolve().findings;
    assert_eq!(findings[0].code, "stock-unknown");
    let report = world.with(|inputs| report(inputs, &resolve(inputs)));
    assert!(
        report.answers.contains("take = \"new\""),
        "most differences are the versions' own: {}",
        report.answers
    );
    assert_eq!(world.answering(&report.answers).codes(), Vec::<String>::new());
    assert_eq!(unknown("/Server/Ports/Offset", "2", "0").fate, Fate::Carried);
    let prepared = unknown("/Server/Ports/Offset", "2", "3");
    assert_eq!(
        (prepared.fate, prepared.edit),
        (Fate::Left, None),
        "somebody set it"
    );
    assert_eq!(
        unknown("/Server/HostName", "a", "localhost").fate,
        Fate::Undecided
    );
    let version = unknown("/Server/Version", "3.0.1", "3.2.0");
    assert_eq!((version.fate, version.edit), (Fate::Obsolete, None));
}

#[test]
fn host_name_when_the_new_file_has_it_in_a_comment_only_then_carried() {
    let outcome = World::one(
        CARBON,
        added("/Server/HostName", ChangeKind::Added, "dss.example.com"),
    )
    .outcome();
    assert_eq!(literal(&outcome), (CARBON, "/Server/HostName", "dss.example.com"));
    let other = World::one(CARBON, added("/Server/Other", ChangeKind::Added, "x")).outcome();
    assert_eq!(other.fate, Fate::Undecided);
}

#[test]
fn secret_when_carried_then_it_goes_from_home_to_home_and_stands_nowhere() {
    let change = with_site(
        "/Server/Security/KeyStore/Password",
        ShownValue::Hidden,
        there(ShownValue::Hidden),
    );
    let outcome = World::one(CARBON, change).outcome();
    let place = HomeValue {
        home: "/opt/old".into(),
        file: CARBON.into(),
        path: "/Server/Security/KeyStore/Password".into(),
    };
    assert_eq!(outcome.edit.unwrap().1.value, ConfigValue::Carried(place));
    // What is shown in part is not the value either.
    for text in ["https://h/d?password=***", "a long text … (cut)"] {
        let part = World::one(CARBON, changed("/Server/X", "a", text, "a")).outcome();
        assert!(
            matches!(part.edit.unwrap().1.value, ConfigValue::Carried(_)),
            "{text}"
        );
    }
}

#[test]
fn place_when_guide_or_upgrade_file_sets_it_then_nothing_is_carried() {
    let path = "/datasources-configuration/datasources/datasource[name='WSO2_CARBON_DB']/definition/configuration/url";
    let by_guide = World::one(
        SOURCES,
        changed(path, "jdbc:h2:x", "jdbc:mysql://db1:3306/CARBON", "jdbc:h2:x"),
    );
    let outcome = by_guide.outcome();
    assert_eq!((outcome.fate, outcome.edit), (Fate::ByGuide, None));
    assert!(outcome.why.contains("CARBON_320"), "{}", outcome.why);
    let by_site = World::one(CARBON, changed("/Server/HostName", "a", "b", "a")).answering(&format!(
        "[[config]]\nfile = \"{CARBON}\"\nset = {{ \"/Server/HostName\" = \"c\" }}\n"
    ));
    assert_eq!(by_site.outcome().fate, Fate::BySite);
    assert_eq!(by_site.codes(), Vec::<String>::new());
}

#[test]
fn place_when_the_new_home_has_the_value_or_neither_has_it_then_same() {
    let mut change = changed("/Server/X", "a", "b", "b");
    change.new = NewPlace::There {
        value: ShownValue::Plain("b".into()),
        same: true,
    };
    assert_eq!(World::one(CARBON, change).outcome().fate, Fate::Same);
    let removed = SiteChange {
        kind: ChangeKind::Removed,
        site: None,
        new: NewPlace::Missing,
        ..changed("/Server/X", "a", "", "")
    };
    assert_eq!(World::one(CARBON, removed.clone()).outcome().fate, Fate::Same);
    let back = SiteChange {
        new: there(ShownValue::Plain("a".into())),
        ..removed
    };
    assert_eq!(World::one(CARBON, back).outcome().fate, Fate::Undecided);
}

#[test]
fn rename_when_the_guide_has_it_then_the_value_goes_to_the_new_place() {
    let old = "/UserManager/Realm/UserStoreManager/Property[@name='ReadLDAPGroups']";
    let new = "/UserManager/Realm/UserStoreManager/Property[@name='ReadGroups']";
    let mut change = changed(old, "false", "true", "");
    change.new = NewPlace::ParentOnly;
    let mut world = World::one(USERS, change);
    assert_eq!(world.outcome().fate, Fate::Undecided);
    world.guide.renames.push(Rename {
        file: USERS.into(),
        from: old.into(),
        to_file: None,
        to: new.into(),
        why: "ReadLDAPGroups is called ReadGroups".into(),
    });
    let outcome = world.outcome();
    assert_eq!(outcome.fate, Fate::Renamed);
    assert_eq!(literal(&outcome), (USERS, new, "true"));
    assert_eq!(outcome.to.as_deref(), Some(format!("{USERS}: {new}").as_str()));
}

#[test]
fn rename_when_an_element_moves_to_another_file_then_what_lies_beneath_goes_with_it() {
    let mut change = changed("/TenantManagers/TenantManager/Property[@name='X']", "1", "2", "");
    change.new = NewPlace::Missing;
    let mut world = World::one("repository/conf/tenant-mgt.xml", change);
    world.guide.renames.push(Rename {
        file: "repository/conf/tenant-mgt.xml".into(),
        from: "/TenantManagers/TenantManager".into(),
        to_file: Some(USERS.into()),
        to: "/UserManager/Realm/Configuration/TenantManager".into(),
        why: "moved".into(),
    });
    let outcome = world.outcome();
    let path = "/UserManager/Realm/Configuration/TenantManager/Property[@name='X']";
    assert_eq!(literal(&outcome), (USERS, path, "2"));
    assert!(world.resolve().edits(&world.nodes[0].name).contains_key(USERS));
}

#[test]
fn obsolete_when_the_guide_says_so_then_dropped_with_its_reason() {
    let mut world = World::one(
        USERS,
        changed("/UserManager/Realm/Configuration/Old/@class", "a", "b", "a"),
    );
    world.guide.obsolete.push(Obsolete {
        file: USERS.into(),
        path: "/UserManager/Realm/Configuration/Old".into(),
        why: "removed in 4.2.0".into(),
    });
    let outcome = world.outcome();
    assert_eq!(
        (outcome.fate, outcome.why.as_str()),
        (Fate::Obsolete, "removed in 4.2.0")
    );
}

#[test]
fn answer_when_given_then_each_word_does_what_it_says() {
    let change = || changed("/Server/X", "a", "b", "c");
    let answer = |take: &str| {
        format!(
            "[[decide]]\nfile = \"{CARBON}\"\npath = \"/Server/X\"\ntake = \"{take}\"\nreason = \"CHG-1\"\n"
        )
    };
    let old = World::one(CARBON, change()).answering(&answer("old"));
    assert_eq!(old.codes(), Vec::<String>::new());
    assert_eq!(literal(&old.outcome()), (CARBON, "/Server/X", "b"));
    assert!(old.outcome().why.contains("CHG-1"));
    let new = World::one(CARBON, change()).answering(&answer("new"));
    assert_eq!((new.outcome().fate, new.outcome().edit), (Fate::Left, None));
    let by_hand = World::one(CARBON, change()).answering(&answer("by-hand"));
    assert_eq!(by_hand.outcome().fate, Fate::ByHand);
    assert_eq!(by_hand.resolve().by_hand(2).len(), 1);
    assert!(by_hand.resolve().by_hand(2)[0].starts_with("all 2 nodes: "));
}

#[test]
fn answer_when_for_some_nodes_then_the_others_are_still_asked() {
    let answer = format!(
        "[[decide]]\nfile = \"{CARBON}\"\npath = \"/Server/X\"\ntake = \"new\"\nnodes = {{ zone = \"a\" }}\n"
    );
    let world = World::one(CARBON, changed("/Server/X", "a", "b", "c")).answering(&answer);
    let fates: Vec<Fate> = world
        .resolve()
        .items
        .iter()
        .map(|item| item.outcome.fate)
        .collect();
    assert_eq!(fates, [Fate::Left, Fate::Undecided]);
    let finding = world.resolve().findings.remove(0);
    assert_eq!(
        (finding.code.as_str(), finding.place.as_str()),
        ("config-undecided", "n2")
    );
    let both = world.answering(&format!("[[decide]]\nfile = \"{CARBON}\"\ntake = \"by-hand\"\n"));
    let fates: Vec<Fate> = both
        .resolve()
        .items
        .iter()
        .map(|item| item.outcome.fate)
        .collect();
    assert_eq!(fates, [Fate::Left, Fate::ByHand], "the nearest answer counts");
}

#[test]
fn answer_when_it_says_where_then_the_value_goes_there() {
    let mut change = changed("/Server/X", "a", "b", "");
    change.new = NewPlace::Missing;
    let place = format!("[[decide]]\nfile = \"{CARBON}\"\npath = \"/Server/X\"\ntake = \"old\"\n");
    let without = World::one(CARBON, change.clone()).answering(&place);
    assert_eq!(without.codes(), ["decide-impossible"]);
    let to = format!("{place}to = \"/Y/Z\"\nto_file = \"repository/conf/y.xml\"\n");
    let outcome = World::one(CARBON, change).answering(&to).outcome();
    assert_eq!(literal(&outcome), ("repository/conf/y.xml", "/Y/Z", "b"));
    assert_eq!(outcome.fate, Fate::Renamed);
}

#[test]
fn answer_when_it_can_not_be_done_then_refused_with_the_reason() {
    let take_old =
        |path: &str| format!("[[decide]]\nfile = \"{CARBON}\"\npath = \"{path}\"\ntake = \"old\"\n");
    let production = changed("/Server/X", "a", "jdbc:mysql://db1/CARBON", "a");
    let mut several = changed("/Server/X", "a", "b", "");
    several.new = NewPlace::Several { count: 2 };
    let vault = with_site(
        "/Server/X",
        ShownValue::Vault("A.B".into()),
        there(ShownValue::Hidden),
    );
    for (change, why) in [
        (production, "production"),
        (several, "2 such places"),
        (vault, "A.B"),
    ] {
        let world = World::one(CARBON, change).answering(&take_old("/Server/X"));
        assert_eq!(world.codes(), ["decide-impossible"]);
        assert!(world.outcome().why.contains(why), "{}", world.outcome().why);
    }
}

#[test]
fn answer_when_to_nothing_or_given_twice_then_found_with_the_nearest_place() {
    let answer = |path: &str| format!("[[decide]]\nfile = \"{CARBON}\"\npath = \"{path}\"\ntake = \"new\"\n");
    let world = World::one(CARBON, changed("/Server/Axis2Home", "a", "b", "c"))
        .answering(&answer("/Server/Axis2home"));
    assert_eq!(world.codes(), ["decide-unused", "config-undecided"]);
    assert!(world.resolve().findings[0].remedy.contains("/Server/Axis2Home"));
    let good = answer("/Server/Axis2Home");
    let twice =
        World::one(CARBON, changed("/Server/Axis2Home", "a", "b", "c")).answering(&format!("{good}{good}"));
    assert_eq!(twice.codes(), ["decide-twice"]);
}

#[test]
fn undecided_when_reported_then_its_lines_make_the_plan_possible() {
    let changes = vec![
        changed("/Server/X", "a", "b", "c"),
        added("/Server/Y[@n='q']", ChangeKind::AddedElement, "<Y n=\"q\"/>"),
    ];
    let files = vec![
        edited(CARBON, changes),
        file(
            "repository/conf/log4j.properties",
            FileState::Edited,
            vec![changed("log4j.x", "a", "b", "a")],
        ),
        file("repository/conf/my.xml", FileState::AddedBySite, vec![]),
        file("repository/conf/gone.xml", FileState::GoneInNew, vec![]),
        file("repository/conf/x.policy", FileState::Opaque, vec![]),
    ];
    let world = World::new(files);
    assert_eq!(world.codes().len(), 6);
    let report = world.with(|inputs| report(inputs, &resolve(inputs)));
    assert_eq!(report.undecided, 6);
    let answered = world.answering(&report.answers);
    assert_eq!(answered.codes(), Vec::<String>::new(), "{}", report.answers);
    let resolution = answered.resolve();
    let node = &answered.nodes[0].name;
    assert_eq!(resolution.carries(node), ["repository/conf/my.xml"]);
    let element = &resolution.edits(node)[CARBON][1];
    assert!(matches!(&element.value, ConfigValue::Element(place) if place.path == "/Server/Y[@n='q']"));
}

#[test]
fn added_data_source_when_a_database_of_the_upgrade_then_put_in_before_the_guide_sets_it() {
    let path = "/datasources-configuration/datasources/datasource[name='WSO2_CARBON_DB']";
    let source = "<datasource><url>jdbc:mysql://db1:3306/CARBON</url></datasource>";
    let world = World::one(SOURCES, added(path, ChangeKind::AddedElement, source));
    let resolution = world.resolve();
    assert_eq!(resolution.items[0].outcome.fate, Fate::Carried);
    let node = &world.nodes[0].name;
    let guide = world.with(|inputs| {
        let edit = inputs
            .guide
            .edits
            .iter()
            .find(|edit| edit.file == SOURCES)
            .unwrap();
        crate::planner::edits::edits_of(inputs, edit, None)
    });
    let changes = resolution.edits(node).remove(SOURCES).unwrap();
    let merged = resolution.merge(node, &[&SOURCES.to_owned()], guide.clone(), changes, vec![]);
    assert!(matches!(merged[0].value, ConfigValue::Element(_)));
    assert_eq!(merged[1..], guide[..]);
    let other = path.replace("WSO2_CARBON_DB", "OTHER_DB");
    let other = World::one(SOURCES, added(&other, ChangeKind::AddedElement, source));
    assert_eq!(other.outcome().fate, Fate::Undecided);
    let asked = other.answering(&format!(
        "[[decide]]\nfile = \"{SOURCES}\"\npath = \"{}\"\ntake = \"old\"\n",
        path.replace("WSO2_CARBON_DB", "OTHER_DB")
    ));
    assert_eq!(asked.codes(), ["decide-impossible"], "it leads to production");
}

#[test]
fn edits_when_guide_and_upgrade_file_set_one_place_then_the_upgrade_file_wins_and_it_is_said() {
    let path = "/UserManager/Realm/Configuration/Property[@name='dataSource']";
    let world = World::new(vec![]).answering(&format!(
        "[[config]]\nfile = \"{USERS}\"\nset = {{ \"{path}\" = \"jdbc/Mine\" }}\n"
    ));
    let resolution = world.resolve();
    assert!(
        resolution
            .findings
            .iter()
            .any(|finding| finding.code == "config-overruled")
    );
    let edit = |text: &str| XmlEdit {
        path: path.into(),
        value: ConfigValue::Literal(text.into()),
        only_if_present: false,
    };
    let node = &world.nodes[0].name;
    let merged = resolution.merge(
        node,
        &[&USERS.to_owned()],
        vec![edit("jdbc/Guide")],
        vec![],
        vec![edit("jdbc/Mine")],
    );
    assert_eq!(merged, [edit("jdbc/Mine")]);
}

#[test]
fn whole_file_when_the_new_version_ships_it_then_never_carried() {
    let take = |file: &str| format!("[[decide]]\nfile = \"{file}\"\ntake = \"old\"\n");
    let policy = "repository/conf/x.policy";
    let opaque = World::new(vec![file(policy, FileState::Opaque, vec![])]).answering(&take(policy));
    assert_eq!(opaque.codes(), ["decide-impossible"]);
    let own = "repository/conf/own[1].xml";
    let world = World::new(vec![file(own, FileState::AddedBySite, vec![])]).answering(&take(own));
    assert_eq!(world.codes(), Vec::<String>::new());
    assert_eq!(
        world.resolve().carries(&world.nodes[0].name),
        ["repository/conf/own[[]1[]].xml"]
    );
}

#[test]
fn added_data_source_file_when_it_leads_to_production_then_not_carried_unless_its_url_is_set() {
    let name = "repository/conf/datasources/old-datasources.xml";
    let mut world = World::new(vec![file(name, FileState::AddedBySite, vec![])])
        .answering(&format!("[[decide]]\nfile = \"{name}\"\ntake = \"old\"\n"));
    world.nodes.truncate(1);
    let mut source = world.old().datasources[0].clone();
    source.file = name.into();
    source.name = "OLD".into();
    world.old().datasources.push(source);
    assert_eq!(world.codes(), ["decide-impossible"]);
    let url = "/datasources-configuration/datasources/datasource[name='OLD']/definition/configuration/url";
    let set = world.answering(&format!(
        "[[config]]\nfile = \"{name}\"\nset = {{ \"{url}\" = \"jdbc:mysql://db1/CARBON_320\" }}\n"
    ));
    assert_eq!(set.codes(), Vec::<String>::new());
}

#[test]
fn file_when_malformed_then_refused_unless_a_person_answers() {
    let reason = "line 3: not closed".to_owned();
    let world = World::new(vec![file(CARBON, FileState::Malformed { reason }, vec![])]);
    assert_eq!(world.codes(), ["config-malformed"]);
    let answered = world.answering(&format!("[[decide]]\nfile = \"{CARBON}\"\ntake = \"by-hand\"\n"));
    assert_eq!(answered.codes(), Vec::<String>::new());
}

#[test]
fn node_when_it_could_not_compare_then_refused_and_one_that_is_away_is_not_said_twice() {
    let mut world = World::new(vec![]);
    let n1 = world.nodes[0].name.clone();
    world.configs.insert(n1, Err("no such action".into()));
    world.configs.remove(&world.nodes[1].name.clone());
    assert_eq!(world.codes(), ["config-not-compared", "config-not-compared"]);
    world.nodes[1].connected = false;
    assert_eq!(world.codes(), ["config-not-compared"]);
    assert!(world.resolve().findings[0].text.contains("no such action"));
}

#[test]
fn change_when_the_same_on_all_nodes_then_shown_once() {
    let mut world = World::one(CARBON, changed("/Server/X", "a", "b", "a"));
    let report_of = |world: &World| world.with(|inputs| report(inputs, &resolve(inputs)));
    let report = report_of(&world);
    let change = &report.files[0].changes[0];
    assert!(change.everywhere && change.nodes.len() == 2 && report.files[0].changes.len() == 1);
    assert_eq!((report.undecided, report.answers.as_str()), (0, ""));
    let other = edited(CARBON, vec![changed("/Server/X", "a", "c", "a")]);
    let n2 = world.nodes[1].name.clone();
    world.configs.insert(
        n2,
        Ok(ConfigComparison {
            files: vec![other],
            ..ConfigComparison::default()
        }),
    );
    assert_eq!(report_of(&world).files[0].changes.len(), 2);
}

fn vaulted(mut world: World) -> World {
    world.nodes.truncate(1);
    world.old().secure_vault = true;
    world.old().secrets = SecretFacts {
        aliases: vec!["Datasources.WSO2_CARBON_DB.Configuration.Password".into()],
        protected: vec![format!("{SOURCES}: /datasources-configuration/x/password")],
        password_files: vec!["password-persist".into()],
        keystores: vec![KeystoreFacts {
            file: "repository/resources/security/wso2carbon.jks".into(),
            role: "key store".into(),
            sha256: Some(Sha256Hex::of(b"old")),
        }],
        ..SecretFacts::default()
    };
    world
}

#[test]
fn vaulted_home_when_planned_then_its_files_go_along_and_the_rest_is_said_with_commands() {
    let world = vaulted(World::new(vec![]));
    assert_eq!(world.codes(), Vec::<String>::new());
    let resolution = world.resolve();
    assert_eq!(
        resolution.carries(&world.nodes[0].name),
        [
            "password-persist",
            "repository/conf/security/cipher-text.properties",
            "repository/conf/security/secret-conf.properties"
        ]
    );
    let todo = resolution.by_hand(1).join("\n");
    assert!(
        todo.contains("cd /opt/new && bin/ciphertool.sh -Dconfigure"),
        "{todo}"
    );
    let notes = resolution.notes(1).join("\n");
    assert!(
        notes.contains("key store repository/resources/security/wso2carbon.jks: carried"),
        "{notes}"
    );
}

#[test]
fn vaulted_home_when_its_server_could_start_only_once_then_refused_with_the_remedy() {
    let mut world = vaulted(World::new(vec![]));
    world.old().secrets.password_files = vec!["password-tmp".into()];
    assert_eq!(world.codes(), ["vault-password"]);
    assert!(
        world.resolve().findings[0]
            .remedy
            .contains("install -m 600 /dev/null /opt/old/password-persist")
    );
    let mut fresh = World::new(vec![]);
    fresh.nodes.truncate(1);
    fresh.new_home().secure_vault = true;
    assert_eq!(fresh.codes(), ["vault-password"]);
}

#[test]
fn keystore_when_left_behind_then_refused_unless_the_new_home_has_the_same() {
    let mut world = vaulted(World::new(vec![]));
    world.guide.carry.clear();
    assert_eq!(world.codes(), ["keystore-left"]);
    let mut store = world.old().secrets.keystores[0].clone();
    world.new_home().secrets.keystores = vec![store.clone()];
    assert_eq!(world.codes(), Vec::<String>::new());
    store.sha256 = Some(Sha256Hex::of(b"other"));
    world.new_home().secrets.keystores = vec![store];
    assert_eq!(world.codes(), ["keystore-left"]);
    let carried = world.answering("[copy]\ncarry = [\"repository/resources/security/*.jks\"]\n");
    assert_eq!(carried.codes(), Vec::<String>::new());
    let mut tenants = World::new(vec![]);
    tenants.nodes.truncate(1);
    tenants.guide.carry.clear();
    tenants.old().secrets.keystores = vec![KeystoreFacts {
        file: "repository/resources/security/own.jks".into(),
        role: "key store".into(),
        sha256: Some(Sha256Hex::of(b"own")),
    }];
    assert_eq!(tenants.codes(), Vec::<String>::new(), "nothing is bound to it");
    tenants.old().tenants = vec![1];
    assert_eq!(tenants.codes(), ["keystore-left"]);
}

#[test]
fn edit_when_the_new_home_protects_the_place_then_refused_with_the_alias_until_left_to_the_vault() {
    let path = "/datasources-configuration/datasources/datasource[name='WSO2_CARBON_DB']/definition[@type='RDBMS']/configuration/password";
    let mut world = World::new(vec![]);
    world.nodes.truncate(1);
    world.new_home().secrets.protected = vec![format!("{SOURCES}: {path}")];
    world.new_home().secrets.password_files = vec!["password-persist".into()];
    world.new_home().datasources[0].password_alias = Some("Datasources.X.Password".into());
    assert_eq!(world.codes(), ["config-protected"]);
    let finding = world.resolve().findings.remove(0);
    assert!(
        finding.text.contains("Datasources.X.Password") && finding.text.contains("the secret file:/pw"),
        "{finding:?}"
    );
    assert!(
        finding
            .remedy
            .contains("put `Datasources.X.Password=[VALUE]` into /opt/new/repository/conf/security")
    );
    let decide = finding.remedy.split_once('\n').unwrap().1.to_owned();
    let left = world.answering(&decide);
    assert_eq!(left.codes(), Vec::<String>::new());
    let resolution = left.resolve();
    let guide = left.with(|inputs| {
        let edit = inputs
            .guide
            .edits
            .iter()
            .find(|edit| edit.file == SOURCES)
            .unwrap();
        crate::planner::edits::edits_of(inputs, edit, None)
    });
    let merged = resolution.merge(
        &left.nodes[0].name,
        &[&SOURCES.to_owned()],
        guide.clone(),
        vec![],
        vec![],
    );
    assert_eq!(merged.len(), guide.len() - 1);
    assert!(merged.iter().all(|edit| edit.path != path));
}

#[test]
fn site_value_when_the_new_home_protects_the_place_then_refused() {
    let change = with_site(
        "/Server/P",
        ShownValue::Hidden,
        there(ShownValue::Vault("A.B".into())),
    );
    let world = World::one(CARBON, change.clone());
    assert_eq!(world.codes(), ["config-protected"]);
    let left = world.answering(&format!(
        "[[decide]]\nfile = \"{CARBON}\"\npath = \"/Server/P\"\ntake = \"new\"\n"
    ));
    assert_eq!(left.codes(), Vec::<String>::new());
    let both = SiteChange {
        site: Some(ShownValue::Vault("A.B".into())),
        ..change
    };
    assert_eq!(World::one(CARBON, both).outcome().fate, Fate::Vault);
}

#[test]
fn report_when_made_then_no_secret_is_in_it() {
    let change = with_site(
        "/Server/Security/KeyStore/Password",
        ShownValue::Hidden,
        there(ShownValue::Hidden),
    );
    let world = vaulted(World::one(CARBON, change));
    let json = world.with(|inputs| serde_json::to_string(&report(inputs, &resolve(inputs))).unwrap());
    assert!(json.contains("\"hidden\"") && json.contains("\"carried\""));
}

#[test]
fn site_value_when_it_leads_to_production_then_refused_and_staging_is_taken() {
    let url = "/datasources-configuration/datasources/datasource[name='X']/definition/configuration/url";
    let config = |value: &str| {
        World::new(vec![]).answering(&format!(
            "[[config]]\nfile = \"{SOURCES}\"\nset = {{ \"{url}\" = \"{value}\" }}\n"
        ))
    };
    let production = config("jdbc:mysql://alias:3306/CARBON");
    assert_eq!(
        production.codes(),
        ["config-on-production", "config-on-production"]
    );
    let finding = production.resolve().findings.remove(0);
    assert!(finding.text.contains(SOURCES), "{finding:?}");
    assert_eq!(
        config("jdbc:mysql://db1/CARBON_320").codes(),
        Vec::<String>::new()
    );
    assert_eq!(config("jdbc:mysql://db1/OTHER").codes(), Vec::<String>::new());
}

#[test]
fn added_data_source_when_secure_vault_keeps_its_password_then_refused_until_the_guide_makes_it_anew() {
    let path = "/datasources-configuration/datasources/datasource[name='WSO2_CARBON_DB']";
    let text = "<datasource><url>jdbc:mysql://db1:3306/CARBON</url><password svns:secretAlias=\"A.B\">***</password>\
                </datasource>";
    let mut world = World::one(SOURCES, added(path, ChangeKind::AddedElement, text));
    world.nodes.truncate(1);
    assert_eq!(world.codes(), ["config-protected"]);
    let remedy = world.resolve().findings.remove(0).remedy;
    let (_, answer) = remedy.split_once('\n').unwrap();
    let old = answer.replace("take = \"new\"", "take = \"old\"");
    let mut left = world.answering(answer);
    assert_eq!(left.codes(), Vec::<String>::new());
    assert_eq!((left.outcome().fate, left.outcome().edit), (Fate::Left, None));
    left.more = old;
    assert_eq!(left.codes(), ["decide-impossible"]);
    // Where the text is cut before the alias, the facts still tell.
    let mut cut = World::one(SOURCES, added(path, ChangeKind::AddedElement, "<datasource>"));
    assert_eq!(cut.outcome().fate, Fate::Carried);
    cut.old().datasources[0].password_alias = Some("A.B".into());
    assert_eq!(cut.outcome().refused.unwrap().code, "config-protected");
}

#[test]
fn added_mount_when_asked_for_then_put_in_and_its_cache_set_to_staging() {
    const REGISTRY: &str = "repository/conf/registry.xml";
    let path = "/wso2registry/remoteInstance";
    let text = "<remoteInstance url=\"https://h:9443/registry\"><id>gov</id><dbConfig>wso2registry</dbConfig>\
                <cacheId>dss@jdbc:mysql://db1:3306/CARBON</cacheId></remoteInstance>";
    let mut world = World::one(REGISTRY, added(path, ChangeKind::AddedElement, text));
    world.nodes.truncate(1);
    let mut world = world.answering(&format!(
        "[[decide]]\nfile = \"{REGISTRY}\"\npath = \"{path}\"\ntake = \"old\"\n"
    ));
    assert_eq!(
        world.codes(),
        ["decide-impossible"],
        "no edit of the plan sets its cacheId"
    );
    let old = world.old();
    old.registry_datasources
        .insert("wso2registry".into(), "jdbc/WSO2CarbonDB".into());
    old.registry_mounts = vec![cutover_proto::facts::MountFacts {
        path: "/_system/governance".into(),
        target: "/_system/governance".into(),
        instance: "gov".into(),
        db_config: "wso2registry".into(),
        cache_id: "dss@jdbc:mysql://db1:3306/CARBON".into(),
    }];
    assert_eq!(world.codes(), Vec::<String>::new());
    let resolution = world.resolve();
    let node = &world.nodes[0].name;
    let guide = world.with(|inputs| {
        let old = inputs.nodes[0].home("/opt/old");
        let edits = inputs.guide.edits.iter().filter(|edit| edit.file == REGISTRY);
        edits
            .flat_map(|edit| crate::planner::edits::edits_of(inputs, edit, old))
            .collect::<Vec<_>>()
    });
    let changes = resolution.edits(node).remove(REGISTRY).unwrap();
    let merged = resolution.merge(node, &[&REGISTRY.to_owned()], guide, changes, vec![]);
    assert!(matches!(&merged[0].value, ConfigValue::Element(place) if place.path == path));
    let cache = merged
        .iter()
        .find(|edit| edit.path == "/wso2registry/remoteInstance[id='gov']/cacheId")
        .unwrap();
    assert!(matches!(&cache.value, ConfigValue::Literal(text) if text.contains("CARBON_320")));
}

#[test]
fn file_when_it_can_not_be_read_then_undecided_until_the_upgrade_file_says() {
    let state = || FileState::Unread {
        reason: "a link out of the home".into(),
    };
    let world = World::new(vec![file(USERS, state(), vec![])]);
    let outcome = world.outcome();
    assert_eq!(outcome.fate, Fate::Undecided);
    assert!(outcome.why.contains("a link out of the home"), "{}", outcome.why);
    assert!(!world.codes().is_empty());
    let answer = |take: &str| format!("[[decide]]\nfile = \"{USERS}\"\ntake = \"{take}\"\n");
    let world = World::new(vec![file(USERS, state(), vec![])]).answering(&answer("by-hand"));
    assert_eq!(world.outcome().fate, Fate::ByHand);
    assert_eq!(world.codes(), Vec::<String>::new());
    let world = World::new(vec![file(USERS, state(), vec![])]).answering(&answer("old"));
    assert!(world.codes().contains(&"decide-impossible".to_owned()));
}
