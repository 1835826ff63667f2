//! One change at a time, each kept or refused on its own.

use std::collections::HashMap;

use cutover_database::Engine;
use futures::TryStreamExt as _;

use super::landing::Landing;
use super::own_tables;
use crate::DeltaError;
use crate::dialect::Dialect;
use crate::merge::Difference;
use crate::mysql;
use crate::postgres;
use crate::session::{Row, Session};
use crate::spool::Wanted;

/// What is to be done to staging.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Act {
    Store,
    Delete,
}

/// A change that staging did not take.
#[derive(Debug, Clone)]
pub(crate) struct Stuck {
    /// Table, by its name in production.
    pub(crate) table: String,
    pub(crate) act: Act,
    pub(crate) op: Difference,
    /// The row as JSON, where one was to be stored.
    pub(crate) row: Option<String>,
    pub(crate) reason: String,
}

/// Production in its snapshot, and the hands that change staging.
pub(crate) struct Applier<'a> {
    pub(crate) production: &'a mut Session,
    pub(crate) hands: Hands<'a>,
}

/// The connection that changes staging.
pub(crate) struct Hands<'a> {
    pub(crate) dialect: Dialect,
    pub(crate) staging: &'a mut Session,
    pub(crate) manifest: &'a str,
    pub(crate) stuck: Vec<Stuck>,
}

/// The statements of one change.
enum Work {
    /// Rows that a cascade took already are gone, which is what was wanted.
    Delete(String),
    /// So many rows that are alike.
    DeleteExactly(String, u64),
    /// The second when the first finds no row.
    Upsert {
        update: String,
        insert: String,
    },
    Insert {
        sql: String,
        times: u64,
    },
}

impl Applier<'_> {
    /// Applies a batch in one transaction, together with the memory of what it did.
    pub(crate) async fn batch(
        &mut self,
        landing: &Landing,
        act: Act,
        batch: Vec<Difference>,
    ) -> Result<(), DeltaError> {
        let what = format!("changing table `{}`", landing.staging.label);
        self.hands.staging.run(&what, "BEGIN").await?;
        match act {
            Act::Delete => {
                for op in batch {
                    let work = self.hands.delete(landing, &op);
                    self.hands.settle(landing, act, op, work, None).await?;
                }
            }
            Act::Store => self.store(landing, batch).await?,
        }
        self.hands.staging.run(&what, "COMMIT").await.map(drop)
    }

    /// Rows come from production one by one, so that memory holds one of them.
    async fn store(&mut self, landing: &Landing, batch: Vec<Difference>) -> Result<(), DeltaError> {
        let table = &landing.production;
        let wanted: Vec<Wanted> = batch.iter().map(wanted).collect();
        let sql = match self.hands.dialect {
            Dialect::MySql { .. } => mysql::sql::values(table, &wanted),
            Dialect::Postgres(method) => postgres::sql::values(table, &wanted, method),
        };
        let keys = table.key.len().max(1);
        let mut waiting: HashMap<Vec<Vec<u8>>, Difference> =
            batch.into_iter().map(|op| (op.key.clone(), op)).collect();
        let mut rows = self
            .production
            .stream(format!("reading rows of table `{}`", table.label), sql);
        while let Some(mut row) = rows.try_next().await? {
            let values: Row = row.split_off(keys.min(row.len()));
            let key: Option<Vec<Vec<u8>>> = row.into_iter().collect();
            if let Some(op) = key.and_then(|key| waiting.remove(&key)) {
                let work = store(landing, &op, &values);
                self.hands
                    .settle(landing, Act::Store, op, work, Some(&values))
                    .await?;
            }
        }
        drop(rows);
        for op in waiting.into_values() {
            let reason = "production no longer has the row".to_owned();
            self.hands.give_up(landing, Act::Store, op, None, reason);
        }
        Ok(())
    }
}

fn store(landing: &Landing, op: &Difference, values: &Row) -> Work {
    let insert = landing.insert(values);
    if landing.production.keyless() {
        let times = count(op.after).saturating_sub(count(op.before));
        return Work::Insert { sql: insert, times };
    }
    match op.before {
        None => Work::Insert {
            sql: insert,
            times: 1,
        },
        Some(_) => Work::Upsert {
            update: landing.update(&op.key, values),
            insert,
        },
    }
}

fn count(state: Option<(crate::entry::Hash, u64)>) -> u64 {
    state.map_or(0, |(_, count)| count)
}

fn wanted(op: &Difference) -> Wanted {
    Wanted {
        key: op.key.clone(),
        count: count(op.before).abs_diff(count(op.after)),
        of: count(op.before),
    }
}

impl Hands<'_> {
    fn engine(&self) -> Engine {
        match self.dialect {
            Dialect::MySql { .. } => Engine::MySql,
            Dialect::Postgres(_) => Engine::Postgres,
        }
    }

    fn delete(&self, landing: &Landing, op: &Difference) -> Work {
        if !landing.production.keyless() {
            return Work::Delete(landing.delete(&op.key));
        }
        let wanted = [wanted(op)];
        let gone = wanted.iter().map(|one| one.count).sum();
        let sql = match self.dialect {
            Dialect::MySql { .. } => format!(
                "DELETE FROM {} WHERE {} LIMIT {gone}",
                landing.staging.quoted,
                mysql::sql::hashed(&landing.staging, &wanted)
            ),
            Dialect::Postgres(method) => postgres::sql::delete(&landing.staging, &wanted, method),
        };
        Work::DeleteExactly(sql, gone)
    }

    /// Does one change behind a savepoint and remembers it; what staging refuses is put aside with its reason.
    async fn settle(
        &mut self,
        landing: &Landing,
        act: Act,
        op: Difference,
        work: Work,
        values: Option<&Row>,
    ) -> Result<(), DeltaError> {
        let what = format!("changing table `{}`", landing.staging.label);
        self.staging.run(&what, "SAVEPOINT cutover").await?;
        match self.perform(&what, &work).await? {
            Ok(()) => {
                let table = &landing.production.label;
                let memory = own_tables::remember(self.engine(), self.manifest, table, &op)?;
                self.staging.run("remembering a row", memory).await?;
                self.staging.run(&what, "RELEASE SAVEPOINT cutover").await?;
            }
            Err(reason) => {
                self.staging.run(&what, "ROLLBACK TO SAVEPOINT cutover").await?;
                self.give_up(landing, act, op, values, reason);
            }
        }
        Ok(())
    }

    fn give_up(&mut self, landing: &Landing, act: Act, op: Difference, values: Option<&Row>, reason: String) {
        self.stuck.push(Stuck {
            table: landing.production.label.clone(),
            act,
            op,
            row: values.map(|values| landing.json(values)),
            reason,
        });
    }

    async fn perform(&mut self, what: &str, work: &Work) -> Result<Result<(), String>, DeltaError> {
        Ok(match work {
            Work::Delete(sql) => self.run(what, sql).await?.map(drop),
            Work::DeleteExactly(sql, wanted) => match self.run(what, sql).await? {
                Ok(found) if found == *wanted => Ok(()),
                Ok(found) => Err(format!(
                    "{wanted} rows like it were to go, and the migrated table has {found}: the migration changed them"
                )),
                Err(reason) => Err(reason),
            },
            Work::Upsert { update, insert } => match self.run(what, update).await? {
                Ok(0) => self.run(what, insert).await?.map(drop),
                other => other.map(drop),
            },
            Work::Insert { sql, times } => {
                for _ in 0..*times {
                    if let Err(reason) = self.run(what, sql).await? {
                        return Ok(Err(reason));
                    }
                }
                Ok(())
            }
        })
    }

    /// The inner error is a row that does not fit; the outer one is everything that is not the row's fault.
    async fn run(&mut self, what: &str, sql: &str) -> Result<Result<u64, String>, DeltaError> {
        match self.staging.run(what, sql).await {
            Ok(rows) => Ok(Ok(rows)),
            Err(error) => match conflict(&error) {
                Some(reason) => Ok(Err(reason)),
                None => Err(error),
            },
        }
    }
}

/// MySQL's errors about values that carry a general SQLSTATE: no default, wrong value, cut off.
const MYSQL_VALUES: [u16; 4] = [1364, 1366, 1265, 3819];

/// What the server says of a row that breaks a constraint or does not fit its column.
fn conflict(error: &DeltaError) -> Option<String> {
    let DeltaError::Statement { source, .. } = error else {
        return None;
    };
    let database = source.downcast_ref::<sqlx::Error>()?.as_database_error()?;
    let number = database
        .try_downcast_ref::<sqlx::mysql::MySqlDatabaseError>()
        .map(sqlx::mysql::MySqlDatabaseError::number);
    let class = database
        .code()
        .is_some_and(|code| code.starts_with("22") || code.starts_with("23"));
    let value = number.is_some_and(|number| MYSQL_VALUES.contains(&number));
    (class || value).then(|| database.message().to_owned())
}
