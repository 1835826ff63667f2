//! What an agent reports about its host: the inventory that plans are made from.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::ids::{NodeName, RunId, Sha256Hex};

/// Everything an agent reports about its node. Schema `node-facts/1`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeFacts {
    /// The node.
    pub node: NodeName,
    /// Version of the agent.
    pub agent_version: String,
    /// The host's own name.
    pub hostname: String,
    /// The host's network addresses, to recognise its sessions on a database.
    pub addresses: Vec<String>,
    /// The Java that the policy starts servers with, and whether it is there.
    pub java_home: Option<String>,
    /// Free bytes in the backup folder.
    pub backup_free_bytes: u64,
    /// Data folders of database servers whose files the policy lets Cutover copy; none where the action is not allowed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub database_dirs: Vec<String>,
    /// The homes asked for, or all that the policy names and that exist.
    pub homes: Vec<HomeFacts>,
}

/// One Carbon installation directory. Fields are empty where the home does not tell.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HomeFacts {
    /// Absolute path.
    pub path: String,
    /// Whether anything stands there.
    pub exists: bool,
    /// `bin/version.txt`: "WSO2 Data Services Server v3.2.0" gives this product …
    pub product: String,
    /// … and this version.
    pub version: String,
    /// `bin/wso2carbon-version.txt`: the kernel's version.
    pub kernel: String,
    /// `carbon.xml` `/Server/ServerKey`.
    pub server_key: String,
    /// The offset of the ports: that of the running server (`-DportOffset`), else `carbon.xml` `/Server/Ports/Offset`.
    pub port_offset: u16,
    /// The offset that `carbon.xml` says, whatever the running server was started with; none where it was not told.
    #[serde(default)]
    pub configured_offset: Option<u16>,
    /// Ports the server listens on when up: https first.
    pub ports: Vec<u16>,
    /// The running server, believed only when its command line names this home.
    pub server: Option<ServerProcess>,
    /// The hold on it, if any.
    pub hold: Option<HoldFacts>,
    /// Every data source in `repository/conf/datasources/*-datasources.xml`: Carbon loads them all.
    pub datasources: Vec<DatasourceFacts>,
    /// JNDI name in `user-mgt.xml`.
    pub user_datasource: Option<String>,
    /// JNDI names in `registry.xml`, by `dbConfig` name.
    pub registry_datasources: BTreeMap<String, String>,
    /// The `dbConfig` that `registry.xml` uses.
    pub registry_current: Option<String>,
    /// Ids of the folders in `repository/tenants`.
    pub tenants: Vec<i64>,
    /// Jar files in `repository/components/lib`.
    pub libraries: Vec<String>,
    /// Bytes in the home.
    pub bytes: u64,
    /// Free bytes on its file system.
    pub free_bytes: u64,
    /// Whether Secure Vault is set up (`conf/security/secret-conf.properties`).
    pub secure_vault: bool,
    /// How secrets are kept.
    #[serde(default)]
    pub secrets: SecretFacts,
    /// Databases named outside of the data source files: the RSS metadata database of Storage Server 1.0.3 in
    /// `rss-config.xml`. `name` says what it is for; `jndi` is empty.
    #[serde(default)]
    pub other_databases: Vec<DatasourceFacts>,
    /// Databases of users or of the registry that a file names in another way than by the one data source of the realm
    /// or of a `dbConfig`: inline URLs, and user stores with a database of their own.
    #[serde(default)]
    pub named_databases: Vec<NamedDatabase>,
    /// What `registry.xml` mounts.
    #[serde(default)]
    pub registry_mounts: Vec<MountFacts>,
    /// `registry.xml` `lastAccessTimeLocation`: where the index notes how far it got.
    #[serde(default)]
    pub index_location: Option<String>,
    /// Configuration files under `repository/conf` (`.xml` and `.properties`), as paths under the home.
    #[serde(default)]
    pub config_files: Vec<String>,
    /// Files under the `servicemetafiles` folders of the super tenant and of every tenant.
    #[serde(default)]
    pub service_metadata: u32,
    /// Whether the SVN deployment synchronizer is on (`carbon.xml` `/Server/DeploymentSynchronizer/Enabled`): it would
    /// overwrite copied folders.
    #[serde(default)]
    pub deployment_synchronizer: bool,
    /// Files in `conf/datasources` that Carbon loads beside `master-datasources.xml`: a backup left there is live.
    #[serde(default)]
    pub extra_datasource_files: Vec<String>,
    /// What would start this server by itself: unit files and cron tables that name the home.
    pub restart_managers: Vec<String>,
    /// What could not be read, and why.
    pub problems: Vec<String>,
}

/// How a home keeps its secrets (carbon-facts.md section 7).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecretFacts {
    /// Aliases in `cipher-text.properties` with an encrypted value.
    pub aliases: Vec<String>,
    /// Aliases there whose value still stands in plain (`alias=[plain]`); the values are never reported.
    pub plain_aliases: Vec<String>,
    /// Elements with `svns:secretAlias`, as `FILE: PATH`.
    pub protected: Vec<String>,
    /// Elements with `encrypted="true"`, as `FILE: PATH`; user stores of the super tenant and of tenants included.
    pub encrypted: Vec<String>,
    /// How `cipher-tool.properties` writes paths.
    pub cipher_paths: Option<CipherPaths>,
    /// Which of `password-persist`, `password-tmp`, `password` lie in the home.
    pub password_files: Vec<String>,
    /// Key stores named by `carbon.xml`, with the hash of the file.
    pub keystores: Vec<KeystoreFacts>,
}

/// How `cipher-tool.properties` names files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CipherPaths {
    /// Carbon 4.2.0: a bare file name (`user-mgt.xml//…`).
    FileName,
    /// Carbon 4.4: a path from the home (`repository/conf/user-mgt.xml//…`).
    FromHome,
}

/// A key store of a home.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeystoreFacts {
    /// Path under the home, or the absolute path where it lies outside.
    pub file: String,
    /// What it is for: `key store`, `registry key store` or `trust store`.
    pub role: String,
    /// Hash of its content; none when it is not there.
    pub sha256: Option<Sha256Hex>,
}

/// A database that a configuration file names past Carbon's usual place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NamedDatabase {
    /// File under the home.
    pub file: String,
    /// What it holds.
    pub used_for: DatabaseUse,
    /// How the file names it.
    pub by: NamedBy,
}

/// What a database named past the usual place holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DatabaseUse {
    /// The realm: users, roles, permissions (`user-mgt.xml` `Configuration`).
    Realm,
    /// The users of the primary user store (`user-mgt.xml` `UserStoreManager`).
    PrimaryStore,
    /// The users of a secondary user store that is not disabled.
    SecondaryStore,
    /// The registry, under this `dbConfig`.
    Registry(String),
}

/// How a file names a database.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NamedBy {
    /// A JDBC URL in the file itself, without any password in it.
    Url(String),
    /// The JNDI name of a data source.
    Jndi(String),
}

/// A mount in `registry.xml`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MountFacts {
    /// Path in the registry.
    pub path: String,
    /// Path in the registry that it leads to.
    pub target: String,
    /// Its `remoteInstance`.
    pub instance: String,
    /// The `dbConfig` of that instance.
    pub db_config: String,
    /// `cacheId` of that instance (`user@jdbc-url`), which must change with the database; passwords masked.
    pub cache_id: String,
}

/// A server process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerProcess {
    /// Process id.
    pub pid: u32,
    /// Its start, in clock ticks since boot: with the pid it names one process for ever.
    pub started_ticks: u64,
}

/// A durable promise that a server stays down.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HoldFacts {
    /// The run that wants it.
    pub run: RunId,
}

/// One data source of a home.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DatasourceFacts {
    /// File under the home.
    pub file: String,
    /// `name`.
    pub name: String,
    /// `jndiConfig/name`.
    pub jndi: String,
    /// JDBC URL, without any password in it.
    pub url: String,
    /// Account.
    pub user: String,
    /// JDBC driver class.
    pub driver: String,
    /// Alias, when the password is under Secure Vault.
    pub password_alias: Option<String>,
}
