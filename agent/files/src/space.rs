//! Free space of a file system.

use std::path::Path;

use crate::error::{Context, FileError};

/// What the file system of a path can still give. Reserved blocks do not count, also for root: filling them is how
/// a host stops working.
pub fn free_bytes(path: impl AsRef<Path>) -> Result<u64, FileError> {
    let path = path.as_ref();
    let stat = rustix::fs::statvfs(path).on("ask for the free space of", || path.to_owned())?;
    Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
}

/// Asks how much space is free; tests answer with what they like.
pub(crate) type FreeSpace<'a> = &'a (dyn Fn(&Path) -> Result<u64, FileError> + Sync);

/// Refuses an operation that needs more than the file system of `path` can give.
pub(crate) fn ensure(path: &Path, needed: u64, free: FreeSpace<'_>) -> Result<(), FileError> {
    let available = free(path)?;
    if available < needed {
        return Err(FileError::NoSpace {
            path: path.to_owned(),
            needed,
            available,
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ensure_when_too_small_then_numbers_are_named() {
        let error = ensure(Path::new("/x"), 10, &|_| Ok(9)).unwrap_err();
        assert!(error.is_no_space());
        assert!(
            error.to_string().contains("10 bytes needed, 9 available"),
            "{error}"
        );
        assert!(ensure(Path::new("/x"), 10, &|_| Ok(10)).is_ok());
    }

    #[test]
    fn free_bytes_of_a_real_file_system() {
        assert!(free_bytes("/").unwrap() > 0);
        assert!(free_bytes("/no/such/place").is_err());
    }
}
