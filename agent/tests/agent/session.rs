//! Promises of the wire: no command twice, no result lost, no old coordinator obeyed.

use std::fs;

use cutover_proto::ids::Sha256Hex;
use cutover_proto::pb::{agent_message, coordinator_message};
use cutover_proto::report::ErrorCode;
use cutover_proto::step::{BlobRef, NodeAction};

use crate::fixture::{Node, again, command, text};
use crate::servers::until;

fn hold(node: &Node, name: &str) -> NodeAction {
    let home = node.home(name);
    fs::create_dir_all(home.join("bin")).unwrap();
    fs::write(home.join("bin/wso2server.sh"), "#!/bin/sh\n").unwrap();
    NodeAction::HoldServer { home: text(&home) }
}

fn intents(node: &Node) -> usize {
    let ledger = fs::read_to_string(node.root.join("state/ledger.jsonl")).unwrap();
    ledger
        .lines()
        .filter(|line| line.contains("\"kind\":\"intent\""))
        .count()
}

#[tokio::test(flavor = "multi_thread")]
async fn hello_when_connected_then_says_who_and_what() {
    let mut node = Node::start().await;
    let session = node.coordinator.session(5).await;
    assert_eq!(session.hello.node, "node-1");
    assert_eq!((session.hello.protocol_min, session.hello.protocol_max), (1, 1));
    assert!(session.hello.facts.is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn command_when_repeated_then_done_once_and_answered_each_time() {
    let mut node = Node::start().await;
    let mut session = node.coordinator.session(5).await;
    let command = command("hold@n", hold(&node, "wso2a"));
    session.command(&command).await;
    session.command(&command).await;
    let (id, first) = session.report().await;
    assert_eq!(id, command.id);
    session.acknowledge(&id).await;
    session.command(&command).await;
    loop {
        let (id, next) = session.report().await;
        assert_eq!((&id, &next), (&command.id, &first));
        if node.agent.ledger.unacknowledged().is_empty() {
            break;
        }
    }
    assert!(first.is_ok(), "{first:?}");
    assert_eq!(intents(&node), 1);
    let mut other = command.clone();
    other.action = hold(&node, "wso2b");
    session.command(&other).await;
    let refused = loop {
        let (_, outcome) = session.report().await;
        if let Err(error) = outcome {
            break error;
        }
    };
    assert_eq!(refused.code, ErrorCode::ContentMismatch);
    assert_eq!(intents(&node), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn command_when_its_epoch_is_old_then_refused() {
    let mut node = Node::start().await;
    let mut session = node.coordinator.session(5).await;
    let mut stale = command("hold@n", hold(&node, "wso2a"));
    stale.epoch = 4;
    session.command(&stale).await;
    let (_, outcome) = session.report().await;
    assert_eq!(outcome.unwrap_err().code, ErrorCode::StaleEpoch);
    assert_eq!(node.agent.holds.all(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn coordinator_when_replaced_then_left() {
    let mut node = Node::start().await;
    drop(node.coordinator.session(5).await);
    let mut old = node.coordinator.session(4).await;
    assert_eq!(old.hello.last_epoch, 5);
    let refused = command("hold@n", hold(&node, "wso2a"));
    old.offer(coordinator_message::Kind::Command((&refused).into()))
        .await;
    // The agent hangs up and dials again; nothing of the old coordinator was done.
    let next = node.coordinator.session(6).await;
    assert_eq!(next.hello.last_epoch, 5);
    assert_eq!(node.agent.holds.all(), []);
    assert!(
        old.next(|kind| matches!(kind, agent_message::Kind::Report(_)).then_some(()))
            .await
            .is_none()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn coordinator_when_it_falls_silent_then_left_and_dialled_again() {
    let mut node = Node::start().await;
    let mut silent = node.coordinator.greeted().await;
    silent.welcome_with(5, 1).await;
    let counter = silent.heartbeat().await.unwrap();
    assert!(silent.answer(counter, 5).await);
    // The next ones are not answered; the stream that follows is another one.
    let next = node.coordinator.session(5).await;
    assert_eq!(next.hello.last_epoch, 5);
    while silent.heartbeat().await.is_some() {}
}

#[tokio::test(flavor = "multi_thread")]
async fn result_when_not_acknowledged_then_sent_again_after_reconnect_and_restart() {
    let mut node = Node::start().await;
    let mut session = node.coordinator.session(5).await;
    let first = command("hold@n", hold(&node, "wso2a"));
    session.command(&first).await;
    let (_, outcome) = session.report().await;
    drop(session);
    let mut session = node.coordinator.session(5).await;
    assert_eq!(session.report().await, (first.id.clone(), outcome.clone()));
    drop(session);
    node.restart().await;
    let mut session = node.coordinator.session(5).await;
    assert_eq!(session.report().await, (first.id.clone(), outcome));
    session.acknowledge(&first.id).await;
    // A second command proves that the acknowledgement was read before the stream is cut.
    let second = command(
        "other@n",
        NodeAction::ReleaseHold {
            home: text(&node.home("wso2a")),
        },
    );
    session.run(&second).await.unwrap();
    drop(session);
    node.restart().await;
    let mut session = node.coordinator.session(5).await;
    let third = command("third@n", hold(&node, "wso2a"));
    session.command(&third).await;
    let (id, _) = session.report().await;
    assert!(id == third.id || id == second.id, "{id} was acknowledged");
}

#[tokio::test(flavor = "multi_thread")]
async fn action_when_the_stream_is_lost_then_goes_on() {
    let mut node = Node::start().await;
    let content: Vec<u8> = (0..50_000u32).map(|n| n.to_le_bytes()[0]).collect();
    let blob = BlobRef {
        name: "x.zip".to_owned(),
        sha256: Sha256Hex::of(&content),
        size: content.len() as u64,
    };
    {
        let mut blobs = node.coordinator.blobs.lock().unwrap();
        blobs.content.insert(blob.sha256.to_string(), content);
        blobs.break_after = Some(10_000);
    }
    let session = node.coordinator.session(5).await;
    let unpack = command(
        "unpack@n",
        NodeAction::Unpack {
            home: text(&node.home("wso2new")),
            distribution: blob.clone(),
        },
    );
    session.command(&unpack).await;
    // What is still on its way when a stream is cut is lost with it.
    let blobs = std::sync::Arc::clone(&node.coordinator.blobs);
    until("it is under way", || !blobs.lock().unwrap().offsets.is_empty()).await;
    drop(session);
    let mut session = node.coordinator.session(5).await;
    let (id, outcome) = session.report().await;
    assert_eq!(id, unpack.id);
    // The blob is no zip: what counts here is that it was fetched whole, and not twice.
    assert_ne!(outcome.unwrap_err().code, ErrorCode::HashMismatch);
    let offsets = node.coordinator.blobs.lock().unwrap().offsets.clone();
    assert_eq!(offsets.first(), Some(&0));
    assert!(
        offsets.len() >= 2 && offsets[1..].iter().all(|&offset| offset > 0),
        "{offsets:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn home_when_not_in_the_policy_then_refused_and_nothing_touched() {
    let mut node = Node::start().await;
    let mut session = node.coordinator.session(5).await;
    let outside = node.root.join("other");
    fs::create_dir_all(outside.join("bin")).unwrap();
    fs::write(outside.join("bin/wso2server.sh"), "mine").unwrap();
    let home = text(&outside);
    let outcome = session
        .run(&command("hold@n", NodeAction::HoldServer { home }))
        .await;
    let error = outcome.unwrap_err();
    assert_eq!(error.code, ErrorCode::PolicyRefused);
    assert!(!error.next.is_empty());
    assert_eq!(
        fs::read_to_string(outside.join("bin/wso2server.sh")).unwrap(),
        "mine"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn command_when_cancelled_then_stops_and_says_so() {
    let mut node = Node::start().await;
    let mut session = node.coordinator.session(5).await;
    let slow = command(
        "unpack@n",
        NodeAction::Unpack {
            home: text(&node.home("wso2new")),
            distribution: BlobRef {
                name: "x.zip".to_owned(),
                sha256: Sha256Hex::of(b"never comes"),
                size: 1 << 40,
            },
        },
    );
    // A blob that never ends: the stream breaks again and again.
    node.coordinator
        .blobs
        .lock()
        .unwrap()
        .content
        .insert(slow_hash(&slow), vec![0; 10]);
    session.command(&slow).await;
    session.cancel(&slow.id).await;
    let (id, outcome) = session.report().await;
    assert_eq!(id, slow.id);
    assert_eq!(outcome.unwrap_err().code, ErrorCode::Cancelled);
    let mut timed = again(&slow, 2);
    timed.deadline_secs = 1;
    assert_eq!(session.run(&timed).await.unwrap_err().code, ErrorCode::TimedOut);
}

fn slow_hash(command: &cutover_proto::convert::Command) -> String {
    match &command.action {
        NodeAction::Unpack { distribution, .. } => distribution.sha256.to_string(),
        _ => unreachable!("an unpack"),
    }
}
