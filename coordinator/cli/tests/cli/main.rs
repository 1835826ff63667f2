//! The binary as an operator and a program use it: arguments in; output and exit code out.

#![expect(
    clippy::unwrap_used,
    reason = "clippy lets tests unwrap, but does not see that the helpers here belong to tests"
)]

mod audit;
mod authority;
mod config;
mod coordinator;
mod documents;
mod offline;
mod plans;
mod rehearsals;
mod runs;

use std::path::Path;

use assert_cmd::Command;

/// The binary, free of the tester's own profile and locale.
fn cutover() -> Command {
    let mut command = assert_cmd::cargo::cargo_bin_cmd!("cutover");
    command
        .env_remove("CUTOVER_PROFILE")
        .env_remove("LC_ALL")
        .env_remove("LC_CTYPE")
        .env("LANG", "C.UTF-8")
        .timeout(std::time::Duration::from_secs(60));
    command
}

/// What a command left behind.
#[derive(Debug)]
struct Outcome {
    code: Option<i32>,
    out: String,
    err: String,
}

fn run(command: &mut Command) -> Outcome {
    let output = command.output().unwrap();
    Outcome {
        code: output.status.code(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

impl Outcome {
    #[track_caller]
    fn exits(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{self:?}");
        self
    }

    #[track_caller]
    fn says(self, parts: &[&str]) -> Self {
        for part in parts {
            assert!(
                self.out.contains(part),
                "`{part}` is not in the output of {self:?}"
            );
        }
        self
    }

    #[track_caller]
    fn warns(self, parts: &[&str]) -> Self {
        for part in parts {
            assert!(
                self.err.contains(part),
                "`{part}` is not in the errors of {self:?}"
            );
        }
        self
    }

    #[track_caller]
    fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.out).unwrap()
    }
}

fn write(path: &Path, text: impl AsRef<[u8]>) {
    std::fs::write(path, text).unwrap();
}
