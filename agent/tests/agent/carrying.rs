//! Values and elements of the old home, brought into the new one, and what is refused.

use std::fs;
use std::path::Path;

use cutover_proto::convert::Command;
use cutover_proto::report::{ErrorCode, StepError};
use cutover_proto::step::{ConfigValue, NodeAction};

use crate::configs::{CIPHER, MASTER, NEW, USERS, edit, edits, from_old, homes, put};
use crate::coordinator::Session;
use crate::fixture::{Node, again, command, text, undo};

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
