//! What the journal's lines add up to.

use std::collections::{BTreeMap, BTreeSet};

use cutover_proto::ids::{CommandId, RunId, Sha256Hex, StepId};
use cutover_proto::report::StepOutcome;

use super::entry::Entry;

#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) epoch: u64,
    pub(super) commands: BTreeMap<CommandId, Known>,
    notes: BTreeMap<(RunId, StepId), BTreeMap<String, (CommandId, String)>>,
    /// Runs in the order in which they were first heard of: ids need not be in the order of time.
    order: Vec<RunId>,
}

#[derive(Debug)]
pub(super) struct Known {
    pub(super) content: Sha256Hex,
    pub(super) plan: Sha256Hex,
    pub(super) epoch: u64,
    pub(super) outcome: Option<StepOutcome>,
    pub(super) acked: bool,
}

impl State {
    pub(super) fn apply(&mut self, entry: Entry) {
        match entry {
            Entry::Epoch { epoch } => self.epoch = self.epoch.max(epoch),
            Entry::Intent {
                id,
                content,
                plan,
                epoch,
            } => {
                self.epoch = self.epoch.max(epoch);
                self.seen(id.run);
                self.commands.entry(id).or_insert(Known {
                    content,
                    plan,
                    epoch,
                    outcome: None,
                    acked: false,
                });
            }
            Entry::Note { id, key, value } => {
                self.seen(id.run);
                let notes = self.notes.entry((id.run, id.step.clone())).or_default();
                notes.insert(key, (id, value));
            }
            Entry::Result { id, outcome } => {
                if let Some(known) = self.commands.get_mut(&id) {
                    known.outcome = Some(outcome);
                }
            }
            Entry::Acked { id } => {
                if let Some(known) = self.commands.get_mut(&id) {
                    known.acked = true;
                }
            }
        }
    }

    fn seen(&mut self, run: RunId) {
        if !self.order.contains(&run) {
            self.order.push(run);
        }
    }

    pub(super) fn note(&self, id: &CommandId, key: &str) -> Option<&str> {
        let notes = self.notes.get(&(id.run, id.step.clone()))?;
        notes.get(key).map(|(_, value)| value.as_str())
    }

    pub(super) fn notes_of(&self, id: &CommandId) -> BTreeMap<String, String> {
        let notes = self.notes.get(&(id.run, id.step.clone()));
        notes
            .into_iter()
            .flatten()
            .map(|(key, (_, value))| (key.clone(), value.clone()))
            .collect()
    }

    pub(super) fn unacknowledged(&self) -> Vec<(CommandId, StepOutcome)> {
        self.commands
            .iter()
            .filter(|(_, known)| !known.acked)
            .filter_map(|(id, known)| Some((id.clone(), known.outcome.clone()?)))
            .collect()
    }

    pub(super) fn runs(&self) -> usize {
        self.order.len()
    }

    /// Lines that [`State::entries`] gives.
    pub(super) fn lines(&self) -> usize {
        let commands = self.commands.values();
        let of_commands: usize = commands
            .map(|known| 1 + usize::from(known.outcome.is_some()) + usize::from(known.acked))
            .sum();
        1 + of_commands + self.notes.values().map(BTreeMap::len).sum::<usize>()
    }

    /// The fewest lines that add up to this state.
    pub(super) fn entries(&self) -> Vec<Entry> {
        let mut entries = vec![Entry::Epoch { epoch: self.epoch }];
        for run in &self.order {
            for (id, known) in self.commands.iter().filter(|(id, _)| id.run == *run) {
                entries.push(Entry::Intent {
                    id: id.clone(),
                    content: known.content.clone(),
                    plan: known.plan.clone(),
                    epoch: known.epoch,
                });
                if let Some(outcome) = known.outcome.clone() {
                    entries.push(Entry::Result {
                        id: id.clone(),
                        outcome,
                    });
                }
                if known.acked {
                    entries.push(Entry::Acked { id: id.clone() });
                }
            }
            for notes in self.notes.iter().filter(|((of, _), _)| of == run).map(|(_, n)| n) {
                entries.extend(notes.iter().map(|(key, (id, value))| Entry::Note {
                    id: id.clone(),
                    key: key.clone(),
                    value: value.clone(),
                }));
            }
        }
        entries
    }

    /// Forgets runs in which everything was acknowledged, but for the newest `keep` that have notes and the
    /// newest `keep` that have none.
    pub(super) fn forget_old_runs(&mut self, keep: usize) {
        let open: BTreeSet<RunId> = self
            .commands
            .iter()
            .filter(|(_, known)| !known.acked)
            .map(|(id, _)| id.run)
            .collect();
        let noted: BTreeSet<RunId> = self.notes.keys().map(|(run, _)| *run).collect();
        let mut left = [keep, keep];
        let mut kept = BTreeSet::new();
        for run in self.order.iter().rev() {
            let left = &mut left[usize::from(noted.contains(run))];
            if *left > 0 || open.contains(run) {
                kept.insert(*run);
            }
            *left = left.saturating_sub(1);
        }
        self.order.retain(|run| kept.contains(run));
        self.commands.retain(|id, _| kept.contains(&id.run));
        self.notes.retain(|(run, _), _| kept.contains(run));
    }
}
