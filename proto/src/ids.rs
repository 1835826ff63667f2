//! Names and hashes as types of their own, so that one can't stand where another belongs.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use uuid::Uuid;

/// A text that is not a valid name, id or hash.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a valid {what}: {why}")]
pub struct InvalidId {
    what: &'static str,
    text: String,
    why: &'static str,
}

macro_rules! text_id {
    ($(#[$meta:meta])* $name:ident, $what:literal, $max:literal, $extra:literal) => {
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// The text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;

            fn from_str(text: &str) -> Result<Self, InvalidId> {
                let invalid = |why| InvalidId { what: $what, text: text.to_owned(), why };
                if text.is_empty() || text.len() > $max {
                    return Err(invalid(concat!("it must be 1 to ", stringify!($max), " characters long")));
                }
                if !text.chars().all(|c| c.is_ascii_alphanumeric() || $extra.contains(c)) {
                    return Err(invalid(concat!("only letters, digits and any of `", $extra, "` may stand in it")));
                }
                Ok(Self(text.to_owned()))
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidId;

            fn try_from(text: String) -> Result<Self, InvalidId> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> String {
                id.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

text_id! {
    /// A node: one Carbon host with one agent. Given at enrolment and bound to the agent's certificate.
    NodeName, "node name", 64, "-_."
}
text_id! {
    /// A step within its plan, for example `quiesce.stop@dss-1`.
    StepId, "step id", 200, "-_.@:/"
}

/// One execution of a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RunId(Uuid);

impl RunId {
    /// Wraps a UUID; version 7 keeps runs in the order of their start.
    #[must_use]
    pub fn new(uuid: Uuid) -> Self {
        Self(uuid)
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for RunId {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        Uuid::parse_str(text).map(Self).map_err(|_| InvalidId {
            what: "run id",
            text: text.to_owned(),
            why: "it must be a UUID as `cutover status` prints it",
        })
    }
}

/// SHA-256 of some content, as lower-case hex: plans, scripts, distributions, actions.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Sha256Hex(String);

impl Sha256Hex {
    /// Hashes bytes.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self(hex::encode(Sha256::digest(bytes)))
    }

    /// The 64 hex digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The first twelve digits: enough for a person.
    #[must_use]
    pub fn short(&self) -> &str {
        self.0.get(..12).unwrap_or(&self.0)
    }
}

impl FromStr for Sha256Hex {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        if text.len() == 64 && text.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Ok(Self(text.to_ascii_lowercase()));
        }
        Err(InvalidId {
            what: "SHA-256",
            text: text.to_owned(),
            why: "it must be 64 hex digits",
        })
    }
}

impl TryFrom<String> for Sha256Hex {
    type Error = InvalidId;

    fn try_from(text: String) -> Result<Self, InvalidId> {
        text.parse()
    }
}

impl From<Sha256Hex> for String {
    fn from(hash: Sha256Hex) -> String {
        hash.0
    }
}

impl fmt::Display for Sha256Hex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Doing a step or taking it back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// Carry the step out.
    Do,
    /// Return to how it was before the step.
    Undo,
}

impl fmt::Display for Direction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Direction::Do => "do",
            Direction::Undo => "undo",
        })
    }
}

/// One try of one step of one run: the key under which both sides journal it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct CommandId {
    /// The run.
    pub run: RunId,
    /// The step.
    pub step: StepId,
    /// 1 for the first try.
    pub attempt: u32,
    /// Doing or undoing.
    pub direction: Direction,
}

impl fmt::Display for CommandId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}/{}/{}/{}",
            self.run, self.step, self.direction, self.attempt
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn node_name_when_it_could_leave_a_path_then_refused() {
        assert!("dss-1.example".parse::<NodeName>().is_ok());
        for bad in ["", "a/b", "a b", "x\n"] {
            assert!(bad.parse::<NodeName>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn sha256_when_upper_case_then_same_value() {
        let lower = Sha256Hex::of(b"x");
        assert_eq!(lower.as_str().to_uppercase().parse::<Sha256Hex>().unwrap(), lower);
        assert!("abc".parse::<Sha256Hex>().is_err());
    }
}
