//! The memory that all running queries share, of whatever language, and what each of them holds of it.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;

use datafusion::execution::memory_pool::{
    FairSpillPool, MemoryConsumer, MemoryPool, MemoryReservation, TrackConsumersPool,
};
use parking_lot::Mutex;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::{Registry, Unit};
use trefoil_promql::error::EvalError;
use trefoil_promql::memory::Memory;
use trefoil_storage::units::ByteSize;

use crate::metrics::PromqlError;

/// Consumers named in the error when memory of SQL runs out.
const REPORTED_CONSUMERS: NonZeroUsize = NonZeroUsize::new(3).expect("3 is not 0");

/// So much is asked of the pool at once, which costs a lock. What is held beyond whole steps is free: small questions are answered
/// even when large ones have taken everything.
const STEP: usize = 1 << 20;

/// `query.max_memory`, and who holds how much of it.
#[derive(Debug, Clone)]
pub struct SharedMemory {
    pool: Arc<dyn MemoryPool>,
    limit: usize,
    refusals: Counter,
}

impl SharedMemory {
    pub fn new(limit: usize) -> Self {
        let pool = TrackConsumersPool::new(FairSpillPool::new(limit), REPORTED_CONSUMERS);
        Self { pool: Arc::new(pool), limit, refusals: Counter::default() }
    }

    /// What SQL takes its memory from.
    pub fn pool(&self) -> Arc<dyn MemoryPool> {
        self.pool.clone()
    }

    /// What one question holds, nothing yet. `who` is named where SQL says who holds most.
    pub fn holding(&self, who: &'static str) -> Held {
        let reservation = MemoryConsumer::new(who).register(&self.pool);
        Held {
            of: self.clone(),
            bytes: AtomicUsize::new(0),
            reservation: Mutex::new(reservation),
            reserved: AtomicUsize::new(0),
        }
    }

    pub fn register(&self, registry: &mut Registry) {
        registry.register(
            "trefoil_query_memory_refusals",
            "Questions about metrics that failed since all queries together held too much memory",
            self.refusals.clone(),
        );
        registry.register_collector(Box::new(MemoryCollector(self.clone())));
    }

    fn refused(&self) -> PromqlError {
        self.refusals.inc();
        PromqlError::Execution(format!(
            "query processing would hold more memory than is left of the {} that all running queries may hold together \
             (query.max_memory); ask for less, or again when others are done",
            ByteSize(self.limit as u64)
        ))
    }
}

/// What one question holds of the memory of all; given back when it is dropped.
#[derive(Debug)]
pub struct Held {
    of: SharedMemory,
    bytes: AtomicUsize,
    reservation: Mutex<MemoryReservation>,
    /// Of the reservation, to be looked at without its lock.
    reserved: AtomicUsize,
}

impl Held {
    pub fn bytes(&self) -> usize {
        self.bytes.load(Relaxed)
    }

    /// Holds so much more; nothing more where there is no room for it.
    pub fn grow(&self, bytes: usize) -> Result<(), PromqlError> {
        let grown = self.bytes.fetch_update(Relaxed, Relaxed, |held| held.checked_add(bytes));
        if grown.is_err() {
            return Err(self.of.refused());
        }
        if self.reserve() {
            return Ok(());
        }
        self.shrink(bytes);
        Err(self.of.refused())
    }

    pub fn shrink(&self, bytes: usize) {
        let shrunk = self.bytes.fetch_update(Relaxed, Relaxed, |held| Some(held.saturating_sub(bytes)));
        debug_assert!(shrunk.is_ok_and(|held| held >= bytes), "more is given back than was held");
        self.reserve();
    }

    /// Gives back all beyond so many bytes.
    pub fn shrink_to(&self, bytes: usize) {
        self.shrink(self.bytes().saturating_sub(bytes));
    }

    /// Reserves as much of the pool as is held now, in whole steps; `false` if there is not so much.
    fn reserve(&self) -> bool {
        let wanted = || self.bytes() / STEP * STEP;
        if wanted() == self.reserved.load(Relaxed) {
            return true;
        }
        let reservation = self.reservation.lock();
        let fits = reservation.try_resize(wanted()).is_ok();
        self.reserved.store(reservation.size(), Relaxed);
        fits
    }
}

impl Memory for Held {
    fn grow(&self, bytes: usize) -> Result<(), EvalError> {
        Ok(Held::grow(self, bytes)?)
    }

    fn shrink(&self, bytes: usize) {
        Held::shrink(self, bytes);
    }
}

/// Tells of the memory when it is asked: `trefoil_query_memory_bytes` and `trefoil_query_memory_limit_bytes`.
#[derive(Debug)]
struct MemoryCollector(SharedMemory);

impl Collector for MemoryCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let SharedMemory { pool, limit, .. } = &self.0;
        for (name, help, bytes) in [
            ("trefoil_query_memory", "Memory that running queries and answers on their way hold", pool.reserved()),
            ("trefoil_query_memory_limit", "Memory that they may hold together", *limit),
        ] {
            let gauge = ConstGauge::new(bytes as u64);
            gauge.encode(encoder.encode_descriptor(name, help, Some(&Unit::Bytes), gauge.metric_type())?)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_steps_are_taken_and_given_back() {
        let memory = SharedMemory::new(4 * STEP);
        let held = memory.holding("one");
        let reserved = || memory.pool.reserved() / STEP;
        held.grow(STEP - 1).unwrap();
        assert_eq!(reserved(), 0);
        held.grow(2 * STEP).unwrap();
        assert_eq!((reserved(), held.bytes()), (2, 3 * STEP - 1));
        held.shrink(STEP);
        assert_eq!(reserved(), 1);
        held.shrink_to(5);
        assert_eq!((reserved(), held.bytes()), (0, 5));
        held.shrink_to(9);
        assert_eq!(held.bytes(), 5);
        held.grow(3 * STEP).unwrap();
        drop(held);
        assert_eq!(reserved(), 0);
    }

    #[test]
    fn who_finds_no_room_is_refused_and_holds_what_it_held() {
        let memory = SharedMemory::new(4 * STEP);
        let [large, small] = ["large", "small"].map(|who| memory.holding(who));
        large.grow(3 * STEP).unwrap();
        let refused = large.grow(2 * STEP).unwrap_err();
        assert!(
            matches!(&refused, PromqlError::Execution(text) if text.contains("the 4MiB that") && text.contains("query.max_memory")),
            "{refused}"
        );
        assert_eq!((large.bytes(), memory.pool.reserved()), (3 * STEP, 3 * STEP));
        assert!(large.grow(usize::MAX).is_err());
        small.grow(STEP).unwrap();
        // All is taken; small questions need none of it.
        small.grow(STEP - 1).unwrap();
        memory.holding("tiny").grow(STEP - 1).unwrap();
        assert!(small.grow(1).is_err());
        drop(large);
        small.grow(1).unwrap();
        assert_eq!((memory.pool.reserved(), memory.refusals.get()), (2 * STEP, 3));
    }

    #[test]
    fn many_threads_hold_together() {
        let memory = SharedMemory::new(64 * STEP);
        let held = memory.holding("all");
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for bytes in (0..1000).map(|number| number * 37) {
                        held.grow(STEP + bytes).unwrap();
                        held.shrink(STEP);
                        held.shrink(bytes);
                    }
                });
            }
        });
        assert_eq!((held.bytes(), memory.pool.reserved()), (0, 0));
    }
}
