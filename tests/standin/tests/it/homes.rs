//! What homes and distributions hold.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use anyhow::Result;
use carbon_standin::home::{Database, HomeSpec, make_home};

use crate::harness::{PRODUCT, STANDIN};

fn spec(kernel: &str) -> HomeSpec {
    HomeSpec::stock(
        PRODUCT,
        if kernel == "4.1.0" { "3.0.1" } else { "3.2.0" },
        kernel,
        Path::new(STANDIN),
    )
}

fn site(kernel: &str) -> HomeSpec {
    let database = Database {
        url: "jdbc:mysql://db:3306/regdb?a=1&b=2".to_owned(),
        user: "carbonuser".to_owned(),
        password: "p<&\"'w".to_owned(),
    };
    HomeSpec {
        database: Some(database),
        offset: 7,
        tenants: vec![1, 4],
        ..spec(kernel)
    }
}

#[test]
fn a_site_differs_from_stock_in_its_values_only() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let (stock, own) = (folder.path().join("stock"), folder.path().join("own"));
    make_home(&stock, &spec("4.2.0"))?;
    make_home(&own, &site("4.2.0"))?;
    let read = |home: &Path, path: &str| fs::read_to_string(home.join("repository/conf").join(path));
    let datasources = "datasources/master-datasources.xml";
    let changed: Vec<(String, String)> = read(&stock, datasources)?
        .lines()
        .zip(read(&own, datasources)?.lines())
        .filter(|(left, right)| left != right)
        .map(|(left, right)| (left.trim().to_owned(), right.trim().to_owned()))
        .collect();
    let now: Vec<&str> = changed.iter().map(|(_, right)| right.as_str()).collect();
    assert_eq!(
        now,
        [
            "<url>jdbc:mysql://db:3306/regdb?a=1&amp;b=2</url>",
            "<username>carbonuser</username>",
            "<password>p&lt;&amp;&quot;&apos;w</password>",
            "<driverClassName>com.mysql.jdbc.Driver</driverClassName>",
        ]
    );
    assert!(changed[0].0.starts_with("<url>jdbc:h2:"));
    assert!(read(&own, "carbon.xml")?.contains("        <Offset>7</Offset>"));
    assert!(read(&own, "carbon.xml")?.contains("<Name>WSO2 Data Services Server</Name>"));
    assert!(
        own.join("repository/tenants/4/dataservices/tenant4.dbs")
            .is_file()
    );
    assert!(!stock.join("repository/tenants/4").exists());
    assert!(!own.join("wso2carbon.pid").exists());
    Ok(())
}

#[test]
fn files_have_the_encodings_real_ones_have() -> Result<()> {
    let folder = tempfile::tempdir()?;
    for (kernel, crlf) in [("4.1.0", false), ("4.2.0", true)] {
        let home = folder.path().join(kernel);
        make_home(&home, &site(kernel))?;
        let registry = fs::read(home.join("repository/conf/registry.xml"))?;
        assert!(registry.contains(&0xE9) && String::from_utf8(registry.clone()).is_err());
        assert_eq!(registry.contains(&b'\r'), crlf);
        let echo = fs::read_to_string(home.join("repository/deployment/server/axis2services/Echo.aar"))?;
        assert_eq!(echo, format!("Echo of {}\n", site(kernel).version));
        let core = home.join(format!(
            "repository/components/plugins/org.wso2.carbon.core_{kernel}.jar"
        ));
        assert!(core.is_file());
    }
    let taken = make_home(&folder.path().join("4.1.0"), &spec("4.1.0")).expect_err("a home is there");
    assert!(taken.to_string().contains("not empty"), "{taken}");
    Ok(())
}

#[test]
fn a_corpus_gives_its_own_bytes() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let (home, corpus) = (folder.path().join("home"), folder.path().join("corpus"));
    let source = folder.path().join("source");
    make_home(&source, &spec("4.2.0"))?;
    fs::create_dir_all(corpus.join("carbon-4.2.0/dbscripts"))?;
    fs::create_dir_all(corpus.join("dss-3.2.0/conf"))?;
    fs::rename(source.join("repository/conf"), corpus.join("carbon-4.2.0/conf"))?;
    fs::write(corpus.join("carbon-4.2.0/dbscripts/mysql.sql"), "-- real\n")?;
    fs::write(
        corpus.join("dss-3.2.0/conf/custom-datasources.xml"),
        "<datasources-configuration/>",
    )?;
    make_home(
        &home,
        &HomeSpec {
            corpus: Some(corpus.clone()),
            ..site("4.2.0")
        },
    )?;
    let same = |path: &str| -> Result<bool> {
        Ok(fs::read(corpus.join("carbon-4.2.0/conf").join(path))?
            == fs::read(home.join("repository/conf").join(path))?)
    };
    assert!(same("registry.xml")? && same("user-mgt.xml")? && !same("datasources/master-datasources.xml")?);
    assert_eq!(fs::read_to_string(home.join("dbscripts/mysql.sql"))?, "-- real\n");
    assert!(
        home.join("repository/conf/datasources/custom-datasources.xml")
            .is_file()
    );
    let other = make_home(
        &folder.path().join("x"),
        &HomeSpec {
            corpus: Some(corpus),
            ..site("4.4.6")
        },
    );
    assert!(other.expect_err("no such kernel").to_string().contains("4.4.6"));
    Ok(())
}

#[test]
fn the_program_builds_homes_and_distributions() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let zip = folder.path().join("wso2dss-3.2.0.zip");
    let run = |arguments: &[&str]| Command::new(STANDIN).args(arguments).output();
    let made = run(&[
        "make-distribution",
        "--out",
        &zip.to_string_lossy(),
        "--version",
        "3.2.0",
        "--kernel",
        "4.2.0",
    ])?;
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let mut archive = zip::ZipArchive::new(fs::File::open(&zip)?)?;
    assert!(
        archive
            .file_names()
            .all(|name| name.is_ok_and(|name| name.starts_with("wso2dss-3.2.0/")))
    );
    let mode = archive.by_name("wso2dss-3.2.0/bin/wso2server.sh")?.unix_mode();
    assert_eq!(mode.map(|mode| mode & 0o777), Some(0o755));
    assert!(archive.by_name("wso2dss-3.2.0/repository/tenants/").is_ok());

    let (home, secret) = (folder.path().join("home"), folder.path().join("secret"));
    fs::write(&secret, "hush\n")?;
    let (home_text, secret_text) = (home.to_string_lossy(), secret.to_string_lossy());
    let mut arguments = vec![
        "make-home",
        "--dir",
        &home_text,
        "--version",
        "3.0.1",
        "--kernel",
        "4.1.0",
    ];
    arguments.extend([
        "--tenants",
        "1,2,3",
        "--offset",
        "2",
        "--db-url",
        "jdbc:postgresql://h/db",
    ]);
    arguments.extend(["--db-user", "u", "--db-password-file", &secret_text]);
    let made = run(&arguments)?;
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let datasources = fs::read_to_string(home.join("repository/conf/datasources/master-datasources.xml"))?;
    assert!(datasources.contains("<password>hush</password>"));
    assert_eq!(
        fs::metadata(home.join("bin/wso2server.sh"))?.permissions().mode() & 0o777,
        0o755
    );
    let version = Command::new(home.join("bin/wso2server.sh"))
        .arg("--version")
        .env("JAVA_HOME", "/usr")
        .output()?;
    assert_eq!(
        String::from_utf8_lossy(&version.stdout),
        "WSO2 Data Services Server v3.0.1\nWSO2 Carbon Framework v4.1.0\n"
    );
    let bare = Command::new(home.join("bin/wso2server.sh"))
        .arg("version")
        .env_remove("JAVA_HOME")
        .output()?;
    assert_eq!(bare.status.code(), Some(1));
    Ok(())
}
