//! Starts and stops that were cut off, repeated or met by servers of someone else.

use std::fs;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command as Process, Stdio};

use cutover_agent::service::carbon;
use cutover_agent::service::hold::Hold;
use cutover_agent::service::log;
use cutover_agent::service::start::StartRecord;
use cutover_proto::report::ErrorCode;

use crate::fixture::{Node, again, command, of_other_run, server_program, undo};
use crate::servers::{home, running, start, stop, until, up};

fn logged(home: &str, text: &str) -> bool {
    fs::read_to_string(log::path(Path::new(home))).is_ok_and(|all| all.contains(text))
}

fn server(home: &str) -> carbon::Process {
    carbon::find(Path::new(home)).servers[0]
}

#[tokio::test(flavor = "multi_thread")]
async fn stop_when_cancelled_and_undone_while_the_server_dies_then_another_one_is_started() {
    let mut node = Node::start().await;
    let home = home(&node, "shutdown_delay_ms = 12000\n");
    let mut session = node.coordinator.session(5).await;
    up(&mut session, &home).await;
    let old = server(&home);
    let stopping = command("stop@n", stop(&home, 60, false));
    session.command(&stopping).await;
    until("the server begins to stop", || {
        logged(&home, "Shutdown hook triggered")
    })
    .await;
    session.cancel(&stopping.id).await;
    let (_, outcome) = session.report().await;
    session.acknowledge(&stopping.id).await;
    assert_eq!(outcome.unwrap_err().code, ErrorCode::Cancelled);
    assert!(carbon::is_alive(old), "it takes its time");
    let back = session.run(&undo(&stopping)).await.unwrap();
    assert!(!carbon::is_alive(old));
    let new = server(&home);
    assert_ne!(new, old);
    assert_eq!(back.evidence["pid"], new.pid.to_string());
    assert!(!back.evidence.contains_key("already_running"), "{back:?}");
    assert_eq!(node.agent.holds.all(), []);
    // The undo comes again: the new server is not one that was asked to stop.
    let same = session.run(&again(&undo(&stopping), 2)).await.unwrap();
    assert_eq!(same.evidence["pid"], new.pid.to_string());
    session
        .run(&command("stop-again@n", stop(&home, 60, true)))
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn start_when_a_server_of_someone_else_runs_then_refused_and_a_stops_undo_is_not() {
    let mut node = Node::start().await;
    let home = home(&node, "");
    let mut session = node.coordinator.session(5).await;
    let starting = command("up@n", start(&home));
    session.run(&starting).await.unwrap();
    let old = server(&home);
    let same = session.run(&again(&starting, 2)).await.unwrap();
    assert_eq!(same.evidence["already_running"], "true");
    let refused = session.run(&of_other_run(&starting)).await.unwrap_err();
    assert_eq!(refused.code, ErrorCode::AlreadyExists);
    assert!(
        refused
            .why
            .contains(&format!("already running (pid {})", old.pid)),
        "{refused:?}"
    );
    // A stop that noted the server and was cut off before it was asked to stop.
    let stopping = of_other_run(&command("stop@n", stop(&home, 60, false)));
    node.agent
        .ledger
        .note(&stopping.id, "was_running", "yes")
        .unwrap();
    let back = session.run(&undo(&stopping)).await.unwrap();
    assert_eq!(back.evidence["already_running"], "true");
    assert_eq!(server(&home), old);
    session
        .run(&command("stop-again@n", stop(&home, 60, true)))
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn start_when_cut_off_behind_the_release_then_its_undo_still_holds() {
    let mut node = Node::start().await;
    let home = home(&node, "");
    let mut session = node.coordinator.session(5).await;
    let starting = command("up@n", start(&home));
    // The first try noted the hold and released it; then the agent died.
    node.agent.ledger.note(&starting.id, "was_held", "yes").unwrap();
    session.run(&starting).await.unwrap();
    let receipt = session.run(&undo(&starting)).await.unwrap();
    assert_eq!(receipt.evidence["held"], "true");
    assert_eq!((running(&home), node.agent.holds.all().len()), (0, 1));
}

/// Counts its runs, and starts the server only when it may. It ends with its home, also when the test fails.
fn slow_script(home: &Path) {
    let script = format!(
        "#!/bin/sh\necho run >> {home}/runs\n\
         while [ ! -e {home}/go ]; do [ -e {home}/bin ] || exit 1; sleep 0.05; done\n\
         {program} -Dcarbon.home={home} org.wso2.carbon.bootstrap.Bootstrap &\n",
        home = home.display(),
        program = server_program().display(),
    );
    fs::write(home.join("bin/wso2server.sh"), script).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn start_when_the_agent_died_right_after_the_script_then_it_is_not_run_twice() {
    let mut node = Node::start().await;
    let home = home(&node, "");
    let path = Path::new(&home);
    slow_script(path);
    let mut session = node.coordinator.session(5).await;
    let starting = command("up@n", start(&home));
    let run = starting.id.run;
    // What the first try did: it recorded the start and ran the script.
    let record = StartRecord {
        home: path.to_owned(),
        run,
        log: log::mark(path).unwrap(),
    };
    record.write(&node.root.join("state")).unwrap();
    let mut script = Process::new("/bin/sh")
        .arg(path.join("bin/wso2server.sh"))
        .arg("start")
        .env("CARBON_STANDIN_OWNER", std::process::id().to_string())
        .stdin(Stdio::null())
        .process_group(0)
        .spawn()
        .unwrap();
    until("the script runs", || path.join("runs").exists()).await;
    // The hold tells when the second try is there: releasing it is the last thing before the script's turn.
    let hold = Hold {
        home: path.to_owned(),
        run,
        reason: "test".to_owned(),
        tolerated: Vec::new(),
    };
    node.agent.holds.hold(hold).unwrap();
    session.command(&starting).await;
    until("the second try goes on", || node.agent.holds.all().is_empty()).await;
    fs::write(path.join("go"), "").unwrap();
    let (_, outcome) = session.report().await;
    session.acknowledge(&starting.id).await;
    let receipt = outcome.unwrap();
    assert_eq!(receipt.evidence["pid"], server(&home).pid.to_string());
    assert_eq!(running(&home), 1);
    assert_eq!(fs::read_to_string(path.join("runs")).unwrap(), "run\n");
    script.wait().unwrap();
    session
        .run(&command("stop-again@n", stop(&home, 60, true)))
        .await
        .unwrap();
}
