//! Running a script to its end, and the corpus.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use cutover_database::journal::NoSink;
use cutover_database::script::ScriptErrorKind;
use cutover_database::{OwnSessions, RunOptions, Target, run_script};
use cutover_sqlscript::Script;
use tokio_util::sync::CancellationToken;

/// The corpus of real schemas, which is not part of this repository.
pub(crate) fn corpus() -> Option<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let path =
        root.join(std::env::var_os("CUTOVER_CORPUS").unwrap_or_else(|| "../shared/carbon-corpus".into()));
    if !path.is_dir() {
        eprintln!(
            "SKIPPED: no corpus of Carbon scripts at {}; set CUTOVER_CORPUS",
            path.display()
        );
        return None;
    }
    if let Err(missing) = cutover_testdb::available() {
        eprintln!("SKIPPED: {missing}");
        return None;
    }
    Some(path)
}

/// The client that prepared the rows has said good-bye; on a busy machine its server takes a moment to hear it.
pub(crate) async fn migrate(target: &Target, script: &Script) {
    let options = RunOptions {
        name: "migration.sql",
        sink: &NoSink,
        cancel: CancellationToken::new(),
        own: OwnSessions::new(),
        decisions: BTreeMap::new(),
        overrides: Vec::new(),
    };
    for _ in 0..100 {
        match run_script(target, script, &options).await {
            Err(error) if error.kind == ScriptErrorKind::NotAlone => {
                tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            }
            ended => {
                ended.unwrap();
                return;
            }
        }
    }
    panic!("somebody stays connected");
}
