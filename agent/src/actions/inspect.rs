//! Looks at the host and its homes.

use std::path::PathBuf;
use std::sync::Arc;

use cutover_proto::report::{Receipt, StepOutcome};

use crate::facts;
use crate::task::Task;

pub(super) async fn perform(task: &Task, homes: &[String]) -> StepOutcome {
    let homes: Vec<PathBuf> = homes
        .iter()
        .map(|home| task.home(home))
        .collect::<Result<_, _>>()?;
    let agent = Arc::clone(&task.agent);
    let facts = task
        .blocking(move |_, _| {
            let all = if homes.is_empty() {
                agent.policy.existing_homes()
            } else {
                homes.clone()
            };
            for home in &all {
                facts::size(&agent.sizes, home, true);
            }
            Ok(facts::node((&*agent).into(), &homes))
        })
        .await?;
    let servers = facts.homes.iter().filter(|home| home.server.is_some()).count();
    let problems: usize = facts.homes.iter().map(|home| home.problems.len()).sum();
    Ok(Receipt {
        facts: Some(Box::new(facts.clone())),
        ..Receipt::new()
            .with("homes", facts.homes.len())
            .with("servers", servers)
            .with("problems", problems)
    })
}
