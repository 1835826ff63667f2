//! Edits a configuration file in place, byte-exactly. The original is kept, so that the undo gives back the very
//! bytes, and only if nobody has changed the file since.

use std::path::PathBuf;

use cutover_files::Root;
use cutover_files::atomic::{self, Marks};
use cutover_proto::crash;
use cutover_proto::ids::{CommandId, Sha256Hex};
use cutover_proto::report::{ErrorCode, Receipt, StepError, StepOutcome};
use cutover_proto::step::{ConfigValue, XmlEdit};
use cutover_xmledit::{Document, Path, diff};
use secrecy::{ExposeSecret, SecretString};

use super::files;
use crate::durable;
use crate::fault;
use crate::task::Task;

/// A diff in a receipt is cut here: it is evidence, not the file.
const DIFF_MAX: usize = 16 << 10;

/// An edit with its value at hand.
struct Edit {
    path: Path,
    value: SecretString,
    is_secret: bool,
}

pub(super) async fn perform(task: &Task, home: &str, file: &str, edits: &[XmlEdit]) -> StepOutcome {
    let (home, file) = (task.home(home)?, file.to_owned());
    let edits: Vec<Edit> = edits
        .iter()
        .map(|edit| prepare(task, edit))
        .collect::<Result<_, _>>()?;
    let (task, original) = (task.clone(), original_path(task)?);
    let owner = task.clone();
    owner
        .blocking(move |_, _| {
            let root = files::root(&home)?;
            let before = read(&root, &file)?;
            let edited = edit(&before, &edits, &file)?;
            let (hash, new_hash) = (Sha256Hex::of(&before), Sha256Hex::of(&edited.bytes));
            keep_original(&task, &original, &before, &hash)?;
            task.note("file", &file)?;
            note_written(&task, &new_hash)?;
            crash::point("original-kept", "edit-xml");
            if edited.bytes != before {
                atomic::write(&root, &file, &edited.bytes, Marks::default())
                    .map_err(|error| files::beneath(&format!("`{file}` can't be written"), &error))?;
            }
            Ok(Receipt::new()
                .with("file", &file)
                .with("sha256_before", task.noted("sha256_before").unwrap_or_default())
                .with("sha256_after", new_hash)
                .with("changed", edited.bytes != before)
                .with("edits", edits.len())
                .with("diff", edited.diff))
        })
        .await
}

fn prepare(task: &Task, edit: &XmlEdit) -> Result<Edit, StepError> {
    let path: Path = edit.path.parse().map_err(|error| {
        let what = format!("the path `{}` can't be used", edit.path);
        fault::other(
            ErrorCode::ConfigRefused,
            what,
            &error,
            "correct the path in the guide or upgrade file",
        )
    })?;
    let (value, secret) = match &edit.value {
        ConfigValue::Literal(text) => (SecretString::from(text.clone()), false),
        ConfigValue::Secret(reference) => (task.secret(reference)?, true),
        ConfigValue::Carried(_) | ConfigValue::Element(_) => {
            return Err(StepError::new(
                ErrorCode::ConfigRefused,
                format!("{} was not edited", edit.path),
                "this agent can't carry values from another home",
                "upgrade the agent",
            ));
        }
    };
    let lower = edit.path.to_ascii_lowercase();
    let named = ["password", "passwd", "pass", "pwd", "secret"]
        .iter()
        .any(|word| lower.ends_with(word) || lower.contains(&format!("'{word}'")));
    Ok(Edit {
        path,
        value,
        is_secret: secret || named,
    })
}

struct Edited {
    bytes: Vec<u8>,
    diff: String,
}

fn edit(before: &[u8], edits: &[Edit], file: &str) -> Result<Edited, StepError> {
    let refused = |error: &dyn std::error::Error| {
        fault::other(
            ErrorCode::ConfigRefused,
            format!("`{file}` was not edited"),
            error,
            "do what the reason says, or correct the edit in the upgrade file; the file is as it was",
        )
    };
    let mut document = Document::parse(before).map_err(|error| refused(&error))?;
    let mut hidden: Vec<String> = Vec::new();
    for edit in edits {
        let value = edit.value.expose_secret();
        let change = document
            .ensure(&edit.path, value)
            .map_err(|error| refused(&error))?;
        if edit.is_secret {
            hidden.push(value.to_owned());
            hidden.extend(change.before().map(str::to_owned));
        }
    }
    let bytes = document.to_bytes();
    let hidden: Vec<&str> = hidden
        .iter()
        .map(String::as_str)
        .filter(|value| !value.is_empty())
        .collect();
    let mut shown = diff(before, &bytes, &hidden);
    if shown.len() > DIFF_MAX {
        let cut = (0..=DIFF_MAX)
            .rev()
            .find(|&at| shown.is_char_boundary(at))
            .unwrap_or(0);
        shown.truncate(cut);
        shown.push_str("\n… (cut)\n");
    }
    Ok(Edited { bytes, diff: shown })
}

fn read(root: &Root, file: &str) -> Result<Vec<u8>, StepError> {
    root.read(file)
        .map_err(|error| files::beneath(&format!("`{file}` can't be read"), &error))
}

fn original_path(task: &Task) -> Result<PathBuf, StepError> {
    let folder = task.agent.state_folder("originals").map_err(|error| {
        fault::io(
            "make the folder for originals in",
            &task.agent.config.state_dir,
            &error,
        )
    })?;
    Ok(folder.join(files::step_key(task)))
}

/// Keeps the bytes from before the step's first try; later tries find the file edited already.
fn keep_original(
    task: &Task,
    path: &std::path::Path,
    bytes: &[u8],
    hash: &Sha256Hex,
) -> Result<(), StepError> {
    if task.noted("sha256_before").is_some() {
        return Ok(());
    }
    durable::write_private(path, bytes).map_err(|error| fault::io("keep the original in", path, &error))?;
    task.note("sha256_before", hash.as_str())
}

/// Remembers every content that any try of the step may have written.
fn note_written(task: &Task, hash: &Sha256Hex) -> Result<(), StepError> {
    let known = task.noted("sha256_after").unwrap_or_default();
    if known.split(' ').any(|one| one == hash.as_str()) {
        return Ok(());
    }
    task.note("sha256_after", format!("{known} {hash}").trim())
}

/// Gives the original bytes back.
pub(super) async fn undo(task: &Task, home: &str, file: &str) -> StepOutcome {
    let (home, file) = (task.home(home)?, file.to_owned());
    let Some(hash_before) = task.noted("sha256_before") else {
        return Ok(Receipt::new().with("undone", "nothing: the step had not edited the file"));
    };
    let (hash_after, path) = (
        task.noted("sha256_after").unwrap_or_default(),
        original_path(task)?,
    );
    let id = task.command.id.clone();
    task.blocking(move |_, _| {
        let receipt = Receipt::new()
            .with("file", &file)
            .with("sha256_after", &hash_before);
        let gone = "no: the file is gone, and its home with it";
        if !home.exists() {
            return Ok(receipt.with("restored", gone));
        }
        let root = files::root(&home)?;
        let there = root.exists(&file);
        if !there.map_err(|error| files::beneath(&format!("`{file}` can't be looked at"), &error))? {
            return Ok(receipt.with("restored", gone));
        }
        let now = Sha256Hex::of(&read(&root, &file)?);
        if now.as_str() == hash_before {
            return Ok(receipt.with("restored", "no: it is the original already"));
        }
        if !hash_after.split(' ').any(|one| one == now.as_str()) {
            return Err(changed_since(&id, &file, &path));
        }
        let original =
            std::fs::read(&path).map_err(|error| fault::io("read the original in", &path, &error))?;
        if Sha256Hex::of(&original).as_str() != hash_before {
            return Err(changed_since(&id, &file, &path));
        }
        atomic::write(&root, &file, &original, Marks::default())
            .map_err(|error| files::beneath(&format!("`{file}` can't be written"), &error))?;
        Ok(receipt.with("restored", "yes").with("sha256_before", now))
    })
    .await
}

fn changed_since(id: &CommandId, file: &str, original: &std::path::Path) -> StepError {
    StepError::new(
        ErrorCode::ConfigRefused,
        format!("`{file}` was not put back"),
        "someone has changed it since it was edited, and that would be lost",
        format!(
            "compare it with the original, kept in `{}`, and put back what is right; then give this undo up with \
             `cutover skip {} --step {} --reason WHY`",
            original.display(),
            id.run,
            id.step
        ),
    )
}
