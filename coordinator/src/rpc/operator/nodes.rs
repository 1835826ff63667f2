//! Nodes and join tokens.

use std::time::Duration;

use cutover_proto::audit::AuditEntry;
use cutover_proto::convert::document;
use cutover_proto::ids::{InvalidId, NodeName};
use cutover_proto::pb;
use cutover_proto::view::NodeView;
use cutover_trust::{TokenGrant, TokenRecord};
use secrecy::ExposeSecret;

use crate::app::App;
use crate::model::selector::Selector;
use crate::rpc::status::RpcError;
use crate::store::{NodeChange, NodeRow};

const TOKEN_LIFE_MAX: Duration = Duration::from_secs(7 * 24 * 3600);
const TOKEN_LIFE: Duration = Duration::from_secs(3600);

impl App {
    /// The nodes that a selector chooses. Revoked ones are never chosen.
    pub(crate) async fn select(&self, selector: &Selector) -> Result<Vec<NodeRow>, RpcError> {
        let nodes = self.store.nodes().await?;
        Ok(nodes
            .into_iter()
            .filter(|n| n.revoked.is_none() && selector.fits(&n.name, &n.labels))
            .collect())
    }

    fn node_view(&self, node: &NodeRow) -> NodeView {
        let homes = node
            .facts
            .iter()
            .flat_map(|facts| &facts.homes)
            .filter(|home| home.exists);
        NodeView {
            name: node.name.clone(),
            labels: node.labels.clone(),
            connected: self.fleet.connected(&node.name),
            last_seen: node.last_seen.map(|at| at.to_string()),
            agent_version: node.facts.as_ref().map(|facts| facts.agent_version.clone()),
            homes: homes
                .map(|home| {
                    let state = match (&home.server, &home.hold) {
                        (Some(_), _) => "running",
                        (None, Some(_)) => "held",
                        (None, None) => "stopped",
                    };
                    format!("{}: {} {} ({state})", home.path, home.product, home.version)
                })
                .collect(),
            revoked: node.revoked.is_some(),
        }
    }

    pub(super) async fn list_nodes(&self, selector: &str) -> Result<pb::Document, RpcError> {
        let selector = if selector.is_empty() {
            Selector::default()
        } else {
            Selector::parse(selector)?
        };
        let nodes = self.store.nodes().await?;
        let list: Vec<NodeView> = nodes
            .iter()
            .filter(|n| selector.fits(&n.name, &n.labels))
            .map(|n| self.node_view(n))
            .collect();
        Ok(document("node-list/1", &list))
    }

    async fn node(&self, name: &str) -> Result<NodeRow, RpcError> {
        let nodes = self.store.nodes().await?;
        nodes
            .into_iter()
            .find(|node| node.name.as_str() == name)
            .ok_or_else(|| {
                RpcError::NotFound(format!(
                    "there is no node `{name}`; `cutover node list` shows them"
                ))
            })
    }

    pub(super) async fn node_facts(&self, name: &str) -> Result<pb::Document, RpcError> {
        let node = self.node(name).await?;
        let facts = node.facts.ok_or_else(|| {
            RpcError::Refused(format!(
                "node {name} has not reported yet: its agent never connected"
            ))
        })?;
        Ok(document("node-facts/1", &facts))
    }

    pub(super) async fn create_token(
        &self,
        request: pb::CreateTokenRequest,
        operator: &str,
    ) -> Result<pb::CreateTokenResponse, RpcError> {
        let node: Option<NodeName> = (!request.node.is_empty())
            .then(|| {
                request
                    .node
                    .parse()
                    .map_err(|error: InvalidId| RpcError::Invalid(error.to_string()))
            })
            .transpose()?;
        if request.labels.contains_key("name") {
            return Err(RpcError::Invalid(
                "`name` is no label: selectors use it for the node's own name".into(),
            ));
        }
        let life = if request.ttl_secs == 0 {
            TOKEN_LIFE
        } else {
            Duration::from_secs(request.ttl_secs)
        };
        if life > TOKEN_LIFE_MAX {
            return Err(RpcError::Invalid("a join token may live 7 days at most".into()));
        }
        let expires = std::time::SystemTime::from(self.clock.now()) + life;
        let grant = TokenGrant {
            coordinator: self.config.advertise.clone(),
            node_name: node.as_ref().map(ToString::to_string),
            labels: request.labels.clone().into_iter().collect(),
            expires,
        };
        let (token, record) = TokenRecord::mint(&mut rand::rng(), self.ca.cert_der(), grant)
            .map_err(|error| RpcError::Trust(error.to_string()))?;
        let text = token
            .to_text()
            .map_err(|error| RpcError::Trust(error.to_string()))?;
        let expires = jiff::Timestamp::try_from(expires)
            .map(|at| at.to_string())
            .unwrap_or_default();
        let mut arguments: std::collections::BTreeMap<String, String> = request
            .labels
            .into_iter()
            .map(|(key, value)| (format!("label.{key}"), value))
            .collect();
        arguments.insert("expires".into(), expires.clone());
        let audit = AuditEntry {
            actor: format!("operator:{operator}"),
            action: "token.created".into(),
            node: node.map(|node| node.to_string()),
            arguments,
            evidence: [("token".into(), record.id.to_string())].into(),
            ..AuditEntry::default()
        };
        let value = serde_json::to_value(&record).map_err(|error| RpcError::Trust(error.to_string()))?;
        self.store.put_token(&record.id.to_string(), value, audit).await?;
        Ok(pb::CreateTokenResponse {
            token: text.expose_secret().to_owned(),
            expires,
        })
    }

    pub(super) async fn revoke_node(
        &self,
        request: pb::RevokeNodeRequest,
        operator: &str,
    ) -> Result<pb::Document, RpcError> {
        let node = self.node(&request.node).await?;
        if request.reason.trim().is_empty() {
            return Err(RpcError::Invalid(
                "revoking needs a reason; it is kept in the audit trail".into(),
            ));
        }
        let audit = AuditEntry {
            actor: format!("operator:{operator}"),
            action: "node.revoked".into(),
            node: Some(node.name.to_string()),
            arguments: [("reason".to_owned(), request.reason)].into(),
            ..AuditEntry::default()
        };
        let change = NodeChange::Revoked(self.clock.now());
        self.store.change_node(&node.name, change, audit).await?;
        self.fleet.drop_node(&node.name);
        let node = self.node(&request.node).await?;
        Ok(document("node/1", &self.node_view(&node)))
    }
}
