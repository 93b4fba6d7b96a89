//! Step three: the samples of the wanted series.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use arrow::array::{ListArray, PrimitiveArray, RecordBatch};
use arrow::datatypes::{
    ArrowPrimitiveType, Float64Type, Int32Type, Int64Type, TimestampNanosecondType, UInt32Type, UInt64Type,
};
use datafusion::physical_plan::execute_stream_partitioned;
use datafusion::prelude::{Expr, col, lit};
use futures::StreamExt;
use tokio::task::JoinSet;
use trefoil_model::Table;
use trefoil_model::native::ResetHint;
use trefoil_promql::source::STALE_NAN_BITS;

use super::columns::{items, lists, number, numbers};
use super::series::{FoundSeries, Wanted};
use super::{Meter, Period, Store, of_metrics};
use crate::metrics::error::PromqlError;
use crate::metrics::family::{Kind, Part, Parts};

/// Series in a condition; of more all samples of their metrics are read.
pub const MOST_IDS: usize = 10_000;

/// OTLP's `DATA_POINT_FLAGS_NO_RECORDED_VALUE_MASK`.
const NO_RECORDED_VALUE: u32 = 1;

/// When a point was taken and when its counting began, in nanoseconds since the epoch (0: unknown).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct At {
    pub time: i64,
    pub start: i64,
}

/// A point of a gauge or a sum; without a recorded value a stale NaN.
#[derive(Debug, Clone, Copy)]
pub struct Number {
    pub at: At,
    pub value: f64,
}

/// A point of any other metric, as far as it was asked for.
#[derive(Debug, Clone)]
pub struct Distribution {
    pub at: At,
    /// There is no recorded value: the series ends here.
    pub is_stale: bool,
    pub count: u64,
    pub sum: Option<f64>,
    pub shape: Shape,
    /// Of native histograms, as is what follows.
    pub reset_hint: Option<ResetHint>,
    /// The exact counts where those of the shape are rounded, see [`trefoil_model::native::float_counts`].
    pub float_counts: Option<Box<[f64]>>,
}

#[derive(Debug, Clone)]
pub enum Shape {
    /// Not asked for.
    Unread,
    /// As many counts as bounds and one more, or none of both.
    Explicit {
        bounds: Arc<[f64]>,
        counts: Vec<u64>,
    },
    Exponential(Box<Exponential>),
    Summary {
        quantiles: Arc<[f64]>,
        values: Vec<f64>,
    },
}

#[derive(Debug, Clone)]
pub struct Exponential {
    pub scale: i32,
    pub zero_count: u64,
    pub zero_threshold: f64,
    pub positive: (i32, Vec<u64>),
    pub negative: (i32, Vec<u64>),
}

/// What was read of one series, by time.
#[derive(Debug, Default)]
pub struct Stored {
    pub numbers: Vec<Number>,
    pub distributions: Vec<Distribution>,
}

impl Store {
    /// The samples of each series found, in their order.
    pub async fn samples(
        &self,
        wanted: &[Wanted<'_>],
        found: &FoundSeries,
        period: Period,
    ) -> Result<Vec<Stored>, PromqlError> {
        let places = found.series.iter().enumerate();
        let reading = Arc::new(Reading {
            places: places.map(|(place, series)| (series.id, place)).collect(),
            kinds: found.series.iter().map(|series| (wanted[series.family].0.kind, series.parts)).collect(),
            meter: self.meter(),
        });
        let rows = self.session()?.table(Table::Samples.name()).await?;
        let rows = rows.filter(of_found(wanted, found, period))?.select_columns(&reading.columns())?;
        let task = Arc::new(rows.task_ctx());
        let plan = rows.create_physical_plan().await?;
        let mut tasks = JoinSet::new();
        for (partition, mut batches) in execute_stream_partitioned(plan.clone(), task)?.into_iter().enumerate() {
            let reading = reading.clone();
            tasks.spawn(async move {
                let mut read = HashMap::new();
                while let Some(batch) = batches.next().await.transpose()? {
                    reading.batch(&batch, &mut read)?;
                }
                Ok::<_, PromqlError>((partition, read))
            });
        }
        let mut partitions = Vec::new();
        while let Some(ended) = tasks.join_next().await {
            partitions.push(ended.map_err(crashed)??);
        }
        self.ran(plan.as_ref());
        partitions.sort_by_key(|(partition, _)| *partition);
        let mut samples: Vec<Stored> = Vec::new();
        samples.resize_with(found.series.len(), Stored::default);
        for (place, read) in partitions.into_iter().flat_map(|(_, read)| read) {
            samples[place].append(read);
        }
        samples.iter_mut().for_each(Stored::sort);
        Ok(samples)
    }
}

/// Of the rows of the series found in the period, and of few others.
pub fn of_found(wanted: &[Wanted<'_>], found: &FoundSeries, period: Period) -> Expr {
    let names: BTreeSet<&str> = found.series.iter().map(|series| wanted[series.family].0.key.name.as_str()).collect();
    let names: Vec<String> = names.into_iter().map(str::to_owned).collect();
    let condition = of_metrics(&names).and(period.holds("time_unix_nano"));
    match found.series.len() <= MOST_IDS && found.series.len() < found.among {
        true => condition.and(of_series(found.series.iter().map(|series| series.id))),
        false => condition,
    }
}

/// Of the rows of these series.
pub fn of_series(ids: impl Iterator<Item = u64>) -> Expr {
    col("series_id").in_list(ids.map(lit).collect(), false)
}

/// A part of the reading broke down.
pub fn crashed(error: tokio::task::JoinError) -> PromqlError {
    match error.try_into_panic() {
        Ok(panic) => crate::QueryError::panicked(panic).into(),
        Err(error) => PromqlError::Canceled(error.to_string()),
    }
}

impl Stored {
    pub fn is_empty(&self) -> bool {
        self.numbers.is_empty() && self.distributions.is_empty()
    }

    fn append(&mut self, mut later: Stored) {
        if self.is_empty() {
            *self = later;
            return;
        }
        self.numbers.append(&mut later.numbers);
        self.distributions.append(&mut later.distributions);
    }

    /// By time; of the same time in the order of arrival.
    fn sort(&mut self) {
        if !self.numbers.is_sorted_by_key(|point| point.at.time) {
            self.numbers.sort_by_key(|point| point.at.time);
        }
        if !self.distributions.is_sorted_by_key(|point| point.at.time) {
            self.distributions.sort_by_key(|point| point.at.time);
        }
    }
}

struct Reading {
    places: HashMap<u64, usize>,
    /// By place.
    kinds: Vec<(Kind, Parts)>,
    meter: Meter,
}

impl Reading {
    fn columns(&self) -> Vec<&'static str> {
        let mut columns = BTreeSet::from(["series_id", "time_unix_nano", "start_time_unix_nano", "flags"]);
        for (kind, parts) in &self.kinds {
            for part in parts.iter() {
                columns.extend(part_columns(*kind, part));
            }
        }
        columns.into_iter().collect()
    }

    fn batch(&self, batch: &RecordBatch, read: &mut HashMap<usize, Stored>) -> Result<(), PromqlError> {
        let columns = Columns::of(batch)?;
        let (mut weight, mut bytes, mut last) = (0, 0, None);
        for row in 0..batch.num_rows() {
            let id = columns.ids.value(row);
            let place = match last {
                Some((last_id, place)) if last_id == id => place,
                _ => {
                    let place = self.places.get(&id).copied();
                    last = Some((id, place));
                    place
                }
            };
            let Some(place) = place else { continue };
            let (kind, parts) = self.kinds[place];
            let stored = read.entry(place).or_default();
            let (more, fixed) = match kind {
                Kind::Gauge | Kind::Sum => (columns.push_number(row, &mut stored.numbers)?, size_of::<Number>()),
                _ => {
                    let more = columns.push_distribution(row, kind, parts, &mut stored.distributions)?;
                    (more, size_of::<Distribution>())
                }
            };
            weight += more;
            bytes += fixed + more * size_of::<u64>();
        }
        self.meter.hold(bytes)?;
        self.meter.add(weight)
    }
}

fn part_columns(kind: Kind, part: Part) -> &'static [&'static str] {
    match part {
        Part::Number => &["value_int", "value_double"],
        Part::Count => &["count"],
        Part::Sum => &["sum"],
        Part::Quantiles => &["quantiles", "quantile_values"],
        Part::Buckets => &["count", "explicit_bounds", "bucket_counts"],
        Part::Native if kind == Kind::Histogram => {
            &["count", "sum", "explicit_bounds", "bucket_counts", "counter_reset_hint", "float_counts"]
        }
        Part::Native => &[
            "count",
            "sum",
            "scale",
            "zero_count",
            "zero_threshold",
            "positive_offset",
            "positive_bucket_counts",
            "negative_offset",
            "negative_bucket_counts",
            "counter_reset_hint",
            "float_counts",
        ],
    }
}

/// The columns of a batch; those that were not asked for are `None`.
struct Columns<'b> {
    batch: &'b RecordBatch,
    ids: &'b PrimitiveArray<UInt64Type>,
    times: &'b PrimitiveArray<TimestampNanosecondType>,
    starts: &'b PrimitiveArray<TimestampNanosecondType>,
    flags: &'b PrimitiveArray<UInt32Type>,
    ints: Option<&'b PrimitiveArray<Int64Type>>,
    doubles: Option<&'b PrimitiveArray<Float64Type>>,
    counts: Option<&'b PrimitiveArray<UInt64Type>>,
    sums: Option<&'b PrimitiveArray<Float64Type>>,
    bounds: Option<(&'b ListArray, &'b ListArray)>,
    quantiles: Option<(&'b ListArray, &'b ListArray)>,
    native: Option<(&'b PrimitiveArray<Int32Type>, &'b ListArray)>,
}

impl<'b> Columns<'b> {
    fn of(batch: &'b RecordBatch) -> Result<Self, PromqlError> {
        let pair = |a: &str, b: &str| -> Result<_, PromqlError> {
            if batch.column_by_name(a).is_none() {
                return Ok(None);
            }
            Ok(Some((lists(batch, a)?, lists(batch, b)?)))
        };
        Ok(Self {
            batch,
            ids: numbers(batch, "series_id")?,
            times: numbers(batch, "time_unix_nano")?,
            starts: numbers(batch, "start_time_unix_nano")?,
            flags: numbers(batch, "flags")?,
            ints: read(batch, "value_int")?,
            doubles: read(batch, "value_double")?,
            counts: read(batch, "count")?,
            sums: read(batch, "sum")?,
            bounds: pair("explicit_bounds", "bucket_counts")?,
            quantiles: pair("quantiles", "quantile_values")?,
            native: match read(batch, "counter_reset_hint")? {
                Some(hints) => Some((hints, lists(batch, "float_counts")?)),
                None => None,
            },
        })
    }

    fn at(&self, row: usize) -> At {
        At { time: self.times.value(row), start: number(self.starts, row).unwrap_or(0) }
    }

    fn is_stale(&self, row: usize) -> bool {
        self.flags.value(row) & NO_RECORDED_VALUE != 0
    }

    /// How many samples it counts as.
    fn push_number(&self, row: usize, points: &mut Vec<Number>) -> Result<usize, PromqlError> {
        let int = self.ints.and_then(|column| number(column, row)).map(|value| value as f64);
        let value = match int.or_else(|| self.doubles.and_then(|column| number(column, row))) {
            _ if self.is_stale(row) => f64::from_bits(STALE_NAN_BITS),
            Some(value) => value,
            // Neither a value nor said to have none: there is nothing to tell.
            None => return Ok(0),
        };
        points.push(Number { at: self.at(row), value });
        Ok(1)
    }

    fn push_distribution(
        &self,
        row: usize,
        kind: Kind,
        parts: Parts,
        points: &mut Vec<Distribution>,
    ) -> Result<usize, PromqlError> {
        let shape = match kind {
            Kind::Histogram if parts.has(Part::Buckets) || parts.has(Part::Native) => self.explicit(row, points.last()),
            Kind::ExponentialHistogram => Shape::Exponential(Box::new(self.exponential(row)?)),
            Kind::Summary if parts.has(Part::Quantiles) => self.summary(row, points.last()),
            _ => Shape::Unread,
        };
        let weight = 1 + shape.size();
        points.push(Distribution {
            at: self.at(row),
            is_stale: self.is_stale(row),
            count: self.counts.and_then(|column| number(column, row)).unwrap_or(0),
            sum: self.sums.and_then(|column| number(column, row)),
            shape,
            reset_hint: self
                .native
                .and_then(|(hints, _)| number(hints, row))
                .and_then(|hint| ResetHint::of(hint.into())),
            float_counts: self.native.map(|(_, counts)| items::<Float64Type>(counts, row)).and_then(exact),
        });
        Ok(weight)
    }

    fn explicit(&self, row: usize, before: Option<&Distribution>) -> Shape {
        let Some((bounds, counts)) = self.bounds else { return Shape::Unread };
        let bounds = items::<Float64Type>(bounds, row);
        let before = before.and_then(|point| match &point.shape {
            Shape::Explicit { bounds, .. } => Some(bounds),
            _ => None,
        });
        Shape::Explicit { bounds: shared(bounds, before), counts: items::<UInt64Type>(counts, row).to_vec() }
    }

    fn summary(&self, row: usize, before: Option<&Distribution>) -> Shape {
        let Some((quantiles, values)) = self.quantiles else { return Shape::Unread };
        let quantiles = items::<Float64Type>(quantiles, row);
        let before = before.and_then(|point| match &point.shape {
            Shape::Summary { quantiles, .. } => Some(quantiles),
            _ => None,
        });
        Shape::Summary { quantiles: shared(quantiles, before), values: items::<Float64Type>(values, row).to_vec() }
    }

    fn exponential(&self, row: usize) -> Result<Exponential, PromqlError> {
        let side = |offsets: &str, counts: &str| -> Result<_, PromqlError> {
            let offset = number(numbers::<Int32Type>(self.batch, offsets)?, row).unwrap_or(0);
            Ok((offset, items::<UInt64Type>(lists(self.batch, counts)?, row).to_vec()))
        };
        Ok(Exponential {
            scale: number(numbers::<Int32Type>(self.batch, "scale")?, row).unwrap_or(0),
            zero_count: number(numbers::<UInt64Type>(self.batch, "zero_count")?, row).unwrap_or(0),
            zero_threshold: number(numbers::<Float64Type>(self.batch, "zero_threshold")?, row).unwrap_or(0.0),
            positive: side("positive_offset", "positive_bucket_counts")?,
            negative: side("negative_offset", "negative_bucket_counts")?,
        })
    }
}

impl Shape {
    fn size(&self) -> usize {
        match self {
            Shape::Unread => 0,
            Shape::Explicit { counts, .. } => counts.len(),
            Shape::Exponential(histogram) => histogram.positive.1.len() + histogram.negative.1.len(),
            Shape::Summary { values, .. } => values.len(),
        }
    }
}

fn read<'b, T: ArrowPrimitiveType>(
    batch: &'b RecordBatch,
    name: &str,
) -> Result<Option<&'b PrimitiveArray<T>>, PromqlError> {
    batch.column_by_name(name).map(|_| numbers(batch, name)).transpose()
}

/// Next to no histogram has them.
fn exact(counts: &[f64]) -> Option<Box<[f64]>> {
    (!counts.is_empty()).then(|| counts.into())
}

/// Bounds hardly ever change from point to point.
fn shared(values: &[f64], before: Option<&Arc<[f64]>>) -> Arc<[f64]> {
    match before {
        Some(before) if before.as_ref() == values => before.clone(),
        _ => values.into(),
    }
}
