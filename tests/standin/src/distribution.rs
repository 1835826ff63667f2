//! Packs a stock home as the archive a product is downloaded as.

use std::fs::File;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use anyhow::{Context as _, Result, bail};
use walkdir::WalkDir;
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use crate::home::{HomeSpec, make_home};

/// Writes a zip with one folder, named like the file without `.zip`, holding a stock home with its file modes.
///
/// # Errors
/// When `spec` is a site's home, or a file cannot be written.
pub fn make_distribution(out: &Path, spec: &HomeSpec) -> Result<()> {
    if spec.database.is_some() || !spec.tenants.is_empty() || spec.offset != 0 {
        bail!("a distribution holds a stock home: no database, no tenants, no port offset");
    }
    let name = out
        .file_stem()
        .and_then(|stem| stem.to_str())
        .context("the archive needs a file name")?;
    let scratch = tempfile::tempdir()?;
    let home = scratch.path().join(name);
    make_home(&home, spec)?;
    let file = File::create(out).with_context(|| format!("create {}", out.display()))?;
    let mut zip = ZipWriter::new(file);
    for entry in WalkDir::new(&home).sort_by_file_name() {
        let entry = entry?;
        let path = entry
            .path()
            .strip_prefix(scratch.path())?
            .to_str()
            .context("a name that is not UTF-8")?;
        let options = SimpleFileOptions::default().unix_permissions(entry.metadata()?.permissions().mode());
        if entry.file_type().is_dir() {
            zip.add_directory(path, options)?;
        } else {
            zip.start_file(path, options)?;
            zip.write_all(&std::fs::read(entry.path())?)?;
        }
    }
    zip.finish()?
        .sync_all()
        .with_context(|| format!("write {}", out.display()))
}
