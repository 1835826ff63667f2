//! Several connections working off one list.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::CopyError;

/// Owns what one item of work needs, such as a pair of connections.
pub(crate) trait Worker: Send + 'static {
    type Item: Send + 'static;
    type Output: Send + 'static;

    fn run(
        &mut self,
        item: Self::Item,
    ) -> impl Future<Output = Result<(Self::Output, Vec<Self::Item>), CopyError>> + Send;
}

/// The first failure, and what had been done by then.
pub(crate) struct Failure<T> {
    pub(crate) done: Vec<T>,
    pub(crate) error: CopyError,
}

/// Work to do. Items under way may bring further ones, so an empty list alone does not end the work.
struct Queue<T> {
    state: Mutex<(VecDeque<T>, usize)>,
    changed: Notify,
}

impl<T> Queue<T> {
    fn new(items: Vec<T>) -> Self {
        Queue {
            state: Mutex::new((VecDeque::from(items), 0)),
            changed: Notify::new(),
        }
    }

    async fn next(&self) -> Option<T> {
        loop {
            // Registered before the look: what is put in between is not missed.
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            {
                let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
                if let Some(item) = state.0.pop_front() {
                    state.1 += 1;
                    return Some(item);
                }
                if state.1 == 0 {
                    return None;
                }
            }
            changed.await;
        }
    }

    /// What an item brought comes first: its pages are still in the server's memory.
    fn finish(&self, brought: Vec<T>) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.1 -= 1;
        for item in brought.into_iter().rev() {
            state.0.push_front(item);
        }
        drop(state);
        self.changed.notify_waiters();
    }
}

/// Gives the items, in order, to whichever worker is free. The first failure stops all.
pub(crate) async fn run_all<W: Worker>(
    workers: Vec<W>,
    items: Vec<W::Item>,
    cancel: &CancellationToken,
) -> Result<Vec<W::Output>, Failure<W::Output>> {
    let queue = Arc::new(Queue::new(items));
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
    queue: Arc<Queue<W::Item>>,
    done: Arc<Mutex<Vec<W::Output>>>,
) -> Result<(), CopyError> {
    while let Some(item) = queue.next().await {
        let (output, brought) = worker.run(item).await?;
        done.lock().unwrap_or_else(PoisonError::into_inner).push(output);
        queue.finish(brought);
    }
    Ok(())
}

async fn first_failure(tasks: &mut JoinSet<Result<(), CopyError>>) -> Result<(), CopyError> {
    while let Some(joined) = tasks.join_next().await {
        joined.map_err(|error| CopyError::local("a copy task", error))??;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Brings items until they are used up; each is seen once.
    struct Splitter;

    impl Worker for Splitter {
        type Item = u32;
        type Output = u32;

        async fn run(&mut self, item: u32) -> Result<(u32, Vec<u32>), CopyError> {
            tokio::task::yield_now().await;
            let brought = if item < 100 {
                vec![2 * item, 2 * item + 1]
            } else {
                vec![]
            };
            Ok((item, brought))
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn items_when_they_bring_others_then_all_are_done_once() {
        let cancel = CancellationToken::new();
        let workers = (0..4).map(|_| Splitter).collect();
        let Ok(mut done) = run_all(workers, vec![1], &cancel).await else {
            panic!("no item fails");
        };
        done.sort_unstable();
        assert_eq!(done, (1..200).collect::<Vec<u32>>());
    }
}
