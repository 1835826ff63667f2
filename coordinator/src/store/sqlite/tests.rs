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
    assert_eq!(open(dir.path()).await.next_epoch(0).await.unwrap(), 1);
    assert_eq!(open(dir.path()).await.next_epoch(0).await.unwrap(), 2);
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

fn node(serial: &str) -> NodeRow {
    NodeRow {
        name: "n1".parse().unwrap(),
        labels: std::collections::BTreeMap::new(),
        serial: serial.into(),
        replaced_serial: None,
        enrolled: Timestamp::UNIX_EPOCH,
        last_seen: None,
        revoked: None,
        facts: None,
    }
}

#[tokio::test]
async fn token_when_used_twice_then_second_use_is_refused_and_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).await;
    store
        .put_token("t", serde_json::json!({}), AuditEntry::default())
        .await
        .unwrap();
    assert!(store.enrol("t", &node("a"), AuditEntry::default()).await.unwrap());
    assert!(!store.enrol("t", &node("b"), AuditEntry::default()).await.unwrap());
    assert_eq!(store.nodes().await.unwrap()[0].serial, "a");
}

#[tokio::test]
async fn certificate_when_revoked_or_replaced_then_no_longer_admitted() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).await;
    store
        .put_token("t", serde_json::json!({}), AuditEntry::default())
        .await
        .unwrap();
    store.enrol("t", &node("a"), AuditEntry::default()).await.unwrap();
    let name: NodeName = "n1".parse().unwrap();
    let change = |change| store.change_node(&name, change, AuditEntry::default());
    assert!(
        change(NodeChange::Renewed {
            from: "a".into(),
            to: "b".into()
        })
        .await
        .unwrap()
    );
    let row = store.nodes().await.unwrap().remove(0);
    assert!(row.admits("a") && row.admits("b") && !row.admits("c"));
    assert!(change(NodeChange::Confirmed).await.unwrap());
    assert!(!store.nodes().await.unwrap()[0].admits("a"));
    assert!(change(NodeChange::Revoked(Timestamp::UNIX_EPOCH)).await.unwrap());
    assert!(
        !change(NodeChange::Renewed {
            from: "b".into(),
            to: "c".into()
        })
        .await
        .unwrap()
    );
    assert!(!store.nodes().await.unwrap()[0].admits("b"));
}

#[tokio::test]
async fn epoch_when_told_to_be_above_another_then_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).await;
    assert_eq!(store.next_epoch(40).await.unwrap(), 40);
    assert_eq!(store.next_epoch(0).await.unwrap(), 41);
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

#[tokio::test]
async fn note_when_written_again_then_the_later_one_with_its_audit_record() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).await;
    for value in [1, 2] {
        store
            .put_note("run", "fence/carbon", value.into(), vec![AuditEntry::default()])
            .await
            .unwrap();
    }
    let found = store.note("run", "fence/carbon").await.unwrap();
    assert_eq!(found, Some(2.into()));
    assert_eq!(store.note("other run", "fence/carbon").await.unwrap(), None);
    assert_eq!(store.audit_end().await.unwrap().0, 2);
    store.drop_note("run", "fence/carbon").await.unwrap();
    assert_eq!(store.note("run", "fence/carbon").await.unwrap(), None);
}

#[tokio::test]
async fn rehearsal_when_there_are_several_then_the_last_one_of_the_upgrade() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).await;
    let view = |number: u128, upgrade: &str, failed: Option<&str>| RehearsalView {
        upgrade: upgrade.into(),
        run: RunId::new(uuid::Uuid::from_u128(number)),
        plan_hash: Sha256Hex::of(b"plan"),
        at: String::new(),
        failed: failed.map(str::to_owned),
        broken_off: false,
        delta_held: None,
        steps: Vec::new(),
        forecasts: Vec::new(),
        kept: Vec::new(),
    };
    for rehearsal in [
        view(2, "a", None),
        view(1, "a", None),
        view(3, "b", None),
        view(2, "a", Some("x")),
    ] {
        store.put_rehearsal(&rehearsal).await.unwrap();
    }
    let last = store.rehearsals("a").await.unwrap().into_iter().next();
    assert_eq!(last, Some(view(2, "a", Some("x"))));
    assert_eq!(store.rehearsals("c").await.unwrap(), []);
    let of = |number| store.rehearsal(RunId::new(uuid::Uuid::from_u128(number)));
    assert_eq!(of(1).await.unwrap(), Some(view(1, "a", None)));
    assert_eq!(
        of(9).await.unwrap(),
        None,
        "another run's record is not this one's"
    );
}
