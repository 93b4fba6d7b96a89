//! Rows of `samples`, `series` and `exemplars` → `MetricsData`.

use std::collections::HashMap;

use arrow::array::{Array, ArrowPrimitiveType, AsArray, BooleanArray, ListArray, PrimitiveArray, RecordBatch};
use arrow::datatypes::{Float64Type, Int32Type, Int64Type, UInt32Type, UInt64Type};
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::metrics::v1::exponential_histogram_data_point::Buckets;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::summary_data_point::ValueAtQuantile;
use opentelemetry_proto::tonic::metrics::v1::{
    Exemplar, ExponentialHistogram, ExponentialHistogramDataPoint, Gauge, Histogram, HistogramDataPoint, Metric,
    MetricsData, NumberDataPoint, ResourceMetrics, ScopeMetrics, Sum, Summary, SummaryDataPoint, exemplar,
    number_data_point,
};
use prost::Message;

use super::EncodeError;
use super::columns::{Columns, Id, Text, json_attributes};
use super::origin::{ByResource, ByScope, Gathered};
use crate::native::{self, ResetHint};

/// The data points of all `samples`, with the attributes from `series` and with `exemplars`; each batch has the columns of
/// its table in any order. Series without samples are left out, and so are exemplars without their point.
///
/// # Errors
///
/// [`EncodeError::UnknownSeries`] if a sample's row of `series` is not among the batches.
pub fn metrics(
    samples: &[RecordBatch],
    series: &[RecordBatch],
    exemplars: &[RecordBatch],
) -> Result<MetricsData, EncodeError> {
    let mut catalog = SeriesCatalog::of(series)?;
    let mut exemplars = exemplars_by_point(exemplars)?;
    for batch in samples {
        let columns = Columns::of_batch(batch);
        let rows = SampleRows::of(&columns)?;
        for row in 0..batch.num_rows() {
            let series_id = rows.series_id.value(row);
            let Some((metric, attributes)) = catalog.get(series_id) else {
                let metric = rows.metric_name.or_empty(row);
                return Err(EncodeError::UnknownSeries { series_id, metric });
            };
            let exemplars = exemplars.remove(&(series_id, rows.time.value(row))).unwrap_or_default();
            rows.add_to(metric, row, attributes.to_vec(), exemplars)?;
        }
    }
    Ok(catalog.into_data())
}

/// The metrics of all series, without points at first, and which of them a series belongs to.
struct SeriesCatalog {
    resources: Vec<ByResource<Metric>>,
    series: HashMap<u64, Place>,
}

struct Place {
    resource: usize,
    scope: usize,
    metric: usize,
    /// Of every point of the series.
    attributes: Vec<KeyValue>,
}

/// A row of `series`.
struct SeriesRow {
    series_id: u64,
    /// Without points.
    metric: Metric,
    attributes: Vec<KeyValue>,
}

impl SeriesCatalog {
    fn of(batches: &[RecordBatch]) -> Result<Self, EncodeError> {
        let mut gathered = Gathered::new();
        for batch in batches {
            let columns = Columns::of_batch(batch);
            let rows = SeriesColumns::of(&columns)?;
            gathered.add(batch, |row| rows.series(row))?;
        }
        let mut series = HashMap::new();
        let resources = gathered.into_resources().into_iter().enumerate().map(|(resource, by_resource)| {
            let scopes = by_resource.scopes.into_iter().enumerate().map(|(scope, by_scope)| {
                let mut metrics = vec![];
                let mut known = HashMap::new();
                for row in by_scope.items {
                    let metric = *known.entry(row.metric.encode_to_vec()).or_insert_with(|| {
                        metrics.push(row.metric);
                        metrics.len() - 1
                    });
                    // The first row of a series counts; it comes again on other days.
                    let place = Place { resource, scope, metric, attributes: row.attributes };
                    series.entry(row.series_id).or_insert(place);
                }
                ByScope { scope: by_scope.scope, schema_url: by_scope.schema_url, items: metrics }
            });
            let scopes = scopes.collect();
            ByResource { resource: by_resource.resource, schema_url: by_resource.schema_url, scopes }
        });
        Ok(Self { resources: resources.collect(), series })
    }

    /// The metric of a series and the attributes of its points.
    fn get(&mut self, series_id: u64) -> Option<(&mut Metric, &[KeyValue])> {
        let place = self.series.get(&series_id)?;
        let metric = &mut self.resources[place.resource].scopes[place.scope].items[place.metric];
        Some((metric, &place.attributes))
    }

    /// The metrics that have points.
    fn into_data(self) -> MetricsData {
        let resource_metrics = self.resources.into_iter().filter_map(|by_resource| {
            let scopes = by_resource.scopes.into_iter().filter_map(|by_scope| {
                let metrics: Vec<Metric> = by_scope.items.into_iter().filter(has_points).collect();
                (!metrics.is_empty()).then_some(ScopeMetrics {
                    scope: by_scope.scope,
                    schema_url: by_scope.schema_url,
                    metrics,
                })
            });
            let scope_metrics: Vec<ScopeMetrics> = scopes.collect();
            (!scope_metrics.is_empty()).then_some(ResourceMetrics {
                resource: by_resource.resource,
                schema_url: by_resource.schema_url,
                scope_metrics,
            })
        });
        MetricsData { resource_metrics: resource_metrics.collect() }
    }
}

fn has_points(metric: &Metric) -> bool {
    match &metric.data {
        Some(Data::Gauge(data)) => !data.data_points.is_empty(),
        Some(Data::Sum(data)) => !data.data_points.is_empty(),
        Some(Data::Histogram(data)) => !data.data_points.is_empty(),
        Some(Data::ExponentialHistogram(data)) => !data.data_points.is_empty(),
        Some(Data::Summary(data)) => !data.data_points.is_empty(),
        None => false,
    }
}

/// The columns of `series` that say what a metric is; [`Gathered`] reads the rest.
struct SeriesColumns {
    series_id: PrimitiveArray<UInt64Type>,
    metric_name: Text,
    metric_type: Text,
    unit: Text,
    description: Text,
    temporality: PrimitiveArray<Int32Type>,
    is_monotonic: BooleanArray,
    metadata: Text,
    attributes: Text,
}

impl SeriesColumns {
    fn of(columns: &Columns<'_>) -> Result<Self, EncodeError> {
        Ok(Self {
            series_id: columns.number("series_id")?,
            metric_name: columns.text("metric_name")?,
            metric_type: columns.text("metric_type")?,
            unit: columns.text("unit")?,
            description: columns.text("description")?,
            temporality: columns.number("temporality")?,
            is_monotonic: columns.flag("is_monotonic")?,
            metadata: columns.text("metric_metadata")?,
            attributes: columns.text("attributes")?,
        })
    }

    fn series(&self, row: usize) -> Result<SeriesRow, EncodeError> {
        let aggregation_temporality = self.temporality.value(row);
        let is_monotonic = self.is_monotonic.value(row);
        let data = match self.metric_type.get(row).unwrap_or_default() {
            "gauge" => Data::Gauge(Gauge::default()),
            "sum" => Data::Sum(Sum { aggregation_temporality, is_monotonic, ..Sum::default() }),
            "histogram" => Data::Histogram(Histogram { aggregation_temporality, ..Histogram::default() }),
            "exponential_histogram" => Data::ExponentialHistogram(ExponentialHistogram {
                aggregation_temporality,
                ..ExponentialHistogram::default()
            }),
            "summary" => Data::Summary(Summary::default()),
            unknown => return Err(EncodeError::MetricType(unknown.to_owned())),
        };
        let metric = Metric {
            name: self.metric_name.or_empty(row),
            description: self.description.or_empty(row),
            unit: self.unit.or_empty(row),
            metadata: json_attributes(self.metadata.get(row))?,
            data: Some(data),
        };
        let attributes = json_attributes(self.attributes.get(row))?;
        Ok(SeriesRow { series_id: self.series_id.value(row), metric, attributes })
    }
}

/// The columns of [`crate::schema`]'s `number`.
struct Numbers {
    int: PrimitiveArray<Int64Type>,
    double: PrimitiveArray<Float64Type>,
    is_int: BooleanArray,
}

enum Number {
    Int(i64),
    Double(f64),
}

impl Numbers {
    fn of(columns: &Columns<'_>) -> Result<Self, EncodeError> {
        Ok(Self {
            int: columns.number("value_int")?,
            double: columns.number("value_double")?,
            is_int: columns.flag("value_is_int")?,
        })
    }

    fn get(&self, row: usize) -> Option<Number> {
        match optional(&self.int, row) {
            Some(value) if self.is_int.value(row) => Some(Number::Int(value)),
            Some(value) => Some(Number::Double(value as f64)),
            None => optional(&self.double, row).map(Number::Double),
        }
    }
}

struct SampleRows<'a> {
    metric_name: Text,
    series_id: PrimitiveArray<UInt64Type>,
    time: PrimitiveArray<Int64Type>,
    start_time: PrimitiveArray<Int64Type>,
    flags: PrimitiveArray<UInt32Type>,
    numbers: Numbers,
    count: PrimitiveArray<UInt64Type>,
    sum: PrimitiveArray<Float64Type>,
    min: PrimitiveArray<Float64Type>,
    max: PrimitiveArray<Float64Type>,
    explicit_bounds: &'a ListArray,
    bucket_counts: &'a ListArray,
    scale: PrimitiveArray<Int32Type>,
    zero_count: PrimitiveArray<UInt64Type>,
    zero_threshold: PrimitiveArray<Float64Type>,
    positive_offset: PrimitiveArray<Int32Type>,
    positive_bucket_counts: &'a ListArray,
    negative_offset: PrimitiveArray<Int32Type>,
    negative_bucket_counts: &'a ListArray,
    quantiles: &'a ListArray,
    quantile_values: &'a ListArray,
    reset_hint: PrimitiveArray<Int32Type>,
    float_counts: &'a ListArray,
}

impl<'a> SampleRows<'a> {
    fn of(columns: &Columns<'a>) -> Result<Self, EncodeError> {
        Ok(Self {
            metric_name: columns.text("metric_name")?,
            series_id: columns.number("series_id")?,
            time: columns.number("time_unix_nano")?,
            start_time: columns.number("start_time_unix_nano")?,
            flags: columns.number("flags")?,
            numbers: Numbers::of(columns)?,
            count: columns.number("count")?,
            sum: columns.number("sum")?,
            min: columns.number("min")?,
            max: columns.number("max")?,
            explicit_bounds: columns.list("explicit_bounds")?,
            bucket_counts: columns.list("bucket_counts")?,
            scale: columns.number("scale")?,
            zero_count: columns.number("zero_count")?,
            zero_threshold: columns.number("zero_threshold")?,
            positive_offset: columns.number("positive_offset")?,
            positive_bucket_counts: columns.list("positive_bucket_counts")?,
            negative_offset: columns.number("negative_offset")?,
            negative_bucket_counts: columns.list("negative_bucket_counts")?,
            quantiles: columns.list("quantiles")?,
            quantile_values: columns.list("quantile_values")?,
            reset_hint: columns.number("counter_reset_hint")?,
            float_counts: columns.list("float_counts")?,
        })
    }

    /// Appends the row to the points of its metric.
    fn add_to(
        &self,
        metric: &mut Metric,
        row: usize,
        attributes: Vec<KeyValue>,
        exemplars: Vec<Exemplar>,
    ) -> Result<(), EncodeError> {
        match &mut metric.data {
            Some(Data::Gauge(data)) => data.data_points.push(self.number(row, attributes, exemplars)),
            Some(Data::Sum(data)) => data.data_points.push(self.number(row, attributes, exemplars)),
            Some(Data::Histogram(data)) => data.data_points.push(self.histogram(row, attributes, exemplars)?),
            Some(Data::ExponentialHistogram(data)) => {
                data.data_points.push(self.exponential_histogram(row, attributes, exemplars)?);
            }
            Some(Data::Summary(data)) => data.data_points.push(self.summary(row, attributes)?),
            None => {}
        }
        Ok(())
    }

    fn time(&self, row: usize) -> u64 {
        self.time.value(row) as u64
    }

    fn start_time(&self, row: usize) -> u64 {
        or_zero(&self.start_time, row) as u64
    }

    fn number(&self, row: usize, attributes: Vec<KeyValue>, exemplars: Vec<Exemplar>) -> NumberDataPoint {
        NumberDataPoint {
            attributes,
            start_time_unix_nano: self.start_time(row),
            time_unix_nano: self.time(row),
            exemplars,
            flags: self.flags.value(row),
            value: self.numbers.get(row).map(|number| match number {
                Number::Int(value) => number_data_point::Value::AsInt(value),
                Number::Double(value) => number_data_point::Value::AsDouble(value),
            }),
        }
    }

    fn histogram(
        &self,
        row: usize,
        attributes: Vec<KeyValue>,
        exemplars: Vec<Exemplar>,
    ) -> Result<HistogramDataPoint, EncodeError> {
        Ok(HistogramDataPoint {
            attributes: self.with_native(row, attributes)?,
            start_time_unix_nano: self.start_time(row),
            time_unix_nano: self.time(row),
            count: or_zero(&self.count, row),
            sum: optional(&self.sum, row),
            bucket_counts: items::<UInt64Type>("bucket_counts", self.bucket_counts, row)?,
            explicit_bounds: items::<Float64Type>("explicit_bounds", self.explicit_bounds, row)?,
            exemplars,
            flags: self.flags.value(row),
            min: optional(&self.min, row),
            max: optional(&self.max, row),
        })
    }

    fn exponential_histogram(
        &self,
        row: usize,
        attributes: Vec<KeyValue>,
        exemplars: Vec<Exemplar>,
    ) -> Result<ExponentialHistogramDataPoint, EncodeError> {
        let positive = items::<UInt64Type>("positive_bucket_counts", self.positive_bucket_counts, row)?;
        let negative = items::<UInt64Type>("negative_bucket_counts", self.negative_bucket_counts, row)?;
        Ok(ExponentialHistogramDataPoint {
            attributes: self.with_native(row, attributes)?,
            start_time_unix_nano: self.start_time(row),
            time_unix_nano: self.time(row),
            count: or_zero(&self.count, row),
            sum: optional(&self.sum, row),
            scale: or_zero(&self.scale, row),
            zero_count: or_zero(&self.zero_count, row),
            positive: optional(&self.positive_offset, row).map(|offset| Buckets { offset, bucket_counts: positive }),
            negative: optional(&self.negative_offset, row).map(|offset| Buckets { offset, bucket_counts: negative }),
            flags: self.flags.value(row),
            exemplars,
            min: optional(&self.min, row),
            max: optional(&self.max, row),
            zero_threshold: or_zero(&self.zero_threshold, row),
        })
    }

    /// The attributes of a series and those of [`crate::native`].
    fn with_native(&self, row: usize, mut attributes: Vec<KeyValue>) -> Result<Vec<KeyValue>, EncodeError> {
        let hint = optional(&self.reset_hint, row).and_then(|hint| ResetHint::of(hint.into()));
        let counts = items::<Float64Type>("float_counts", self.float_counts, row)?;
        if hint.is_some() || !counts.is_empty() {
            attributes.extend(hint.map(ResetHint::attribute));
            attributes.extend((!counts.is_empty()).then(|| native::float_counts(counts)));
            attributes.sort_by(|a, b| a.key.cmp(&b.key));
        }
        Ok(attributes)
    }

    fn summary(&self, row: usize, attributes: Vec<KeyValue>) -> Result<SummaryDataPoint, EncodeError> {
        let quantiles = items::<Float64Type>("quantiles", self.quantiles, row)?;
        let values = items::<Float64Type>("quantile_values", self.quantile_values, row)?;
        let pairs = quantiles.into_iter().zip(values);
        Ok(SummaryDataPoint {
            attributes,
            start_time_unix_nano: self.start_time(row),
            time_unix_nano: self.time(row),
            count: or_zero(&self.count, row),
            sum: or_zero(&self.sum, row),
            quantile_values: pairs.map(|(quantile, value)| ValueAtQuantile { quantile, value }).collect(),
            flags: self.flags.value(row),
        })
    }
}

/// (series id, time of the point) → its exemplars in the order of the rows.
fn exemplars_by_point(batches: &[RecordBatch]) -> Result<HashMap<(u64, i64), Vec<Exemplar>>, EncodeError> {
    let mut by_point: HashMap<_, Vec<Exemplar>> = HashMap::new();
    for batch in batches {
        let columns = Columns::of_batch(batch);
        let series_id = columns.number::<UInt64Type>("series_id")?;
        let time = columns.number::<Int64Type>("time_unix_nano")?;
        let point_time = columns.number::<Int64Type>("point_time_unix_nano")?;
        let trace_id: Id = columns.id("trace_id")?;
        let span_id: Id = columns.id("span_id")?;
        let attributes = columns.text("filtered_attributes")?;
        let numbers = Numbers::of(&columns)?;
        for row in 0..batch.num_rows() {
            let exemplar = Exemplar {
                filtered_attributes: json_attributes(attributes.get(row))?,
                time_unix_nano: time.value(row) as u64,
                span_id: span_id.get(row),
                trace_id: trace_id.get(row),
                value: numbers.get(row).map(|number| match number {
                    Number::Int(value) => exemplar::Value::AsInt(value),
                    Number::Double(value) => exemplar::Value::AsDouble(value),
                }),
            };
            by_point.entry((series_id.value(row), point_time.value(row))).or_default().push(exemplar);
        }
    }
    Ok(by_point)
}

fn optional<T: ArrowPrimitiveType>(column: &PrimitiveArray<T>, row: usize) -> Option<T::Native> {
    column.is_valid(row).then(|| column.value(row))
}

fn or_zero<T: ArrowPrimitiveType>(column: &PrimitiveArray<T>, row: usize) -> T::Native {
    optional(column, row).unwrap_or_default()
}

/// A list; NULL is an empty one.
fn items<T: ArrowPrimitiveType>(
    name: &'static str,
    column: &ListArray,
    row: usize,
) -> Result<Vec<T::Native>, EncodeError> {
    if column.is_null(row) {
        return Ok(vec![]);
    }
    let list = column.value(row);
    let items = list.as_primitive_opt::<T>().ok_or_else(|| EncodeError::Type {
        column: name.to_owned(),
        expected: "a list of numbers",
        found: column.data_type().to_string(),
    })?;
    Ok(items.values().to_vec())
}
