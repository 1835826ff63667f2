//! A small fleet for the planner's tests.

use cutover_proto::facts::DatasourceFacts;

use super::*;

/// A guide that ships.
pub(crate) fn shipped(name: &str) -> Guide {
    let guides = Guide::shipped().unwrap();
    guides.into_iter().find(|guide| guide.name == name).unwrap()
}

/// A data source of `master-datasources.xml`.
pub(crate) fn source(name: &str, jndi: &str, url: &str) -> DatasourceFacts {
    DatasourceFacts {
        file: roles::MASTER_DATASOURCES.into(),
        name: name.into(),
        jndi: jndi.into(),
        url: url.into(),
        user: "dss".into(),
        driver: "com.mysql.jdbc.Driver".into(),
        password_alias: None,
    }
}

pub(crate) const FILE: &str = r#"
name  = "dss-prod"
guide = "dss-3.2.0"
[nodes]
select  = { cluster = "dss" }
expect  = 2
manager = "n2"
[home]
old = "/opt/{node}/old"
new = "/opt/{node}/new"
[[database]]
name       = "carbon"
datasource = "WSO2_CARBON_DB"
production = { url = "mysql://dss@db1/CARBON", password = "file:/pw" }
staging    = { url = "mysql://dss@db1/CARBON_320", password = "file:/pw" }
scripts    = ["migration.sql"]
"#;

/// Two nodes on one database, all of it good; tests spoil it.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) guide: Guide,
    pub(crate) upgrade: Upgrade,
    pub(crate) nodes: Vec<PlanNode>,
    pub(crate) databases: BTreeMap<String, DatabaseProbe>,
    pub(crate) attachments: BTreeMap<String, BlobRef>,
    pub(crate) scripts: BTreeMap<String, KnownScript>,
    pub(crate) configs: config::Comparisons,
    pub(crate) rehearsal: Option<RehearsalView>,
}

pub(crate) fn home(path: &str, version: &str, kernel: &str) -> HomeFacts {
    HomeFacts {
        path: path.into(),
        exists: true,
        product: "WSO2 Data Services Server".into(),
        version: version.into(),
        kernel: kernel.into(),
        server: None,
        datasources: vec![source(
            "WSO2_CARBON_DB",
            "jdbc/WSO2CarbonDB",
            "jdbc:mysql://db1:3306/CARBON?autoReconnect=true",
        )],
        user_datasource: Some("jdbc/WSO2CarbonDB".into()),
        registry_datasources: [("wso2registry".to_owned(), "jdbc/WSO2CarbonDB".to_owned())].into(),
        registry_current: Some("wso2registry".into()),
        tenants: vec![1, 2],
        bytes: 1 << 20,
        free_bytes: 1 << 40,
        ..HomeFacts::default()
    }
}

pub(crate) fn node(name: &str) -> PlanNode {
    PlanNode {
        name: name.parse().unwrap(),
        labels: BTreeMap::new(),
        connected: true,
        facts: Some(NodeFacts {
            node: name.parse().unwrap(),
            agent_version: "0.1.0".into(),
            hostname: name.into(),
            addresses: vec![],
            java_home: Some("/jdk".into()),
            backup_free_bytes: 1 << 40,
            database_dirs: vec![],
            homes: vec![
                home(&format!("/opt/{name}/old"), "3.0.1", "4.1.0"),
                home(&format!("/opt/{name}/new"), "3.2.0", "4.2.0"),
            ],
        }),
    }
}

impl World {
    pub(crate) fn new() -> Self {
        let blob = BlobRef {
            name: "migration.sql".into(),
            sha256: cutover_proto::ids::Sha256Hex::of(b"x"),
            size: 1,
        };
        Self {
            guide: shipped("dss-3.2.0"),
            upgrade: Upgrade::parse("dss.toml", FILE).unwrap(),
            nodes: vec![node("n1"), node("n2")],
            databases: [(
                "carbon".to_owned(),
                DatabaseProbe {
                    production_identity: "p".into(),
                    staging_identity: "s".into(),
                    level: SchemaLevel::Before42,
                    rss: RssLevel::None,
                    tables: ["UM_TENANT", "UM_USER", "UM_ROLE", "UM_PERMISSION", "REG_LOG"]
                        .map(str::to_owned)
                        .into(),
                    hidden_tables: BTreeSet::new(),
                    triggers: 0,
                    tenants: vec![1, 2],
                    bytes: 100 << 20,
                    findings: vec![],
                    fencing: fence::Fencing {
                        accounts: vec!["dss".into()],
                        ..fence::Fencing::default()
                    },
                    host: None,
                },
            )]
            .into(),
            attachments: [("migration.sql".to_owned(), blob.clone())].into(),
            scripts: [(
                "migration.sql".to_owned(),
                KnownScript {
                    blob,
                    statements: Ok(42),
                    databases: BTreeSet::new(),
                    hashes: (0..42)
                        .map(|n: u32| Sha256Hex::of(n.to_string().as_bytes()))
                        .collect(),
                    touches: ["UM_DOMAIN".to_owned(), "UM_TENANT".to_owned()].into(),
                    parsed: Vec::new(),
                },
            )]
            .into(),
            configs: ["n1", "n2"]
                .map(|node| (node.parse().unwrap(), Ok(Default::default())))
                .into(),
            rehearsal: None,
        }
    }

    pub(crate) fn plan(&self) -> (Option<Plan>, Vec<Finding>) {
        plan(&Inputs {
            guide: &self.guide,
            upgrade: &self.upgrade,
            file: "dss.toml",
            nodes: &self.nodes,
            databases: &self.databases,
            attachments: &self.attachments,
            scripts: &self.scripts,
            configs: &self.configs,
            rehearsal: self.rehearsal.as_ref(),
        })
    }

    pub(crate) fn good(&self) -> Plan {
        let (plan, findings) = self.plan();
        plan.unwrap_or_else(|| panic!("{findings:#?}"))
    }

    pub(crate) fn codes(&self) -> Vec<String> {
        let (plan, findings) = self.plan();
        assert!(plan.is_none(), "a plan was made");
        let errors = findings
            .into_iter()
            .filter(|finding| finding.severity == Severity::Error);
        let mut codes: Vec<String> = errors.map(|finding| finding.code).collect();
        codes.sort();
        codes.dedup();
        codes
    }

    pub(crate) fn home(&mut self, node: usize, home: usize) -> &mut HomeFacts {
        &mut self.nodes[node].facts.as_mut().unwrap().homes[home]
    }
}
