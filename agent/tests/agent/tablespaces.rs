//! Files of tables copied between two databases of one server.

use std::fs;
use std::path::{Path, PathBuf};

use cutover_proto::convert::Command;
use cutover_proto::report::ErrorCode;
use cutover_proto::step::NodeAction;

use crate::fixture::{Node, again, command, text, undo};

/// Two databases. Of three tables of the first one the server has described two.
fn databases(node: &Node) -> (PathBuf, PathBuf) {
    let (from, to) = (node.root.join("data/live"), node.root.join("data/staging"));
    for folder in [&from, &to] {
        fs::create_dir_all(folder).unwrap();
    }
    for table in ["a", "b", "open"] {
        fs::write(from.join(format!("{table}.ibd")), table.repeat(100_000)).unwrap();
    }
    for table in ["a", "b"] {
        fs::write(from.join(format!("{table}.cfg")), table).unwrap();
    }
    (from, to)
}

fn copy(node: &Node, tables: &[&str]) -> Command {
    let data = node.root.join("data");
    asked(&data, ["live", "staging"], tables)
}

fn asked(data: &Path, [from, to]: [&str; 2], tables: &[&str]) -> Command {
    let action = NodeAction::CopyTablespaces {
        data_dir: text(data),
        from: from.to_owned(),
        to: to.to_owned(),
        tables: tables.iter().map(|&table| table.to_owned()).collect(),
    };
    command("files@n", action)
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<String> = entries
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

#[tokio::test(flavor = "multi_thread")]
async fn files_when_the_server_described_them_then_copied_and_copied_again() {
    let mut node = Node::start().await;
    let (from, to) = databases(&node);
    let mut session = node.coordinator.session(5).await;
    let step = copy(&node, &["a", "b", "open", "gone"]);
    let receipt = session.run(&step).await.unwrap();
    assert_eq!(names(&to), ["a.cfg", "a.ibd", "b.cfg", "b.ibd"]);
    assert_eq!(receipt.evidence["tables"], "2");
    assert_eq!(receipt.evidence["bytes"], "200000");
    assert_eq!(receipt.evidence["left_out"], "open, gone");
    assert_eq!(
        fs::read(to.join("b.ibd")).unwrap(),
        fs::read(from.join("b.ibd")).unwrap()
    );
    // An earlier try's files are its own: a change of the source comes over.
    fs::write(from.join("a.ibd"), "new").unwrap();
    session.run(&again(&step, 2)).await.unwrap();
    assert_eq!(fs::read(to.join("a.ibd")).unwrap(), b"new");
    // What is whole goes with the tables; only the rest is removed.
    fs::write(to.join("a.ibd.cutover-partial"), "half").unwrap();
    session.run(&undo(&step)).await.unwrap();
    assert_eq!(names(&to), ["a.cfg", "a.ibd", "b.cfg", "b.ibd"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn file_when_it_is_there_already_then_refused_and_left() {
    let mut node = Node::start().await;
    let (_, to) = databases(&node);
    fs::write(to.join("b.ibd"), "a table in use").unwrap();
    let mut session = node.coordinator.session(5).await;
    let error = session.run(&copy(&node, &["b"])).await.unwrap_err();
    assert_eq!(error.code, ErrorCode::AlreadyExists, "{error:?}");
    assert_eq!(names(&to), ["b.ibd"]);
    assert_eq!(fs::read(to.join("b.ibd")).unwrap(), b"a table in use");
}

#[tokio::test(flavor = "multi_thread")]
async fn files_when_the_place_or_a_name_is_not_allowed_then_refused() {
    let mut node = Node::start().await;
    let (_, to) = databases(&node);
    let elsewhere = node.root.join("elsewhere");
    fs::create_dir_all(elsewhere.join("live")).unwrap();
    fs::create_dir_all(elsewhere.join("staging")).unwrap();
    std::os::unix::fs::symlink(&elsewhere, node.root.join("data/linked")).unwrap();
    let mut session = node.coordinator.session(5).await;
    let data = node.root.join("data");
    for (number, (dir, databases, table)) in [
        (elsewhere.as_path(), ["live", "staging"], "a"),
        (data.as_path(), ["live", "../elsewhere"], "a"),
        (data.as_path(), ["live", "live"], "a"),
        (data.as_path(), ["live", "staging"], "../a"),
        (data.as_path(), ["live", "staging"], "a.b"),
    ]
    .into_iter()
    .enumerate()
    {
        let mut step = asked(dir, databases, &[table]);
        step.id.step = format!("files{number}@n").parse().unwrap();
        let error = session.run(&step).await.unwrap_err();
        assert_eq!(error.code, ErrorCode::PolicyRefused, "{error:?}");
    }
    // A folder that is a link out of the data folder, and a file that is one out of its folder.
    let mut step = asked(&data, ["live", "linked"], &["a"]);
    step.id.step = "linked@n".parse().unwrap();
    assert!(session.run(&step).await.is_err());
    std::os::unix::fs::symlink("/etc/passwd", data.join("live/link.ibd")).unwrap();
    fs::write(data.join("live/link.cfg"), "").unwrap();
    let mut step = asked(&data, ["live", "staging"], &["link"]);
    step.id.step = "link@n".parse().unwrap();
    assert!(session.run(&step).await.is_err());
    let rows = |name: &String| name.ends_with(".ibd");
    assert!(!names(&to).iter().any(rows) && names(&elsewhere.join("staging")).is_empty());
}
