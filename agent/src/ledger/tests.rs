use std::collections::BTreeSet;

use cutover_proto::ids::{Direction, RunId, Sha256Hex};
use cutover_proto::report::Receipt;
use cutover_proto::step::NodeAction;
use proptest::prelude::*;
use uuid::Uuid;

use super::*;

fn id(run: u8, step: u8, attempt: u32) -> CommandId {
    CommandId {
        run: RunId::new(Uuid::from_u128(u128::from(run))),
        step: format!("step-{step}").parse().unwrap(),
        attempt,
        direction: Direction::Do,
    }
}

fn command(id: CommandId, epoch: u64, home: &str) -> Command {
    Command {
        id,
        plan_hash: Sha256Hex::of(b"plan"),
        epoch,
        deadline_secs: 0,
        action: NodeAction::HoldServer {
            home: home.to_owned(),
        },
        secrets: [("file:pw".to_owned(), "s3cret".to_owned())].into(),
        reason: String::new(),
    }
}

fn outcome(text: &str) -> StepOutcome {
    Ok(Receipt::new().with("text", text))
}

#[test]
fn command_when_repeated_then_stored_result() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = Ledger::open(dir.path()).unwrap();
    let command = command(id(1, 1, 1), 5, "/opt/a");
    assert_eq!(ledger.check(&command).unwrap(), Known::New);
    ledger.begin(&command).unwrap();
    assert_eq!(ledger.check(&command).unwrap(), Known::Begun);
    ledger.finish(&command.id, &outcome("done")).unwrap();
    drop(ledger);
    let ledger = Ledger::open(dir.path()).unwrap();
    assert_eq!(ledger.check(&command).unwrap(), Known::Done(outcome("done")));
    assert_eq!(ledger.unacknowledged(), [(command.id.clone(), outcome("done"))]);
    ledger.acknowledge(&command.id).unwrap();
    assert_eq!(ledger.unacknowledged(), []);
    assert_eq!(ledger.check(&command).unwrap(), Known::Done(outcome("done")));
}

#[test]
fn command_when_content_differs_then_refused() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = Ledger::open(dir.path()).unwrap();
    ledger.begin(&command(id(1, 1, 1), 5, "/opt/a")).unwrap();
    let error = ledger.check(&command(id(1, 1, 1), 5, "/opt/b")).unwrap_err();
    assert_eq!(error.code, ErrorCode::ContentMismatch);
}

#[test]
fn epoch_when_lower_then_refused_also_after_restart() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = Ledger::open(dir.path()).unwrap();
    ledger.see_epoch(7).unwrap();
    drop(ledger);
    let ledger = Ledger::open(dir.path()).unwrap();
    assert_eq!(ledger.epoch(), 7);
    let error = ledger.check(&command(id(1, 1, 1), 6, "/opt/a")).unwrap_err();
    assert_eq!(error.code, ErrorCode::StaleEpoch);
    assert_eq!(
        ledger.check(&command(id(1, 1, 1), 7, "/opt/a")).unwrap(),
        Known::New
    );
}

#[test]
fn notes_when_undone_then_still_there() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = Ledger::open(dir.path()).unwrap();
    let first = id(1, 1, 1);
    ledger.note(&first, "pid", "1").unwrap();
    ledger.note(&first, "pid", "2").unwrap();
    let undo = CommandId {
        attempt: 3,
        direction: Direction::Undo,
        ..first
    };
    let ledger = Ledger::open(dir.path()).unwrap();
    assert_eq!(ledger.noted(&undo, "pid").as_deref(), Some("2"));
    assert_eq!(ledger.noted(&id(1, 2, 1), "pid"), None);
    assert_eq!(ledger.noted(&id(2, 1, 1), "pid"), None);
}

#[test]
fn secrets_when_journaled_then_not_in_the_file() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = Ledger::open(dir.path()).unwrap();
    ledger.begin(&command(id(1, 1, 1), 1, "/opt/a")).unwrap();
    let text = std::fs::read_to_string(dir.path().join("ledger.jsonl")).unwrap();
    assert!(text.contains("intent") && !text.contains("s3cret"), "{text}");
}

#[test]
fn file_when_damaged_in_the_middle_then_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("ledger.jsonl");
    let ledger = Ledger::open(dir.path()).unwrap();
    for run in 1..4 {
        ledger.begin(&command(id(run, 1, 1), 1, "/opt/a")).unwrap();
    }
    drop(ledger);
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[200] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    let error = Ledger::open(dir.path()).unwrap_err();
    assert!(matches!(error, LedgerError::Corrupt { line: 1, .. }), "{error}");
}

#[test]
fn runs_when_acknowledged_and_old_then_forgotten_but_open_ones_stay() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = Ledger::open_with(dir.path(), 2, 0).unwrap();
    let open = command(id(1, 1, 1), 1, "/opt/a");
    ledger.begin(&open).unwrap();
    ledger.note(&id(2, 1, 1), "was_running", "yes").unwrap();
    for run in 2..20 {
        let command = command(id(run, 1, 1), 1, "/opt/a");
        ledger.begin(&command).unwrap();
        ledger.finish(&command.id, &outcome("x")).unwrap();
        ledger.acknowledge(&command.id).unwrap();
    }
    for ledger in [&ledger, &Ledger::open_with(dir.path(), 2, 0).unwrap()] {
        assert_eq!(ledger.check(&open).unwrap(), Known::Begun);
        assert_eq!(ledger.noted(&id(2, 1, 1), "was_running").as_deref(), Some("yes"));
        assert_eq!(
            ledger.check(&command(id(3, 1, 1), 1, "/opt/a")).unwrap(),
            Known::New
        );
        assert_eq!(
            ledger.check(&command(id(19, 1, 1), 1, "/opt/a")).unwrap(),
            Known::Done(outcome("x"))
        );
    }
}

#[derive(Debug, Clone)]
enum Act {
    Epoch(u64),
    Begin(u8, u8),
    Note(u8, u8, u8),
    Finish(u8, u8),
    Ack(u8, u8),
    Reopen,
    Tear(u8),
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        (0..20u64).prop_map(Act::Epoch),
        (0..4u8, 0..3u8).prop_map(|(r, s)| Act::Begin(r, s)),
        (0..4u8, 0..3u8, any::<u8>()).prop_map(|(r, s, v)| Act::Note(r, s, v)),
        (0..4u8, 0..3u8).prop_map(|(r, s)| Act::Finish(r, s)),
        (0..4u8, 0..3u8).prop_map(|(r, s)| Act::Ack(r, s)),
        Just(Act::Reopen),
        (1..200u8).prop_map(Act::Tear),
    ]
}

/// What must hold whatever happens: what was acknowledged to the caller as written is there after every reopen.
#[derive(Default)]
struct Model {
    epoch: u64,
    begun: BTreeSet<(u8, u8)>,
    done: BTreeSet<(u8, u8)>,
    acked: BTreeSet<(u8, u8)>,
    notes: BTreeMap<(u8, u8), u8>,
}

impl Model {
    fn step(&mut self, ledger: &Ledger, act: &Act) {
        match *act {
            Act::Epoch(epoch) => {
                assert_eq!(ledger.see_epoch(epoch).is_ok(), epoch >= self.epoch);
                self.epoch = self.epoch.max(epoch);
            }
            Act::Begin(run, step) => {
                if self.begun.insert((run, step)) {
                    ledger
                        .begin(&command(id(run, step, 1), self.epoch, "/opt/a"))
                        .unwrap();
                }
            }
            Act::Note(run, step, value) => {
                ledger.note(&id(run, step, 1), "n", &value.to_string()).unwrap();
                self.notes.insert((run, step), value);
            }
            Act::Finish(run, step) => {
                if self.begun.contains(&(run, step)) && self.done.insert((run, step)) {
                    ledger.finish(&id(run, step, 1), &outcome("r")).unwrap();
                }
            }
            Act::Ack(run, step) => {
                ledger.acknowledge(&id(run, step, 1)).unwrap();
                if self.done.contains(&(run, step)) {
                    self.acked.insert((run, step));
                }
            }
            Act::Reopen | Act::Tear(_) => {}
        }
    }

    fn check(&self, ledger: &Ledger) {
        assert_eq!(ledger.epoch(), self.epoch);
        for run in 0..4 {
            for step in 0..3 {
                let key = (run, step);
                let known = ledger
                    .check(&command(id(run, step, 1), self.epoch, "/opt/a"))
                    .unwrap();
                let expected = match (self.begun.contains(&key), self.done.contains(&key)) {
                    (false, _) => Known::New,
                    (true, false) => Known::Begun,
                    (true, true) => Known::Done(outcome("r")),
                };
                assert_eq!(known, expected);
                let note = self.notes.get(&key).map(u8::to_string);
                assert_eq!(ledger.noted(&id(run, step, 1), "n"), note);
            }
        }
        let open: BTreeSet<_> = self
            .done
            .difference(&self.acked)
            .map(|&(r, s)| id(r, s, 1))
            .collect();
        let unacked: BTreeSet<_> = ledger.unacknowledged().into_iter().map(|(id, _)| id).collect();
        assert_eq!(unacked, open);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn journal_when_torn_and_reopened_then_nothing_written_is_lost(acts in prop::collection::vec(act(), 1..40)) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("ledger.jsonl");
        let mut model = Model::default();
        let mut ledger = Ledger::open_with(dir.path(), 4, 8).unwrap();
        for act in &acts {
            model.step(&ledger, act);
            match act {
                Act::Tear(length) => {
                    // A crash in the middle of the next append: part of its line is on the disk.
                    drop(ledger);
                    let line = Entry::Intent {
                        id: id(9, 9, 9),
                        content: Sha256Hex::of(b"c"),
                        plan: Sha256Hex::of(b"p"),
                        epoch: 99,
                    }.to_line().unwrap();
                    let torn = &line[..usize::from(*length).min(line.len() - 1)];
                    let mut bytes = std::fs::read(&path).unwrap();
                    bytes.extend_from_slice(torn);
                    std::fs::write(&path, bytes).unwrap();
                    ledger = Ledger::open_with(dir.path(), 4, 8).unwrap();
                }
                Act::Reopen => {
                    drop(ledger);
                    ledger = Ledger::open_with(dir.path(), 4, 8).unwrap();
                }
                Act::Epoch(_) | Act::Begin(..) | Act::Note(..) | Act::Finish(..) | Act::Ack(..) => {}
            }
            model.check(&ledger);
        }
    }

    #[test]
    fn journal_when_cut_anywhere_then_a_prefix_is_read(cut in 0..3000usize) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("ledger.jsonl");
        let ledger = Ledger::open(dir.path()).unwrap();
        for run in 0..8 {
            ledger.begin(&command(id(run, 1, 1), 1, "/opt/a")).unwrap();
        }
        drop(ledger);
        let bytes = std::fs::read(&path).unwrap();
        std::fs::write(&path, &bytes[..cut.min(bytes.len())]).unwrap();
        let ledger = Ledger::open(dir.path()).unwrap();
        let known: Vec<bool> = (0..8)
            .map(|run| ledger.check(&command(id(run, 1, 1), 1, "/opt/a")).unwrap() == Known::Begun)
            .collect();
        let prefix = known.iter().take_while(|&&k| k).count();
        prop_assert!(known[prefix..].iter().all(|&k| !k));
    }
}
