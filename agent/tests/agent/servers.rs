//! A server stopped stays stopped, a server started is proven: against the stand-in, warts included.

use std::fs;
use std::path::Path;
use std::process::{Command as Process, Stdio};
use std::time::Duration;

use carbon_standin::home::{HomeSpec, make_home};
use cutover_agent::service::carbon;
use cutover_proto::pb::agent_message;
use cutover_proto::report::ErrorCode;
use cutover_proto::step::{AdminAccess, NodeAction, SecretRef};

use crate::coordinator::Session;
use crate::fixture::{Node, again, command, server_program, text, undo};

/// The stock ports of a server, and how far they are apart.
const HTTPS: u16 = 9443;
const HTTP: u16 = 9763;

/// With ports of its own, so that tests can run side by side.
pub(crate) fn home(node: &Node, options: &str) -> String {
    let home = node.home("wso2dss");
    let mut spec = HomeSpec::stock("WSO2 Data Services Server", "3.2.0", "4.2.0", &server_program());
    spec.offset = cutover_testdb::ports::free_group(&[0, HTTP - HTTPS]).unwrap() - HTTPS;
    make_home(&home, &spec).unwrap();
    fs::write(home.join("standin.toml"), options).unwrap();
    text(&home)
}

pub(crate) fn start(home: &str) -> NodeAction {
    NodeAction::StartServer {
        home: home.to_owned(),
    }
}

pub(crate) fn stop(home: &str, grace_secs: u32, kill: bool) -> NodeAction {
    NodeAction::StopServer {
        home: home.to_owned(),
        grace_secs,
        kill,
    }
}

fn admin() -> AdminAccess {
    AdminAccess {
        user: "admin".to_owned(),
        password: SecretRef("file:pw".to_owned()),
    }
}

fn ready(home: &str, timeout_secs: u32) -> NodeAction {
    NodeAction::ProveReady {
        home: home.to_owned(),
        timeout_secs,
        admin: Some(admin()),
    }
}

pub(crate) fn running(home: &str) -> usize {
    carbon::find(Path::new(home)).servers.len()
}

pub(crate) async fn until(what: &str, holds: impl Fn() -> bool) {
    for _ in 0..2400 {
        if holds() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("not in time: {what}");
}

pub(crate) async fn up(session: &mut Session, home: &str) {
    session.run(&command("up@n", start(home))).await.unwrap();
    session.run(&command("ready@n", ready(home, 120))).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn server_when_started_stopped_and_undone_then_each_is_proven() {
    let mut node = Node::start().await;
    let home = home(&node, "");
    let mut session = node.coordinator.session(5).await;
    let started = session.run(&command("up@n", start(&home))).await.unwrap();
    let proof = session.run(&command("ready@n", ready(&home, 60))).await.unwrap();
    assert_eq!(proof.evidence["pid"], started.evidence["pid"]);
    assert!(proof.evidence["log"].contains("WSO2 Carbon started in"));
    assert_eq!(proof.evidence["server_status"], "RUNNING");
    let early = session
        .run(&command(
            "down@n",
            NodeAction::ProveStopped { home: home.clone() },
        ))
        .await;
    assert_eq!(early.unwrap_err().code, ErrorCode::StillRunning);

    let stopping = command("stop@n", stop(&home, 60, false));
    let stopped = session.run(&stopping).await.unwrap();
    assert_eq!(stopped.evidence["was_running"], "true");
    assert_eq!(stopped.evidence["killed"], "false");
    assert_eq!(running(&home), 0);
    session
        .run(&again(
            &command("down@n", NodeAction::ProveStopped { home: home.clone() }),
            2,
        ))
        .await
        .unwrap();

    // The server's own script now refuses, as cron or systemd would find out.
    let script = Path::new(&home).join("bin/wso2server.sh");
    let refused = Process::new("sh")
        .arg(&script)
        .arg("start")
        .env("JAVA_HOME", &home)
        .output()
        .unwrap();
    assert_eq!(refused.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("held down by Cutover"));

    let back = session.run(&undo(&stopping)).await.unwrap();
    assert!(
        back.evidence["log"].contains("WSO2 Carbon started in"),
        "{:?}",
        back.evidence
    );
    assert_eq!((running(&home), node.agent.holds.all().len()), (1, 0));
    let last = command("stop-again@n", stop(&home, 60, true));
    session.run(&last).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn server_when_it_comes_back_although_held_then_stopped_again_and_told() {
    let mut node = Node::start().await;
    let home = home(&node, "");
    let mut session = node.coordinator.session(5).await;
    up(&mut session, &home).await;
    session
        .run(&command("stop@n", stop(&home, 60, true)))
        .await
        .unwrap();
    // Someone starts the JVM itself, past every script.
    let mut back = Process::new(server_program())
        .arg(format!("-Dcarbon.home={home}"))
        .arg("org.wso2.carbon.bootstrap.Bootstrap")
        .env("CARBON_STANDIN_OWNER", std::process::id().to_string())
        .stdin(Stdio::null())
        .spawn()
        .unwrap();
    let told = session.next(|kind| match kind {
        agent_message::Kind::HoldBroken(broken) => Some(broken),
        _ => None,
    });
    let told = told.await.unwrap();
    assert_eq!(told.home, home);
    assert_eq!(told.pid, back.id());
    until("the server is down again", || running(&home) == 0).await;
    back.wait().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn server_when_it_never_stops_then_only_killed_if_asked() {
    let mut node = Node::start().await;
    let home = home(&node, "never_stops = true\n");
    let mut session = node.coordinator.session(5).await;
    up(&mut session, &home).await;
    let gentle = command("stop@n", stop(&home, 1, false));
    let error = session.run(&gentle).await.unwrap_err();
    assert_eq!(error.code, ErrorCode::StillRunning);
    let by_hand = format!(
        "End process {} by hand",
        carbon::find(Path::new(&home)).servers[0].pid
    );
    for words in [by_hand, format!("`cutover retry {}`", gentle.id.run)] {
        assert!(error.next.contains(&words), "{words}: {error:?}");
    }
    // The hold is there, and the watcher leaves alone what ran before it.
    tokio::time::sleep(Duration::from_millis(2500)).await;
    assert_eq!(running(&home), 1);
    let mut firm = again(&gentle, 2);
    firm.action = stop(&home, 1, true);
    let receipt = session.run(&firm).await.unwrap();
    assert_eq!(receipt.evidence["killed"], "true");
    assert_eq!(receipt.evidence["was_running"], "true");
    assert_eq!(running(&home), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn stop_when_the_agent_dies_meanwhile_then_goes_on_after_restart() {
    let mut node = Node::start().await;
    let home = home(&node, "never_stops = true\n");
    let mut session = node.coordinator.session(5).await;
    up(&mut session, &home).await;
    let stopping = command("stop@n", stop(&home, 15, true));
    session.command(&stopping).await;
    until("the hold is made", || !node.agent.holds.all().is_empty()).await;
    node.restart().await;
    assert_eq!(node.agent.ledger.unacknowledged(), []);
    let mut session = node.coordinator.session(5).await;
    let receipt = session.run(&stopping).await.unwrap();
    assert_eq!(receipt.evidence["was_running"], "true");
    assert_eq!(receipt.evidence["killed"], "true");
    assert_eq!(running(&home), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn process_when_only_the_pid_file_names_it_then_never_signalled() {
    let mut node = Node::start().await;
    let home = home(&node, "");
    let mut session = node.coordinator.session(5).await;
    let mut foreign = Process::new("cat").stdin(Stdio::piped()).spawn().unwrap();
    let mut content = format!("{}\n", foreign.id()).into_bytes();
    content.resize(100, 0);
    fs::write(Path::new(&home).join("wso2carbon.pid"), &content).unwrap();
    let receipt = session
        .run(&command("stop@n", stop(&home, 5, true)))
        .await
        .unwrap();
    assert!(
        receipt.evidence["pid_file"].starts_with("stale"),
        "{:?}",
        receipt.evidence
    );
    assert_eq!(receipt.evidence["was_running"], "false");
    assert_eq!(foreign.try_wait().unwrap(), None);
    // Carbon's own script would now say "already running" and start nothing.
    let started = session.run(&command("up@n", start(&home))).await.unwrap();
    assert!(started.evidence["stale_pid_file"].contains(&foreign.id().to_string()));
    session.run(&command("ready@n", ready(&home, 60))).await.unwrap();
    session
        .run(&command("stop-again@n", stop(&home, 60, true)))
        .await
        .unwrap();
    foreign.kill().unwrap();
    foreign.wait().unwrap();
    // The file of a server that has stopped stays; its number may be somebody's by the time the script looks.
    let again = session.run(&command("up-again@n", start(&home))).await.unwrap();
    let gone = format!("process {}, which is gone", started.evidence["pid"]);
    assert!(again.evidence["stale_pid_file"].contains(&gone), "{again:?}");
    session
        .run(&command("stop-at-last@n", stop(&home, 60, true)))
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn server_when_it_asks_for_a_restart_then_the_new_one_is_stopped_too() {
    let mut node = Node::start().await;
    let home = home(&node, "exit_121_once = true\n");
    let mut session = node.coordinator.session(5).await;
    session.run(&command("up@n", start(&home))).await.unwrap();
    // Between the old process and the new one, none runs.
    let marker = Path::new(&home).join("repository/logs/standin-exited-121");
    until("the new one runs", || marker.exists() && running(&home) == 1).await;
    let receipt = session
        .run(&command("stop@n", stop(&home, 60, true)))
        .await
        .unwrap();
    assert_eq!(receipt.evidence["was_running"], "true");
    session
        .run(&command(
            "down@n",
            NodeAction::ProveStopped { home: home.clone() },
        ))
        .await
        .unwrap();
    assert!(carbon::find(Path::new(&home)).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn server_when_it_is_never_ready_or_fails_then_said_why() {
    let mut node = Node::start().await;
    let home = home(&node, "never_ready = true\n");
    let mut session = node.coordinator.session(5).await;
    session.run(&command("up@n", start(&home))).await.unwrap();
    let error = session
        .run(&command("ready@n", ready(&home, 3)))
        .await
        .unwrap_err();
    assert_eq!(error.code, ErrorCode::NotReady);
    assert!(error.why.contains("not up within 3 s"), "{error:?}");
    session.run(&undo(&command("up@n", start(&home)))).await.unwrap();
    assert_eq!(running(&home), 0);
    // A data source without its driver: the server says FATAL and hangs on.
    fs::write(Path::new(&home).join("standin.toml"), "fatal_exits = true\n").unwrap();
    let conf = Path::new(&home).join("repository/conf/datasources/master-datasources.xml");
    let broken = fs::read_to_string(&conf)
        .unwrap()
        .replace("org.h2.Driver", "com.mysql.jdbc.Driver");
    fs::write(&conf, broken).unwrap();
    session.run(&again(&command("up@n", start(&home)), 2)).await.ok();
    let error = session
        .run(&again(&command("ready@n", ready(&home, 30)), 2))
        .await
        .unwrap_err();
    assert_eq!(error.code, ErrorCode::NotReady);
    session
        .run(&command("stop@n", stop(&home, 5, true)))
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn smoke_when_the_server_works_then_everything_made_is_removed() {
    let mut node = Node::start().await;
    let home = home(&node, "");
    let mut session = node.coordinator.session(5).await;
    up(&mut session, &home).await;
    let smoke = NodeAction::Smoke {
        home: home.clone(),
        admin: admin(),
        prefix: "cutover7".to_owned(),
    };
    let outcome = session.run(&command("smoke@n", smoke)).await;
    session
        .run(&command("stop@n", stop(&home, 60, true)))
        .await
        .unwrap();
    let receipt = outcome.unwrap();
    assert_eq!(
        receipt.evidence["left_behind"], "nothing",
        "{:?}",
        receipt.evidence
    );
    assert!(receipt.evidence["tenants"].contains("cutover71.com"));
}
