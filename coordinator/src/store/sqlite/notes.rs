//! Notes of runs, and what rehearsals found.

use cutover_proto::audit::AuditEntry;
use cutover_proto::ids::RunId;
use cutover_proto::view::RehearsalView;
use sqlx::Row;

use super::{SqliteStore, read_json, sql, to_json};
use crate::store::StoreResult;

impl SqliteStore {
    pub(super) async fn write_note(
        &self,
        scope: &str,
        name: &str,
        note: serde_json::Value,
        audit: Vec<AuditEntry>,
    ) -> StoreResult<()> {
        let mut tx = self
            .pool
            .begin_with("BEGIN IMMEDIATE")
            .await
            .map_err(sql("begin a note"))?;
        sqlx::query(
            "INSERT INTO note (scope, name, json) VALUES (?, ?, ?) \
             ON CONFLICT (scope, name) DO UPDATE SET json = excluded.json",
        )
        .bind(scope)
        .bind(name)
        .bind(note.to_string())
        .execute(&mut *tx)
        .await
        .map_err(sql("store a note"))?;
        self.chain(&mut tx, audit).await?;
        tx.commit().await.map_err(sql("commit a note"))
    }

    pub(super) async fn select_note(
        &self,
        scope: &str,
        name: &str,
    ) -> StoreResult<Option<serde_json::Value>> {
        let row = sqlx::query("SELECT json FROM note WHERE scope = ? AND name = ?")
            .bind(scope)
            .bind(name)
            .fetch_optional(&self.pool)
            .await
            .map_err(sql("read a note"))?;
        row.map(|row| read_json("note", name, row.get(0))).transpose()
    }

    pub(super) async fn delete_note(&self, scope: &str, name: &str) -> StoreResult<()> {
        sqlx::query("DELETE FROM note WHERE scope = ? AND name = ?")
            .bind(scope)
            .bind(name)
            .execute(&self.pool)
            .await
            .map_err(sql("remove a note"))?;
        Ok(())
    }

    pub(super) async fn write_rehearsal(&self, rehearsal: &RehearsalView) -> StoreResult<()> {
        sqlx::query(
            "INSERT INTO rehearsal (run, upgrade, json) VALUES (?, ?, ?) \
             ON CONFLICT (run) DO UPDATE SET json = excluded.json",
        )
        .bind(rehearsal.run.to_string())
        .bind(&rehearsal.upgrade)
        .bind(to_json(rehearsal))
        .execute(&self.pool)
        .await
        .map_err(sql("store a rehearsal"))?;
        Ok(())
    }

    pub(super) async fn select_rehearsal_of(&self, run: RunId) -> StoreResult<Option<RehearsalView>> {
        let row = sqlx::query("SELECT json FROM rehearsal WHERE run = ?")
            .bind(run.to_string())
            .fetch_optional(&self.pool)
            .await
            .map_err(sql("read a rehearsal"))?;
        row.map(|row| read_json("rehearsal", &run.to_string(), row.get(0)))
            .transpose()
    }

    /// Ids of runs grow with time.
    pub(super) async fn select_rehearsals(&self, upgrade: &str) -> StoreResult<Vec<RehearsalView>> {
        let rows = sqlx::query("SELECT json FROM rehearsal WHERE upgrade = ? ORDER BY run DESC")
            .bind(upgrade)
            .fetch_all(&self.pool)
            .await
            .map_err(sql("read the rehearsals"))?;
        rows.into_iter()
            .map(|row| read_json("rehearsal", upgrade, row.get(0)))
            .collect()
    }
}
