//! Log entries that are sent again are stored once (docs/decisions/0040-entries-once.md).

#![allow(clippy::unwrap_used)]

mod store_support;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

use arrow::array::AsArray;
use arrow::datatypes::DataType;
use bytes::Bytes;
use datafusion::prelude::{SessionConfig, SessionContext};
use object_store::memory::InMemory;
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue, any_value::Value};
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use opentelemetry_proto::tonic::resource::v1::Resource;
use prost::Message;
use store_support::{BASE, Failing, copy_of, quiet};
use trefoil_model::logs::PUSH_SCOPE;
use trefoil_model::{Signal, Table, Tenant};
use trefoil_storage::config::Acknowledge;
use trefoil_storage::files::FileStore;
use trefoil_storage::log::LocalDisk;
use trefoil_storage::units::ByteSize;
use trefoil_storage::{Storage, StorageConfig};

fn text(text: &str) -> Option<AnyValue> {
    Some(AnyValue { value: Some(Value::StringValue(text.to_owned())) })
}

fn attribute(key: &str, value: &str) -> KeyValue {
    KeyValue { key: key.to_owned(), value: text(value), ..KeyValue::default() }
}

/// When (after `BASE`, nanoseconds), the line, and its structured metadata.
type Entry<'e> = (u64, &'e str, &'e str);

/// As a push becomes OTLP when it arrives at `received`.
fn push(app: &str, entries: &[Entry<'_>], received: u64) -> Bytes {
    let record = |(time, line, metadata): &Entry<'_>| LogRecord {
        time_unix_nano: BASE + time,
        observed_time_unix_nano: BASE + received,
        body: text(line),
        attributes: vec![attribute("pod", metadata)],
        ..LogRecord::default()
    };
    request(app, PUSH_SCOPE, entries.iter().map(record).collect())
}

fn request(app: &str, scope: &str, log_records: Vec<LogRecord>) -> Bytes {
    let scope = InstrumentationScope { name: scope.to_owned(), ..InstrumentationScope::default() };
    let logs = ResourceLogs {
        resource: Some(Resource { attributes: vec![attribute("app", app)], ..Resource::default() }),
        scope_logs: vec![ScopeLogs { scope: Some(scope), log_records, ..ScopeLogs::default() }],
        ..ResourceLogs::default()
    };
    ExportLogsServiceRequest { resource_logs: vec![logs] }.encode_to_vec().into()
}

async fn send(storage: &Storage, body: &Bytes, count: u64) {
    let appended = storage.append(&Tenant::default(), Signal::Logs, body.clone()).await.unwrap();
    assert_eq!((appended.accepted, appended.rejected), (count, 0), "what is there already is no mistake");
}

/// All lines, sorted.
async fn lines(storage: &Storage) -> Vec<String> {
    let snapshot = storage.snapshot(&Tenant::default()).await.unwrap();
    let context = SessionContext::new_with_config(SessionConfig::new().with_target_partitions(1));
    context.register_table("logs", snapshot.table(Table::Logs)).unwrap();
    let batches = context.sql("SELECT body FROM logs ORDER BY body").await.unwrap().collect().await.unwrap();
    let bodies = batches.iter().map(|batch| arrow::compute::cast(batch.column(0), &DataType::Utf8).unwrap());
    bodies
        .flat_map(|bodies| bodies.as_string::<i32>().iter().flatten().map(str::to_owned).collect::<Vec<_>>())
        .collect()
}

const THREE: [Entry<'static>; 3] = [(1, "a", "p"), (2, "b", "p"), (2, "c", "p")];

#[tokio::test(flavor = "multi_thread")]
async fn a_push_that_is_retried_is_stored_once_wherever_the_first_one_lies() {
    let directory = tempfile::tempdir().unwrap();
    let storage = Storage::open(quiet(directory.path())).await.unwrap();
    send(&storage, &push("x", &THREE, 10), 3).await;
    send(&storage, &push("x", &THREE, 20), 3).await;
    assert_eq!(lines(&storage).await, ["a", "b", "c"]);
    storage.flush().await.unwrap();
    send(&storage, &push("x", &THREE, 30), 3).await;
    assert_eq!(lines(&storage).await, ["a", "b", "c"], "of files");
    send(&storage, &push("x", &[(2, "b", "p"), (3, "d", "p")], 40), 2).await;
    assert_eq!(lines(&storage).await, ["a", "b", "c", "d"], "what is new of a request is taken");
    storage.flush().await.unwrap();
    assert_eq!(lines(&storage).await, ["a", "b", "c", "d"]);
    storage.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_differs_is_another_entry() {
    let directory = tempfile::tempdir().unwrap();
    let storage = Storage::open(quiet(directory.path())).await.unwrap();
    send(&storage, &push("x", &[(1, "a", "p")], 10), 1).await;
    for (app, entry) in [("x", (1, "b", "p")), ("x", (2, "a", "p")), ("x", (1, "a", "q")), ("y", (1, "a", "p"))] {
        send(&storage, &push(app, &[entry], 10), 1).await;
    }
    assert_eq!(lines(&storage).await, ["a", "a", "a", "a", "b"]);
    let other = Tenant::new("other").unwrap();
    let appended = storage.append(&other, Signal::Logs, push("x", &[(1, "a", "p")], 10)).await.unwrap();
    assert_eq!(appended.accepted, 1);
    assert_eq!(storage.snapshot(&other).await.unwrap().buffered_rows(Table::Logs), 1, "of another tenant");
    storage.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn equal_entries_of_one_push_are_one_and_others_keep_their_order() {
    let directory = tempfile::tempdir().unwrap();
    let storage = Storage::open(quiet(directory.path())).await.unwrap();
    let entries = [(1, "z", "p"), (1, "a", "p"), (1, "z", "p"), (1, "m", "p"), (1, "a", "p")];
    send(&storage, &push("x", &entries, 10), 5).await;
    let snapshot = storage.snapshot(&Tenant::default()).await.unwrap();
    let bodies = snapshot.buffered(Table::Logs)[0].column_by_name("body").unwrap().clone();
    let bodies = arrow::compute::cast(&bodies, &DataType::Utf8).unwrap();
    let bodies: Vec<&str> = bodies.as_string::<i32>().iter().flatten().collect();
    assert_eq!(bodies, ["z", "a", "m"]);
    storage.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_that_is_retried_is_stored_once() {
    let directory = tempfile::tempdir().unwrap();
    let storage = Storage::open(quiet(directory.path())).await.unwrap();
    let record = |time: u64, observed: u64, line: &str| LogRecord {
        time_unix_nano: time,
        observed_time_unix_nano: observed,
        body: text(line),
        severity_number: 9,
        ..LogRecord::default()
    };
    let own = request("x", "app", vec![record(BASE, BASE + 5, "own"), record(BASE, BASE + 6, "own")]);
    // Lines that a collector read at one moment: what looks the same in one request is several.
    let observed =
        request("x", "files", vec![record(0, BASE, "seen"), record(0, BASE, "seen"), record(0, BASE + 1, "seen")]);
    for _ in 0..2 {
        send(&storage, &own, 2).await;
        send(&storage, &observed, 3).await;
    }
    assert_eq!(lines(&storage).await, ["own", "seen", "seen", "seen"]);
    // Nobody knows when that was.
    let timeless = request("x", "app", vec![record(0, 0, "timeless")]);
    send(&storage, &timeless, 1).await;
    send(&storage, &timeless, 1).await;
    assert_eq!(lines(&storage).await, ["own", "seen", "seen", "seen", "timeless", "timeless"]);
    storage.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_forgets_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let storage = Storage::open(quiet(directory.path())).await.unwrap();
    send(&storage, &push("x", &[(1, "flushed", "p")], 1), 1).await;
    storage.flush().await.unwrap();
    send(&storage, &push("x", &[(2, "logged", "p")], 1), 1).await;
    send(&storage, &push("x", &[(1, "flushed", "p"), (2, "logged", "p")], 2), 2).await;
    // As a crash leaves it.
    let copy = copy_of(directory.path()).await;
    let recovered = Storage::open(quiet(copy.path())).await.unwrap();
    assert_eq!(lines(&recovered).await, ["flushed", "logged"], "a replay leaves out what was left out");
    send(&recovered, &push("x", &[(1, "flushed", "p"), (2, "logged", "p")], 3), 2).await;
    assert_eq!(lines(&recovered).await, ["flushed", "logged"]);
    recovered.close().await.unwrap();

    let reopened = Storage::open(quiet(copy.path())).await.unwrap();
    send(&reopened, &push("x", &[(1, "flushed", "p"), (2, "logged", "p"), (3, "new", "p")], 4), 3).await;
    assert_eq!(lines(&reopened).await, ["flushed", "logged", "new"], "all of it was in files");
    reopened.close().await.unwrap();
    storage.close().await.unwrap();
}

fn without_a_log(directory: &Path) -> StorageConfig {
    let mut config = quiet(directory);
    config.acknowledge = Acknowledge::Commit;
    config.buffer.commit_interval = Duration::from_millis(10);
    config.data = Some("memory:///".into());
    config
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn without_a_log_what_was_refused_is_taken_and_what_was_committed_is_not() {
    let directory = tempfile::tempdir().unwrap();
    let failing = Failing::new(Arc::new(InMemory::new()));
    let files = FileStore::new(Arc::new(failing.clone()));
    let storage = Storage::open_on(without_a_log(directory.path()), files, Arc::new(LocalDisk)).await.unwrap();
    failing.is_down.store(true, SeqCst);
    storage.append(&Tenant::default(), Signal::Logs, push("x", &THREE, 1)).await.unwrap_err();
    failing.is_down.store(false, SeqCst);
    send(&storage, &push("x", &THREE, 2), 3).await;
    assert_eq!(lines(&storage).await, ["a", "b", "c"]);
    // Nothing has to be committed for it, so it is answered without a flush.
    let again = push("x", &THREE, 3);
    tokio::time::timeout(Duration::from_secs(60), send(&storage, &again, 3)).await.unwrap();
    assert_eq!(lines(&storage).await, ["a", "b", "c"]);
    assert!(!directory.path().join("log").exists(), "no process needs a directory");
    storage.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn without_memory_everything_is_stored() {
    let directory = tempfile::tempdir().unwrap();
    let config = StorageConfig { recent_entries_bytes: ByteSize(0), ..quiet(directory.path()) };
    let storage = Storage::open(config).await.unwrap();
    send(&storage, &push("x", &THREE, 1), 3).await;
    send(&storage, &push("x", &THREE, 1), 3).await;
    assert_eq!(lines(&storage).await, ["a", "a", "b", "b", "c", "c"]);
    storage.close().await.unwrap();
}
