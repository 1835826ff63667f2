//! The exit codes, as `docs/cli.md` promises them.

use std::process::ExitCode;

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// What was asked is done.
    Done,
    /// It was tried and failed.
    Failed,
    /// What was given can't be used.
    BadInput,
    /// A gate, a rule or the state of things forbids it.
    Refused,
    /// It waits for a person.
    Waiting,
    /// The operator stopped looking; the run goes on.
    Interrupted,
}

impl Exit {
    /// The number.
    pub(crate) const fn code(self) -> u8 {
        match self {
            Exit::Done => 0,
            Exit::Failed => 1,
            Exit::BadInput => 2,
            Exit::Refused => 3,
            Exit::Waiting => 4,
            Exit::Interrupted => 130,
        }
    }

    /// The word that `--json` errors carry.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Exit::Done => "done",
            Exit::Failed => "failed",
            Exit::BadInput => "bad-input",
            Exit::Refused => "refused",
            Exit::Waiting => "waiting",
            Exit::Interrupted => "interrupted",
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(exit.code())
    }
}
