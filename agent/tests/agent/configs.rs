//! What a site changed in its configuration, and how it is brought into the new home.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use cutover_proto::config::{ChangeKind, ConfigComparison, FileState, NewPlace, ShownValue};
use cutover_proto::convert::Command;
use cutover_proto::ids::Sha256Hex;
use cutover_proto::report::{ErrorCode, Receipt, StepError};
use cutover_proto::step::{BlobRef, ConfigValue, HomeValue, NodeAction, XmlEdit};

use crate::coordinator::Session;
use crate::fixture::{Node, again, command, text, undo};

const USERS: &str = "repository/conf/user-mgt.xml";
const MASTER: &str = "repository/conf/datasources/master-datasources.xml";
const CIPHER: &str = "repository/conf/security/cipher-text.properties";

const STOCK: &str = "<UserManager>\n  <Realm>\n    <Dn>dc=stock</Dn>\n    <ConnectionPassword>admin</ConnectionPassword>\n    \
    <!--Store class=\"Site\">\n      <Property name=\"url\">x</Property>\n    </Store-->\n  </Realm>\n</UserManager>\n";
const SITE: &str = "<UserManager>\n  <Realm>\n    <Dn>dc=site</Dn>\n    <ConnectionPassword>hunter2</ConnectionPassword>\n    \
    <Store class=\"Site\">\n      <!-- ours -->\n      <Property name=\"url\">ldap://site</Property>\n      \
    <Property name=\"ConnectionPassword\">hunter3</Property>\n    </Store>\n  </Realm>\n</UserManager>\n";
const NEW: &str = "<UserManager>\r\n\t<Realm>\r\n\t\t<Dn>dc=new</Dn>\r\n\t\t<ConnectionPassword>admin</ConnectionPassword>\r\n\
    \t\t<AddAdmin>true</AddAdmin>\r\n\t</Realm>\r\n</UserManager>\r\n";

fn put(home: &Path, file: &str, content: &[u8]) {
    let path = home.join(file);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, content).unwrap();
}

/// A distribution with these files below its top folder.
fn distribution(node: &Node, name: &str, files: &[(&str, &str)]) -> BlobRef {
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

fn compare(
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

fn from_old(old: &Path, file: &str, path: &str) -> HomeValue {
    HomeValue {
        home: text(old),
        file: file.to_owned(),
        path: path.to_owned(),
    }
}

fn edit(path: &str, value: ConfigValue) -> XmlEdit {
    XmlEdit {
        path: path.to_owned(),
        value,
        only_if_present: false,
    }
}

fn edits(step: &str, home: &Path, file: &str, elsewhere: &[&str], edits: Vec<XmlEdit>) -> Command {
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
fn homes(node: &Node) -> (PathBuf, BlobRef, PathBuf) {
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

fn config(receipt: &Receipt) -> &ConfigComparison {
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
    let receipt = session
        .run(&compare("b@n", &old, None, &new, None))
        .await
        .unwrap();
    assert!(config(&receipt).stock.contains("own files"));
    assert_eq!(state(&receipt, own), None);
    assert_eq!(state(&receipt, USERS), Some(FileState::StockUnknown));
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
    let shipped = distribution(&node, "new", &[(USERS, NEW)]);
    let receipt = session
        .run(&compare("d@n", &old, Some(&stock), &none, Some(&shipped)))
        .await
        .unwrap();
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

#[tokio::test(flavor = "multi_thread")]
async fn file_when_values_and_elements_are_carried_then_byte_exact_without_a_secret_shown() {
    let mut node = Node::start().await;
    let (old, _, new) = homes(&node);
    let mut session = node.coordinator.session(5).await;
    let carried = |path: &str| ConfigValue::Carried(from_old(&old, USERS, path));
    let mut list = vec![
        edit("/UserManager/Realm/Dn", carried("/UserManager/Realm/Dn")),
        edit(
            "/UserManager/Realm/ConnectionPassword",
            carried("/UserManager/Realm/ConnectionPassword"),
        ),
        edit(
            "/UserManager/Realm/Store",
            ConfigValue::Element(from_old(&old, USERS, "/UserManager/Realm/Store")),
        ),
        // What was carried may be edited further; the next try must not stumble over that.
        edit(
            "/UserManager/Realm/Store/Property[@name='url']",
            ConfigValue::Literal("ldap://staging".to_owned()),
        ),
        edit("/UserManager/Realm/Gone", ConfigValue::Literal("x".to_owned())),
    ];
    list[4].only_if_present = true;
    let asked = edits("edit@n", &new, "repository/conf/etc/user-mgt.xml", &[USERS], list);
    let receipt = session.run(&asked).await.unwrap();
    let expected = NEW.replace("dc=new", "dc=site").replace(">admin<", ">hunter2<").replace(
        "\t\t<AddAdmin>true</AddAdmin>\r\n",
        "\t\t<AddAdmin>true</AddAdmin>\r\n\t\t<Store class=\"Site\">\r\n\t\t\t<!-- ours -->\r\n\t\t\t<Property \
         name=\"url\">ldap://staging</Property>\r\n\t\t\t<Property name=\"ConnectionPassword\">hunter3</Property>\r\n\t\t</Store>\r\n",
    );
    assert_eq!(fs::read_to_string(new.join(USERS)).unwrap(), expected);
    assert_eq!(receipt.evidence["file"], USERS);
    assert_eq!(receipt.evidence["carried"], "3");
    assert_eq!(receipt.evidence["absent"], "1: /UserManager/Realm/Gone");
    assert!(
        receipt.evidence["diff"].contains("+\t\t<Dn>dc=site</Dn>"),
        "{receipt:?}"
    );
    let second = session.run(&again(&asked, 2)).await.unwrap();
    assert_eq!(second.evidence["changed"], "false");
    let ledger = fs::read_to_string(node.root.join("state/ledger.jsonl")).unwrap();
    for kept in [format!("{receipt:?}"), format!("{second:?}"), ledger] {
        assert!(!kept.contains("hunter"), "{kept}");
    }
    let back = session.run(&undo(&asked)).await.unwrap();
    assert_eq!(back.evidence["restored"], "yes");
    assert_eq!(fs::read_to_string(new.join(USERS)).unwrap(), NEW);
}

async fn refused(session: &mut Session, asked: &Command, new: &Path, file: &str, says: &[&str]) -> StepError {
    let before = fs::read(new.join(file)).ok();
    let error = session.run(asked).await.unwrap_err();
    for word in says {
        assert!(format!("{error:?}").contains(word), "no {word} in {error:?}");
    }
    assert!(!format!("{error:?}").contains("hunter"), "{error:?}");
    assert_eq!(fs::read(new.join(file)).ok(), before);
    error
}

#[tokio::test(flavor = "multi_thread")]
async fn edit_when_the_place_is_none_or_two_then_refused_and_named() {
    let mut node = Node::start().await;
    let (old, _, new) = homes(&node);
    let mut session = node.coordinator.session(5).await;
    let dn = || {
        vec![edit(
            "/UserManager/Realm/Dn",
            ConfigValue::Literal("x".to_owned()),
        )]
    };
    let asked = edits(
        "a@n",
        &new,
        "repository/conf/a.xml",
        &["repository/conf/etc/a.xml"],
        dn(),
    );
    let error = refused(
        &mut session,
        &asked,
        &new,
        USERS,
        &["conf/a.xml` and `repository/conf/etc/a.xml"],
    )
    .await;
    assert_eq!(error.code, ErrorCode::NotFound);
    put(&new, "repository/conf/etc/user-mgt.xml", NEW.as_bytes());
    let asked = edits("b@n", &new, USERS, &["repository/conf/etc/user-mgt.xml"], dn());
    let error = refused(
        &mut session,
        &asked,
        &new,
        USERS,
        &["are all there", "conf/etc/user-mgt.xml"],
    )
    .await;
    assert_eq!(error.code, ErrorCode::ConfigRefused);
    let outside = from_old(Path::new("/etc"), USERS, "/UserManager/Realm/Dn");
    let carried = vec![edit("/UserManager/Realm/Dn", ConfigValue::Carried(outside))];
    let error = refused(
        &mut session,
        &edits("c@n", &new, USERS, &[], carried),
        &new,
        USERS,
        &["/etc"],
    )
    .await;
    assert_eq!(error.code, ErrorCode::PolicyRefused);
    let passwd = from_old(&old, "../../etc/passwd", "/x");
    let carried = vec![edit("/UserManager/Realm/Dn", ConfigValue::Carried(passwd))];
    let error = refused(
        &mut session,
        &edits("d@n", &new, USERS, &[], carried),
        &new,
        USERS,
        &["passwd"],
    )
    .await;
    assert_eq!(error.code, ErrorCode::PolicyRefused);
    let element = ConfigValue::Element(from_old(&old, "repository/conf/broken.xml", "/a/b"));
    let list = vec![edit("/UserManager/Realm/b", element)];
    refused(
        &mut session,
        &edits("e@n", &new, USERS, &[], list),
        &new,
        USERS,
        &["broken.xml", "line 2"],
    )
    .await;
    let gone = ConfigValue::Carried(from_old(&old, USERS, "/UserManager/Realm/None"));
    let list = vec![edit("/UserManager/Realm/Dn", gone)];
    refused(
        &mut session,
        &edits("f@n", &new, USERS, &[], list),
        &new,
        USERS,
        &["no value at", "plan again"],
    )
    .await;
}

const VAULTED: &str = "<ds xmlns:svns=\"http://org.wso2.securevault/configuration\"><d><name>X</name><url>u</url>\
    <password svns:secretAlias=\"DS.X\">hunter2</password></d><e encrypted=\"true\">hunter3</e></ds>";

#[tokio::test(flavor = "multi_thread")]
async fn secret_when_protected_in_the_old_home_then_never_carried_in_plain() {
    let mut node = Node::start().await;
    let (old, _, new) = homes(&node);
    let mut session = node.coordinator.session(5).await;
    put(&old, MASTER, VAULTED.as_bytes());
    put(
        &new,
        MASTER,
        VAULTED.replace(" svns:secretAlias=\"DS.X\"", "").as_bytes(),
    );
    let password = "/ds/d[name='X']/password";
    let carried = |path: &str| ConfigValue::Carried(from_old(&old, MASTER, path));
    let asked =
        |step: &str, at: &str, value: ConfigValue| edits(step, &new, MASTER, &[], vec![edit(at, value)]);
    let says = ["DS.X", "cipher-text.properties", "ciphertool"];
    refused(
        &mut session,
        &asked("a@n", password, carried(password)),
        &new,
        MASTER,
        &says,
    )
    .await;
    // The same alias there: it is the same secret, and left as it is.
    put(&new, MASTER, VAULTED.as_bytes());
    let receipt = session
        .run(&asked("b@n", password, carried(password)))
        .await
        .unwrap();
    assert_eq!(
        (
            receipt.evidence["changed"].as_str(),
            receipt.evidence["carried"].as_str()
        ),
        ("false", "0")
    );
    assert!(receipt.evidence["left_protected"].contains("DS.X"));
    put(&new, MASTER, VAULTED.replace("DS.X", "DS.Y").as_bytes());
    refused(
        &mut session,
        &asked("c@n", password, carried(password)),
        &new,
        MASTER,
        &["DS.X", "DS.Y"],
    )
    .await;
    let literal = ConfigValue::Literal("plain".to_owned());
    refused(
        &mut session,
        &asked("d@n", password, literal),
        &new,
        MASTER,
        &["DS.Y", "ciphertool"],
    )
    .await;
    // A whole element needs its alias in the new home's list.
    put(&new, MASTER, b"<ds/>");
    let element = || ConfigValue::Element(from_old(&old, MASTER, "/ds/d[name='X']"));
    refused(
        &mut session,
        &asked("e@n", "/ds/d[name='X']", element()),
        &new,
        MASTER,
        &["DS.X"],
    )
    .await;
    put(&new, CIPHER, b"DS.X=[later]\n");
    session
        .run(&asked("f@n", "/ds/d[name='X']", element()))
        .await
        .unwrap();
    let edited = fs::read_to_string(new.join(MASTER)).unwrap();
    assert!(
        edited.contains("svns:secretAlias=\"DS.X\"") && edited.contains("xmlns:svns="),
        "{edited}"
    );
    // What is encrypted in place needs the same key store.
    let encrypted = || ConfigValue::Element(from_old(&old, MASTER, "/ds/e"));
    refused(
        &mut session,
        &asked("g@n", "/ds/e", carried("/ds/e")),
        &new,
        MASTER,
        &["key store"],
    )
    .await;
    refused(
        &mut session,
        &asked("h@n", "/ds/e", encrypted()),
        &new,
        MASTER,
        &["key store"],
    )
    .await;
    for home in [&old, &new] {
        let carbon = "<Server><Security><KeyStore><Location>${carbon.home}/k.jks</Location></KeyStore></Security></Server>";
        put(home, "repository/conf/carbon.xml", carbon.as_bytes());
        put(home, "k.jks", b"the same");
    }
    let receipt = session.run(&asked("i@n", "/ds/e", encrypted())).await.unwrap();
    assert!(!format!("{receipt:?}").contains("hunter"), "{receipt:?}");
    assert!(
        fs::read_to_string(new.join(MASTER))
            .unwrap()
            .contains("encrypted=\"true\">hunter3<")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn edit_when_a_secret_stands_beside_it_then_its_diff_hides_that_too() {
    let mut node = Node::start().await;
    let new = node.home("wso2new");
    let file = "<d>\n<url>jdbc:mysql://db/X?password=hunter1</url>\n<user>u</user>\n<password>hunter2</password>\n\
                <!-- <password>hunter3</password> the password=hunter4 -->\n</d>";
    put(&new, MASTER, file.as_bytes());
    let mut session = node.coordinator.session(5).await;
    let list = vec![edit("/d/user", ConfigValue::Literal("site".to_owned()))];
    let receipt = session.run(&edits("a@n", &new, MASTER, &[], list)).await.unwrap();
    let diff = &receipt.evidence["diff"];
    assert!(
        diff.contains("+<user>site</user>") && !diff.contains("hunter"),
        "{diff}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn edit_when_the_file_is_malformed_or_the_element_occurs_twice_then_refused_with_the_lines() {
    let mut node = Node::start().await;
    let (old, _, new) = homes(&node);
    let mut session = node.coordinator.session(5).await;
    let asked = |step: &str, value: ConfigValue| edits(step, &new, MASTER, &[], vec![edit("/d/url", value)]);
    let literal = || ConfigValue::Literal("x".to_owned());
    put(&new, MASTER, b"<d>\n<url>hunter2</d>");
    refused(
        &mut session,
        &asked("a@n", literal()),
        &new,
        MASTER,
        &["line 2", "column"],
    )
    .await;
    put(&new, MASTER, b"<d>\n<url>hunter2</url>\n<url/></d>");
    refused(
        &mut session,
        &asked("b@n", literal()),
        &new,
        MASTER,
        &["2 places", "lines 2, 3"],
    )
    .await;
    put(&new, MASTER, b"<d><url>u</url></d>");
    put(&old, MASTER, b"<d>\n<url>hunter2</url>\n<url/></d>");
    let twice = || from_old(&old, MASTER, "/d/url");
    refused(
        &mut session,
        &asked("c@n", ConfigValue::Carried(twice())),
        &new,
        MASTER,
        &["wso2old", "lines 2, 3"],
    )
    .await;
    let element = vec![edit("/d/other", ConfigValue::Element(twice()))];
    refused(
        &mut session,
        &edits("d@n", &new, MASTER, &[], element),
        &new,
        MASTER,
        &["lines 2, 3"],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn data_source_folder_when_edited_and_undone_then_carbon_finds_no_other_file_in_it() {
    let mut node = Node::start().await;
    let (old, _, new) = homes(&node);
    let mut session = node.coordinator.session(5).await;
    put(&new, MASTER, b"<d><url>u</url></d>");
    put(&old, MASTER, b"<d><url>o</url></d>");
    put(&old, "repository/conf/datasources/old-datasources.xml", b"<d/>");
    let names = |home: &Path| -> Vec<String> {
        let entries = fs::read_dir(home.join("repository/conf/datasources")).unwrap();
        entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect()
    };
    // What a kill in the middle of a write leaves is none, even before it is cleared up.
    let left = "repository/conf/datasources/.cutover-master-datasources.xml.part";
    put(&new, left, b"hunter2");
    assert_eq!(
        names(&new)
            .iter()
            .filter(|name| name.ends_with("-datasources.xml"))
            .count(),
        1
    );
    let asked = edits(
        "a@n",
        &new,
        MASTER,
        &[],
        vec![edit("/d/url", ConfigValue::Literal("x".to_owned()))],
    );
    session.run(&asked).await.unwrap();
    assert_eq!(names(&new), ["master-datasources.xml"]);
    put(&new, left, b"hunter2");
    session.run(&undo(&asked)).await.unwrap();
    assert_eq!(names(&new), ["master-datasources.xml"]);
    for (number, pattern) in ["repository/conf/datasources/*.xml", "**/*-datasources.xml"]
        .into_iter()
        .enumerate()
    {
        let carry = NodeAction::CarryFiles {
            from: text(&old),
            to: text(&new),
            patterns: vec![pattern.to_owned()],
        };
        let error = session
            .run(&command(&format!("carry{number}@n"), carry))
            .await
            .unwrap_err();
        assert_eq!(error.code, ErrorCode::ConfigRefused, "{error:?}");
    }
    for (number, path) in ["repository/conf/datasources", "repository"]
        .into_iter()
        .enumerate()
    {
        let copy = NodeAction::CopyTree {
            from: text(&old),
            to: text(&new),
            path: path.to_owned(),
            protect: false,
            overwrite: Vec::new(),
        };
        let error = session
            .run(&command(&format!("copy{number}@n"), copy))
            .await
            .unwrap_err();
        assert_eq!(error.code, ErrorCode::ConfigRefused, "{error:?}");
    }
    assert_eq!(names(&new), ["master-datasources.xml"]);
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
