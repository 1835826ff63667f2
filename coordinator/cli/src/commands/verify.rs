//! `cutover audit verify`: proves an export with nothing but the coordinator's audit key.

use std::path::Path;

use cutover_proto::audit;
use serde_json::json;

use super::read_file;
use crate::console::Console;
use crate::error::CliError;
use crate::exit::Exit;
use crate::human;

pub(super) fn run(console: &Console, file: &Path, key: &Path) -> Result<Exit, CliError> {
    let key_text = read_file(key)?;
    let public_key = hex::decode(key_text.trim())
        .ok()
        .filter(|key| key.len() == 32)
        .ok_or_else(|| {
            CliError::input(format!("{} is not an audit key", key.display()))
                .why("an Ed25519 public key is 64 hex digits")
                .next("use audit.pub of the operator profile")
        })?;
    // An export with bytes that are no text was tampered with too: their place is named like any other's.
    let bytes = std::fs::read(file).map_err(|error| {
        CliError::input(format!("cannot read {}", file.display()))
            .why(error)
            .next("check the name and its rights")
    })?;
    let text = String::from_utf8_lossy(&bytes);
    let proven = audit::verify(text.lines(), &public_key);
    if console.json {
        console.print_json(&match &proven {
            Ok(records) => json!({ "whole": true, "records": records }),
            Err(fault) => json!({ "whole": false, "fault": fault.to_string() }),
        })?;
    } else {
        console.print(&match &proven {
            Ok(records) => {
                let count = human::count(usize::try_from(*records).unwrap_or(usize::MAX), "record");
                format!(
                    "whole: {count}, nothing changed, removed or moved; the end is signed by the coordinator"
                )
            }
            Err(fault) => format!("BROKEN: {fault}"),
        })?;
    }
    Ok(if proven.is_ok() { Exit::Done } else { Exit::Failed })
}
