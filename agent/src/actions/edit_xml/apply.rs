//! The edits of one file, done to its bytes.

use std::path::Path as FilePath;

use cutover_files::Root;
use cutover_proto::report::{ErrorCode, StepError};
use cutover_xmledit::{Document, diff};
use secrecy::{ExposeSecret, SecretString};

use super::carried::{Carrier, Carry};
use super::{Edit, What};
use crate::facts::conf::without_password;
use crate::fault;
use crate::secret;

/// A diff in a receipt is cut here: it is evidence, not the file.
const DIFF_MAX: usize = 16 << 10;

/// What the edits made of the file.
#[derive(Debug)]
pub(super) struct Edited {
    pub(super) bytes: Vec<u8>,
    pub(super) diff: String,
    /// Values and elements that came from another home.
    pub(super) carried: usize,
    /// Places that the file lacks and that were to be left out then.
    pub(super) absent: Vec<String>,
    /// Places whose value Secure Vault or encryption keeps already, with why they were left.
    pub(super) left: Vec<String>,
}

pub(super) fn edit(
    root: &Root,
    home: &FilePath,
    before: &[u8],
    edits: &[Edit],
    file: &str,
) -> Result<Edited, StepError> {
    let mut document = Document::parse(before).map_err(|error| refused(file, &error))?;
    let mut hidden = secret::in_file(&document, before);
    let mut edited = Edited {
        bytes: Vec::new(),
        diff: String::new(),
        carried: 0,
        absent: Vec::new(),
        left: Vec::new(),
    };
    let mut carrier = Carrier::new(root, home, file);
    for edit in edits {
        if edit.only_if_present && document.count(&edit.path) == 0 {
            edited.absent.push(edit.path.to_string());
            continue;
        }
        match &edit.what {
            What::Value { value, secret } => {
                let value = value.expose_secret();
                let old = document.text(&edit.path).ok().flatten();
                document
                    .ensure(&edit.path, value)
                    .map_err(|error| refused(file, &error))?;
                if *secret || secret::is_secret_path(&edit.path) {
                    hidden.push(value.to_owned());
                    hidden.extend(old);
                }
            }
            What::Carried(place) => match carrier.value(&document, &edit.path, place)? {
                Carry::Value(value) => {
                    document
                        .ensure(&edit.path, value.expose_secret())
                        .map_err(|error| refused(file, &error))?;
                    hide_carried(&value, edit, &mut hidden);
                    edited.carried += 1;
                }
                Carry::Left(why) => edited.left.push(why),
            },
            What::Element(place) => {
                let source = carrier.element(&document, &edit.path, place)?;
                document
                    .insert_copy(&edit.path, source, &place.path)
                    .map_err(|error| refused(file, &error))?;
                edited.carried += 1;
            }
        }
    }
    edited.bytes = document.to_bytes();
    hidden.extend(secret::in_file(&document, &edited.bytes));
    edited.diff = shown(before, &edited.bytes, &hidden);
    Ok(edited)
}

/// A value from the old home is a secret when either place is named so, or when it holds a password.
fn hide_carried(value: &SecretString, edit: &Edit, hidden: &mut Vec<String>) {
    let text = value.expose_secret();
    if secret::is_secret_path(&edit.path) || without_password(text) != text {
        hidden.push(text.to_owned());
    }
}

fn shown(before: &[u8], after: &[u8], hidden: &[String]) -> String {
    let hidden: Vec<&str> = hidden
        .iter()
        .map(String::as_str)
        .filter(|value| !value.is_empty())
        .collect();
    let mut shown: String = diff(before, after, &hidden)
        .lines()
        .map(|line| line_shown(line) + "\n")
        .collect();
    if shown.len() > DIFF_MAX {
        let cut = (0..=DIFF_MAX)
            .rev()
            .find(|&at| shown.is_char_boundary(at))
            .unwrap_or(0);
        shown.truncate(cut);
        shown.push_str("\n… (cut)\n");
    }
    shown
}

/// What looks like a password and is no value of the file, such as one in the words of a comment.
fn line_shown(line: &str) -> String {
    if line.contains("********") && !line.contains("jdbc:") {
        return line.to_owned();
    }
    without_password(line)
}

pub(super) fn refused(file: &str, error: &dyn std::error::Error) -> StepError {
    fault::other(
        ErrorCode::ConfigRefused,
        format!("`{file}` was not edited"),
        error,
        "do what the reason says, or correct the edit in the upgrade file; the file is as it was",
    )
}
