use super::shipped::script_text;
use super::*;

fn shipped(name: &str) -> Guide {
    let guides = Guide::shipped().unwrap();
    guides.into_iter().find(|guide| guide.name == name).unwrap()
}

#[test]
fn shipped_guides_when_read_then_lint_finds_nothing() {
    let guides = Guide::shipped().unwrap();
    assert_eq!(guides.len(), 5);
    for guide in guides {
        assert_eq!(lint::lint(&guide), Vec::new(), "{}", guide.name);
    }
}

#[test]
fn orders_when_read_then_those_of_the_pages() {
    let order = |name: &str| shipped(name).order;
    for name in ["ss-1.1.0", "dss-3.2.0", "carbon-4.2.0"] {
        assert_eq!(order(name), Order::MigrateThenCopy, "{name}");
    }
    assert_eq!(order("as-5.2.0"), Order::CopyThenMigrate);
    assert_eq!(order("carbon-4.4.7"), Order::CopyOnly);
}

#[test]
fn script_when_engine_has_one_then_text_is_there() {
    let guide = shipped("dss-3.2.0");
    let script = &guide.scripts[0];
    let set = script.shipped("postgres").unwrap();
    assert!(script_text(&set.files[0]).unwrap().contains("UM_DOMAIN"));
    assert!(script.shipped("mysql").is_none());
}

#[test]
fn product_when_any_then_kernels_tell_old_from_new() {
    let guide = shipped("carbon-4.4.7");
    assert!(guide.is_for("WSO2 Enterprise Service Bus"));
    assert!(guide.upgrades("5.0.0", "4.4.6") && !guide.upgrades("5.0.0", "4.4.7"));
    assert!(guide.reaches("5.0.0", "4.4.7") && !guide.reaches("5.0.0", "4.4.6"));
    assert_eq!(guide.from_words(), "any version on kernel =4.4.6");
}

#[test]
fn product_when_named_then_no_other_fits() {
    let guide = shipped("as-5.2.0");
    assert!(guide.is_for("WSO2 Application Server") && !guide.is_for("WSO2 Data Services Server"));
    assert!(guide.upgrades("5.1.0", "4.1.0") && !guide.upgrades("5.2.0", "4.2.0"));
}

#[test]
fn example_of_the_documentation_when_read_then_lint_finds_nothing() {
    let page = include_str!("../../../docs/guides.md");
    let example = page
        .split("```toml")
        .nth(1)
        .and_then(|rest| rest.split("```").next())
        .unwrap();
    let guide = Guide::parse("docs/guides.md", example).unwrap();
    assert_eq!(lint::lint(&guide), Vec::new());
    assert_eq!(guide.scripts.len(), 2);
}

#[test]
fn documentation_when_it_lists_steps_and_values_then_none_is_left_out() {
    let page = include_str!("../../../docs/guides.md");
    for kind in lint::STEP_KINDS {
        assert!(page.contains(&format!("`{kind}`")), "{kind}");
    }
    for guide in Guide::shipped().unwrap() {
        assert!(page.contains(&format!("`{}`", guide.name)), "{}", guide.name);
        for setting in guide.edits.iter().flat_map(|edit| edit.set.values()) {
            let name = setting.value().map(|value| serde_json::to_value(value).unwrap());
            let name = name.map(|name| format!("`{}`", name.as_str().unwrap()));
            assert!(name.is_none_or(|name| page.contains(&name)), "{setting:?}");
        }
    }
}
