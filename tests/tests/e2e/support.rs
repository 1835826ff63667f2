//! What several scenarios share.

use std::path::PathBuf;
use std::time::Duration;

/// Longer than any step takes on a busy machine with two cores.
pub(crate) const LIMIT: Duration = Duration::from_secs(240);

/// The folder of real stock files, if it is on this machine.
pub(crate) fn corpus_dir() -> Option<PathBuf> {
    let dir = match std::env::var_os("CUTOVER_CORPUS") {
        Some(dir) => PathBuf::from(dir),
        None => PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/carbon-corpus"),
    };
    dir.join("carbon-4.1.0/conf").is_dir().then_some(dir)
}

/// [`corpus_dir`] for a test that means nothing without it: it says so loudly.
pub(crate) fn corpus(test: &str) -> Option<PathBuf> {
    let dir = corpus_dir();
    if dir.is_none() {
        skipped(test, "no real stock files; name their folder in CUTOVER_CORPUS");
    }
    dir
}

/// Says that a test could not be made here; `cargo xtask test` shows it again at its end.
#[expect(clippy::print_stdout, reason = "a test that is left out must be seen")]
pub(crate) fn skipped(test: &str, why: &str) {
    println!("skipped: {test}: {why}");
}
