//! The numbers of gauges and sums: decoded a section of a file at a time and kept, so that a question that comes again finds
//! them as columns in memory.

mod assemble;
mod decode;
mod read;

use std::ops::Range;
use std::sync::Arc;

use arrow::array::ArrayRef;
use trefoil_storage::catalog::FileId;

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
    runs: Vec<Run>,
    /// Stale NaNs where a series ends.
    values: Vec<f64>,
    bytes: usize,
    /// Of a batch of the buffer its ids, which stand for it in its key.
    _ids: Option<ArrayRef>,
}

/// Neighbouring numbers of one series, each millisecond once.
#[derive(Debug, Clone)]
struct Run {
    id: u64,
    /// The place of its first value in the stripe.
    first: u32,
    /// Milliseconds since the epoch, ascending; series that are measured together share them.
    times: Arc<[i64]>,
    /// The nanoseconds beyond them, as long; `None`: all 0. (They say which sample of a millisecond is the later one.)
    rests: Option<Arc<[i64]>>,
    /// When counting began, in milliseconds since the epoch (0: unknown), as long as the times; `None`: all unknown.
    starts: Option<Arc<[i64]>>,
}

impl Stripe {
    /// In memory.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    fn values(&self, run: &Run, places: Range<usize>) -> &[f64] {
        let first = run.first as usize;
        self.values.get(first + places.start..first + places.end).unwrap_or_default()
    }
}
