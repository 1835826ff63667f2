//! What a home's owner can put in the way of an agent that is root: links out of the home.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use cutover_proto::report::ErrorCode;
use cutover_proto::step::NodeAction;

use crate::fixture::{Node, command};
use crate::servers::{home, running, start, stop};

#[tokio::test(flavor = "multi_thread")]
async fn log_when_it_leads_to_a_secret_file_then_no_line_of_it_is_told() {
    let mut node = Node::start().await;
    let home = home(&node, "");
    let shadow = node.root.join("shadow");
    fs::write(
        &shadow,
        "root:$6$topsecret:19000:0:99999:7:::\nFATAL {topsecret\n",
    )
    .unwrap();
    let logs = Path::new(&home).join("repository/logs");
    fs::create_dir_all(&logs).unwrap();
    fs::remove_file(logs.join("wso2carbon.log")).ok();
    symlink(&shadow, logs.join("wso2carbon.log")).unwrap();
    let mut session = node.coordinator.session(5).await;
    let ready = NodeAction::ProveReady {
        home: home.clone(),
        timeout_secs: 1,
        admin: None,
    };
    let stopped = session
        .run(&command("stop@n", stop(&home, 5, true)))
        .await
        .unwrap();
    assert!(!format!("{stopped:?}").contains("topsecret"), "{stopped:?}");
    for action in [("up@n", start(&home)), ("ready@n", ready)] {
        let error = session.run(&command(action.0, action.1)).await.unwrap_err();
        assert_eq!(error.code, ErrorCode::PolicyRefused, "{error:?}");
        assert!(!format!("{error:?}").contains("topsecret"), "{error:?}");
        assert!(error.why.contains("symbolic link"), "{error:?}");
    }
    assert_eq!(running(&home), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn bin_when_it_leads_out_of_the_home_then_neither_guarded_nor_run() {
    let mut node = Node::start().await;
    let home = home(&node, "");
    let elsewhere = node.root.join("elsewhere");
    fs::rename(Path::new(&home).join("bin"), &elsewhere).unwrap();
    symlink(&elsewhere, Path::new(&home).join("bin")).unwrap();
    let before = fs::read(elsewhere.join("wso2server.sh")).unwrap();
    let mut session = node.coordinator.session(5).await;
    let hold = NodeAction::HoldServer { home: home.clone() };
    for action in [
        ("hold@n", hold),
        ("up@n", start(&home)),
        ("stop@n", stop(&home, 5, true)),
    ] {
        let error = session.run(&command(action.0, action.1)).await.unwrap_err();
        assert_eq!(error.code, ErrorCode::PolicyRefused, "{}: {error:?}", action.0);
    }
    assert_eq!(fs::read(elsewhere.join("wso2server.sh")).unwrap(), before);
    assert!(!elsewhere.join("wso2server.sh.cutover-held").exists());
    assert_eq!(running(&home), 0);
}
