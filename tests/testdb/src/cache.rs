//! Initialised data directories, made once and copied: initialising takes seconds, a copy does not.

use std::fs;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};

/// Fills `target` from the cached directory `name`, which `build` makes at first.
///
/// `name` carries whatever changes the content: the engine, its version and the options.
pub(crate) fn fill(name: &str, target: &Path, build: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
    let cached = cache_dir()?.join(name);
    if !cached.is_dir() {
        build_into(&cached, build)?;
    }
    run(Command::new("cp")
        .args(["-a", "--reflink=auto", "--"])
        .arg(&cached)
        .arg(target))
}

/// Runs a program to its end and turns a failure into an error that shows what it said.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command.output().with_context(|| format!("run {program}"))?;
    if !output.status.success() {
        bail!(
            "{program} failed with {}: {}{}",
            output.status,
            String::from_utf8_lossy(&output.stderr),
            String::from_utf8_lossy(&output.stdout)
        );
    }
    Ok(())
}

/// Two processes may build at once: each builds aside, the first rename wins.
fn build_into(cached: &Path, build: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
    let parent = cached.parent().context("the cache folder has a parent")?;
    let aside = tempfile::Builder::new().prefix("building-").tempdir_in(parent)?;
    let dir = aside.path().join("data");
    build(&dir)?;
    match fs::rename(&dir, cached) {
        Ok(()) => Ok(()),
        Err(_) if cached.is_dir() => Ok(()),
        Err(error) => Err(error).with_context(|| format!("move the new data folder to {}", cached.display())),
    }
}

fn cache_dir() -> Result<PathBuf> {
    let uid = rustix::process::getuid().as_raw();
    let dir = std::env::temp_dir().join(format!("cutover-dbcache-{uid}"));
    // Others may pass through (the PostgreSQL system user builds below) but neither list nor write.
    match fs::DirBuilder::new().mode(0o711).create(&dir) {
        Ok(()) => {}
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(error).with_context(|| format!("create {}", dir.display())),
    }
    let meta = fs::symlink_metadata(&dir)?;
    if !meta.is_dir() || meta.uid() != uid || meta.mode() & 0o022 != 0 {
        bail!(
            "{} is not a folder of ours alone; remove it and try again",
            dir.display()
        );
    }
    Ok(dir)
}
