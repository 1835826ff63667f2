//! What is not well-formed is refused, with the place.

use crate::support::document;
use cutover_xmledit::{Document, Reason};
use test_case::test_case;

#[test_case("", Reason::NoRoot, 1, 1; "empty")]
#[test_case("<!-- only -->\n", Reason::NoRoot, 2, 1; "only a comment")]
#[test_case("<a>\n <b>\n</a>", Reason::MismatchedEnd(2), 3, 1; "mismatched end")]
#[test_case("<a>\n<b>", Reason::UnclosedElement(2), 2, 4; "unclosed element")]
#[test_case("<a/></a>", Reason::UnmatchedEnd, 1, 5; "end without start")]
#[test_case("<a/>\n<b/>", Reason::SecondRoot, 2, 1; "second root")]
#[test_case("<a/>x", Reason::TextOutsideRoot, 1, 5; "text after")]
#[test_case("x<a/>", Reason::TextOutsideRoot, 1, 1; "text before")]
#[test_case("<![CDATA[ ]]><a/>", Reason::TextOutsideRoot, 1, 1; "cdata before")]
#[test_case("<a b='1' b='2'/>", Reason::DuplicateAttribute, 1, 10; "attribute twice")]
#[test_case("<a b=1/>", Reason::Attribute, 1, 6; "unquoted attribute")]
#[test_case("<a b/>", Reason::Attribute, 1, 4; "attribute without value")]
#[test_case("<a b='1'c='2'/>", Reason::Attribute, 1, 9; "attributes without blank")]
#[test_case("<a\n b='<'/>", Reason::LessThanInAttribute, 2, 5; "less than in attribute")]
#[test_case("<a b='&'/>", Reason::Reference, 1, 7; "ampersand in attribute")]
#[test_case("<a 1b=''/>", Reason::Name, 1, 4; "attribute name")]
#[test_case("<1a/>", Reason::Name, 1, 2; "element name")]
#[test_case("<a>x & y</a>", Reason::Reference, 1, 6; "lone ampersand")]
#[test_case("<a>&#0;</a>", Reason::Reference, 1, 4; "reference to nul")]
#[test_case("<a>&#xD800;</a>", Reason::Reference, 1, 4; "reference to a surrogate")]
#[test_case("<a>&#+65;</a>", Reason::Reference, 1, 4; "reference with a sign")]
#[test_case("<a>]]></a>", Reason::CDataEnd, 1, 4; "cdata end in text")]
#[test_case("<a>\u{1}</a>", Reason::IllegalCharacter(1), 1, 4; "control character")]
#[test_case("<a/>\n<!DOCTYPE a>", Reason::MisplacedDoctype, 2, 1; "doctype after root")]
fn parse_when_malformed_then_reason_and_place(text: &str, reason: Reason, line: usize, column: usize) {
    let error = Document::parse(text.as_bytes()).unwrap_err();
    assert_eq!((error.reason, error.line, error.column), (reason, line, column));
}

#[test_case("<a><!-- x", Reason::Unclosed("a comment"); "comment")]
#[test_case("<a><![CDATA[ x", Reason::Unclosed("a CDATA section"); "cdata")]
#[test_case("<a><?pi", Reason::Unclosed("a processing instruction"); "processing instruction")]
#[test_case("<!DOCTYPE a [", Reason::Unclosed("the DOCTYPE"); "doctype")]
#[test_case("<a><b", Reason::Unclosed("a tag"); "tag")]
#[test_case("<a b='", Reason::Unclosed("an attribute value"); "attribute value")]
#[test_case("<a><!x></a>", Reason::UnknownMarkup; "unknown markup")]
#[test_case("<a><!-- x -- y --></a>", Reason::DoubleHyphen; "double hyphen")]
#[test_case("<a>&amp</a>", Reason::Reference; "reference without end")]
#[test_case("<a><?xml version='1.0'?></a>", Reason::Declaration; "declaration inside")]
fn parse_when_markup_is_broken_then_reason(text: &str, reason: Reason) {
    assert_eq!(Document::parse(text.as_bytes()).unwrap_err().reason, reason);
}

#[test]
fn parse_error_does_not_quote_the_file() {
    let error = Document::parse(b"<a><password>hunter2<x</password></a>").unwrap_err();
    let shown = format!("{error} {error:?}");
    assert!(!shown.contains("hunter2"), "{shown}");
}

#[test_case("<a/>"; "smallest")]
#[test_case("<a></a >\n\n"; "blank in end tag")]
#[test_case("<!DOCTYPE web-app PUBLIC '-//Sun//DTD Web 2.3//EN' 'http://java.sun.com/dtd/web-app_2_3.dtd'>\n<a/>"; "doctype")]
#[test_case("<!DOCTYPE a [<!ELEMENT a (#PCDATA)> <!-- ]> --> <!ENTITY x '<b>'>]><a>&x;</a>"; "internal subset")]
#[test_case("<a>&unknown;</a>"; "unknown entity")]
#[test_case("<a b='&unknown;'>x > y \" ' </a>"; "greater than and quotes in text")]
#[test_case("<a><b\n\tc = '1'\r\n d=\"2\"\n/></a>"; "spread tag")]
#[test_case("<\u{e4}\u{f6}>\u{1f600}</\u{e4}\u{f6}><!-- end -->\n<?x y?>"; "names beyond ascii")]
#[test_case("<p:a q:b='1'/>"; "unbound prefixes")]
#[test_case("<a>\r x \r\n y \n</a>"; "all line endings")]
#[test_case("<a><![CDATA[]]><![CDATA[ ]] > ]]>&lt;</a>"; "cdata sections")]
fn parse_when_well_formed_then_text_passes_through(text: &str) {
    assert_eq!(document(text).to_bytes(), text.as_bytes());
}

#[test]
fn parse_when_nested_absurdly_then_refused() {
    let nested = |depth: usize| format!("{}{}", "<a>".repeat(depth), "</a>".repeat(depth));
    assert_eq!(document(&nested(256)).to_bytes(), nested(256).as_bytes());
    for depth in [257, 100_000] {
        assert_eq!(
            Document::parse(nested(depth).as_bytes()).unwrap_err().reason,
            Reason::TooDeep(256)
        );
    }
}

#[test]
fn parse_error_says_where_and_what_to_do() {
    let message = |bytes: &[u8]| Document::parse(bytes).unwrap_err().to_string();
    assert_eq!(
        message(b"<a>\n <b>x & y</b></a>"),
        "cannot read the XML at line 2, column 7: `&` begins no reference; as a character it must be written `&amp;`"
    );
    assert_eq!(
        message(b"<a>\n <b></a>"),
        "cannot read the XML at line 2, column 5: the end tag does not match the element opened at line 2"
    );
    assert_eq!(
        message(b"<?xml version='1.0' encoding='EBCDIC'?><a/>"),
        "cannot read the XML at line 1, column 1: the declared encoding `EBCDIC` is not supported; convert the file \
         to UTF-8"
    );
}
