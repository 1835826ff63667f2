//! Copies the files of tables between two databases of one MySQL or MariaDB server, while the server keeps those of
//! the source still (`FLUSH TABLES ... FOR EXPORT`) and has none of the target's. The `.cfg` that the server writes
//! beside a table is the sign that it does; a table without one is left out.
//!
//! What a file holds is not hashed here: the server checks every page when it takes the file in, and the comparison
//! that follows proves the rows.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use cap_std::ambient_authority;
use cap_std::fs::{Dir, MetadataExt as _, OpenOptions, OpenOptionsExt as _};
use cutover_files::{Cancel, Progress as _, space};
use cutover_proto::report::{ErrorCode, Receipt, StepError, StepOutcome};
use rustix::fs::{Gid, Mode, OFlags, Uid};

use crate::fault;
use crate::service::inside;
use crate::task::{Progress, Task};

/// What is copied between two looks at the switch.
const PIECE: u64 = 64 << 20;
/// What stays free for the server.
const MARGIN: u64 = 512 << 20;
/// Of a file that is not whole yet.
const PARTIAL: &str = "cutover-partial";

pub(super) async fn perform(
    task: &Task,
    data_dir: &str,
    from: &str,
    to: &str,
    tables: &[String],
) -> StepOutcome {
    let dir = task.agent.policy.database_dir(data_dir)?;
    let (worker, from, to, tables) = (task.clone(), from.to_owned(), to.to_owned(), tables.to_vec());
    task.blocking(move |cancel, progress| {
        let (from, to) = (Folder::open(&dir, &from)?, Folder::open(&dir, &to)?);
        let (described, mut left_out): (Vec<_>, Vec<_>) =
            tables.into_iter().partition(|table| from.describes(table));
        let sizes = described.iter().map(|table| from.size(&format!("{table}.ibd")));
        let bytes: u64 = sizes.sum::<Result<u64, StepError>>()?;
        to.room_for(bytes)?;
        progress.total(described.len() as u64, bytes);
        let (mut copied, mut copied_bytes) = (0, 0);
        for table in described {
            match copy_table(&worker, &from, &to, &table, (cancel, progress))? {
                Copied::Whole => {
                    copied += 1;
                    copied_bytes += to.size(&format!("{table}.ibd"))?;
                }
                Copied::NotKeptStill => left_out.push(table),
            }
        }
        to.sync()?;
        let receipt = Receipt::new()
            .with("tables", copied)
            .with("bytes", copied_bytes)
            .with("from", from.path.display())
            .with("to", to.path.display());
        Ok(if left_out.is_empty() {
            receipt
        } else {
            receipt.with("left_out", left_out.join(", "))
        })
    })
    .await
}

/// What was copied goes with its tables when staging is emptied; only what is not whole is nobody's.
pub(super) async fn undo(task: &Task, data_dir: &str, to: &str, tables: &[String]) -> StepOutcome {
    let dir = task.agent.policy.database_dir(data_dir)?;
    let (to, tables) = (to.to_owned(), tables.to_vec());
    task.blocking(move |_, _| {
        let to = Folder::open(&dir, &to)?;
        for table in &tables {
            for kind in ["ibd", "cfg"] {
                to.remove(&format!("{table}.{kind}.{PARTIAL}"))?;
            }
        }
        Ok(Receipt::new().with("undo", "the server removes the files with the tables of staging"))
    })
    .await
}

/// What came of a table.
enum Copied {
    Whole,
    /// The server's description of it was gone in the end, and with it the lock: its rows are copied instead.
    NotKeptStill,
}

/// The file of the rows comes last: it is there when the table is whole.
fn copy_table(
    task: &Task,
    from: &Folder,
    to: &Folder,
    table: &str,
    at_work: (&Cancel, &Progress),
) -> Result<Copied, StepError> {
    let (rows, key) = (format!("{table}.ibd"), format!("copying:{table}"));
    // Noted before the file is there: one that an earlier try left is ours, any other is a table in use.
    if to.dir.exists(&rows) && task.noted(&key).is_none() {
        return Err(StepError::new(
            ErrorCode::AlreadyExists,
            format!("table `{table}` was not copied"),
            format!("`{}` is there already", to.path.join(&rows).display()),
            "the table in staging was expected to have no file; abort, empty staging, and apply again",
        ));
    }
    task.note(&key, "yes")?;
    for name in [format!("{table}.cfg"), rows] {
        let partial = format!("{name}.{PARTIAL}");
        to.remove(&partial)?;
        let whole = copy_file(from, to, &name, &partial, at_work);
        // Looked at last: as long as it is there nobody has written to the file.
        if whole.is_ok() && from.describes(table) {
            to.rename(&partial, &name)?;
            continue;
        }
        to.remove(&partial)?;
        if !from.describes(table) {
            return Ok(Copied::NotKeptStill);
        }
        whole?;
    }
    Ok(Copied::Whole)
}

fn copy_file(
    from: &Folder,
    to: &Folder,
    name: &str,
    partial: &str,
    (cancel, progress): (&Cancel, &Progress),
) -> Result<(), StepError> {
    let source =
        inside::open_regular(&from.dir, name.as_ref()).map_err(|error| from.failed("read", name, &error))?;
    let writing = |error: &io::Error| to.failed("write", partial, error);
    let target = to.create(partial).map_err(|error| writing(&error))?;
    loop {
        if cancel.is_cancelled() {
            return Err(fault::cancelled("the files of tables were being copied"));
        }
        let copied = io::copy(&mut (&source).take(PIECE), &mut &target).map_err(|error| writing(&error))?;
        if copied == 0 {
            break;
        }
        progress.add(0, copied);
    }
    progress.add(u64::from(name.ends_with(".ibd")), 0);
    target.sync_all().map_err(|error| writing(&error))
}

/// The folder of a database.
struct Folder {
    dir: Dir,
    path: std::path::PathBuf,
}

impl Folder {
    /// No link leads out of the data folder.
    fn open(data: &Path, name: &str) -> Result<Self, StepError> {
        let path = data.join(name);
        let opened = Dir::open_ambient_dir(data, ambient_authority()).and_then(|data| data.open_dir(name));
        let dir = opened.map_err(|error| fault::io("open the database's folder", &path, &error))?;
        Ok(Self { dir, path })
    }

    fn failed(&self, doing: &str, name: &str, error: &io::Error) -> StepError {
        fault::io(doing, &self.path.join(name), error)
    }

    /// Whether the server keeps the files of a table still.
    fn describes(&self, table: &str) -> bool {
        self.dir.exists(format!("{table}.cfg"))
    }

    fn rename(&self, from: &str, to: &str) -> Result<(), StepError> {
        self.dir
            .rename(from, &self.dir, to)
            .map_err(|error| self.failed("put in place", to, &error))
    }

    /// A full disk would stop every database of the server.
    fn room_for(&self, bytes: u64) -> Result<(), StepError> {
        let free = space::free_bytes(&self.path).unwrap_or(u64::MAX);
        let needed = bytes.saturating_add(bytes / 10).saturating_add(MARGIN);
        if free >= needed {
            return Ok(());
        }
        Err(StepError::new(
            ErrorCode::DiskFull,
            format!("nothing was copied to `{}`", self.path.display()),
            format!(
                "{free} bytes are free on its file system; {needed} are wanted for the files and some room"
            ),
            "make room and retry the step, or skip it: the rows are then copied, which takes as much room",
        ))
    }

    fn size(&self, name: &str) -> Result<u64, StepError> {
        let looked = self.dir.symlink_metadata(name);
        looked
            .map(|meta| meta.len())
            .map_err(|error| self.failed("look at", name, &error))
    }

    /// A new file of the server's account, for it alone and its group, as the server makes them.
    fn create(&self, name: &str) -> io::Result<File> {
        let mut options = OpenOptions::new();
        options
            .write(true)
            .create_new(true)
            .mode(0o660)
            .custom_flags(i32::try_from(OFlags::NOFOLLOW.bits()).unwrap_or_default());
        let file = self.dir.open_with(name, &options)?.into_std();
        let owner = self.dir.dir_metadata()?;
        rustix::fs::fchmod(&file, Mode::from_raw_mode(0o660))?;
        let own = file.metadata()?;
        if (
            std::os::unix::fs::MetadataExt::uid(&own),
            std::os::unix::fs::MetadataExt::gid(&own),
        ) != (owner.uid(), owner.gid())
        {
            rustix::fs::fchown(
                &file,
                Some(Uid::from_raw(owner.uid())),
                Some(Gid::from_raw(owner.gid())),
            )?;
        }
        Ok(file)
    }

    fn remove(&self, name: &str) -> Result<(), StepError> {
        match self.dir.remove_file(name) {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(self.failed("remove", name, &error)),
        }
    }

    fn sync(&self) -> Result<(), StepError> {
        let synced = self.dir.open(".").and_then(|folder| folder.into_std().sync_all());
        synced.map_err(|error| fault::io("write to disk", &self.path, &error))
    }
}
