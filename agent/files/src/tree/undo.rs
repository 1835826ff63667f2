//! Taking back what a copy has done, from its journal alone.

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{AtFlags, Gid, Mode, Uid};
use rustix::io::Errno;

use crate::beneath::{self, Root};
use crate::error::{Context, FileError};
use crate::path::RelPath;
use crate::tree::TreeError;
use crate::tree::journal::{Held, HeldDir, Journal, Ledger, Line, Origin};
use crate::tree::keep::Keep;
use crate::tree::report::UndoReport;
use crate::tree::stage;
use crate::walk;

/// Takes back a copy into `to` that was made with this keep directory: files and directories it made are removed,
/// files it replaced are put back as the same inodes, directories get their times back. A file somebody has changed
/// since is moved aside in the keep directory, not deleted. Works after a crash of the copy or of an earlier undo at
/// any instant, and does nothing when there is nothing to undo.
pub fn undo_copy(to: &Root, keep: &Root) -> Result<UndoReport, TreeError> {
    let keep = Keep::open(keep)?;
    let Some((mut journal, mut ledger)) = Journal::open(&keep, false)? else {
        return Ok(UndoReport::default());
    };
    if ledger.held.is_empty() && ledger.dirs.is_empty() {
        return Ok(UndoReport::default());
    }
    let mut report = UndoReport::default();
    take_back_all(to, &keep, &mut ledger, &mut report)?;
    for (path, dir) in &ledger.dirs {
        if let HeldDir::Entered(mtime) = dir {
            put_time_back(to, path, *mtime)?;
        }
    }
    keep.clear_stage()?;
    keep.sync_all()?;
    journal.append([Line::Undone].iter())?;
    Ok(report)
}

fn take_back_all(
    to: &Root,
    keep: &Keep<'_>,
    ledger: &mut Ledger,
    report: &mut UndoReport,
) -> Result<(), TreeError> {
    for (path, held) in &ledger.held {
        take_back(to, keep, path, held, report)?;
    }
    for (path, dir) in ledger.dirs.iter().rev() {
        match dir {
            HeldDir::Made => take_back_dir(to, path, report)?,
            HeldDir::Entered(_) => {}
        }
    }
    Ok(())
}

/// Takes back one file or link.
pub(crate) fn take_back(
    to: &Root,
    keep: &Keep<'_>,
    path: &RelPath,
    held: &Held,
    report: &mut UndoReport,
) -> Result<(), TreeError> {
    let shown = || to.full(path);
    let kept = match held.origin {
        Origin::Absent => None,
        Origin::Preserved(number) => match keep.look_kept(number).on("look at", shown)? {
            // Not preserved yet, or already put back: the original is in its place.
            None => return Ok(()),
            Some(meta) => Some((number, meta)),
        },
    };
    let parent = path.parent().unwrap_or_default();
    let dir = match beneath::open_dir(to.fd(), &parent) {
        Ok(dir) => dir,
        Err(error) if error.kind() == io::ErrorKind::NotFound => match kept {
            None => return Ok(()),
            Some(_) => make_way(to, &parent)?,
        },
        Err(error) => return Err(FileError::new("open directory", to.full(&parent), error).into()),
    };
    let name = path.name().unwrap_or_default();
    let there = walk::node(dir.as_fd(), name, path.clone()).on("look at", shown)?;
    let mut present = there.is_some();
    if let Some(there) = there {
        let original = kept.is_some_and(|(_, kept)| kept.same_inode(&there.meta));
        if !original && !held.is_ours(&there.meta, there.link.as_deref()) {
            keep.set_aside(&dir, name, held.number).on("move aside", shown)?;
            report.set_aside.push(path.clone());
            present = false;
        }
    }
    match kept {
        Some((number, _)) => {
            keep.restore(number, &dir, name).on("restore", shown)?;
            report.restored += 1;
        }
        None if present => report.removed += unlink(&dir, name).on("remove", shown)?,
        None => {}
    }
    Ok(())
}

/// Opens a directory and makes what is missing on the way, as its surroundings are owned: somebody removed it, and
/// an original has to go back into it.
fn make_way(to: &Root, path: &RelPath) -> Result<OwnedFd, TreeError> {
    let mut dir =
        beneath::open_dir(to.fd(), &RelPath::root()).on("open directory", || to.path().to_owned())?;
    for name in path.names() {
        let shown = || to.full(path);
        let made = match rustix::fs::mkdirat(&dir, name, Mode::RWXU) {
            Ok(()) => true,
            Err(Errno::EXIST) => false,
            Err(error) => return Err(FileError::writing("make directory", &shown(), 0, error).into()),
        };
        let only = RelPath::root().child(name.as_encoded_bytes());
        let next = beneath::open_dir(dir.as_fd(), &only).on("open directory", shown)?;
        if made {
            let above = rustix::fs::fstat(&dir).on("look at", shown)?;
            if stage::gives().is_some() {
                let owner = (Uid::from_raw(above.st_uid), Gid::from_raw(above.st_gid));
                rustix::fs::fchown(&next, Some(owner.0), Some(owner.1)).on("set the owner of", shown)?;
            }
            rustix::fs::fchmod(&next, Mode::from_raw_mode(0o755)).on("set the mode of", shown)?;
        }
        dir = next;
    }
    Ok(dir)
}

/// Removes a directory this copy made, unless somebody else has put something in it.
pub(crate) fn take_back_dir(to: &Root, path: &RelPath, report: &mut UndoReport) -> Result<(), TreeError> {
    let parent = path.parent().unwrap_or_default();
    let dir = match beneath::open_dir(to.fd(), &parent) {
        Ok(dir) => dir,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(FileError::new("open directory", to.full(&parent), error).into()),
    };
    match rustix::fs::unlinkat(&dir, path.name().unwrap_or_default(), AtFlags::REMOVEDIR) {
        Ok(()) => report.dirs_removed += 1,
        Err(Errno::NOENT) => {}
        // Replaced by something that is no directory: not what this copy made.
        Err(Errno::NOTEMPTY | Errno::EXIST | Errno::NOTDIR) => report.dirs_left.push(path.clone()),
        Err(error) => return Err(FileError::new("remove", to.full(path), error).into()),
    }
    Ok(())
}

fn unlink(dir: &OwnedFd, name: &std::ffi::OsStr) -> io::Result<u64> {
    match rustix::fs::unlinkat(dir, name, AtFlags::empty()) {
        Ok(()) => Ok(1),
        Err(Errno::NOENT) => Ok(0),
        Err(error) => Err(error.into()),
    }
}

fn put_time_back(to: &Root, path: &RelPath, mtime: crate::meta::Mtime) -> Result<(), TreeError> {
    let dir = match beneath::open_dir(to.fd(), path) {
        Ok(dir) => dir,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(FileError::new("open directory", to.full(path), error).into()),
    };
    Ok(rustix::fs::futimens(&dir, &mtime.timestamps()).on("set the time of", || to.full(path))?)
}
