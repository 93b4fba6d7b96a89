//! Work on many things that are independent of each other, shared out among threads: each takes the next one when it is done.

use std::future::{Future, poll_fn};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::Poll;
use std::thread::available_parallelism;

use tokio::runtime::Handle;

use crate::QueryError;

/// Things to be done, each by one thread.
#[derive(Debug)]
pub(crate) struct Items<T> {
    all: Arc<Vec<T>>,
    next: Arc<AtomicUsize>,
    is_over: Arc<AtomicBool>,
}

impl<T> Clone for Items<T> {
    fn clone(&self) -> Self {
        Self { all: self.all.clone(), next: self.next.clone(), is_over: self.is_over.clone() }
    }
}

impl<T> Items<T> {
    fn new(all: Vec<T>) -> Self {
        Self { all: Arc::new(all), next: Arc::default(), is_over: Arc::default() }
    }

    /// Takes the next one. `None`: all are taken, or nobody waits for them any more.
    pub fn take(&self) -> Option<&T> {
        if self.is_over.load(Ordering::Relaxed) {
            return None;
        }
        self.all.get(self.next.fetch_add(1, Ordering::Relaxed))
    }
}

/// Ends the work of all when one fails, or when whoever waits for it is gone.
struct EndOnDrop(Arc<AtomicBool>);

impl Drop for EndOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Ready once nobody waits for the work any more. It is looked at whenever the work yields; nothing wakes it.
fn over(is_over: &AtomicBool) -> impl Future<Output = ()> {
    poll_fn(|_| if is_over.load(Ordering::Relaxed) { Poll::Ready(()) } else { Poll::Pending })
}

/// What the threads make of `items`, one result for each thread. `each` is to take items until there are none left, and ends where it next
/// yields when another one has failed.
pub(crate) async fn shared_out<T, R, A>(
    items: Vec<T>,
    each: impl Fn(Items<T>) -> A + Clone + Send + 'static,
) -> Result<Vec<R>, QueryError>
where
    T: Send + Sync + 'static,
    R: Send + 'static,
    A: Future<Output = Result<R, QueryError>>,
{
    let threads = available_parallelism().map_or(1, usize::from).min(items.len());
    let items = Items::new(items);
    if threads <= 1 {
        return Ok(vec![each(items).await?]);
    }
    let end = EndOnDrop(items.is_over.clone());
    let work = |_| {
        let (items, each, runtime) = (items.clone(), each.clone(), Handle::current());
        tokio::task::spawn_blocking(move || {
            let is_over = items.is_over.clone();
            runtime.block_on(async {
                tokio::select! {
                    biased;
                    () = over(&is_over) => Ok(None),
                    done = each(items) => done.map(Some).inspect_err(|_| is_over.store(true, Ordering::Relaxed)),
                }
            })
        })
    };
    let all: Vec<_> = (0..threads).map(work).collect();
    let mut results = Vec::with_capacity(threads);
    for work in all {
        // Whoever was ended has no result; the one that failed tells why.
        results.extend(work.await.map_err(|error| QueryError::Internal(error.to_string()))??);
    }
    drop(end);
    Ok(results)
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{RecvTimeoutError, channel};
    use std::time::Duration;

    use super::*;

    #[tokio::test(flavor = "multi_thread")]
    async fn each_item_is_taken_once() {
        let doubled = |items: Items<usize>| async move {
            let mut done = Vec::new();
            while let Some(item) = items.take() {
                done.push(item * 2);
            }
            Ok(done)
        };
        let results: Vec<Vec<usize>> = shared_out((0..1000).collect(), doubled).await.unwrap();
        let mut all = results.concat();
        all.sort_unstable();
        assert_eq!(all, (0..1000).map(|item| item * 2).collect::<Vec<_>>());
        assert_eq!(shared_out(vec![21], doubled).await.unwrap(), [[42]]);
        assert!(shared_out(vec![], doubled).await.unwrap().concat().is_empty());
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn work_ends_where_it_yields_once_nobody_waits() {
        let (working, ended) = channel::<()>();
        let each = move |items: Items<usize>| {
            let working = working.clone();
            async move {
                let _working = working;
                if items.take().is_some() {
                    loop {
                        tokio::task::yield_now().await;
                    }
                }
                Ok(())
            }
        };
        let given_up = tokio::time::timeout(Duration::from_millis(50), shared_out(vec![1, 2], each)).await;
        assert!(given_up.is_err());
        // All that sends is dropped with the work.
        assert_eq!(ended.recv_timeout(Duration::from_secs(60)), Err(RecvTimeoutError::Disconnected));
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn the_first_failure_is_told() {
        let failing = |items: Items<usize>| async move {
            while let Some(item) = items.take() {
                if *item == 7 {
                    return Err(QueryError::Invalid("7".to_owned()));
                }
            }
            Ok(())
        };
        let error = shared_out((0..1000).collect(), failing).await.unwrap_err();
        assert!(matches!(error, QueryError::Invalid(which) if which == "7"));
    }
}
