//! One data point of each kind: its bytes → one row, or the reason why not.

use std::fmt::{self, Display};

use super::native;
use super::samples::{Buckets, Distribution, Head, Number};
use super::{Decoder, Guard, Metric, NANOS_PER_DAY, Origin, hash_attribute};
use crate::active::{Reason, Touched};
use crate::attributes::{AnyValue, KeyValue};
use crate::native::FLOAT_COUNTS;
use crate::samples::STALE_NAN;
use crate::series_id::AttributesHash;
use crate::wire::{Field, Reader, WireError};

/// OTLP's `DATA_POINT_FLAGS_NO_RECORDED_VALUE_MASK`.
pub const NO_RECORDED_VALUE: u32 = 1;

/// The kinds of metrics by the field number of their `data` in OTLP's `Metric`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Gauge = 5,
    Sum = 7,
    Histogram = 9,
    ExponentialHistogram = 10,
    Summary = 11,
}

impl Kind {
    pub fn of(field: u32) -> Option<Kind> {
        [Kind::Gauge, Kind::Sum, Kind::Histogram, Kind::ExponentialHistogram, Kind::Summary]
            .into_iter()
            .find(|kind| *kind as u32 == field)
    }

    /// The value of the column `metric_type`.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Gauge => "gauge",
            Kind::Sum => "sum",
            Kind::Histogram => "histogram",
            Kind::ExponentialHistogram => "exponential_histogram",
            Kind::Summary => "summary",
        }
    }

    pub fn has_temporality(self) -> bool {
        matches!(self, Kind::Sum | Kind::Histogram | Kind::ExponentialHistogram)
    }

    pub fn layout(self) -> Layout {
        match self {
            Kind::Gauge | Kind::Sum => Layout { attributes: 7, exemplars: 5, flags: 8 },
            Kind::Histogram => Layout { attributes: 9, exemplars: 8, flags: 10 },
            Kind::ExponentialHistogram => Layout { attributes: 1, exemplars: 11, flags: 10 },
            Kind::Summary => Layout { attributes: 7, exemplars: u32::MAX, flags: 8 },
        }
    }
}

/// The numbers of the fields that every kind of point has, but each under numbers of its own. Start time (2) and time (3)
/// are the same everywhere.
#[derive(Debug, Clone, Copy)]
pub struct Layout {
    pub attributes: u32,
    pub exemplars: u32,
    pub flags: u32,
}

/// What every kind of point has, as sent.
#[derive(Default)]
struct Common {
    start_time: u64,
    time: u64,
    flags: u32,
    attributes: AttributesHash,
    attribute_count: usize,
    /// An attribute exceeds a limit.
    is_cut: bool,
    longest_key: usize,
    longest_value: usize,
    has_exemplars: bool,
}

/// Why a point is not stored.
enum Unfit {
    NoTime,
    TimeTooLate(u64),
    StartTimeTooLate(u64),
    AttributeLimits,
    Series(String),
    TooLarge { size: usize, limit: usize },
    BucketCount { counts: usize, bounds: usize },
    UnsortedBounds { index: usize, previous: f64, bound: f64 },
    FloatCounts { floats: usize, counts: usize },
}

impl Display for Unfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unfit::NoTime => write!(f, "time_unix_nano is missing"),
            Unfit::TimeTooLate(time) => write!(f, "time_unix_nano {time} is after the year 2262 (or negative)"),
            Unfit::StartTimeTooLate(time) => {
                write!(f, "start_time_unix_nano {time} is after the year 2262 (or negative)")
            }
            // They are the identity of the series: cut ones would mix up different series.
            Unfit::AttributeLimits => write!(f, "its attributes exceed the limits of number, length or nesting"),
            Unfit::Series(reason) => f.write_str(reason),
            Unfit::TooLarge { size, limit } => write!(f, "it has {size} bytes, more than the limit of {limit}"),
            Unfit::BucketCount { counts, bounds } => write!(
                f,
                "{counts} bucket_counts do not fit {bounds} explicit_bounds (one more is needed, or none of both)"
            ),
            Unfit::UnsortedBounds { index, previous, bound } => {
                write!(f, "explicit_bounds[{index}] = {bound} is not greater than {previous} before it")
            }
            Unfit::FloatCounts { floats, counts } => {
                write!(f, "{FLOAT_COUNTS} has {floats} numbers, but the point has {counts} counts")
            }
        }
    }
}

impl<'a> Decoder<'a> {
    /// All points of a metric.
    pub(super) fn points(&mut self, origin: &mut Origin<'a>, metric: &mut Metric<'a>) -> Result<(), WireError> {
        let mut index = 0;
        for data in metric.message {
            let data = data?;
            if data.number != metric.kind as u32 {
                continue;
            }
            for field in data.message()? {
                let field = field?;
                if field.number != 1 {
                    continue;
                }
                self.place.point = Some(index);
                index += 1;
                self.point += 1;
                let point = field.message()?;
                let limit = self.context.limits.max_item_bytes;
                let size = point.bytes().len();
                if size > limit {
                    self.reject(Unfit::TooLarge { size, limit });
                    continue;
                }
                match metric.kind {
                    Kind::Gauge | Kind::Sum => self.number_point(origin, metric, point)?,
                    Kind::Histogram => self.histogram_point(origin, metric, point)?,
                    Kind::ExponentialHistogram => self.exponential_histogram_point(origin, metric, point)?,
                    Kind::Summary => self.summary_point(origin, metric, point)?,
                }
            }
        }
        Ok(())
    }

    fn number_point(
        &mut self,
        origin: &mut Origin<'a>,
        metric: &mut Metric<'a>,
        point: Reader<'a>,
    ) -> Result<(), WireError> {
        const LAYOUT: Layout = Layout { attributes: 7, exemplars: 5, flags: 8 };
        let mut common = Common::default();
        let mut number = Number::Absent;
        for field in point {
            let field = field?;
            match field.number {
                4 => number = Number::Double(field.double()?),
                6 => number = Number::Int(field.sfixed64()?),
                _ => self.common_field(&mut common, &field, LAYOUT)?,
            }
        }
        let Some(head) = self.head(&common, metric) else { return Ok(()) };
        if common.flags & NO_RECORDED_VALUE != 0 {
            number = Number::Absent;
        }
        self.remember(head, || match number {
            Number::Absent if common.flags & NO_RECORDED_VALUE != 0 => Some(STALE_NAN),
            Number::Absent => None,
            Number::Int(value) => Some((value as f64).to_bits()),
            Number::Double(value) => Some(value.to_bits()),
        });
        self.samples.push_number(head, number);
        self.ensure_series(origin, metric, head.series_id, head.time, point)?;
        self.exemplars_of(&common, head, point, LAYOUT)
    }

    fn histogram_point(
        &mut self,
        origin: &mut Origin<'a>,
        metric: &mut Metric<'a>,
        point: Reader<'a>,
    ) -> Result<(), WireError> {
        let layout = Kind::Histogram.layout();
        let mut common = Common::default();
        let mut row = self.take_distribution();
        for field in point {
            let field = field?;
            match field.number {
                4 => row.count = field.fixed64()?,
                5 => row.sum = Some(field.double()?),
                6 => field.each_fixed64(|count| row.bucket_counts.push(count))?,
                7 => field.each_fixed64(|bound| row.explicit_bounds.push(f64::from_bits(bound)))?,
                11 => row.min = Some(field.double()?),
                12 => row.max = Some(field.double()?),
                9 if native::take(&field, &mut row)? => {}
                _ => self.common_field(&mut common, &field, layout)?,
            }
        }
        let counts = 1 + row.bucket_counts.len();
        if let Err(unfit) = check_buckets(&row).and_then(|()| check_float_counts(&row, counts)) {
            self.reject(unfit);
            return Ok(());
        }
        self.distribution_row(origin, metric, point, &common, row)
    }

    fn exponential_histogram_point(
        &mut self,
        origin: &mut Origin<'a>,
        metric: &mut Metric<'a>,
        point: Reader<'a>,
    ) -> Result<(), WireError> {
        let layout = Kind::ExponentialHistogram.layout();
        let mut common = Common::default();
        let mut row = self.take_distribution();
        (row.scale, row.zero_count, row.zero_threshold) = (Some(0), Some(0), Some(0.0));
        for field in point {
            let field = field?;
            match field.number {
                4 => row.count = field.fixed64()?,
                5 => row.sum = Some(field.double()?),
                6 => row.scale = Some(field.sint32()?),
                7 => row.zero_count = Some(field.fixed64()?),
                8 => buckets(field.message()?, &mut row.positive)?,
                9 => buckets(field.message()?, &mut row.negative)?,
                12 => row.min = Some(field.double()?),
                13 => row.max = Some(field.double()?),
                14 => row.zero_threshold = Some(field.double()?),
                1 if native::take(&field, &mut row)? => {}
                _ => self.common_field(&mut common, &field, layout)?,
            }
        }
        let counts = 2 + row.positive.counts.len() + row.negative.counts.len();
        if let Err(unfit) = check_float_counts(&row, counts) {
            self.reject(unfit);
            return Ok(());
        }
        self.distribution_row(origin, metric, point, &common, row)
    }

    fn summary_point(
        &mut self,
        origin: &mut Origin<'a>,
        metric: &mut Metric<'a>,
        point: Reader<'a>,
    ) -> Result<(), WireError> {
        let layout = Kind::Summary.layout();
        let mut common = Common::default();
        let mut row = self.take_distribution();
        row.sum = Some(0.0);
        for field in point {
            let field = field?;
            match field.number {
                4 => row.count = field.fixed64()?,
                5 => row.sum = Some(field.double()?),
                6 => {
                    let (mut quantile, mut value) = (0.0, 0.0);
                    for field in field.message()? {
                        let field = field?;
                        match field.number {
                            1 => quantile = field.double()?,
                            2 => value = field.double()?,
                            _ => {}
                        }
                    }
                    row.quantiles.push(quantile);
                    row.quantile_values.push(value);
                }
                _ => self.common_field(&mut common, &field, layout)?,
            }
        }
        self.distribution_row(origin, metric, point, &common, row)
    }

    /// An empty distribution with the memory of the last one.
    fn take_distribution(&mut self) -> Distribution {
        let mut row = std::mem::take(&mut self.distribution);
        row.clear();
        row
    }

    fn distribution_row(
        &mut self,
        origin: &mut Origin<'a>,
        metric: &mut Metric<'a>,
        point: Reader<'a>,
        common: &Common,
        row: Distribution,
    ) -> Result<(), WireError> {
        let head = self.head(common, metric);
        if let Some(head) = head {
            self.remember(head, || native::histogram_fingerprint(metric.kind as u32, point.bytes()).ok());
            self.samples.push_distribution(head, &row);
            self.ensure_series(origin, metric, head.series_id, head.time, point)?;
            self.exemplars_of(common, head, point, metric.kind.layout())?;
        }
        self.distribution = row;
        Ok(())
    }

    #[inline]
    fn common_field(&mut self, common: &mut Common, field: &Field<'a>, layout: Layout) -> Result<(), WireError> {
        match field.number {
            2 => common.start_time = field.fixed64()?,
            3 => common.time = field.fixed64()?,
            number if number == layout.attributes => {
                let attribute = KeyValue::parse(field.message()?)?;
                let limits = self.context.limits;
                let fits = hash_attribute(&mut common.attributes, &attribute, limits, &mut self.text)?;
                common.attribute_count += 1;
                common.longest_key = common.longest_key.max(attribute.key.len());
                if let AnyValue::String(value) = attribute.value {
                    common.longest_value = common.longest_value.max(value.len());
                }
                common.is_cut |= !fits || common.attribute_count > limits.max_attributes;
            }
            number if number == layout.flags => common.flags = field.uint32()?,
            number if number == layout.exemplars => common.has_exemplars = true,
            _ => {}
        }
        Ok(())
    }

    /// The columns of every row; None if the point is rejected.
    #[inline]
    fn head(&mut self, common: &Common, metric: &Metric<'a>) -> Option<Head> {
        let times = (i64::try_from(common.time), i64::try_from(common.start_time));
        let unfit = match times {
            (Err(_), _) => Unfit::TimeTooLate(common.time),
            (_, Err(_)) => Unfit::StartTimeTooLate(common.start_time),
            (Ok(0), _) => Unfit::NoTime,
            _ if common.is_cut => Unfit::AttributeLimits,
            (Ok(time), Ok(start_time)) => {
                let series_id = metric.hash.series_id(common.attributes);
                if !self.may_have(series_id, time, common) {
                    return None;
                }
                return Some(Head { metric: metric.name_key, series_id, time, start_time, flags: common.flags });
            }
        };
        self.reject(unfit);
        None
    }

    /// Whether the series may have this point, and whether its row is known to be safe.
    #[inline]
    fn may_have(&mut self, series_id: u64, time: i64, common: &Common) -> bool {
        let now = self.context.received;
        if let Guard::Replay { refused, .. } = self.guard {
            let is_refused = refused.binary_search(&(self.point - 1)).is_ok();
            if !is_refused {
                self.active.restore(series_id, None, now);
            }
            return !is_refused;
        }
        // The name is a label, too.
        let fits =
            self.active.limits().check_labels(common.attribute_count + 1, common.longest_key, common.longest_value);
        let refused = match fits {
            Err(reason) => reason,
            Ok(()) => match self.active.touch(series_id, (time / NANOS_PER_DAY) as i32, now) {
                Touched::OverLimit => Reason::SeriesLimit,
                touched => {
                    self.is_row_safe = touched == Touched::Known;
                    return true;
                }
            },
        };
        self.refuse(refused);
        false
    }

    /// In replay: this is the last sample of its series, unless there is a later one. A point without a `value` is none.
    #[inline]
    fn remember(&self, head: Head, value: impl FnOnce() -> Option<u64>) {
        if let Guard::Replay { is_judged: true, .. } = self.guard
            && let Some(value) = value()
        {
            self.active.restore(head.series_id, Some((head.time, value)), self.context.received);
        }
    }

    #[cold]
    fn refuse(&mut self, reason: Reason) {
        self.active.discard(reason, 1);
        self.refused_points.push(self.point - 1);
        let reason = self.active.limits().explain(reason).to_string();
        self.reject(Unfit::Series(reason));
    }

    #[inline]
    fn exemplars_of(
        &mut self,
        common: &Common,
        head: Head,
        point: Reader<'a>,
        layout: Layout,
    ) -> Result<(), WireError> {
        match common.has_exemplars {
            true => self.exemplar_rows(head, point, layout.exemplars),
            false => Ok(()),
        }
    }

    #[cold]
    fn reject(&mut self, unfit: Unfit) {
        self.report.reject(1, self.place, unfit);
    }
}

fn buckets(message: Reader<'_>, buckets: &mut Buckets) -> Result<(), WireError> {
    let mut offset = buckets.offset.unwrap_or(0);
    for field in message {
        let field = field?;
        match field.number {
            1 => offset = field.sint32()?,
            2 => field.each_varint(|count| buckets.counts.push(count))?,
            _ => {}
        }
    }
    buckets.offset = Some(offset);
    Ok(())
}

fn check_buckets(row: &Distribution) -> Result<(), Unfit> {
    let (counts, bounds) = (row.bucket_counts.len(), row.explicit_bounds.len());
    if counts != bounds + 1 && (counts, bounds) != (0, 0) {
        return Err(Unfit::BucketCount { counts, bounds });
    }
    let in_order = |pair: &[f64]| pair[0] < pair[1];
    match row.explicit_bounds.windows(2).position(|pair| !in_order(pair)) {
        None if bounds == 1 && row.explicit_bounds[0].is_nan() => {
            Err(Unfit::UnsortedBounds { index: 0, previous: f64::NEG_INFINITY, bound: f64::NAN })
        }
        None => Ok(()),
        Some(at) => Err(Unfit::UnsortedBounds {
            index: at + 1,
            previous: row.explicit_bounds[at],
            bound: row.explicit_bounds[at + 1],
        }),
    }
}

fn check_float_counts(row: &Distribution, counts: usize) -> Result<(), Unfit> {
    match row.float_counts.len() {
        0 => Ok(()),
        floats if floats == counts => Ok(()),
        floats => Err(Unfit::FloatCounts { floats, counts }),
    }
}
