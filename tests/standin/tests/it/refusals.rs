//! What a server refuses, and how that looks from outside.

use std::fs;
use std::net::{Ipv4Addr, TcpListener};

use anyhow::Result;

use crate::harness::{Engine, Home};

pub(crate) fn refused(home: &Home, reason: &str) -> Result<()> {
    assert!(
        home.script("start")?.status.success(),
        "the script knows nothing of it"
    );
    home.wait_log("FATAL")?;
    let log = home.log();
    assert!(
        log.contains("Cannot initialize the realm") && log.contains(reason),
        "{log}"
    );
    assert!(!log.contains("WSO2 Carbon started") && !home.https_open());
    assert!(home.runs(), "it hangs on");
    Ok(())
}

#[test]
fn a_new_kernel_refuses_an_old_schema() -> Result<()> {
    let engine = Engine::maria(false)?;
    refused(&Home::new("4.2.0", Some(engine.database()))?, "UM_DOMAIN")?;
    let engine = Engine::postgres(false)?;
    refused(&Home::new("4.2.0", Some(engine.database()))?, "UM_DOMAIN")
}

#[test]
fn an_old_kernel_refuses_a_migrated_schema() -> Result<()> {
    let engine = Engine::maria(true)?;
    refused(&Home::new("4.1.0", Some(engine.database()))?, "UM_CLAIM_BEHAVIOR")
}

#[test]
fn a_home_without_the_driver_does_not_come_up() -> Result<()> {
    let engine = Engine::maria(true)?;
    let home = Home::new("4.2.0", Some(engine.database()))?;
    fs::remove_dir_all(home.dir.join("repository/components/lib"))?;
    refused(&home, "ClassNotFoundException")?;
    assert_eq!(engine.sessions()?, 0);
    Ok(())
}

#[test]
fn a_wrong_password_is_not_logged() -> Result<()> {
    let engine = Engine::maria(true)?;
    let mut database = engine.database();
    database.password = "wrong-and-secret".to_owned();
    let home = Home::new("4.2.0", Some(database))?;
    refused(&home, "jdbc/WSO2CarbonDB")?;
    assert!(!home.log().contains("wrong-and-secret"), "{}", home.log());
    Ok(())
}

#[test]
fn a_forgotten_copy_of_the_datasources_becomes_live() -> Result<()> {
    let (production, staging) = (Engine::maria(true)?, Engine::maria(true)?);
    let home = Home::new("4.2.0", Some(staging.database()))?;
    let folder = home.dir.join("repository/conf/datasources");
    let other = Home::new("4.2.0", Some(production.database()))?;
    let copy = folder.join("old-datasources.xml");
    fs::copy(
        other
            .dir
            .join("repository/conf/datasources/master-datasources.xml"),
        copy,
    )?;
    home.start()?;
    assert!(production.sessions()? >= 3, "the copy's datasource wins");
    Ok(())
}

#[test]
fn a_taken_port_keeps_the_transports_down() -> Result<()> {
    let home = Home::new("4.2.0", None)?;
    let _taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 9443 + home.offset))?;
    assert!(home.script("start")?.status.success());
    home.wait_log("Cannot start transports")?;
    assert!(home.log().contains("Address already in use"), "{}", home.log());
    Ok(())
}

#[test]
fn a_server_that_is_never_ready_says_that_it_waits() -> Result<()> {
    let home = Home::new("4.2.0", None)?;
    home.option("never_ready = true")?;
    home.option("waiting_interval_ms = 50")?;
    assert!(home.script("start")?.status.success());
    home.wait_log("Waiting for required OSGi services: ")?;
    assert!(home.https_open() && !home.log().contains("WSO2 Carbon started"));
    let body = "<getServerStatus xmlns=\"http://org.apache.axis2/xsd\"/>";
    assert!(
        home.soap("admin:admin", "ServerAdmin", body)?
            .1
            .contains("STARTING")
    );
    Ok(())
}

#[test]
fn a_vaulted_home_needs_its_password_file_each_time() -> Result<()> {
    let engine = Engine::maria(true)?;
    let home = Home::new("4.2.0", Some(engine.database()))?;
    home.option("fatal_exits = true")?;
    let conf = home.dir.join("repository/conf");
    let file = conf.join("datasources/master-datasources.xml");
    let text = fs::read_to_string(&file)?;
    let alias = "Datasources.WSO2_CARBON_DB.Configuration.Password";
    let live = format!("<password>{}</password>", "it&apos;s #1 &amp; &lt;more&gt;");
    assert!(text.contains(&live), "{text}");
    fs::write(
        &file,
        text.replace(
            &live,
            &format!("<password svns:secretAlias=\"{alias}\">password</password>"),
        ),
    )?;
    fs::write(
        conf.join("security/secret-conf.properties"),
        "carbon.secretProvider=x\n",
    )?;
    fs::write(
        conf.join("security/cipher-text.properties"),
        format!("{alias}=[it's #1 & <more>]\n"),
    )?;
    assert!(home.script("start")?.status.success());
    home.wait_log("the keystore password is not given")?;
    home.wait_gone()?;
    fs::write(home.dir.join("password"), "wso2carbon")?;
    home.start()?;
    assert!(home.dir.join("password-tmp").exists() && !home.dir.join("password").exists());
    Ok(())
}
