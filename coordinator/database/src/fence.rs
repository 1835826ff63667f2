//! The fence: production refuses the application, so that nobody writes to a database that is being copied or
//! has been replaced.
//!
//! What is done depends on what the server offers and on what else the accounts are used for:
//!
//! * MySQL and MariaDB: every entry of the application's accounts is locked (`ACCOUNT LOCK`). An account that
//!   also serves other databases loses its rights on this one instead, when they can be taken and given back
//!   exactly.
//! * PostgreSQL: the right to connect to this database is taken from the accounts, and from everyone through
//!   whom they have it. Other databases of the same account stay reachable. A superuser cannot be kept out of one
//!   database and loses its login as a whole.
//!
//! The plan is made first and holds the earlier state; it is kept before anything is changed. Every step can be
//! repeated, and lifting the fence needs nothing but the plan.

mod end;
mod mysql;
mod postgres;
mod prove;

use crate::connection::Connection;
use crate::error::{DatabaseError, Kind};
use crate::sessions::{OwnSessions, Session, require_full_view};
use crate::target::{Engine, Target};

const ACTION: &str = "fence the database";

/// One change that keeps an account out, with the state before it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case", tag = "measure")]
pub enum Measure {
    /// MySQL: no login for one entry of an account.
    LockAccount {
        /// Account name.
        user: String,
        /// From where the entry lets it in.
        host: String,
        /// It was locked before; then it stays locked.
        was_locked: bool,
    },
    /// MySQL: one entry of an account loses its rights on this database alone.
    RevokeRights {
        /// Account name.
        user: String,
        /// From where the entry lets it in.
        host: String,
        /// The statements that give back what it had.
        grants: Vec<String>,
    },
    /// PostgreSQL: nobody but Cutover's account may connect to this database any more, of those through whom the
    /// application could.
    RevokeConnect {
        /// Whose right is taken.
        from: Vec<ConnectRight>,
        /// Cutover's own account, when it needs a right of its own meanwhile.
        keep: Option<String>,
    },
    /// PostgreSQL: a superuser may not log in at all.
    NoLogin {
        /// The role.
        role: String,
        /// It could before.
        could_login: bool,
    },
}

/// A right to connect to a database.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
pub struct ConnectRight {
    /// The role; `None` is everybody (`PUBLIC`).
    pub role: Option<String>,
    /// It may also be passed on.
    pub grantable: bool,
}

/// What will be done to keep the application out, and how it is undone. Holds no password.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct FencePlan {
    /// Engine family.
    pub engine: Engine,
    /// The database.
    pub database: String,
    /// The application's accounts.
    pub accounts: Vec<String>,
    /// The changes, in order.
    pub measures: Vec<Measure>,
    /// What will be done, a sentence each.
    pub does: Vec<String>,
    /// How it is undone, a sentence each.
    pub undoes: Vec<String>,
    /// What else it touches, or does not stop; for a person to read before agreeing.
    pub warnings: Vec<String>,
}

/// What came of putting the fence up.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct FenceReport {
    /// Sessions of the application that were ended.
    pub ended: Vec<Session>,
}

/// Proof that the application is refused.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct FenceProof {
    /// The account that tried.
    pub account: String,
    /// The server's code for the refusal: MySQL's number, PostgreSQL's SQLSTATE.
    pub code: String,
    /// Sessions on the database that are not Cutover's: a person's shell, another program.
    pub remaining: Vec<Session>,
    /// Prepared and XA transactions. They have no session, keep their locks, and can still be committed.
    pub prepared: Vec<Session>,
}

/// What a look at the fence shows, without a password of the application.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct FenceState {
    /// What of the fence is not up, a sentence each.
    pub gaps: Vec<String>,
    /// Sessions on the database that are not Cutover's.
    pub remaining: Vec<Session>,
    /// Prepared and XA transactions.
    pub prepared: Vec<Session>,
}

impl FenceState {
    /// Whether the fence is up and nobody but Cutover can change the database.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.gaps.is_empty() && self.remaining.is_empty() && self.prepared.is_empty()
    }
}

impl FenceProof {
    /// Whether nobody but Cutover can change the database.
    #[must_use]
    pub fn is_alone(&self) -> bool {
        self.remaining.is_empty() && self.prepared.is_empty()
    }
}

impl FencePlan {
    /// Looks at the present state and decides how the accounts are kept out. Changes nothing.
    ///
    /// # Errors
    /// [`Kind::Refused`] when Cutover's own account is the application's, which no fence can tell apart;
    /// [`Kind::Denied`] when it lacks a privilege.
    pub async fn prepare(target: &Target, accounts: &[String]) -> Result<Self, DatabaseError> {
        if accounts.is_empty() {
            return Err(DatabaseError::new(
                Kind::Refused,
                ACTION,
                target,
                "no account of the application is named",
                "name the account that the Carbon servers use",
            ));
        }
        let mut accounts = accounts.to_vec();
        accounts.sort();
        accounts.dedup();
        let mut connection = Connection::open(target).await?;
        let planned = async {
            require_full_view(&mut connection).await?;
            match target.engine {
                Engine::MySql => mysql::prepare(&mut connection, accounts).await,
                Engine::Postgres => postgres::prepare(&mut connection, accounts).await,
            }
        }
        .await;
        connection.close().await;
        planned
    }

    /// Puts the fence up and ends the application's sessions. It can be repeated.
    ///
    /// # Errors
    /// The server refuses, or a session does not end in time.
    pub async fn apply(&self, target: &Target, own: &OwnSessions) -> Result<FenceReport, DatabaseError> {
        self.require_same(target)?;
        let mut connection = Connection::open(target).await?;
        let entered = own.enter(target, connection.id());
        let applied = async {
            match target.engine {
                Engine::MySql => mysql::apply(&mut connection, self).await?,
                Engine::Postgres => postgres::apply(&mut connection, self).await?,
            }
            end::sessions(&mut connection, self, own).await
        }
        .await;
        drop(entered);
        connection.close().await;
        Ok(FenceReport { ended: applied? })
    }

    /// What of the fence is not up, a sentence each; empty when all of it is.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn gaps(&self, target: &Target) -> Result<Vec<String>, DatabaseError> {
        self.require_same(target)?;
        let mut connection = Connection::open(target).await?;
        let gaps = match target.engine {
            Engine::MySql => mysql::gaps(&mut connection, self).await,
            Engine::Postgres => postgres::gaps(&mut connection, self).await,
        };
        connection.close().await;
        gaps
    }

    /// Looks again, right before the snapshot and before the switch: is the fence up, and who is connected.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn state(&self, target: &Target, own: &OwnSessions) -> Result<FenceState, DatabaseError> {
        let gaps = self.gaps(target).await?;
        let (remaining, prepared) = prove::connected(self, target, own).await?;
        Ok(FenceState {
            gaps,
            remaining,
            prepared,
        })
    }

    /// Tries to connect as the application, which must be refused because of the fence, and lists who is left.
    ///
    /// # Errors
    /// [`Kind::Integrity`] when the application was let in, or a part of the fence is not up;
    /// [`Kind::WrongPassword`] when it was refused for another reason, which proves nothing.
    pub async fn prove(
        &self,
        target: &Target,
        application: &Target,
        own: &OwnSessions,
    ) -> Result<FenceProof, DatabaseError> {
        self.require_same(target)?;
        prove::prove(self, target, application, own).await
    }

    /// Takes the fence down: every account has what it had before, and nothing more. It can be repeated.
    ///
    /// # Errors
    /// The server refuses, or the state afterwards is not the earlier one.
    pub async fn lift(&self, target: &Target) -> Result<(), DatabaseError> {
        self.require_same(target)?;
        let mut connection = Connection::open(target).await?;
        let lifted = match target.engine {
            Engine::MySql => mysql::lift(&mut connection, self).await,
            Engine::Postgres => postgres::lift(&mut connection, self).await,
        };
        connection.close().await;
        lifted
    }

    fn require_same(&self, target: &Target) -> Result<(), DatabaseError> {
        if self.engine == target.engine && self.database == target.database {
            return Ok(());
        }
        Err(DatabaseError::new(
            Kind::Refused,
            ACTION,
            target,
            format!("the fence was planned for `{}` on {}", self.database, self.engine),
            "name the database that it was planned for",
        ))
    }

    fn new(engine: Engine, database: &str, accounts: Vec<String>) -> Self {
        FencePlan {
            engine,
            database: database.to_owned(),
            accounts,
            measures: Vec::new(),
            does: Vec::new(),
            undoes: Vec::new(),
            warnings: Vec::new(),
        }
    }
}

/// Cutover and the application share an account: keeping one out keeps the other out.
fn own_account(target: &Target, account: &str, remedy: &str) -> DatabaseError {
    DatabaseError::new(
        Kind::Refused,
        ACTION,
        target,
        format!("Cutover connects with the application's own account `{account}` and would lock itself out"),
        remedy,
    )
}

fn unknown_account(target: &Target, account: &str) -> DatabaseError {
    DatabaseError::new(
        Kind::Refused,
        ACTION,
        target,
        format!("the server has no account `{account}`"),
        "name the account that the Carbon servers use, spelled as on the server",
    )
}

fn denied(target: &Target, why: String, remedy: &str) -> DatabaseError {
    DatabaseError::new(Kind::Denied, ACTION, target, why, remedy)
}

/// After lifting, something is not as it was.
fn not_restored(target: &Target, what: String) -> DatabaseError {
    DatabaseError::new(
        Kind::Integrity,
        "lift the fence",
        target,
        what,
        "somebody else changed the account meanwhile; compare it with the plan's record and correct it by hand",
    )
}
