//! Rows as they become visible, for those who watch.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arrow::record_batch::RecordBatch;
use tokio::sync::mpsc;
use trefoil_model::{Table, Tenant};

/// Batches that wait for somebody who watches. Whoever is slower misses some.
const WAITING: usize = 256;
/// The same of batches of all tenants.
const WAITING_OF_ALL: usize = 4_096;
/// Rows that wait, one batch aside.
const WAITING_ROWS: u64 = 500_000;

/// Everybody who watches.
#[derive(Debug, Default)]
pub(super) struct Followers(Vec<Follower>);

#[derive(Debug)]
struct Follower {
    /// `None`: of all.
    tenant: Option<Tenant>,
    table: Table,
    batches: mpsc::Sender<(Tenant, RecordBatch)>,
    waiting_rows: Arc<AtomicU64>,
    missed: Arc<AtomicU64>,
}

/// What comes to a table of a tenant, or of all, batch by batch in the order of arrival. Whoever drops it watches no more.
#[derive(Debug)]
pub struct Following {
    batches: mpsc::Receiver<(Tenant, RecordBatch)>,
    waiting_rows: Arc<AtomicU64>,
    missed: Arc<AtomicU64>,
}

impl Followers {
    /// `tenant`: one, or all.
    pub fn add(&mut self, tenant: Option<&Tenant>, table: Table) -> Following {
        let (sender, batches) = mpsc::channel(if tenant.is_some() { WAITING } else { WAITING_OF_ALL });
        let (waiting_rows, missed) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
        self.0.push(Follower {
            tenant: tenant.cloned(),
            table,
            batches: sender,
            waiting_rows: waiting_rows.clone(),
            missed: missed.clone(),
        });
        Following { batches, waiting_rows, missed }
    }

    pub fn tell(&mut self, tenant: &Tenant, table: Table, batch: &RecordBatch) {
        self.0.retain(|follower| {
            if follower.table != table || follower.tenant.as_ref().is_some_and(|of| of != tenant) {
                return !follower.batches.is_closed();
            }
            let rows = batch.num_rows() as u64;
            if follower.waiting_rows.load(Ordering::Relaxed) >= WAITING_ROWS {
                follower.missed.fetch_add(rows, Ordering::Relaxed);
                return !follower.batches.is_closed();
            }
            follower.waiting_rows.fetch_add(rows, Ordering::Relaxed);
            match follower.batches.try_send((tenant.clone(), batch.clone())) {
                Ok(()) => true,
                Err(mpsc::error::TrySendError::Full(_)) => {
                    follower.waiting_rows.fetch_sub(rows, Ordering::Relaxed);
                    follower.missed.fetch_add(rows, Ordering::Relaxed);
                    true
                }
                Err(mpsc::error::TrySendError::Closed(_)) => false,
            }
        });
    }
}

impl Following {
    /// The next batch; `None` when the store is closed.
    pub async fn next(&mut self) -> Option<(Tenant, RecordBatch)> {
        let next = self.batches.recv().await;
        self.taken(next)
    }

    /// The next batch, if there is one already.
    pub fn try_next(&mut self) -> Option<(Tenant, RecordBatch)> {
        let next = self.batches.try_recv().ok();
        self.taken(next)
    }

    fn taken(&self, next: Option<(Tenant, RecordBatch)>) -> Option<(Tenant, RecordBatch)> {
        let rows = next.as_ref().map_or(0, |(_, batch)| batch.num_rows() as u64);
        self.waiting_rows.fetch_sub(rows, Ordering::Relaxed);
        next
    }

    /// Rows that came while too many waited, since the last call.
    pub fn take_missed(&self) -> u64 {
        self.missed.swap(0, Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::Int64Array;

    use super::*;

    fn batch(rows: i64) -> RecordBatch {
        let values = Int64Array::from_iter_values(0..rows);
        RecordBatch::try_from_iter([("n", Arc::new(values) as _)]).unwrap()
    }

    #[tokio::test]
    async fn those_who_watch_get_what_is_theirs_and_are_told_what_they_missed() {
        let (mut followers, ours, theirs) = (Followers::default(), Tenant::default(), Tenant::new("other").unwrap());
        let (mut following, mut all) = (followers.add(Some(&ours), Table::Logs), followers.add(None, Table::Logs));
        followers.tell(&ours, Table::Logs, &batch(2));
        followers.tell(&ours, Table::Spans, &batch(3));
        followers.tell(&theirs, Table::Logs, &batch(4));
        assert_eq!(following.next().await.unwrap().1.num_rows(), 2);
        assert!(following.try_next().is_none());
        let of_all = [all.next().await.unwrap(), all.next().await.unwrap()].map(|(of, batch)| (of, batch.num_rows()));
        assert_eq!(of_all, [(ours.clone(), 2), (theirs.clone(), 4)]);
        followers.tell(&theirs, Table::Logs, &batch(WAITING_ROWS as i64));
        followers.tell(&theirs, Table::Logs, &batch(5));
        assert_eq!(all.next().await.unwrap().1.num_rows(), WAITING_ROWS as usize);
        assert!(all.try_next().is_none() && all.take_missed() == 5);
        drop(all);
        (0..WAITING + 3).for_each(|_| followers.tell(&ours, Table::Logs, &batch(1)));
        assert_eq!((following.take_missed(), following.take_missed()), (3, 0));
        assert_eq!((0..).take_while(|_| following.try_next().is_some()).count(), WAITING);
        drop(following);
        followers.tell(&theirs, Table::Logs, &batch(1));
        assert!(followers.0.is_empty(), "nobody is told who has gone");
    }
}
