//! Deciding how a role of PostgreSQL is kept out.

use super::super::{FencePlan, Measure, denied, own_account, unknown_account};
use super::{ACTION, ConnectRight, RIGHTS, name, spoken, text};
use crate::connection::Connection;
use crate::error::DatabaseError;
use crate::target::{Engine, Target};

const OWN_ACCOUNT: &str = "create a role for Cutover alone, for example `CREATE ROLE cutover LOGIN SUPERUSER PASSWORD …`, \
     or one that is a member of the database's owner, pg_monitor and pg_signal_backend, and name it in the upgrade file";

/// A right with what else the decision needs.
#[derive(Debug)]
pub(super) struct Right {
    pub(super) right: ConnectRight,
    /// Passed on by somebody other than the owner, as whom Cutover cannot act.
    foreign: bool,
    grantee: String,
}

pub(super) async fn rights(connection: &mut Connection) -> Result<Vec<Right>, DatabaseError> {
    let rows = connection.rows(ACTION, RIGHTS).await?;
    let read = rows.iter().map(|row| Right {
        right: ConnectRight {
            role: if row.flag(3) { None } else { Some(row.text(0)) },
            grantable: row.flag(1),
        },
        foreign: row.flag(2),
        grantee: row.text(4),
    });
    Ok(read.collect())
}

struct Role {
    name: String,
    superuser: bool,
    can_login: bool,
}

async fn role(connection: &mut Connection, account: &str) -> Result<Option<Role>, DatabaseError> {
    let sql = format!(
        "SELECT rolsuper, rolcanlogin FROM pg_catalog.pg_roles WHERE rolname = {}",
        text(account)
    );
    let rows = connection.rows(ACTION, &sql).await?;
    Ok(rows.first().map(|row| Role {
        name: account.to_owned(),
        superuser: row.flag(0),
        can_login: row.flag(1),
    }))
}

pub(in super::super) async fn prepare(
    connection: &mut Connection,
    accounts: Vec<String>,
) -> Result<FencePlan, DatabaseError> {
    let target = connection.target().clone();
    let own = connection
        .scalar(ACTION, "SELECT current_user")
        .await?
        .unwrap_or_default();
    let own_superuser = role(connection, &own).await?.is_some_and(|role| role.superuser);
    let mut plan = FencePlan::new(Engine::Postgres, &target.database, accounts.clone());
    let mut ordinary = Vec::new();
    for account in &accounts {
        if *account == own {
            return Err(own_account(&target, &own, OWN_ACCOUNT));
        }
        let Some(role) = role(connection, account).await? else {
            return Err(unknown_account(&target, account));
        };
        require_power_over(connection, &role, own_superuser).await?;
        if role.superuser {
            no_login(&mut plan, &role);
        } else {
            ordinary.push(role);
        }
    }
    if !ordinary.is_empty() {
        revoke_connect(connection, &mut plan, &ordinary, &own, own_superuser).await?;
    }
    Ok(plan)
}

/// Changing a superuser, and ending another's sessions, takes rights of its own.
async fn require_power_over(
    connection: &mut Connection,
    role: &Role,
    own_superuser: bool,
) -> Result<(), DatabaseError> {
    let target = connection.target().clone();
    if own_superuser {
        return Ok(());
    }
    if role.superuser {
        return Err(denied(
            &target,
            format!(
                "the application's account `{}` is a superuser, whom only a superuser can keep out",
                role.name
            ),
            "let Cutover connect as a superuser, or take SUPERUSER from the application's account",
        ));
    }
    let sql = format!(
        "SELECT pg_catalog.pg_has_role(current_user, {account}, 'USAGE') \
         OR pg_catalog.pg_has_role(current_user, 'pg_signal_backend', 'USAGE')",
        account = text(&role.name)
    );
    if connection.scalar(ACTION, &sql).await?.as_deref() == Some("t") {
        return Ok(());
    }
    Err(denied(
        &target,
        format!(
            "the account `{}` may not end sessions of `{}`",
            target.user, role.name
        ),
        "run `GRANT pg_signal_backend TO` this account as a database administrator, then repeat the step",
    ))
}

fn no_login(plan: &mut FencePlan, role: &Role) {
    let name = &role.name;
    plan.does.push(format!(
        "take the login from the superuser `{name}` and end its sessions on `{}`",
        plan.database
    ));
    plan.undoes.push(if role.can_login {
        format!("give `{name}` its login back")
    } else {
        format!("leave `{name}` without login, as it was before")
    });
    plan.warnings.push(format!(
        "`{name}` is a superuser, which cannot be kept out of one database: it cannot connect to any database meanwhile"
    ));
    plan.measures.push(Measure::NoLogin {
        role: name.clone(),
        could_login: role.can_login,
    });
}

async fn revoke_connect(
    connection: &mut Connection,
    plan: &mut FencePlan,
    roles: &[Role],
    own: &str,
    own_superuser: bool,
) -> Result<(), DatabaseError> {
    let target = connection.target().clone();
    require_owner(connection, &target, own_superuser).await?;
    let rights = rights(connection).await?;
    if let Some(foreign) = rights.iter().find(|right| right.foreign) {
        return Err(denied(
            &target,
            format!(
                "{} has its right to connect from somebody other than the owner",
                spoken(&foreign.right)
            ),
            "revoke it as the one who granted it, and grant it as the owner if it is still needed",
        ));
    }
    let (mut taken, mut left) = (Vec::new(), Vec::new());
    for right in rights {
        let mut concerns = right.right.role.is_none();
        for role in roles {
            concerns = concerns || inherits(connection, &role.name, &right.grantee).await?;
        }
        if concerns {
            taken.push(right)
        } else {
            left.push(right)
        }
    }
    if taken.iter().any(|right| right.right.role.as_deref() == Some(own)) {
        return Err(own_account(&target, own, OWN_ACCOUNT));
    }
    let mut stays = own_superuser;
    for right in &left {
        stays = stays || inherits(connection, own, &right.grantee).await?;
    }
    let keep = (!stays).then(|| own.to_owned());
    let from: Vec<ConnectRight> = taken.into_iter().map(|right| right.right).collect();
    describe(plan, &from, keep.as_deref());
    warn_of_others(connection, plan, &from, own).await?;
    plan.measures.push(Measure::RevokeConnect { from, keep });
    Ok(())
}

async fn require_owner(
    connection: &mut Connection,
    target: &Target,
    own_superuser: bool,
) -> Result<(), DatabaseError> {
    let owns = connection
        .scalar(
            ACTION,
            "SELECT pg_catalog.pg_has_role(current_user, datdba, 'USAGE') FROM pg_catalog.pg_database \
             WHERE datname = current_database()",
        )
        .await?;
    if own_superuser || owns.as_deref() == Some("t") {
        return Ok(());
    }
    Err(denied(
        target,
        format!("the account `{}` does not own `{}`", target.user, target.database),
        "run `GRANT` owner `TO` this account as a database administrator, or let Cutover connect as a superuser",
    ))
}

async fn inherits(connection: &mut Connection, role: &str, grantee: &str) -> Result<bool, DatabaseError> {
    let Ok(oid) = grantee.parse::<u32>() else {
        return Ok(false);
    };
    let sql = format!(
        "SELECT pg_catalog.pg_has_role({}, {oid}::oid, 'USAGE')",
        text(role)
    );
    Ok(oid != 0 && connection.scalar(ACTION, &sql).await?.as_deref() == Some("t"))
}

fn describe(plan: &mut FencePlan, from: &[ConnectRight], keep: Option<&str>) {
    let listed: Vec<String> = from.iter().map(spoken).collect();
    let accounts: Vec<String> = plan
        .accounts
        .iter()
        .map(|account| format!("`{account}`"))
        .collect();
    let database = plan.database.clone();
    plan.does.push(format!(
        "take the right to connect to `{database}` from {} and end the sessions of {} there",
        if listed.is_empty() {
            "nobody, because nobody has it".to_owned()
        } else {
            listed.join(", ")
        },
        accounts.join(", ")
    ));
    if !listed.is_empty() {
        plan.undoes.push(format!(
            "give {} the right to connect to `{database}` back",
            listed.join(", ")
        ));
    }
    if let Some(own) = keep {
        plan.does.push(format!(
            "give `{own}`, as whom Cutover connects, a right to connect of its own meanwhile"
        ));
        plan.undoes.push(format!("take that right from `{own}` again"));
    }
}

/// Who else had the right through those from whom it is taken.
async fn warn_of_others(
    connection: &mut Connection,
    plan: &mut FencePlan,
    from: &[ConnectRight],
    own: &str,
) -> Result<(), DatabaseError> {
    let list = |names: Vec<&str>| {
        let quoted: Vec<String> = names.into_iter().map(text).collect();
        if quoted.is_empty() {
            "''".to_owned()
        } else {
            quoted.join(", ")
        }
    };
    let mut known: Vec<&str> = plan.accounts.iter().map(String::as_str).collect();
    known.push(own);
    let sql = format!(
        "SELECT r.rolname FROM pg_catalog.pg_roles r WHERE r.rolcanlogin AND NOT r.rolsuper \
         AND r.rolname NOT IN ({known}) AND pg_catalog.has_database_privilege(r.oid, current_database(), 'CONNECT') \
         AND NOT EXISTS (SELECT 1 FROM ({RIGHTS}) AS left_over WHERE left_over.rolname NOT IN ({taken}) \
           AND pg_catalog.pg_has_role(r.oid, left_over.grantee, 'USAGE')) ORDER BY 1 LIMIT 20",
        known = list(known),
        taken = list(from.iter().filter_map(|right| right.role.as_deref()).collect())
    );
    let others = connection.column(ACTION, &sql).await?;
    if !others.is_empty() {
        let others: Vec<String> = others.iter().map(|other| name(other)).collect();
        plan.warnings.push(format!(
            "these accounts cannot connect to `{}` meanwhile either: {}",
            plan.database,
            others.join(", ")
        ));
    }
    Ok(())
}
