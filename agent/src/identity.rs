//! Who this agent is: its key, its certificate, the authority it trusts. The key never leaves the host.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use cutover_channel::csr::{KeyAndCsr, generate_key_and_csr};
use cutover_channel::token::JoinToken;
use cutover_channel::{CertificateFacts, ChannelOptions, ClientTls, Identity, Principal, connect};
use cutover_proto::pb;
use futures::FutureExt;
use futures::future::BoxFuture;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use tonic::Code;
use tonic::transport::Channel;
use tracing::{info, warn};

use crate::agent::Agent;
use crate::config::Config;
use crate::durable;
use crate::fault::chain;
use crate::session::{Dial, DialFailed};

/// How often the certificate's age is looked at.
const LOOK: Duration = Duration::from_secs(60);

/// One file, so that key and certificate always belong together.
#[derive(Serialize, Deserialize)]
struct Stored {
    certificate_pem: String,
    ca_pem: String,
    key_pem: String,
}

/// The identity that the agent connects with.
#[derive(Debug, Clone)]
pub struct NodeIdentity {
    /// Whom it trusts and who it is.
    pub tls: ClientTls,
    /// What its certificate says.
    pub facts: CertificateFacts,
}

fn folder(state_dir: &Path) -> PathBuf {
    state_dir.join("identity")
}

fn stored_path(state_dir: &Path) -> PathBuf {
    folder(state_dir).join("identity.json")
}

/// Reads the identity of the node.
///
/// # Errors
/// [`IdentityError`]: not enrolled, unreadable, or another node's.
pub fn load(config: &Config) -> Result<NodeIdentity, IdentityError> {
    let path = stored_path(&config.state_dir);
    let failed = |source| IdentityError::File {
        path: path.clone(),
        source,
    };
    let bytes = durable::read_optional(&path)
        .map_err(failed)?
        .ok_or(IdentityError::None)?;
    let stored: Stored = serde_json::from_slice(&bytes).map_err(|error| failed(io::Error::other(error)))?;
    let facts = CertificateFacts::from_pem(&stored.certificate_pem)?;
    if facts.principal != Principal::Node(config.node.to_string()) {
        return Err(IdentityError::OtherNode {
            found: facts.principal.name().to_owned(),
            wanted: config.node.to_string(),
        });
    }
    let identity = Identity {
        cert_chain_pem: stored.certificate_pem,
        key_pem: SecretString::from(stored.key_pem),
    };
    Ok(NodeIdentity {
        tls: ClientTls::new(stored.ca_pem, Some(identity)),
        facts,
    })
}

/// Whether the node has an identity that still holds.
#[must_use]
pub fn is_valid(config: &Config) -> bool {
    load(config).is_ok_and(|identity| identity.facts.not_after > SystemTime::now())
}

/// Enrols the node: makes a key, sends the request with the token, stores what comes back.
///
/// # Errors
/// [`IdentityError`]. A token works once: a try that was cut off after the request was sent may have used it up, and
/// the next one needs a new token.
pub async fn enrol(
    config: &Config,
    token: &JoinToken,
    force: bool,
) -> Result<CertificateFacts, IdentityError> {
    if !force && is_valid(config) {
        return Err(IdentityError::AlreadyEnrolled);
    }
    let folder = folder(&config.state_dir);
    durable::private_folder(&folder).map_err(|source| IdentityError::File { path: folder, source })?;
    let KeyAndCsr { key_pem, csr_pem } = generate_key_and_csr(config.node.as_str())?;
    let tls = ClientTls::new(token.ca_pem(), None);
    let channel = connect(&config.coordinator, &tls, ChannelOptions::default()).await?;
    let request = pb::EnrolRequest {
        token_id: token.id().to_string(),
        token_secret: token.secret().to_text().expose_secret().to_owned(),
        node: config.node.to_string(),
        csr_pem,
    };
    let answer = pb::enrolment_client::EnrolmentClient::new(channel)
        .enrol(request)
        .await;
    let answer = answer
        .map_err(|status| enrolment_failed(config, status))?
        .into_inner();
    // The authority is the token's, whatever the answer says: the token is what the operator handed over.
    store(
        config,
        &answer.certificate_pem,
        &token.ca_pem(),
        key_pem.expose_secret(),
    )
}

/// Tells a refusal, after which the coordinator's words say what to do, from an answer that never came.
fn enrolment_failed(config: &Config, status: tonic::Status) -> IdentityError {
    match status.code() {
        Code::Unavailable
        | Code::Unknown
        | Code::Cancelled
        | Code::DeadlineExceeded
        | Code::Aborted
        | Code::Internal
        | Code::DataLoss => IdentityError::CutOff {
            node: config.node.to_string(),
            source: Box::new(status),
        },
        Code::Ok
        | Code::InvalidArgument
        | Code::NotFound
        | Code::AlreadyExists
        | Code::PermissionDenied
        | Code::ResourceExhausted
        | Code::FailedPrecondition
        | Code::OutOfRange
        | Code::Unimplemented
        | Code::Unauthenticated => IdentityError::Refused(Box::new(status)),
    }
}

fn store(config: &Config, certificate: &str, ca: &str, key: &str) -> Result<CertificateFacts, IdentityError> {
    let facts = CertificateFacts::from_pem(certificate)?;
    if facts.principal != Principal::Node(config.node.to_string()) {
        return Err(IdentityError::OtherNode {
            found: facts.principal.name().to_owned(),
            wanted: config.node.to_string(),
        });
    }
    let stored = Stored {
        certificate_pem: certificate.to_owned(),
        ca_pem: ca.to_owned(),
        key_pem: key.to_owned(),
    };
    let path = stored_path(&config.state_dir);
    let json = serde_json::to_vec(&stored).map_err(|error| IdentityError::File {
        path: path.clone(),
        source: io::Error::other(error),
    })?;
    durable::write_private(&path, &json).map_err(|source| IdentityError::File { path, source })?;
    Ok(facts)
}

/// Renews the certificate when 70 % of its life is over, until the agent ends.
pub async fn keep_renewed(agent: Arc<Agent>) {
    loop {
        tokio::select! {
            () = agent.shutdown.cancelled() => return,
            () = tokio::time::sleep(LOOK) => {}
        }
        let channel = agent.channel.borrow().clone();
        let (Some(channel), Ok(identity)) = (channel, load(&agent.config)) else {
            continue;
        };
        if SystemTime::now() < identity.facts.renew_at() {
            continue;
        }
        match renew(&agent.config, channel, &identity).await {
            Ok(facts) => info!(serial = %facts.serial, "certificate renewed"),
            Err(error) => warn!(error = %chain(&error), "certificate not renewed; trying again"),
        }
    }
}

/// Asks for the next certificate, with a new key.
///
/// # Errors
/// [`IdentityError`]; the old certificate stays.
pub async fn renew(
    config: &Config,
    channel: Channel,
    identity: &NodeIdentity,
) -> Result<CertificateFacts, IdentityError> {
    let KeyAndCsr { key_pem, csr_pem } = generate_key_and_csr(config.node.as_str())?;
    let request = pb::RenewCertificateRequest { csr_pem };
    let mut client = pb::agent_gateway_client::AgentGatewayClient::new(channel);
    let answer = client.renew_certificate(request).await;
    let answer = answer
        .map_err(|status| IdentityError::Refused(Box::new(status)))?
        .into_inner();
    let ca = if answer.ca_pem.trim().is_empty() {
        &identity.tls.ca_pem
    } else {
        &answer.ca_pem
    };
    store(config, &answer.certificate_pem, ca, key_pem.expose_secret())
}

/// Dials with the identity on the disk, so that a renewed one is used from the next connection on.
#[derive(Debug, Clone)]
pub struct TlsDial {
    config: Config,
}

impl TlsDial {
    /// Dials the coordinator of this configuration.
    #[must_use]
    pub fn new(config: Config) -> Self {
        Self { config }
    }

    async fn once(&self) -> Result<Channel, IdentityError> {
        let identity = load(&self.config)?;
        Ok(connect(&self.config.coordinator, &identity.tls, ChannelOptions::default()).await?)
    }
}

impl Dial for TlsDial {
    fn dial(&self) -> BoxFuture<'_, Result<Channel, DialFailed>> {
        self.once()
            .map(|channel| channel.map_err(|error| DialFailed(Box::new(error))))
            .boxed()
    }
}

/// Why there is no identity, or no new one.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// Never enrolled.
    #[error(
        "this node is not enrolled; get a token with `cutover node token` and run `cutover-agent enroll`"
    )]
    None,
    /// Enrolled already.
    #[error("this node is enrolled and its certificate holds; give `--force` to enrol it again")]
    AlreadyEnrolled,
    /// A file can't be used.
    #[error("cannot use `{}`", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The certificate is another node's.
    #[error(
        "the certificate is for `{found}`, the policy file says `{wanted}`; correct `node` or enrol again"
    )]
    OtherNode {
        /// Whom it is for.
        found: String,
        /// Whom it must be for.
        wanted: String,
    },
    /// The certificate is not one.
    #[error("the certificate can't be used")]
    Certificate(#[from] cutover_channel::CertificateError),
    /// No key or request.
    #[error("no key could be made")]
    Csr(#[from] cutover_channel::csr::CsrError),
    /// The coordinator was not reached.
    #[error("the coordinator was not reached")]
    Channel(#[from] cutover_channel::ChannelError),
    /// The request was sent, and no answer came.
    #[error(
        "the coordinator's answer did not come, so the token may be used up; make a new one with `cutover node token \
         --node {node}` and run `cutover-agent enroll` with it"
    )]
    CutOff {
        /// The node.
        node: String,
        /// What became of the call.
        #[source]
        source: Box<tonic::Status>,
    },
    /// The coordinator said no.
    #[error("the coordinator refused: {}", .0.message())]
    Refused(Box<tonic::Status>),
}
