//! What a serving server holds.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use tokio::sync::mpsc;

use super::conf::{Conf, DataConf, Datasource};
use super::db::Db;
use super::log::Log;
use super::options::Options;

/// The tenant every server has.
pub(crate) const SUPER_TENANT: i64 = -1234;

/// What ServerAdmin reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Status {
    Starting,
    Running,
    InMaintenance,
    Restarting,
    ShuttingDown,
}

impl Status {
    pub(crate) fn text(self) -> &'static str {
        match self {
            Self::Starting => "STARTING",
            Self::Running => "RUNNING",
            Self::InMaintenance => "IN_MAINTENANCE",
            Self::Restarting => "RESTARTING",
            Self::ShuttingDown => "SHUTTING_DOWN",
        }
    }
}

/// What an administrator asks of the process as a whole.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Control {
    Restart,
    Shutdown,
}

/// Who is calling.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    pub(crate) user: String,
    pub(crate) tenant: i64,
}

/// A secondary user store as its file describes it.
#[derive(Debug, Clone, Default)]
pub(crate) struct UserStore {
    pub(crate) class: String,
    pub(crate) description: String,
    pub(crate) disabled: bool,
    pub(crate) properties: Vec<(String, String)>,
}

/// The server behind the ports.
pub(crate) struct Server {
    pub(crate) home: PathBuf,
    pub(crate) conf: Arc<Conf>,
    pub(crate) data: DataConf,
    pub(crate) options: Options,
    pub(crate) log: Arc<Log>,
    pub(crate) users: Db,
    pub(crate) registry: Db,
    /// Every pool there is by the name of its data source, those nobody looks into as well.
    pub(crate) pools: BTreeMap<String, Db>,
    pub(crate) user_source: Datasource,
    pub(crate) begun: Instant,
    pub(crate) control: mpsc::Sender<Control>,
    pub(crate) status: Mutex<Status>,
    pub(crate) sessions: Mutex<HashMap<String, Caller>>,
    /// Deployed secondary stores, by tenant and domain.
    pub(crate) stores: Mutex<BTreeMap<(i64, String), UserStore>>,
}

impl Server {
    pub(crate) fn status(&self) -> Status {
        *lock(&self.status)
    }

    pub(crate) fn set_status(&self, status: Status) {
        *lock(&self.status) = status;
    }

    pub(crate) fn is_new(&self) -> bool {
        crate::home::kernel_is_new(&self.conf.kernel)
    }

    /// Where a tenant's user stores are described.
    pub(crate) fn stores_dir(&self, tenant: i64) -> PathBuf {
        if tenant == SUPER_TENANT {
            self.home.join("repository/deployment/server/userstores")
        } else {
            self.home.join(format!("repository/tenants/{tenant}/userstores"))
        }
    }
}

/// A lock that outlives a panic elsewhere.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
