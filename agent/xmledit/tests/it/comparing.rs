//! What one version of a file says differently from another.

use crate::corpus;
use crate::support::path;
use cutover_xmledit::{Difference, DifferenceKind, Document, Kept};
use proptest::prelude::*;
use test_case::test_case;

fn document(text: &str) -> Document {
    Document::parse(text.as_bytes()).unwrap()
}

fn line(difference: &Difference) -> String {
    let kept = |kept: &Option<Kept>| match kept {
        None => "-".to_owned(),
        Some(Kept::Plain(value)) => value.clone(),
        Some(Kept::Vault(alias)) => format!("vault {alias}"),
        Some(Kept::Encrypted(_)) => "encrypted".to_owned(),
        Some(Kept::Unresolved(raw)) => format!("raw {raw}"),
    };
    let kind = match difference.kind {
        DifferenceKind::Changed => "changed",
        DifferenceKind::Added => "added",
        DifferenceKind::AddedElement => "element",
        DifferenceKind::Removed => "removed",
    };
    format!(
        "{kind} {} {} -> {}",
        difference.path,
        kept(&difference.base),
        kept(&difference.value)
    )
}

fn differences(site: &str, base: &str) -> Vec<String> {
    document(site)
        .differences(&document(base))
        .iter()
        .map(line)
        .collect()
}

#[test_case("<a><b>1</b><c k='1'/></a>", "<a>\r\n <!-- n --><c\tk=\"1\"></c>\n <b> <![CDATA[1]]></b></a>"; "layout and order")]
#[test_case("<a><p n='1'/><p n='2'/><p n='3'/></a>", "<a><p n='3'/><p n='1'/><p n='2'/></a>"; "elements moved")]
#[test_case("<a xmlns:s='u'><b/></a>", "<a><b></b></a>"; "namespace declarations")]
#[test_case("<a><b>x</b><!--b>y</b--></a>", "<a><b>x</b></a>"; "comments")]
fn files_when_they_say_the_same_then_no_difference(site: &str, base: &str) {
    assert_eq!(differences(site, base), [] as [&str; 0]);
    assert_eq!(differences(base, site), [] as [&str; 0]);
}

#[test_case("<a><b>2</b></a>", "<a><b>1</b></a>", &["changed /a/b 1 -> 2"]; "text")]
#[test_case("<a b='2'/>", "<a b='1' c='3'/>", &["changed /a/@b 1 -> 2", "removed /a/@c 3 -> -"]; "attributes")]
#[test_case("<a><b>1</b><n>2</n></a>", "<a><b>1</b></a>", &["added /a/n - -> 2"]; "a new value")]
#[test_case("<a><p name='x'>1</p></a>", "<a/>", &["added /a/p[@name='x'] - -> 1"]; "a value that its path names")]
#[test_case("<a><p name='x' k='2'>1</p></a>", "<a/>", &["element /a/p[@name='x'] - -> -"]; "a value with more than that")]
#[test_case("<a><u c='1'><v/></u></a>", "<a><!--u c='1'><v/></u--></a>", &["element /a/u - -> -"]; "uncommented")]
#[test_case("<a/>", "<a><u><v>1</v></u><w>2</w></a>", &["removed /a/u - -> -", "removed /a/w 2 -> -"]; "taken out")]
#[test_case("<a><b/></a>", "<a><b>1</b></a>", &["changed /a/b 1 -> "]; "emptied")]
#[test_case("<a><m>1</m><m>9</m><m>3</m></a>", "<a><m>1</m><m>2</m><m>3</m></a>", &["changed /a/m[2] 2 -> 9"]; "one of several")]
#[test_case("<a><m>0</m><m>1</m><m>2</m></a>", "<a><m>1</m><m>2</m></a>", &["added /a/m[1] - -> 0"]; "inserted before others")]
#[test_case("<b/>", "<a/>", &["removed /a  -> -", "added /b - -> "]; "another root")]
fn files_when_values_differ_then_told(site: &str, base: &str, expected: &[&str]) {
    assert_eq!(differences(site, base), expected);
}

#[test]
fn elements_when_they_have_names_then_paired_by_them() {
    let base = "<a><d><name>X</name><j><name>jx</name></j><u>1</u></d></a>";
    let site = "<a><d><name>Y</name><u>2</u></d><d><u>3</u><name>X</name><j><name>jz</name></j></d></a>";
    assert_eq!(
        differences(site, base),
        [
            "element /a/d[name='Y'] - -> -",
            "changed /a/d[name='X']/u 1 -> 3",
            "changed /a/d[name='X']/j/name jx -> jz"
        ]
    );
}

#[test]
fn element_when_alone_and_of_another_class_then_changed_else_another_one() {
    let base = "<r><u class='A'><p name='x'>1</p></u></r>";
    assert_eq!(
        differences("<r><u class='B'><p name='x'>2</p></u></r>", base),
        ["changed /r/u/@class A -> B", "changed /r/u/p[@name='x'] 1 -> 2"]
    );
    assert_eq!(
        differences(
            "<r><u class='B'><p name='x'>1</p></u><u class='A'><p name='x'>2</p></u></r>",
            base
        ),
        [
            "element /r/u[@class='B'] - -> -",
            "changed /r/u[@class='A']/p[@name='x'] 1 -> 2"
        ]
    );
}

#[test]
fn values_when_protected_then_told_apart_from_plain_ones() {
    let base = "<r xmlns:svns='http://org.wso2.securevault/configuration'><p>x</p><q>y</q><c pass='z' port='1'/></r>";
    let site = "<r xmlns:svns='http://org.wso2.securevault/configuration'><p svns:secretAlias='A.p'>password</p>\
                <q encrypted='true'>Zm9v</q><c pass='password' port='2' svns:secretAlias='A.c.pass'/></r>";
    assert_eq!(
        differences(site, base),
        [
            "changed /r/p x -> vault A.p",
            "changed /r/q y -> encrypted",
            "changed /r/c/@pass z -> vault A.c.pass",
            "changed /r/c/@port 1 -> 2"
        ]
    );
    let document = document(site);
    assert_eq!(document.vaulted()[0], (path("/r/p"), "A.p".to_owned()));
    assert_eq!(document.encrypted(), [path("/r/q")]);
    // What stands in place of a value in the vault means nothing.
    assert_eq!(
        differences(&site.replace(">password<", ">other<"), site),
        [] as [&str; 0]
    );
    assert!(
        !format!(
            "{:?}",
            document.differences(&Document::parse(base.as_bytes()).unwrap())
        )
        .contains("Zm9v")
    );
}

#[test]
fn element_when_shown_then_without_comments_and_hidden_values() {
    let text =
        "<a>\n  <b k='1'>\n    <!-- old <pw>s0</pw> -->\n    <pw>s1</pw>\n    <c pw='s2'/>\n  </b>\n</a>";
    let shown = document(text).shown(&path("/a/b"), &|path| {
        path.to_string().ends_with("pw").then(|| "***".to_owned())
    });
    assert_eq!(shown.unwrap(), "<b k='1'>\n  <pw>***</pw>\n  <c pw='***'/>\n</b>");
    assert_eq!(document(text).shown(&path("/a/b/@k"), &|_| None), None);
}

#[test]
fn every_file_of_the_corpus_differs_not_from_itself_and_each_value_changed_is_found() {
    let Some(root) = corpus::corpus() else { return };
    for file in walkdir::WalkDir::new(root.join("carbon-4.1.0/conf")) {
        let file = file.unwrap().into_path();
        if file.extension().is_none_or(|extension| extension != "xml") {
            continue;
        }
        let base = Document::parse(&std::fs::read(&file).unwrap()).unwrap();
        assert_eq!(base.differences(&base), []);
        for leaf in base.leaves().into_iter().filter(|leaf| leaf.value.is_ok()) {
            let mut site = base.clone();
            site.set(&leaf.path, "cutover-site").unwrap();
            let found = site.differences(&base);
            // A changed name is another element; anything else is one changed value.
            let named = ["/@name", "/name", "/@id"]
                .iter()
                .any(|end| leaf.path.to_string().ends_with(end));
            assert!(!found.is_empty(), "{} in {}", leaf.path, file.display());
            if !named {
                assert!(found.len() <= 2, "{found:#?}");
            }
        }
    }
}

/// A tree in which siblings have names of their own.
#[derive(Debug, Clone)]
struct Node {
    value: Option<String>,
    mark: Option<String>,
    children: std::collections::BTreeMap<u8, Node>,
}

fn node() -> impl Strategy<Value = Node> {
    let leaf = (
        proptest::option::of("[ -%'-;=?-~]{0,4}"),
        proptest::option::of("[a-z]{0,3}"),
    );
    let leaf = leaf.prop_map(|(value, mark)| Node {
        value,
        mark,
        children: Default::default(),
    });
    leaf.prop_recursive(3, 24, 4, |inner| {
        (
            proptest::option::of("[a-z]{0,3}"),
            proptest::collection::btree_map(0..5_u8, inner, 0..4),
        )
            .prop_map(|(mark, children)| Node {
                value: None,
                mark,
                children,
            })
    })
}

fn written(node: &Node, name: &str, reversed: bool) -> String {
    let mark = node.mark.iter().map(|mark| format!(" mark='{mark}'"));
    let tag = format!(
        "<{}{}{}",
        if name.is_empty() { "top" } else { "e" },
        name,
        mark.collect::<String>()
    );
    let mut children: Vec<String> = node
        .children
        .iter()
        .map(|(id, child)| format!("\n{}", written(child, &format!(" name='{id}'"), reversed)))
        .collect();
    if reversed {
        children.reverse();
    }
    let content = children.concat() + node.value.as_deref().unwrap_or_default();
    let end = if name.is_empty() { "top" } else { "e" };
    format!("{tag}>{content}</{end}>")
}

proptest! {
    #[test]
    fn order_says_nothing(node in node()) {
        let (one, other) = (document(&written(&node, "", false)), document(&written(&node, "", true)));
        prop_assert_eq!(one.differences(&other), []);
    }

    #[test]
    fn carrying_every_difference_makes_the_base_say_what_the_site_says(site in node(), base in node()) {
        let site = document(&written(&site, "", false));
        let mut target = document(&written(&base, "", true));
        let base = target.clone();
        let differences = site.differences(&base);
        let value = |kept: &Option<Kept>| match kept {
            Some(Kept::Plain(value)) => value.clone(),
            other => panic!("{other:?}"),
        };
        let mut blocked = false;
        for difference in &differences {
            let edited = match difference.kind {
                DifferenceKind::Changed => target.set(difference.base_path.as_ref().unwrap(), &value(&difference.value)),
                DifferenceKind::Added => target.ensure(&difference.path, &value(&difference.value)),
                DifferenceKind::AddedElement => target.insert_copy(&difference.path, &site, &difference.path),
                DifferenceKind::Removed => continue,
            };
            // What held text in the one and holds elements in the other can't be carried, and says so.
            blocked |= edited.is_err();
        }
        if !blocked {
            let left = site.differences(&target);
            let removed = left.iter().all(|difference| difference.kind == DifferenceKind::Removed);
            prop_assert!(removed, "{left:#?}\n{differences:#?}");
        }
        let removed = |difference: &&Difference| difference.kind == DifferenceKind::Removed;
        let mixed = differences.iter().filter(removed).any(|gone| {
            let text = gone.base.is_some() && gone.path.attribute_name().is_none();
            let above = gone.path.parent();
            text || differences.iter().any(|other| other.kind == DifferenceKind::Added && Some(&other.path) == above.as_ref())
        });
        prop_assert!(mixed || !blocked, "{differences:#?}");
    }
}
