//! Members of internal roles without a domain.
//!
//! Carbon 4.2.0 gave `UM_HYBRID_USER_ROLE` a column with the domain of the *user*, and reads a user's internal roles
//! by it. The vendor's migration leaves it empty for the rows that were there, so their members lose the roles. Before
//! 4.2.0 every user without a domain in its name was of the primary user store: that domain is what the new version
//! asks for.

use super::{ACTION, RepairOptions, RepairReport, SHOWN};
use crate::checkpoint::{Checker, Checkpoint};
use crate::error::{DatabaseError, Kind};
use crate::literal;

const TABLE: &str = "UM_HYBRID_USER_ROLE";

pub(super) fn is_for(table: &str, column: &str) -> bool {
    table.eq_ignore_ascii_case(TABLE) && column.eq_ignore_ascii_case("UM_DOMAIN_ID")
}

/// Why a row is left as it is, or that it is not.
const JUDGED: &str = "SELECT R.UM_ID, R.UM_TENANT_ID, R.UM_USER_NAME, R.UM_ROLE_ID, \
     (SELECT COUNT(*) FROM {domains} D WHERE D.UM_TENANT_ID = R.UM_TENANT_ID AND D.UM_DOMAIN_NAME = {domain}), \
     CASE WHEN {twin} THEN 1 ELSE 0 END FROM {table} R WHERE R.UM_DOMAIN_ID IS NULL ORDER BY R.UM_ID";

/// Another row says the same already, or will.
const TWIN: &str = "EXISTS (SELECT 1 FROM (SELECT DISTINCT X.UM_ID AS I, X.UM_USER_NAME AS U, X.UM_ROLE_ID AS R, \
     X.UM_TENANT_ID AS T, X.UM_DOMAIN_ID AS D FROM {table} X LEFT JOIN {domains} N ON N.UM_DOMAIN_ID = X.UM_DOMAIN_ID \
     AND N.UM_TENANT_ID = X.UM_TENANT_ID WHERE X.UM_DOMAIN_ID IS NULL OR N.UM_DOMAIN_NAME = {domain}) T \
     WHERE T.U = {row}.UM_USER_NAME AND T.R = {row}.UM_ROLE_ID AND T.T = {row}.UM_TENANT_ID \
     AND (T.D IS NOT NULL OR T.I < {row}.UM_ID))";

const UPDATE: &str = "UPDATE {table} SET UM_DOMAIN_ID = (SELECT MIN(D.UM_DOMAIN_ID) FROM {domains} D \
     WHERE D.UM_TENANT_ID = {table}.UM_TENANT_ID AND D.UM_DOMAIN_NAME = {domain}) \
     WHERE UM_DOMAIN_ID IS NULL AND UM_USER_NAME NOT LIKE '%/%' AND 1 = (SELECT COUNT(*) FROM {domains} D \
     WHERE D.UM_TENANT_ID = {table}.UM_TENANT_ID AND D.UM_DOMAIN_NAME = {domain}) AND NOT {twin}";

pub(super) async fn repair(
    checker: &mut Checker<'_>,
    checkpoint: &Checkpoint,
    options: &RepairOptions,
) -> Result<RepairReport, DatabaseError> {
    let engine = checker.connection.engine();
    let find = |name: &str| {
        checker
            .find_table(name)
            .map(|found| literal::name(engine, &found))
    };
    let (Some(table), Some(domains)) = (find(TABLE), find("UM_DOMAIN")) else {
        return Err(DatabaseError::new(
            Kind::Refused,
            ACTION,
            checker.connection.target(),
            "the database has no user store of Carbon 4.2",
            "run the migration script first",
        ));
    };
    let domain = literal::text(engine, &options.primary_domain);
    let fill = |text: &str, row: &str| {
        text.replace("{twin}", TWIN)
            .replace("{table}", &table)
            .replace("{domains}", &domains)
            .replace("{domain}", &domain)
            .replace("{row}", row)
    };
    let rows = checker.connection.rows(ACTION, &fill(JUDGED, "R")).await?;
    let mut report = RepairReport {
        checkpoint: checkpoint.clone(),
        found: rows.len() as u64,
        repaired: 0,
        left: 0,
        changed: Vec::new(),
        unchanged: Vec::new(),
        explain: format!(
            "Carbon 4.2.0 and newer read a user's internal roles by the domain of the user, which the migration leaves \
             empty: the roles of these users would vanish without a word. Users without a domain in their name are of \
             the primary user store, so their rows now name the domain {} of their tenant.",
            options.primary_domain
        ),
    };
    for row in &rows {
        let who = format!(
            "row {}: user {} in role {} of tenant {}",
            row.text(0),
            row.text(2),
            row.text(3),
            row.text(1)
        );
        let obstacle = if row.text(2).contains('/') {
            Some("its name holds the domain of another user store: write the name without it and that domain's id".to_owned())
        } else if row.get(4) != Some("1") {
            Some(format!(
                "its tenant has {} {} times: correct UM_DOMAIN first",
                options.primary_domain,
                row.text(4)
            ))
        } else if row.flag(5) {
            Some("another row gives the user this role already: delete this one".to_owned())
        } else {
            None
        };
        match obstacle {
            None if report.changed.len() < SHOWN => report.changed.push(who),
            Some(why) if report.unchanged.len() < SHOWN => report.unchanged.push(format!("{who}: {why}")),
            None | Some(_) => {}
        }
    }
    report.repaired = checker.connection.execute(ACTION, &fill(UPDATE, &table)).await?;
    let name = checker.find_table(TABLE).unwrap_or_else(|| TABLE.to_owned());
    report.left = checker.count(&name, "WHERE UM_DOMAIN_ID IS NULL").await?;
    Ok(report)
}
