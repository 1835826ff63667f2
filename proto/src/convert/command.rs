//! Command ids, commands and reports.

use std::collections::BTreeMap;

use crate::ids::{CommandId, Direction, InvalidId, Sha256Hex};
use crate::pb;
use crate::report::{ErrorCode, Receipt, StepError, StepOutcome};
use crate::step::NodeAction;

/// A message that is not what the contract says.
#[derive(Debug, thiserror::Error)]
pub enum WireError {
    /// A field that must be set is not.
    #[error("field `{0}` is missing")]
    Missing(&'static str),
    /// An id that is not one.
    #[error(transparent)]
    Id(#[from] InvalidId),
    /// An enum value this build does not know.
    #[error("field `{0}` has a value that this version does not know")]
    Unknown(&'static str),
    /// A document of another schema.
    #[error("a document of schema `{expected}` was expected, `{found}` came")]
    Schema {
        /// The schema expected.
        expected: &'static str,
        /// The schema found.
        found: String,
    },
    /// A document that does not fit its schema.
    #[error("a document does not fit schema `{schema}`")]
    Document {
        /// The schema.
        schema: &'static str,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
}

/// A command to an agent.
#[derive(Clone, PartialEq, Eq)]
pub struct Command {
    /// Which try of which step.
    pub id: CommandId,
    /// The plan it belongs to.
    pub plan_hash: Sha256Hex,
    /// The coordinator's epoch.
    pub epoch: u64,
    /// How long the agent may take, in seconds.
    pub deadline_secs: u64,
    /// What to do.
    pub action: NodeAction,
    /// Values of the secrets that the action names.
    pub secrets: BTreeMap<String, String>,
    /// Why, for the agent's log.
    pub reason: String,
}

impl std::fmt::Debug for Command {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Command")
            .field("id", &self.id)
            .field("epoch", &self.epoch)
            .field("action", &self.action)
            .field("secrets", &self.secrets.keys().collect::<Vec<_>>())
            .finish_non_exhaustive()
    }
}

impl From<&CommandId> for pb::CommandId {
    fn from(id: &CommandId) -> Self {
        let direction = match id.direction {
            Direction::Do => pb::Direction::Do,
            Direction::Undo => pb::Direction::Undo,
        };
        Self {
            run: id.run.to_string(),
            step: id.step.to_string(),
            attempt: id.attempt,
            direction: direction.into(),
        }
    }
}

impl TryFrom<&pb::CommandId> for CommandId {
    type Error = WireError;

    fn try_from(id: &pb::CommandId) -> Result<Self, WireError> {
        let direction = match pb::Direction::try_from(id.direction) {
            Ok(pb::Direction::Do) => Direction::Do,
            Ok(pb::Direction::Undo) => Direction::Undo,
            Ok(pb::Direction::Unspecified) | Err(_) => return Err(WireError::Unknown("direction")),
        };
        Ok(Self {
            run: id.run.parse()?,
            step: id.step.parse()?,
            attempt: id.attempt,
            direction,
        })
    }
}

impl From<&Command> for pb::Command {
    fn from(command: &Command) -> Self {
        Self {
            id: Some((&command.id).into()),
            plan_hash: command.plan_hash.to_string(),
            epoch: command.epoch,
            deadline_secs: command.deadline_secs,
            action: Some((&command.action).into()),
            secrets: command.secrets.clone().into_iter().collect(),
            reason: command.reason.clone(),
        }
    }
}

impl TryFrom<pb::Command> for Command {
    type Error = WireError;

    fn try_from(command: pb::Command) -> Result<Self, WireError> {
        Ok(Self {
            id: command.id.as_ref().ok_or(WireError::Missing("id"))?.try_into()?,
            plan_hash: command.plan_hash.parse()?,
            epoch: command.epoch,
            deadline_secs: command.deadline_secs,
            action: command.action.ok_or(WireError::Missing("action"))?.try_into()?,
            secrets: command.secrets.into_iter().collect(),
            reason: command.reason,
        })
    }
}

impl pb::Report {
    /// Wraps an outcome.
    #[must_use]
    pub fn of(id: &CommandId, outcome: &StepOutcome) -> Self {
        let outcome = match outcome {
            Ok(receipt) => pb::report::Outcome::Receipt(pb::Receipt {
                evidence: receipt.evidence.clone().into_iter().collect(),
                facts: receipt
                    .facts
                    .as_ref()
                    .map(|facts| super::document("node-facts/1", facts)),
                config: receipt
                    .config
                    .as_ref()
                    .map(|config| super::document("config-comparison/1", config)),
            }),
            Err(error) => pb::report::Outcome::Failure(pb::Failure {
                code: error.code.to_string(),
                what: error.what.clone(),
                why: error.why.clone(),
                next: error.next.clone(),
            }),
        };
        Self {
            command: Some(id.into()),
            outcome: Some(outcome),
        }
    }

    /// Reads it.
    ///
    /// # Errors
    /// [`WireError`] when a part is missing or not understood.
    pub fn read(self) -> Result<(CommandId, StepOutcome), WireError> {
        let id = self
            .command
            .as_ref()
            .ok_or(WireError::Missing("command"))?
            .try_into()?;
        let outcome = match self.outcome.ok_or(WireError::Missing("outcome"))? {
            pb::report::Outcome::Receipt(receipt) => Ok(Receipt {
                evidence: receipt.evidence.into_iter().collect(),
                facts: receipt
                    .facts
                    .map(|d| super::from_document("node-facts/1", &d))
                    .transpose()?,
                config: receipt
                    .config
                    .map(|d| super::from_document("config-comparison/1", &d))
                    .transpose()?,
            }),
            pb::report::Outcome::Failure(failure) => Err(StepError {
                // A newer agent may know codes that we don't; the words still say what happened.
                code: failure.code.parse().unwrap_or(ErrorCode::Internal),
                what: failure.what,
                why: failure.why,
                next: failure.next,
            }),
        };
        Ok((id, outcome))
    }
}
