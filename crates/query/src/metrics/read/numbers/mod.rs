//! The numbers of gauges and sums: decoded a section of a file at a time and kept, so that a question that comes again finds
//! them as columns in memory.

mod assemble;
mod batches;
mod decode;
mod packed;
mod picks;
mod read;
mod times;
mod warm;

use std::sync::Arc;

use arrow::array::ArrayRef;
use trefoil_promql::times::Times;
use trefoil_storage::catalog::FileId;

pub use batches::{Batch, batches};
use packed::Packed;
use times::Measured;
pub use times::SharedTimes;

/// Where a stripe is from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum StripeKey {
    Section {
        file: FileId,
        row_group: usize,
        number: usize,
    },
    /// A batch of the buffer, by where its ids lie in memory: a stripe holds on to those.
    Buffered {
        ids: usize,
        rows: usize,
    },
}

/// The numbers of neighbouring rows. Rows without a number and without the flag that there is none are left out.
#[derive(Debug)]
pub struct Stripe {
    /// Ascending by id.
    runs: Vec<Run>,
    /// Stale NaNs where a series ends.
    values: Packed,
    bytes: usize,
    /// Of a batch of the buffer its ids, which stand for it in its key.
    _ids: Option<ArrayRef>,
}

/// Neighbouring numbers of one series, each millisecond once.
#[derive(Debug, Clone)]
struct Run {
    id: u64,
    /// Its values among those of the stripe.
    values: u32,
    measured: Arc<Measured>,
    /// `None`: all unknown.
    starts: Option<Arc<Starts>>,
}

/// When counting began, in milliseconds since the epoch (0: unknown).
#[derive(Debug, PartialEq, Eq)]
enum Starts {
    Same(i64),
    /// As long as the times.
    Each(Box<[i64]>),
}

impl Starts {
    /// In memory.
    fn bytes(&self) -> usize {
        let list = match self {
            Starts::Same(_) => 0,
            Starts::Each(starts) => size_of_val(&**starts),
        };
        size_of::<Self>() + list
    }
}

impl Stripe {
    /// In memory.
    pub fn bytes(&self) -> usize {
        self.bytes
    }
}

impl Run {
    fn times(&self) -> &Times {
        &self.measured.times
    }

    /// The nanoseconds beyond a millisecond.
    fn rest(&self, place: usize) -> i64 {
        self.measured.rests.as_ref().and_then(|rests| rests.get(place)).copied().unwrap_or(0)
    }

    fn start(&self, place: usize) -> i64 {
        match self.starts.as_deref() {
            None => 0,
            Some(Starts::Same(start)) => *start,
            Some(Starts::Each(starts)) => starts.get(place).copied().unwrap_or(0),
        }
    }
}
