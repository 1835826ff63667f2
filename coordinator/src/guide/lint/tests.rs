use super::*;
use crate::guide::{EditFor, EditValue, Order, Rename, Role, Setting};

fn guide() -> Guide {
    let guides = Guide::shipped().unwrap();
    guides
        .into_iter()
        .find(|guide| guide.name == "dss-3.2.0")
        .unwrap()
}

fn codes(change: impl FnOnce(&mut Guide)) -> Vec<String> {
    let mut guide = guide();
    change(&mut guide);
    lint(&guide).into_iter().map(|finding| finding.code).collect()
}

#[test]
fn sentence_when_nothing_carries_it_out_then_found() {
    for declined in [None, Some(" ".to_owned())] {
        let found = codes(|guide| {
            guide.sentences[0].steps.clear();
            guide.sentences[0].declined = declined;
        });
        assert_eq!(found, ["sentence-left-out"]);
    }
}

#[test]
fn sentence_when_its_step_is_unknown_or_never_made_then_found() {
    let found = codes(|guide| {
        guide.sentences[0].steps = vec!["dance".into()];
        guide.sentences[0].declined = None;
    });
    assert_eq!(found, ["unknown-step"]);
    let found = codes(|guide| {
        guide.order = Order::CopyOnly;
        guide.scripts.clear();
    });
    assert_eq!(found, ["step-never"; 3]);
}

#[test]
fn effect_when_it_has_neither_sentence_nor_reason_then_found() {
    let found = codes(|guide| guide.edits[0].sentence = Some("nowhere".into()));
    assert_eq!(found, ["unknown-sentence"]);
    assert_eq!(codes(|guide| guide.edits[0].sentence = None), ["without-reason"]);
    assert_eq!(
        codes(|guide| guide.directories[0].why = Some("both".into())),
        ["without-reason"]
    );
}

#[test]
fn checkpoint_when_not_readable_then_found() {
    let found = codes(|guide| guide.checkpoints[0].check = serde_json::json!({ "no": "such" }));
    assert_eq!(found, ["bad-checkpoint"]);
}

#[test]
fn edit_when_its_paths_or_values_do_not_fit_then_found() {
    let set = |path: &str, value: EditValue, subject: EditFor| {
        codes(|guide| {
            guide.edits[0].subject = subject;
            guide.edits[0].set = [(path.to_owned(), Setting::Plain(value))].into();
        })
    };
    let on = EditFor::DataSources;
    assert_eq!(
        set("/a[name='{datasource}']/b", EditValue::Jndi, on),
        Vec::<String>::new()
    );
    assert_eq!(
        set("/a[name='{mount}']/b", EditValue::Jndi, on),
        ["unknown-placeholder"]
    );
    assert_eq!(set("a/b", EditValue::Jndi, on), ["bad-element-path"]);
    assert_eq!(
        set("/a/b", EditValue::StagingUrl, EditFor::Home),
        ["edit-without-database"]
    );
    assert_eq!(
        set("/a/b", EditValue::Jndi, EditFor::Product),
        ["no-product-database"]
    );
    assert_eq!(
        codes(|guide| guide.edits[0].elsewhere = vec!["../x.xml".into()]),
        ["bad-path"]
    );
}

#[test]
fn script_when_it_can_not_be_told_or_does_not_ship_then_found() {
    assert_eq!(codes(|guide| guide.scripts[0].makes.clear()), ["script-untold"]);
    assert_eq!(
        codes(|guide| guide.scripts[0].role = Role::Product),
        ["no-product-database"]
    );
    let found =
        codes(|guide| guide.scripts[0].ships.get_mut("postgres").unwrap().files = vec!["x.sql".into()]);
    assert_eq!(found, ["unknown-script"]);
}

#[test]
fn version_when_it_is_no_range_or_tells_nothing_then_found() {
    assert_eq!(codes(|guide| guide.to = "3.x.y".into()), ["bad-range"]);
    let found = codes(|guide| {
        guide.from = "*".into();
        guide.to = "*".into();
    });
    assert_eq!(found, ["bad-range"]);
}

#[test]
fn rename_when_its_path_is_none_then_found() {
    let rename = Rename {
        file: "repository/conf/user-mgt.xml".into(),
        from: "UserManager".into(),
        to_file: None,
        to: "/UserManager".into(),
        why: "moved".into(),
    };
    assert_eq!(codes(|guide| guide.renames.push(rename)), ["bad-element-path"]);
}
