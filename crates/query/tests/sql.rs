//! SQL over a real store: what a screen asks runs, and reads no more files than it must.

#![allow(clippy::unwrap_used)]

use std::time::Duration;

use arrow::util::pretty::pretty_format_batches;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value::Value};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, Status};
use prost::Message;
use trefoil_model::{Signal, Tenant};
use trefoil_query::{Engine, Limits, QueryError};
use trefoil_storage::{Storage, StorageConfig};

const HOUR: i64 = 3_600_000_000_000;
/// Files of an hour each.
const FILES: i64 = 5;
const SPANS: u64 = 40;

struct Bench {
    engine: Engine,
    storage: Storage,
    /// When the first file begins: a full hour.
    start: i64,
    _directory: tempfile::TempDir,
}

impl Bench {
    /// [`FILES`] files with spans of one hour after the other, the last one begun an hour ago.
    async fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let mut config = StorageConfig::in_directory(directory.path());
        config.compaction.interval = Duration::ZERO;
        config.garbage.interval = Duration::ZERO;
        let storage = Storage::open(config).await.unwrap();
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_nanos() as i64;
        let start = now / HOUR * HOUR - FILES * HOUR;
        for hour in 0..FILES {
            let body = request(start, hour).encode_to_vec().into();
            storage.append(&Tenant::default(), Signal::Traces, body).await.unwrap();
            storage.flush().await.unwrap();
        }
        Self { engine: Engine::new(storage.clone(), 64 << 20).unwrap(), storage, start, _directory: directory }
    }

    async fn sql(&self, query: &str) -> Result<String, QueryError> {
        let limits = Limits { max_rows: 10_000, timeout: Duration::from_secs(60), ..Limits::default() };
        let rows = self.engine.sql(&Tenant::default(), query, limits).await?.collect().await?;
        Ok(pretty_format_batches(&rows).unwrap().to_string())
    }

    /// The files that a query on spans has to open.
    async fn files(&self, condition: &str) -> usize {
        let plan = self.sql(&format!("EXPLAIN SELECT name FROM spans WHERE {condition}")).await.unwrap();
        plan.matches(".parquet").count()
    }

    /// The beginning of a file's hour in UTC, as `2026-01-31T10:00:00`.
    fn iso(&self, hour: i64) -> String {
        let time = std::time::UNIX_EPOCH + Duration::from_nanos((self.start + hour * HOUR) as u64);
        chrono::DateTime::<chrono::Utc>::from(time).format("%Y-%m-%dT%H:%M:%S").to_string()
    }
}

/// Spread over the whole range in every file, so that only bloom filters can tell files apart.
fn trace_id(hour: i64, number: u64) -> [u8; 16] {
    let spread = u128::from(number) << 120 | u128::from(number) << 8 | (hour as u128 + 1);
    spread.wrapping_mul(0x0101_0101_0101_0101_0101_0101_0101_0101).to_be_bytes()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn attribute(key: &str, value: Value) -> KeyValue {
    KeyValue { key: key.into(), value: Some(AnyValue { value: Some(value) }), ..KeyValue::default() }
}

fn request(start: i64, hour: i64) -> ExportTraceServiceRequest {
    let span = |number: u64| {
        let time = (start + hour * HOUR) as u64 + number * 250_000_000;
        Span {
            trace_id: trace_id(hour, number).to_vec(),
            span_id: (number + 1).to_be_bytes().to_vec(),
            name: format!("GET /items/{number}"),
            start_time_unix_nano: time,
            end_time_unix_nano: time + 1_000_000 * (number + 1),
            attributes: vec![
                attribute("http.route", Value::StringValue("/items/{id}".into())),
                attribute("attempt", Value::IntValue(number as i64)),
            ],
            status: number.is_multiple_of(4).then(|| Status { code: 2, message: "Out of stock".into() }),
            ..Span::default()
        }
    };
    let resource = Some(Resource {
        attributes: vec![attribute("service.name", Value::StringValue("catalog".into()))],
        ..Resource::default()
    });
    let scope_spans = ScopeSpans { spans: (0..SPANS).map(span).collect(), ..ScopeSpans::default() };
    ExportTraceServiceRequest {
        resource_spans: vec![ResourceSpans { resource, scope_spans: vec![scope_spans], ..ResourceSpans::default() }],
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn conditions_on_times_spare_files() {
    let bench = Bench::new().await;
    assert_eq!(bench.files("true").await, FILES as usize);
    let (iso, nanos) = (bench.iso(3), bench.start + 3 * HOUR);
    let (end, end_nanos) = (bench.iso(5), bench.start + 5 * HOUR);
    for condition in [
        format!("start_time_unix_nano >= '{iso}'"),
        format!("start_time_unix_nano >= '{iso}Z'"),
        format!("'{iso}' <= start_time_unix_nano"),
        format!("start_time_unix_nano >= TIMESTAMP '{iso}'"),
        format!("start_time_unix_nano >= to_timestamp('{iso}')"),
        format!("start_time_unix_nano >= to_timestamp_nanos({nanos})"),
        format!("start_time_unix_nano >= to_timestamp_millis({})", nanos / 1_000_000),
        format!("start_time_unix_nano >= arrow_cast({nanos}, 'Timestamp(Nanosecond, None)')"),
        format!("start_time_unix_nano >= '{iso}' AND start_time_unix_nano < '{end}'"),
        format!("start_time_unix_nano BETWEEN to_timestamp_nanos({nanos}) AND to_timestamp_nanos({end_nanos})"),
        format!("start_time_unix_nano >= '{iso}' AND status_code = 2 AND name ILIKE '%ITEMS%'"),
        format!("arrow_cast(start_time_unix_nano, 'Int64') >= {nanos}"),
    ] {
        assert_eq!(bench.files(&condition).await, 2, "{condition}");
    }
    for condition in [
        "start_time_unix_nano >= now() - INTERVAL '190 minutes'",
        "start_time_unix_nano >= to_timestamp_nanos(now()) - INTERVAL '190 minutes'",
    ] {
        let files = bench.files(condition).await;
        assert!((2..=3).contains(&files), "{files} files: {condition}");
    }
    bench.storage.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn conditions_on_trace_ids_spare_files() {
    let bench = Bench::new().await;
    let [a, b] = [hex(&trace_id(1, 7)), hex(&trace_id(3, 9))];
    for (condition, files, rows) in [
        (format!("trace_id = '{a}'"), 1, 1),
        (format!("'{}' = trace_id", a.to_uppercase()), 1, 1),
        (format!("trace_id = '{a}' AND duration_nano > 0"), 1, 1),
        (format!("trace_id = '{a}' OR trace_id = '{b}'"), 2, 2),
        (format!("trace_id IN ('{a}', '{b}')"), 2, 2),
        (format!("trace_id = '{a}' AND span_id IN ('{}', '{}')", hex(&8u64.to_be_bytes()), "0".repeat(16)), 1, 1),
        (format!("trace_id = '{}'", "f".repeat(32)), 0, 0),
    ] {
        assert_eq!(bench.files(&condition).await, files, "{condition}");
        let count = bench.sql(&format!("SELECT count(*) AS n FROM spans WHERE {condition}")).await.unwrap();
        assert!(count.contains(&format!("| {rows} ")), "{condition}:\n{count}");
    }
    let refused = bench.sql("SELECT name FROM spans WHERE trace_id IN ('xyz')").await;
    assert!(matches!(&refused, Err(QueryError::Invalid(reason)) if reason.contains("32 hexadecimal")), "{refused:?}");
    let negated = format!("SELECT count(*) AS n FROM spans WHERE trace_id NOT IN ('{a}', '{b}')");
    assert!(bench.sql(&negated).await.unwrap().contains(&format!("| {} ", FILES * SPANS as i64 - 2)));
    bench.storage.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_screens_ask_runs() {
    let bench = Bench::new().await;
    for query in [
        "SELECT date_bin(INTERVAL '10 seconds', start_time_unix_nano) AS t, count(*) FROM spans GROUP BY t ORDER BY t",
        "SELECT date_bin(INTERVAL '250 milliseconds', start_time_unix_nano, TIMESTAMP '1970-01-01') AS t, count(*) \
         FROM spans GROUP BY t",
        "SELECT approx_percentile_cont(0.95) WITHIN GROUP (ORDER BY duration_nano) FROM spans",
        "SELECT service_name, count(*) FILTER (WHERE status_code = 2) AS errors FROM spans GROUP BY service_name",
        "SELECT arrow_cast(start_time_unix_nano, 'Int64') FROM spans LIMIT 1",
        "SELECT CAST(arrow_cast(start_time_unix_nano, 'Int64') AS VARCHAR) FROM spans LIMIT 1",
        "SELECT name, row_number() OVER (PARTITION BY name ORDER BY duration_nano DESC) AS n FROM spans",
        "SELECT name, min(start_time_unix_nano) OVER () AS first FROM spans",
        "WITH slow AS (SELECT trace_id, max(duration_nano) AS longest FROM spans GROUP BY trace_id ORDER BY 2 DESC LIMIT 5) \
         SELECT s.name, slow.longest FROM spans s JOIN slow ON s.trace_id = slow.trace_id",
        "SELECT attribute(span_attributes, 'http.route'), attribute_number(span_attributes, 'attempt') FROM spans",
        "SELECT name FROM spans WHERE attribute(resource_attributes, 'service.name') = 'catalog'",
        "SELECT name FROM spans WHERE regexp_like(name, '^GET /items/[0-9]+$')",
        "SELECT name FROM spans WHERE name ILIKE '%Items/1%' AND strpos(name, 'items') > 0",
        "SELECT encode(trace_id, 'hex') AS id FROM spans WHERE parent_span_id IS NULL",
        "SELECT array_length(events) FROM spans",
        "SELECT name, sum(duration_nano) / 1e6 AS ms FROM spans GROUP BY ALL HAVING count(*) > 1 ORDER BY ms DESC NULLS LAST",
        "SELECT CASE WHEN status_code = 2 THEN 'error' ELSE 'ok' END AS status, count(DISTINCT trace_id) FROM spans GROUP BY 1",
        "SELECT * FROM spans ORDER BY start_time_unix_nano DESC, span_id LIMIT 20",
        "SELECT ntile(4) OVER (ORDER BY duration_nano), lag(name) OVER (ORDER BY start_time_unix_nano) FROM spans",
        "SELECT approx_distinct(trace_id), median(duration_nano), stddev(duration_nano) FROM spans",
        "SELECT name FROM spans WHERE trace_id IN (SELECT trace_id FROM spans WHERE status_code = 2)",
        "SELECT s.name FROM spans s WHERE EXISTS (SELECT 1 FROM spans p WHERE p.span_id = s.parent_span_id)",
        "SELECT width_bucket FROM (SELECT floor(log10(duration_nano)) AS width_bucket FROM spans)",
    ] {
        bench.sql(query).await.unwrap_or_else(|error| panic!("{query}: {error}"));
    }
    bench.storage.close().await.unwrap();
}
