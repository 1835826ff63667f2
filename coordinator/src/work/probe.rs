//! What a plan needs to know of the databases. Every problem is a finding; nothing is changed.

use cutover_database::{DatabaseFacts, FencePlan, ObjectKind, SchemaLevel, compatible, facts};
use cutover_proto::plan::DatabaseAddress;
use cutover_proto::report::StepError;
use cutover_proto::view::Finding;

use super::{Worker, failed, identity, target};
use crate::planner::fence::{Fencing, locked_out};
use crate::planner::{DatabaseProbe, error};

impl Worker {
    /// Looks at production and staging.
    pub async fn probe(
        &self,
        name: &str,
        production: &DatabaseAddress,
        staging: &DatabaseAddress,
        fencing: Fencing,
    ) -> DatabaseProbe {
        let mut findings = Vec::new();
        let fencing = fence(production, fencing).await;
        let production = look(name, "production", production, &mut findings).await;
        let staging = look(name, "staging", staging, &mut findings).await;
        if let (Some(production), Some(staging)) = (&production, &staging) {
            findings.extend(compatible(production, staging).into_iter().map(|problem| {
                let code = serde_json::to_value(problem.code).ok();
                let code = code
                    .and_then(|c| c.as_str().map(|text| text.replace('_', "-")))
                    .unwrap_or_default();
                error(
                    &format!("staging-{code}"),
                    format!("database `{name}`"),
                    problem.text,
                    problem.remedy,
                )
            }));
        }
        if let Some(production) = &production {
            findings.extend(able(name, production));
        }
        DatabaseProbe {
            production_identity: production.as_ref().map(identity).unwrap_or_default(),
            staging_identity: staging.as_ref().map(identity).unwrap_or_default(),
            level: production
                .as_ref()
                .map_or(SchemaLevel::NoUserStore, |facts| facts.schema_level.clone()),
            rss: production
                .as_ref()
                .map(|facts| facts.rss_level.clone())
                .unwrap_or_default(),
            tables: production
                .as_ref()
                .map(|facts| facts.table_names.clone())
                .unwrap_or_default(),
            hidden_tables: production
                .as_ref()
                .map(|facts| facts.hidden_tables.clone())
                .unwrap_or_default(),
            triggers: production
                .as_ref()
                .and_then(|facts| facts.objects.get(&ObjectKind::Trigger).copied())
                .unwrap_or_default(),
            tenants: production
                .as_ref()
                .and_then(|facts| facts.tenants.as_ref())
                .map(|tenants| tenants.ids.clone())
                .unwrap_or_default(),
            bytes: production.as_ref().map_or(0, |facts| facts.data_bytes),
            findings,
            fencing,
            host: None,
        }
    }
}

/// Whether and how production can be fenced. That it can't be is told in the plan; it forbids none.
async fn fence(production: &DatabaseAddress, mut fencing: Fencing) -> Fencing {
    if fencing.refused.is_some() {
        return fencing;
    }
    // A database that can't be reached has a finding of its own.
    let Ok(target) = target(production) else {
        return fencing;
    };
    match FencePlan::prepare(&target, &fencing.accounts).await {
        Ok(plan) => {
            fencing.locked_out = locked_out(&plan);
            fencing.words = plan.does.into_iter().chain(plan.warnings).collect();
        }
        Err(problem) => fencing.refused = Some(problem.why().to_owned()),
    }
    fencing
}

async fn look(
    name: &str,
    role: &str,
    address: &DatabaseAddress,
    findings: &mut Vec<Finding>,
) -> Option<DatabaseFacts> {
    let place = format!("database `{name}` ({role})");
    let told = |problem: StepError| {
        error(
            problem.code.as_str(),
            &place,
            format!("{}: {}", problem.what, problem.why),
            problem.next,
        )
    };
    let target = match target(address) {
        Ok(target) => target,
        Err(problem) => {
            findings.push(told(problem));
            return None;
        }
    };
    match facts(&target).await {
        Ok(facts) => Some(facts),
        Err(problem) => {
            findings.push(told(failed(&problem)));
            None
        }
    }
}

/// What the account and this host must be able to do.
fn able(name: &str, production: &DatabaseFacts) -> Vec<Finding> {
    let place = format!("database `{name}` (production)");
    let mut findings = Vec::new();
    if !production.privileges.see_all_sessions {
        findings.push(error(
            "sessions-hidden",
            &place,
            "the account can't see the sessions of others, so it could not prove that every server has stopped",
            "GRANT PROCESS ON *.* (MySQL, MariaDB) or GRANT pg_read_all_stats (PostgreSQL) to it, or name an account that has it",
        ));
    }
    if !production.privileges.create_database {
        findings.push(error(
            "no-scratch",
            &place,
            "the account can't create a database, so a backup could not be proven by restoring it",
            "grant it CREATE on databases called cutover\\_% (MySQL, MariaDB) or CREATEDB (PostgreSQL), or name another account",
        ));
    }
    for tool in production.tools.iter().filter(|tool| !tool.adequate) {
        findings.push(error(
            "tool-missing",
            "coordinator",
            format!(
                "the program to {} this database is missing or too old ({})",
                tool.job, tool.version
            ),
            tool.remedy.clone(),
        ));
    }
    findings
}
