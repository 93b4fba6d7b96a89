//! The tables: one documented column list each, for files, buffer, catalog and queries alike.
//!
//! Names are OpenTelemetry's. Strings are declared `Utf8View` here (what queries see); batches on the way in may hold the
//! same column dictionary-encoded. Ids are binary: 16 bytes a trace, 8 a span; an absent id is NULL.
//! Times are nanoseconds since the Unix epoch without a zone (`TIMESTAMP_NS` to DuckDB); OTLP's 0 ("unknown") stays 0
//! unless the column is documented as nullable.
//!
//! **Attributes.** A promoted attribute is a column of its own, named by scope and key (`resource.k8s.pod.name`,
//! `span.http.route`, `log.user.id`; see [`crate::promote`]). Every other one is a member of the JSON object in
//! `<scope>_attributes` (NULL when there is none), in the encoding of [`crate::attributes`], which keeps OTLP's types.
//! An attribute is in exactly one of the two places in any row.
//!
//! **Fields of bodies.** Files of logs have columns of what stands in bodies beside these: `body.<field>` for fields that many have as
//! JSON or logfmt, [`crate::logs::FORMAT_COLUMN`], [`crate::logs::LEVEL_COLUMN`] and [`crate::logs::BYTES_COLUMN`]. Rows in the buffer do not have them.

use std::sync::{Arc, LazyLock};

use arrow::datatypes::{DataType, Field, Fields, Schema, SchemaRef, TimeUnit};

/// A table of the store. `spans`, `logs` and `samples` hold what was sent; `series` and `exemplars` belong to `samples`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Table {
    Spans,
    Logs,
    Samples,
    Series,
    Exemplars,
}

impl Table {
    pub const ALL: [Table; 5] = [Table::Spans, Table::Logs, Table::Samples, Table::Series, Table::Exemplars];

    pub const fn name(self) -> &'static str {
        match self {
            Table::Spans => "spans",
            Table::Logs => "logs",
            Table::Samples => "samples",
            Table::Series => "series",
            Table::Exemplars => "exemplars",
        }
    }

    pub fn from_name(name: &str) -> Option<Table> {
        Table::ALL.into_iter().find(|table| table.name() == name)
    }

    /// The columns every file of the table may rely on; promoted attribute columns come after them.
    pub fn base_schema(self) -> SchemaRef {
        static SCHEMAS: LazyLock<[SchemaRef; 5]> =
            LazyLock::new(|| [spans(), logs(), samples(), series(), exemplars()]);
        SCHEMAS[self as usize].clone()
    }

    /// The column that retention and time pruning go by.
    pub const fn time_column(self) -> &'static str {
        match self {
            Table::Spans => "start_time_unix_nano",
            Table::Series => "first_time_unix_nano",
            Table::Logs | Table::Samples | Table::Exemplars => "time_unix_nano",
        }
    }

    /// The order of rows inside a file, most significant first.
    pub const fn sort_order(self) -> &'static [&'static str] {
        match self {
            Table::Spans => &["trace_id", "start_time_unix_nano"],
            Table::Logs => &["service_name", "stream_id", "time_unix_nano"],
            Table::Samples | Table::Exemplars => &["metric_name", "series_id", "time_unix_nano"],
            Table::Series => &["metric_name", "series_id", "day"],
        }
    }
}

pub const TIMESTAMP: DataType = DataType::Timestamp(TimeUnit::Nanosecond, None);
pub const TRACE_ID: DataType = DataType::FixedSizeBinary(16);
pub const SPAN_ID: DataType = DataType::FixedSizeBinary(8);

fn required(name: &str, data_type: DataType) -> Field {
    Field::new(name, data_type, false)
}

fn optional(name: &str, data_type: DataType) -> Field {
    Field::new(name, data_type, true)
}

fn list(name: &str, item: DataType) -> Field {
    optional(name, DataType::List(Arc::new(optional("element", item))))
}

fn schema(groups: impl IntoIterator<Item = Vec<Field>>) -> SchemaRef {
    Arc::new(Schema::new(groups.into_iter().flatten().collect::<Vec<_>>()))
}

/// Who sent it: the columns of the OTLP Resource and InstrumentationScope around every span and log record.
fn origin() -> Vec<Field> {
    vec![
        // The resource attribute `service.name`, promoted under a shorter name because every query asks for it.
        optional("service_name", DataType::Utf8View),
        optional("resource_attributes", DataType::Utf8View),
        required("resource_dropped_attributes_count", DataType::UInt32),
        optional("resource_schema_url", DataType::Utf8View),
        optional("scope_name", DataType::Utf8View),
        optional("scope_version", DataType::Utf8View),
        optional("scope_attributes", DataType::Utf8View),
        required("scope_dropped_attributes_count", DataType::UInt32),
        optional("scope_schema_url", DataType::Utf8View),
        // `Resource.entity_refs` in the JSON of `crate::entities`; nearly always NULL, which costs about 100 bytes a row group.
        optional("resource_entity_refs", DataType::Utf8View),
    ]
}

/// One row a span. Empty strings of OTLP's optional text fields (`trace_state`, `status_message`, …) are NULL.
fn spans() -> SchemaRef {
    let own = vec![
        required("tenant", DataType::Utf8View),
        required("trace_id", TRACE_ID),
        required("span_id", SPAN_ID),
        optional("parent_span_id", SPAN_ID),
        required("start_time_unix_nano", TIMESTAMP),
        // End minus start; negative where a client's clock ran backwards.
        required("duration_nano", DataType::Int64),
        required("name", DataType::Utf8View),
        // OTLP's enum numbers: kind 0 unspecified … 5 consumer; status 0 unset, 1 ok, 2 error.
        required("kind", DataType::Int32),
        required("status_code", DataType::Int32),
        optional("status_message", DataType::Utf8View),
        optional("trace_state", DataType::Utf8View),
        required("flags", DataType::UInt32),
        optional("span_attributes", DataType::Utf8View),
        required("dropped_attributes_count", DataType::UInt32),
        list("events", DataType::Struct(span_event_fields())),
        required("dropped_events_count", DataType::UInt32),
        list("links", DataType::Struct(span_link_fields())),
        required("dropped_links_count", DataType::UInt32),
    ];
    schema([own, origin()])
}

pub fn span_event_fields() -> Fields {
    Fields::from(vec![
        required("time_unix_nano", TIMESTAMP),
        required("name", DataType::Utf8View),
        optional("attributes", DataType::Utf8View),
        required("dropped_attributes_count", DataType::UInt32),
    ])
}

pub fn span_link_fields() -> Fields {
    Fields::from(vec![
        required("trace_id", TRACE_ID),
        required("span_id", SPAN_ID),
        optional("trace_state", DataType::Utf8View),
        required("flags", DataType::UInt32),
        optional("attributes", DataType::Utf8View),
        required("dropped_attributes_count", DataType::UInt32),
    ])
}

/// One row a log record.
fn logs() -> SchemaRef {
    let own = vec![
        required("tenant", DataType::Utf8View),
        // A hash of the resource (attributes included) and the scope's name: rows of one stream lie together.
        required("stream_id", DataType::UInt64),
        // When it happened. A record without a time has its observed time here (and `time_is_observed`).
        required("time_unix_nano", TIMESTAMP),
        required("time_is_observed", DataType::Boolean),
        required("observed_time_unix_nano", TIMESTAMP),
        required("severity_number", DataType::Int32),
        optional("severity_text", DataType::Utf8View),
        // A string body as it is; any other type in the JSON encoding of `attributes`, and `body_is_json` is true.
        optional("body", DataType::Utf8View),
        required("body_is_json", DataType::Boolean),
        optional("trace_id", TRACE_ID),
        optional("span_id", SPAN_ID),
        required("flags", DataType::UInt32),
        optional("event_name", DataType::Utf8View),
        optional("log_attributes", DataType::Utf8View),
        required("dropped_attributes_count", DataType::UInt32),
    ];
    schema([own, origin()])
}

/// A number as a point or an exemplar carries it. Whole numbers within ±2^53 go to `value_int` whatever their OTLP type
/// (delta-packed integers are the smallest encoding), others to `value_double`; `value_is_int` says which of OTLP's
/// `as_int` and `as_double` it was. -0.0 is not whole. The number of a row is `coalesce(value_int, value_double)`;
/// both are NULL for histograms, summaries and points without a value.
fn number() -> Vec<Field> {
    vec![
        optional("value_int", DataType::Int64),
        optional("value_double", DataType::Float64),
        required("value_is_int", DataType::Boolean),
    ]
}

/// One row a data point of any metric type.
fn samples() -> SchemaRef {
    let key = vec![
        required("tenant", DataType::Utf8View),
        required("metric_name", DataType::Utf8View),
        required("series_id", DataType::UInt64),
        required("time_unix_nano", TIMESTAMP),
        // NULL where OTLP says 0.
        optional("start_time_unix_nano", TIMESTAMP),
        required("flags", DataType::UInt32),
    ];
    let distribution = vec![
        // Histogram, exponential histogram and summary.
        optional("count", DataType::UInt64),
        optional("sum", DataType::Float64),
        optional("min", DataType::Float64),
        optional("max", DataType::Float64),
        // Histogram.
        list("explicit_bounds", DataType::Float64),
        list("bucket_counts", DataType::UInt64),
        // Exponential histogram.
        optional("scale", DataType::Int32),
        optional("zero_count", DataType::UInt64),
        optional("zero_threshold", DataType::Float64),
        optional("positive_offset", DataType::Int32),
        list("positive_bucket_counts", DataType::UInt64),
        optional("negative_offset", DataType::Int32),
        list("negative_bucket_counts", DataType::UInt64),
        // Summary.
        list("quantiles", DataType::Float64),
        list("quantile_values", DataType::Float64),
    ];
    // Prometheus' native histograms, see `crate::native`.
    let native = vec![
        // 1 reset, 2 not reset, 3 gauge; NULL: unknown.
        optional("counter_reset_hint", DataType::Int32),
        // The exact counts, where those of the other columns are rounded: `count`, `zero_count` (exponential histograms
        // only), positive and negative buckets.
        list("float_counts", DataType::Float64),
    ];
    schema([key, number(), distribution, native])
}

/// One row per series and day (UTC) on which it had a sample; the same row may come again after a restart.
fn series() -> SchemaRef {
    let key = vec![
        required("tenant", DataType::Utf8View),
        required("metric_name", DataType::Utf8View),
        // 64-bit hash of resource attributes, scope, metric name, unit, type, temporality, monotonicity, attributes; its first
        // bits are of the target's, see `crate::series_id`.
        required("series_id", DataType::UInt64),
        required("day", DataType::Date32),
        // The first sample seen on that day.
        required("first_time_unix_nano", TIMESTAMP),
        // gauge, sum, histogram, exponential_histogram or summary.
        required("metric_type", DataType::Utf8View),
        optional("unit", DataType::Utf8View),
        optional("description", DataType::Utf8View),
        // OTLP's AggregationTemporality: 0 unspecified, 1 delta, 2 cumulative.
        required("temporality", DataType::Int32),
        required("is_monotonic", DataType::Boolean),
        // All attributes of each scope; nothing is promoted here.
        optional("metric_metadata", DataType::Utf8View),
        optional("attributes", DataType::Utf8View),
    ];
    schema([key, origin()])
}

/// One row an exemplar, tied to its point by series and `point_time_unix_nano`.
fn exemplars() -> SchemaRef {
    let key = vec![
        required("tenant", DataType::Utf8View),
        required("metric_name", DataType::Utf8View),
        required("series_id", DataType::UInt64),
        required("time_unix_nano", TIMESTAMP),
        required("point_time_unix_nano", TIMESTAMP),
        optional("trace_id", TRACE_ID),
        optional("span_id", SPAN_ID),
        optional("filtered_attributes", DataType::Utf8View),
    ];
    schema([key, number()])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_table_has_its_time_and_sort_columns() {
        for table in Table::ALL {
            let schema = table.base_schema();
            assert_eq!(schema.field(0).name(), "tenant");
            assert!(schema.field_with_name(table.time_column()).is_ok(), "{}", table.name());
            for column in table.sort_order() {
                assert!(schema.field_with_name(column).is_ok(), "{}.{column}", table.name());
            }
            assert_eq!(Table::from_name(table.name()), Some(table));
        }
    }
}
