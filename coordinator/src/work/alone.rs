//! Who is connected (promise 1): the database's own session list is the proof.

use std::time::Duration;

use cutover_database::{Session, Target, foreign_sessions, settled_sessions};
use cutover_proto::ids::NodeName;
use cutover_proto::plan::{DatabaseRole, PlanDatabase};
use cutover_proto::report::{ErrorCode, Receipt, StepError, StepOutcome};

use super::{Job, Worker, failed, target_of};

const SERVING_CHECKS: u32 = 60;
const SERVING_PAUSE: Duration = Duration::from_millis(500);

/// How long sessions of a coordinator that was killed are given to go: the server ends the statement they are at first.
const LEFTOVER_CHECKS: u32 = 120;
/// And how long a client that has just said good-bye.
const LEAVING_CHECKS: u32 = 5;
const LEFTOVER_PAUSE: Duration = Duration::from_millis(500);

impl Worker {
    /// Nobody but Cutover is connected to this database. When an earlier try may have been killed, its own sessions
    /// are given time to go.
    pub(super) async fn ensure_alone(
        &self,
        job: &Job,
        target: &Target,
        role: DatabaseRole,
    ) -> Result<(), StepError> {
        let mut checks = if job.again {
            LEFTOVER_CHECKS
        } else {
            LEAVING_CHECKS
        };
        loop {
            let sessions = foreign_sessions(target, &self.own)
                .await
                .map_err(|e| failed(&e))?;
            if sessions.is_empty() {
                return Ok(());
            }
            checks -= 1;
            if checks == 0 {
                return Err(self.not_alone(&target.to_string(), role, &sessions).await);
            }
            tokio::time::sleep(LEFTOVER_PAUSE).await;
        }
    }

    pub(super) async fn prove_alone(
        &self,
        job: &Job,
        database: &PlanDatabase,
        role: DatabaseRole,
    ) -> StepOutcome {
        let target = target_of(database, role)?;
        let sessions = settled_sessions(&target, &self.own)
            .await
            .map_err(|e| failed(&e))?;
        if sessions.is_empty() {
            if role == DatabaseRole::Production {
                self.ensure_fenced(job, database, &target).await?;
                self.prove_unchanged(job, database).await?;
            }
            return Ok(Receipt::new()
                .with("database", &target)
                .with("foreign_sessions", 0));
        }
        Err(self.not_alone(&target.to_string(), role, &sessions).await)
    }

    /// The error that names every session, and the node it comes from where an agent's address says so.
    pub(super) async fn not_alone(
        &self,
        target: &str,
        role: DatabaseRole,
        sessions: &[Session],
    ) -> StepError {
        let nodes = self.addresses().await;
        let shown: Vec<String> = sessions
            .iter()
            .take(20)
            .map(|session| {
                let host = host_of(&session.address);
                let known: Vec<&str> = nodes
                    .iter()
                    .filter(|(_, addresses)| addresses.iter().any(|address| address == host))
                    .map(|(node, _)| node.as_str())
                    .collect();
                let origin = match known.as_slice() {
                    [] => "no node that Cutover knows".to_owned(),
                    [node] => format!("node {node}"),
                    several => format!("one of {}", several.join(", ")),
                };
                format!(
                    "{} from {} ({origin}; {}, {} s{})",
                    session.user,
                    session.address,
                    session.state,
                    session.since_secs,
                    if session.application.is_empty() {
                        String::new()
                    } else {
                        format!(", {}", session.application)
                    }
                )
            })
            .collect();
        StepError::new(
            ErrorCode::ForeignSessions,
            format!(
                "{} session(s) that are not Cutover's are on {role} ({target})",
                sessions.len()
            ),
            shown.join("; "),
            "stop what is connected there, then retry; nothing is run on this database before that",
        )
    }

    async fn addresses(&self) -> Vec<(NodeName, Vec<String>)> {
        // Without the inventory the sessions are still shown, only their nodes are not.
        let nodes = self.store.nodes().await.unwrap_or_default();
        nodes
            .into_iter()
            .map(|node| {
                (
                    node.name,
                    node.facts.map(|facts| facts.addresses).unwrap_or_default(),
                )
            })
            .collect()
    }

    /// Every new server is on staging, and nobody is on production.
    pub(super) async fn prove_serving(&self, job: &Job, database: &PlanDatabase, nodes: u32) -> StepOutcome {
        let production = target_of(database, DatabaseRole::Production)?;
        let left = foreign_sessions(&production, &self.own)
            .await
            .map_err(|e| failed(&e))?;
        if !left.is_empty() {
            return Err(self
                .not_alone(&production.to_string(), DatabaseRole::Production, &left)
                .await);
        }
        self.ensure_fenced(job, database, &production).await?;
        let staging = target_of(database, DatabaseRole::Staging)?;
        let known = self.addresses().await;
        let planned: Vec<&(NodeName, Vec<String>)> = known
            .iter()
            .filter(|(node, _)| job.plan.nodes.contains(node))
            .collect();
        let mut checks = 0;
        loop {
            let sessions = foreign_sessions(&staging, &self.own)
                .await
                .map_err(|e| failed(&e))?;
            let absent = absent(&planned, &sessions);
            if absent.is_empty() && sessions.len() >= nodes as usize {
                return Ok(Receipt::new()
                    .with("sessions_on_staging", sessions.len())
                    .with("sessions_on_production", 0)
                    .with("nodes", nodes));
            }
            checks += 1;
            if checks == SERVING_CHECKS {
                return Err(StepError::new(
                    ErrorCode::NotReady,
                    format!("not every new server is connected to staging ({staging})"),
                    format!(
                        "{} session(s) there, none from {}",
                        sessions.len(),
                        if absent.is_empty() {
                            "some node".to_owned()
                        } else {
                            absent.join(", ")
                        }
                    ),
                    "look at repository/logs/wso2carbon.log of the new home there and at its master-datasources.xml, then retry or abort",
                ));
            }
            tokio::time::sleep(SERVING_PAUSE).await;
        }
    }
}

fn host_of(address: &str) -> &str {
    match address.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|b| b.is_ascii_digit()) => host.trim_matches(['[', ']']),
        Some(_) | None => address,
    }
}

fn is_local(host: &str) -> bool {
    host.is_empty() || host == "localhost" || host == "::1" || host.starts_with("127.")
}

/// Nodes that no session comes from. A session over the loopback or a socket comes from the database's own host,
/// which may be any node: then only the number of sessions counts.
fn absent(nodes: &[&(NodeName, Vec<String>)], sessions: &[Session]) -> Vec<String> {
    let hosts: Vec<&str> = sessions.iter().map(|session| host_of(&session.address)).collect();
    if hosts.iter().any(|host| is_local(host)) {
        return Vec::new();
    }
    nodes
        .iter()
        .filter(|(_, addresses)| !addresses.iter().any(|address| hosts.contains(&address.as_str())))
        .map(|(node, _)| node.to_string())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session(address: &str) -> Session {
        Session {
            id: "1".into(),
            user: "dss".into(),
            address: address.into(),
            state: "Sleep".into(),
            since_secs: 1,
            application: String::new(),
            query_kind: String::new(),
        }
    }

    #[test]
    fn nodes_when_one_has_no_session_then_it_is_named() {
        let a = ("n1".parse().unwrap(), vec!["10.0.0.1".to_owned()]);
        let b = ("n2".parse().unwrap(), vec!["10.0.0.2".to_owned()]);
        assert_eq!(absent(&[&a, &b], &[session("10.0.0.1:5000")]), ["n2"]);
        assert!(absent(&[&a, &b], &[session("10.0.0.1:1"), session("10.0.0.2:2")]).is_empty());
        assert!(absent(&[&a, &b], &[session("localhost")]).is_empty());
    }

    #[test]
    fn host_when_ipv6_with_port_then_without_brackets() {
        assert_eq!(host_of("[fe80::1]:5432"), "fe80::1");
        assert_eq!(host_of("db1:3306"), "db1");
        assert_eq!(host_of("localhost"), "localhost");
    }
}
