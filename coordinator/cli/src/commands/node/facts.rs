//! What an agent reports, as people read it.

mod secrets;

use std::fmt::Write as _;

use cutover_proto::facts::{DatasourceFacts, HomeFacts, MountFacts, NamedBy, NodeFacts};

use crate::human;
use crate::text::{Style, wrap};

/// The node and its homes.
pub(super) fn render(node: &NodeFacts, style: Style) -> String {
    let mut text = format!(
        "{} (host {}, agent {})\n",
        node.node, node.hostname, node.agent_version
    );
    let mut field = |name: &str, value: &str| field(&mut text, name, value, style);
    field("addresses", &node.addresses.join(", "));
    field(
        "java",
        node.java_home
            .as_deref()
            .unwrap_or("none: the agent's policy names no JDK that is there"),
    );
    field(
        "backups",
        &format!("{} free", human::bytes(node.backup_free_bytes)),
    );
    for home in &node.homes {
        render_home(&mut text, home, style);
    }
    text
}

fn render_home(text: &mut String, home: &HomeFacts, style: Style) {
    writeln!(text, "\n{}", home.path).ok();
    if !home.exists {
        writeln!(text, "  nothing stands there").ok();
        return;
    }
    let mut field = |name: &str, value: &str| {
        if !value.is_empty() {
            field(text, name, value, style);
        }
    };
    field("product", format!("{} {}", home.product, home.version).trim());
    field("kernel", &home.kernel);
    field("server", &server(home));
    let ports: Vec<String> = home.ports.iter().map(ToString::to_string).collect();
    field(
        "ports",
        &format!(
            "{} (offset {}{})",
            ports.join(", "),
            home.port_offset,
            in_file(home)
        ),
    );
    field(
        "disk",
        &format!(
            "{} used, {} free",
            human::bytes(home.bytes),
            human::bytes(home.free_bytes)
        ),
    );
    for datasource in &home.datasources {
        field("data source", &datasource_line(datasource));
    }
    for database in &home.other_databases {
        field("database", &other_database(database));
    }
    for database in &home.named_databases {
        let by = match &database.by {
            NamedBy::Url(url) => url,
            NamedBy::Jndi(jndi) => jndi,
        };
        field("database", &format!("{by}, named in {}", database.file));
    }
    for file in &home.extra_datasource_files {
        field("data source", &format!("{file} is loaded by Carbon too"));
    }
    field("users in", home.user_datasource.as_deref().unwrap_or_default());
    for (config, datasource) in &home.registry_datasources {
        field("registry", &format!("{config}: {datasource}"));
    }
    for mount in &home.registry_mounts {
        field("mount", &mount_line(mount));
    }
    field("index", home.index_location.as_deref().unwrap_or_default());
    let tenants: Vec<String> = home.tenants.iter().map(ToString::to_string).collect();
    field("tenants", &tenants.join(", "));
    for line in secrets::lines(home) {
        field("secrets", &line);
    }
    for keystore in &home.secrets.keystores {
        field("key store", &secrets::keystore(keystore));
    }
    field("config files", &config_files(home));
    if home.service_metadata > 0 {
        field(
            "services",
            &format!("{} files of service metadata", home.service_metadata),
        );
    }
    if home.deployment_synchronizer {
        field(
            "synchronizer",
            "the deployment synchronizer is on: it would overwrite copied folders",
        );
    }
    field("libraries", &home.libraries.join(", "));
    for manager in &home.restart_managers {
        field(
            "restarts",
            &format!("{manager} would start this server by itself"),
        );
    }
    for problem in &home.problems {
        field("problem", problem);
    }
}

fn server(home: &HomeFacts) -> String {
    let server = match &home.server {
        Some(process) => format!("up, pid {}", process.pid),
        None => "down".to_owned(),
    };
    match &home.hold {
        Some(hold) => format!("{server}, held by run {}", hold.run),
        None => server,
    }
}

fn other_database(database: &DatasourceFacts) -> String {
    format!(
        "{} in {}: {} as {}",
        database.name, database.file, database.url, database.user
    )
}

fn mount_line(mount: &MountFacts) -> String {
    let cache = match mount.cache_id.as_str() {
        "" => String::new(),
        cache => format!(", cache id {cache}"),
    };
    format!(
        "{} leads to {} of {} ({}{cache})",
        mount.path, mount.target, mount.instance, mount.db_config
    )
}

fn config_files(home: &HomeFacts) -> String {
    match home.config_files.len() {
        0 => String::new(),
        count => format!("{count} under repository/conf"),
    }
}

fn datasource_line(datasource: &DatasourceFacts) -> String {
    let password = match &datasource.password_alias {
        Some(alias) => format!(", password under Secure Vault alias {alias}"),
        None => String::new(),
    };
    format!(
        "{} ({}): {} as {}{password}",
        datasource.name, datasource.jndi, datasource.url, datasource.user
    )
}

fn field(text: &mut String, name: &str, value: &str, style: Style) {
    writeln!(
        text,
        "{}",
        wrap(value, style.width, &format!("  {name:<12} "), "               ")
    )
    .ok();
}

/// What `carbon.xml` says, where the server was started with another offset.
fn in_file(home: &HomeFacts) -> String {
    let other = home
        .configured_offset
        .filter(|offset| *offset != home.port_offset);
    other.map_or_else(String::new, |offset| format!("; carbon.xml says {offset}"))
}

#[cfg(test)]
mod tests {
    use cutover_proto::facts::{CipherPaths, HoldFacts, KeystoreFacts, SecretFacts, ServerProcess};
    use cutover_proto::ids::RunId;

    use super::*;

    #[test]
    fn facts_show_what_decides_an_upgrade() {
        let home = HomeFacts {
            path: "/opt/dss".into(),
            exists: true,
            product: "WSO2 Data Services Server".into(),
            version: "3.0.1".into(),
            ports: vec![9443, 9763],
            server: Some(ServerProcess {
                pid: 4711,
                started_ticks: 1,
            }),
            hold: Some(HoldFacts {
                run: RunId::new(uuid::Uuid::from_u128(7)),
            }),
            restart_managers: vec!["/etc/systemd/system/dss.service".into()],
            other_databases: vec![DatasourceFacts {
                file: "repository/conf/etc/rss-config.xml".into(),
                name: "RSS metadata".into(),
                jndi: String::new(),
                url: "jdbc:mysql://db/RSS".into(),
                user: "rss".into(),
                driver: String::new(),
                password_alias: None,
            }],
            extra_datasource_files: vec!["repository/conf/datasources/old-datasources.xml".into()],
            registry_mounts: vec![MountFacts {
                path: "/_system/governance".into(),
                target: "/_system/gov".into(),
                instance: "gov".into(),
                db_config: "shared".into(),
                cache_id: "reg@jdbc:mysql://db/REG".into(),
            }],
            index_location: Some("/_system/local/lastaccesstime".into()),
            config_files: vec!["repository/conf/carbon.xml".into()],
            service_metadata: 3,
            deployment_synchronizer: true,
            secure_vault: true,
            secrets: SecretFacts {
                aliases: vec!["A".into()],
                plain_aliases: vec!["B".into()],
                protected: vec!["repository/conf/user-mgt.xml: /a/b".into()],
                encrypted: vec!["repository/deployment/server/userstores/X.xml: /c".into()],
                cipher_paths: Some(CipherPaths::FromHome),
                password_files: vec!["password-persist".into()],
                keystores: vec![KeystoreFacts {
                    file: "repository/resources/security/wso2carbon.jks".into(),
                    role: "key store".into(),
                    sha256: None,
                }],
            },
            problems: vec!["registry.xml is not XML".into()],
            ..HomeFacts::default()
        };
        let node = NodeFacts {
            node: "dss-1".parse().unwrap(),
            agent_version: "0.1.0".into(),
            hostname: "host-1".into(),
            addresses: vec!["10.0.0.1".into()],
            java_home: None,
            backup_free_bytes: 1 << 30,
            database_dirs: vec![],
            homes: vec![
                home,
                HomeFacts {
                    path: "/opt/new".into(),
                    ..HomeFacts::default()
                },
            ],
        };
        insta::assert_snapshot!(render(&node, Style::new(100, false)));
    }
}
