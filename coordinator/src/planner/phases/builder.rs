//! Makes steps: ids, sentences and reversal the same way everywhere.

use std::collections::{BTreeMap, BTreeSet};

use cutover_proto::ids::{NodeName, StepId};
use cutover_proto::plan::{
    DataPlan, DatabaseAction, Place, PlanDatabase, PlanPhase, PlanStep, Reversal, StepAction,
};
use cutover_proto::step::NodeAction;

use crate::guide::Role;
use crate::planner::config::Resolution;
use crate::planner::{Inputs, PlanNode};

/// What the steps are made from.
pub(super) struct Builder<'a> {
    pub(super) inputs: &'a Inputs<'a>,
    pub(super) databases: &'a [PlanDatabase],
    pub(super) roles: BTreeMap<String, BTreeSet<Role>>,
    pub(super) config: &'a Resolution,
    pub(super) data: &'a DataPlan,
}

/// A step before it has its id.
pub(super) struct Draft {
    place: Place,
    action: StepAction,
    title: String,
    reversal: Reversal,
    undo: String,
    skippable: bool,
    deadline_secs: u64,
    after: Vec<StepId>,
    sentences: Option<Vec<String>>,
}

impl Draft {
    fn new(place: Place, action: StepAction, title: String) -> Self {
        Self {
            place,
            action,
            title,
            reversal: Reversal::Nothing,
            undo: "nothing to undo".to_owned(),
            skippable: false,
            deadline_secs: 300,
            after: Vec::new(),
            sentences: None,
        }
    }

    pub(super) fn node(node: &PlanNode, action: NodeAction, title: String) -> Self {
        Self::on(&node.name, action, title)
    }

    /// On a node that need not be one of those that are upgraded.
    pub(super) fn on(node: &NodeName, action: NodeAction, title: String) -> Self {
        Self::new(Place::Node(node.clone()), StepAction::Node(action), title)
    }

    pub(super) fn database(database: &PlanDatabase, action: DatabaseAction, title: String) -> Self {
        Self::new(
            Place::Database(database.name.clone()),
            StepAction::Database(action),
            title,
        )
    }

    pub(super) fn undo(mut self, words: &str) -> Self {
        self.reversal = Reversal::Undo;
        words.clone_into(&mut self.undo);
        self
    }

    /// Says what happens to its effect on abort, without an undo of its own.
    pub(super) fn undo_note(mut self, words: &str) -> Self {
        words.clone_into(&mut self.undo);
        self
    }

    pub(super) fn skippable(mut self) -> Self {
        self.skippable = true;
        self
    }

    pub(super) fn deadline(mut self, secs: u64) -> Self {
        self.deadline_secs = secs;
        self
    }

    pub(super) fn after(mut self, steps: Vec<StepId>) -> Self {
        self.after = steps;
        self
    }

    /// The sentences it carries out, where several steps are of the same kind. Those that no part of the guide names,
    /// and that this kind of step carries out, are told with each.
    pub(super) fn sentences(mut self, ids: Vec<String>) -> Self {
        self.sentences = Some(ids);
        self
    }
}

impl Builder<'_> {
    pub(super) fn old_home(&self, node: &PlanNode) -> String {
        self.inputs.old_home(&node.name)
    }

    pub(super) fn new_home(&self, node: &PlanNode) -> String {
        self.inputs.new_home(&node.name)
    }

    pub(super) fn id(&self, name: &str, place: &Place) -> StepId {
        step_id(name, place)
    }

    pub(super) fn step(&self, name: &str, draft: Draft) -> PlanStep {
        let kind = draft.action.kind();
        let sentences = self
            .inputs
            .guide
            .sentences
            .iter()
            .filter(|s| {
                let of_kind = s.steps.iter().any(|step| step == kind);
                match &draft.sentences {
                    Some(ids) => ids.contains(&s.id) || (of_kind && !self.is_named(&s.id)),
                    None => of_kind,
                }
            })
            .map(|s| s.text.clone())
            .collect();
        PlanStep {
            id: step_id(name, &draft.place),
            title: draft.title,
            place: draft.place,
            action: draft.action,
            reversal: draft.reversal,
            undo: draft.undo,
            skippable: draft.skippable,
            deadline_secs: draft.deadline_secs,
            after: draft.after,
            sentences,
        }
    }

    pub(super) fn on_nodes(&self, name: &str, draft: impl Fn(&PlanNode) -> Draft) -> Vec<PlanStep> {
        self.inputs
            .ordered_nodes()
            .into_iter()
            .map(|node| self.step(name, draft(node)))
            .collect()
    }

    pub(super) fn on_databases(&self, name: &str, draft: impl Fn(&PlanDatabase) -> Draft) -> Vec<PlanStep> {
        self.databases
            .iter()
            .map(|database| self.step(name, draft(database)))
            .collect()
    }

    /// Whether a part of the guide names a sentence as its own.
    fn is_named(&self, id: &str) -> bool {
        let guide = self.inputs.guide;
        let edits = guide.edits.iter().filter_map(|edit| edit.sentence.as_ref());
        let directories = guide
            .directories
            .iter()
            .filter_map(|directory| directory.sentence.as_ref());
        let scripts = guide.scripts.iter().map(|script| &script.sentence);
        edits.chain(directories).chain(scripts).any(|named| named == id)
    }

    /// Whether the old homes use a database so.
    pub(super) fn has_role(&self, database: &PlanDatabase, role: Role) -> bool {
        self.roles
            .get(&database.name)
            .is_some_and(|roles| roles.contains(&role))
    }

    pub(super) fn finalize(&self) -> PlanStep {
        let mut step = self.step(
            "finalize.finalize",
            Draft::new(
                Place::Coordinator,
                StepAction::Finalize,
                "the point of no return: remove the migration journals; the old servers stay held".to_owned(),
            ),
        );
        step.reversal = Reversal::PointOfNoReturn;
        "after this step abort is not offered".clone_into(&mut step.undo);
        step
    }

    pub(super) fn phase(&self, name: &str, steps: Vec<PlanStep>) -> PlanPhase {
        PlanPhase {
            name: name.to_owned(),
            approval: false,
            steps,
        }
    }
}

/// `PHASE.WHAT@PLACE`. Letters that an id can't hold become `-`.
pub(crate) fn step_id(name: &str, place: &Place) -> StepId {
    let place = match place {
        Place::Node(node) => node.to_string(),
        Place::Database(database) => database.clone(),
        Place::Coordinator => "coordinator".to_owned(),
    };
    let clean = |text: &str| -> String {
        text.chars()
            .map(|c| {
                if c.is_ascii_alphanumeric() || "-_.".contains(c) {
                    c
                } else {
                    '-'
                }
            })
            .take(90)
            .collect()
    };
    crate::planner::adhoc::known_id(&format!("{}@{}", clean(name), clean(&place)))
}

/// Makes each step wait for the one before it.
pub(super) fn in_a_row(mut steps: Vec<PlanStep>) -> Vec<PlanStep> {
    let mut before: Option<StepId> = None;
    for step in &mut steps {
        step.after.extend(before.take());
        before = Some(step.id.clone());
    }
    steps
}
