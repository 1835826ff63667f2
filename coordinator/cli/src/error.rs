//! What an operator is told when a command fails: what, why, and what to do next.

use std::error::Error;
use std::fmt;

use tonic::{Code, Status};

use crate::exit::Exit;

/// Ends a command.
#[derive(Debug)]
pub(crate) struct CliError {
    exit: Exit,
    /// What failed; empty when there is nobody left to tell.
    pub(crate) what: String,
    /// Why.
    pub(crate) why: String,
    /// What a person can do now.
    pub(crate) next: String,
}

impl CliError {
    fn new(exit: Exit, what: impl Into<String>) -> Self {
        Self {
            exit,
            what: what.into(),
            why: String::new(),
            next: String::new(),
        }
    }

    /// It was tried and failed.
    pub(crate) fn failed(what: impl Into<String>) -> Self {
        Self::new(Exit::Failed, what)
    }

    /// What was given can't be used.
    pub(crate) fn input(what: impl Into<String>) -> Self {
        Self::new(Exit::BadInput, what)
    }

    /// A rule forbids it.
    pub(crate) fn refused(what: impl Into<String>) -> Self {
        Self::new(Exit::Refused, what)
    }

    /// The operator stopped looking with Ctrl-C; what goes on all the same.
    pub(crate) fn interrupted(what: impl Into<String>) -> Self {
        Self::new(Exit::Interrupted, what)
    }

    /// Nobody reads standard output any more, so there is nobody to tell either.
    pub(crate) fn closed_output() -> Self {
        Self::new(Exit::Failed, "")
    }

    /// Adds the reason.
    #[must_use]
    pub(crate) fn why(mut self, why: impl fmt::Display) -> Self {
        self.why = why.to_string();
        self
    }

    /// Adds what to do.
    #[must_use]
    pub(crate) fn next(mut self, next: impl Into<String>) -> Self {
        self.next = next.into();
        self
    }

    /// How the process ends.
    pub(crate) fn exit(&self) -> Exit {
        self.exit
    }
}

impl fmt::Display for CliError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error: {}", indented(&self.what, 2))?;
        if !self.why.is_empty() {
            write!(f, "\n  why:  {}", indented(&self.why, 8))?;
        }
        if !self.next.is_empty() {
            write!(f, "\n  next: {}", indented(&self.next, 8))?;
        }
        Ok(())
    }
}

impl Error for CliError {}

/// `text` with its later lines moved in, so that it stays one block.
fn indented(text: &str, by: usize) -> String {
    let blank = format!("\n{}", " ".repeat(by));
    text.trim_end().split('\n').collect::<Vec<_>>().join(&blank)
}

/// An error and what caused it, in one line.
pub(crate) fn chain(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let part = error.to_string();
        // Libraries often repeat their source in their own text.
        if !text.contains(&part) {
            text = format!("{text}: {part}");
        }
        cause = error.source();
    }
    text
}

/// What a status says, in one line; for a broken connection that is what broke it.
pub(crate) fn status_text(status: &Status) -> String {
    status.source().map_or_else(|| status.message().to_owned(), chain)
}

/// How a status of the coordinator ends a command.
fn exit_of(code: Code) -> Exit {
    match code {
        Code::InvalidArgument | Code::NotFound | Code::OutOfRange => Exit::BadInput,
        Code::FailedPrecondition
        | Code::AlreadyExists
        | Code::Aborted
        | Code::Unauthenticated
        | Code::PermissionDenied => Exit::Refused,
        Code::Ok
        | Code::Cancelled
        | Code::Unknown
        | Code::DeadlineExceeded
        | Code::ResourceExhausted
        | Code::Unimplemented
        | Code::Internal
        | Code::Unavailable
        | Code::DataLoss => Exit::Failed,
    }
}

const PROFILE_HINT: &str = "use the profile that this coordinator wrote for you (`--profile DIR` or CUTOVER_PROFILE); \
                            its certificate may be of another coordinator, expired or not an operator's";
const UNAVAILABLE_HINT: &str = "check that the coordinator runs and that `endpoint` in the profile names it, then try again; runs go on by themselves";
const BROKEN_HINT: &str = "check that the coordinator runs and that `endpoint` in the profile names it; a coordinator that runs and \
                           hangs up does not accept this profile's certificate, and its log says why";
const UNIMPLEMENTED_HINT: &str =
    "the coordinator is of an older version; use the `cutover` of the same version";

impl From<Status> for CliError {
    fn from(status: Status) -> Self {
        let code = status.code();
        let cause = status.source().map(chain).unwrap_or_default();
        // The coordinator turns a foreign or expired certificate away with a TLS alert, after the handshake. When it
        // hangs up before the alert is read, all that is left is a broken connection.
        if cause.contains("received fatal alert") {
            return CliError::refused("the coordinator does not accept this profile's certificate")
                .why(cause)
                .next(PROFILE_HINT);
        }
        if !cause.is_empty() {
            return CliError::failed("the connection to the coordinator broke")
                .why(cause)
                .next(BROKEN_HINT);
        }
        let what = match status.message().trim() {
            "" => format!("the coordinator answered: {}", code.description()),
            message => message.to_owned(),
        };
        let next = match code {
            Code::Unauthenticated | Code::PermissionDenied => PROFILE_HINT,
            Code::Unavailable => UNAVAILABLE_HINT,
            Code::Unimplemented => UNIMPLEMENTED_HINT,
            Code::Ok
            | Code::Cancelled
            | Code::Unknown
            | Code::InvalidArgument
            | Code::DeadlineExceeded
            | Code::NotFound
            | Code::AlreadyExists
            | Code::ResourceExhausted
            | Code::FailedPrecondition
            | Code::Aborted
            | Code::OutOfRange
            | Code::Internal
            | Code::DataLoss => "",
        };
        CliError::new(exit_of(code), what).next(next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn status_when_mapped_then_exit_code_is_the_documented_one() {
        for (code, exit) in [
            (Code::InvalidArgument, 2),
            (Code::NotFound, 2),
            (Code::FailedPrecondition, 3),
            (Code::AlreadyExists, 3),
            (Code::Aborted, 3),
            (Code::PermissionDenied, 3),
            (Code::Unauthenticated, 3),
            (Code::Unavailable, 1),
            (Code::Internal, 1),
        ] {
            assert_eq!(
                CliError::from(Status::new(code, "x")).exit().code(),
                exit,
                "{code:?}"
            );
        }
    }

    #[test]
    fn error_when_shown_then_what_why_and_next_stand_in_lines_of_their_own() {
        let error = CliError::failed("cannot read dss.toml\nsecond line")
            .why("no such file")
            .next("check the name");
        assert_eq!(
            error.to_string(),
            "error: cannot read dss.toml\n  second line\n  why:  no such file\n  next: check the name"
        );
        let denied = CliError::from(Status::permission_denied("node certificates may not ask this"));
        assert!(denied.to_string().contains("--profile"), "{denied}");
    }
}
