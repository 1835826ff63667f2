use std::fs;

use super::*;
use crate::config::Config;
use crate::policy::Policy;

fn put(home: &Path, file: &str, text: &str) {
    let path = home.join(file);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

fn config(root: &Path) -> Config {
    let text = format!(
        "node = \"n\"\ncoordinator = \"c:1\"\nstate_dir = \"{0}/state\"\nbackup_dir = \"{0}/backup\"\n\
         homes = [\"{0}/wso2*\"]\nunit_dirs = []\ncron_dirs = []\nrun_as = \"root\"\n",
        root.display()
    );
    Config::parse(&text).unwrap()
}

fn look(root: &Path, home: &Path) -> HomeFacts {
    look_by(&config(root), home)
}

fn look_by(config: &Config, home: &Path) -> HomeFacts {
    let scene = Scene {
        config,
        policy: &Policy::new(config),
        holds: None,
        sizes: &Default::default(),
    };
    facts(scene, home)
}

#[test]
fn home_when_complete_then_told() {
    let root = tempfile::tempdir().unwrap();
    let home = root.path().join("wso2dss");
    put(&home, "bin/version.txt", "WSO2 Data Services Server v3.0.1\n");
    put(
        &home,
        "bin/wso2carbon-version.txt",
        "WSO2 Carbon Framework v4.0.6\n",
    );
    put(&home, "bin/wso2server.sh", "#!/bin/sh\n");
    put(
        &home,
        "repository/conf/carbon.xml",
        "<Server xmlns=\"http://wso2.org/projects/carbon/carbon.xml\"><Name>X</Name><ServerKey>DSS</ServerKey>\
         <Version>9</Version><Ports><Offset>3</Offset></Ports></Server>",
    );
    put(
        &home,
        "repository/conf/tomcat/catalina-server.xml",
        "<Server><Service><Connector port=\"9763\" scheme=\"http\"/><Connector port=\"8443\" scheme=\"https\"/></Service></Server>",
    );
    put(
        &home,
        "repository/conf/user-mgt.xml",
        "<UserManager><Realm><Configuration><Property name=\"dataSource\">jdbc/U</Property></Configuration></Realm></UserManager>",
    );
    put(
        &home,
        "repository/conf/registry.xml",
        "<wso2registry><currentDBConfig>a</currentDBConfig><dbConfig name=\"a\"><dataSource>jdbc/A</dataSource></dbConfig>\
         <!--dbConfig name=\"off\"><dataSource>jdbc/OFF</dataSource></dbConfig-->\
         <dbConfig name=\"b\"><dataSource>jdbc/B</dataSource></dbConfig></wso2registry>",
    );
    put(&home, "repository/tenants/12/x", "");
    put(&home, "repository/tenants/7/x", "");
    put(&home, "repository/tenants/notes.txt", "");
    put(&home, "repository/components/lib/mysql.jar", "12345");
    put(
        &home,
        "repository/conf/security/secret-conf.properties",
        "#off=1\ncarbon.secretProvider=x\n",
    );
    let facts = look(root.path(), &home);
    assert_eq!(
        (facts.product.as_str(), facts.version.as_str()),
        ("WSO2 Data Services Server", "3.0.1")
    );
    assert_eq!(facts.kernel, "4.0.6");
    assert_eq!(facts.server_key, "DSS");
    assert_eq!(facts.ports, [8446, 9766]);
    assert_eq!(facts.user_datasource.as_deref(), Some("jdbc/U"));
    assert_eq!(facts.registry_current.as_deref(), Some("a"));
    assert_eq!(facts.registry_datasources.len(), 2);
    assert_eq!(facts.tenants, [7, 12]);
    assert_eq!(facts.libraries, ["mysql.jar"]);
    assert!(facts.secure_vault && facts.bytes > 0 && facts.free_bytes > 0);
    assert_eq!(facts.server, None);
    assert_eq!((facts.port_offset, facts.configured_offset), (3, Some(3)));
    assert_eq!(facts.named_databases, []);
    assert_eq!(facts.problems, Vec::<String>::new());
}

#[test]
fn home_when_a_place_is_there_twice_then_told() {
    let root = tempfile::tempdir().unwrap();
    let home = root.path().join("wso2dss");
    let twice = "<Property name=\"dataSource\">jdbc/U</Property>".repeat(2);
    put(
        &home,
        "repository/conf/user-mgt.xml",
        &format!("<UserManager><Realm><Configuration>{twice}</Configuration></Realm></UserManager>"),
    );
    let config = "<dbConfig name=\"a\"><dataSource>jdbc/A</dataSource></dbConfig>";
    put(
        &home,
        "repository/conf/registry.xml",
        &format!(
            "<wso2registry><currentDBConfig>a</currentDBConfig>{config}<!--{config}-->{config}</wso2registry>"
        ),
    );
    let problems = look(root.path(), &home).problems;
    for place in [
        "repository/conf/user-mgt.xml: the realm's property `dataSource` is there 2 times",
        "repository/conf/registry.xml: dbConfig `a` occurs twice",
    ] {
        assert!(
            problems.iter().any(|problem| problem.starts_with(place)),
            "{problems:#?}"
        );
    }
}

#[test]
fn home_when_it_keeps_secrets_then_how_and_no_value() {
    let root = tempfile::tempdir().unwrap();
    let home = root.path().join("wso2ss");
    let vault = "xmlns:svns=\"http://org.wso2.securevault/configuration\"";
    put(
        &home,
        "repository/conf/carbon.xml",
        "<Server xmlns=\"http://wso2.org/projects/carbon/carbon.xml\"><DeploymentSynchronizer><Enabled>true</Enabled>\
         </DeploymentSynchronizer><Security><KeyStore><Location>${carbon.home}/repository/resources/security/k.jks</Location>\
         <Password>hunter2</Password></KeyStore><TrustStore><Location>/etc/hostname</Location></TrustStore></Security></Server>",
    );
    put(&home, "repository/resources/security/k.jks", "keys");
    put(
        &home,
        "repository/conf/security/cipher-text.properties",
        "B=Zm9v\nA=[hunter2]\n",
    );
    put(
        &home,
        "repository/conf/security/cipher-tool.properties",
        "A=user-mgt.xml//UserManager/X,true\n",
    );
    let master = "repository/conf/datasources/master-datasources.xml";
    put(
        &home,
        master,
        &format!("<d {vault}><p svns:secretAlias=\"A\">hunter2</p></d>"),
    );
    put(
        &home,
        "repository/conf/datasources/old-datasources.xml",
        "<datasources-configuration/>",
    );
    put(&home, "repository/conf/datasources/old-datasources.xml.bak", "");
    let own = "<UserStoreManager><Property name=\"url\">jdbc:mysql://db/T?password=hunter2</Property></UserStoreManager>";
    put(&home, "repository/tenants/7/userstores/C.xml", own);
    let store = "<UserStoreManager><Property name=\"ConnectionPassword\" encrypted=\"true\">Zm9v</Property></UserStoreManager>";
    put(&home, "repository/deployment/server/userstores/A.xml", store);
    put(&home, "repository/tenants/7/userstores/B.xml", store);
    put(&home, "repository/tenants/notes.txt", "");
    put(&home, "repository/deployment/server/servicemetafiles/a/b.xml", "");
    put(&home, "repository/tenants/7/servicemetafiles/c.xml", "");
    put(&home, "password-persist", "hunter2");
    put(
        &home,
        "repository/conf/etc/rss-config.xml",
        "<wso2-rss><rss-mgt-repository><datasource-config><dataSourceClassName>org.h2.X</dataSourceClassName><dataSourceProps>\
         <property name=\"URL\">jdbc:mysql://db/RSS?password=hunter2</property><property name=\"user\">rss</property>\
         <property name=\"password\">hunter2</property></dataSourceProps></datasource-config></rss-mgt-repository></wso2-rss>",
    );
    let facts = look(root.path(), &home);
    assert!(!format!("{facts:?}").contains("hunter2"), "{facts:?}");
    let secrets = &facts.secrets;
    assert_eq!(
        (secrets.aliases.as_slice(), secrets.plain_aliases.as_slice()),
        (&["B".to_owned()][..], &["A".to_owned()][..])
    );
    assert_eq!(secrets.protected, [format!("{master}: /d/p")]);
    let property = "/UserStoreManager/Property[@name='ConnectionPassword']";
    let encrypted = [
        "repository/deployment/server/userstores/A.xml",
        "repository/tenants/7/userstores/B.xml",
    ];
    assert_eq!(
        secrets.encrypted,
        encrypted.map(|file| format!("{file}: {property}"))
    );
    assert_eq!(
        secrets.cipher_paths,
        Some(cutover_proto::facts::CipherPaths::FileName)
    );
    let stores: Vec<&str> = facts
        .named_databases
        .iter()
        .map(|named| named.file.as_str())
        .collect();
    assert_eq!(stores, ["repository/tenants/7/userstores/C.xml"]);
    assert_eq!(secrets.password_files, ["password-persist"]);
    let [keys, trust] = secrets.keystores.as_slice() else {
        panic!("{secrets:?}")
    };
    assert_eq!(
        (keys.file.as_str(), keys.role.as_str()),
        ("repository/resources/security/k.jks", "key store")
    );
    assert_eq!(keys.sha256, Some(cutover_proto::ids::Sha256Hex::of(b"keys")));
    // What lies outside of the home is named and not read.
    assert_eq!((trust.file.as_str(), &trust.sha256), ("/etc/hostname", &None));
    let [rss] = facts.other_databases.as_slice() else {
        panic!("{facts:?}")
    };
    assert_eq!(
        (rss.user.as_str(), rss.driver.as_str(), rss.jndi.as_str()),
        ("rss", "org.h2.X", "")
    );
    assert!(rss.url.starts_with("jdbc:mysql://db/RSS"));
    assert_eq!(
        facts.extra_datasource_files,
        ["repository/conf/datasources/old-datasources.xml"]
    );
    assert_eq!((facts.service_metadata, facts.deployment_synchronizer), (2, true));
    assert_eq!(facts.config_files.len(), 6);
}

#[test]
fn home_when_files_are_missing_or_broken_then_problems_and_no_failure() {
    let root = tempfile::tempdir().unwrap();
    let home = root.path().join("wso2dss");
    put(&home, "repository/conf/carbon.xml", "<Server>");
    put(&home, "bin/org.wso2.carbon.bootstrap-4.2.0.jar", "");
    let facts = look(root.path(), &home);
    assert_eq!(facts.kernel, "4.2.0");
    assert_eq!(facts.ports, [9443, 9763]);
    for word in [
        "carbon.xml",
        "user-mgt.xml",
        "registry.xml",
        "wso2server.sh",
        "version",
    ] {
        assert!(
            facts.problems.iter().any(|p| p.contains(word)),
            "{word}: {:?}",
            facts.problems
        );
    }
    let none = look(root.path(), &root.path().join("wso2none"));
    assert!(!none.exists && none.problems.is_empty() && none.free_bytes > 0);
}

#[test]
fn home_when_links_lead_out_of_it_then_problems_and_nothing_told_of_what_is_there() {
    let root = tempfile::tempdir().unwrap();
    let (home, elsewhere) = (root.path().join("wso2dss"), root.path().join("elsewhere"));
    put(&elsewhere, "version.txt", "Some Product v1.2.3\n");
    put(&elsewhere, "secret-conf.properties", "a=b\n");
    put(&elsewhere, "tenants/12/x", "");
    put(&elsewhere, "lib/private.jar", "");
    let link = |from: &str, to: &str| {
        fs::create_dir_all(home.join(to).parent().unwrap()).unwrap();
        std::os::unix::fs::symlink(elsewhere.join(from), home.join(to)).unwrap();
    };
    link("version.txt", "bin/version.txt");
    link("version.txt", "bin/wso2server.sh");
    link("secret-conf.properties", SECRETS);
    link("tenants", TENANTS);
    link("lib", LIBRARIES);
    let facts = look(root.path(), &home);
    assert_eq!((facts.product.as_str(), facts.version.as_str()), ("", ""));
    assert!(facts.tenants.is_empty() && facts.libraries.is_empty() && !facts.secure_vault);
    for place in ["bin/version.txt", SCRIPT, SECRETS, TENANTS, LIBRARIES] {
        let told = |problem: &String| problem.starts_with(place) && problem.contains("symbolic link");
        assert!(facts.problems.iter().any(told), "{place}: {:?}", facts.problems);
    }
}

#[test]
fn home_when_its_server_would_run_as_root_unasked_then_a_problem() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let root = tempfile::tempdir().unwrap();
    let home = root.path().join("wso2dss");
    put(&home, "bin/wso2server.sh", "#!/bin/sh\n");
    let asked = |facts: &HomeFacts| facts.problems.iter().any(|problem| problem.contains("`run_as`"));
    let mut config = config(root.path());
    assert!(!asked(&look_by(&config, &home)));
    config.run_as = None;
    assert!(asked(&look_by(&config, &home)));
}
