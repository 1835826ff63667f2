//! Between the wire and the vocabulary. Everything that arrives is checked here; inside nothing is missing.

mod action;
mod command;

pub use command::{Command, WireError};

use crate::pb;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Wraps a value as a document.
#[must_use]
pub fn document<T: Serialize>(schema: &str, value: &T) -> pb::Document {
    pb::Document {
        schema: schema.to_owned(),
        json: serde_json::to_vec(value).unwrap_or_default(),
    }
}

/// Reads a document of the schema expected.
///
/// # Errors
/// [`WireError`] when the schema is another or the JSON does not fit it.
pub fn from_document<T: DeserializeOwned>(
    schema: &'static str,
    document: &pb::Document,
) -> Result<T, WireError> {
    if document.schema != schema {
        return Err(WireError::Schema {
            expected: schema,
            found: document.schema.clone(),
        });
    }
    serde_json::from_slice(&document.json).map_err(|source| WireError::Document { schema, source })
}
