//! Logs of a trace, and of a span: found by columns of ids, wherever the ids came from, and without a look at other row groups.

#![allow(clippy::unwrap_used)]

use std::time::Duration;

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue, any_value::Value};
use opentelemetry_proto::tonic::logs::v1::{LogRecord, LogsData, ResourceLogs, ScopeLogs};
use opentelemetry_proto::tonic::resource::v1::Resource;
use prost::Message;
use trefoil_logql::metrics::{Answer, Grid};
use trefoil_logql::{parse_log, parse_metric};
use trefoil_model::logs::PUSH_SCOPE;
use trefoil_model::{Signal, Tenant};
use trefoil_query::logs::{Direction, FoundLines, LinesRequest, SeriesRequest};
use trefoil_query::{Engine, Limits};
use trefoil_storage::{Storage, StorageConfig};

/// Row groups: one for each file that is flushed.
const FILES: u64 = 8;
/// Lines of each; every one of its own trace.
const LINES: u64 = 20;

fn text(text: &str) -> Option<AnyValue> {
    Some(AnyValue { value: Some(Value::StringValue(text.to_owned())) })
}

fn attribute(key: &str, value: &str) -> KeyValue {
    KeyValue { key: key.to_owned(), value: text(value), ..KeyValue::default() }
}

fn trace(number: u64) -> String {
    format!("{:032x}", u128::from(number + 1) * 0x0123_4567_89ab_cdef_0011_2233)
}

fn span(number: u64) -> String {
    format!("{:016x}", (number + 1) * 0x0123_4567_89ab)
}

fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}

/// Where the ids of lines stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Record,
    Attributes,
    Json,
    Pattern,
    StreamLabel,
}

const PLACES: [Place; 5] = [Place::Record, Place::Attributes, Place::Json, Place::Pattern, Place::StreamLabel];

/// The stream of a place, and one line of it.
fn logs(place: Place, number: u64) -> ResourceLogs {
    let (trace, span) = (trace(number), span(number));
    let mut record = LogRecord { time_unix_nano: 1_000 + number, body: text("plain"), ..LogRecord::default() };
    let mut labels = vec![attribute("app", &format!("{place:?}").to_lowercase())];
    match place {
        Place::Record => (record.trace_id, record.span_id) = (bytes(&trace), bytes(&span)),
        Place::Attributes => record.attributes = vec![attribute("traceId", &trace), attribute("span.id", &span)],
        Place::Json => record.body = text(&format!(r#"{{"n":{number},"trace_id":"{trace}","spanId":"{span}"}}"#)),
        Place::Pattern => record.body = text(&format!("[12:00:01 INF] |{trace}| <{span}> went well")),
        Place::StreamLabel => labels.extend([attribute("trace_id", &trace), attribute("span_id", &span)]),
    }
    let scope = InstrumentationScope { name: PUSH_SCOPE.to_owned(), ..InstrumentationScope::default() };
    ResourceLogs {
        resource: Some(Resource { attributes: labels, ..Resource::default() }),
        scope_logs: vec![ScopeLogs { scope: Some(scope), log_records: vec![record], ..ScopeLogs::default() }],
        ..ResourceLogs::default()
    }
}

struct Store {
    engine: Engine,
    storage: Storage,
    _directory: tempfile::TempDir,
}

impl Store {
    async fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let mut config = StorageConfig::in_directory(directory.path());
        config.buffer.flush_interval = Duration::from_secs(3600);
        config.compaction.interval = Duration::ZERO;
        config.garbage.interval = Duration::ZERO;
        // The lines are from 1970.
        config.retention.block_retention = Duration::ZERO;
        config.trace_ids.trace_patterns = vec![r"\|(\w+)\|".to_owned()];
        config.trace_ids.span_patterns = vec![r"<(\w+)>".to_owned()];
        let storage = Storage::open(config).await.unwrap();
        let engine = Engine::new(storage.clone(), 64 << 20).unwrap();
        Self { engine, storage, _directory: directory }
    }

    /// All places have lines in each file, and some that lie in the buffer.
    async fn filled() -> Self {
        let store = Self::new().await;
        for file in 0..=FILES {
            let numbers = file * LINES..(file + 1) * LINES;
            let resource_logs = numbers.flat_map(|number| PLACES.map(|place| logs(place, number))).collect();
            let body = ExportLogsServiceRequest { resource_logs }.encode_to_vec();
            store.storage.append(&Tenant::default(), Signal::Logs, body.into()).await.unwrap();
            if file < FILES {
                store.storage.flush().await.unwrap();
            }
        }
        store
    }

    async fn lines(&self, query: &str) -> FoundLines {
        let query = parse_log(query).unwrap();
        let period = (i64::MIN, i64::MAX);
        let request = LinesRequest { query, period, limit: 1000, direction: Direction::Forward, now: 0 };
        self.engine.log_lines(&Tenant::default(), &request, Limits::default()).await.unwrap()
    }

    async fn of_trace(&self, number: u64, of_span: Option<u64>, limit: usize) -> LogsData {
        let id = bytes(&trace(number)).try_into().unwrap();
        let span_id = of_span.map(|number| bytes(&span(number)).try_into().unwrap());
        self.engine.trace_logs(&Tenant::default(), id, span_id, limit, Limits::default()).await.unwrap()
    }
}

fn times(found: &FoundLines) -> Vec<i64> {
    found.lines.iter().map(|line| line.time).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trace_or_a_span_is_one_look_up() {
    let store = Store::filled().await;
    for place in PLACES {
        let app = format!("{place:?}").to_lowercase();
        // In a file, and in the buffer.
        for number in [3 * LINES + 7, FILES * LINES + 3] {
            let time = i64::try_from(1_000 + number).unwrap();
            for filter in [
                format!(r#"trace_id="{}""#, trace(number)),
                format!(r#"span_id="{}""#, span(number)),
                format!(r#"trace_id="{}" | span_id="{}""#, trace(number), span(number)),
                format!(r#"trace_id="{}" and span_id="{}""#, trace(number), span(number)),
            ] {
                let found = store.lines(&format!(r#"{{app="{app}"}} | {filter}"#)).await;
                assert_eq!(times(&found), [time], "{place:?} {filter}");
                assert_eq!(found.spent.lines, 1, "{place:?} {filter}");
                // One row group at most, what lies in the buffer, and perhaps one for which a bloom filter errs.
                assert!(
                    found.spent.sources <= 3,
                    "{place:?} {filter}: {} of {} were read",
                    found.spent.sources,
                    FILES + 1
                );
            }
        }
        let every = store.lines(&format!(r#"{{app="{app}"}} | trace_id!="""#)).await;
        let lines = usize::try_from(LINES * (FILES + 1)).unwrap();
        assert_eq!((every.lines.len(), every.spent.sources), (lines, FILES + 1), "{place:?}");
        let none = store.lines(&format!(r#"{{app="{app}"}} | trace_id="{}""#, trace(1_000_000))).await;
        assert_eq!((none.lines.len(), none.spent.lines), (0, 0), "{place:?}");
        let other = store.lines(&format!(r#"{{app="{app}"}} | trace_id="{}" | span_id="{}""#, trace(1), span(2))).await;
        assert_eq!(other.lines.len(), 0, "{place:?}: the span of another trace");
        let either =
            store.lines(&format!(r#"{{app="{app}"}} | trace_id="{}" or span_id="{}""#, trace(1), span(2))).await;
        assert_eq!(times(&either), [1001, 1002], "{place:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn series_of_a_trace_are_one_look_up() {
    let store = Store::filled().await;
    let query = format!(r#"sum(count_over_time({{app=~".+"}} | trace_id="{}" [1m]))"#, trace(5 * LINES));
    let metric = parse_metric(&query).unwrap();
    let at = 60_000_000_000;
    let request = SeriesRequest { metric, grid: Grid::instant(at), is_instant: true, max_series: 20, now: 0 };
    let answer = store.engine.log_series(&Tenant::default(), &request, Limits::default()).await.unwrap();
    let (Answer::Vector { samples, .. }, spent) = answer else { panic!("a vector") };
    assert_eq!(samples.len(), 1);
    assert_eq!((spent.passed, spent.lines), (PLACES.len() as u64, PLACES.len() as u64));
    assert!(spent.sources <= 3, "{} of {} were read", spent.sources, FILES + 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_pushed_is_shown_as_it_came() {
    let store = Store::filled().await;
    let shown = |found: FoundLines| found.lines.into_iter().map(|line| line.metadata).next().unwrap();
    let label = |metadata: &[(String, String)], name: &str| {
        metadata.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone())
    };
    let plain = shown(store.lines(r#"{app="json"} |= "trace_id""#).await);
    assert_eq!(label(&plain, "trace_id"), None);
    let asked = shown(store.lines(&format!(r#"{{app="json"}} | trace_id="{}""#, trace(4))).await);
    assert_eq!((label(&asked, "trace_id"), label(&asked, "span_id")), (Some(trace(4)), None));
    let parsed = store.lines(&format!(r#"{{app="json"}} | json | trace_id="{}""#, trace(4))).await;
    assert_eq!(times(&parsed), [1004], "a stage's own label of the name");
    assert!(parsed.lines[0].parsed.contains(&("trace_id".to_owned(), trace(4))));
}

#[tokio::test(flavor = "multi_thread")]
async fn records_of_a_trace_come_by_time() {
    let store = Store::filled().await;
    let count = |logs: &LogsData| {
        logs.resource_logs
            .iter()
            .flat_map(|group| &group.scope_logs)
            .map(|scope| scope.log_records.len())
            .sum::<usize>()
    };
    for number in [2 * LINES, FILES * LINES] {
        let found = store.of_trace(number, None, 100).await;
        assert_eq!(count(&found), PLACES.len());
        let records =
            found.resource_logs.iter().flat_map(|group| &group.scope_logs).flat_map(|scope| &scope.log_records);
        for record in records {
            assert_eq!((record.trace_id.clone(), record.time_unix_nano), (bytes(&trace(number)), 1_000 + number));
        }
        assert_eq!(count(&store.of_trace(number, Some(number), 100).await), PLACES.len());
        assert_eq!(count(&store.of_trace(number, Some(number + 1), 100).await), 0);
        assert_eq!(count(&store.of_trace(number, None, 2).await), 2);
    }
    assert_eq!(count(&store.of_trace(1_000_000, None, 100).await), 0);
}
