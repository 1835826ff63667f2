//! The tests of the guides' "Going into production", through the admin services: two user stores, users in each,
//! two tenants, a user in one of them. Everything it makes has the prefix and is removed again.

use std::fmt::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use cutover_files::Root;
use cutover_proto::report::{ErrorCode, Receipt, StepError, StepOutcome};
use cutover_proto::step::AdminAccess;
use rand::Rng;
use secrecy::{ExposeSecret, SecretString};

use crate::facts::{self, conf};
use crate::fault;
use crate::service::soap::{self, Account, Admin, Call, CallError, escape};
use crate::task::Task;

const LIMIT: Duration = Duration::from_secs(120);
/// The deployer looks for new user stores each 15 s.
const DEPLOY: Duration = Duration::from_secs(120);
const LOOK: Duration = Duration::from_secs(1);

const STORES: &str = "UserStoreConfigAdminService";
const USERS: &str = "RemoteUserStoreManagerService";
const TENANTS: &str = "TenantMgtAdminService";
const AXIS: &str = "http://org.apache.axis2/xsd";
const USERS_NS: &str = "http://service.ws.um.carbon.wso2.org";
const TENANTS_NS: &str = "http://services.mgt.tenant.carbon.wso2.org";

/// What the test makes, by name.
struct Names {
    stores: [String; 2],
    tenants: [String; 2],
    user: String,
}

impl Names {
    fn new(prefix: &str) -> Self {
        let plain: String = prefix
            .chars()
            .filter(char::is_ascii_alphanumeric)
            .take(12)
            .collect();
        let lower = plain.to_ascii_lowercase();
        Self {
            stores: [1, 2].map(|n| format!("{}{n}.EXAMPLE", plain.to_ascii_uppercase())),
            tenants: [1, 2].map(|n| format!("{lower}{n}.com")),
            user: format!("{lower}user"),
        }
    }

    /// The user in the primary store and in each of the new ones.
    fn users(&self) -> Vec<String> {
        std::iter::once(self.user.clone())
            .chain(self.users_in_stores())
            .collect()
    }

    fn users_in_stores(&self) -> impl Iterator<Item = String> {
        self.stores.iter().map(|store| format!("{store}/{}", self.user))
    }
}

/// Which of the user stores the deployer has in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Deployed {
    All,
    None,
}

struct Smoke<'a> {
    task: &'a Task,
    home: std::path::PathBuf,
    admin: Admin,
    names: Names,
}

pub(super) async fn perform(task: &Task, home: &str, admin: &AdminAccess, prefix: &str) -> StepOutcome {
    let smoke = Smoke::new(task, home, admin, prefix).await?;
    // An earlier try may have left things behind.
    smoke.clean().await?;
    smoke
        .wait_for_stores(Deployed::None, "an earlier try's user stores are still in use")
        .await?;
    let began = Instant::now();
    let tested = smoke.test().await;
    let cleaned = smoke.clean().await;
    let receipt = tested?;
    let left = cleaned?;
    Ok(receipt
        .with("millis", began.elapsed().as_millis())
        .with("left_behind", left))
}

pub(super) async fn undo(task: &Task, home: &str, admin: &AdminAccess, prefix: &str) -> StepOutcome {
    let smoke = Smoke::new(task, home, admin, prefix).await?;
    if crate::service::carbon::find(&smoke.home).servers.is_empty() {
        return Ok(Receipt::new().with(
            "left_behind",
            "unknown: the server is down; its new database is given up with it",
        ));
    }
    let left = smoke.clean().await?;
    Ok(Receipt::new().with("left_behind", left))
}

impl<'a> Smoke<'a> {
    async fn new(
        task: &'a Task,
        home: &str,
        admin: &AdminAccess,
        prefix: &str,
    ) -> Result<Smoke<'a>, StepError> {
        let home = task.home(home)?;
        let looked = home.clone();
        let ports = task.blocking(move |_, _| Ok(facts::ports(&looked))).await?;
        let account = Account {
            user: admin.user.clone(),
            password: task.secret(&admin.password)?,
        };
        Ok(Smoke {
            task,
            home,
            admin: Admin {
                port: ports.https,
                account,
            },
            names: Names::new(prefix),
        })
    }

    async fn test(&self) -> StepOutcome {
        let home = self.home.clone();
        let source = self.task.blocking(move |_, _| Ok(user_datasource(&home))).await?;
        for store in &self.names.stores {
            self.call(
                &self.admin,
                &add_store(store, &source),
                "a user store can't be added",
            )
            .await?;
        }
        let password = password();
        self.add_user(&self.admin, &self.names.user, &password).await?;
        self.wait_for_stores(Deployed::All, "the new user stores are not in use")
            .await?;
        for user in self.names.users_in_stores() {
            self.add_user(&self.admin, &user, &password).await?;
        }
        let mut waits = 0;
        for domain in &self.names.tenants {
            waits += 1;
            self.call(
                &self.admin,
                &add_tenant(domain, &password),
                "a tenant can't be added",
            )
            .await?;
            let tenant = Admin {
                port: self.admin.port,
                account: Account {
                    user: format!("admin@{domain}"),
                    password: password.clone(),
                },
            };
            if waits == 1 {
                self.add_user(&tenant, &self.names.user, &password).await?;
            }
        }
        Ok(Receipt::new()
            .with("user_stores", self.names.stores.join(", "))
            .with("users", self.names.users().join(", "))
            .with("tenants", self.names.tenants.join(", "))
            .with(
                "tenant_user",
                format!("{}@{}", self.names.user, self.names.tenants[0]),
            ))
    }

    /// Adds a user and sees that the server finds it.
    async fn add_user(&self, admin: &Admin, user: &str, password: &SecretString) -> Result<(), StepError> {
        let what = format!("the user `{user}` can't be added");
        self.call(admin, &add_user(user, password), &what).await?;
        let body = self.call(admin, &is_existing(user), &what).await?;
        if soap::element(&body, "return").as_deref() == Some("true") {
            return Ok(());
        }
        Err(self.failed(&what, "the server took it and does not find it afterwards"))
    }

    /// Waits for the deployer, which sees only after a while that the file of a user store has come or gone. A store
    /// that is in use from an earlier try and goes later would take the next try's users with it.
    async fn wait_for_stores(&self, deployed: Deployed, otherwise: &str) -> Result<(), StepError> {
        let began = Instant::now();
        let call = get_stores();
        loop {
            let body = self
                .call(&self.admin, &call, "the user stores can't be listed")
                .await?;
            let listed = soap::elements(&body, "domainId");
            let there = |store: &String| listed.contains(store);
            let reached = match deployed {
                Deployed::All => self.names.stores.iter().all(there),
                Deployed::None => !self.names.stores.iter().any(there),
            };
            if reached {
                return Ok(());
            }
            if began.elapsed() >= DEPLOY {
                return Err(self.failed(
                    otherwise,
                    &format!("the deployer did not see the change within {DEPLOY:?}"),
                ));
            }
            self.task
                .pause(LOOK, "the smoke test waited for its user stores")
                .await?;
        }
    }

    /// Removes everything of this prefix. Says what can't be removed: `deleteTenant` is not in every product, and
    /// then the tenant is deactivated.
    async fn clean(&self) -> Result<String, StepError> {
        let mut left = String::new();
        for user in self.names.users() {
            let known = self.admin.call(&is_existing(&user), LIMIT).await;
            let exists = known.is_ok_and(|body| soap::element(&body, "return").as_deref() == Some("true"));
            if exists && let Err(error) = self.admin.call(&delete_user(&user), LIMIT).await {
                note(&mut left, &format!("user {user}"), &error);
            }
        }
        self.clean_stores(&mut left).await;
        self.clean_tenants(&mut left).await;
        Ok(if left.is_empty() {
            "nothing".to_owned()
        } else {
            left
        })
    }

    /// Also of a store that the deployer has not seen yet the file is removed.
    async fn clean_stores(&self, left: &mut String) {
        let listed = self.admin.call(&get_stores(), LIMIT).await.unwrap_or_default();
        let there = soap::elements(&listed, "domainId");
        for store in &self.names.stores {
            let deleted = self.admin.call(&delete_store(store), LIMIT).await;
            // One that was never there can't be deleted either.
            if let Err(error) = deleted
                && there.contains(store)
            {
                note(left, &format!("user store {store}"), &error);
            }
        }
    }

    async fn clean_tenants(&self, left: &mut String) {
        let listed = self.admin.call(&list_tenants(), LIMIT).await.unwrap_or_default();
        let there = soap::elements(&listed, "tenantDomain");
        for domain in self.names.tenants.iter().filter(|domain| there.contains(domain)) {
            if self
                .admin
                .call(&of_tenant("deleteTenant", domain), LIMIT)
                .await
                .is_ok()
            {
                continue;
            }
            match self
                .admin
                .call(&of_tenant("deactivateTenant", domain), LIMIT)
                .await
            {
                Ok(_) => write!(
                    left,
                    "tenant {domain} (deactivated; this product can't delete tenants) "
                )
                .unwrap_or_default(),
                Err(error) => note(left, &format!("tenant {domain}"), &error),
            }
        }
    }

    async fn call(&self, admin: &Admin, call: &Call, what: &str) -> Result<String, StepError> {
        self.task.check_cancelled("the smoke test was under way")?;
        admin
            .call(call, LIMIT)
            .await
            .map_err(|error| self.failed(what, &fault::chain(&error)))
    }

    fn failed(&self, what: &str, why: &str) -> StepError {
        StepError::new(
            ErrorCode::NotReady,
            format!("smoke test of `{}`: {what}", shown(&self.home)),
            why,
            "look at the server's log; the upgraded server does not do what production needs. Retry, or abort the run",
        )
    }
}

/// The data source of the primary user store.
fn user_datasource(home: &Path) -> String {
    let document = Root::open(home)
        .ok()
        .and_then(|root| conf::document(&root, "repository/conf/user-mgt.xml").ok()?);
    let path = "/UserManager/Realm/Configuration/Property[@name='dataSource']";
    document
        .and_then(|document| conf::text(&document, path))
        .unwrap_or_else(|| "jdbc/WSO2CarbonDB".to_owned())
}

fn shown(home: &Path) -> String {
    home.display().to_string()
}

fn note(left: &mut String, what: &str, error: &CallError) {
    write!(left, "{what} ({}) ", fault::chain(error)).unwrap_or_default();
}

/// A password that Carbon's rules accept (`^[\S]{5,30}$`), known to nobody.
fn password() -> SecretString {
    const LETTERS: &[u8] = b"abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789";
    let mut rng = rand::rng();
    let text: String = (0..20)
        .map(|_| char::from(LETTERS[rng.random_range(0..LETTERS.len())]))
        .collect();
    SecretString::from(format!("{text}7!"))
}

fn call(service: &'static str, operation: &'static str, namespace: &'static str, content: String) -> Call {
    Call {
        service,
        operation,
        namespace,
        content,
    }
}

/// A store on the same database as the primary one: its tables, and rows of its own domain.
fn add_store(domain: &str, source: &str) -> Call {
    let dto = "http://dto.configuration.store.user.identity.carbon.wso2.org/xsd";
    let property = |name: &str, value: &str| {
        format!(
            "<d:properties><d:name>{name}</d:name><d:value>{}</d:value></d:properties>",
            escape(value)
        )
    };
    let properties: String = [
        ("dataSource", source),
        ("ReadOnly", "false"),
        ("MaxUserNameListLength", "100"),
        ("UserRolesCacheEnabled", "true"),
        ("PasswordDigest", "SHA-256"),
        ("StoreSaltedPassword", "true"),
        ("WriteGroups", "true"),
        ("UsernameJavaRegEx", "^[\\S]{3,30}$"),
        ("PasswordJavaRegEx", "^[\\S]{5,30}$"),
    ]
    .into_iter()
    .map(|(name, value)| property(name, value))
    .collect();
    let content = format!(
        "<op:userStoreDTO xmlns:d=\"{dto}\"><d:className>org.wso2.carbon.user.core.jdbc.JDBCUserStoreManager</d:className>\
         <d:description>Cutover smoke test</d:description><d:disabled>false</d:disabled><d:domainId>{}</d:domainId>\
         {properties}</op:userStoreDTO>",
        escape(domain)
    );
    call(STORES, "addUserStore", AXIS, content)
}

fn get_stores() -> Call {
    call(STORES, "getSecondaryRealmConfigurations", AXIS, String::new())
}

fn delete_store(domain: &str) -> Call {
    call(
        STORES,
        "deleteUserStore",
        AXIS,
        format!("<op:domainName>{}</op:domainName>", escape(domain)),
    )
}

fn add_user(user: &str, password: &SecretString) -> Call {
    let content = format!(
        "<op:userName>{}</op:userName><op:credential>{}</op:credential>\
         <op:requirePasswordChange>false</op:requirePasswordChange>",
        escape(user),
        escape(password.expose_secret())
    );
    call(USERS, "addUser", USERS_NS, content)
}

fn is_existing(user: &str) -> Call {
    call(
        USERS,
        "isExistingUser",
        USERS_NS,
        format!("<op:userName>{}</op:userName>", escape(user)),
    )
}

fn delete_user(user: &str) -> Call {
    call(
        USERS,
        "deleteUser",
        USERS_NS,
        format!("<op:userName>{}</op:userName>", escape(user)),
    )
}

fn add_tenant(domain: &str, password: &SecretString) -> Call {
    let bean = "http://beans.common.stratos.carbon.wso2.org/xsd";
    let content = format!(
        "<op:tenantInfoBean xmlns:b=\"{bean}\"><b:active>true</b:active><b:admin>admin</b:admin>\
         <b:adminPassword>{}</b:adminPassword><b:email>smoke@{domain}</b:email><b:firstname>Smoke</b:firstname>\
         <b:lastname>Test</b:lastname><b:tenantDomain>{domain}</b:tenantDomain><b:tenantId>0</b:tenantId>\
         <b:usagePlan>Demo</b:usagePlan></op:tenantInfoBean>",
        escape(password.expose_secret()),
        domain = escape(domain),
    );
    call(TENANTS, "addTenant", TENANTS_NS, content)
}

fn list_tenants() -> Call {
    call(TENANTS, "retrieveTenants", TENANTS_NS, String::new())
}

fn of_tenant(operation: &'static str, domain: &str) -> Call {
    call(
        TENANTS,
        operation,
        TENANTS_NS,
        format!("<op:tenantDomain>{}</op:tenantDomain>", escape(domain)),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_when_made_then_carbon_accepts_them() {
        let names = Names::new("cutover-0197abcd-ef01");
        assert_eq!(names.tenants[0], "cutover0197a1.com");
        assert_eq!(names.stores[1], "CUTOVER0197A2.EXAMPLE");
        assert!(
            names
                .users()
                .iter()
                .all(|user| user.rsplit('/').next().unwrap().len() <= 30)
        );
        let password = password();
        let length = password.expose_secret().len();
        assert!((5..=30).contains(&length));
    }

    #[test]
    fn store_when_asked_for_then_its_domain_is_in_the_request() {
        let call = add_store("A&B", "jdbc/X");
        assert!(call.content.contains("<d:domainId>A&amp;B</d:domainId>"));
    }
}
