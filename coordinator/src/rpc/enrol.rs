//! Enrolment: the only call that answers without a certificate. In this order: read, find the token, verify it, use
//! it up, sign, store, answer.

use std::sync::Arc;

use cutover_channel::token::TokenSecret;
use cutover_proto::audit::AuditEntry;
use cutover_proto::ids::NodeName;
use cutover_proto::pb;
use cutover_proto::pb::enrolment_server::Enrolment;
use cutover_trust::TokenRecord;
use tonic::{Request, Response, Status};

use super::status::RpcError;
use crate::app::App;
use crate::store::NodeRow;

/// A node's certificate is renewed at 70 % of this.
pub const NODE_CERTIFICATE_LIFE: std::time::Duration = std::time::Duration::from_secs(30 * 24 * 3600);

/// The service.
#[derive(Debug, Clone)]
pub struct EnrolmentService(pub Arc<App>);

/// A refused caller learns nothing of which part was wrong.
fn refused() -> RpcError {
    RpcError::Denied(
        "the join token is not valid for this node: it is unknown, used, expired or made for another node; make a \
         new one with `cutover node token`"
            .into(),
    )
}

#[tonic::async_trait]
impl Enrolment for EnrolmentService {
    async fn enrol(&self, request: Request<pb::EnrolRequest>) -> Result<Response<pb::EnrolResponse>, Status> {
        let request = request.into_inner();
        let node: NodeName = request
            .node
            .parse()
            .map_err(|e: cutover_proto::ids::InvalidId| RpcError::Invalid(e.to_string()))?;
        let record = self.verified_token(&request, &node).await?;
        let replaced = self.replaced_node(&record, &node).await?;
        let now = self.0.clock.now().into();
        // Signed before the token is used up: a request that can't be signed must not cost the operator a token.
        let cert = self
            .0
            .ca
            .sign_node_csr(&request.csr_pem, node.as_str(), now, NODE_CERTIFICATE_LIFE)
            .map_err(|e| RpcError::Invalid(format!("the certificate request is refused: {e}")))?;
        let row = NodeRow {
            name: node.clone(),
            labels: record.labels,
            serial: cert.serial_hex.clone(),
            replaced_serial: None,
            enrolled: self.0.clock.now(),
            last_seen: None,
            revoked: None,
            facts: None,
        };
        let mut audit = AuditEntry {
            actor: format!("node:{node}"),
            action: "node.enrolled".into(),
            node: Some(node.to_string()),
            evidence: [
                ("serial".into(), cert.serial_hex),
                ("token".into(), request.token_id.clone()),
            ]
            .into(),
            ..AuditEntry::default()
        };
        if let Some(before) = replaced {
            audit.evidence.insert("replaced_serial".into(), before.serial);
        }
        if !self
            .0
            .store
            .enrol(&request.token_id, &row, audit)
            .await
            .map_err(RpcError::from)?
        {
            return Err(refused().into());
        }
        // A session under the certificate before this one ends here.
        self.0.fleet.drop_node(&node);
        tracing::info!(node.id = %node, "node enrolled");
        Ok(Response::new(pb::EnrolResponse {
            node: node.to_string(),
            certificate_pem: cert.cert_pem,
            ca_pem: self.0.ca.cert_pem().to_owned(),
        }))
    }
}

impl EnrolmentService {
    /// The node that this enrolment would replace. Only a token made for its very name may do that: with any other
    /// token one host could take another one's place.
    async fn replaced_node(
        &self,
        record: &TokenRecord,
        node: &NodeName,
    ) -> Result<Option<NodeRow>, RpcError> {
        let nodes = self.0.store.nodes().await?;
        let known = nodes.into_iter().find(|row| &row.name == node);
        if known.is_some() && record.node_name.as_deref() != Some(node.as_str()) {
            return Err(RpcError::Denied(format!(
                "node {node} is enrolled already; to enrol it again make a token for it alone: cutover node token --node {node}"
            )));
        }
        Ok(known)
    }

    async fn verified_token(
        &self,
        request: &pb::EnrolRequest,
        node: &NodeName,
    ) -> Result<TokenRecord, RpcError> {
        let stored = self.0.store.token(&request.token_id).await?;
        let record: TokenRecord = stored
            .and_then(|value| serde_json::from_value(value).ok())
            .ok_or_else(refused)?;
        let secret: TokenSecret = request.token_secret.parse().map_err(|_| refused())?;
        if let Err(refusal) = record.verify(&secret, node.as_str(), self.0.clock.now().into()) {
            tracing::warn!(node.id = %node, token = request.token_id, refusal = %refusal, "enrolment refused");
            return Err(refused());
        }
        Ok(record)
    }
}
