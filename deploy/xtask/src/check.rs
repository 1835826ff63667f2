//! `cargo xtask check`: what must hold of the sources. Every check runs, so that all problems show at once.

use std::process::{Command, ExitCode};

use anyhow::Result;

use crate::shell::{self, cargo, find, say};

pub(crate) fn run() -> Result<ExitCode> {
    let mut doc = cargo(&["doc", "--workspace", "--no-deps"]);
    doc.env("RUSTDOCFLAGS", "-D warnings");
    let mut checks: Vec<Command> = vec![
        cargo(&["fmt", "--all", "--check"]),
        cargo(&["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]),
        // What the tests build in beside it must hold to the same rules.
        cargo(&[
            "clippy",
            "--package",
            "cutover-coordinator",
            "--package",
            "cutover-agent",
            "--all-targets",
            "--features",
            "cutover-coordinator/failpoints,cutover-agent/failpoints",
            "--",
            "-D",
            "warnings",
        ]),
        doc,
    ];
    let deny = find("cargo-deny").is_some();
    if deny {
        checks.push(cargo(&["deny", "check", "licenses", "bans", "sources"]));
    }
    let mut failed = Vec::new();
    for check in &mut checks {
        if !shell::status(check)?.success() {
            let name = check
                .get_args()
                .next()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned();
            failed.push(name);
        }
    }
    if !deny {
        say(
            "skipped: cargo deny check (cargo-deny is not installed; `cargo install cargo-deny` installs it)",
        )?;
    }
    if failed.is_empty() {
        say("check: everything holds")?;
        return Ok(ExitCode::SUCCESS);
    }
    say(&format!("check: failed: {}", failed.join(", ")))?;
    Ok(ExitCode::FAILURE)
}
