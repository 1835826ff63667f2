//! Holds: durable promises that the server of a home stays down.
//!
//! A hold is a record in the state folder plus the [`guard`] in the home. The record is written first and removed
//! last, so that after a crash the agent still knows what it promised and puts the guard back. What slips past
//! the guard is stopped again by the [watcher](crate::watcher).

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use cutover_proto::ids::{NodeName, RunId};
use cutover_proto::report::{ErrorCode, StepError};
use serde::{Deserialize, Serialize};

use super::carbon::Process;
use super::guard::{self, GuardState};
use crate::durable;
use crate::fault;

/// The record of a hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hold {
    /// The home, by its real path.
    pub home: PathBuf,
    /// The run that wants it.
    pub run: RunId,
    /// Why, for people.
    pub reason: String,
    /// Servers that ran when the hold was made: `(pid, start)`. A hold keeps a server from coming back; it does
    /// not stop one.
    pub tolerated: Vec<(u32, u64)>,
}

impl Hold {
    /// Whether the process was there before the hold.
    #[must_use]
    pub fn tolerates(&self, process: Process) -> bool {
        self.tolerated.contains(&(process.pid, process.started_ticks))
    }

    /// How a person gets the server back.
    fn way_out(&self, node: &NodeName) -> String {
        format!(
            "`cutover abort {}` takes the run back while it is open; once it has ended, `cutover do release --on \
             name={node} --home {}` lets the server start again",
            self.run,
            self.home.display()
        )
    }

    fn message(&self, node: &NodeName) -> String {
        format!(
            "This WSO2 server is held down by Cutover for run {run}: {}. Nothing was started. `cutover status {run}` \
             shows the run; {}.",
            self.reason,
            self.way_out(node),
            run = self.run
        )
    }
}

/// All holds of this node.
#[derive(Debug)]
pub struct Holds {
    folder: PathBuf,
    node: NodeName,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    holds: BTreeMap<PathBuf, Hold>,
    /// Homes in which an action is stopping a server now: the watcher keeps its hands off.
    stopping: BTreeSet<PathBuf>,
}

impl Holds {
    /// Reads the records of this node.
    ///
    /// # Errors
    /// When they can't be read: an agent that does not know its promises must not work.
    pub fn open(state_dir: &Path, node: &NodeName) -> io::Result<Self> {
        let folder = state_dir.join("holds");
        durable::private_folder(&folder)?;
        let mut holds = BTreeMap::new();
        for entry in fs::read_dir(&folder)? {
            let path = entry?.path();
            if path.extension().is_some_and(|ext| ext == "json") {
                let hold: Hold = serde_json::from_slice(&fs::read(&path)?).map_err(|error| {
                    io::Error::other(format!("hold record `{}`: {error}", path.display()))
                })?;
                holds.insert(hold.home.clone(), hold);
            }
        }
        let inner = Mutex::new(Inner {
            holds,
            stopping: BTreeSet::new(),
        });
        Ok(Self {
            folder,
            node: node.clone(),
            inner,
        })
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The hold on a home.
    #[must_use]
    pub fn get(&self, home: &Path) -> Option<Hold> {
        self.lock().holds.get(home).cloned()
    }

    /// All holds.
    #[must_use]
    pub fn all(&self) -> Vec<Hold> {
        self.lock().holds.values().cloned().collect()
    }

    /// Holds whose homes no action is stopping at the moment.
    #[must_use]
    pub fn watched(&self) -> Vec<Hold> {
        let inner = self.lock();
        let holds = inner.holds.values();
        holds
            .filter(|hold| !inner.stopping.contains(&hold.home))
            .cloned()
            .collect()
    }

    /// Whether the watcher may still act on this hold.
    #[must_use]
    pub fn is_watched(&self, hold: &Hold) -> bool {
        let inner = self.lock();
        inner.holds.get(&hold.home) == Some(hold) && !inner.stopping.contains(&hold.home)
    }

    /// Keeps the watcher away from a home until the returned value is dropped.
    #[must_use]
    pub fn stopping(&self, home: &Path) -> Stopping<'_> {
        self.lock().stopping.insert(home.to_owned());
        Stopping {
            holds: self,
            home: home.to_owned(),
        }
    }

    /// An error when another run holds the home.
    ///
    /// # Errors
    /// [`ErrorCode::Held`].
    pub fn check_owner(&self, home: &Path, run: RunId) -> Result<(), StepError> {
        match self.get(home) {
            Some(hold) if hold.run != run => Err(StepError::new(
                ErrorCode::Held,
                format!("the server of `{}` is held by another run", home.display()),
                format!("run {} holds it: {}", hold.run, hold.reason),
                hold.way_out(&self.node),
            )),
            Some(_) | None => Ok(()),
        }
    }

    /// Makes the promise. Made again by the same run, the servers tolerated at first stay the same.
    ///
    /// # Errors
    /// [`ErrorCode::Held`] when another run has it; otherwise what could not be written.
    pub fn hold(&self, hold: Hold) -> Result<GuardState, StepError> {
        self.check_owner(&hold.home, hold.run)?;
        let mut inner = self.lock();
        let hold = inner.holds.get(&hold.home).cloned().unwrap_or(hold);
        let record = self.record(&hold.home);
        let json = serde_json::to_vec_pretty(&hold)
            .map_err(|error| fault::internal("the hold could not be recorded", &error))?;
        durable::write_private(&record, &json)
            .map_err(|error| fault::io("record the hold in", &record, &error))?;
        inner.holds.insert(hold.home.clone(), hold.clone());
        cutover_proto::crash::point("hold-recorded", "hold");
        guard::install(&hold.home, &hold.message(&self.node))
            .map_err(|error| fault::io("guard the start script in", &hold.home, &error))
    }

    /// Gives the promise up. Without one only a left-over guard is taken away.
    ///
    /// # Errors
    /// [`ErrorCode::Held`] when another run has it; otherwise what could not be changed.
    pub fn release(&self, home: &Path, run: RunId) -> Result<bool, StepError> {
        self.check_owner(home, run)?;
        Ok(self.give_up(home)?.is_some())
    }

    /// Gives the promise up, whichever run made it. Only an operator's own order does that: a hold outlives the
    /// upgrade that made it, and the coordinator refuses the order while that run is open.
    ///
    /// # Errors
    /// What could not be changed.
    pub fn give_up(&self, home: &Path) -> Result<Option<Hold>, StepError> {
        let mut inner = self.lock();
        guard::remove(home).map_err(|error| fault::io("take the guard away in", home, &error))?;
        cutover_proto::crash::point("guard-removed", "release");
        let record = self.record(home);
        durable::remove(&record).map_err(|error| fault::io("remove the hold record", &record, &error))?;
        Ok(inner.holds.remove(home))
    }

    /// Puts the guard back wherever it is missing. Returns the homes where it was.
    pub fn restore_guards(&self) -> Vec<(PathBuf, io::Result<GuardState>)> {
        let inner = self.lock();
        let open = inner.holds.values().filter(|hold| {
            // An unreadable script is reported by the attempt to guard it.
            !matches!(
                guard::state(&hold.home),
                Ok(GuardState::Guarded | GuardState::NoScript | GuardState::OriginalMissing)
            )
        });
        open.map(|hold| {
            (
                hold.home.clone(),
                guard::install(&hold.home, &hold.message(&self.node)),
            )
        })
        .collect()
    }

    fn record(&self, home: &Path) -> PathBuf {
        self.folder
            .join(format!("{}.json", durable::key(&home.to_string_lossy())))
    }
}

/// Keeps the watcher away from a home while an action stops its server.
#[derive(Debug)]
pub struct Stopping<'a> {
    holds: &'a Holds,
    home: PathBuf,
}

impl Drop for Stopping<'_> {
    fn drop(&mut self) {
        self.holds.lock().stopping.remove(&self.home);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(number: u128) -> RunId {
        RunId::new(uuid::Uuid::from_u128(number))
    }

    fn open(state: &Path) -> Holds {
        Holds::open(state, &"dss-1".parse().unwrap()).unwrap()
    }

    fn home() -> tempfile::TempDir {
        let home = tempfile::tempdir().unwrap();
        fs::create_dir(home.path().join("bin")).unwrap();
        fs::write(guard::script(home.path()), "#!/bin/sh\n").unwrap();
        home
    }

    fn hold(home: &Path, number: u128) -> Hold {
        Hold {
            home: home.to_owned(),
            run: run(number),
            reason: "upgrade".to_owned(),
            tolerated: vec![(1, 2)],
        }
    }

    #[test]
    fn hold_when_the_agent_restarts_then_still_there() {
        let (state, home) = (tempfile::tempdir().unwrap(), home());
        let holds = open(state.path());
        assert_eq!(holds.hold(hold(home.path(), 1)).unwrap(), GuardState::Guarded);
        drop(holds);
        let holds = open(state.path());
        assert_eq!(holds.get(home.path()).unwrap(), hold(home.path(), 1));
        // Again, with a server that came after the hold: it must not become tolerated.
        let mut again = hold(home.path(), 1);
        again.tolerated = vec![(9, 9)];
        holds.hold(again).unwrap();
        assert_eq!(holds.get(home.path()).unwrap().tolerated, [(1, 2)]);
    }

    #[test]
    fn hold_when_another_run_has_it_then_neither_taken_nor_released() {
        let (state, home) = (tempfile::tempdir().unwrap(), home());
        let holds = open(state.path());
        holds.hold(hold(home.path(), 1)).unwrap();
        assert_eq!(
            holds.hold(hold(home.path(), 2)).unwrap_err().code,
            ErrorCode::Held
        );
        assert_eq!(
            holds.release(home.path(), run(2)).unwrap_err().code,
            ErrorCode::Held
        );
        assert_eq!(guard::state(home.path()).unwrap(), GuardState::Guarded);
        assert!(holds.release(home.path(), run(1)).unwrap());
        assert!(!holds.release(home.path(), run(1)).unwrap());
        holds.hold(hold(home.path(), 1)).unwrap();
        assert_eq!(
            holds.give_up(home.path()).unwrap().map(|hold| hold.run),
            Some(run(1))
        );
        assert!(holds.get(home.path()).is_none());
        assert_eq!(guard::state(home.path()).unwrap(), GuardState::Open);
    }

    #[test]
    fn guard_when_it_refuses_then_it_names_commands_that_give_the_server_back() {
        let (state, home) = (tempfile::tempdir().unwrap(), home());
        let holds = open(state.path());
        holds.hold(hold(home.path(), 1)).unwrap();
        let said = fs::read_to_string(guard::script(home.path())).unwrap();
        let release = format!(
            "cutover do release --on name=dss-1 --home {}",
            home.path().display()
        );
        for words in [format!("cutover abort {}", run(1)), release.clone()] {
            assert!(said.contains(&words), "{words} in {said}");
        }
        let error = holds.check_owner(home.path(), run(2)).unwrap_err();
        assert!(error.next.contains(&release), "{error:?}");
    }

    #[test]
    fn hold_when_recorded_but_not_guarded_then_the_guard_comes_back() {
        let (state, home) = (tempfile::tempdir().unwrap(), home());
        let holds = open(state.path());
        holds.hold(hold(home.path(), 1)).unwrap();
        guard::remove(home.path()).unwrap();
        let holds = open(state.path());
        assert_eq!(holds.restore_guards().len(), 1);
        assert_eq!(guard::state(home.path()).unwrap(), GuardState::Guarded);
        assert_eq!(holds.restore_guards().len(), 0);
    }

    #[test]
    fn watcher_when_an_action_stops_the_server_then_kept_away() {
        let (state, home) = (tempfile::tempdir().unwrap(), home());
        let holds = open(state.path());
        holds.hold(hold(home.path(), 1)).unwrap();
        let stopping = holds.stopping(home.path());
        assert_eq!(holds.watched(), []);
        drop(stopping);
        assert_eq!(holds.watched().len(), 1);
    }
}
