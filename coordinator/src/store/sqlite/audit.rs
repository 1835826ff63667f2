//! The audit trail's table.

use cutover_proto::audit::{AuditEntry, AuditRecord, GENESIS};
use sqlx::{Row, Sqlite, Transaction};

use super::{SqliteStore, integer, read_json, sql, to_json, unsigned};
use crate::store::StoreResult;

impl SqliteStore {
    pub(super) async fn append_audit(&self, entries: Vec<AuditEntry>) -> StoreResult<()> {
        let mut tx = self
            .pool
            .begin_with("BEGIN IMMEDIATE")
            .await
            .map_err(sql("begin an audit record"))?;
        self.chain(&mut tx, entries).await?;
        tx.commit().await.map_err(sql("commit an audit record"))
    }

    /// Chains entries behind the last record, inside the caller's transaction.
    pub(super) async fn chain(
        &self,
        tx: &mut Transaction<'static, Sqlite>,
        entries: Vec<AuditEntry>,
    ) -> StoreResult<()> {
        if entries.is_empty() {
            return Ok(());
        }
        let last = sqlx::query("SELECT seq, hash FROM audit ORDER BY seq DESC LIMIT 1")
            .fetch_optional(&mut **tx)
            .await
            .map_err(sql("read the end of the audit trail"))?;
        let (mut seq, mut prev) = match last {
            Some(row) => (unsigned(row.get(0)), row.get(1)),
            None => (0, GENESIS.to_owned()),
        };
        for mut entry in entries {
            if entry.at.is_empty() {
                entry.at = self.clock.now().to_string();
            }
            seq += 1;
            let record = AuditRecord::chain(seq, entry, &prev);
            sqlx::query("INSERT INTO audit (seq, json, hash) VALUES (?, ?, ?)")
                .bind(integer(seq))
                .bind(to_json(&record))
                .bind(&record.hash)
                .execute(&mut **tx)
                .await
                .map_err(sql("append an audit record"))?;
            prev = record.hash;
        }
        Ok(())
    }

    pub(super) async fn select_audit(&self, first: u64, limit: u32) -> StoreResult<Vec<AuditRecord>> {
        let rows = sqlx::query("SELECT seq, json FROM audit WHERE seq >= ? ORDER BY seq LIMIT ?")
            .bind(integer(first))
            .bind(i64::from(limit))
            .fetch_all(&self.pool)
            .await
            .map_err(sql("read the audit trail"))?;
        rows.iter()
            .map(|row| read_json("audit", &row.get::<i64, _>(0).to_string(), row.get(1)))
            .collect()
    }

    pub(super) async fn select_audit_end(&self) -> StoreResult<(u64, String)> {
        let row = sqlx::query("SELECT seq, hash FROM audit ORDER BY seq DESC LIMIT 1")
            .fetch_optional(&self.pool)
            .await
            .map_err(sql("read the end of the audit trail"))?;
        Ok(row.map_or((0, GENESIS.to_owned()), |row| (unsigned(row.get(0)), row.get(1))))
    }
}
