//! The programs under test, in a folder of their own: a later build must not change them under a running test.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use crate::shell::{cargo, run, target};

/// Turns the crash points on.
pub(crate) const FAILPOINTS: &str = "cutover-coordinator/failpoints,cutover-agent/failpoints";

const PROGRAMS: [&str; 5] = [
    "cutover-coordinator",
    "cutover-agent",
    "cutover",
    "carbon-standin",
    "cutover-demo",
];

/// Builds every program and copies it to `target/NAME`.
pub(crate) fn build(name: &str, features: &[&str]) -> Result<PathBuf> {
    let mut build = cargo(&["build", "--workspace", "--bins"]);
    if !features.is_empty() {
        build.args(["--features", &features.join(",")]);
    }
    run(&mut build)?;
    let dir = target().join(name);
    std::fs::create_dir_all(&dir).with_context(|| format!("create {}", dir.display()))?;
    for program in PROGRAMS {
        copy(&target().join("debug").join(program), &dir.join(program))?;
    }
    Ok(dir)
}

/// By rename: a program that runs can't be written to.
fn copy(from: &Path, to: &Path) -> Result<()> {
    let partial = to.with_extension("partial");
    std::fs::copy(from, &partial).with_context(|| format!("copy {}", from.display()))?;
    std::fs::rename(&partial, to).with_context(|| format!("write {}", to.display()))
}
