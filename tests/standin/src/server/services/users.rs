//! RemoteUserStoreManagerService, backed by UM_USER.

use anyhow::{Context as _, Result};

use super::super::db::Db;
use super::super::passwords;
use super::super::soap::{self, Fault, Reply};
use super::super::state::{SUPER_TENANT, lock};
use super::{Call, auth};

pub(super) async fn handle(call: &Call<'_>) -> Result<Reply, Fault> {
    let (users, tenant) = (&call.server.users, call.caller.tenant);
    match call.operation.name.as_str() {
        "addUser" => add(call).await,
        "deleteUser" => delete(call).await,
        "isExistingUser" => Ok(soap::value(
            user_id(users, tenant, &full_name(call)?).await?.is_some(),
        )),
        "authenticate" => {
            let known =
                auth::matches(call.server, tenant, &full_name(call)?, call.text("credential")).await?;
            Ok(soap::value(known))
        }
        "listUsers" => list(call).await,
        "getTenantId" => Ok(soap::value(tenant)),
        _ => Err(call.unknown()),
    }
}

/// The name as stored: a domain in upper case, which must be a deployed user store's.
fn full_name(call: &Call<'_>) -> Result<String, Fault> {
    let name = call.text("userName");
    let Some((domain, user)) = name.split_once('/') else {
        return Ok(name.to_owned());
    };
    let domain = domain.to_uppercase();
    if domain == "PRIMARY" {
        return Ok(user.to_owned());
    }
    let stores = lock(&call.server.stores);
    match stores.get(&(call.caller.tenant, domain.clone())) {
        Some(store) if !store.disabled => Ok(format!("{domain}/{user}")),
        Some(_) | None => Err(Fault(format!("Invalid Domain Name : {domain}"))),
    }
}

async fn add(call: &Call<'_>) -> Result<Reply, Fault> {
    let (users, tenant) = (&call.server.users, call.caller.tenant);
    let (name, password) = (full_name(call)?, call.text("credential"));
    let short = name.rsplit('/').next().unwrap_or_default();
    if !valid(short, 3) {
        return Err(Fault(format!(
            "Username {short} is not valid. User name must match ^[\\S]{{3,30}}$"
        )));
    }
    if !valid(password, 5) {
        return Err(Fault(
            "Credential is not valid. Credential must match ^[\\S]{5,30}$".to_owned(),
        ));
    }
    if user_id(users, tenant, &name).await?.is_some() {
        return Err(Fault(format!("Username '{name}' already exists in the system.")));
    }
    let roles: Vec<&str> = call
        .operation
        .all("roleList")
        .map(|role| role.text.trim())
        .collect();
    for role in roles.iter().filter(|role| !role.is_empty()) {
        if role_id(users, tenant, role).await?.is_none() {
            return Err(Fault(format!("Role {role} does not exist in the system.")));
        }
    }
    store_user(users, tenant, &name, &passwords::hash(password, "s4lt"), "s4lt").await?;
    for role in roles.into_iter().filter(|role| !role.is_empty()) {
        give_role(users, tenant, &name, role, false).await?;
    }
    Ok(Reply::Accepted)
}

async fn delete(call: &Call<'_>) -> Result<Reply, Fault> {
    let (users, tenant, name) = (&call.server.users, call.caller.tenant, full_name(call)?);
    if tenant == SUPER_TENANT && name == call.server.data.admin_user || name == call.caller.user {
        return Err(Fault(format!("Cannot delete the administrator {name}")));
    }
    let Some(id) = user_id(users, tenant, &name).await? else {
        return Err(Fault(format!("User {name} does not exist in the user store.")));
    };
    for table in ["UM_USER_ROLE", "UM_USER_ATTRIBUTE"] {
        let sql = format!("DELETE FROM {table} WHERE UM_USER_ID = ? AND UM_TENANT_ID = ?");
        users.execute(&sql, &[id.into(), tenant.into()]).await?;
    }
    users
        .execute(
            "DELETE FROM UM_USER WHERE UM_ID = ? AND UM_TENANT_ID = ?",
            &[id.into(), tenant.into()],
        )
        .await?;
    Ok(Reply::Accepted)
}

async fn list(call: &Call<'_>) -> Result<Reply, Fault> {
    let filter = call.text("filter").replace('*', "%");
    let filter = if filter.is_empty() { "%".to_owned() } else { filter };
    let limit = call
        .text("maxItemLimit")
        .parse::<i64>()
        .ok()
        .filter(|&limit| limit >= 0)
        .unwrap_or(100);
    let sql = "SELECT UM_USER_NAME FROM UM_USER WHERE UM_USER_NAME LIKE ? AND UM_TENANT_ID = ? \
               ORDER BY UM_USER_NAME LIMIT ?";
    let params = [filter.as_str().into(), call.caller.tenant.into(), limit.into()];
    let rows = call.server.users.rows(sql, &params).await?;
    Ok(Reply::Return(
        rows.iter()
            .flatten()
            .map(|name| soap::element("return", name))
            .collect(),
    ))
}

/// `^[\S]{least,30}$`, as the console's own rule is.
fn valid(text: &str, least: usize) -> bool {
    let length = text.chars().count();
    (least..=30).contains(&length) && !text.contains(char::is_whitespace)
}

pub(super) async fn user_id(users: &Db, tenant: i64, name: &str) -> Result<Option<i64>> {
    let sql = "SELECT CAST(UM_ID AS CHAR(20)) FROM UM_USER WHERE UM_USER_NAME = ? AND UM_TENANT_ID = ?";
    users.number(sql, &[name.into(), tenant.into()]).await
}

async fn role_id(users: &Db, tenant: i64, name: &str) -> Result<Option<i64>> {
    let sql = "SELECT CAST(UM_ID AS CHAR(20)) FROM UM_ROLE WHERE UM_ROLE_NAME = ? AND UM_TENANT_ID = ?";
    users.number(sql, &[name.into(), tenant.into()]).await
}

/// Adds the row of a user.
pub(crate) async fn store_user(users: &Db, tenant: i64, name: &str, hash: &str, salt: &str) -> Result<()> {
    let sql = "INSERT INTO UM_USER (UM_USER_NAME, UM_USER_PASSWORD, UM_SALT_VALUE, UM_REQUIRE_CHANGE, \
               UM_CHANGED_TIME, UM_TENANT_ID) VALUES (?, ?, ?, FALSE, CURRENT_TIMESTAMP, ?)";
    users
        .execute(sql, &[name.into(), hash.into(), salt.into(), tenant.into()])
        .await?;
    Ok(())
}

/// Puts a user into a role, which is made first when `create` says so.
pub(crate) async fn give_role(users: &Db, tenant: i64, user: &str, role: &str, create: bool) -> Result<()> {
    if create && role_id(users, tenant, role).await?.is_none() {
        let sql = "INSERT INTO UM_ROLE (UM_ROLE_NAME, UM_TENANT_ID) VALUES (?, ?)";
        users.execute(sql, &[role.into(), tenant.into()]).await?;
    }
    let role = role_id(users, tenant, role)
        .await?
        .with_context(|| format!("there is no role {role}"))?;
    let user = user_id(users, tenant, user)
        .await?
        .with_context(|| format!("there is no user {user}"))?;
    let sql = "INSERT INTO UM_USER_ROLE (UM_ROLE_ID, UM_USER_ID, UM_TENANT_ID) VALUES (?, ?, ?)";
    users
        .execute(sql, &[role.into(), user.into(), tenant.into()])
        .await?;
    Ok(())
}
