use cutover_proto::config::{ChangeKind, NewPlace, ShownValue};

use super::*;

const FILE: &str = "repository/conf/user-mgt.xml";

fn plain(text: &str) -> ShownValue {
    ShownValue::Plain(text.to_owned())
}

fn told(site: &str, stock: Stock<'_>, new: Option<&str>) -> Option<FileComparison> {
    compare(FILE, site.as_bytes(), stock, new.map(str::as_bytes))
}

#[test]
fn file_when_as_shipped_but_for_layout_then_not_told() {
    let stock = "<a><b>1</b><c k='x'/></a>";
    assert_eq!(told(stock, Stock::Shipped(stock.as_bytes()), None), None);
    let moved = "<a>\r\n<!-- site was here --><c k=\"x\"/><b>1</b></a>";
    assert_eq!(told(moved, Stock::Shipped(stock.as_bytes()), None), None);
    assert_eq!(told(moved, Stock::Unknown, Some(stock)), None);
}

#[test]
fn changes_when_the_file_was_edited_then_each_with_all_three_sides() {
    let stock = "<a><url>h2</url><password>stock-pw</password><gone>1</gone><l><m n='x'>1</m></l></a>";
    let site = "<a><url>mysql</url><password>site-pw</password><l><m n='x'>1</m></l>\
                <u class='S'><p name='ConnectionPassword'>deep-pw</p><q>2</q></u><extra>e</extra></a>";
    let new = "<a><url>mysql</url><password>new-pw</password><gone>1</gone><u/><u/></a>";
    let found = told(site, Stock::Shipped(stock.as_bytes()), Some(new)).unwrap();
    assert_eq!(found.state, FileState::Edited);
    let text = format!("{found:?}");
    assert!(!text.contains("-pw"), "{text}");
    let by_path = |path: &str| found.changes.iter().find(|change| change.path == path).unwrap();
    let url = by_path("/a/url");
    assert_eq!(
        (url.kind, &url.stock, &url.site),
        (ChangeKind::Changed, &Some(plain("h2")), &Some(plain("mysql")))
    );
    assert_eq!(
        url.new,
        NewPlace::There {
            value: plain("mysql"),
            same: true
        }
    );
    assert_eq!(
        by_path("/a/password").new,
        NewPlace::There {
            value: ShownValue::Hidden,
            same: false
        }
    );
    let added = by_path("/a/u");
    assert_eq!(
        (added.kind, added.new.clone()),
        (ChangeKind::AddedElement, NewPlace::Several { count: 2 })
    );
    assert!(
        matches!(&added.site, Some(ShownValue::Plain(text)) if text.contains("<q>2</q>") && text.contains("***"))
    );
    assert_eq!(
        (by_path("/a/extra").kind, by_path("/a/extra").new.clone()),
        (ChangeKind::Added, NewPlace::ParentOnly)
    );
    let gone = by_path("/a/gone");
    assert_eq!(
        (gone.kind, &gone.site, &gone.stock),
        (ChangeKind::Removed, &None, &Some(plain("1")))
    );
    assert_eq!(
        found,
        told(site, Stock::Shipped(stock.as_bytes()), Some(new)).unwrap()
    );
}

#[test]
fn file_when_stock_is_unknown_then_compared_with_the_new_one() {
    let site = "<a><b>1</b><c>2</c></a>";
    let found = told(site, Stock::Unknown, Some("<a><b>9</b><d>3</d></a>")).unwrap();
    assert_eq!(found.state, FileState::StockUnknown);
    let kinds: Vec<_> = found
        .changes
        .iter()
        .map(|change| (change.path.as_str(), change.kind))
        .collect();
    assert_eq!(
        kinds,
        [("/a/b", ChangeKind::Changed), ("/a/c", ChangeKind::Added)]
    );
    assert!(found.changes.iter().all(|change| change.stock.is_none()));
    assert_eq!(
        told(site, Stock::Unknown, None).unwrap().state,
        FileState::GoneInNew
    );
    assert_eq!(
        told(site, Stock::NotShipped, None).unwrap().state,
        FileState::AddedBySite
    );
    let gone = told(site, Stock::Shipped(b"<a/>"), None).unwrap();
    assert_eq!((gone.state, gone.changes), (FileState::GoneInNew, Vec::new()));
}

#[test]
fn file_when_malformed_or_no_text_then_said() {
    let found = told("<a>\n <b>hunter2</a>", Stock::Shipped(b"<a/>"), Some("<a/>")).unwrap();
    let FileState::Malformed { reason } = &found.state else {
        panic!("{found:?}")
    };
    assert!(
        reason.contains("line 2") && reason.contains("column") && !reason.contains("hunter2"),
        "{reason}"
    );
    let jks = compare("repository/conf/x.jks", b"1", Stock::Shipped(b"2"), Some(b"2")).unwrap();
    assert_eq!(jks.state, FileState::Opaque);
    let own = compare("repository/conf/x.jks", b"1", Stock::NotShipped, None).unwrap();
    assert_eq!(own.state, FileState::AddedBySite);
    assert_eq!(
        compare("repository/conf/x.jks", b"1", Stock::Unknown, Some(b"1")),
        None
    );
}

#[test]
fn properties_when_edited_then_compared_by_key() {
    let found = compare(
        "repository/conf/log4j.properties",
        b"b=2\na=x\nnew.password=pw\n",
        Stock::Shipped(b"# stock\na=1\nb=2\nc=3\n"),
        Some(b"a=1\nb=2\n"),
    )
    .unwrap();
    let paths: Vec<_> = found
        .changes
        .iter()
        .map(|change| (change.path.as_str(), change.kind))
        .collect();
    assert_eq!(
        paths,
        [
            ("a", ChangeKind::Changed),
            ("new.password", ChangeKind::Added),
            ("c", ChangeKind::Removed)
        ]
    );
    assert_eq!(found.changes[1].site, Some(ShownValue::Hidden));
    assert_eq!(found.changes[2].new, NewPlace::ParentOnly);
}

#[test]
fn element_when_told_apart_by_what_the_site_changed_then_the_stock_path_is_used() {
    let stock = "<r><h class='A'><u>1</u></h><h class='B'><u>9</u></h></r>";
    let site = "<r><h class='A'><u>2</u></h></r>";
    let found = told(site, Stock::Shipped(stock.as_bytes()), Some(stock)).unwrap();
    assert_eq!(found.changes[0].path, "/r/h[@class='A']/u");
    assert_eq!(
        found.changes[0].new,
        NewPlace::There {
            value: plain("1"),
            same: false
        }
    );
}

/// The corpus, or `None` with a loud note when it is not there.
fn corpus() -> Option<std::path::PathBuf> {
    let beside = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/carbon-corpus");
    let root = std::env::var_os("CUTOVER_CORPUS").map_or(beside, std::path::PathBuf::from);
    if root.is_dir() {
        return Some(root);
    }
    eprintln!(
        "SKIPPED: no Carbon corpus at {}; set CUTOVER_CORPUS to its folder",
        root.display()
    );
    None
}

#[test]
fn versions_when_compared_with_each_other_then_no_password_of_the_stock_files_is_told() {
    let Some(corpus) = corpus() else { return };
    let mut changes = 0;
    for (old, new) in [
        ("as-5.1.0", "as-5.2.x"),
        ("carbon-4.1.0", "carbon-4.2.0"),
        ("ss-1.0.3", "ss-1.1.0"),
    ] {
        let old = corpus.join(old).join("conf");
        for entry in walkdir::WalkDir::new(&old).sort_by_file_name() {
            let entry = entry.unwrap();
            if !entry.file_type().is_file() {
                continue;
            }
            let below = entry.path().strip_prefix(&old).unwrap();
            let site = std::fs::read(entry.path()).unwrap();
            let new = std::fs::read(corpus.join(new).join("conf").join(below)).ok();
            let file = format!("repository/conf/{}", below.display());
            let Some(found) = compare(&file, &site, Stock::Unknown, new.as_deref()) else {
                continue;
            };
            changes += found.changes.len();
            assert_eq!(
                compare(&file, &site, Stock::Unknown, new.as_deref()).as_ref(),
                Some(&found)
            );
            for change in &found.changes {
                let NewPlace::There { value, .. } = &change.new else {
                    continue;
                };
                let shown = [change.site.as_ref(), Some(value)].into_iter().flatten();
                let texts = shown.filter_map(|value| match value {
                    ShownValue::Plain(text) => Some(text.as_str()),
                    ShownValue::Hidden | ShownValue::Vault(_) | ShownValue::Encrypted => None,
                });
                for text in texts {
                    let secret = change.path.to_ascii_lowercase().ends_with("password");
                    assert!(
                        !secret || text.is_empty() || text == "true" || text == "false",
                        "{file}: {change:?}"
                    );
                }
            }
        }
    }
    assert!(changes > 50, "{changes}");
}
