//! Who can change the policy file.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// Problems with the owner and mode of `path` and of every folder above it. None when the agent is not root:
/// then its user decides for itself.
pub(super) fn problems(path: &Path) -> Vec<String> {
    if !rustix::process::geteuid().is_root() {
        return Vec::new();
    }
    match path.canonicalize() {
        Ok(path) => path.ancestors().filter_map(problem).collect(),
        Err(error) => vec![format!("cannot find out where it lies: {error}")],
    }
}

fn problem(path: &Path) -> Option<String> {
    let meta = match std::fs::symlink_metadata(path) {
        Ok(meta) => meta,
        Err(error) => return Some(format!("cannot look at `{}`: {error}", path.display())),
    };
    let place = path.display();
    if meta.uid() != 0 {
        return Some(format!(
            "`{place}` belongs to user {}, who could change what root does here; run `chown root {place}`",
            meta.uid()
        ));
    }
    // In a sticky folder nobody can replace the files of others.
    let sticky = meta.is_dir() && meta.mode() & 0o1000 != 0;
    if meta.mode() & 0o022 != 0 && !sticky {
        return Some(format!(
            "`{place}` can be written by others than root (mode {:o}); run `chmod go-w {place}`",
            meta.mode() & 0o7777
        ));
    }
    None
}
