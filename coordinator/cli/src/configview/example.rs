//! A report for tests.

use cutover_proto::config::report::{ComparedNode, ConfigReport, Fate, ReportChange, ReportFile, SecretNote};
use cutover_proto::config::{ChangeKind, ShownValue};
use cutover_proto::ids::NodeName;

fn node(name: &str) -> NodeName {
    name.parse().unwrap()
}

fn plain(text: &str) -> Option<ShownValue> {
    Some(ShownValue::Plain(text.into()))
}

pub(crate) fn report() -> ConfigReport {
    let change = ReportChange {
        nodes: vec![node("dss-1"), node("dss-2")],
        everywhere: true,
        path: Some("/Server/HostName".into()),
        kind: Some(ChangeKind::Changed),
        stock: plain("localhost"),
        site: plain("dss.example.com"),
        new: "`localhost`".into(),
        fate: Fate::Carried,
        why: "both versions ship the same value, and the site changed it".into(),
        to: None,
        answer: None,
    };
    let answer = "[[decide]]\nfile = \"repository/conf/carbon.xml\"\npath = \"/Server/X[@name='<b>']\"\ntake = \"old\"";
    let undecided = ReportChange {
        nodes: vec![node("dss-2")],
        everywhere: false,
        path: Some("/Server/X[@name='<b>']".into()),
        stock: None,
        kind: Some(ChangeKind::Added),
        site: plain("<script>alert(1)</script> & \"more\""),
        new: "not there".into(),
        fate: Fate::Undecided,
        why: "the site added it".into(),
        answer: Some(answer.into()),
        ..change.clone()
    };
    let renamed = ReportChange {
        path: Some("/UserManager/Realm/UserStoreManager/Property[@name='ReadLDAPGroups']".into()),
        site: Some(ShownValue::Hidden),
        stock: Some(ShownValue::Vault("A.B".into())),
        new: "not there".into(),
        fate: Fate::Renamed,
        why: "it is called ReadGroups now".into(),
        to: Some(
            "repository/conf/user-mgt.xml: /UserManager/Realm/UserStoreManager/Property[@name='ReadGroups']"
                .into(),
        ),
        ..change.clone()
    };
    let whole = ReportChange {
        path: None,
        kind: None,
        stock: None,
        site: None,
        new: "it is not shipped".into(),
        fate: Fate::ByHand,
        why: "see to it".into(),
        ..change.clone()
    };
    let file = |file: &str, changes: Vec<ReportChange>| ReportFile {
        file: file.into(),
        changes,
    };
    ConfigReport {
        upgrade: "dss-prod".into(),
        guide: "dss-3.2.0".into(),
        nodes: ["dss-1", "dss-2"]
            .map(|name| ComparedNode {
                node: node(name),
                old: "/opt/old".into(),
                new: "/opt/new".into(),
                stock: "wso2dss-3.0.1.zip".into(),
                problem: (name == "dss-2").then(|| "its agent is away".to_owned()),
            })
            .into(),
        files: vec![
            file("repository/conf/carbon.xml", vec![change, undecided]),
            file("repository/conf/own.xml", vec![whole]),
            file("repository/conf/user-mgt.xml", vec![renamed]),
        ],
        secrets: vec![SecretNote {
            nodes: vec![node("dss-1")],
            what: "password-persist".into(),
            then: "carried to the new home with its mode".into(),
            by_hand: false,
        }],
        undecided: 1,
        answers: format!("# dss-2: the site added it\n{answer}\n"),
    }
}
