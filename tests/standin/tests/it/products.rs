//! What single products have beyond their kernel.

use std::fs;
use std::path::Path;

use anyhow::Result;
use carbon_standin::fixtures::{self, Dialect};
use carbon_standin::home::{HomeSpec, Site, make_home};
use cutover_testdb::Postgres;

use crate::harness::{Engine, Home, STANDIN};
use crate::refusals::refused;

const STORAGE: &str = "WSO2 Storage Server";

fn dialect(engine: &Engine) -> Dialect {
    match engine {
        Engine::Maria(_) => Dialect::MySql,
        Engine::Postgres(_) => Dialect::Postgres,
    }
}

/// Tables and rows of the older version in the same database as everything else.
fn with_rss(engine: &Engine) -> Result<()> {
    engine.sql(&fixtures::rss_schema(dialect(engine)))?;
    engine.sql(&fixtures::rss_rows())?;
    if let Engine::Postgres(server) = engine {
        grants(server)?;
    }
    Ok(())
}

fn grants(server: &Postgres) -> Result<()> {
    for what in ["ALL ON ALL TABLES IN SCHEMA public", "ALL ON SCHEMA public"] {
        server.grant("carbon", what, "carbonuser")?;
    }
    Ok(())
}

fn migrate(engine: &Engine) -> Result<()> {
    engine.sql(match engine {
        Engine::Maria(_) => {
            include_str!("../../../../coordinator/guides/scripts/ss-1.0.3-to-1.1.0-rss.mysql.sql")
        }
        Engine::Postgres(_) => {
            include_str!("../../../../coordinator/guides/scripts/ss-1.0.3-to-1.1.0-rss.postgres.sql")
        }
    })?;
    if let Engine::Postgres(server) = engine {
        grants(server)?;
    }
    Ok(())
}

fn storage(version: &str, kernel: &str, engine: &Engine) -> HomeSpec {
    HomeSpec {
        database: Some(engine.database()),
        rss: Some(engine.database()),
        ..HomeSpec::stock(STORAGE, version, kernel, Path::new(STANDIN))
    }
}

#[test]
fn storage_server_works_on_its_own_generation_of_rss_tables() -> Result<()> {
    for migrated in [Engine::maria, Engine::postgres] {
        let engine = migrated(true)?;
        with_rss(&engine)?;
        let new = Home::of(storage("1.1.0", "4.2.0", &engine))?;
        refused(&new, "Unknown column 'ENVIRONMENT_ID'")?;
        migrate(&engine)?;
        let before = engine.number("SELECT COUNT(*) FROM RM_DATABASE_USER")?;
        let new = Home::of(storage("1.1.0", "4.2.0", &engine))?;
        new.start()?;
        let taken = engine.number("SELECT SEQ_COUNT FROM DATABASE_USER_SEQUENCE_TABLE")?;
        assert_eq!(taken, 1, "the first id of a table that it made itself");
        assert_eq!(engine.number("SELECT COUNT(*) FROM RM_DATABASE_USER")?, before);
        drop(new);
        engine.sql("UPDATE DATABASE_USER_SEQUENCE_TABLE SET SEQ_COUNT = 9")?;
        let behind = Home::of(storage("1.1.0", "4.2.0", &engine))?;
        refused(&behind, "the id 10 that DATABASE_USER_SEQUENCE_TABLE gave")?;
    }
    Ok(())
}

#[test]
fn the_older_storage_server_reads_its_database_from_its_own_file() -> Result<()> {
    let engine = Engine::maria(false)?;
    with_rss(&engine)?;
    let home = Home::of(storage("1.0.3", "4.1.0", &engine))?;
    home.start()?;
    // A pool for the users and the registry, and one for the metadata.
    assert!(engine.sessions()? >= 6, "{} sessions", engine.sessions()?);
    drop(home);
    migrate(&engine)?;
    refused(
        &Home::of(storage("1.0.3", "4.1.0", &engine))?,
        "Unknown column 'RSS_INSTANCE_ID'",
    )
}

#[test]
fn the_newer_storage_server_wants_to_be_told_its_engine() -> Result<()> {
    let engine = Engine::maria(true)?;
    with_rss(&engine)?;
    migrate(&engine)?;
    let home = Home::of(storage("1.1.0", "4.2.0", &engine))?;
    let file = home.dir.join("repository/conf/etc/persistence.xml");
    let text = fs::read_to_string(&file)?;
    assert!(text.contains("MySQLDictionary"), "{text}");
    fs::write(&file, text.replace("MySQLDictionary", "H2Dictionary"))?;
    refused(&home, "H2Dictionary does not fit")
}

#[test]
fn a_mounted_registry_is_held_open_and_has_a_cache_of_its_own() -> Result<()> {
    let engine = Engine::postgres(true)?;
    let mut mount = engine.database();
    mount.url = mount.url.replace("/carbon?", "/shared?");
    let Engine::Postgres(server) = &engine else {
        anyhow::bail!("PostgreSQL was asked for")
    };
    server.create_database("shared")?;
    let spec = HomeSpec {
        database: Some(engine.database()),
        mount: Some(mount),
        ..HomeSpec::stock("WSO2 Carbon", "4.2.0", "4.2.0", Path::new(STANDIN))
    };
    refused(&Home::of(spec.clone())?, "Table 'REG_LOG' doesn't exist")?;
    server.sql("shared", fixtures::SCHEMA_41_POSTGRES)?;
    server.sql("shared", &fixtures::mount_rows(Dialect::Postgres))?;
    server.grant("shared", "ALL ON ALL TABLES IN SCHEMA public", "carbonuser")?;
    let home = Home::of(spec)?;
    home.start()?;
    let sessions =
        "SELECT COUNT(*) FROM pg_stat_activity WHERE datname = 'shared' AND usename = 'carbonuser'";
    assert!(engine.number(sessions)? >= 3);
    drop(home);
    let spec = HomeSpec {
        database: Some(engine.database()),
        mount: Some(engine.database()),
        ..HomeSpec::stock("WSO2 Carbon", "4.2.0", "4.2.0", Path::new(STANDIN))
    };
    let home = Home::of(spec)?;
    let file = home.dir.join("repository/conf/registry.xml");
    let text: String = fs::read(&file)?.into_iter().map(char::from).collect();
    assert!(
        text.contains("<cacheId>carbonuser@jdbc:postgresql://127.0.0.1:"),
        "{text}"
    );
    let text = text.replace("/carbon</cacheId>", "/elsewhere</cacheId>");
    fs::write(&file, text.chars().map(|c| c as u8).collect::<Vec<u8>>())?;
    refused(&home, "/elsewhere is not that of")
}

#[test]
fn a_vaulted_site_with_its_own_key_store_comes_up() -> Result<()> {
    let engine = Engine::maria(true)?;
    let spec = HomeSpec {
        database: Some(engine.database()),
        site: Site {
            host_name: Some("dss.example.com".to_owned()),
            keystore: Some("st0re & key".to_owned()),
            datasource: Some(engine.database()),
            user_store: Some(engine.database()),
            vault: Some("st0re & key".to_owned()),
        },
        ..HomeSpec::stock("WSO2 Application Server", "5.2.0", "4.2.0", Path::new(STANDIN))
    };
    let home = Home::of(spec)?;
    let read = |path: &str| fs::read_to_string(home.dir.join(path));
    let datasources = read("repository/conf/datasources/master-datasources.xml")?;
    assert!(
        datasources.contains("Configuration.Password\">password</password>"),
        "{datasources}"
    );
    assert!(datasources.contains("<name>SITE_DB</name>"), "{datasources}");
    let carbon = read("repository/conf/carbon.xml")?;
    for text in [
        "<HostName>dss.example.com</HostName>",
        "security/site.jks",
        "<KeyAlias>site<",
        "st0re &amp; key",
    ] {
        assert!(carbon.contains(text), "{text} is not in {carbon}");
    }
    assert!(read("repository/deployment/server/userstores/SITE_EXAMPLE.xml")?.contains("SITE.EXAMPLE"));
    home.start()?;
    // The key store is the one that is named.
    fs::remove_file(home.dir.join("repository/resources/security/site.jks"))?;
    fs::copy(
        home.dir.join("repository/resources/security/wso2carbon.jks"),
        home.dir.join("repository/resources/security/elsewhere.jks"),
    )?;
    home.script("stop")?;
    home.wait_gone()?;
    home.script("start")?;
    home.wait_log("site.jks")
}

#[test]
fn products_out_of_a_corpus_have_their_own_files_in_their_places() -> Result<()> {
    let Some(corpus) = std::env::var_os("CUTOVER_CORPUS") else {
        println!("skipped: no real stock files; name their folder in CUTOVER_CORPUS");
        return Ok(());
    };
    let folder = tempfile::tempdir()?;
    let cases: [(&str, &str, &str, &[&str]); 8] = [
        (
            STORAGE,
            "1.0.3",
            "4.1.0",
            &["etc/rss-config.xml", "embedded-ldap.xml", "axis2/axis2.xml"],
        ),
        (
            STORAGE,
            "1.1.0",
            "4.2.0",
            &["etc/rss-config.xml", "etc/persistence.xml", "etc/cache.xml"],
        ),
        ("WSO2 Data Services Server", "3.0.1", "4.1.0", &["user-mgt.xml"]),
        (
            "WSO2 Data Services Server",
            "3.2.0",
            "4.2.0",
            &["datasources/custom-datasources.xml"],
        ),
        (
            "WSO2 Application Server",
            "5.1.0",
            "4.1.0",
            &["throttling-agent-config.xml"],
        ),
        (
            "WSO2 Application Server",
            "5.2.0",
            "4.2.0",
            &["tomcat/as-classloading.xml"],
        ),
        ("WSO2 Carbon", "4.0.0", "4.0.0", &["registry.xml"]),
        ("WSO2 Carbon", "4.4.7", "4.4.7", &["registry.xml"]),
    ];
    for (product, version, kernel, files) in cases {
        let home = folder.path().join(format!("{product} {version}"));
        let spec = HomeSpec {
            corpus: Some(corpus.clone().into()),
            ..HomeSpec::stock(product, version, kernel, Path::new(STANDIN))
        };
        make_home(&home, &spec)?;
        for file in files {
            assert!(
                home.join("repository/conf").join(file).is_file(),
                "{product} {version}: {file}"
            );
        }
    }
    Ok(())
}
