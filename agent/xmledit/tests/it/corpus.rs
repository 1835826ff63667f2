//! Carbon's own files: each passes through unchanged, and the real edits change exactly what they should.

use std::fs;
use std::path::{Path as FilePath, PathBuf};

use crate::support::path;
use cutover_xmledit::Document;
use test_case::test_case;

/// The corpus, or `None` with a loud note when it is not there.
pub(crate) fn corpus() -> Option<PathBuf> {
    let beside_workspace = FilePath::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/carbon-corpus");
    let root = std::env::var_os("CUTOVER_CORPUS").map_or(beside_workspace, PathBuf::from);
    if root.is_dir() {
        return Some(root);
    }
    eprintln!(
        "SKIPPED: no Carbon corpus at {}; set CUTOVER_CORPUS to its folder",
        root.display()
    );
    None
}

fn xml_files(root: &FilePath) -> Vec<PathBuf> {
    walkdir::WalkDir::new(root)
        .into_iter()
        .map(|entry| entry.unwrap().into_path())
        .filter(|file| file.extension().is_some_and(|extension| extension == "xml"))
        .collect()
}

#[test]
fn every_file_passes_through_unchanged() {
    let Some(root) = corpus() else { return };
    let files = xml_files(&root);
    assert!(
        files.len() >= 100,
        "only {} files in {}",
        files.len(),
        root.display()
    );
    for file in files {
        let bytes = fs::read(&file).unwrap();
        let document = Document::parse(&bytes).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        assert_eq!(document.to_bytes(), bytes, "{}", file.display());
    }
}

#[test]
fn every_leaf_is_found_by_its_path() {
    let Some(root) = corpus() else { return };
    for file in xml_files(&root) {
        let document = Document::parse(&fs::read(&file).unwrap()).unwrap();
        for leaf in document.leaves() {
            let found = document.text(&leaf.path);
            assert_eq!(
                found.map(Option::unwrap),
                leaf.value,
                "{} in {}",
                leaf.path,
                file.display()
            );
        }
    }
}

#[test]
fn every_leaf_can_be_edited_and_undone() {
    let Some(root) = corpus() else { return };
    // Files of every kind: CR LF, ISO-8859-1, no declaration, attributes on lines of their own.
    for name in [
        "registry.xml",
        "datasources/master-datasources.xml",
        "tomcat/catalina-server.xml",
        "etc/jmx.xml",
    ] {
        let before = fs::read(root.join("carbon-4.2.0/conf").join(name)).unwrap();
        let mut document = Document::parse(&before).unwrap();
        for leaf in document.leaves() {
            let change = document.set(&leaf.path, "<edited & 'quoted'>").unwrap();
            let after = document.to_bytes();
            let (removed, inserted) = (change.removed_span(), change.inserted_span());
            assert_eq!(
                before[..removed.start],
                after[..inserted.start],
                "{} in {name}",
                leaf.path
            );
            assert_eq!(
                before[removed.end..],
                after[inserted.end..],
                "{} in {name}",
                leaf.path
            );
            document.undo(&change).unwrap();
            assert_eq!(document.to_bytes(), before, "{} in {name}", leaf.path);
        }
    }
}

const DATASOURCE: &str = "/datasources-configuration/datasources/datasource[name='WSO2_CARBON_DB']/definition[@type='RDBMS']/configuration";
const MASTER: &str = "datasources/master-datasources.xml";

/// `old` in the file with `before` and `after` around it, so that it is found only where the live value stands.
fn expect_edit(name: &str, at: &str, value: &str, around: (&str, &str, &str), new: &str) {
    expect_edit_in(&format!("carbon-4.2.0/conf/{name}"), at, value, around, new);
}

fn expect_edit_in(file: &str, at: &str, value: &str, (before, old, after): (&str, &str, &str), new: &str) {
    let Some(root) = corpus() else { return };
    let bytes = fs::read(root.join(file)).unwrap();
    let text = String::from_utf8(bytes.clone()).unwrap();
    let around = format!("{before}{old}{after}");
    assert_eq!(text.matches(&around).count(), 1, "the test must name one place");
    let start = text.find(&around).unwrap() + before.len();

    let mut document = Document::parse(&bytes).unwrap();
    let change = document.set(&path(at), value).unwrap();
    assert_eq!(change.removed_span(), start..start + old.len());
    assert_eq!(change.before(), Some(old));
    let expected = [&bytes[..start], new.as_bytes(), &bytes[start + old.len()..]].concat();
    assert_eq!(document.to_bytes(), expected);
    assert!(document.set(&path(at), value).unwrap().is_unchanged());
    document.undo(&change).unwrap();
    assert_eq!(document.to_bytes(), bytes);
}

#[test_case("url", "jdbc:mysql://db1:3306/WSO2?a=1&b=2", ("<url>", "jdbc:h2:repository/database/WSO2CARBON_DB;DB_CLOSE_ON_EXIT=FALSE;LOCK_TIMEOUT=60000", "</url>"), "jdbc:mysql://db1:3306/WSO2?a=1&amp;b=2"; "url")]
#[test_case("username", "dss", ("<username>", "wso2carbon", "</username>"), "dss"; "username")]
#[test_case("password", "p<a>ss", ("<password>", "wso2carbon", "</password>"), "p&lt;a&gt;ss"; "password")]
#[test_case("driverClassName", "com.mysql.jdbc.Driver", ("<driverClassName>", "org.h2.Driver", "</driverClassName>"), "com.mysql.jdbc.Driver"; "driver")]
#[test_case("validationQuery", "SELECT 2", ("<validationQuery>", "SELECT 1", "</validationQuery>"), "SELECT 2"; "validation query")]
fn datasource_edits(name: &str, value: &str, old: (&str, &str, &str), new: &str) {
    expect_edit(MASTER, &format!("{DATASOURCE}/{name}"), value, old, new);
}

#[test]
fn user_management_datasource() {
    let at = "/UserManager/Realm/Configuration/Property[@name='dataSource']";
    let old = (
        "<Property name=\"dataSource\">",
        "jdbc/WSO2CarbonDB",
        "</Property>\n        </Configuration>",
    );
    expect_edit("user-mgt.xml", at, "jdbc/New", old, "jdbc/New");
}

#[test_case("/wso2registry/dbConfig[@name='wso2registry']/dataSource"; "by name")]
#[test_case("/wso2registry/dbConfig[@name=/wso2registry/currentDBConfig]/dataSource"; "by the current one")]
fn registry_datasource_in_a_crlf_file(at: &str) {
    let old = ("<dataSource>", "jdbc/WSO2CarbonDB", "</dataSource>\r\n");
    expect_edit("registry.xml", at, "jdbc/New", old, "jdbc/New");
}

#[test]
fn tomcat_https_port() {
    let at = "/Server/Service/Connector[@scheme='https']/@port";
    expect_edit(
        "tomcat/catalina-server.xml",
        at,
        "9444",
        ("                port=\"", "9443", "\"\n"),
        "9444",
    );
}

#[test]
fn carbon_port_offset_in_a_default_namespace() {
    expect_edit(
        "carbon.xml",
        "/Server/Ports/Offset",
        "2",
        ("<Offset>", "0", "</Offset>"),
        "2",
    );
    let at = "/{http://wso2.org/projects/carbon/carbon.xml}Server/Ports/Offset";
    expect_edit("carbon.xml", at, "2", ("<Offset>", "0", "</Offset>"), "2");
}

/// Adds a value and expects `added` just before the closing tag `end`, all else unchanged.
fn expect_added(name: &str, at: &str, value: &str, added: &str, end: &str) {
    let Some(root) = corpus() else { return };
    let bytes = fs::read(root.join("carbon-4.2.0/conf").join(name)).unwrap();
    let text = String::from_utf8(bytes.clone()).unwrap();
    let position = text.rfind(end).unwrap();
    let mut document = Document::parse(&bytes).unwrap();
    assert_eq!(
        document.text(&path(at)),
        Ok(None),
        "commented-out samples must not match"
    );
    let change = document.ensure(&path(at), value).unwrap();
    let expected = format!("{}{added}{}", &text[..position], &text[position..]);
    let shown = cutover_xmledit::diff(&bytes, &document.to_bytes(), &[]);
    assert!(document.to_bytes() == expected.as_bytes(), "{shown}");
    assert!(document.ensure(&path(at), value).unwrap().is_unchanged());
    document.undo(&change).unwrap();
    assert_eq!(document.to_bytes(), bytes);
}

#[test]
fn carbon_host_name_is_added_beside_its_commented_sample() {
    expect_added(
        "carbon.xml",
        "/Server/HostName",
        "dss.example.com",
        "\n    <HostName>dss.example.com</HostName>",
        "\n</Server>",
    );
}

#[test]
fn a_second_datasource_is_added_whole() {
    let at = "/datasources-configuration/datasources/datasource[name='SAMPLE_DATA_SOURCE'][jndiConfig/name='jdbc/S']/definition[@type='RDBMS']/configuration/url";
    let added = "
        <datasource>
            <name>SAMPLE_DATA_SOURCE</name>
            <jndiConfig>
                <name>jdbc/S</name>
            </jndiConfig>
            <definition type=\"RDBMS\">
                <configuration>
                    <url>jdbc:x</url>
                </configuration>
            </definition>
        </datasource>";
    expect_added(MASTER, at, "jdbc:x", added, "\n\n    </datasources>");
}

#[test]
fn a_registry_mount_database_is_added_with_crlf() {
    expect_added(
        "registry.xml",
        "/wso2registry/dbConfig[@name='mounted']/dataSource",
        "jdbc/Gov",
        "\r\n    <dbConfig name=\"mounted\">\r\n        <dataSource>jdbc/Gov</dataSource>\r\n    </dbConfig>",
        "\r\n</wso2registry>",
    );
}

#[test]
fn commented_samples_are_no_leaves() {
    let Some(root) = corpus() else { return };
    let document = Document::parse(&fs::read(root.join("carbon-4.2.0/conf").join(MASTER)).unwrap()).unwrap();
    let leaves = document.leaves();
    assert!(
        leaves
            .iter()
            .all(|leaf| !leaf.path.to_string().contains("SAMPLE_DATA_SOURCE"))
    );
    assert!(
        leaves
            .iter()
            .any(|leaf| leaf.path == path(&format!("{DATASOURCE}/url").replace("[@type='RDBMS']", "")))
    );
}

#[test]
fn clustering_is_enabled_and_moved_in_a_crlf_file() {
    let at = "/axisconfig/clustering/parameter[@name='localMemberPort']";
    expect_edit(
        "axis2/axis2.xml",
        at,
        "4001",
        ("<parameter name=\"localMemberPort\">", "4000", "</parameter>\r\n"),
        "4001",
    );
    let at = "/axisconfig/clustering/@enable";
    expect_edit(
        "axis2/axis2.xml",
        at,
        "true",
        (
            "HazelcastClusteringAgent\"\r\n                enable=\"",
            "false",
            "\">\r\n",
        ),
        "true",
    );
}

const RSS: &str = "/wso2-rss/rss-mgt-repository/datasource-config/dataSourceProps/property";

#[test_case("URL", "jdbc:h2:repository/database/RSS_DATABASE;DB_CLOSE_ON_EXIT=FALSE;LOCK_TIMEOUT=60000"; "url")]
#[test_case("user", "wso2carbon"; "user")]
#[test_case("password", "wso2carbon"; "password")]
fn storage_server_metadata_database(property: &str, old: &str) {
    let file = "ss-1.0.3/conf/etc/rss-config.xml";
    let before = format!("<property name=\"{property}\">");
    let at = format!("{RSS}[@name='{property}']");
    expect_edit_in(file, &at, "new", (&before, old, "</property>"), "new");
}

#[test]
fn persistence_dialect_in_an_attribute_with_a_default_namespace() {
    let file = "ss-1.1.0/conf/etc/persistence.xml";
    let at = "/persistence/persistence-unit/properties/property[@name='dialect']/@value";
    let old = (
        "name=\"dialect\" value=\"",
        "org.apache.openjpa.jdbc.sql.H2Dictionary",
        "\" />",
    );
    expect_edit_in(
        file,
        at,
        "org.apache.openjpa.jdbc.sql.MySQLDictionary",
        old,
        "org.apache.openjpa.jdbc.sql.MySQLDictionary",
    );
}

#[test]
fn administrator_in_user_management() {
    let at = "/UserManager/Realm/Configuration/AdminUser/UserName";
    expect_edit(
        "user-mgt.xml",
        at,
        "root",
        ("<UserName>", "admin", "</UserName>\n"),
        "root",
    );
    let at = "/UserManager/Realm/UserStoreManager[@class='org.wso2.carbon.user.core.jdbc.JDBCUserStoreManager']/Property[@name='PasswordDigest']";
    expect_edit(
        "user-mgt.xml",
        at,
        "SHA-512",
        (
            "<Property name=\"PasswordDigest\">",
            "SHA-256",
            "</Property>\n            <Property name=\"StoreSalted",
        ),
        "SHA-512",
    );
}

#[test]
fn escaped_regular_expression_is_read_and_left_alone() {
    let Some(root) = corpus() else { return };
    let bytes = fs::read(root.join("carbon-4.2.0/conf/user-mgt.xml")).unwrap();
    let mut document = Document::parse(&bytes).unwrap();
    let at = path(
        "/UserManager/Realm/UserStoreManager[@class='org.wso2.carbon.user.core.jdbc.JDBCUserStoreManager']/Property[@name='UsernameJavaRegEx']",
    );
    let value = document.text(&at).unwrap().unwrap();
    assert_eq!(value, r#"^[^~!#$;%^*+={}\\|\\\\<>,\'\"]{3,30}$"#);
    assert!(document.set(&at, &value).unwrap().is_unchanged());
    assert_eq!(document.to_bytes(), bytes);
}

#[test]
fn default_auto_commit_of_the_newer_kernel_is_added_to_the_older_file() {
    let at = format!("{DATASOURCE}/defaultAutoCommit");
    let Some(root) = corpus() else { return };
    let before = fs::read(root.join("carbon-4.2.0/conf").join(MASTER)).unwrap();
    let mut document = Document::parse(&before).unwrap();
    document.ensure(&path(&at), "false").unwrap();
    let shown = cutover_xmledit::diff(&before, &document.to_bytes(), &[]);
    let expected = "\
@@ -23,6 +23,7 @@
                     <testOnBorrow>true</testOnBorrow>
                     <validationQuery>SELECT 1</validationQuery>
                     <validationInterval>30000</validationInterval>
+                    <defaultAutoCommit>false</defaultAutoCommit>
                 </configuration>
             </definition>
         </datasource>
";
    assert_eq!(shown, expected);
}
