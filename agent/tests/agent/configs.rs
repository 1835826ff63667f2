//! What a site changed in its configuration, and how it is brought into the new home.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use cutover_proto::config::{ChangeKind, ConfigComparison, FileState, NewPlace, ShownValue};
use cutover_proto::convert::Command;
use cutover_proto::ids::Sha256Hex;
use cutover_proto::report::{ErrorCode, Receipt};
use cutover_proto::step::{BlobRef, ConfigValue, HomeValue, NodeAction, XmlEdit};

use crate::fixture::{Node, command, text};

pub(crate) const USERS: &str = "repository/conf/user-mgt.xml";
pub(crate) const MASTER: &str = "repository/conf/datasources/master-datasources.xml";
pub(crate) const CIPHER: &str = "repository/conf/security/cipher-text.properties";

const STOCK: &str = "<UserManager>\n  <Realm>\n    <Dn>dc=stock</Dn>\n    <ConnectionPassword>admin</ConnectionPassword>\n    \
    <!--Store class=\"Site\">\n      <Property name=\"url\">x</Property>\n    </Store-->\n  </Realm>\n</UserManager>\n";
const SITE: &str = "<UserManager>\n  <Realm>\n    <Dn>dc=site</Dn>\n    <ConnectionPassword>hunter2</ConnectionPassword>\n    \
    <Store class=\"Site\">\n      <!-- ours -->\n      <Property name=\"url\">ldap://site</Property>\n      \
    <Property name=\"ConnectionPassword\">hunter3</Property>\n    </Store>\n  </Realm>\n</UserManager>\n";
pub(crate) const NEW: &str = "<UserManager>\r\n\t<Realm>\r\n\t\t<Dn>dc=new</Dn>\r\n\t\t<ConnectionPassword>admin</ConnectionPassword>\r\n\
    \t\t<AddAdmin>true</AddAdmin>\r\n\t</Realm>\r\n</UserManager>\r\n";

pub(crate) fn put(home: &Path, file: &str, content: &[u8]) {
    let path = home.join(file);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, content).unwrap();
}

/// A distribution with these files below its top folder.
pub(crate) fn distribution(node: &Node, name: &str, files: &[(&str, &str)]) -> BlobRef {
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (file, content) in files {
        let options = zip::write::SimpleFileOptions::default();
        zip.start_file(format!("wso2-{name}/{file}"), options).unwrap();
        zip.write_all(content.as_bytes()).unwrap();
    }
    let content = zip.finish().unwrap().into_inner();
    let blob = BlobRef {
        name: format!("{name}.zip"),
        sha256: Sha256Hex::of(&content),
        size: content.len() as u64,
    };
    let mut blobs = node.coordinator.blobs.lock().unwrap();
    blobs.content.insert(blob.sha256.to_string(), content);
    blob
}

pub(crate) fn compare(
    step: &str,
    old: &Path,
    old_stock: Option<&BlobRef>,
    new: &Path,
    new_stock: Option<&BlobRef>,
) -> Command {
    command(
        step,
        NodeAction::CompareConfig {
            old: text(old),
            old_stock: old_stock.cloned(),
            new: text(new),
            new_stock: new_stock.cloned(),
        },
    )
}

pub(crate) fn from_old(old: &Path, file: &str, path: &str) -> HomeValue {
    HomeValue {
        home: text(old),
        file: file.to_owned(),
        path: path.to_owned(),
    }
}

pub(crate) fn edit(path: &str, value: ConfigValue) -> XmlEdit {
    XmlEdit {
        path: path.to_owned(),
        value,
        only_if_present: false,
    }
}

pub(crate) fn edits(step: &str, home: &Path, file: &str, elsewhere: &[&str], edits: Vec<XmlEdit>) -> Command {
    command(
        step,
        NodeAction::EditXml {
            home: text(home),
            file: file.to_owned(),
            elsewhere: elsewhere.iter().map(|place| (*place).to_owned()).collect(),
            edits,
        },
    )
}

fn change<'c>(
    comparison: &'c ConfigComparison,
    file: &str,
    path: &str,
) -> &'c cutover_proto::config::SiteChange {
    let file = comparison
        .files
        .iter()
        .find(|compared| compared.file == file)
        .unwrap();
    let found = file.changes.iter().find(|change| change.path == path);
    found.unwrap_or_else(|| panic!("no {path} in {file:#?}"))
}

/// An old home with site changes, its distribution, and a new home.
pub(crate) fn homes(node: &Node) -> (PathBuf, BlobRef, PathBuf) {
    let (old, new) = (node.home("wso2old"), node.home("wso2new"));
    put(&old, "bin/version.txt", b"WSO2 X v1\n");
    put(&old, USERS, SITE.as_bytes());
    put(&old, "repository/conf/same.xml", b"<a/>");
    put(&old, "repository/conf/own.xml", b"<mine/>");
    put(&old, "repository/conf/tenant-mgt.xml", b"<t>site</t>");
    put(&old, "repository/conf/broken.xml", b"<a>\n<b>hunter2</a>");
    put(&old, "repository/conf/x.jks", b"1");
    put(&old, CIPHER, b"A=[hunter2]\n");
    put(&new, USERS, NEW.as_bytes());
    put(&new, CIPHER, b"A=[admin]\n");
    let files = [
        ("bin/version.txt", "WSO2 X v1\n"),
        (USERS, STOCK),
        ("repository/conf/same.xml", "<a></a>"),
        ("repository/conf/tenant-mgt.xml", "<t>stock</t>"),
        ("repository/conf/broken.xml", "<a/>"),
        ("repository/conf/x.jks", "2"),
        (CIPHER, "A=[admin]\n"),
    ];
    let stock = distribution(node, "old", &files);
    (old, stock, new)
}

pub(crate) fn config(receipt: &Receipt) -> &ConfigComparison {
    receipt.config.as_deref().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn configuration_when_compared_with_its_distribution_then_every_change_and_no_secret() {
    let mut node = Node::start().await;
    let (old, stock, new) = homes(&node);
    let mut session = node.coordinator.session(5).await;
    let asked = compare("compare@n", &old, Some(&stock), &new, None);
    let receipt = session.run(&asked).await.unwrap();
    let comparison = config(&receipt);
    let states: Vec<(&str, &FileState)> = comparison
        .files
        .iter()
        .map(|file| (file.file.rsplit('/').next().unwrap(), &file.state))
        .collect();
    assert!(
        matches!(states[0], ("broken.xml", FileState::Malformed { reason }) if reason.contains("line 2")),
        "{states:?}"
    );
    let rest = [
        ("own.xml", &FileState::AddedBySite),
        ("cipher-text.properties", &FileState::Edited),
        ("tenant-mgt.xml", &FileState::GoneInNew),
        ("user-mgt.xml", &FileState::Edited),
        ("x.jks", &FileState::Opaque),
    ];
    assert_eq!(states[1..], rest);
    assert!(comparison.stock.contains(stock.sha256.as_str()));
    let dn = change(comparison, USERS, "/UserManager/Realm/Dn");
    assert_eq!(
        (dn.kind, &dn.site),
        (ChangeKind::Changed, &Some(ShownValue::Plain("dc=site".into())))
    );
    let there = ShownValue::Plain("dc=new".into());
    assert_eq!(
        dn.new,
        NewPlace::There {
            value: there,
            same: false
        }
    );
    let store = change(comparison, USERS, "/UserManager/Realm/Store");
    assert_eq!(
        (store.kind, &store.new),
        (ChangeKind::AddedElement, &NewPlace::ParentOnly)
    );
    let password = change(comparison, USERS, "/UserManager/Realm/ConnectionPassword");
    assert_eq!(password.site, Some(ShownValue::Hidden));
    assert_eq!(change(comparison, CIPHER, "A").site, Some(ShownValue::Hidden));
    let ledger = fs::read_to_string(node.root.join("state/ledger.jsonl")).unwrap();
    for kept in [format!("{receipt:?}"), ledger] {
        assert!(!kept.contains("hunter"), "{kept}");
    }
    // The download is gone, and the same command is answered without another one.
    assert_eq!(fs::read_dir(node.root.join("state/blobs")).unwrap().count(), 0);
    assert_eq!(session.run(&asked).await.unwrap(), receipt);
    // What this run edited since is compared as it was shipped.
    let literal = ConfigValue::Literal("dc=edited".to_owned());
    session
        .run(&edits(
            "edit@n",
            &new,
            USERS,
            &[],
            vec![edit("/UserManager/Realm/Dn", literal)],
        ))
        .await
        .unwrap();
    let later = session
        .run(&compare("later@n", &old, Some(&stock), &new, None))
        .await
        .unwrap();
    assert_eq!(config(&later), comparison);
}

#[tokio::test(flavor = "multi_thread")]
async fn configuration_when_no_distribution_is_named_then_untouched_files_are_stock() {
    let mut node = Node::start().await;
    let (old, _, new) = homes(&node);
    let mut session = node.coordinator.session(5).await;
    put(
        &old,
        "bin/wso2carbon-version.txt",
        b"WSO2 Carbon Framework v4.1.0\n",
    );
    // All as new as their arrival: nothing is known.
    let receipt = session
        .run(&compare("a@n", &old, None, &new, None))
        .await
        .unwrap();
    assert!(config(&receipt).stock.contains("not known"));
    let state = |receipt: &Receipt, file: &str| {
        let compared = config(receipt)
            .files
            .iter()
            .find(|compared| compared.file == file);
        compared.map(|compared| compared.state.clone())
    };
    assert_eq!(state(&receipt, USERS), Some(FileState::StockUnknown));
    let own = "repository/conf/own.xml";
    assert_eq!(state(&receipt, own), Some(FileState::GoneInNew));
    let built = filetime::FileTime::from_unix_time(1_300_000_000, 0);
    for file in ["bin/version.txt", "bin/wso2carbon-version.txt", own, CIPHER] {
        filetime::set_file_mtime(old.join(file), built).unwrap();
    }
    // The site edited after the build, and patched the server after that.
    let day = |days: i64| filetime::FileTime::from_unix_time(1_300_000_000 + days * 86_400, 0);
    put(&old, "bin/patched.jar", b"");
    for (file, days) in [
        (USERS, 10),
        ("bin/patched.jar", 20),
        ("bin/wso2carbon-version.txt", 20),
    ] {
        filetime::set_file_mtime(old.join(file), day(days)).unwrap();
    }
    let broken = "repository/conf/linked.xml";
    std::os::unix::fs::symlink("/etc/hostname", old.join(broken)).unwrap();
    let receipt = session
        .run(&compare("b@n", &old, None, &new, None))
        .await
        .unwrap();
    assert!(config(&receipt).stock.contains("own files"));
    assert_eq!(state(&receipt, own), None);
    assert_eq!(state(&receipt, USERS), Some(FileState::StockUnknown));
    assert!(
        matches!(state(&receipt, broken), Some(FileState::Unread { reason }) if reason.contains("link")),
        "{receipt:?}"
    );
    assert_eq!(receipt.evidence["unread"], format!("1: {broken}"));
}

#[tokio::test(flavor = "multi_thread")]
async fn comparison_when_its_sides_are_not_there_then_refused() {
    let mut node = Node::start().await;
    let (old, stock, new) = homes(&node);
    let mut session = node.coordinator.session(5).await;
    let other = distribution(
        &node,
        "other",
        &[("bin/version.txt", "WSO2 X v2\n"), (USERS, STOCK)],
    );
    let error = session
        .run(&compare("a@n", &old, Some(&other), &new, None))
        .await
        .unwrap_err();
    assert_eq!(error.code, ErrorCode::ConfigRefused);
    assert!(error.why.contains("v1") && error.why.contains("v2"), "{error:?}");
    let broken = BlobRef {
        name: "broken.zip".to_owned(),
        sha256: Sha256Hex::of(b"no zip"),
        size: 6,
    };
    let content = b"no zip".to_vec();
    node.coordinator
        .blobs
        .lock()
        .unwrap()
        .content
        .insert(broken.sha256.to_string(), content);
    let error = session
        .run(&compare("broken@n", &old, Some(&broken), &new, None))
        .await
        .unwrap_err();
    assert!(error.what.contains("broken.zip"), "{error:?}");
    assert_eq!(fs::read_dir(node.root.join("state/blobs")).unwrap().count(), 0);
    let none = node.home("wso2none");
    let error = session
        .run(&compare("b@n", &old, Some(&stock), &none, None))
        .await
        .unwrap_err();
    assert_eq!(error.code, ErrorCode::NotFound);
    let error = session
        .run(&compare("c@n", &none, None, &new, None))
        .await
        .unwrap_err();
    assert_eq!(error.code, ErrorCode::NotFound);
    // The new version's distribution stands for a home that is not unpacked, and stays for the unpacking.
    let files = [
        (USERS, NEW),
        ("bin/version.txt", "WSO2 Y v2.0.0\n"),
        ("bin/wso2carbon-version.txt", "WSO2 Carbon Framework v4.2.0\n"),
    ];
    let shipped = distribution(&node, "new", &files);
    let receipt = session
        .run(&compare("d@n", &old, Some(&stock), &none, Some(&shipped)))
        .await
        .unwrap();
    let told = config(&receipt).new_version.as_ref().unwrap();
    assert_eq!(
        (
            told.archive.as_str(),
            told.product.as_str(),
            told.version.as_str(),
            told.kernel.as_str()
        ),
        ("new.zip", "WSO2 Y", "2.0.0", "4.2.0")
    );
    assert!(matches!(
        change(config(&receipt), USERS, "/UserManager/Realm/Dn").new,
        NewPlace::There { .. }
    ));
    assert!(
        node.root
            .join("state/blobs")
            .join(shipped.sha256.as_str())
            .exists()
    );
}

/// The corpus, or `None` with a loud note when it is not there.
fn corpus() -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/carbon-corpus");
    let root = std::env::var_os("CUTOVER_CORPUS").map_or(beside, PathBuf::from);
    if root.is_dir() {
        return Some(root);
    }
    eprintln!(
        "SKIPPED: no Carbon corpus at {}; set CUTOVER_CORPUS to its folder",
        root.display()
    );
    None
}

/// Puts the corpus' configuration of a version into a home, and gives it as a distribution's files.
fn install(corpus: &Path, home: Option<&Path>) -> Vec<(String, String)> {
    let mut files = Vec::new();
    let mut folders = vec![corpus.join("conf")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let file = format!("repository/{}", text(path.strip_prefix(corpus).unwrap()));
            let Ok(content) = String::from_utf8(fs::read(&path).unwrap()) else {
                continue;
            };
            if let Some(home) = home {
                put(home, &file, content.as_bytes());
            }
            files.push((file, content));
        }
    }
    files
}

#[tokio::test(flavor = "multi_thread")]
async fn real_configuration_when_compared_then_only_the_sites_changes_are_told() {
    let Some(corpus) = corpus() else { return };
    let mut node = Node::start().await;
    let (old, new) = (node.home("wso2old"), node.home("wso2new"));
    let stock = install(&corpus.join("carbon-4.1.0"), Some(&old));
    install(&corpus.join("carbon-4.2.0"), Some(&new));
    let files: Vec<(&str, &str)> = stock
        .iter()
        .map(|(file, content)| (file.as_str(), content.as_str()))
        .collect();
    let blob = distribution(&node, "carbon-4.1.0", &files);
    let mut session = node.coordinator.session(5).await;
    let untouched = session
        .run(&compare("a@n", &old, Some(&blob), &new, None))
        .await
        .unwrap();
    assert_eq!(config(&untouched).files, []);

    let change_in = |file: &str, from: &str, to: &str| {
        let path = old.join(file);
        let before = fs::read_to_string(&path).unwrap();
        assert_eq!(before.matches(from).count(), 1, "{from} in {file}");
        fs::write(&path, before.replace(from, to)).unwrap();
    };
    change_in(
        MASTER,
        "<username>wso2carbon</username>",
        "<username>site</username>",
    );
    change_in(
        MASTER,
        "<password>wso2carbon</password>",
        "<password>hunter2</password>",
    );
    change_in(
        "repository/conf/carbon.xml",
        "<Offset>0</Offset>",
        "<Offset>7</Offset>",
    );
    let users = "repository/conf/user-mgt.xml";
    change_in(
        users,
        "</Realm>",
        "<UserStoreManager class=\"org.site.Store\"><Property name=\"ReadLDAPGroups\">true</Property></UserStoreManager></Realm>",
    );
    let receipt = session
        .run(&compare("b@n", &old, Some(&blob), &new, None))
        .await
        .unwrap();
    let comparison = config(&receipt);
    let told: Vec<(&str, Vec<&str>)> = comparison
        .files
        .iter()
        .map(|file| {
            (
                file.file.as_str(),
                file.changes.iter().map(|change| change.path.as_str()).collect(),
            )
        })
        .collect();
    let source =
        "/datasources-configuration/datasources/datasource[name='WSO2_CARBON_DB']/definition/configuration";
    let (user, password) = (format!("{source}/username"), format!("{source}/password"));
    let expected: Vec<(&str, Vec<&str>)> = vec![
        ("repository/conf/carbon.xml", vec!["/Server/Ports/Offset"]),
        (MASTER, vec![&user, &password]),
        (
            users,
            vec!["/UserManager/Realm/UserStoreManager[@class='org.site.Store']"],
        ),
    ];
    assert_eq!(told, expected);
    assert!(!format!("{receipt:?}").contains("hunter"));
    let list = [&user, &password]
        .map(|path| edit(path, ConfigValue::Carried(from_old(&old, MASTER, path))))
        .to_vec();
    let before = fs::read_to_string(new.join(MASTER)).unwrap();
    session
        .run(&edits("edit@n", &new, MASTER, &[], list))
        .await
        .unwrap();
    let expected = before
        .replacen("<username>wso2carbon<", "<username>site<", 1)
        .replacen("<password>wso2carbon<", "<password>hunter2<", 1);
    assert_eq!(fs::read_to_string(new.join(MASTER)).unwrap(), expected);
    let store = "/UserManager/Realm/UserStoreManager[@class='org.site.Store']";
    let list = vec![edit(store, ConfigValue::Element(from_old(&old, users, store)))];
    session
        .run(&edits("element@n", &new, users, &[], list))
        .await
        .unwrap();
    assert!(
        fs::read_to_string(new.join(users))
            .unwrap()
            .contains("org.site.Store")
    );
}
