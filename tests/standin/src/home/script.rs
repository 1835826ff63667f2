//! The `bin` folder: versions and the start script.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use anyhow::{Context as _, Result};

use super::{HomeSpec, put};

const SCRIPT: &str = include_str!("../../fixtures/bin/wso2server.sh");

const START_NEW: &str = r#"nohup sh "$CARBON_HOME/bin/wso2server.sh" $args > /dev/null 2>&1 &"#;
/// The older script forgets the arguments and leaves the server's output where its own goes.
const START_OLD: &str = r#"nohup sh "$CARBON_HOME/bin/wso2server.sh" &"#;
const WAIT_NEW: &str = r#"while [ -n "$PID" ] && ps -p "$PID" > /dev/null; do
      sleep 1
    done"#;

pub(super) fn write(home: &Path, spec: &HomeSpec) -> Result<()> {
    put(
        home,
        "bin/version.txt",
        format!("{} v{}\n", spec.product, spec.version),
    )?;
    put(
        home,
        "bin/wso2carbon-version.txt",
        format!("WSO2 Carbon Framework v{}\n", spec.kernel),
    )?;
    let standin = std::path::absolute(&spec.standin)?;
    put(home, "bin/standin.path", format!("{}\n", standin.display()))?;
    put(
        home,
        &format!("bin/org.wso2.carbon.bootstrap-{}.jar", spec.kernel),
        "bootstrap\n",
    )?;
    let (start, wait, heap) = if spec.is_new() {
        (START_NEW, WAIT_NEW, "1024m")
    } else {
        (START_OLD, ":", "512m")
    };
    let text = SCRIPT
        .replace("@START@", start)
        .replace("@WAIT@", wait)
        .replace("@HEAP@", heap);
    executable(home, "bin/wso2server.sh", &text)?;
    executable(home, "bin/carbondump.sh", "#!/bin/sh\necho 'nothing to dump'\n")
}

fn executable(home: &Path, path: &str, text: &str) -> Result<()> {
    put(home, path, text)?;
    fs::set_permissions(home.join(path), fs::Permissions::from_mode(0o755))
        .with_context(|| format!("make {path} executable"))
}
