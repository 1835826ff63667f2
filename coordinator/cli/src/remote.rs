//! The coordinator, as commands ask it.

use std::time::SystemTime;

use cutover_channel::{ChannelError, ChannelOptions, DialError, connect};
use cutover_proto::convert::from_document;
use cutover_proto::pb;
use cutover_proto::pb::operator_service_client::OperatorServiceClient;
use serde::de::DeserializeOwned;
use tonic::transport::Channel;

use crate::console::Console;
use crate::error::{CliError, chain};
use crate::profile::Profile;

/// A run of a large fleet is several megabytes of JSON, above tonic's own limit of four.
const MESSAGE_MAX: usize = 256 * 1024 * 1024;

/// The generated client over our channel.
pub(crate) type Client = OperatorServiceClient<Channel>;

/// Connects with the operator's profile.
pub(crate) async fn dial(console: &Console, profile: &Profile) -> Result<Client, CliError> {
    let endpoint = profile.endpoint()?;
    let tls = profile.tls()?;
    if let Some(warning) = profile.expiry(SystemTime::now())?
        && !console.json
    {
        console.note(&warning);
    }
    if let Some(warning) = profile.exposed_key() {
        console.note(&warning);
    }
    let channel = connect(&endpoint, &tls, ChannelOptions::default())
        .await
        .map_err(unreachable)?;
    Ok(OperatorServiceClient::new(channel).max_decoding_message_size(MESSAGE_MAX))
}

fn unreachable(error: ChannelError) -> CliError {
    let why = error.source_text();
    match (&error, error.dial()) {
        (ChannelError::Endpoint { .. }, _) => {
            CliError::input(error.to_string()).next("correct the file `endpoint` of the operator profile")
        }
        (ChannelError::Tls(_), _) => CliError::input("the operator profile's certificates cannot be used")
            .why(why)
            .next("copy the profile that `cutover-coordinator init` wrote again"),
        (ChannelError::Connect { .. }, Some(DialError::Handshake { .. } | DialError::NotHttp2 { .. })) => {
            CliError::failed(error.to_string())
                .why(why)
                .next("compare `endpoint` and `ca.pem` of the operator profile with this coordinator's")
        }
        (ChannelError::Connect { .. }, Some(DialError::Unreachable { .. } | DialError::TimedOut { .. }) | None) => {
            CliError::failed(error.to_string())
                .why(why)
                .next("start the coordinator or correct the file `endpoint` of the operator profile; runs go on by themselves")
        }
    }
}

trait SourceText {
    fn source_text(&self) -> String;
}

impl SourceText for ChannelError {
    fn source_text(&self) -> String {
        // tonic's own "transport error" says nothing; the stage at which dialling failed does.
        match self.dial() {
            Some(dial) => chain(dial),
            None => std::error::Error::source(self).map(chain).unwrap_or_default(),
        }
    }
}

/// Reads an answer's document.
pub(crate) fn read<T: DeserializeOwned>(
    schema: &'static str,
    document: &pb::Document,
) -> Result<T, CliError> {
    from_document(schema, document).map_err(|error| {
        CliError::failed("cannot read the coordinator's answer")
            .why(chain(&error))
            .next("use the `cutover` of the coordinator's version")
    })
}

/// Reads a document that must be there.
pub(crate) fn read_some<T: DeserializeOwned>(
    schema: &'static str,
    document: Option<&pb::Document>,
) -> Result<T, CliError> {
    read(schema, document.unwrap_or(&pb::Document::default()))
}
