//! The cases of LogQL against the store: lines in the buffer, in files as they were flushed, and in files that were merged.

#![allow(clippy::unwrap_used)]

#[path = "../../logql/tests/cases/mod.rs"]
mod cases;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use cases::{Answers, Ask, Line, Pairs, run_folder};
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue, any_value::Value};
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use opentelemetry_proto::tonic::resource::v1::Resource;
use prost::Message;
use tempfile::TempDir;
use tokio::runtime::Runtime;
use trefoil_logql::metrics::{Answer, Grid};
use trefoil_logql::{parse_log, parse_metric};
use trefoil_model::logs::{PUSH_SCOPE, attribute_of_label};
use trefoil_model::{Signal, Tenant};
use trefoil_query::logs::{Direction, FoundLine, LinesRequest, LogView, SeriesRequest};
use trefoil_query::{Engine, Limits};
use trefoil_storage::{Storage, StorageConfig};

/// Where lines lie when they are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Buffer,
    Files,
    MergedFiles,
}

struct Store {
    place: Place,
    /// Lines that were not read, since columns said enough of them.
    by_fields: Arc<AtomicU64>,
    runtime: Runtime,
    engine: Engine,
    storage: Storage,
    tenant: Tenant,
    _directory: TempDir,
}

impl Store {
    fn new(place: Place, by_fields: Arc<AtomicU64>) -> Store {
        let directory = tempfile::tempdir().unwrap();
        let mut config = StorageConfig::in_directory(directory.path());
        config.buffer.flush_interval = Duration::from_secs(3600);
        config.compaction.interval = Duration::ZERO;
        config.compaction.min_files = 2;
        config.garbage.interval = Duration::ZERO;
        // Every field becomes a column at once.
        config.fields.learn_lines = 1;
        // The cases' lines are from 1970.
        config.retention.block_retention = Duration::ZERO;
        let runtime = Runtime::new().unwrap();
        let storage = runtime.block_on(Storage::open(config)).unwrap();
        let view = LogView { discover_log_levels: false, ..LogView::default() };
        let engine = Engine::new(storage.clone(), 64 << 20).unwrap().with_log_view(view);
        Store { place, by_fields, runtime, engine, storage, tenant: Tenant::default(), _directory: directory }
    }
}

impl Answers for Store {
    fn load(&mut self, lines: &[Line]) {
        self.runtime.block_on(async {
            // Merging needs several files.
            for lines in lines.chunks(lines.len().div_ceil(3).max(1)) {
                let appended = self.storage.append(&self.tenant, Signal::Logs, request(lines).into()).await.unwrap();
                assert_eq!((appended.accepted, appended.rejected), (lines.len() as u64, 0));
                if self.place != Place::Buffer {
                    self.storage.flush().await.unwrap();
                }
            }
            if self.place == Place::MergedFiles {
                self.storage.compact().await.unwrap();
            }
        });
    }

    fn lines(&mut self, query: &str) -> Result<Vec<Line>, String> {
        let query = parse_log(query).map_err(|error| error.to_string())?;
        let period = (i64::MIN, i64::MAX);
        let request = LinesRequest { query, period, limit: 1000, direction: Direction::Forward, now: 0 };
        let answer = self.engine.log_lines(&self.tenant, &request, Limits::default());
        let found = self.runtime.block_on(answer).map_err(|error| error.to_string())?;
        self.by_fields.fetch_add(found.spent.by_fields, Relaxed);
        let forward = found.lines;
        let request = LinesRequest { direction: Direction::Backward, ..request };
        let answer = self.engine.log_lines(&self.tenant, &request, Limits::default());
        let mut backward = self.runtime.block_on(answer).map_err(|error| error.to_string())?.lines;
        backward.reverse();
        assert_eq!(forward, backward);
        Ok(forward.into_iter().map(line).collect())
    }

    fn series(&mut self, query: &str, ask: Ask, grid: Grid) -> Result<Answer, String> {
        let metric = parse_metric(query).map_err(|error| error.to_string())?;
        let request = SeriesRequest { metric, grid, is_instant: ask == Ask::Instant, max_series: 20, now: 0 };
        let limits = Limits { max_series: 1_000, max_samples: 1_300_000, ..Limits::default() };
        let answer = self.engine.log_series(&self.tenant, &request, limits);
        let (answer, spent) = self.runtime.block_on(answer).map_err(|error| error.to_string())?;
        self.by_fields.fetch_add(spent.by_fields, Relaxed);
        Ok(answer)
    }
}

fn line(found: FoundLine) -> Line {
    let stream = found.stream.iter().map(|label| (label.name.to_string(), label.value.to_string()));
    Line {
        stream: stream.collect(),
        metadata: found.metadata,
        parsed: found.parsed,
        time: found.time,
        text: found.line,
    }
}

/// As Loki's push becomes OTLP.
fn request(lines: &[Line]) -> Vec<u8> {
    let resource_logs = lines.iter().map(|line| {
        let record = LogRecord {
            time_unix_nano: u64::try_from(line.time).unwrap(),
            body: text(&line.text),
            attributes: attributes(&line.metadata),
            ..LogRecord::default()
        };
        let labels = line.stream.iter().map(|(name, value)| (attribute_of_label(name).to_owned(), value.clone()));
        let scope = InstrumentationScope { name: PUSH_SCOPE.to_owned(), ..InstrumentationScope::default() };
        ResourceLogs {
            resource: Some(Resource { attributes: attributes(&labels.collect()), ..Resource::default() }),
            scope_logs: vec![ScopeLogs { scope: Some(scope), log_records: vec![record], ..ScopeLogs::default() }],
            ..ResourceLogs::default()
        }
    });
    ExportLogsServiceRequest { resource_logs: resource_logs.collect() }.encode_to_vec()
}

fn attributes(pairs: &Pairs) -> Vec<KeyValue> {
    let pair =
        |(key, value): &(String, String)| KeyValue { key: key.clone(), value: text(value), ..KeyValue::default() };
    pairs.iter().map(pair).collect()
}

fn text(text: &str) -> Option<AnyValue> {
    Some(AnyValue { value: Some(Value::StringValue(text.to_owned())) })
}

/// Of lines in files at least `by_fields` are not read.
fn check(folder: &str, least: usize, by_fields: u64) {
    for place in [Place::Buffer, Place::Files, Place::MergedFiles] {
        let known = Arc::new(AtomicU64::new(0));
        let (cases, wrong) = run_folder(folder, || Store::new(place, known.clone()));
        let few: Vec<&String> = wrong.iter().take(20).collect();
        assert!(wrong.is_empty(), "{place:?}: {} of {cases} cases are wrong:\n\n{few:#?}", wrong.len());
        assert!(cases >= least, "there are only {cases} cases");
        let known = known.load(Relaxed);
        assert!(known >= by_fields || place == Place::Buffer, "{place:?}: only {known} lines were not read");
    }
}

#[test]
fn lines_are_what_the_cases_say() {
    check("lines", 240, 10);
}

#[test]
fn series_are_what_the_cases_say() {
    check("metrics", 390, 100);
}
