//! The fence on PostgreSQL.

mod plan;

use super::{ACTION, ConnectRight, FencePlan, Measure, not_restored};
use crate::connection::Connection;
use crate::error::DatabaseError;
use crate::literal;
use crate::target::Engine;

pub(super) use plan::prepare;

const LIFT: &str = "lift the fence";

/// The rights to connect to this database, whether written down or the server's default.
const RIGHTS: &str = "SELECT g.rolname, a.is_grantable, a.grantor <> d.datdba, coalesce(a.grantee, 0) = 0, a.grantee \
     FROM pg_catalog.pg_database d \
     CROSS JOIN LATERAL pg_catalog.aclexplode(coalesce(d.datacl, pg_catalog.acldefault('d', d.datdba))) a \
     LEFT JOIN pg_catalog.pg_roles g ON g.oid = a.grantee \
     WHERE d.datname = current_database() AND a.privilege_type = 'CONNECT'";

fn name(text: &str) -> String {
    literal::name(Engine::Postgres, text)
}

fn text(value: &str) -> String {
    literal::text(Engine::Postgres, value)
}

fn grantee(right: &ConnectRight) -> String {
    right.role.as_deref().map_or_else(|| "PUBLIC".to_owned(), name)
}

fn spoken(right: &ConnectRight) -> String {
    right
        .role
        .as_ref()
        .map_or_else(|| "everybody (PUBLIC)".to_owned(), |role| format!("`{role}`"))
}

pub(super) async fn apply(connection: &mut Connection, plan: &FencePlan) -> Result<(), DatabaseError> {
    let database = name(&plan.database);
    let mut statements = vec!["BEGIN".to_owned()];
    for measure in &plan.measures {
        match measure {
            Measure::RevokeConnect { from, keep } => {
                // First, so that Cutover is never without.
                statements.extend(
                    keep.iter()
                        .map(|own| format!("GRANT CONNECT ON DATABASE {database} TO {}", name(own))),
                );
                statements.extend(
                    from.iter().map(|right| {
                        format!("REVOKE CONNECT ON DATABASE {database} FROM {}", grantee(right))
                    }),
                );
            }
            Measure::NoLogin { role, .. } => statements.push(format!("ALTER ROLE {} NOLOGIN", name(role))),
            Measure::LockAccount { .. } | Measure::RevokeRights { .. } => {}
        }
    }
    statements.push("COMMIT".to_owned());
    connection.execute(ACTION, &statements.join("; ")).await.map(drop)
}

pub(super) async fn gaps(
    connection: &mut Connection,
    plan: &FencePlan,
) -> Result<Vec<String>, DatabaseError> {
    let mut gaps = Vec::new();
    for account in &plan.accounts {
        let sql = format!(
            "SELECT rolsuper, rolcanlogin, pg_catalog.has_database_privilege(oid, current_database(), 'CONNECT') \
             FROM pg_catalog.pg_roles WHERE rolname = {}",
            text(account)
        );
        let rows = connection.rows(ACTION, &sql).await?;
        let Some(row) = rows.first() else {
            continue;
        };
        // A superuser has every right, whatever is written down.
        if row.flag(1) && (row.flag(0) || row.flag(2)) {
            gaps.push(format!(
                "the account `{account}` may connect to `{}`",
                plan.database
            ));
        }
    }
    Ok(gaps)
}

pub(super) async fn lift(connection: &mut Connection, plan: &FencePlan) -> Result<(), DatabaseError> {
    let database = name(&plan.database);
    let mut statements = vec!["BEGIN".to_owned()];
    for measure in &plan.measures {
        match measure {
            Measure::RevokeConnect { from, keep } => {
                statements.extend(from.iter().map(|right| {
                    let option = if right.grantable { " WITH GRANT OPTION" } else { "" };
                    format!(
                        "GRANT CONNECT ON DATABASE {database} TO {}{option}",
                        grantee(right)
                    )
                }));
                statements.extend(
                    keep.iter()
                        .map(|own| format!("REVOKE CONNECT ON DATABASE {database} FROM {}", name(own))),
                );
            }
            Measure::NoLogin {
                role,
                could_login: true,
            } => statements.push(format!("ALTER ROLE {} LOGIN", name(role))),
            Measure::NoLogin { .. } | Measure::LockAccount { .. } | Measure::RevokeRights { .. } => {}
        }
    }
    statements.push("COMMIT".to_owned());
    connection.execute(LIFT, &statements.join("; ")).await?;
    require_restored(connection, plan).await
}

async fn require_restored(connection: &mut Connection, plan: &FencePlan) -> Result<(), DatabaseError> {
    let now: Vec<ConnectRight> = plan::rights(connection)
        .await?
        .into_iter()
        .map(|right| right.right)
        .collect();
    for measure in &plan.measures {
        if let Measure::RevokeConnect { from, keep } = measure {
            let lost = from.iter().find(|right| !now.contains(right));
            if let Some(lost) = lost {
                let what = format!("{} has not the right to connect that it had", spoken(lost));
                return Err(not_restored(connection.target(), what));
            }
            if let Some(own) = keep
                && now.iter().any(|right| right.role.as_ref() == Some(own))
            {
                let what = format!("`{own}` kept a right to connect that it did not have");
                return Err(not_restored(connection.target(), what));
            }
        }
    }
    Ok(())
}
