//! The encodings Carbon's files come in, and which one a file declares.

use std::fmt;

use crate::chars::is_blank;
use crate::parse::attributes;
use crate::parse::error::{ParseError, Reason};

pub(crate) const BOM: &[u8] = b"\xef\xbb\xbf";

/// A character encoding that can be decoded, edited and encoded again without loss.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// UTF-8, with or without a byte order mark; what a file without a declaration is in.
    Utf8,
    /// ISO-8859-1 as Java reads it: every byte is the character of that number.
    Latin1,
    /// windows-1252.
    Windows1252,
    /// US-ASCII; a byte above 127 is refused.
    UsAscii,
}

impl fmt::Display for Encoding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Utf8 => "UTF-8",
            Self::Latin1 => "ISO-8859-1",
            Self::Windows1252 => "windows-1252",
            Self::UsAscii => "US-ASCII",
        })
    }
}

impl Encoding {
    fn from_label(label: &str) -> Option<Self> {
        match label.to_ascii_lowercase().as_str() {
            "utf-8" | "utf8" => Some(Self::Utf8),
            "iso-8859-1" | "iso_8859-1" | "iso8859-1" | "iso8859_1" | "latin1" | "latin-1" | "l1" => {
                Some(Self::Latin1)
            }
            "windows-1252" | "cp1252" | "x-cp1252" => Some(Self::Windows1252),
            "us-ascii" | "ascii" => Some(Self::UsAscii),
            _ => None,
        }
    }

    /// The text that `bytes` stand for; the error is placed at the first byte that has no meaning.
    pub(crate) fn decode(self, bytes: &[u8]) -> Result<String, ParseError> {
        let undecodable = |head: &str| ParseError::at(head, head.len(), Reason::Undecodable(self));
        match self {
            Self::Utf8 => std::str::from_utf8(bytes).map(str::to_owned).map_err(|error| {
                let head = bytes.get(..error.valid_up_to()).unwrap_or_default();
                undecodable(&String::from_utf8_lossy(head))
            }),
            Self::Latin1 => Ok(bytes.iter().map(|byte| char::from(*byte)).collect()),
            Self::Windows1252 => Ok(encoding_rs::WINDOWS_1252
                .decode_without_bom_handling(bytes)
                .0
                .into_owned()),
            Self::UsAscii => {
                let text: String = bytes
                    .iter()
                    .take_while(|byte| byte.is_ascii())
                    .map(|byte| char::from(*byte))
                    .collect();
                if text.len() == bytes.len() {
                    Ok(text)
                } else {
                    Err(undecodable(&text))
                }
            }
        }
    }

    /// The bytes of `text`, or `None` when a character of it does not exist in this encoding.
    pub(crate) fn encode(self, text: &str) -> Option<Vec<u8>> {
        match self {
            Self::Utf8 => Some(text.as_bytes().to_vec()),
            Self::Latin1 => text.chars().map(|c| u8::try_from(u32::from(c)).ok()).collect(),
            Self::Windows1252 => {
                let (bytes, _, lossy) = encoding_rs::WINDOWS_1252.encode(text);
                (!lossy).then(|| bytes.into_owned())
            }
            Self::UsAscii => text.is_ascii().then(|| text.as_bytes().to_vec()),
        }
    }
}

/// What the first bytes of a file say about the rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Detected {
    pub(crate) encoding: Encoding,
    pub(crate) bom: bool,
}

/// Reads the byte order mark and the XML declaration.
pub(crate) fn detect(bytes: &[u8]) -> Result<Detected, ParseError> {
    if let [0xfe, 0xff, ..] | [0xff, 0xfe, ..] | [b'<', 0, ..] | [0, b'<', ..] = bytes {
        return Err(ParseError::at("", 0, Reason::Utf16));
    }
    let bom = bytes.starts_with(BOM);
    let body = if bom { &bytes[BOM.len()..] } else { bytes };
    let encoding = match declared(body)? {
        Some(Encoding::Utf8) | None => Encoding::Utf8,
        Some(other) if bom => return Err(ParseError::at("", 0, Reason::BomContradicted(other))),
        Some(other) => other,
    };
    Ok(Detected { encoding, bom })
}

fn declared(body: &[u8]) -> Result<Option<Encoding>, ParseError> {
    let error = |reason| ParseError::at("", 0, reason);
    let Some(rest) = body.strip_prefix(b"<?xml") else {
        return Ok(None);
    };
    if !rest.first().is_some_and(u8::is_ascii_whitespace) {
        // A processing instruction such as `<?xml-stylesheet …?>`.
        return Ok(None);
    }
    let end = rest
        .windows(2)
        .position(|pair| pair == b"?>")
        .ok_or_else(|| error(Reason::Declaration))?;
    let inside = std::str::from_utf8(&rest[..end]).map_err(|_| error(Reason::Declaration))?;
    let scanned = attributes::scan(inside, 0..inside.len()).map_err(|_| error(Reason::Declaration))?;
    let pairs: Vec<(&str, &str)> = scanned
        .iter()
        .map(|a| (&inside[a.name.clone()], &inside[a.value.clone()]))
        .collect();
    if pairs.first().is_none_or(|pair| *pair != ("version", "1.0")) {
        return Err(error(Reason::Version));
    }
    let known = ["version", "encoding", "standalone"];
    if pairs
        .iter()
        .any(|(name, value)| !known.contains(name) || is_blank(value))
    {
        return Err(error(Reason::Declaration));
    }
    match pairs.iter().find(|(name, _)| *name == "encoding") {
        None => Ok(None),
        Some((_, label)) if label.to_ascii_lowercase().starts_with("utf-16") => Err(error(Reason::Utf16)),
        Some((_, label)) => match Encoding::from_label(label) {
            Some(encoding) => Ok(Some(encoding)),
            None => Err(error(Reason::UnsupportedEncoding((*label).to_owned()))),
        },
    }
}
