//! Damaged files are refused or pass through; they never bring the program down.

use std::fs;

use crate::corpus::corpus;
use cutover_xmledit::{Document, diff};

const FILES: [&str; 4] = [
    "registry.xml",
    "tomcat/catalina-server.xml",
    "datasources/master-datasources.xml",
    "etc/jmx.xml",
];

fn accept_or_refuse(bytes: &[u8]) -> bool {
    match Document::parse(bytes) {
        Ok(document) => {
            assert_eq!(document.to_bytes(), bytes);
            true
        }
        Err(error) => {
            let lines = 1 + bytes.iter().filter(|byte| **byte == b'\n').count();
            assert!((1..=lines).contains(&error.line) && error.column >= 1, "{error}");
            false
        }
    }
}

#[test]
fn a_file_cut_short_is_refused() {
    let Some(root) = corpus() else { return };
    for name in FILES {
        let bytes = fs::read(root.join("carbon-4.2.0/conf").join(name)).unwrap();
        let end = bytes.iter().rposition(|byte| *byte == b'>').unwrap();
        for length in (0..end).step_by(7).chain(end - 20..=end) {
            assert!(!accept_or_refuse(&bytes[..length]), "{name} cut at {length}");
        }
        assert!(accept_or_refuse(&bytes[..=end]), "{name}");
    }
}

#[test]
fn a_file_with_one_byte_changed_is_refused_or_passes_through() {
    let Some(root) = corpus() else { return };
    for name in FILES {
        let bytes = fs::read(root.join("carbon-4.2.0/conf").join(name)).unwrap();
        for (round, at) in (0..bytes.len()).step_by(13).enumerate() {
            let mut damaged = bytes.clone();
            damaged[at] = b"<>&\"'/\0\xff]-"[round % 10];
            accept_or_refuse(&damaged);
        }
    }
}

#[test]
fn a_diff_of_anything_can_be_shown() {
    let odd: [&[u8]; 5] = [
        b"",
        b"\0\xff\xfe",
        b"<a",
        b"\xef\xbb\xbf<a/>",
        b"<?xml version='1.0' encoding='UTF-16'?><a/>",
    ];
    for before in odd {
        for after in odd {
            let shown = diff(before, after, &["secret"]);
            assert_eq!(shown.is_empty(), before == after, "{before:?} {after:?}");
        }
    }
}
