//! The admin services.

use anyhow::Result;

use crate::harness::{Engine, Home, wait};

const ADMIN: &str = "admin:admin";
const USERS: &str = "http://service.ws.um.carbon.wso2.org";
const AXIS2: &str = "http://org.apache.axis2/xsd";
const TENANTS: &str = "http://services.mgt.tenant.carbon.wso2.org";

fn body(namespace: &str, operation: &str, inner: &str) -> String {
    format!("<p:{operation} xmlns:p=\"{namespace}\">{inner}</p:{operation}>")
}

/// Calls one operation after the other of a service, as one user.
struct Client<'a>(&'a Home, &'a str);

impl Client<'_> {
    fn call(&self, service: &str, namespace: &str, operation: &str, inner: &str) -> Result<(u16, String)> {
        self.0.soap(self.1, service, &body(namespace, operation, inner))
    }

    fn users(&self, operation: &str, inner: &str) -> Result<(u16, String)> {
        self.call("RemoteUserStoreManagerService", USERS, operation, inner)
    }

    fn tenants(&self, operation: &str, inner: &str) -> Result<(u16, String)> {
        self.call("TenantMgtAdminService", TENANTS, operation, inner)
    }

    fn stores(&self, operation: &str, inner: &str) -> Result<(u16, String)> {
        self.call("UserStoreConfigAdminService", AXIS2, operation, inner)
    }
}

fn name(user: &str) -> String {
    format!("<p:userName>{user}</p:userName>")
}

fn returned(reply: (u16, String)) -> String {
    assert_eq!(reply.0, 200, "{}", reply.1);
    let value = reply
        .1
        .split_once("<ns:return>")
        .and_then(|(_, rest)| rest.split_once("</ns:return>"));
    value.map(|(value, _)| value.to_owned()).unwrap_or_default()
}

fn fault(reply: (u16, String), text: &str) {
    assert_eq!(reply.0, 500, "{}", reply.1);
    assert!(
        reply.1.contains("<soapenv:Fault>") && reply.1.contains(text),
        "{}",
        reply.1
    );
}

#[test]
fn the_server_says_which_database_it_is_on() -> Result<()> {
    let engine = Engine::maria(true)?;
    let home = Home::new("4.2.0", Some(engine.database()))?;
    home.start()?;
    let client = Client(&home, ADMIN);
    let server = |operation: &str| client.call("ServerAdmin", AXIS2, operation, "");
    assert_eq!(returned(server("isAlive")?), "true");
    assert_eq!(returned(server("getServerStatus")?), "RUNNING");
    assert_eq!(returned(server("getServerVersion")?), "3.2.0");
    let url = engine.database().url.replace('&', "&amp;");
    let data = server("getServerData")?.1;
    assert!(
        data.contains(&format!("<ns:dbURL>{url}</ns:dbURL>")) && data.contains("<ns:carbonVersion>4.2.0<"),
        "{data}"
    );

    fault(
        home.soap("admin:wrong", "ServerAdmin", &body(AXIS2, "isAlive", ""))?,
        "Access Denied",
    );
    fault(
        home.soap("user1:secret1", "ServerAdmin", &body(AXIS2, "isAlive", ""))?,
        "Access Denied",
    );
    fault(
        home.soap(ADMIN, "ServerAdmin", &body("http://wrong", "isAlive", ""))?,
        "namespace mismatch",
    );
    fault(
        home.soap(ADMIN, "NoSuchService", &body(AXIS2, "isAlive", ""))?,
        "cannot be found",
    );
    fault(server("noSuchOperation")?, "Operation not found");
    Ok(())
}

#[test]
fn a_login_opens_a_session() -> Result<()> {
    let home = Home::new("4.2.0", None)?;
    home.start()?;
    let login = |password: &str| -> Result<String> {
        let namespace = "http://authentication.services.core.carbon.wso2.org";
        let inner = format!("<p:username>admin</p:username><p:password>{password}</p:password>");
        let body = format!(
            "<e:Envelope xmlns:e=\"http://schemas.xmlsoap.org/soap/envelope/\"><e:Body>{}</e:Body></e:Envelope>",
            body(namespace, "login", &inner)
        );
        // Chunked, as Axis2 clients send it.
        home.https(&format!(
            "POST /services/AuthenticationAdmin HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\
             Transfer-Encoding: chunked\r\n\r\n{:x}\r\n{body}\r\n0\r\n\r\n",
            body.len()
        ))
    };
    assert!(login("wrong")?.contains(">false<"));
    let reply = login("admin")?;
    assert!(reply.contains(">true<"), "{reply}");
    let cookie = reply
        .lines()
        .find_map(|line| line.strip_prefix("Set-Cookie: "))
        .unwrap_or_default();
    let session = cookie.split(';').next().unwrap_or_default();
    let body = format!(
        "<e:Envelope xmlns:e=\"http://schemas.xmlsoap.org/soap/envelope/\"><e:Body>{}</e:Body></e:Envelope>",
        body(AXIS2, "isAlive", "")
    );
    let alive = home.https(&format!(
        "POST /services/ServerAdmin HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nCookie: {session}\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    ))?;
    assert!(alive.contains(">true<"), "{alive}");
    Ok(())
}

fn users_come_and_go(engine: &Engine, kernel: &str) -> Result<()> {
    let home = Home::new(kernel, Some(engine.database()))?;
    home.start()?;
    let client = Client(&home, ADMIN);
    let add = |user: &str, rest: &str| {
        client.users(
            "addUser",
            &format!("{}<p:credential>s3cret!</p:credential>{rest}", name(user)),
        )
    };
    assert_eq!(
        returned(client.users("isExistingUser", &name("smoke-1"))?),
        "false"
    );
    assert_eq!(
        add("smoke-1", "<p:roleList>developer</p:roleList>")?,
        (202, String::new())
    );
    assert_eq!(
        returned(client.users("isExistingUser", &name("smoke-1"))?),
        "true"
    );
    assert_eq!(
        engine
            .number("SELECT COUNT(*) FROM UM_USER WHERE UM_USER_NAME = 'smoke-1' AND UM_TENANT_ID = -1234")?,
        1
    );
    let knows = |password: &str| {
        client.users(
            "authenticate",
            &format!("{}<p:credential>{password}</p:credential>", name("smoke-1")),
        )
    };
    assert_eq!(
        (returned(knows("s3cret!")?), returned(knows("wrong")?)),
        ("true".to_owned(), "false".to_owned())
    );
    fault(add("smoke-1", "")?, "already exists");
    fault(add("x", "")?, "not valid");
    fault(
        add("smoke-2", "<p:roleList>nobody</p:roleList>")?,
        "does not exist",
    );
    let list = client
        .users(
            "listUsers",
            "<p:filter>smoke*</p:filter><p:maxItemLimit>10</p:maxItemLimit>",
        )?
        .1;
    assert!(
        list.contains(">smoke-1<") && !list.contains(">smoke-2<"),
        "{list}"
    );
    assert_eq!(client.users("deleteUser", &name("smoke-1"))?.0, 202);
    assert_eq!(
        returned(client.users("isExistingUser", &name("smoke-1"))?),
        "false"
    );
    fault(client.users("deleteUser", &name("smoke-1"))?, "does not exist");
    fault(client.users("deleteUser", &name("admin"))?, "Cannot delete");
    // A tenant's administrator acts on that tenant alone.
    let tenant = Client(&home, "admin@foo.com:admin");
    assert_eq!(returned(tenant.users("getTenantId", "")?), "1");
    fault(tenant.tenants("retrieveTenants", "")?, "super tenant");
    Ok(())
}

#[test]
fn users_come_and_go_on_mariadb() -> Result<()> {
    users_come_and_go(&Engine::maria(false)?, "4.1.0")
}

#[test]
fn users_come_and_go_on_postgres() -> Result<()> {
    users_come_and_go(&Engine::postgres(true)?, "4.2.0")
}

fn tenants_come_and_go(engine: &Engine) -> Result<()> {
    let home = Home::new("4.2.0", Some(engine.database()))?;
    home.start()?;
    let client = Client(&home, ADMIN);
    let bean = |domain: &str| {
        format!(
            "<p:tenantInfoBean><b:admin xmlns:b='x'>boss</b:admin><b:adminPassword xmlns:b='x'>s3cret</b:adminPassword>\
             <b:email xmlns:b='x'>a@b.c</b:email><b:tenantDomain xmlns:b='x'>{domain}</b:tenantDomain></p:tenantInfoBean>"
        )
    };
    let domain = "<p:tenantDomain>smoke.example</p:tenantDomain>";
    fault(client.tenants("addTenant", &bean("smoke"))?, "not valid");
    assert!(returned(client.tenants("addTenant", &bean("smoke.example"))?).contains("smoke.example"));
    fault(
        client.tenants("addTenant", &bean("smoke.example"))?,
        "already exists",
    );
    let id = engine.sql("SELECT UM_ID FROM UM_TENANT WHERE UM_DOMAIN_NAME = 'smoke.example'")?;
    let id = id.trim();
    assert_eq!(
        engine.number(&format!(
            "SELECT COUNT(*) FROM UM_DOMAIN WHERE UM_TENANT_ID = {id}"
        ))?,
        3
    );
    let found = client.tenants("getTenant", domain)?.1;
    assert!(
        found.contains(&format!(":tenantId>{id}<")) && found.contains(":active>true<"),
        "{found}"
    );
    assert_eq!(
        returned(Client(&home, "boss@smoke.example:s3cret").users("getTenantId", "")?),
        id
    );
    assert_eq!(client.tenants("deactivateTenant", domain)?.0, 202);
    let all = client.tenants("retrieveTenants", "")?.1;
    assert_eq!(all.matches(":tenantDomain>").count(), 2 * 6);
    fault(
        Client(&home, "boss@smoke.example:s3cret").users("getTenantId", "")?,
        "Access Denied",
    );
    assert_eq!(client.tenants("deleteTenant", domain)?.0, 202);
    for table in ["UM_DOMAIN", "UM_USER", "UM_ROLE", "UM_USER_ROLE"] {
        assert_eq!(
            engine.number(&format!("SELECT COUNT(*) FROM {table} WHERE UM_TENANT_ID = {id}"))?,
            0,
            "{table}"
        );
    }
    fault(client.tenants("getTenant", domain)?, "does not exist");
    Ok(())
}

#[test]
fn tenants_come_and_go_on_mariadb() -> Result<()> {
    tenants_come_and_go(&Engine::maria(true)?)
}

#[test]
fn tenants_come_and_go_on_postgres() -> Result<()> {
    tenants_come_and_go(&Engine::postgres(true)?)
}

#[test]
fn a_user_store_is_there_some_time_after_it_was_added() -> Result<()> {
    let engine = Engine::maria(true)?;
    let home = Home::new("4.2.0", Some(engine.database()))?;
    home.option("deploy_interval_ms = 3000")?;
    home.start()?;
    let client = Client(&home, ADMIN);
    let list = || {
        client
            .stores("getSecondaryRealmConfigurations", "")
            .map(|reply| reply.1)
    };
    let user = format!(
        "{}<p:credential>s3cret!</p:credential>",
        name("SMOKE.EXAMPLE/u01")
    );
    let store = "<p:userStoreDTO xmlns:d='http://dto.configuration.store.user.identity.carbon.wso2.org/xsd'>\
                 <d:className>org.wso2.carbon.user.core.jdbc.JDBCUserStoreManager</d:className>\
                 <d:domainId>smoke.example</d:domainId><d:properties><d:name>ReadOnly</d:name><d:value>false</d:value>\
                 </d:properties></p:userStoreDTO>";
    assert_eq!(client.stores("addUserStore", store)?, (202, String::new()));
    let file = home
        .dir
        .join("repository/deployment/server/userstores/SMOKE_EXAMPLE.xml");
    assert!(file.is_file());
    assert_eq!(
        engine.number("SELECT COUNT(*) FROM UM_DOMAIN WHERE UM_DOMAIN_NAME = 'SMOKE.EXAMPLE'")?,
        1
    );
    fault(client.users("addUser", &user)?, "Invalid Domain Name");
    wait("the user store", || {
        list().is_ok_and(|list| list.contains(">SMOKE.EXAMPLE<"))
    })?;
    assert_eq!(client.users("addUser", &user)?.0, 202);
    assert_eq!(client.users("deleteUser", &name("smoke.example/u01"))?.0, 202);
    assert_eq!(
        client
            .stores("deleteUserStore", "<p:domainName>SMOKE.EXAMPLE</p:domainName>")?
            .0,
        202
    );
    assert!(!file.exists());
    wait("the end of the user store", || {
        list().is_ok_and(|list| !list.contains("SMOKE"))
    })
}

#[test]
fn an_old_kernel_has_no_user_store_service() -> Result<()> {
    let engine = Engine::maria(false)?;
    let home = Home::new("4.1.0", Some(engine.database()))?;
    home.start()?;
    fault(
        Client(&home, ADMIN).stores("getSecondaryRealmConfigurations", "")?,
        "cannot be found",
    );
    Ok(())
}

#[test]
fn a_stock_home_comes_up_on_its_embedded_database() -> Result<()> {
    let home = Home::new("4.2.0", None)?;
    home.start()?;
    let data = Client(&home, ADMIN)
        .call("ServerAdmin", AXIS2, "getServerData", "")?
        .1;
    assert!(
        data.contains("<ns:dbURL>jdbc:h2:repository/database/WSO2CARBON_DB"),
        "{data}"
    );
    Ok(())
}
