//! A plan built by hand, as the planner makes them: three nodes, one database, order `copy-first`.

use std::fmt::Display;

use cutover_proto::ids::{NodeName, Sha256Hex, StepId};
use cutover_proto::plan::{
    DataMode, DataPlan, DatabaseAction, DatabaseAddress, DatabaseRole, DowntimeForecast, ModeForecast, Place,
    Plan, PlanDatabase, PlanPhase, PlanScript, PlanStep, PlanWindow, Reversal, StepAction,
};
use cutover_proto::step::{BlobRef, ConfigValue, NodeAction, SecretRef, XmlEdit};

const OLD: &str = "/opt/wso2dss-3.0.1";
const NEW: &str = "/opt/wso2dss-3.2.0";
const NODES: [&str; 3] = ["dss-1", "dss-2", "dss-3"];

fn id(name: &str, place: impl Display) -> StepId {
    format!("{name}@{place}").parse().unwrap()
}

fn step(name: &str, place: Place, action: StepAction, title: &str, undo: Option<&str>) -> PlanStep {
    let at = match &place {
        Place::Node(node) => node.to_string(),
        Place::Database(name) => name.clone(),
        Place::Coordinator => "coordinator".into(),
    };
    PlanStep {
        id: id(name, at),
        title: title.into(),
        place,
        action,
        reversal: if undo.is_some() {
            Reversal::Undo
        } else {
            Reversal::Nothing
        },
        undo: undo.unwrap_or("nothing to undo").into(),
        skippable: false,
        deadline_secs: 300,
        after: Vec::new(),
        sentences: Vec::new(),
    }
}

fn node(name: &str, node: &str, action: NodeAction, title: &str, undo: Option<&str>) -> PlanStep {
    step(
        name,
        Place::Node(node.parse().unwrap()),
        StepAction::Node(action),
        title,
        undo,
    )
}

fn database(name: &str, action: DatabaseAction, title: &str, undo: Option<&str>) -> PlanStep {
    step(
        name,
        Place::Database("carbon".into()),
        StepAction::Database(action),
        title,
        undo,
    )
}

fn phase(name: &str, steps: Vec<PlanStep>) -> PlanPhase {
    PlanPhase {
        name: name.into(),
        approval: false,
        steps,
    }
}

fn prepare() -> PlanPhase {
    let mut steps = Vec::new();
    for at in NODES {
        let edits = vec![
            XmlEdit {
                path: "/datasources/url".into(),
                value: ConfigValue::Literal("jdbc:mysql://db1/C320".into()),
                only_if_present: false,
            },
            XmlEdit {
                path: "/datasources/password".into(),
                value: ConfigValue::Secret(SecretRef("file:/etc/cutover/db1.pw".into())),
                only_if_present: false,
            },
        ];
        let file = "repository/conf/datasources/master-datasources.xml";
        let action = NodeAction::EditXml {
            home: NEW.into(),
            file: file.into(),
            elsewhere: Vec::new(),
            edits,
        };
        let title = format!("edit {file}: 2 value(s)");
        let mut edit = node(
            "prepare.edit-master",
            at,
            action,
            &title,
            Some("restore the file byte for byte"),
        );
        edit.sentences =
            vec!["Go to the master-datasources.xml file and configure the “new” database.".into()];
        let name = format!("dss-prod-{at}");
        let backup = NodeAction::BackupHome {
            home: OLD.into(),
            name,
        };
        let mut backup = node("backup.home", at, backup, &format!("back up {OLD} on {at}"), None);
        backup.after = vec![edit.id.clone()];
        steps.extend([edit, backup]);
    }
    phase("prepare", steps)
}

fn quiesce() -> PlanPhase {
    let sentence = "Stop all running DSS server instances.";
    let mut steps: Vec<PlanStep> = NODES
        .iter()
        .map(|at| {
            let action = NodeAction::StopServer {
                home: OLD.into(),
                grace_secs: 120,
                kill: true,
            };
            let title = format!("stop and hold the server of {OLD}");
            let mut stop = node(
                "quiesce.stop",
                at,
                action,
                &title,
                Some("release the hold and start the server"),
            );
            stop.sentences = vec![sentence.into()];
            stop
        })
        .collect();
    let alone = DatabaseAction::ProveAlone {
        role: DatabaseRole::Production,
    };
    let mut proof = database(
        "quiesce.prove-alone",
        alone,
        "nobody but Cutover is connected to production",
        None,
    );
    proof.after = steps.iter().map(|step| step.id.clone()).collect();
    steps.push(proof);
    phase("quiesce", steps)
}

fn data() -> PlanPhase {
    let copy = database(
        "data.copy",
        DatabaseAction::Copy { serving: false },
        "copy production to staging",
        Some("empty staging again"),
    );
    let role = DatabaseRole::Staging;
    let title = "run migration.sql on staging, 12 statements";
    let mut migrate = database("data.migrate", DatabaseAction::Migrate { role }, title, None);
    migrate.after = vec![copy.id.clone()];
    phase("data", vec![copy, migrate])
}

fn cutover() -> PlanPhase {
    let mut steps = Vec::new();
    let mut before = Vec::new();
    for (index, at) in NODES.into_iter().enumerate() {
        let title = format!("start the server of {NEW}");
        let action = NodeAction::StartServer { home: NEW.into() };
        let mut start = node(
            "cutover.start",
            at,
            action,
            &title,
            Some("stop it and hold it down"),
        );
        start.after.clone_from(&before);
        let action = NodeAction::ProveReady {
            home: NEW.into(),
            timeout_secs: 600,
            admin: None,
        };
        let mut ready = node(
            "cutover.ready",
            at,
            action,
            "wait until it is up, and prove it",
            None,
        );
        ready.after = vec![start.id.clone()];
        if index == 0 {
            before = vec![ready.id.clone()];
        }
        steps.extend([start, ready]);
    }
    phase("cutover", steps)
}

fn finalize() -> PlanPhase {
    let title = "the point of no return: remove the migration journals";
    let mut last = step(
        "finalize.finalize",
        Place::Coordinator,
        StepAction::Finalize,
        title,
        None,
    );
    last.reversal = Reversal::PointOfNoReturn;
    last.undo = "after this step abort is not offered".into();
    PlanPhase {
        approval: true,
        ..phase("finalize", vec![last])
    }
}

fn forecast(mode: DataMode, secs: u64) -> ModeForecast {
    ModeForecast {
        mode,
        downtime: DowntimeForecast {
            secs,
            parts: Vec::new(),
        },
    }
}

/// The plan.
pub(crate) fn plan() -> Plan {
    let phases = vec![prepare(), quiesce(), data(), cutover(), finalize()];
    let address = |database: &str| DatabaseAddress {
        url: format!("mysql://dss@db1/{database}"),
        password: SecretRef("file:/etc/cutover/db1.pw".into()),
    };
    Plan {
        name: "dss-prod".into(),
        guide: "dss-3.2.0".into(),
        order: "copy-first".into(),
        summary: "3 node(s) go from 3.0.1 to 3.2.0. Production is copied to staging and never changed; the migration \
                  runs on staging only."
            .into(),
        nodes: NODES.iter().map(|node| node.parse::<NodeName>().unwrap()).collect(),
        databases: vec![PlanDatabase {
            may_lose: Vec::new(),
            delta: None,
            tablespaces: None,
            name: "carbon".into(),
            datasource: "WSO2_CARBON_DB".into(),
            engine: "mysql".into(),
            production: address("WSO2CARBON_DB"),
            staging: address("WSO2CARBON_DB_320"),
            application: None,
            scripts: vec![PlanScript {
                blob: BlobRef { name: "migration.sql".into(), sha256: Sha256Hex::of(b"script"), size: 6 },
                statements: 12,
                bundled: false,
                overrides: Vec::new(),
            }],
            scripts_why: "UM_DOMAIN is missing: the schema is at the level of Carbon 4.1.".into(),
            production_identity: "p".into(),
            staging_identity: "s".into(),
        }],
        parallel: 10,
        failures: 0,
        point_of_no_return: Some(id("finalize.finalize", "coordinator")),
        window: Some(PlanWindow {
            open: "Sat 01:00 Europe/Berlin".into(),
            length: "4h".into(),
        }),
        downtime: Some(DowntimeForecast {
            secs: 260,
            parts: vec![("stop the servers".into(), 60), ("data".into(), 80), ("start the servers".into(), 120)],
        }),
        notes: vec!["dss-3 has a cron table that names the old home; the agent disables it while it holds.".into()],
        inventory: std::collections::BTreeMap::new(),
        configs: std::collections::BTreeMap::new(),
        data: Some(DataPlan {
            mode: DataMode::StopCopy,
            why: "it is the plainest way that fits the budget: 260 s predicted, 600 s allowed".into(),
            budget_secs: Some(600),
            rehearsal: Some("018f0000-0000-7000-8000-0000000000aa".into()),
            forecasts: vec![forecast(DataMode::StopCopy, 260), forecast(DataMode::Sync, 140)],
            directories_secs: 1,
        }),
        rehearses: None,
        phases,
    }
}
