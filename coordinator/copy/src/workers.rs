//! Several connections working off one list.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::CopyError;

/// Owns what one item of work needs, such as a pair of connections.
pub(crate) trait Worker: Send + 'static {
    type Item: Send + 'static;
    type Output: Send + 'static;

    fn run(&mut self, item: Self::Item) -> impl Future<Output = Result<Self::Output, CopyError>> + Send;
}

/// The first failure, and what had been done by then.
pub(crate) struct Failure<T> {
    pub(crate) done: Vec<T>,
    pub(crate) error: CopyError,
}

/// Gives the items, in order, to whichever worker is free. The first failure stops all.
pub(crate) async fn run_all<W: Worker>(
    workers: Vec<W>,
    items: Vec<W::Item>,
    cancel: &CancellationToken,
) -> Result<Vec<W::Output>, Failure<W::Output>> {
    let queue = Arc::new(Mutex::new(VecDeque::from(items)));
    let done = Arc::new(Mutex::new(Vec::new()));
    let mut tasks = JoinSet::new();
    for worker in workers {
        tasks.spawn(work_off(worker, Arc::clone(&queue), Arc::clone(&done)));
    }
    let result = tokio::select! {
        result = first_failure(&mut tasks) => result,
        () = cancel.cancelled() => Err(CopyError::Cancelled),
    };
    // Connections of stopped workers are closed here, so that the servers roll back.
    tasks.shutdown().await;
    let done = std::mem::take(&mut *done.lock().unwrap_or_else(PoisonError::into_inner));
    match result {
        Ok(()) => Ok(done),
        Err(error) => Err(Failure { done, error }),
    }
}

async fn work_off<W: Worker>(
    mut worker: W,
    queue: Arc<Mutex<VecDeque<W::Item>>>,
    done: Arc<Mutex<Vec<W::Output>>>,
) -> Result<(), CopyError> {
    loop {
        let next = queue.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
        let Some(item) = next else {
            return Ok(());
        };
        let output = worker.run(item).await?;
        done.lock().unwrap_or_else(PoisonError::into_inner).push(output);
    }
}

async fn first_failure(tasks: &mut JoinSet<Result<(), CopyError>>) -> Result<(), CopyError> {
    while let Some(joined) = tasks.join_next().await {
        joined.map_err(|error| CopyError::local("a copy task", error))??;
    }
    Ok(())
}
