//! Where the programs under test are.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

const NAMES: [&str; 4] = [
    "cutover-coordinator",
    "cutover-agent",
    "cutover",
    "carbon-standin",
];

/// The programs: those in `CUTOVER_BIN_DIR`, else those beside the test program.
#[derive(Debug, Clone)]
pub struct Binaries {
    dir: PathBuf,
}

impl Binaries {
    /// Finds them.
    ///
    /// # Errors
    /// When one is missing; the text says how to build them.
    pub fn find() -> Result<Self> {
        let dir = match std::env::var_os("CUTOVER_BIN_DIR") {
            Some(dir) => PathBuf::from(dir),
            None => beside_tests()?,
        };
        let missing: Vec<&str> = NAMES
            .into_iter()
            .filter(|name| !dir.join(name).is_file())
            .collect();
        if !missing.is_empty() {
            bail!(
                "no {} in {}; build them with `cargo build --workspace --bins`, or run `cargo xtask test`",
                missing.join(", "),
                dir.display()
            );
        }
        Ok(Self { dir })
    }

    /// The coordinator.
    #[must_use]
    pub fn coordinator(&self) -> PathBuf {
        self.dir.join("cutover-coordinator")
    }

    /// The agent.
    #[must_use]
    pub fn agent(&self) -> PathBuf {
        self.dir.join("cutover-agent")
    }

    /// The operator's command line.
    #[must_use]
    pub fn cli(&self) -> PathBuf {
        self.dir.join("cutover")
    }

    /// The Carbon stand-in.
    #[must_use]
    pub fn standin(&self) -> PathBuf {
        self.dir.join("carbon-standin")
    }

    /// Whether both services were built with the feature `failpoints`.
    ///
    /// # Errors
    /// When a program can't be read.
    pub fn have_crash_points(&self) -> Result<bool> {
        Ok(names_crash_dir(&self.coordinator())? && names_crash_dir(&self.agent())?)
    }
}

/// The variable's name stands in the program only when the feature is on.
fn names_crash_dir(program: &Path) -> Result<bool> {
    let bytes = std::fs::read(program).with_context(|| format!("read {}", program.display()))?;
    let name = b"CUTOVER_CRASH_DIR";
    Ok(bytes.windows(name.len()).any(|window| window == name))
}

fn beside_tests() -> Result<PathBuf> {
    let program = std::env::current_exe().context("find this program's own path")?;
    let dir = program.parent().context("this program lies in a folder")?;
    // Tests lie in `deps` below the programs; the demonstration lies among them.
    let dir = if dir.ends_with("deps") {
        dir.parent().unwrap_or(dir)
    } else {
        dir
    };
    Ok(dir.to_owned())
}
