//! Rows of `samples` → stripes.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, ArrowPrimitiveType, PrimitiveArray, RecordBatch};
use arrow::datatypes::{Float64Type, Int64Type, TimestampNanosecondType, UInt32Type, UInt64Type};
use trefoil_promql::source::STALE_NAN_BITS;

use super::super::NANOS_PER_MILLI;
use super::super::columns::numbers;
use super::{Run, Stripe};
use crate::metrics::error::PromqlError;

/// What a stripe is made of.
pub const COLUMNS: [&str; 6] =
    ["series_id", "time_unix_nano", "start_time_unix_nano", "flags", "value_int", "value_double"];

/// OTLP's `DATA_POINT_FLAGS_NO_RECORDED_VALUE_MASK`.
const NO_RECORDED_VALUE: u32 = 1;

/// Lists of times that were made already, so that series that have the same share them.
#[derive(Default)]
pub struct Shared {
    by_hash: HashMap<u64, Arc<[i64]>>,
    last: Option<Arc<[i64]>>,
    hasher: RandomState,
}

impl Shared {
    /// The list, and what it costs in memory beyond those that there are.
    fn list(&mut self, times: &[i64]) -> (Arc<[i64]>, usize) {
        if let Some(last) = self.last.as_ref().filter(|last| last.as_ref() == times) {
            return (last.clone(), 0);
        }
        let hash = self.hasher.hash_one(times);
        if let Some(known) = self.by_hash.get(&hash).filter(|known| known.as_ref() == times) {
            self.last = Some(known.clone());
            return (known.clone(), 0);
        }
        let list: Arc<[i64]> = times.into();
        self.by_hash.insert(hash, list.clone());
        self.last = Some(list.clone());
        (list, size_of_val(times))
    }
}

/// The rows of a batch by series and time: in files they lie so, in the buffer in the order of arrival.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    Sorted,
    OfArrival,
}

struct Columns<'b> {
    ids: &'b [u64],
    times: &'b [i64],
    starts: &'b PrimitiveArray<TimestampNanosecondType>,
    flags: &'b PrimitiveArray<UInt32Type>,
    ints: &'b PrimitiveArray<Int64Type>,
    doubles: &'b PrimitiveArray<Float64Type>,
}

/// `held` = the ids of a batch of the buffer, if the stripe is to be kept.
pub fn stripe(
    batch: &RecordBatch,
    order: Order,
    shared: &mut Shared,
    held: Option<ArrayRef>,
) -> Result<Stripe, PromqlError> {
    let columns = Columns {
        ids: numbers::<UInt64Type>(batch, "series_id")?.values(),
        times: numbers::<TimestampNanosecondType>(batch, "time_unix_nano")?.values(),
        starts: numbers(batch, "start_time_unix_nano")?,
        flags: numbers(batch, "flags")?,
        ints: numbers(batch, "value_int")?,
        doubles: numbers(batch, "value_double")?,
    };
    let mut making = Making::new(shared);
    match order {
        Order::Sorted => making.all(&columns, 0..batch.num_rows()),
        Order::OfArrival => {
            let mut rows: Vec<u32> = (0..u32::try_from(batch.num_rows()).unwrap_or(u32::MAX)).collect();
            // Stable: of equal times the one that came later stays behind.
            rows.sort_by_key(|row| (columns.ids[*row as usize], columns.times[*row as usize]));
            making.all(&columns, rows.into_iter().map(|row| row as usize));
        }
    }
    Ok(making.finish(held))
}

struct Making<'s> {
    shared: &'s mut Shared,
    runs: Vec<Run>,
    values: Vec<f64>,
    /// Of the run under way.
    times: Vec<i64>,
    rests: Vec<i64>,
    starts: Vec<i64>,
    bytes: usize,
}

impl<'s> Making<'s> {
    fn new(shared: &'s mut Shared) -> Self {
        let (times, rests, starts) = (Vec::new(), Vec::new(), Vec::new());
        Self { shared, runs: Vec::new(), values: Vec::new(), times, rests, starts, bytes: 0 }
    }

    fn all(&mut self, columns: &Columns<'_>, rows: impl Iterator<Item = usize>) {
        let has_starts = columns.starts.null_count() < columns.starts.len();
        let has_flags = columns.flags.values().iter().any(|flags| *flags != 0);
        let (no_ints, no_doubles) = (is_null(columns.ints), is_null(columns.doubles));
        let mut id = None;
        for row in rows {
            if id != Some(columns.ids[row]) {
                if let Some(id) = id {
                    self.end(id);
                }
                id = Some(columns.ids[row]);
            }
            let value = if has_flags && columns.flags.value(row) & NO_RECORDED_VALUE != 0 {
                f64::from_bits(STALE_NAN_BITS)
            } else if !no_ints && columns.ints.is_valid(row) {
                columns.ints.value(row) as f64
            } else if !no_doubles && columns.doubles.is_valid(row) {
                columns.doubles.value(row)
            } else {
                continue;
            };
            let time = columns.times[row].div_euclid(NANOS_PER_MILLI);
            if self.times.last() == Some(&time) {
                self.times.pop();
                self.rests.pop();
                self.starts.pop();
                self.values.pop();
            }
            self.times.push(time);
            self.rests.push(columns.times[row].rem_euclid(NANOS_PER_MILLI));
            self.values.push(value);
            if has_starts {
                let start = if columns.starts.is_valid(row) { columns.starts.value(row) } else { 0 };
                self.starts.push(start.div_euclid(NANOS_PER_MILLI));
            }
        }
        if let Some(id) = id {
            self.end(id);
        }
    }

    fn end(&mut self, id: u64) {
        if self.times.is_empty() {
            return;
        }
        let first = u32::try_from(self.values.len() - self.times.len()).unwrap_or(u32::MAX);
        let (times, new) = self.shared.list(&self.times);
        self.bytes += new;
        let [rests, starts] = [&self.rests, &self.starts].map(|numbers| {
            numbers.iter().any(|number| *number != 0).then(|| {
                let (numbers, new) = self.shared.list(numbers);
                self.bytes += new;
                numbers
            })
        });
        self.times.clear();
        self.rests.clear();
        self.starts.clear();
        self.runs.push(Run { id, first, times, rests, starts });
    }

    fn finish(mut self, held: Option<ArrayRef>) -> Stripe {
        self.runs.shrink_to_fit();
        self.values.shrink_to_fit();
        let held_bytes = held.as_ref().map_or(0, |ids| ids.get_array_memory_size());
        let bytes =
            self.bytes + size_of_val(&*self.runs) + size_of_val(&*self.values) + held_bytes + size_of::<Stripe>();
        Stripe { runs: self.runs, values: self.values, bytes, _ids: held }
    }
}

fn is_null<T: ArrowPrimitiveType>(column: &PrimitiveArray<T>) -> bool {
    column.null_count() == column.len()
}
