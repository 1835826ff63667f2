//! Originals of edited files: kept for the undo, and as what the new version shipped.

use std::fs;
use std::path::{Path, PathBuf};

use cutover_proto::ids::{RunId, Sha256Hex};
use cutover_proto::report::StepError;
use serde::{Deserialize, Serialize};

use super::files;
use crate::durable;
use crate::fault;
use crate::task::Task;

/// What an original is the original of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Label {
    run: RunId,
    home: PathBuf,
    file: String,
    before: Sha256Hex,
}

/// Where the original of this step's file is kept.
pub(super) fn path(task: &Task) -> Result<PathBuf, StepError> {
    Ok(folder(task)?.join(files::step_key(task)))
}

fn folder(task: &Task) -> Result<PathBuf, StepError> {
    task.agent.state_folder("originals").map_err(|error| {
        fault::io(
            "make the folder for originals in",
            &task.agent.config.state_dir,
            &error,
        )
    })
}

fn label_path(original: &Path) -> PathBuf {
    original.with_extension("json")
}

/// Keeps the bytes from before the step's first try; later tries find the file edited already.
pub(super) fn keep(task: &Task, home: &Path, file: &str, bytes: &[u8]) -> Result<(), StepError> {
    if task.noted("sha256_before").is_some() {
        return Ok(());
    }
    let original = path(task)?;
    let before = Sha256Hex::of(bytes);
    let label = Label {
        run: task.command.id.run,
        home: home.to_owned(),
        file: file.to_owned(),
        before: before.clone(),
    };
    let json =
        serde_json::to_vec(&label).map_err(|error| fault::internal("a label can't be written", &error))?;
    let failed = |error: std::io::Error| fault::io("keep the original in", &original, &error);
    durable::write_private(&original, bytes).map_err(failed)?;
    durable::write_private(&label_path(&original), &json).map_err(failed)?;
    task.note("sha256_before", before.as_str())
}

/// What a file of a home was before this run edited it first; `None` when it has not.
pub(super) fn before_run(task: &Task, home: &Path, file: &str) -> Result<Option<Vec<u8>>, StepError> {
    let folder = folder(task)?;
    let failed = |error: std::io::Error| fault::io("read", &folder, &error);
    let mut found: Vec<(std::time::SystemTime, PathBuf, Label)> = Vec::new();
    for entry in fs::read_dir(&folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let path = entry.path();
        if path.extension().is_none_or(|extension| extension != "json") {
            continue;
        }
        let label: Option<Label> = serde_json::from_slice(&fs::read(&path).map_err(failed)?).ok();
        let ours =
            |label: &Label| label.run == task.command.id.run && label.home == home && label.file == file;
        if let Some(label) = label.filter(ours) {
            let written = entry
                .metadata()
                .and_then(|meta| meta.modified())
                .map_err(failed)?;
            found.push((written, path.with_extension(""), label));
        }
    }
    found.sort_by(|a, b| (a.0, &a.1).cmp(&(b.0, &b.1)));
    let Some((_, original, label)) = found.into_iter().next() else {
        return Ok(None);
    };
    let bytes = fs::read(&original).map_err(|error| fault::io("read the original in", &original, &error))?;
    Ok((Sha256Hex::of(&bytes) == label.before).then_some(bytes))
}
