//! Edits a configuration file in place, byte-exactly. The original is kept, so that the undo gives back the very
//! bytes, and only if nobody has changed the file since.

mod apply;
mod carried;

use std::path::{Path, PathBuf};

use cutover_files::Root;
use cutover_files::atomic::{self, Marks};
use cutover_proto::crash;
use cutover_proto::ids::{CommandId, Sha256Hex};
use cutover_proto::report::{ErrorCode, Receipt, StepError, StepOutcome};
use cutover_proto::step::{ConfigValue, HomeValue, XmlEdit};
use secrecy::SecretString;

use super::{files, originals};
use crate::fault;
use crate::task::Task;

/// An edit with what it needs at hand.
#[derive(Debug)]
struct Edit {
    path: cutover_xmledit::Path,
    what: What,
    only_if_present: bool,
}

#[derive(Debug)]
enum What {
    Value { value: SecretString, secret: bool },
    Carried(Place),
    Element(Place),
}

/// A place in a file of another home.
#[derive(Debug)]
struct Place {
    home: PathBuf,
    file: String,
    path: cutover_xmledit::Path,
}

pub(super) async fn perform(task: &Task, home: &str, places: Vec<String>, edits: &[XmlEdit]) -> StepOutcome {
    let home = task.home(home)?;
    let edits: Vec<Edit> = edits
        .iter()
        .map(|edit| prepare(task, edit))
        .collect::<Result<_, _>>()?;
    let task = task.clone();
    let owner = task.clone();
    owner
        .blocking(move |_, _| {
            let root = files::root(&home)?;
            let file = the_one(&root, &places)?;
            let now = read(&root, &file)?;
            let before = original_if_ours(&task, &now)?.unwrap_or_else(|| now.clone());
            let edited = apply::edit(&root, &home, &before, &edits, &file)?;
            let new_hash = Sha256Hex::of(&edited.bytes);
            task.note("file", &file)?;
            originals::keep(&task, &home, &file, &now)?;
            note_written(&task, &new_hash)?;
            crash::point("original-kept", "edit-xml");
            if edited.bytes != now {
                atomic::write(&root, &file, &edited.bytes, Marks::default())
                    .map_err(|error| files::beneath(&format!("`{file}` can't be written"), &error))?;
            }
            Ok(Receipt::new()
                .with("file", &file)
                .with("sha256_before", task.noted("sha256_before").unwrap_or_default())
                .with("sha256_after", new_hash)
                .with("changed", edited.bytes != now)
                .with("edits", edits.len())
                .with("carried", edited.carried)
                .with("absent", listed(&edited.absent))
                .with("left_protected", listed(&edited.left))
                .with("diff", edited.diff))
        })
        .await
}

fn listed(all: &[String]) -> String {
    match all.len() {
        0 => "0".to_owned(),
        count => format!("{count}: {}", all.join(", ")),
    }
}

fn prepare(task: &Task, edit: &XmlEdit) -> Result<Edit, StepError> {
    let what = match &edit.value {
        ConfigValue::Literal(text) => What::Value {
            value: SecretString::from(text.clone()),
            secret: false,
        },
        ConfigValue::Secret(reference) => What::Value {
            value: task.secret(reference)?,
            secret: true,
        },
        ConfigValue::Carried(place) => What::Carried(prepare_place(task, place)?),
        ConfigValue::Element(place) => What::Element(prepare_place(task, place)?),
    };
    Ok(Edit {
        path: parse(&edit.path)?,
        what,
        only_if_present: edit.only_if_present,
    })
}

fn prepare_place(task: &Task, place: &HomeValue) -> Result<Place, StepError> {
    Ok(Place {
        home: task.home(&place.home)?,
        file: place.file.clone(),
        path: parse(&place.path)?,
    })
}

fn parse(path: &str) -> Result<cutover_xmledit::Path, StepError> {
    path.parse().map_err(|error| {
        let what = format!("the path `{path}` can't be used");
        let next = "correct the path in the guide or upgrade file";
        fault::other(ErrorCode::ConfigRefused, what, &error, next)
    })
}

/// The one of several places where the file lies.
fn the_one(root: &Root, places: &[String]) -> Result<String, StepError> {
    let mut found: Vec<&String> = Vec::new();
    for place in places {
        let there = root
            .exists(place)
            .map_err(|error| files::beneath(&format!("`{place}` can't be looked at"), &error))?;
        found.extend(there.then_some(place).filter(|place| !found.contains(place)));
    }
    let names = |places: &[&String]| {
        let names: Vec<String> = places.iter().map(|place| format!("`{place}`")).collect();
        names.join(" and ")
    };
    match found.as_slice() {
        [one] => Ok((*one).clone()),
        [] => Err(StepError::new(
            ErrorCode::NotFound,
            "the file was not edited",
            format!("{} is not there", names(&places.iter().collect::<Vec<_>>())),
            "look where the new home has this file, and correct the path in the guide or upgrade file",
        )),
        several => Err(StepError::new(
            ErrorCode::ConfigRefused,
            "the file was not edited",
            format!(
                "{} are all there, and only one of them is read by the server",
                names(several)
            ),
            "remove the one that the product does not read, then retry the step",
        )),
    }
}

/// What the file was before this step, when what it is now is this step's own work: a try that is repeated does the
/// same edits to the same bytes, whatever they make of each other.
fn original_if_ours(task: &Task, now: &[u8]) -> Result<Option<Vec<u8>>, StepError> {
    let written = task.noted("sha256_after").unwrap_or_default();
    let now = Sha256Hex::of(now);
    if !written.split(' ').any(|one| one == now.as_str()) {
        return Ok(None);
    }
    let path = originals::path(task)?;
    let original = std::fs::read(&path).map_err(|error| fault::io("read the original in", &path, &error))?;
    let is_whole = task.noted("sha256_before").as_deref() == Some(Sha256Hex::of(&original).as_str());
    Ok(is_whole.then_some(original))
}

fn read(root: &Root, file: &str) -> Result<Vec<u8>, StepError> {
    root.read(file)
        .map_err(|error| files::beneath(&format!("`{file}` can't be read"), &error))
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
    let home = task.home(home)?;
    let file = task.noted("file").unwrap_or_else(|| file.to_owned());
    let Some(hash_before) = task.noted("sha256_before") else {
        return Ok(Receipt::new().with("undone", "nothing: the step had not edited the file"));
    };
    let (hash_after, path) = (
        task.noted("sha256_after").unwrap_or_default(),
        originals::path(task)?,
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
        // A try that was killed while it wrote may have left a secret beside the file.
        atomic::clear_left_over(&root, &file).map_err(|error| {
            files::beneath(
                &format!("what a killed try left beside `{file}` can't be removed"),
                &error,
            )
        })?;
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

fn changed_since(id: &CommandId, file: &str, original: &Path) -> StepError {
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
