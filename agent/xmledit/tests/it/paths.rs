//! Reading and writing paths.

use crate::support::{document, path};
use cutover_xmledit::Path;
use test_case::test_case;

#[test_case(
    "/datasources-configuration/datasources/datasource[name='WSO2_CARBON_DB']/definition[@type='RDBMS']/configuration/url"
)]
#[test_case("/UserManager/Realm/Configuration/Property[@name='dataSource']")]
#[test_case("/wso2registry/dbConfig[@name='wso2registry']/dataSource")]
#[test_case("/wso2registry/dbConfig[@name=/wso2registry/currentDBConfig]/dataSource")]
#[test_case("/Server/Service/Connector[@scheme='https']/@port")]
#[test_case("/a/datasource[jndiConfig/name='jdbc/X'][2]")]
#[test_case("/a/b[c/@d='x']/@e")]
#[test_case("/a[b=\"it's\"]")]
#[test_case("/{http://wso2.org/projects/carbon/carbon.xml}Server/{}HostName/@{urn:x}y")]
#[test_case("/a[@b=']/[x=1]']/c")]
fn path_when_written_then_reads_back_the_same(text: &str) {
    let parsed = path(text);
    assert_eq!(parsed.to_string(), text);
    let json = serde_json::to_string(&parsed).unwrap();
    assert_eq!(json, serde_json::to_string(text).unwrap());
    assert_eq!(serde_json::from_str::<Path>(&json).unwrap(), parsed);
}

#[test]
fn path_when_spaced_or_double_quoted_then_written_canonically() {
    assert_eq!(path("/a[ @b = \"x\" ][ 2 ]").to_string(), "/a[@b='x'][2]");
}

#[test_case("", 1; "empty")]
#[test_case("a/b", 1; "relative")]
#[test_case("/", 2; "no name")]
#[test_case("//a", 2; "descendants")]
#[test_case("/a//b", 4; "descendants inside")]
#[test_case("/@a", 4; "attribute of the document")]
#[test_case("/a/@b/c", 6; "beyond an attribute")]
#[test_case("/p:a", 2; "prefix")]
#[test_case("/a[0]", 4; "position zero")]
#[test_case("/a[99999999999999999999999]", 4; "position too large")]
#[test_case("/a[b]", 5; "predicate without value")]
#[test_case("/a[b=c]", 6; "unquoted value")]
#[test_case("/a[b='c]", 9; "unclosed quote")]
#[test_case("/a[b='c'", 9; "unclosed predicate")]
#[test_case("/a[b='c' and d='e']", 10; "and")]
#[test_case("/{x", 4; "unclosed namespace")]
#[test_case("/a b", 3; "garbage")]
#[test_case("/*", 2; "wildcard")]
fn path_when_malformed_then_error_says_where(text: &str, position: usize) {
    let error = text.parse::<Path>().unwrap_err();
    assert_eq!(error.position, position, "{error}");
    assert!(error.to_string().contains(&format!("`{text}`")), "{error}");
}

#[test]
fn path_when_nested_too_deep_then_refused() {
    let nest = |depth: usize| format!("{}'x'{}", "/a[b=".repeat(depth), "]".repeat(depth));
    assert!(nest(5).parse::<Path>().is_ok());
    assert!(nest(6).parse::<Path>().is_err());
    assert!(nest(100_000).parse::<Path>().is_err());
}

#[test]
fn path_parts() {
    let port = path("/a/b[1]/@port");
    assert_eq!(port.attribute_name(), Some("port"));
    assert_eq!(port.parent(), Some(path("/a/b[1]")));
    assert_eq!(path("/a/b").parent(), Some(path("/a")));
    assert_eq!((path("/a").parent(), path("/a").attribute_name()), (None, None));
}

#[test]
fn quote_makes_any_name_a_literal() {
    assert_eq!(Path::quote("x").as_deref(), Some("'x'"));
    assert_eq!(Path::quote("it's").as_deref(), Some("\"it's\""));
    assert_eq!(Path::quote("'\""), None);
    let hostile = Path::quote("x'][@y='").unwrap();
    assert_eq!(
        document("<a><b name='x' y=''/></a>").all(&path(&format!("/a/b[@name={hostile}]"))),
        []
    );
}

#[test_case("/a/b", &["1", "2", "3"]; "all of a name")]
#[test_case("/a/b[2]", &["2"]; "position")]
#[test_case("/a/b[4]", &[]; "position beyond")]
#[test_case("/a/b[@k='y']", &["2", "3"]; "attribute")]
#[test_case("/a/b[@k='y'][2]", &["3"]; "position after attribute")]
#[test_case("/a/b[2][@k='x']", &[]; "attribute after position")]
#[test_case("/a/b[@k=/a/chosen]", &["2", "3"]; "value of a path")]
#[test_case("/a/b[@k=/a/none]", &[]; "value of a path without match")]
#[test_case("/a/c/d", &["4", "5"]; "across parents")]
#[test_case("/a/c/d[1]", &["4", "5"]; "position counts per parent")]
#[test_case("/a/c[d='5']/e", &["6"]; "child text")]
#[test_case("/a[c/d='5']/chosen", &["y"]; "nested child text")]
#[test_case("/a/c[d/@z='1']/d", &["5"]; "attribute of a child")]
#[test_case("/a/c/d/@z", &["1"]; "attribute where there is one")]
#[test_case("/b", &[]; "other root")]
#[test_case("/a/b/k", &[]; "an attribute is no child")]
fn all_when_matched_then_values_in_document_order(at: &str, expected: &[&str]) {
    let document = document(
        "<a><b k='x'>1</b><b k='y'>2</b><!-- <b k='y'>0</b> --><b k='y'>3</b><chosen>y</chosen>\
         <c><d>4</d></c><c><d z='1'>5</d><e>6</e></c></a>",
    );
    let found: Vec<String> = document
        .all(&path(at))
        .into_iter()
        .map(|leaf| leaf.value.unwrap())
        .collect();
    assert_eq!(found, expected);
}

const NAMESPACED: &str = "<s:Server xmlns:s='urn:s' xmlns='urn:d' xmlns:x='urn:x'><Host x:name='1' name='2'/>\
     <s:Host x:id='3'/><Host xmlns='' >5</Host></s:Server>";

#[test_case("/Server", 1; "prefix ignored")]
#[test_case("/{urn:s}Server", 1; "namespace of a prefix")]
#[test_case("/{urn:d}Server", 0; "another namespace")]
#[test_case("/Server/Host", 3; "local name finds all")]
#[test_case("/Server/{urn:d}Host", 1; "default namespace")]
#[test_case("/Server/{urn:s}Host", 1; "prefixed namespace")]
#[test_case("/Server/{}Host", 1; "no namespace")]
#[test_case("/Server/Host/@id", 1; "prefixed attribute by local name")]
#[test_case("/Server/Host/@{urn:x}name", 1; "attribute by namespace")]
#[test_case("/Server/Host[@name='2']", 1; "plain attribute is preferred")]
#[test_case("/Server/Host[@name='1']", 0; "prefixed attribute is second choice")]
#[test_case("/Server/@xmlns", 0; "declarations are no attributes")]
#[test_case("/Server/@s", 0; "prefix declarations are no attributes")]
fn names_match_by_local_name_unless_a_namespace_is_demanded(at: &str, count: usize) {
    assert_eq!(document(NAMESPACED).all(&path(at)).len(), count);
}
