//! The shipped guides against the files that the products really ship, where the corpus is at hand.

use std::path::PathBuf;

use cutover_xmledit::{Document, Path};

use super::guides::{GUIDES, world};
use super::*;

fn corpus() -> Option<PathBuf> {
    let folder = std::env::var_os("CUTOVER_CORPUS")
        .map(PathBuf::from)
        .filter(|folder| folder.is_dir());
    if folder.is_none() {
        eprintln!("SKIPPED: set CUTOVER_CORPUS to the folder with Carbon's own files");
    }
    folder
}

/// A file of `repository/conf` as the first of these versions that has it ships it.
fn stock(corpus: &std::path::Path, versions: &[&str], file: &str) -> Option<Vec<u8>> {
    let inner = file.strip_prefix("repository/conf/")?;
    let places = versions
        .iter()
        .map(|version| corpus.join(version).join("conf").join(inner));
    places.into_iter().find_map(|place| std::fs::read(place).ok())
}

fn new_version(guide: &str) -> &'static [&'static str] {
    match guide {
        "ss-1.1.0" => &["ss-1.1.0", "carbon-4.2.0"],
        "as-5.2.0" => &["as-5.2.x", "carbon-4.2.0"],
        "carbon-4.4.7" => &["carbon-4.4.7"],
        _ => &["dss-3.2.0", "carbon-4.2.0"],
    }
}

/// The value that stands in the file afterwards.
fn apply(document: &mut Document, edit: &cutover_proto::step::XmlEdit, what: &str) {
    let path: Path = edit.path.parse().unwrap();
    let value = match &edit.value {
        ConfigValue::Literal(text) => text.clone(),
        ConfigValue::Secret(_) => "secret".to_owned(),
        ConfigValue::Carried(_) | ConfigValue::Element(_) => panic!("{what}: {}", edit.value),
    };
    if edit.only_if_present && document.count(&path) == 0 {
        return;
    }
    document
        .ensure(&path, &value)
        .unwrap_or_else(|error| panic!("{what}: {}: {error}", edit.path));
    assert_eq!(
        document.text(&path).unwrap(),
        Some(value),
        "{what}: {}",
        edit.path
    );
}

#[test]
fn edits_when_made_in_the_new_versions_own_files_then_every_one_finds_its_place() {
    let Some(corpus) = corpus() else { return };
    for name in GUIDES {
        let plan = world(name).good();
        let steps = plan.steps().filter(|step| step.place.to_string() == "n1");
        let mut files = 0;
        for step in steps {
            let StepAction::Node(NodeAction::EditXml { file, edits, .. }) = &step.action else {
                continue;
            };
            let what = format!("{name}: {file}");
            let bytes =
                stock(&corpus, new_version(name), file).unwrap_or_else(|| panic!("{what} is not there"));
            let mut document = Document::parse(&bytes).unwrap();
            edits.iter().for_each(|edit| apply(&mut document, edit, &what));
            assert!(Document::parse(&document.to_bytes()).is_ok(), "{what}");
            files += 1;
        }
        assert_eq!(files, if name == "ss-1.1.0" { 5 } else { 3 }, "{name}");
    }
}

/// What a place is called: the name in its last predicate, else its last step.
fn last_name(path: &str) -> &str {
    let last = path.rsplit('/').next().unwrap_or(path).trim_start_matches('@');
    last.split('\'').nth(1).unwrap_or(last)
}

#[test]
fn moved_configuration_when_looked_for_then_the_old_files_have_it_and_the_new_ones_its_new_place() {
    let Some(corpus) = corpus() else { return };
    let text = |versions: &[&str], file: &str| -> String {
        let inner = file.strip_prefix("repository/conf/").unwrap();
        let read = |version: &&str| std::fs::read(corpus.join(version).join("conf").join(inner)).ok();
        versions
            .iter()
            .filter_map(read)
            .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
            .collect()
    };
    let (old, new) = (["carbon-4.1.0", "ss-1.0.3"], ["carbon-4.2.0", "ss-1.1.0"]);
    for name in GUIDES {
        let guide = world(name).guide;
        for rename in &guide.renames {
            assert!(
                text(&old, &rename.file).contains(last_name(&rename.from)),
                "{name}: {}",
                rename.from
            );
            assert!(
                text(&new, rename.target_file()).contains(last_name(&rename.to)),
                "{name}: {}",
                rename.to
            );
        }
        for gone in &guide.obsolete {
            assert!(
                text(&old, &gone.file).contains(last_name(&gone.path)),
                "{name}: {}",
                gone.path
            );
        }
    }
}
