//! Encodings: declared, implied, contradicted; nothing is lost and nothing is guessed.

use crate::support::path;
use cutover_xmledit::{Document, EditError, Encoding, Reason};
use test_case::test_case;

#[test_case(b"<a/>", Encoding::Utf8; "no declaration")]
#[test_case(b"\xef\xbb\xbf<a/>", Encoding::Utf8; "byte order mark")]
#[test_case(b"\xef\xbb\xbf<?xml version='1.0' encoding='utf-8'?><a/>", Encoding::Utf8; "mark and declaration")]
#[test_case(b"<?xml version=\"1.0\"?><a/>", Encoding::Utf8; "declaration without encoding")]
#[test_case(b"<?xml version='1.0' encoding='UTF-8' standalone='yes'?><a/>", Encoding::Utf8; "standalone")]
#[test_case(b"<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?><a>\xe9\x80</a>", Encoding::Latin1; "latin 1")]
#[test_case(b"<?xml version=\"1.0\" encoding=\"windows-1252\"?><a>\x80\x81</a>", Encoding::Windows1252; "windows")]
#[test_case(b"<?xml version=\"1.0\" encoding=\"us-ascii\"?><a/>", Encoding::UsAscii; "ascii")]
#[test_case(b"<?xml-stylesheet href='a'?><a/>", Encoding::Utf8; "stylesheet is no declaration")]
fn parse_when_encoding_is_known_then_bytes_pass_through(bytes: &[u8], encoding: Encoding) {
    let document = Document::parse(bytes).unwrap();
    assert_eq!(document.encoding(), encoding);
    assert_eq!(document.to_bytes(), bytes);
}

#[test_case(b"\xff\xfe<\0a\0/\0>\0", Reason::Utf16; "utf 16 little endian")]
#[test_case(b"\xfe\xff\0<\0a\0/\0>", Reason::Utf16; "utf 16 big endian")]
#[test_case(b"<\0a\0/\0>\0", Reason::Utf16; "utf 16 without mark")]
#[test_case(b"<?xml version='1.0' encoding='UTF-16'?><a/>", Reason::Utf16; "declared utf 16")]
#[test_case(b"<?xml version='1.0' encoding='Shift_JIS'?><a/>", Reason::UnsupportedEncoding("Shift_JIS".into()); "other")]
#[test_case(b"\xef\xbb\xbf<?xml version='1.0' encoding='ISO-8859-1'?><a/>", Reason::BomContradicted(Encoding::Latin1); "contradiction")]
#[test_case(b"<a>\xe9</a>", Reason::Undecodable(Encoding::Utf8); "latin 1 bytes without declaration")]
#[test_case(b"<?xml version='1.0' encoding='US-ASCII'?><a>\xc3\xa9</a>", Reason::Undecodable(Encoding::UsAscii); "non ascii")]
#[test_case(b"<?xml version='1.1'?><a/>", Reason::Version; "version 1.1")]
#[test_case(b"<?xml encoding='UTF-8'?><a/>", Reason::Version; "no version")]
#[test_case(b"<?xml version='1.0' encoding=UTF-8?><a/>", Reason::Declaration; "unquoted")]
#[test_case(b"<?xml version='1.0' code='x'?><a/>", Reason::Declaration; "unknown part")]
#[test_case(b"<?xml version='1.0'", Reason::Declaration; "unfinished")]
#[test_case(b"\n<?xml version='1.0'?><a/>", Reason::Declaration; "not at the start")]
fn parse_when_encoding_is_wrong_then_refused(bytes: &[u8], reason: Reason) {
    assert_eq!(Document::parse(bytes).unwrap_err().reason, reason);
}

#[test]
fn undecodable_bytes_are_located() {
    let error = Document::parse(b"<a>\n <b>\xc3\xa9 \xe9</b></a>").unwrap_err();
    assert_eq!((error.line, error.column), (2, 7));
    let message = error.to_string();
    assert!(
        message.contains("line 2, column 7") && message.contains("UTF-8"),
        "{message}"
    );
}

#[test]
fn set_when_latin_1_then_other_bytes_stay_and_value_is_encoded() {
    let before =
        b"<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?>\r\n<a><!-- \xfcber \x85 --><b>\xe4</b>\xa0</a>";
    let after =
        b"<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?>\r\n<a><!-- \xfcber \x85 --><b>\xf6</b>\xa0</a>";
    let mut document = Document::parse(before).unwrap();
    assert_eq!(document.text(&path("/a/b")).unwrap().as_deref(), Some("\u{e4}"));
    let change = document.set(&path("/a/b"), "\u{f6}").unwrap();
    assert_eq!(document.to_bytes(), after);
    let at = change.removed_span();
    assert_eq!(
        (&before[at], &after[change.inserted_span()]),
        (&b"\xe4"[..], &b"\xf6"[..])
    );
    document.undo(&change).unwrap();
    assert_eq!(document.to_bytes(), before);
}

#[test]
fn set_when_byte_order_mark_then_it_stays_and_spans_count_it() {
    let before = b"\xef\xbb\xbf<a>\xc3\xa9<!-- --></a>";
    let mut document = Document::parse(before).unwrap();
    let change = document.set(&path("/a"), "x").unwrap();
    assert_eq!(document.to_bytes(), b"\xef\xbb\xbf<a>x<!-- --></a>");
    assert_eq!(change.removed_span().start, 6);
}

#[test_case("ISO-8859-1", "\u{20ac}", Encoding::Latin1; "euro in latin 1")]
#[test_case("windows-1252", "\u{3b1}", Encoding::Windows1252; "alpha in windows 1252")]
#[test_case("US-ASCII", "\u{e9}", Encoding::UsAscii; "accent in ascii")]
fn set_when_value_is_not_in_the_encoding_then_refused(label: &str, value: &str, encoding: Encoding) {
    let before = format!("<?xml version='1.0' encoding='{label}'?><a b=''><c/></a>");
    let mut document = Document::parse(before.as_bytes()).unwrap();
    for at in ["/a/c", "/a/@b"] {
        let refused = EditError::Unrepresentable {
            path: path(at),
            encoding,
        };
        assert_eq!(document.set(&path(at), value), Err(refused));
    }
    for at in ["/a/d", "/a/@e"] {
        let refused = EditError::Unrepresentable {
            path: path(at),
            encoding,
        };
        assert_eq!(document.ensure(&path(at), value), Err(refused));
    }
    assert_eq!(document.to_bytes(), before.as_bytes());
}

#[test]
fn every_byte_of_a_single_byte_encoding_comes_back() {
    let printable = (0x20..=0xff_u8).filter(|byte| !b"<&>".contains(byte) && *byte != 0x7f);
    let all: Vec<u8> = printable.collect();
    for label in ["ISO-8859-1", "windows-1252"] {
        let mut bytes = format!("<?xml version='1.0' encoding='{label}'?><a>").into_bytes();
        bytes.extend(&all);
        bytes.extend(b"</a>");
        assert_eq!(Document::parse(&bytes).unwrap().to_bytes(), bytes);
    }
}

#[test]
fn windows_1252_is_not_latin_1() {
    let read = |label: &str| {
        let mut bytes = format!("<?xml version='1.0' encoding='{label}'?><a>").into_bytes();
        bytes.extend(b"\x80</a>");
        Document::parse(&bytes)
            .unwrap()
            .text(&path("/a"))
            .unwrap()
            .unwrap()
    };
    assert_eq!(
        (read("windows-1252").as_str(), read("ISO-8859-1").as_str()),
        ("\u{20ac}", "\u{80}")
    );
}
