//! Errors as gRPC statuses: once, exhaustive.

use cutover_proto::report::{ErrorCode, StepError};
use tonic::{Code, Status};

use crate::audit_key::AuditKeyError;
use crate::blobs::BlobError;
use crate::engine::driver::{ControlError, EngineError};
use crate::model::selector::InvalidSelector;
use crate::store::StoreError;

/// Everything that a call can fail with.
#[derive(Debug, thiserror::Error)]
pub enum RpcError {
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The engine.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// A run's refusal.
    #[error(transparent)]
    Control(#[from] ControlError),
    /// A blob.
    #[error(transparent)]
    Blob(#[from] BlobError),
    /// A selector.
    #[error(transparent)]
    Selector(#[from] InvalidSelector),
    /// The audit key.
    #[error(transparent)]
    AuditKey(#[from] AuditKeyError),
    /// A field of the request.
    #[error("{0}")]
    Invalid(String),
    /// Something named is not there.
    #[error("{0}")]
    NotFound(String),
    /// The state forbids it.
    #[error("{0}")]
    Refused(String),
    /// Work on a database failed.
    #[error("{what}: {why}; {next}", what = .0.what, why = .0.why, next = .0.next)]
    Work(StepError),
    /// The caller may not.
    #[error("{0}")]
    Denied(String),
    /// A certificate or token could not be made.
    #[error("{0}")]
    Trust(String),
}

impl RpcError {
    fn code(&self) -> Code {
        match self {
            RpcError::Store(StoreError::VersionMoved { .. }) => Code::Aborted,
            RpcError::Store(StoreError::Sql { .. } | StoreError::Open { .. }) => Code::Unavailable,
            RpcError::Store(StoreError::Corrupt { .. }) | RpcError::Engine(_) | RpcError::Trust(_) => {
                Code::Internal
            }
            RpcError::Control(ControlError::NoSuchStep(_)) | RpcError::NotFound(_) => Code::NotFound,
            RpcError::Control(ControlError::Ended | ControlError::Refused(_)) | RpcError::Refused(_) => {
                Code::FailedPrecondition
            }
            RpcError::Control(ControlError::Stopping) | RpcError::AuditKey(_) => Code::Unavailable,
            RpcError::Blob(BlobError::Mismatch { .. }) | RpcError::Selector(_) | RpcError::Invalid(_) => {
                Code::InvalidArgument
            }
            RpcError::Blob(BlobError::Missing(_)) => Code::NotFound,
            RpcError::Blob(BlobError::Io { .. }) => Code::Unavailable,
            RpcError::Work(error) => match error.code {
                ErrorCode::Internal => Code::Internal,
                ErrorCode::DatabaseUnavailable | ErrorCode::SecretUnavailable | ErrorCode::Io => {
                    Code::Unavailable
                }
                ErrorCode::PolicyRefused
                | ErrorCode::StaleEpoch
                | ErrorCode::ContentMismatch
                | ErrorCode::NotFound
                | ErrorCode::AlreadyExists
                | ErrorCode::DiskFull
                | ErrorCode::HashMismatch
                | ErrorCode::TimedOut
                | ErrorCode::StillRunning
                | ErrorCode::NotReady
                | ErrorCode::ConfigRefused
                | ErrorCode::Held
                | ErrorCode::Cancelled
                | ErrorCode::ForeignSessions
                | ErrorCode::DatabaseRefused
                | ErrorCode::ScriptFailed
                | ErrorCode::NotEqual
                | ErrorCode::CheckpointFailed
                | ErrorCode::NodeUnreachable
                | ErrorCode::OutcomeUnknown => Code::FailedPrecondition,
            },
            RpcError::Denied(_) => Code::PermissionDenied,
        }
    }
}

impl From<RpcError> for Status {
    fn from(error: RpcError) -> Self {
        let mut text = error.to_string();
        let mut source = std::error::Error::source(&error);
        // Transparent variants have their text already; what lies below it says why.
        while let Some(cause) = source {
            let cause_text = cause.to_string();
            if !text.contains(&cause_text) {
                text = format!("{text}: {cause_text}");
            }
            source = cause.source();
        }
        let code = error.code();
        if code == Code::Internal {
            tracing::error!(error = text, "call failed");
        }
        Status::new(code, text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn error_when_turned_into_a_status_then_code_says_who_must_act() {
        let cases = [
            (RpcError::Invalid("x".into()), Code::InvalidArgument),
            (RpcError::NotFound("x".into()), Code::NotFound),
            (RpcError::Refused("x".into()), Code::FailedPrecondition),
            (RpcError::Denied("x".into()), Code::PermissionDenied),
            (RpcError::Control(ControlError::Ended), Code::FailedPrecondition),
            (RpcError::Trust("x".into()), Code::Internal),
        ];
        for (error, code) in cases {
            let text = error.to_string();
            let status = Status::from(error);
            assert_eq!((status.code(), status.message()), (code, text.as_str()));
        }
    }
}
