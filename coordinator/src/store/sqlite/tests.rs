use std::path::Path;

use super::*;
use crate::engine::testing::{plan, sid};

async fn open(dir: &Path) -> SqliteStore {
    SqliteStore::open(&dir.join("s.db"), Clock::fixed(Timestamp::UNIX_EPOCH))
        .await
        .unwrap()
}

fn run_id() -> RunId {
    RunId::new(uuid::Uuid::from_u128(7))
}

#[tokio::test]
async fn epoch_when_opened_again_then_one_more() {
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(open(dir.path()).await.next_epoch().await.unwrap(), 1);
    assert_eq!(open(dir.path()).await.next_epoch().await.unwrap(), 2);
}

#[tokio::test]
async fn log_when_two_append_behind_the_same_event_then_one_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).await;
    let hash = store.put_plan(&plan()).await.unwrap();
    store.create_run(run_id(), hash, "o".into()).await.unwrap();
    let event = Event::StepStarted {
        step: sid("quiesce.stop@n1"),
        attempt: 1,
    };
    store
        .append(run_id(), 1, vec![event.clone()], vec![AuditEntry::default()])
        .await
        .unwrap();
    let late = store
        .append(run_id(), 1, vec![event], vec![AuditEntry::default()])
        .await;
    assert!(matches!(late, Err(StoreError::VersionMoved { expected: 1, .. })));
    assert_eq!(store.events(run_id()).await.unwrap().len(), 2);
    // The refused append left no audit record either: both are one transaction.
    assert_eq!(store.audit_end().await.unwrap().0, 2);
}

#[tokio::test]
async fn plan_when_stored_then_hash_finds_the_same_plan() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).await;
    let hash = store.put_plan(&plan()).await.unwrap();
    let found = store.plan(&hash).await.unwrap().unwrap();
    assert_eq!(found.hash(), hash);
}

#[tokio::test]
async fn token_when_used_twice_then_second_use_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).await;
    store
        .put_token("t", serde_json::json!({}), AuditEntry::default())
        .await
        .unwrap();
    assert!(store.use_token("t").await.unwrap());
    assert!(!store.use_token("t").await.unwrap());
}

#[tokio::test]
async fn event_when_changed_behind_our_back_then_sqlite_refuses() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).await;
    store.audit(vec![AuditEntry::default()]).await.unwrap();
    assert!(
        sqlx::query("UPDATE audit SET json = '{}'")
            .execute(&store.pool)
            .await
            .is_err()
    );
    assert!(
        sqlx::query("DELETE FROM audit")
            .execute(&store.pool)
            .await
            .is_err()
    );
}

#[tokio::test]
async fn file_when_made_then_only_its_owner_can_read_it() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let _store = open(dir.path()).await;
    let mode = std::fs::metadata(dir.path().join("s.db"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
}
