//! UserStoreConfigAdminService: writes a file and a UM_DOMAIN row; the deployer does the rest, later.

use std::fs;
use std::path::PathBuf;

use anyhow::Context as _;

use super::super::soap::{self, Fault, Reply};
use super::super::state::lock;
use super::Call;
use crate::xml::escape;

const DTO: &str = "http://dto.configuration.store.user.identity.carbon.wso2.org/xsd";

pub(super) async fn handle(call: &Call<'_>) -> Result<Reply, Fault> {
    match call.operation.name.as_str() {
        "addUserStore" => add(call).await,
        "deleteUserStore" => delete(call).await,
        "getSecondaryRealmConfigurations" => Ok(list(call)),
        "getAvailableUserStoreClasses" => Ok(classes()),
        _ => Err(call.unknown()),
    }
}

fn classes() -> Reply {
    let classes = [
        "jdbc.JDBCUserStoreManager",
        "ldap.ReadOnlyLDAPUserStoreManager",
        "ldap.ReadWriteLDAPUserStoreManager",
    ];
    let names = classes
        .iter()
        .map(|class| format!("org.wso2.carbon.user.core.{class}"));
    Reply::Return(names.map(|name| soap::element("return", &name)).collect())
}

fn file(call: &Call<'_>, domain: &str) -> PathBuf {
    call.server
        .stores_dir(call.caller.tenant)
        .join(format!("{}.xml", domain.replace('.', "_")))
}

fn valid(domain: &str) -> Result<(), Fault> {
    let fine = |c: char| c.is_ascii_alphanumeric() || c == '.' || c == '-' || c == '_';
    if domain.is_empty() || domain.starts_with('.') || !domain.chars().all(fine) {
        return Err(Fault(format!("Domain name {domain} is not valid")));
    }
    Ok(())
}

async fn add(call: &Call<'_>) -> Result<Reply, Fault> {
    let dto = call
        .operation
        .child("userStoreDTO")
        .ok_or_else(|| Fault("userStoreDTO is missing".to_owned()))?;
    let text = |name: &str| dto.text_at(&[name]).unwrap_or_default();
    let domain = text("domainId").to_uppercase();
    valid(&domain)?;
    let path = file(call, &domain);
    if path.exists() || ["PRIMARY", "SYSTEM", "INTERNAL"].contains(&domain.as_str()) {
        return Err(Fault(format!(
            "Cannot add user store. Domain name: {domain} already exists."
        )));
    }
    let mut content = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><UserStoreManager class=\"{}\">\n",
        escape(text("className"))
    );
    let mut property = |name: &str, value: &str| {
        content.push_str(&format!(
            "  <Property name=\"{}\">{}</Property>\n",
            escape(name),
            escape(value)
        ));
    };
    for element in dto.all("properties") {
        let field = |name: &str| element.text_at(&[name]).unwrap_or_default();
        if !field("name").is_empty() {
            property(field("name"), field("value"));
        }
    }
    property("DomainName", &domain);
    property("Description", text("description"));
    property(
        "Disabled",
        if text("disabled") == "true" {
            "true"
        } else {
            "false"
        },
    );
    content.push_str("</UserStoreManager>\n");
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).with_context(|| format!("create {}", folder.display()))?;
    }
    fs::write(&path, content).with_context(|| format!("write {}", path.display()))?;
    let sql = "INSERT INTO UM_DOMAIN (UM_DOMAIN_NAME, UM_TENANT_ID) VALUES (?, ?)";
    call.server
        .users
        .execute(sql, &[domain.as_str().into(), call.caller.tenant.into()])
        .await?;
    Ok(Reply::Accepted)
}

async fn delete(call: &Call<'_>) -> Result<Reply, Fault> {
    let domain = call.text("domainName").to_uppercase();
    valid(&domain)?;
    let path = file(call, &domain);
    if !path.exists() {
        return Err(Fault(format!("User store {domain} does not exist.")));
    }
    fs::remove_file(&path).with_context(|| format!("remove {}", path.display()))?;
    let sql = "DELETE FROM UM_DOMAIN WHERE UM_DOMAIN_NAME = ? AND UM_TENANT_ID = ?";
    call.server
        .users
        .execute(sql, &[domain.as_str().into(), call.caller.tenant.into()])
        .await?;
    Ok(Reply::Accepted)
}

fn list(call: &Call<'_>) -> Reply {
    let stores = lock(&call.server.stores);
    let own = stores
        .iter()
        .filter(|((tenant, _), _)| *tenant == call.caller.tenant);
    Reply::Return(
        own.map(|((_, domain), store)| {
            let fields = [
                ("className", store.class.clone()),
                ("description", store.description.clone()),
                ("disabled", store.disabled.to_string()),
                ("domainId", domain.clone()),
            ];
            let fields: String = fields
                .iter()
                .map(|(name, value)| format!("<d:{name}>{}</d:{name}>", escape(value)))
                .collect();
            let properties: String = store
                .properties
                .iter()
                .map(|(name, value)| {
                    format!(
                        "<d:properties><d:name>{}</d:name><d:value>{}</d:value></d:properties>",
                        escape(name),
                        escape(value)
                    )
                })
                .collect();
            format!("<ns:return xmlns:d=\"{DTO}\">{fields}{properties}</ns:return>")
        })
        .collect(),
    )
}
