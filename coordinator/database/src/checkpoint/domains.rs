//! The domains of each tenant.

use std::collections::{BTreeMap, BTreeSet};

use super::checker::Checker;
use super::outcome::{Outcome, tail};
use super::{ACTION, Verdict};
use crate::error::DatabaseError;
use crate::literal;

const SUPER_TENANT: i64 = -1234;
const BUILT_IN: [&str; 3] = ["PRIMARY", "SYSTEM", "INTERNAL"];
const SHOWN: usize = 5;

pub(super) async fn judge(checker: &mut Checker<'_>, explain: &str) -> Result<Outcome, DatabaseError> {
    const EXPECTED: &str = "each once for each tenant";
    for (table, column) in [
        ("UM_TENANT", "UM_ID"),
        ("UM_DOMAIN", "UM_DOMAIN_NAME"),
        ("UM_DOMAIN", "UM_TENANT_ID"),
    ] {
        let there = checker.column(table, column);
        if there.verdict == Verdict::Fail {
            return Ok(there);
        }
    }
    let tenants = tenants(checker).await?;
    let domains = domains(checker).await?;
    let (mut missing, mut doubled) = (Vec::new(), Vec::new());
    for tenant in tenants.iter().chain([&SUPER_TENANT]) {
        for name in BUILT_IN {
            match domains
                .get(&(*tenant, name.to_owned()))
                .copied()
                .unwrap_or_default()
            {
                0 => missing.push(format!("tenant {tenant} has no {name}")),
                1 => {}
                times => doubled.push(format!("tenant {tenant} has {name} {times} times")),
            }
        }
    }
    let gone: BTreeSet<i64> = domains
        .keys()
        .map(|(tenant, _)| *tenant)
        .filter(|tenant| *tenant != SUPER_TENANT && !tenants.contains(tenant))
        .collect();
    let strays = gone
        .iter()
        .map(|tenant| format!("tenant {tenant} has domains and no row in UM_TENANT"));
    let verdict = match (missing.is_empty() && doubled.is_empty(), gone.is_empty()) {
        (false, _) => Verdict::Fail,
        (true, false) => Verdict::Warn,
        (true, true) => Verdict::Pass,
    };
    let wrong: Vec<String> = missing.into_iter().chain(doubled).chain(strays).collect();
    if wrong.is_empty() {
        let text = format!(
            "{} tenants and the super tenant have their domains",
            tenants.len()
        );
        return Ok(Outcome::new(verdict, EXPECTED, EXPECTED, text));
    }
    let more = wrong.len().saturating_sub(SHOWN);
    let mut text = wrong.iter().take(SHOWN).cloned().collect::<Vec<_>>().join(", ");
    if more > 0 {
        text.push_str(&format!(" and {more} more"));
    }
    let found = format!("{} wrong", wrong.len());
    Ok(Outcome::new(
        verdict,
        EXPECTED,
        found,
        text + &tail(verdict, explain),
    ))
}

async fn tenants(checker: &mut Checker<'_>) -> Result<BTreeSet<i64>, DatabaseError> {
    let sql = format!(
        "SELECT {} FROM {}",
        name(checker, "UM_TENANT", Some("UM_ID")),
        name(checker, "UM_TENANT", None)
    );
    let rows = checker.connection.rows(ACTION, &sql).await?;
    Ok(rows.iter().filter_map(|row| row.number(0)).collect())
}

async fn domains(checker: &mut Checker<'_>) -> Result<BTreeMap<(i64, String), u64>, DatabaseError> {
    let tenant = name(checker, "UM_DOMAIN", Some("UM_TENANT_ID"));
    let domain = name(checker, "UM_DOMAIN", Some("UM_DOMAIN_NAME"));
    let sql = format!(
        "SELECT {tenant}, {domain}, COUNT(*) FROM {} WHERE {domain} IN ('PRIMARY', 'SYSTEM', 'INTERNAL') \
         GROUP BY {tenant}, {domain}",
        name(checker, "UM_DOMAIN", None)
    );
    let rows = checker.connection.rows(ACTION, &sql).await?;
    let read = rows.iter().filter_map(|row| {
        let key = (row.number(0)?, row.text(1).to_uppercase());
        Some((key, row.number(2)?))
    });
    Ok(read.collect())
}

/// A table's or a column's name as the server has it, quoted; both were found before.
fn name(checker: &Checker<'_>, table: &str, column: Option<&str>) -> String {
    let table = checker.find_table(table).unwrap_or_else(|| table.to_owned());
    let found = match column {
        None => table,
        Some(column) => checker
            .find_column(&table, column)
            .unwrap_or_else(|| column.to_owned()),
    };
    literal::name(checker.connection.engine(), &found)
}
