//! The columns of `samples` while a request is decoded: plain vectors for what every point has, rows on the side for the
//! few that are distributions.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Float64Array, Int64Array, TimestampNanosecondArray, UInt32Array, UInt64Array,
};
use arrow::buffer::{BooleanBuffer, NullBuffer};
use arrow::datatypes::{Float64Type, Int32Type, UInt64Type};

use super::columns::{Nulls, Sparse, SparseLists, Texts, constant, timestamps_or_null};

/// A number as [`crate::schema`] stores it, see there.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Number {
    Absent,
    Int(i64),
    Double(f64),
}

/// Columns `value_int`, `value_double` and `value_is_int`.
#[derive(Default)]
pub struct Numbers {
    ints: Vec<i64>,
    doubles: Vec<f64>,
    /// Per row: where the number lies and what it was.
    kinds: Vec<u8>,
}

/// Neither column holds a number.
const ABSENT: u8 = 0;
/// `value_int`, sent as an integer.
const INT: u8 = 1;
/// `value_int`, sent as a double.
const WHOLE: u8 = 2;
/// `value_double`.
const DOUBLE: u8 = 3;

/// Doubles up to here are whole numbers that an i64 column gives back bit by bit.
const MAX_WHOLE: f64 = 9_007_199_254_740_992.0;

impl Numbers {
    #[inline]
    pub fn push(&mut self, number: Number) {
        let (int, double, kind) = match number {
            Number::Absent => (0, 0.0, ABSENT),
            Number::Int(value) => (value, 0.0, INT),
            Number::Double(value) => {
                let int = value as i64;
                // By bits, so that -0.0 and NaN are not taken for whole numbers.
                if value.abs() <= MAX_WHOLE && (int as f64).to_bits() == value.to_bits() {
                    (int, 0.0, WHOLE)
                } else {
                    (0, value, DOUBLE)
                }
            }
        };
        self.ints.push(int);
        self.doubles.push(double);
        self.kinds.push(kind);
    }

    /// The arrays in the order of the schema.
    pub fn finish(self, nulls: &Nulls) -> [ArrayRef; 3] {
        let kinds = &self.kinds;
        let mask = |holds: fn(u8) -> bool| BooleanBuffer::collect_bool(kinds.len(), |row| holds(kinds[row]));
        let is_int = mask(|kind| kind == INT);
        let in_ints = NullBuffer::new(mask(|kind| kind == INT || kind == WHOLE));
        let in_doubles = NullBuffer::new(mask(|kind| kind == DOUBLE));
        let doubles: ArrayRef = if in_doubles.null_count() == kinds.len() {
            nulls.primitive::<Float64Type>()
        } else {
            Arc::new(Float64Array::new(self.doubles.into(), Some(in_doubles)))
        };
        [Arc::new(Int64Array::new(self.ints.into(), Some(in_ints))), doubles, Arc::new(BooleanArray::new(is_int, None))]
    }
}

/// What every kind of point has.
#[derive(Debug, Clone, Copy, Default)]
pub struct Head {
    pub metric: i32,
    pub series_id: u64,
    pub time: i64,
    /// 0: not sent.
    pub start_time: i64,
    pub flags: u32,
}

/// The distribution columns of one histogram, exponential histogram or summary point.
#[derive(Debug, Default)]
pub struct Distribution {
    pub count: u64,
    pub sum: Option<f64>,
    pub min: Option<f64>,
    pub max: Option<f64>,
    pub explicit_bounds: Vec<f64>,
    pub bucket_counts: Vec<u64>,
    pub scale: Option<i32>,
    pub zero_count: Option<u64>,
    pub zero_threshold: Option<f64>,
    pub positive: Buckets,
    pub negative: Buckets,
    pub quantiles: Vec<f64>,
    pub quantile_values: Vec<f64>,
    pub reset_hint: Option<i32>,
    /// Empty: the counts above are exact.
    pub float_counts: Vec<f64>,
}

#[derive(Debug, Default)]
pub struct Buckets {
    /// None: the message is absent.
    pub offset: Option<i32>,
    pub counts: Vec<u64>,
}

impl Distribution {
    /// Empties it for the next point and keeps the memory.
    pub fn clear(&mut self) {
        let mut empty = Distribution::default();
        std::mem::swap(&mut empty.explicit_bounds, &mut self.explicit_bounds);
        std::mem::swap(&mut empty.bucket_counts, &mut self.bucket_counts);
        std::mem::swap(&mut empty.positive.counts, &mut self.positive.counts);
        std::mem::swap(&mut empty.negative.counts, &mut self.negative.counts);
        std::mem::swap(&mut empty.quantiles, &mut self.quantiles);
        std::mem::swap(&mut empty.quantile_values, &mut self.quantile_values);
        std::mem::swap(&mut empty.float_counts, &mut self.float_counts);
        let (bounds, quantiles) = (&mut empty.explicit_bounds, &mut empty.quantiles);
        for doubles in [bounds, quantiles, &mut empty.quantile_values, &mut empty.float_counts] {
            doubles.clear();
        }
        for counts in [&mut empty.bucket_counts, &mut empty.positive.counts, &mut empty.negative.counts] {
            counts.clear();
        }
        *self = empty;
    }
}

/// The `samples` rows of one request.
#[derive(Default)]
pub struct Samples {
    metrics: Vec<i32>,
    series_ids: Vec<u64>,
    times: Vec<i64>,
    start_times: Vec<i64>,
    flags: Vec<u32>,
    numbers: Numbers,
    distributions: Distributions,
}

/// One entry per distribution row.
#[derive(Default)]
struct Distributions {
    rows: Vec<usize>,
    counts: Sparse<UInt64Type>,
    sums: Sparse<Float64Type>,
    mins: Sparse<Float64Type>,
    maxes: Sparse<Float64Type>,
    explicit_bounds: SparseLists<Float64Type>,
    bucket_counts: SparseLists<UInt64Type>,
    scales: Sparse<Int32Type>,
    zero_counts: Sparse<UInt64Type>,
    zero_thresholds: Sparse<Float64Type>,
    positive_offsets: Sparse<Int32Type>,
    positive_counts: SparseLists<UInt64Type>,
    negative_offsets: Sparse<Int32Type>,
    negative_counts: SparseLists<UInt64Type>,
    quantiles: SparseLists<Float64Type>,
    quantile_values: SparseLists<Float64Type>,
    reset_hints: Sparse<Int32Type>,
    float_counts: SparseLists<Float64Type>,
}

impl Samples {
    /// Room for this many rows before anything grows.
    pub fn with_capacity(rows: usize) -> Self {
        Self {
            metrics: Vec::with_capacity(rows),
            series_ids: Vec::with_capacity(rows),
            times: Vec::with_capacity(rows),
            start_times: Vec::with_capacity(rows),
            flags: Vec::with_capacity(rows),
            numbers: Numbers {
                ints: Vec::with_capacity(rows),
                doubles: Vec::with_capacity(rows),
                kinds: Vec::with_capacity(rows),
            },
            distributions: Distributions::default(),
        }
    }

    pub fn len(&self) -> usize {
        self.metrics.len()
    }

    #[inline]
    pub fn push_number(&mut self, head: Head, number: Number) {
        self.metrics.push(head.metric);
        self.series_ids.push(head.series_id);
        self.times.push(head.time);
        self.start_times.push(head.start_time);
        self.flags.push(head.flags);
        self.numbers.push(number);
    }

    pub fn push_distribution(&mut self, head: Head, point: &Distribution) {
        self.distributions.push(self.len(), point);
        self.push_number(head, Number::Absent);
    }

    /// The columns of [`crate::schema`]'s `samples`, in its order.
    pub fn finish(self, tenant: &str, metrics: &Texts) -> Vec<ArrayRef> {
        let rows = self.len();
        let nulls = Nulls::new(rows);
        let mut columns: Vec<ArrayRef> = vec![
            constant(tenant, rows),
            metrics.column(self.metrics),
            Arc::new(UInt64Array::from(self.series_ids)),
            Arc::new(TimestampNanosecondArray::from(self.times)),
            timestamps_or_null(self.start_times),
            Arc::new(UInt32Array::from(self.flags)),
        ];
        columns.extend(self.numbers.finish(&nulls));
        columns.extend(self.distributions.finish(&nulls));
        columns
    }
}

impl Distributions {
    fn push(&mut self, row: usize, point: &Distribution) {
        self.rows.push(row);
        self.counts.push(Some(point.count));
        self.sums.push(point.sum);
        self.mins.push(point.min);
        self.maxes.push(point.max);
        self.explicit_bounds.push(&point.explicit_bounds);
        self.bucket_counts.push(&point.bucket_counts);
        self.scales.push(point.scale);
        self.zero_counts.push(point.zero_count);
        self.zero_thresholds.push(point.zero_threshold);
        self.positive_offsets.push(point.positive.offset);
        self.positive_counts.push(&point.positive.counts);
        self.negative_offsets.push(point.negative.offset);
        self.negative_counts.push(&point.negative.counts);
        self.quantiles.push(&point.quantiles);
        self.quantile_values.push(&point.quantile_values);
        self.reset_hints.push(point.reset_hint);
        self.float_counts.push(&point.float_counts);
    }

    fn finish(self, nulls: &Nulls) -> [ArrayRef; 17] {
        let rows = &self.rows;
        [
            self.counts.finish(rows, nulls),
            self.sums.finish(rows, nulls),
            self.mins.finish(rows, nulls),
            self.maxes.finish(rows, nulls),
            self.explicit_bounds.finish(rows, nulls),
            self.bucket_counts.finish(rows, nulls),
            self.scales.finish(rows, nulls),
            self.zero_counts.finish(rows, nulls),
            self.zero_thresholds.finish(rows, nulls),
            self.positive_offsets.finish(rows, nulls),
            self.positive_counts.finish(rows, nulls),
            self.negative_offsets.finish(rows, nulls),
            self.negative_counts.finish(rows, nulls),
            self.quantiles.finish(rows, nulls),
            self.quantile_values.finish(rows, nulls),
            self.reset_hints.finish(rows, nulls),
            self.float_counts.finish(rows, nulls),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{Array, AsArray};
    use arrow::datatypes::{Float64Type, Int64Type};

    /// (value_int, value_double, value_is_int)
    fn stored(number: Number) -> (Option<i64>, Option<u64>, bool) {
        let mut numbers = Numbers::default();
        numbers.push(number);
        let [ints, doubles, is_int] = numbers.finish(&Nulls::new(1));
        let ints = ints.as_primitive::<Int64Type>();
        let doubles = doubles.as_primitive::<Float64Type>();
        (
            ints.is_valid(0).then(|| ints.value(0)),
            doubles.is_valid(0).then(|| doubles.value(0).to_bits()),
            is_int.as_boolean().value(0),
        )
    }

    #[test]
    fn whole_numbers_are_integers_and_the_rest_keeps_its_bits() {
        assert_eq!(stored(Number::Absent), (None, None, false));
        assert_eq!(stored(Number::Int(i64::MIN)), (Some(i64::MIN), None, true));
        assert_eq!(stored(Number::Double(200.0)), (Some(200), None, false));
        assert_eq!(stored(Number::Double(0.0)), (Some(0), None, false));
        assert_eq!(stored(Number::Double(-MAX_WHOLE)), (Some(-(1 << 53)), None, false));
        let stale = f64::from_bits(0x7ff0_0000_0000_0002);
        for kept in [-0.0, 0.5, MAX_WHOLE + 2.0, 1e300, f64::NAN, stale, f64::INFINITY, f64::NEG_INFINITY] {
            assert_eq!(stored(Number::Double(kept)), (None, Some(kept.to_bits()), false), "{kept}");
        }
    }
}
