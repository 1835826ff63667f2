//! The check of free space, with an answer the test chooses.

use super::*;
use crate::progress::NoProgress;

#[test]
fn backup_when_space_is_one_byte_short_then_refused_and_nothing_is_left() {
    let temp = tempfile::tempdir().unwrap();
    let home = temp.path().join("home");
    std::fs::create_dir(&home).unwrap();
    std::fs::write(home.join("file"), [7; 10_000]).unwrap();
    let dest = temp.path().join("home.tar.zst");
    let request = BackupRequest {
        source: &home,
        dest: &dest,
        exclude: &[],
        progress: &NoProgress,
        cancel: &Cancel::new(),
    };
    let needed = 10_000 + 2 * ENTRY_OVERHEAD;
    let error = backup_into(&request, &|_| Ok(needed - 1)).unwrap_err();
    assert!(
        matches!(error, ArchiveError::File(ref error) if error.is_no_space()),
        "{error}"
    );
    assert_eq!(std::fs::read_dir(temp.path()).unwrap().count(), 1);
    backup_into(&request, &|_| Ok(needed)).unwrap();
}
