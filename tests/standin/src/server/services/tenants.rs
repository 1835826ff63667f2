//! TenantMgtAdminService, backed by UM_TENANT.

use anyhow::Result;

use super::super::passwords;
use super::super::soap::{self, Fault, Reply};
use super::super::state::SUPER_TENANT;
use super::{Call, give_role, store_user};
use crate::xml::Element;

const COLUMNS: &str = "SELECT CAST(UM_ID AS CHAR(20)), UM_DOMAIN_NAME, UM_EMAIL, \
                       CASE WHEN UM_ACTIVE = TRUE THEN 'true' ELSE 'false' END FROM UM_TENANT";
const BEAN: &str = "http://beans.common.stratos.carbon.wso2.org/xsd";

pub(super) async fn handle(call: &Call<'_>) -> Result<Reply, Fault> {
    if call.caller.tenant != SUPER_TENANT {
        return Err(Fault("Tenants are managed by the super tenant only.".to_owned()));
    }
    match call.operation.name.as_str() {
        "addTenant" => add(call).await,
        "getTenant" => {
            let domain = call.text("tenantDomain");
            let sql = format!("{COLUMNS} WHERE UM_DOMAIN_NAME = ?");
            let rows = call.server.users.rows(&sql, &[domain.into()]).await?;
            Ok(Reply::Return(bean(rows.first().ok_or_else(|| missing(domain))?)))
        }
        "retrieveTenants" => {
            let rows = call
                .server
                .users
                .rows(&format!("{COLUMNS} ORDER BY UM_ID"), &[])
                .await?;
            Ok(Reply::Return(rows.iter().map(|row| bean(row)).collect()))
        }
        "activateTenant" => activate(call, "TRUE").await,
        "deactivateTenant" => activate(call, "FALSE").await,
        "deleteTenant" => delete(call).await,
        _ => Err(call.unknown()),
    }
}

fn missing(domain: &str) -> Fault {
    Fault(format!("The tenant with domain {domain} does not exist."))
}

fn bean(row: &[String]) -> String {
    let names = ["tenantId", "tenantDomain", "email", "active"];
    let fields: String = names
        .iter()
        .zip(row)
        .map(|(name, value)| format!("<b:{name}>{}</b:{name}>", crate::xml::escape(value.trim())))
        .collect();
    format!("<ns:return xmlns:b=\"{BEAN}\">{fields}</ns:return>")
}

async fn id(call: &Call<'_>, domain: &str) -> Result<Option<i64>> {
    let sql = "SELECT CAST(UM_ID AS CHAR(20)) FROM UM_TENANT WHERE UM_DOMAIN_NAME = ?";
    call.server.users.number(sql, &[domain.into()]).await
}

async fn add(call: &Call<'_>) -> Result<Reply, Fault> {
    let bean = call
        .operation
        .child("tenantInfoBean")
        .ok_or_else(|| Fault("tenantInfoBean is missing".into()))?;
    let text = |name: &str| bean.text_at(&[name]).unwrap_or_default();
    let domain = text("tenantDomain");
    check(bean, domain)?;
    if id(call, domain).await?.is_some() {
        return Err(Fault(format!(
            "A tenant with same domain already exists. Please use a different domain name. tenant domain: {domain}."
        )));
    }
    // Registry, keystore and permissions of a new tenant take their time.
    tokio::time::sleep(call.server.options.add_tenant_delay).await;
    let users = &call.server.users;
    let active = if text("active") == "false" {
        "FALSE"
    } else {
        "TRUE"
    };
    let sql = format!(
        "INSERT INTO UM_TENANT (UM_DOMAIN_NAME, UM_EMAIL, UM_ACTIVE, UM_CREATED_DATE) \
         VALUES (?, ?, {active}, CURRENT_TIMESTAMP)"
    );
    users
        .execute(&sql, &[domain.into(), text("email").into()])
        .await?;
    let tenant = id(call, domain).await?.ok_or_else(|| missing(domain))?;
    if call.server.is_new() {
        for name in ["PRIMARY", "SYSTEM", "INTERNAL"] {
            let sql = "INSERT INTO UM_DOMAIN (UM_DOMAIN_NAME, UM_TENANT_ID) VALUES (?, ?)";
            users.execute(sql, &[name.into(), tenant.into()]).await?;
        }
    }
    let hash = passwords::hash(text("adminPassword"), "s4lt");
    store_user(users, tenant, text("admin"), &hash, "s4lt").await?;
    give_role(users, tenant, text("admin"), "admin", true).await?;
    registry_rows(call, tenant, domain).await?;
    Ok(soap::value(format!("https://localhost/t/{domain}/carbon/")))
}

fn check(bean: &Element, domain: &str) -> Result<(), Fault> {
    let named = domain
        .split_once('.')
        .is_some_and(|(name, extension)| !name.is_empty() && !extension.is_empty());
    if !named || domain.contains(char::is_whitespace) {
        return Err(Fault(format!(
            "The tenant domain {domain} is not valid: it needs a name and an extension."
        )));
    }
    for field in ["admin", "adminPassword", "email"] {
        if bean.text_at(&[field]).unwrap_or_default().is_empty() {
            return Err(Fault(format!("Provided {field} is empty.")));
        }
    }
    Ok(())
}

async fn registry_rows(call: &Call<'_>, tenant: i64, domain: &str) -> Result<()> {
    let registry = &call.server.registry;
    let keystore = format!(
        "/_system/governance/repository/security/key-stores/{}.jks",
        domain.replace('.', "-")
    );
    for path in ["/", "/_system", "/_system/governance", keystore.as_str()] {
        let sql = "INSERT INTO REG_PATH (REG_PATH_VALUE, REG_TENANT_ID) VALUES (?, ?)";
        registry.execute(sql, &[path.into(), tenant.into()]).await?;
        let sql = "INSERT INTO REG_LOG (REG_PATH, REG_USER_ID, REG_LOGGED_TIME, REG_ACTION, REG_TENANT_ID) \
                   VALUES (?, 'wso2.system.user', CURRENT_TIMESTAMP, 0, ?)";
        registry.execute(sql, &[path.into(), tenant.into()]).await?;
    }
    Ok(())
}

async fn activate(call: &Call<'_>, value: &str) -> Result<Reply, Fault> {
    let domain = call.text("tenantDomain");
    id(call, domain).await?.ok_or_else(|| missing(domain))?;
    let sql = format!("UPDATE UM_TENANT SET UM_ACTIVE = {value} WHERE UM_DOMAIN_NAME = ?");
    call.server.users.execute(&sql, &[domain.into()]).await?;
    Ok(Reply::Accepted)
}

async fn delete(call: &Call<'_>) -> Result<Reply, Fault> {
    let domain = call.text("tenantDomain");
    let tenant = id(call, domain).await?.ok_or_else(|| missing(domain))?;
    let users = &call.server.users;
    let mut tables = vec!["UM_USER_ROLE", "UM_ROLE", "UM_USER_ATTRIBUTE", "UM_USER"];
    if call.server.is_new() {
        tables.push("UM_DOMAIN");
    }
    for table in tables {
        users
            .execute(
                &format!("DELETE FROM {table} WHERE UM_TENANT_ID = ?"),
                &[tenant.into()],
            )
            .await?;
    }
    for table in ["REG_LOG", "REG_PATH"] {
        let sql = format!("DELETE FROM {table} WHERE REG_TENANT_ID = ?");
        call.server.registry.execute(&sql, &[tenant.into()]).await?;
    }
    users
        .execute("DELETE FROM UM_TENANT WHERE UM_ID = ?", &[tenant.into()])
        .await?;
    Ok(Reply::Accepted)
}
