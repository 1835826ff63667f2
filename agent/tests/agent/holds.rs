//! Whose hold it is, and what a hold asks of a home.

use std::fs;
use std::path::Path;

use cutover_agent::service::hold::Hold;
use cutover_proto::report::ErrorCode;
use cutover_proto::step::NodeAction;

use crate::fixture::{Node, command, of_other_run, other_run, text, undo};
use crate::servers::{home, running, stop, up};

fn hold(home: &str) -> NodeAction {
    NodeAction::HoldServer {
        home: home.to_owned(),
    }
}

/// A home with a script to guard, and no server.
fn bare(node: &Node, name: &str) -> String {
    let home = node.home(name);
    fs::create_dir_all(home.join("bin")).unwrap();
    fs::write(home.join("bin/wso2server.sh"), "#!/bin/sh\n").unwrap();
    text(&home)
}

fn held_by_other(node: &Node, home: &str) {
    let hold = Hold {
        home: home.into(),
        run: other_run(),
        reason: "theirs".to_owned(),
        tolerated: Vec::new(),
    };
    node.agent.holds.hold(hold).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn undo_when_another_run_holds_the_home_then_its_hold_stays() {
    let mut node = Node::start().await;
    let home = bare(&node, "wso2a");
    let mut session = node.coordinator.session(5).await;
    let holding = command("hold@n", hold(&home));
    session.run(&holding).await.unwrap();
    // An operator gave the hold up, and another run took the home.
    let release = command("release@n", NodeAction::ReleaseHold { home: home.clone() });
    session.run(&release).await.unwrap();
    held_by_other(&node, &home);
    let receipt = session.run(&undo(&holding)).await.unwrap();
    assert!(receipt.evidence["released"].contains("not ours"), "{receipt:?}");
    let stopping = command("stop@n", stop(&home, 5, true));
    let receipt = session.run(&undo(&stopping)).await.unwrap();
    assert!(receipt.evidence["released"].contains("left alone"), "{receipt:?}");
    assert_eq!(node.agent.holds.get(Path::new(&home)).unwrap().run, other_run());
    // Its own run does take it back.
    session.run(&of_other_run(&undo(&holding))).await.unwrap();
    assert_eq!(node.agent.holds.all(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn stop_when_another_run_holds_the_home_then_nothing_is_done_or_undone() {
    let mut node = Node::start().await;
    let home = home(&node, "");
    let mut session = node.coordinator.session(5).await;
    up(&mut session, &home).await;
    let server = cutover_agent::service::carbon::find(Path::new(&home)).servers[0];
    node.agent
        .holds
        .hold(Hold {
            home: home.clone().into(),
            run: other_run(),
            reason: "theirs".to_owned(),
            tolerated: vec![(server.pid, server.started_ticks)],
        })
        .unwrap();
    let stopping = command("stop@n", stop(&home, 60, true));
    let refused = session.run(&stopping).await.unwrap_err();
    assert_eq!(refused.code, ErrorCode::Held);
    assert!(node.agent.ledger.notes(&stopping.id).is_empty());
    session.run(&undo(&stopping)).await.unwrap();
    assert_eq!(running(&home), 1);
    assert_eq!(node.agent.holds.get(Path::new(&home)).unwrap().run, other_run());
    let last = of_other_run(&command("stop-again@n", stop(&home, 60, true)));
    session.run(&last).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn hold_when_the_server_runs_then_refused_and_nothing_is_held() {
    let mut node = Node::start().await;
    let home = home(&node, "");
    let mut session = node.coordinator.session(5).await;
    up(&mut session, &home).await;
    let refused = session.run(&command("hold@n", hold(&home))).await.unwrap_err();
    assert_eq!(refused.code, ErrorCode::StillRunning);
    assert!(refused.why.contains("before the upgrade"), "{refused:?}");
    assert_eq!((running(&home), node.agent.holds.all().len()), (1, 0));
    session
        .run(&command("stop@n", stop(&home, 60, true)))
        .await
        .unwrap();
    // Down and held by the same run: the promise can be made again.
    session.run(&command("hold-again@n", hold(&home))).await.unwrap();
}
