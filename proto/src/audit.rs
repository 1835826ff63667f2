//! The audit trail's form, and its proof offline.
//!
//! Each record carries the hash of the one before it, so a changed, removed or inserted record breaks the chain.
//! An export ends with a head that the coordinator signed over the last hash and the count, so a shortened trail
//! is found too.

use std::collections::BTreeMap;

use ring::signature::{ED25519, UnparsedPublicKey};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// The hash that the first record names as its predecessor.
pub const GENESIS: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// What happened: everything but its place in the chain.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditEntry {
    /// When (RFC 3339, the coordinator's clock).
    pub at: String,
    /// Who: `operator:alice`, `node:dss-1`, `coordinator`.
    pub actor: String,
    /// What, for example `step.started`, `token.created`, `statement.done`.
    pub action: String,
    /// The run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<String>,
    /// The node.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    /// The database.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub database: Option<String>,
    /// The step.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<String>,
    /// The try.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempt: Option<u32>,
    /// Arguments; secrets are references.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub arguments: BTreeMap<String, String>,
    /// `ok`, or the error.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<String>,
    /// How long it took.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub millis: Option<u64>,
    /// Evidence: hashes, counts, positions.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub evidence: BTreeMap<String, String>,
}

/// A record in the chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditRecord {
    /// 1 for the first.
    pub seq: u64,
    /// What happened.
    pub entry: AuditEntry,
    /// Hash of the record before.
    pub prev: String,
    /// Hash of this one.
    pub hash: String,
}

impl AuditRecord {
    /// Puts an entry behind the record with hash `prev`.
    #[must_use]
    pub fn chain(seq: u64, entry: AuditEntry, prev: &str) -> Self {
        let hash = record_hash(seq, &entry, prev);
        Self {
            seq,
            entry,
            prev: prev.to_owned(),
            hash,
        }
    }
}

fn record_hash(seq: u64, entry: &AuditEntry, prev: &str) -> String {
    let mut hasher = Sha256::new();
    hasher.update(b"cutover-audit-v1\0");
    hasher.update(seq.to_be_bytes());
    hasher.update(prev.as_bytes());
    hasher.update(serde_json::to_vec(entry).unwrap_or_default());
    hex::encode(hasher.finalize())
}

/// The signed end of an export.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditHead {
    /// Sequence number of the last record; 0 when there is none.
    pub last: u64,
    /// Its hash.
    pub hash: String,
    /// When it was signed (RFC 3339).
    pub at: String,
    /// Ed25519 signature over the three, hex.
    pub signature: String,
}

impl AuditHead {
    /// The bytes that are signed.
    #[must_use]
    pub fn message(last: u64, hash: &str, at: &str) -> Vec<u8> {
        format!("cutover-audit-head-v1\n{last}\n{hash}\n{at}\n").into_bytes()
    }
}

/// A line of an export.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AuditLine {
    /// A record.
    Record(Box<AuditRecord>),
    /// The signed end.
    Head(AuditHead),
}

/// What is wrong with an export, and with which record first.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AuditFault {
    /// The line is not a record.
    #[error("line {line} is not an audit record: {why}")]
    Unreadable {
        /// The line, from 1.
        line: usize,
        /// Why.
        why: String,
    },
    /// The line holds more or other bytes than the coordinator wrote.
    #[error("line {line} was altered: it is not written as the coordinator writes it")]
    Altered {
        /// The line, from 1.
        line: usize,
    },
    /// A record is missing, doubled or moved.
    #[error(
        "line {line}: record {found} stands where record {expected} belongs: records were removed, doubled or moved"
    )]
    Gap {
        /// The line.
        line: usize,
        /// The number expected.
        expected: u64,
        /// The number found.
        found: u64,
    },
    /// A record's content is not what was hashed.
    #[error("line {line}: record {seq} was changed: its content does not give its hash")]
    Changed {
        /// The line.
        line: usize,
        /// The record.
        seq: u64,
    },
    /// A record does not follow the one before it.
    #[error("line {line}: record {seq} does not follow record {}: one of them was replaced", seq.saturating_sub(1))]
    BrokenLink {
        /// The line.
        line: usize,
        /// The record.
        seq: u64,
    },
    /// The signed end is missing.
    #[error("the export has no signed head: it was cut short, or it is still being written")]
    NoHead,
    /// The signed end names another record than the last one.
    #[error(
        "the signed head names record {head}, but the last record is {last}: the end was cut off or added to"
    )]
    WrongEnd {
        /// The number signed.
        head: u64,
        /// The number found.
        last: u64,
    },
    /// The signature is not the coordinator's.
    #[error("the head's signature does not fit the coordinator's audit key")]
    BadSignature,
}

/// Proves an export of the whole trail.
///
/// # Errors
/// The first fault found, naming the first bad record.
pub fn verify<'a>(lines: impl Iterator<Item = &'a str>, public_key: &[u8]) -> Result<u64, AuditFault> {
    let mut last = (0_u64, GENESIS.to_owned());
    let mut head = None;
    for (index, text) in lines.enumerate().filter(|(_, text)| !text.trim().is_empty()) {
        let line = index + 1;
        let parsed: AuditLine = serde_json::from_str(text).map_err(|e| AuditFault::Unreadable {
            line,
            why: e.to_string(),
        })?;
        if head.is_some() {
            return Err(AuditFault::Unreadable {
                line,
                why: "nothing may follow the signed head".into(),
            });
        }
        // Every byte of a line is ours: what JSON would let pass (keys added, doubled or moved) was not written by us.
        if serde_json::to_string(&parsed).ok().as_deref() != Some(text.trim_end()) {
            return Err(AuditFault::Altered { line });
        }
        match parsed {
            AuditLine::Record(record) => last = check_record(line, &record, &last)?,
            AuditLine::Head(found) => head = Some(found),
        }
    }
    let head = head.ok_or(AuditFault::NoHead)?;
    if head.last != last.0 || head.hash != last.1 {
        return Err(AuditFault::WrongEnd {
            head: head.last,
            last: last.0,
        });
    }
    let signature = hex::decode(&head.signature).map_err(|_| AuditFault::BadSignature)?;
    UnparsedPublicKey::new(&ED25519, public_key)
        .verify(&AuditHead::message(head.last, &head.hash, &head.at), &signature)
        .map_err(|_| AuditFault::BadSignature)?;
    Ok(last.0)
}

fn check_record(
    line: usize,
    record: &AuditRecord,
    last: &(u64, String),
) -> Result<(u64, String), AuditFault> {
    let expected = last.0 + 1;
    if record.seq != expected {
        return Err(AuditFault::Gap {
            line,
            expected,
            found: record.seq,
        });
    }
    if record_hash(record.seq, &record.entry, &record.prev) != record.hash {
        return Err(AuditFault::Changed {
            line,
            seq: record.seq,
        });
    }
    if record.prev != last.1 {
        return Err(AuditFault::BrokenLink {
            line,
            seq: record.seq,
        });
    }
    Ok((record.seq, record.hash.clone()))
}

#[cfg(test)]
mod tests {
    use ring::signature::{Ed25519KeyPair, KeyPair};

    use super::*;

    fn export(count: u64) -> (Vec<AuditLine>, Vec<u8>) {
        let pair = Ed25519KeyPair::from_seed_unchecked(&[7; 32]).unwrap();
        let mut prev = GENESIS.to_owned();
        let mut lines = Vec::new();
        for seq in 1..=count {
            let entry = AuditEntry {
                actor: "coordinator".into(),
                action: format!("act {seq}"),
                ..AuditEntry::default()
            };
            let record = AuditRecord::chain(seq, entry, &prev);
            prev.clone_from(&record.hash);
            lines.push(AuditLine::Record(Box::new(record)));
        }
        let at = "2026-01-01T00:00:00Z".to_owned();
        let signature = hex::encode(pair.sign(&AuditHead::message(count, &prev, &at)));
        lines.push(AuditLine::Head(AuditHead {
            last: count,
            hash: prev,
            at,
            signature,
        }));
        (lines, pair.public_key().as_ref().to_vec())
    }

    fn check(lines: &[AuditLine], key: &[u8]) -> Result<u64, AuditFault> {
        let text: Vec<String> = lines
            .iter()
            .map(|line| serde_json::to_string(line).unwrap())
            .collect();
        verify(text.iter().map(String::as_str), key)
    }

    #[test]
    fn export_when_untouched_then_proven() {
        let (lines, key) = export(5);
        assert_eq!(check(&lines, &key), Ok(5));
    }

    #[test]
    fn record_when_changed_then_named() {
        let (mut lines, key) = export(5);
        if let Some(AuditLine::Record(record)) = lines.get_mut(2) {
            record.entry.action = "something else".into();
        }
        assert_eq!(check(&lines, &key), Err(AuditFault::Changed { line: 3, seq: 3 }));
    }

    #[test]
    fn line_when_a_key_is_added_then_found() {
        let (lines, key) = export(2);
        let mut text: Vec<String> = lines
            .iter()
            .map(|line| serde_json::to_string(line).unwrap())
            .collect();
        text[0] = text[0].replacen("\"actor\"", "\"note\":\"approved\",\"actor\"", 1);
        assert_eq!(
            verify(text.iter().map(String::as_str), &key),
            Err(AuditFault::Altered { line: 1 })
        );
    }

    #[test]
    fn record_when_rehashed_then_the_next_link_breaks() {
        let (mut lines, key) = export(5);
        if let Some(AuditLine::Record(record)) = lines.get_mut(2) {
            let entry = AuditEntry {
                action: "forged".into(),
                ..AuditEntry::default()
            };
            **record = AuditRecord::chain(3, entry, &record.prev.clone());
        }
        assert_eq!(
            check(&lines, &key),
            Err(AuditFault::BrokenLink { line: 4, seq: 4 })
        );
    }

    #[test]
    fn record_when_removed_then_gap_is_named() {
        let (mut lines, key) = export(5);
        lines.remove(2);
        assert_eq!(
            check(&lines, &key),
            Err(AuditFault::Gap {
                line: 3,
                expected: 3,
                found: 4
            })
        );
    }

    #[test]
    fn end_when_cut_off_then_found() {
        let (mut lines, key) = export(5);
        lines.remove(4);
        assert_eq!(
            check(&lines, &key),
            Err(AuditFault::WrongEnd { head: 5, last: 4 })
        );
        lines.pop();
        assert_eq!(check(&lines, &key), Err(AuditFault::NoHead));
    }

    #[test]
    fn head_when_signed_by_another_key_then_refused() {
        let (lines, _) = export(2);
        let other = Ed25519KeyPair::from_seed_unchecked(&[8; 32]).unwrap();
        assert_eq!(
            check(&lines, other.public_key().as_ref()),
            Err(AuditFault::BadSignature)
        );
    }
}
