//! File actions through the wire: edit, carry, copy, back up, unpack, and each taken back.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use cutover_agent::durable;
use cutover_proto::ids::Sha256Hex;
use cutover_proto::report::ErrorCode;
use cutover_proto::step::{BlobRef, ConfigValue, NodeAction, SecretRef, XmlEdit};

use crate::fixture::{Node, again, command, server_program, text, undo};

const FILE: &str = "repository/conf/datasources/master-datasources.xml";
const XML: &str = "<?xml version=\"1.0\"?>\r\n<ds xmlns:svns=\"http://org.wso2.securevault/configuration\">\r\n  \
    <!-- <url>off</url> -->\r\n  <url>jdbc:h2:x</url>\r\n  <password>oldsecret</password>\r\n  \
    <vaulted svns:secretAlias=\"A\">password</vaulted>\r\n</ds>\r\n";

fn put(home: &Path, file: &str, content: &[u8]) {
    let path = home.join(file);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, content).unwrap();
}

/// Every file below a folder, with its content and mode.
fn snapshot(home: &Path) -> BTreeMap<String, (Vec<u8>, u32)> {
    let mut all = BTreeMap::new();
    let mut folders = vec![home.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let mode = fs::metadata(&path).unwrap().permissions().mode();
                all.insert(text(&path), (fs::read(&path).unwrap(), mode));
            }
        }
    }
    all
}

fn edit(home: &Path, path: &str, value: ConfigValue) -> NodeAction {
    NodeAction::EditXml {
        home: text(home),
        file: FILE.to_owned(),
        elsewhere: Vec::new(),
        edits: vec![XmlEdit {
            path: path.to_owned(),
            value,
            only_if_present: false,
        }],
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn file_when_edited_twice_and_undone_then_its_very_bytes_are_back() {
    let mut node = Node::start().await;
    let home = node.home("wso2new");
    put(&home, FILE, XML.as_bytes());
    fs::set_permissions(home.join(FILE), fs::Permissions::from_mode(0o640)).unwrap();
    let before = snapshot(&home);
    let mut session = node.coordinator.session(5).await;
    let secret = ConfigValue::Secret(SecretRef("file:pw".to_owned()));
    let mut change = command("edit@n", edit(&home, "/ds/password", secret));
    change.secrets = [("file:pw".to_owned(), "newsecret".to_owned())].into();
    let receipt = session.run(&change).await.unwrap();
    let edited = fs::read_to_string(home.join(FILE)).unwrap();
    assert_eq!(edited, XML.replace("oldsecret", "newsecret"));
    let shown = format!("{receipt:?}");
    assert!(
        !shown.contains("newsecret") && !shown.contains("oldsecret"),
        "{shown}"
    );
    assert!(receipt.evidence["diff"].contains("********"), "{shown}");
    let second = session.run(&again(&change, 2)).await.unwrap();
    assert_eq!(second.evidence["changed"], "false");
    assert_eq!(
        second.evidence["sha256_before"],
        Sha256Hex::of(XML.as_bytes()).as_str()
    );
    let back = session.run(&undo(&change)).await.unwrap();
    assert_eq!(back.evidence["restored"], "yes");
    assert_eq!(snapshot(&home), before);
    session.run(&again(&undo(&change), 2)).await.unwrap();
    assert_eq!(snapshot(&home), before);
    let ledger = fs::read_to_string(node.root.join("state/ledger.jsonl")).unwrap();
    assert!(!ledger.contains("newsecret") && !ledger.contains("oldsecret"));
}

#[tokio::test(flavor = "multi_thread")]
async fn edit_when_refused_then_the_file_is_as_it_was() {
    let mut node = Node::start().await;
    let home = node.home("wso2new");
    put(&home, FILE, XML.as_bytes());
    let mut session = node.coordinator.session(5).await;
    let literal = || ConfigValue::Literal("x".to_owned());
    for (number, path) in ["/ds/vaulted", "no path", "/other/root"].into_iter().enumerate() {
        let outcome = session
            .run(&command(&format!("edit{number}@n"), edit(&home, path, literal())))
            .await;
        assert_eq!(outcome.unwrap_err().code, ErrorCode::ConfigRefused, "{path}");
    }
    let unknown = ConfigValue::Secret(SecretRef("file:other".to_owned()));
    let outcome = session
        .run(&command("unknown@n", edit(&home, "/ds/url", unknown)))
        .await;
    assert_eq!(outcome.unwrap_err().code, ErrorCode::SecretUnavailable);
    assert_eq!(fs::read_to_string(home.join(FILE)).unwrap(), XML);
    // Somebody changes the file after the edit: the undo must not throw that away.
    let change = command("edit@n", edit(&home, "/ds/url", literal()));
    session.run(&change).await.unwrap();
    fs::write(home.join(FILE), "<ds/>").unwrap();
    let error = session.run(&undo(&change)).await.unwrap_err();
    assert_eq!(error.code, ErrorCode::ConfigRefused);
    let skip = format!("cutover skip {} --step edit@n --reason", change.id.run);
    assert!(error.next.contains(&skip), "{error:?}");
    assert_eq!(fs::read_to_string(home.join(FILE)).unwrap(), "<ds/>");
}

#[tokio::test(flavor = "multi_thread")]
async fn files_when_carried_and_copied_and_undone_then_the_new_home_is_as_it_was() {
    let mut node = Node::start().await;
    let (old, new) = (node.home("wso2old"), node.home("wso2new"));
    put(&old, "repository/components/lib/mysql.jar", b"driver");
    put(&old, "repository/deployment/server/a/b.xml", b"<site/>");
    put(&old, "repository/deployment/server/shipped.aar", b"old");
    put(&new, "repository/deployment/server/shipped.aar", b"new");
    let before = snapshot(&new);
    let mut session = node.coordinator.session(5).await;
    let carry = command(
        "carry@n",
        NodeAction::CarryFiles {
            from: text(&old),
            to: text(&new),
            patterns: vec![
                "repository/components/lib/*.jar".to_owned(),
                "none/*.jks".to_owned(),
            ],
        },
    );
    let receipt = session.run(&carry).await.unwrap();
    assert_eq!(receipt.evidence["unmatched_patterns"], "none/*.jks");
    let copy = |step: &str, path: &str| {
        command(
            step,
            NodeAction::CopyTree {
                from: text(&old),
                to: text(&new),
                path: path.to_owned(),
                protect: false,
                overwrite: Vec::new(),
            },
        )
    };
    let deployment = copy("copy@n", "repository/deployment/server");
    let receipt = session.run(&deployment).await.unwrap();
    assert!(
        receipt.evidence["overwritten"].contains("shipped.aar"),
        "{:?}",
        receipt.evidence
    );
    assert_eq!(
        fs::read(new.join("repository/deployment/server/a/b.xml")).unwrap(),
        b"<site/>"
    );
    session.run(&undo(&deployment)).await.unwrap();
    let mut protecting = copy("protect@n", "repository/deployment/server");
    if let NodeAction::CopyTree { protect, .. } = &mut protecting.action {
        *protect = true;
    }
    let receipt = session.run(&protecting).await.unwrap();
    assert_eq!(
        receipt.evidence["kept"],
        "1: repository/deployment/server/shipped.aar"
    );
    assert_eq!(
        receipt.evidence["kept_sha256"],
        Sha256Hex::of(b"repository/deployment/server/shipped.aar\n").as_str()
    );
    assert_eq!(
        fs::read(new.join("repository/deployment/server/shipped.aar")).unwrap(),
        b"new"
    );
    session.run(&undo(&protecting)).await.unwrap();
    let absent = session
        .run(&copy("tenants@n", "repository/tenants"))
        .await
        .unwrap();
    assert!(absent.evidence.contains_key("absent"));
    session.run(&undo(&deployment)).await.unwrap();
    session.run(&undo(&carry)).await.unwrap();
    session
        .run(&undo(&copy("tenants@n", "repository/tenants")))
        .await
        .unwrap();
    assert_eq!(snapshot(&new), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn home_when_backed_up_then_verified_and_never_over_another_runs_backup() {
    let mut node = Node::start().await;
    let home = node.home("wso2old");
    put(&home, "bin/version.txt", b"WSO2 Data Services Server v3.0.1\n");
    let mut session = node.coordinator.session(5).await;
    let backup = command(
        "backup@n",
        NodeAction::BackupHome {
            home: text(&home),
            name: "run-7-old".to_owned(),
        },
    );
    let receipt = session.run(&backup).await.unwrap();
    assert_eq!(receipt.evidence["verified"], "true");
    session.run(&again(&backup, 2)).await.unwrap();
    let mut foreign = command("other@n", backup.action.clone());
    foreign.id.step = "other@n".parse().unwrap();
    assert_eq!(
        session.run(&foreign).await.unwrap_err().code,
        ErrorCode::AlreadyExists
    );
    session.run(&undo(&backup)).await.unwrap();
    assert!(Path::new(&receipt.evidence["file"]).exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn distribution_when_unpacked_and_undone_then_only_what_was_made_goes() {
    let mut node = Node::start().await;
    let zip = node.root.join("wso2dss-3.2.0.zip");
    let spec = carbon_standin::home::HomeSpec::stock(
        "WSO2 Data Services Server",
        "3.2.0",
        "4.2.0",
        &server_program(),
    );
    carbon_standin::distribution::make_distribution(&zip, &spec).unwrap();
    let content = fs::read(&zip).unwrap();
    let blob = BlobRef {
        name: "wso2dss-3.2.0.zip".to_owned(),
        sha256: Sha256Hex::of(&content),
        size: content.len() as u64,
    };
    {
        let mut blobs = node.coordinator.blobs.lock().unwrap();
        blobs.content.insert(blob.sha256.to_string(), content);
        blobs.break_after = Some(5000);
    }
    let mut session = node.coordinator.session(5).await;
    let home = node.home("wso2dss-3.2.0");
    let unpack = |step: &str, name: &str| {
        command(
            step,
            NodeAction::Unpack {
                home: text(&node.root.join(name)),
                distribution: blob.clone(),
            },
        )
    };
    let first = unpack("unpack@n", "wso2dss-3.2.0");
    session.run(&first).await.unwrap();
    assert!(home.join("bin/wso2server.sh").exists());
    let second = session.run(&unpack("later@n", "wso2dss-3.2.0")).await.unwrap();
    assert_eq!(second.evidence["reused"], "true");
    let kept = session
        .run(&undo(&unpack("later@n", "wso2dss-3.2.0")))
        .await
        .unwrap();
    assert!(kept.evidence["home_removed"].starts_with("no"));
    assert!(home.exists());
    // What a kill in the middle of a try leaves.
    let key = durable::key(&format!("{}/{}", first.id.run, first.id.step));
    put(
        &node.root,
        &format!("..cutover-unpack-{key}.cutover-part/bin/half"),
        b"",
    );
    put(&node.root, &format!(".cutover-unpack-{key}/bin/whole"), b"");
    session.run(&undo(&first)).await.unwrap();
    assert!(!home.exists());
    session.run(&again(&undo(&first), 2)).await.unwrap();
    put(&node.root.join("wso2mine"), "keep", b"me");
    let taken = session.run(&unpack("mine@n", "wso2mine")).await.unwrap_err();
    assert_eq!(taken.code, ErrorCode::AlreadyExists);
    assert!(node.root.join("wso2mine/keep").exists());
    let left: Vec<_> = fs::read_dir(&node.root)
        .unwrap()
        .map(|e| text(&e.unwrap().path()))
        .collect();
    assert!(
        !left.iter().any(|path| path.contains(".cutover-unpack")),
        "{left:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn home_when_inspected_then_its_facts_come() {
    let mut node = Node::start().await;
    let home = node.home("wso2old");
    put(&home, "bin/version.txt", b"WSO2 Data Services Server v3.0.1\n");
    let mut session = node.coordinator.session(5).await;
    let receipt = session
        .run(&command("inspect@n", NodeAction::Inspect { homes: Vec::new() }))
        .await
        .unwrap();
    let facts = receipt.facts.unwrap();
    assert_eq!(facts.node.as_str(), "node-1");
    assert_eq!(facts.homes[0].version, "3.0.1");
}
