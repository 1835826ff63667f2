//! `cargo xtask demo`.

use std::process::{Command, ExitCode};

use anyhow::Result;

use crate::{binaries, engines, shell};

pub(crate) fn run(args: &[String]) -> Result<ExitCode> {
    engines::ensure()?;
    let dir = binaries::build("demo-bin", &[])?;
    let mut demo = Command::new(dir.join("cutover-demo"));
    demo.args(args).env("CUTOVER_BIN_DIR", &dir);
    Ok(if shell::status(&mut demo)?.success() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
