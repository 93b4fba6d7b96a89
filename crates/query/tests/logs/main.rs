//! Deletion, patterns, forms and lengths of logs on a real store.

#![allow(clippy::unwrap_used)]

mod deletion;
mod forms;
mod lengths;
mod patterns;

use std::path::Path;
use std::time::Duration;

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue, any_value::Value};
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use opentelemetry_proto::tonic::resource::v1::Resource;
use prost::Message;
use trefoil_logql::parse_log;
use trefoil_model::logs::PUSH_SCOPE;
use trefoil_model::{Signal, Tenant};
use trefoil_query::logs::{Direction, LinesRequest};
use trefoil_query::{Engine, Limits};
use trefoil_storage::{Storage, StorageConfig};

/// Of a store that does nothing by itself.
fn config(directory: &Path) -> StorageConfig {
    let mut config = StorageConfig::in_directory(directory);
    config.buffer.flush_interval = Duration::from_secs(3600);
    config.compaction.interval = Duration::ZERO;
    config.compaction.min_files = 2;
    config.garbage.interval = Duration::ZERO;
    config.garbage.grace = Duration::from_secs(1);
    config.garbage.orphan_age = Duration::ZERO;
    config.retention.block_retention = Duration::ZERO;
    config
}

async fn open(directory: &Path) -> (Storage, Engine) {
    let storage = Storage::open(config(directory)).await.unwrap();
    let engine = Engine::new(storage.clone(), 256 << 20).unwrap();
    (storage, engine)
}

fn text(text: &str) -> Option<AnyValue> {
    Some(AnyValue { value: Some(Value::StringValue(text.to_owned())) })
}

/// Lines of a stream `{app="…"}`, as Loki's push brings them. Times in nanoseconds.
async fn push(storage: &Storage, tenant: &Tenant, app: &str, lines: &[(i64, &str)]) {
    push_bodies(storage, tenant, app, lines.iter().map(|(time, line)| (*time, text(line))).collect()).await;
}

/// The same with bodies of any kind.
async fn push_bodies(storage: &Storage, tenant: &Tenant, app: &str, bodies: Vec<(i64, Option<AnyValue>)>) {
    let count = bodies.len() as u64;
    let record = |(time, body): (i64, Option<AnyValue>)| LogRecord {
        time_unix_nano: u64::try_from(time).unwrap(),
        body,
        ..LogRecord::default()
    };
    let scope = InstrumentationScope { name: PUSH_SCOPE.to_owned(), ..InstrumentationScope::default() };
    let records = bodies.into_iter().map(record).collect();
    let scope_logs = vec![ScopeLogs { scope: Some(scope), log_records: records, ..ScopeLogs::default() }];
    let attributes = vec![KeyValue { key: "app".to_owned(), value: text(app), ..KeyValue::default() }];
    let resource = Some(Resource { attributes, ..Resource::default() });
    let request = ExportLogsServiceRequest {
        resource_logs: vec![ResourceLogs { resource, scope_logs, ..ResourceLogs::default() }],
    };
    let appended = storage.append(tenant, Signal::Logs, request.encode_to_vec().into()).await.unwrap();
    assert_eq!((appended.accepted, appended.rejected), (count, 0));
}

/// `app:line` of all lines, by time.
async fn lines(engine: &Engine, tenant: &Tenant) -> Vec<String> {
    let query = parse_log(r#"{app=~".+"}"#).unwrap();
    let period = (i64::MIN, i64::MAX);
    let request = LinesRequest { query, period, limit: 100_000, direction: Direction::Forward, now: 0 };
    let found = engine.log_lines(tenant, &request, Limits::default()).await.unwrap().lines;
    found.into_iter().map(|found| format!("{}:{}", found.stream.value("app").unwrap(), found.line)).collect()
}
