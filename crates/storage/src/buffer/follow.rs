//! Rows as they become visible, for those who watch.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arrow::record_batch::RecordBatch;
use tokio::sync::mpsc;
use trefoil_model::{Table, Tenant};

/// Batches that wait for somebody who watches. Whoever is slower misses some.
const WAITING: usize = 256;

/// Everybody who watches.
#[derive(Debug, Default)]
pub(super) struct Followers(Vec<Follower>);

#[derive(Debug)]
struct Follower {
    tenant: Tenant,
    table: Table,
    batches: mpsc::Sender<RecordBatch>,
    missed: Arc<AtomicU64>,
}

/// What comes to a table of a tenant, batch by batch in the order of arrival. Whoever drops it watches no more.
#[derive(Debug)]
pub struct Following {
    batches: mpsc::Receiver<RecordBatch>,
    missed: Arc<AtomicU64>,
}

impl Followers {
    pub fn add(&mut self, tenant: &Tenant, table: Table) -> Following {
        let (sender, batches) = mpsc::channel(WAITING);
        let missed = Arc::new(AtomicU64::new(0));
        self.0.push(Follower { tenant: tenant.clone(), table, batches: sender, missed: missed.clone() });
        Following { batches, missed }
    }

    pub fn tell(&mut self, tenant: &Tenant, table: Table, batch: &RecordBatch) {
        self.0.retain(|follower| {
            if follower.table != table || follower.tenant != *tenant {
                return !follower.batches.is_closed();
            }
            match follower.batches.try_send(batch.clone()) {
                Ok(()) => true,
                Err(mpsc::error::TrySendError::Full(batch)) => {
                    follower.missed.fetch_add(batch.num_rows() as u64, Ordering::Relaxed);
                    true
                }
                Err(mpsc::error::TrySendError::Closed(_)) => false,
            }
        });
    }
}

impl Following {
    /// The next batch; `None` when the store is closed.
    pub async fn next(&mut self) -> Option<RecordBatch> {
        self.batches.recv().await
    }

    /// The next batch, if there is one already.
    pub fn try_next(&mut self) -> Option<RecordBatch> {
        self.batches.try_recv().ok()
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
        let mut following = followers.add(&ours, Table::Logs);
        followers.tell(&ours, Table::Logs, &batch(2));
        followers.tell(&ours, Table::Spans, &batch(3));
        followers.tell(&theirs, Table::Logs, &batch(4));
        assert_eq!(following.next().await.unwrap().num_rows(), 2);
        assert!(following.try_next().is_none());
        (0..WAITING + 3).for_each(|_| followers.tell(&ours, Table::Logs, &batch(1)));
        assert_eq!((following.take_missed(), following.take_missed()), (3, 0));
        assert_eq!((0..).take_while(|_| following.try_next().is_some()).count(), WAITING);
        drop(following);
        followers.tell(&theirs, Table::Logs, &batch(1));
        assert!(followers.0.is_empty(), "nobody is told who has gone");
    }
}
