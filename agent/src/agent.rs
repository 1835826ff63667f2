//! What all parts of a running agent share.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{Mutex as AsyncMutex, OwnedMutexGuard, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tonic::transport::Channel;

use crate::config::Config;
use crate::durable;
use crate::facts::Sizes;
use crate::ledger::{Ledger, LedgerError};
use crate::outbox::Outbox;
use crate::policy::Policy;
use crate::runner::Running;
use crate::service::hold::Holds;

/// The agent: its policy, its memory, and what is at work.
#[derive(Debug)]
pub struct Agent {
    /// The policy file.
    pub config: Config,
    /// What commands may touch.
    pub policy: Policy,
    /// The journal.
    pub ledger: Ledger,
    /// Servers that are kept down.
    pub holds: Holds,
    /// What goes to the coordinator.
    pub outbox: Outbox,
    /// The channel to the coordinator, while there is one.
    pub channel: watch::Sender<Option<Channel>>,
    /// Cancelled when the agent ends.
    pub shutdown: CancellationToken,
    /// Commands at work.
    pub running: Running,
    /// Everything spawned.
    pub tasks: TaskTracker,
    locks: HomeLocks,
    /// Bytes of homes.
    pub sizes: Sizes,
}

impl Agent {
    /// Opens the state folder and everything in it. Guards that are missing are put back before anything else.
    ///
    /// # Errors
    /// When the state can't be read or written: without its memory the agent must not work.
    pub fn open(config: Config) -> Result<Arc<Self>, OpenError> {
        let folder = |path: &Path| {
            durable::private_folder(path).map_err(|source| OpenError::State {
                path: path.to_owned(),
                source,
            })
        };
        folder(&config.state_dir)?;
        folder(&config.backup_dir)?;
        let holds = Holds::open(&config.state_dir, &config.node).map_err(|source| OpenError::State {
            path: config.state_dir.join("holds"),
            source,
        })?;
        crate::watcher::restore(&holds);
        Ok(Arc::new(Self {
            policy: Policy::new(&config),
            ledger: Ledger::open(&config.state_dir)?,
            holds,
            outbox: Outbox::default(),
            channel: watch::Sender::new(None),
            shutdown: CancellationToken::new(),
            running: Running::default(),
            tasks: TaskTracker::new(),
            locks: HomeLocks::default(),
            sizes: Sizes::default(),
            config,
        }))
    }

    /// Waits until no other command works on these homes. Homes are locked in one order, so that two commands
    /// never wait for each other.
    pub async fn lock_homes(&self, mut homes: Vec<PathBuf>) -> Vec<OwnedMutexGuard<()>> {
        homes.sort();
        homes.dedup();
        let mut guards = Vec::new();
        for home in homes {
            guards.push(self.locks.of(&home).lock_owned().await);
        }
        guards
    }

    /// A folder of the state folder, made if it is not there.
    ///
    /// # Errors
    /// When it can't be made.
    pub fn state_folder(&self, name: &str) -> io::Result<PathBuf> {
        let path = self.config.state_dir.join(name);
        durable::private_folder(&path)?;
        Ok(path)
    }
}

#[derive(Debug, Default)]
struct HomeLocks(Mutex<BTreeMap<PathBuf, Arc<AsyncMutex<()>>>>);

impl HomeLocks {
    fn of(&self, home: &Path) -> Arc<AsyncMutex<()>> {
        let mut locks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(locks.entry(home.to_owned()).or_default())
    }
}

/// Why the agent does not start.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// A folder of its state can't be used.
    #[error("cannot use `{}`; the agent needs it for itself", path.display())]
    State {
        /// The folder.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The journal can't be used.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
}
