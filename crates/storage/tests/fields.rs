//! Fields of bodies as columns: what a column says is what the body says, in files as they were flushed, in those that were merged, and where
//! some were written before there were these columns.

#![allow(clippy::unwrap_used)]

mod store_support;

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::{DataType, Field, UInt32Type};
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, ArrayValue, any_value::Value};
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use prost::Message;
use trefoil_lines::{Form, Reader, level};
use trefoil_model::logs::{BYTES_COLUMN, FORMAT_COLUMN, LEVEL_COLUMN, field_column};
use trefoil_model::{Signal, Table, Tenant};
use trefoil_storage::{Snapshot, Storage, StorageConfig};

fn config(directory: &Path, max_columns: usize) -> StorageConfig {
    let mut config = store_support::quiet(directory);
    config.compaction.min_files = 2;
    config.retention.block_retention = std::time::Duration::ZERO;
    config.fields.learn_lines = 1;
    config.fields.max_columns = max_columns;
    config
}

async fn append(storage: &Storage, lines: &[&str]) {
    let text = |line: &&str| AnyValue { value: Some(Value::StringValue((*line).to_owned())) };
    // A list is no line.
    let list = AnyValue { value: Some(Value::ArrayValue(ArrayValue { values: lines.iter().map(text).collect() })) };
    let bodies = lines.iter().map(text).map(Some).chain([Some(list), None]);
    let record = |(number, body): (usize, Option<AnyValue>)| LogRecord {
        time_unix_nano: store_support::BASE + number as u64,
        body,
        ..LogRecord::default()
    };
    let scope_logs = vec![ScopeLogs { log_records: bodies.enumerate().map(record).collect(), ..ScopeLogs::default() }];
    let resource_logs = vec![ResourceLogs { scope_logs, ..ResourceLogs::default() }];
    let body = ExportLogsServiceRequest { resource_logs }.encode_to_vec();
    let appended = storage.append(&Tenant::default(), Signal::Logs, body.into()).await.unwrap();
    assert_eq!(appended.accepted as usize, lines.len() + 2);
    storage.flush().await.unwrap();
}

/// What a row of a column of texts says.
fn text(column: &Option<ArrayRef>, row: usize) -> Option<&str> {
    let column = column.as_ref().filter(|column| column.is_valid(row))?;
    Some(column.as_string::<i32>().value(row))
}

/// Looks at all rows. Says of each row group how many rows it has, how many of them have a form, and which fields were looked for.
async fn check(snapshot: &Snapshot) -> Vec<(usize, usize, String)> {
    let fields: BTreeSet<String> = ["level", "path", "ms", "a_b"].map(str::to_owned).into();
    let mut names = vec!["body".to_owned(), FORMAT_COLUMN.to_owned(), LEVEL_COLUMN.to_owned()];
    names.extend(fields.iter().map(|field| field_column(field)));
    let mut wanted: Vec<_> = names.iter().map(|name| Arc::new(Field::new(name, DataType::Utf8, true))).collect();
    wanted.push(Arc::new(Field::new(BYTES_COLUMN, DataType::UInt32, true)));
    wanted.push(Arc::new(Field::new("body_is_json", DataType::Boolean, true)));
    let mut groups = Vec::new();
    for file in snapshot.files(Table::Logs).iter() {
        let texts = snapshot.texts(file).await.unwrap();
        for (group, known) in texts.iter().enumerate() {
            let columns = snapshot.group_columns(file, group, &wanted, &Arc::default()).await.unwrap();
            let (are_json, columns) = columns.split_last().unwrap();
            let (bytes, columns) = columns.split_last().unwrap();
            let are_json = are_json.clone().unwrap();
            let bytes = bytes.as_ref().map(|bytes| bytes.as_primitive::<UInt32Type>());
            assert_eq!(bytes.is_some(), columns[1].is_some());
            let rows = are_json.len();
            let mut with_form = 0;
            for row in 0..rows {
                let line = text(&columns[0], row).unwrap_or_default();
                let is_json = are_json.as_boolean().value(row);
                let mut found: Vec<(String, String)> = Vec::new();
                let told = Reader::default().read(line, |name, value| {
                    found.push((name.to_owned(), value.into_owned()));
                });
                let form = told.form.filter(|_| !is_json);
                if let Some(bytes) = bytes {
                    let said = bytes.is_valid(row).then(|| bytes.value(row) as usize);
                    assert_eq!(said, (!is_json).then_some(line.len()), "{line}");
                }
                if let Some(said) = text(&columns[1], row) {
                    with_form += 1;
                    assert_eq!(Some(said), form.map(Form::name), "{line}");
                    assert_eq!(text(&columns[2], row), Some(level::of_line(line).name()), "{line}");
                }
                for (field, column) in fields.iter().zip(&columns[3..]) {
                    let first = found.iter().find(|(name, _)| name == field).map(|(_, value)| value.as_str());
                    let said = text(column, row);
                    match known.fields.contains(field) && text(&columns[1], row).is_some() {
                        true => assert_eq!(said, first, "{field} of {line}"),
                        false => assert!(said.is_none() || said == first, "{field} of {line}"),
                    }
                }
            }
            let mut looked_for = known.fields.clone();
            looked_for.sort();
            groups.push((rows, with_form, looked_for.join(" ")));
        }
    }
    groups
}

const FIRST: [&str; 4] =
    [r#"{"level":"info","a":{"b":1}}"#, "level=warn ms=5", r#"{"level":"error""#, "nothing to see"];
const SECOND: [&str; 3] = [r#"{"level":"info","path":"/x","ms":7}"#, r#"{"path":"/y","level":"a","level":"b"}"#, ""];

fn group(rows: usize, with_form: usize, fields: &str) -> (usize, usize, String) {
    (rows, with_form, fields.to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn columns_say_what_bodies_say() {
    let directory = tempfile::tempdir().unwrap();
    let storage = Storage::open(config(directory.path(), 100)).await.unwrap();
    append(&storage, &FIRST).await;
    let snapshot = storage.snapshot(&Tenant::default()).await.unwrap();
    // One is malformed, one is a list; one that is not there is an empty line.
    assert_eq!(check(&snapshot).await, [group(6, 4, "a_b level ms")]);
    append(&storage, &SECOND).await;
    drop(snapshot);
    let snapshot = storage.snapshot(&Tenant::default()).await.unwrap();
    let mut groups = check(&snapshot).await;
    groups.sort();
    assert_eq!(groups, [group(5, 4, "a_b level ms path"), group(6, 4, "a_b level ms")]);
    drop(snapshot);

    assert!(storage.compact().await.unwrap() > 0);
    let snapshot = storage.snapshot(&Tenant::default()).await.unwrap();
    assert_eq!(check(&snapshot).await, [group(11, 8, "a_b level ms path")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn files_from_before_get_columns_when_they_are_merged() {
    let directory = tempfile::tempdir().unwrap();
    let storage = Storage::open(config(directory.path(), 0)).await.unwrap();
    append(&storage, &FIRST).await;
    let snapshot = storage.snapshot(&Tenant::default()).await.unwrap();
    assert_eq!(check(&snapshot).await, [group(6, 0, "")]);
    drop(snapshot);
    storage.close().await.unwrap();
    drop(storage);

    let storage = Storage::open(config(directory.path(), 2)).await.unwrap();
    append(&storage, &SECOND).await;
    assert!(storage.compact().await.unwrap() > 0);
    let snapshot = storage.snapshot(&Tenant::default()).await.unwrap();
    assert_eq!(check(&snapshot).await, [group(11, 8, "level path")]);
}
