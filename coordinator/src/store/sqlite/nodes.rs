//! Nodes, tokens and the epoch.

use cutover_proto::audit::AuditEntry;
use cutover_proto::facts::NodeFacts;
use cutover_proto::ids::NodeName;
use jiff::Timestamp;
use sqlx::{Row, Sqlite, Transaction};

use super::{SqliteStore, integer, read_json, sql, to_json, unsigned};
use crate::store::{NodeChange, NodeRow, StoreResult};

impl SqliteStore {
    pub(super) async fn take_epoch(&self, least: u64) -> StoreResult<u64> {
        let row = sqlx::query(
            "INSERT INTO meta (name, value) VALUES ('epoch', max(1, ?1)) \
             ON CONFLICT (name) DO UPDATE SET value = max(value + 1, ?1) RETURNING value",
        )
        .bind(integer(least))
        .fetch_one(&self.pool)
        .await
        .map_err(sql("take the next epoch"))?;
        Ok(unsigned(row.get(0)))
    }

    pub(super) async fn insert_enrolled(
        &self,
        token: &str,
        node: &NodeRow,
        audit: AuditEntry,
    ) -> StoreResult<bool> {
        let mut tx = self
            .pool
            .begin_with("BEGIN IMMEDIATE")
            .await
            .map_err(sql("begin an enrolment"))?;
        let used = sqlx::query("UPDATE token SET used = 1 WHERE id = ? AND used = 0")
            .bind(token)
            .execute(&mut *tx)
            .await
            .map_err(sql("use a token up"))?;
        if used.rows_affected() != 1 {
            return Ok(false);
        }
        write_node(&mut tx, node).await?;
        self.chain(&mut tx, vec![audit]).await?;
        tx.commit().await.map_err(sql("commit an enrolment"))?;
        Ok(true)
    }

    pub(super) async fn update_node(
        &self,
        name: &NodeName,
        change: NodeChange,
        audit: AuditEntry,
    ) -> StoreResult<bool> {
        let mut tx = self
            .pool
            .begin_with("BEGIN IMMEDIATE")
            .await
            .map_err(sql("begin a node's change"))?;
        let row = sqlx::query("SELECT json FROM node WHERE name = ?")
            .bind(name.as_str())
            .fetch_optional(&mut *tx)
            .await
            .map_err(sql("read a node"))?;
        let Some(row) = row else { return Ok(false) };
        let mut node: NodeRow = read_json("node", name.as_str(), row.get(0))?;
        if !node.apply(&change) {
            return Ok(false);
        }
        write_node(&mut tx, &node).await?;
        self.chain(&mut tx, vec![audit]).await?;
        tx.commit().await.map_err(sql("commit a node's change"))?;
        Ok(true)
    }

    pub(super) async fn update_seen(
        &self,
        name: &NodeName,
        at: Timestamp,
        facts: Option<&NodeFacts>,
    ) -> StoreResult<()> {
        sqlx::query("UPDATE node SET last_seen = ?, facts = coalesce(?, facts) WHERE name = ?")
            .bind(at.to_string())
            .bind(facts.map(to_json))
            .bind(name.as_str())
            .execute(&self.pool)
            .await
            .map_err(sql("note that a node was heard of"))?;
        Ok(())
    }

    pub(super) async fn select_nodes(&self) -> StoreResult<Vec<NodeRow>> {
        let rows = sqlx::query("SELECT name, json, last_seen, facts FROM node ORDER BY name")
            .fetch_all(&self.pool)
            .await
            .map_err(sql("read the nodes"))?;
        rows.iter()
            .map(|row| {
                let name: String = row.get(0);
                let mut node: NodeRow = read_json("node", &name, row.get(1))?;
                node.last_seen = row.get::<Option<String>, _>(2).and_then(|at| at.parse().ok());
                // Facts of an older form are as good as none: the agent reports anew with its next hello.
                node.facts = row
                    .get::<Option<String>, _>(3)
                    .and_then(|text| serde_json::from_str(&text).ok());
                Ok(node)
            })
            .collect()
    }

    pub(super) async fn insert_token(
        &self,
        id: &str,
        record: serde_json::Value,
        audit: AuditEntry,
    ) -> StoreResult<()> {
        let mut tx = self
            .pool
            .begin_with("BEGIN IMMEDIATE")
            .await
            .map_err(sql("begin a token"))?;
        sqlx::query("INSERT INTO token (id, json) VALUES (?, ?)")
            .bind(id)
            .bind(record.to_string())
            .execute(&mut *tx)
            .await
            .map_err(sql("store a token"))?;
        self.chain(&mut tx, vec![audit]).await?;
        tx.commit().await.map_err(sql("commit a token"))
    }

    pub(super) async fn select_token(&self, id: &str) -> StoreResult<Option<serde_json::Value>> {
        let row = sqlx::query("SELECT json FROM token WHERE id = ?")
            .bind(id)
            .fetch_optional(&self.pool)
            .await
            .map_err(sql("read a token"))?;
        row.map(|row| read_json("token", id, row.get(0))).transpose()
    }
}

/// What a node reported and when stands in columns of its own; the rest is the row's JSON.
async fn write_node(tx: &mut Transaction<'static, Sqlite>, node: &NodeRow) -> StoreResult<()> {
    let stored = NodeRow {
        facts: None,
        last_seen: None,
        ..node.clone()
    };
    sqlx::query(
        "INSERT INTO node (name, json) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET json = excluded.json",
    )
    .bind(node.name.as_str())
    .bind(to_json(&stored))
    .execute(&mut **tx)
    .await
    .map_err(sql("store a node"))?;
    Ok(())
}
