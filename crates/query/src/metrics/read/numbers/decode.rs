//! Rows of `samples` → stripes.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, ArrowPrimitiveType, PrimitiveArray, RecordBatch, UInt32Array};
use arrow::compute::take_record_batch;
use arrow::datatypes::{Float64Type, Int64Type, TimestampNanosecondType, UInt32Type, UInt64Type};
use datafusion::common::DataFusionError;
use trefoil_promql::source::STALE_NAN_BITS;

use super::super::NANOS_PER_MILLI;
use super::super::columns::numbers;
use super::packed::Packed;
use super::times::SharedTimes;
use super::{Run, Starts, Stripe};
use crate::metrics::error::PromqlError;

/// What a stripe is made of.
pub const COLUMNS: [&str; 6] =
    ["series_id", "time_unix_nano", "start_time_unix_nano", "flags", "value_int", "value_double"];

/// OTLP's `DATA_POINT_FLAGS_NO_RECORDED_VALUE_MASK`.
const NO_RECORDED_VALUE: u32 = 1;

struct Columns<'b> {
    ids: &'b [u64],
    times: &'b [i64],
    starts: &'b PrimitiveArray<TimestampNanosecondType>,
    flags: &'b PrimitiveArray<UInt32Type>,
    ints: &'b PrimitiveArray<Int64Type>,
    doubles: &'b PrimitiveArray<Float64Type>,
}

/// The stripe of rows that lie by series and time.
pub fn stripe(batch: &RecordBatch, shared: &SharedTimes) -> Result<Stripe, PromqlError> {
    let columns = Columns {
        ids: numbers::<UInt64Type>(batch, "series_id")?.values(),
        times: numbers::<TimestampNanosecondType>(batch, "time_unix_nano")?.values(),
        starts: numbers(batch, "start_time_unix_nano")?,
        flags: numbers(batch, "flags")?,
        ints: numbers(batch, "value_int")?,
        doubles: numbers(batch, "value_double")?,
    };
    let mut making = Making {
        shared,
        has_starts: columns.starts.null_count() < columns.starts.len(),
        has_flags: columns.flags.values().iter().fold(0, |all, flags| all | flags) & NO_RECORDED_VALUE != 0,
        columns,
        runs: Vec::new(),
        values: Packed::default(),
        last_starts: None,
        bytes: 0,
    };
    let mut begin = 0;
    for same in making.columns.ids.chunk_by(|a, b| a == b) {
        making.run(begin..begin + same.len());
        begin += same.len();
    }
    Ok(making.finish())
}

/// The stripe of rows that lie in the order of arrival; of rows of one time the later counts. `held` are its ids if it is to be
/// kept.
pub fn stripe_of_arrivals(
    batch: &RecordBatch,
    shared: &SharedTimes,
    held: Option<ArrayRef>,
) -> Result<Stripe, PromqlError> {
    let ids = numbers::<UInt64Type>(batch, "series_id")?.values();
    let times = numbers::<TimestampNanosecondType>(batch, "time_unix_nano")?.values();
    let mut rows: Vec<u32> = (0..u32::try_from(batch.num_rows()).unwrap_or(u32::MAX)).collect();
    // Stable: of equal times the one that came later stays behind.
    rows.sort_by_key(|row| (ids[*row as usize], times[*row as usize]));
    let sorted = take_record_batch(batch, &UInt32Array::from(rows)).map_err(DataFusionError::from)?;
    let stripe = stripe(&sorted, shared)?;
    let bytes = stripe.bytes + held.as_ref().map_or(0, |ids| ids.get_array_memory_size());
    Ok(Stripe { bytes, _ids: held, ..stripe })
}

struct Making<'b, 's> {
    columns: Columns<'b>,
    has_starts: bool,
    /// Some row is marked to have no value.
    has_flags: bool,
    shared: &'s SharedTimes,
    runs: Vec<Run>,
    values: Packed,
    last_starts: Option<Arc<Starts>>,
    bytes: usize,
}

impl Making<'_, '_> {
    /// Rows of one series.
    fn run(&mut self, rows: Range<usize>) {
        if !self.has_flags {
            if let Some(ints) = all(self.columns.ints, &rows) {
                return self.push(rows.clone(), &self.columns.times[rows], ints, Packed::push_ints);
            }
            if let Some(doubles) = all(self.columns.doubles, &rows) {
                return self.push(rows.clone(), &self.columns.times[rows], doubles, Packed::push);
            }
        }
        let mut begin = rows.start;
        // Neighbours that have values, without those that have none.
        let (mut times, mut values) = (Vec::with_capacity(rows.len()), Vec::with_capacity(rows.len()));
        for row in rows.clone() {
            match self.value(row) {
                Some(value) => {
                    times.push(self.columns.times[row]);
                    values.push(value);
                }
                None => {
                    self.push(begin..row, &times, &values, Packed::push);
                    times.clear();
                    values.clear();
                    begin = row + 1;
                }
            }
        }
        self.push(begin..rows.end, &times, &values, Packed::push);
    }

    fn value(&self, row: usize) -> Option<f64> {
        let Columns { flags, ints, doubles, .. } = &self.columns;
        if self.has_flags && flags.is_valid(row) && flags.value(row) & NO_RECORDED_VALUE != 0 {
            return Some(f64::from_bits(STALE_NAN_BITS));
        }
        let int = ints.is_valid(row).then(|| ints.value(row) as f64);
        int.or_else(|| doubles.is_valid(row).then(|| doubles.value(row)))
    }

    /// `rows` and what they have.
    fn push<T: Copy>(
        &mut self,
        rows: Range<usize>,
        times: &[i64],
        values: &[T],
        pack: impl FnOnce(&mut Packed, &[T]) -> u32,
    ) {
        let Some(id) = self.columns.ids.get(rows.start).copied().filter(|_| !rows.is_empty()) else { return };
        let (measured, new) = self.shared.measured(times);
        self.bytes += new;
        let starts = self.starts(&rows, measured.rows.as_deref());
        let values = match measured.rows.as_deref() {
            None => pack(&mut self.values, values),
            Some(kept) => {
                let values: Vec<T> = kept.iter().filter_map(|row| values.get(*row as usize).copied()).collect();
                pack(&mut self.values, &values)
            }
        };
        self.runs.push(Run { id, values, measured, starts });
    }

    /// When counting began, of those of the rows that are kept.
    fn starts(&mut self, rows: &Range<usize>, kept: Option<&[u32]>) -> Option<Arc<Starts>> {
        if !self.has_starts {
            return None;
        }
        let column = self.columns.starts;
        let start = |row: usize| if column.is_valid(row) { column.value(row).div_euclid(NANOS_PER_MILLI) } else { 0 };
        let starts: Vec<i64> = match kept {
            None => rows.clone().map(start).collect(),
            Some(kept) => kept.iter().map(|row| start(rows.start + *row as usize)).collect(),
        };
        let first = starts.first().copied().unwrap_or(0);
        let starts = match starts.iter().all(|start| *start == first) {
            true if first == 0 => return None,
            true => Starts::Same(first),
            false => Starts::Each(starts.into()),
        };
        if self.last_starts.as_deref() != Some(&starts) {
            self.bytes += starts.bytes();
            self.last_starts = Some(Arc::new(starts));
        }
        self.last_starts.clone()
    }

    fn finish(mut self) -> Stripe {
        // Stable: a series may be of several metrics, and stays in the order of its rows.
        self.runs.sort_by_key(|run| run.id);
        self.runs.shrink_to_fit();
        self.values.shrink();
        let bytes = self.bytes + size_of_val(&*self.runs) + self.values.bytes() + size_of::<Stripe>();
        Stripe { runs: self.runs, values: self.values, bytes, _ids: None }
    }
}

/// The values of these rows, if all have one.
fn all<'b, T: ArrowPrimitiveType>(column: &'b PrimitiveArray<T>, rows: &Range<usize>) -> Option<&'b [T::Native]> {
    let is_whole = match column.nulls() {
        None => true,
        Some(nulls) => nulls.slice(rows.start, rows.len()).null_count() == 0,
    };
    is_whole.then(|| &column.values()[rows.clone()])
}
