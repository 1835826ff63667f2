//! Plans, runs and their event logs.

use cutover_proto::audit::AuditEntry;
use cutover_proto::ids::{RunId, Sha256Hex};
use cutover_proto::plan::Plan;
use sqlx::{Row, Sqlite, Transaction};

use super::{SqliteStore, integer, read_json, sql, to_json};
use crate::engine::event::{Event, EventRecord};
use crate::store::{RunRow, StoreError, StoreResult};

impl SqliteStore {
    pub(super) async fn insert_plan(&self, plan: &Plan) -> StoreResult<Sha256Hex> {
        let hash = plan.hash();
        sqlx::query("INSERT INTO plan (hash, json) VALUES (?, ?) ON CONFLICT (hash) DO NOTHING")
            .bind(hash.as_str())
            .bind(String::from_utf8_lossy(&plan.canonical()).into_owned())
            .execute(&self.pool)
            .await
            .map_err(sql("store a plan"))?;
        Ok(hash)
    }

    pub(super) async fn select_plan(&self, hash: &Sha256Hex) -> StoreResult<Option<Plan>> {
        let row = sqlx::query("SELECT json FROM plan WHERE hash = ?")
            .bind(hash.as_str())
            .fetch_optional(&self.pool)
            .await
            .map_err(sql("read a plan"))?;
        row.map(|row| read_json("plan", hash.as_str(), row.get(0)))
            .transpose()
    }

    pub(super) async fn select_plan_hashes(&self, beginning: &str) -> StoreResult<Vec<Sha256Hex>> {
        let rows = sqlx::query("SELECT hash FROM plan WHERE substr(hash, 1, length(?1)) = ?1 ORDER BY hash")
            .bind(beginning)
            .fetch_all(&self.pool)
            .await
            .map_err(sql("look for plans"))?;
        Ok(rows
            .iter()
            .filter_map(|row| row.get::<String, _>(0).parse().ok())
            .collect())
    }

    pub(super) async fn insert_run(
        &self,
        id: RunId,
        plan_hash: Sha256Hex,
        operator: String,
    ) -> StoreResult<EventRecord> {
        let mut tx = self
            .pool
            .begin_with("BEGIN IMMEDIATE")
            .await
            .map_err(sql("begin a run"))?;
        let at = self.clock.now();
        sqlx::query("INSERT INTO run (id, plan_hash, started, version) VALUES (?, ?, ?, 0)")
            .bind(id.to_string())
            .bind(plan_hash.as_str())
            .bind(at.to_string())
            .execute(&mut *tx)
            .await
            .map_err(sql("store a run"))?;
        let audit = AuditEntry {
            actor: format!("operator:{operator}"),
            action: "run.started".into(),
            run: Some(id.to_string()),
            evidence: [("plan".to_owned(), plan_hash.to_string())].into(),
            ..AuditEntry::default()
        };
        let event = Event::RunStarted { plan_hash, operator };
        let record = self
            .write_events(&mut tx, id, 0, vec![event], vec![audit])
            .await?;
        tx.commit().await.map_err(sql("commit a run"))?;
        record
            .into_iter()
            .next()
            .ok_or(StoreError::VersionMoved { run: id, expected: 0 })
    }

    pub(super) async fn append_events(
        &self,
        run: RunId,
        expected: u64,
        events: Vec<Event>,
        audit: Vec<AuditEntry>,
    ) -> StoreResult<Vec<EventRecord>> {
        let mut tx = self
            .pool
            .begin_with("BEGIN IMMEDIATE")
            .await
            .map_err(sql("begin an event"))?;
        let records = self.write_events(&mut tx, run, expected, events, audit).await?;
        tx.commit().await.map_err(sql("commit an event"))?;
        Ok(records)
    }

    async fn write_events(
        &self,
        tx: &mut Transaction<'static, Sqlite>,
        run: RunId,
        expected: u64,
        events: Vec<Event>,
        audit: Vec<AuditEntry>,
    ) -> StoreResult<Vec<EventRecord>> {
        let count = u64::try_from(events.len()).unwrap_or(0);
        let ended = events
            .iter()
            .any(|e| matches!(e, Event::RunFinished | Event::RunAborted));
        let moved =
            sqlx::query("UPDATE run SET version = ?, ended = max(ended, ?) WHERE id = ? AND version = ?")
                .bind(integer(expected + count))
                .bind(i64::from(ended))
                .bind(run.to_string())
                .bind(integer(expected))
                .execute(&mut **tx)
                .await
                .map_err(sql("move a run on"))?;
        if moved.rows_affected() != 1 {
            return Err(StoreError::VersionMoved { run, expected });
        }
        let mut records = Vec::with_capacity(events.len());
        for (seq, event) in (expected + 1..).zip(events) {
            let record = EventRecord {
                seq,
                at: self.clock.now(),
                event,
            };
            sqlx::query("INSERT INTO event (run, seq, at, json) VALUES (?, ?, ?, ?)")
                .bind(run.to_string())
                .bind(integer(seq))
                .bind(record.at.to_string())
                .bind(to_json(&record))
                .execute(&mut **tx)
                .await
                .map_err(sql("append an event"))?;
            records.push(record);
        }
        self.chain(tx, audit).await?;
        Ok(records)
    }

    pub(super) async fn select_events(&self, run: RunId) -> StoreResult<Vec<EventRecord>> {
        let rows = sqlx::query("SELECT seq, json FROM event WHERE run = ? ORDER BY seq")
            .bind(run.to_string())
            .fetch_all(&self.pool)
            .await
            .map_err(sql("read a run's log"))?;
        rows.iter()
            .map(|row| read_json("event", &format!("{run}/{}", row.get::<i64, _>(0)), row.get(1)))
            .collect()
    }

    pub(super) async fn select_runs(&self) -> StoreResult<Vec<RunRow>> {
        let rows = sqlx::query("SELECT id, plan_hash, started, ended FROM run ORDER BY id")
            .fetch_all(&self.pool)
            .await
            .map_err(sql("read the runs"))?;
        // Ids and hashes were written by `insert_run`; a row that does not read is not one of ours.
        Ok(rows
            .iter()
            .filter_map(|row| {
                Some(RunRow {
                    id: row.get::<String, _>(0).parse().ok()?,
                    plan_hash: row.get::<String, _>(1).parse().ok()?,
                    started: row.get::<String, _>(2).parse().ok()?,
                    ended: row.get::<i64, _>(3) != 0,
                })
            })
            .collect())
    }
}
