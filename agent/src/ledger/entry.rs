//! One line of the journal.

use cutover_proto::ids::{CommandId, Sha256Hex};
use cutover_proto::report::StepOutcome;
use serde::{Deserialize, Serialize};

/// What a line can say.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub(super) enum Entry {
    /// A coordinator of this epoch was seen.
    Epoch { epoch: u64 },
    /// The command will be carried out.
    Intent {
        id: CommandId,
        content: Sha256Hex,
        plan: Sha256Hex,
        epoch: u64,
    },
    /// A fact that a later attempt or the undo needs.
    Note {
        id: CommandId,
        key: String,
        value: String,
    },
    /// The command ended.
    Result { id: CommandId, outcome: StepOutcome },
    /// The coordinator has the result.
    Acked { id: CommandId },
}

/// Hex digits of the checksum.
const CHECK: usize = 16;

impl Entry {
    /// The line, with its checksum in front and its line end.
    pub(super) fn to_line(&self) -> Result<Vec<u8>, serde_json::Error> {
        let json = serde_json::to_vec(self)?;
        let mut line = check_sum(&json).into_bytes();
        line.push(b' ');
        line.extend_from_slice(&json);
        line.push(b'\n');
        Ok(line)
    }

    /// Reads a line without its end. `None` when it is torn or damaged.
    pub(super) fn from_line(line: &[u8]) -> Option<Self> {
        let (check, json) = line.split_at_checked(CHECK + 1)?;
        let check = check.strip_suffix(b" ")?;
        if check != check_sum(json).as_bytes() {
            return None;
        }
        serde_json::from_slice(json).ok()
    }
}

fn check_sum(json: &[u8]) -> String {
    let mut text = blake3::hash(json).to_hex().to_string();
    text.truncate(CHECK);
    text
}
