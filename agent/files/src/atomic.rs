//! Replacing one file so that a reader sees the old or the new content, whole, also after a power cut.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::path::PathBuf;

use rustix::fs::{AtFlags, Gid, Mode, OFlags, Uid};

use crate::beneath::{self, BeneathError, Root};
use crate::error::FileError;
use crate::meta::{Kind, Meta, Mtime};
use crate::path::{PathError, RelPath};

/// The marks a written file gets. Those left out are taken from the file it replaces; for a new file the mode is
/// `0o644`, the owner the process and the time now.
#[derive(Clone, Copy, Debug, Default)]
pub struct Marks {
    /// Permission bits.
    pub mode: Option<u32>,
    /// User and group.
    pub owner: Option<(u32, u32)>,
    /// Modification time. Left out it is the time of writing, also when a file is replaced: what watches the file
    /// has to see that it changed.
    pub mtime: Option<Mtime>,
}

/// Writes a file beneath a root by way of a temporary file in the same directory: written, synced, given the mode
/// and owner of the file it replaces, renamed over it, directory synced. Links on the way are not followed, and a
/// link, directory or device in the file's place is refused.
pub fn write(
    root: &Root,
    path: impl AsRef<std::path::Path>,
    content: &[u8],
    marks: Marks,
) -> Result<(), BeneathError> {
    let path = RelPath::parse(path)?;
    let (Some(parent), Some(name)) = (path.parent(), path.name()) else {
        return Err(PathError {
            path: PathBuf::from("."),
            reason: "it names the root, not a file",
        }
        .into());
    };
    let full = root.full(&path);
    let fail = |action, error: io::Error| FileError::writing(action, &full, content.len() as u64, error);
    let dir = beneath::open_dir(root.fd(), &parent).map_err(|error| fail("open the directory of", error))?;
    let old = beneath::look(&dir, name).map_err(|error| fail("look at", error))?;
    if let Some(old) = old.filter(|old| old.kind != Kind::File) {
        let error = io::Error::other(format!("it is a {}, not a file", old.kind.noun()));
        return Err(fail("replace", error).into());
    }
    let temp_name = temp_name(name);
    let written = write_temp(dir.as_fd(), &temp_name, content, old, marks);
    let renamed = written.and_then(|()| Ok(rustix::fs::renameat(&dir, temp_name.as_slice(), &dir, name)?));
    if let Err(error) = renamed {
        rustix::fs::unlinkat(&dir, temp_name.as_slice(), AtFlags::empty()).ok();
        return Err(fail("write", error).into());
    }
    rustix::fs::fsync(&dir).map_err(|error| fail("sync the directory of", error.into()))?;
    Ok(())
}

/// The name of the temporary file. It ends otherwise than the file's own: Carbon loads whatever ends in
/// `-datasources.xml`, also what a crash left.
fn temp_name(name: &std::ffi::OsStr) -> Vec<u8> {
    const PREFIX: &[u8] = b".cutover-";
    const SUFFIX: &[u8] = b".part";
    let room = 255 - PREFIX.len() - SUFFIX.len();
    let name = name.as_encoded_bytes();
    [PREFIX, name.get(..room).unwrap_or(name), SUFFIX].concat()
}

/// Removes what a write that was killed left beside the file.
pub fn clear_left_over(root: &Root, path: impl AsRef<std::path::Path>) -> Result<(), BeneathError> {
    let path = RelPath::parse(path)?;
    let (Some(parent), Some(name)) = (path.parent(), path.name()) else {
        return Ok(());
    };
    let full = root.full(&path);
    let fail = |error: io::Error| FileError::new("clear up beside", full.clone(), error);
    let dir = match beneath::open_dir(root.fd(), &parent) {
        Ok(dir) => dir,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(fail(error).into()),
    };
    match rustix::fs::unlinkat(&dir, temp_name(name).as_slice(), AtFlags::empty()) {
        Ok(()) | Err(rustix::io::Errno::NOENT) => Ok(()),
        Err(error) => Err(fail(error.into()).into()),
    }
}

fn write_temp(
    dir: BorrowedFd<'_>,
    name: &[u8],
    content: &[u8],
    old: Option<Meta>,
    marks: Marks,
) -> io::Result<()> {
    // What a crash left under this name is ours and worthless.
    match rustix::fs::unlinkat(dir, name, AtFlags::empty()) {
        Ok(()) | Err(rustix::io::Errno::NOENT) => {}
        Err(error) => return Err(error.into()),
    }
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mut file = File::from(rustix::fs::openat(dir, name, flags, Mode::RUSR | Mode::WUSR)?);
    file.write_all(content)?;
    let owner = marks.owner.or(old.map(|old| (old.uid, old.gid)));
    if let Some((uid, gid)) = owner {
        set_owner(file.as_fd(), uid, gid)?;
    }
    let mode = marks.mode.or(old.map(|old| old.mode)).unwrap_or(0o644);
    rustix::fs::fchmod(&file, Mode::from_raw_mode(mode & 0o7777))?;
    if let Some(mtime) = marks.mtime {
        rustix::fs::futimens(&file, &mtime.timestamps())?;
    }
    file.sync_all()
}

/// Changes the owner where it differs, so that a process that is not root can still write its own files.
pub(crate) fn set_owner(fd: BorrowedFd<'_>, uid: u32, gid: u32) -> io::Result<()> {
    let now = Meta::from(rustix::fs::fstat(fd)?);
    if (now.uid, now.gid) != (uid, gid) {
        rustix::fs::fchown(fd, Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

    use super::*;

    #[test]
    fn replacing_keeps_mode_and_owner_and_leaves_no_temporary_file() {
        let temp = tempfile::tempdir().unwrap();
        let root = Root::open(temp.path()).unwrap();
        let file = temp.path().join("start.sh");
        fs::write(&file, "old").unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o750)).unwrap();
        if rustix::process::geteuid().is_root() {
            std::os::unix::fs::chown(&file, Some(1234), Some(4321)).unwrap();
        }
        let before = fs::metadata(&file).unwrap();
        fs::write(temp.path().join(".cutover-start.sh.part"), "left by a crash").unwrap();
        write(&root, "start.sh", b"new", Marks::default()).unwrap();
        let after = fs::metadata(&file).unwrap();
        assert_eq!(fs::read(&file).unwrap(), b"new");
        assert_eq!(
            (after.mode(), after.uid(), after.gid()),
            (before.mode(), before.uid(), before.gid())
        );
        assert_ne!(after.ino(), before.ino());
        assert_eq!(fs::read_dir(temp.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_temporary_file_never_looks_like_the_file_itself() {
        use std::os::unix::ffi::OsStrExt;
        let longest = "x".repeat(255 - "-datasources.xml".len()) + "-datasources.xml";
        for name in ["master-datasources.xml", &longest] {
            let temp = temp_name(std::ffi::OsStr::from_bytes(name.as_bytes()));
            assert!(temp.len() <= 255 && temp.starts_with(b".cutover-") && temp.ends_with(b".part"));
        }
        let temp = tempfile::tempdir().unwrap();
        let root = Root::open(temp.path()).unwrap();
        write(&root, &longest, b"x", Marks::default()).unwrap();
        fs::write(temp.path().join(".cutover-a.xml.part"), "secret").unwrap();
        clear_left_over(&root, "a.xml").unwrap();
        clear_left_over(&root, "a.xml").unwrap();
        assert_eq!(fs::read_dir(temp.path()).unwrap().count(), 1);
    }

    #[test]
    fn marks_are_set() {
        let temp = tempfile::tempdir().unwrap();
        let root = Root::open(temp.path()).unwrap();
        let marks = Marks {
            mode: Some(0o600),
            owner: None,
            mtime: Some(Mtime(1_000_000_000, 123_456_789)),
        };
        write(&root, "new", b"x", marks).unwrap();
        let meta = fs::metadata(temp.path().join("new")).unwrap();
        assert_eq!(
            (meta.mode() & 0o7777, meta.mtime(), meta.mtime_nsec()),
            (0o600, 1_000_000_000, 123_456_789)
        );
    }

    #[test]
    fn a_link_is_neither_followed_nor_replaced() {
        let temp = tempfile::tempdir().unwrap();
        fs::create_dir(temp.path().join("home")).unwrap();
        fs::write(temp.path().join("outside"), "outside").unwrap();
        symlink("../outside", temp.path().join("home/link")).unwrap();
        symlink("..", temp.path().join("home/up")).unwrap();
        let root = Root::open(temp.path().join("home")).unwrap();
        assert!(write(&root, "link", b"x", Marks::default()).is_err());
        assert!(write(&root, "up/outside", b"x", Marks::default()).is_err());
        assert!(write(&root, "../outside", b"x", Marks::default()).is_err());
        assert!(write(&root, "", b"x", Marks::default()).is_err());
        assert_eq!(fs::read(temp.path().join("outside")).unwrap(), b"outside");
    }
}
