//! What files know of the texts of bodies: it holds for what was flushed, for row groups that were moved and for those that were sorted
//! together, and after rows were deleted.

#![allow(clippy::unwrap_used)]

mod store_support;

use std::sync::Arc;

use arrow::array::AsArray;
use arrow::datatypes::{DataType, Field};
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, any_value::Value};
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use prost::Message;
use trefoil_model::{Signal, Table, Tenant};
use trefoil_storage::{Snapshot, Storage};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

/// Lines of such numbers are no objects.
const TEXTS: u64 = 1_000_000;

/// A line of its number; objects of odd numbers are of a trace.
fn body(number: u64) -> String {
    match number % 2 {
        _ if number >= TEXTS => format!("worker took {number} of them"),
        0 => format!(r#"{{"msg":"plain number {number}"}}"#),
        _ => format!(r#"{{"msg":"traced number {number}","trace_id":"{TRACE}"}}"#),
    }
}

fn request(numbers: std::ops::Range<u64>) -> bytes::Bytes {
    let record = |number: u64| LogRecord {
        time_unix_nano: store_support::BASE + number,
        body: Some(AnyValue { value: Some(Value::StringValue(body(number))) }),
        trace_id: if number % 2 == 1 {
            u128::from_str_radix(TRACE, 16).unwrap().to_be_bytes().into()
        } else {
            Vec::new()
        },
        ..LogRecord::default()
    };
    let scope_logs = vec![ScopeLogs { log_records: numbers.map(record).collect(), ..ScopeLogs::default() }];
    let resource_logs = vec![ResourceLogs { scope_logs, ..ResourceLogs::default() }];
    ExportLogsServiceRequest { resource_logs }.encode_to_vec().into()
}

async fn append(storage: &Storage, numbers: std::ops::Range<u64>) {
    storage.append(&Tenant::default(), Signal::Logs, request(numbers)).await.unwrap();
    storage.flush().await.unwrap();
}

/// Row groups of a flush with fewer rows have no filter until they are merged.
const FILTERED_FROM: usize = 8 << 10;

/// The bodies of each row group, of which its filter must know. Says how many files and row groups there are, and how many of these have
/// no filter yet.
async fn check(snapshot: &Snapshot) -> (usize, usize, usize) {
    let field = Arc::new(Field::new("body", DataType::Utf8, true));
    let (mut files, mut groups, mut without) = (0, 0, 0);
    for file in snapshot.files(Table::Logs).iter() {
        files += 1;
        let texts = snapshot.texts(file).await.unwrap();
        assert_eq!(texts.len(), snapshot.group_rows(file).await.unwrap().len());
        for (group, known) in texts.iter().enumerate() {
            groups += 1;
            let columns =
                snapshot.group_columns(file, group, std::slice::from_ref(&field), &Arc::default()).await.unwrap();
            let bodies = columns[0].clone().unwrap();
            let Some(grams) = &known.grams else {
                assert!(bodies.len() < FILTERED_FROM);
                without += 1;
                continue;
            };
            for text in bodies.as_string::<i32>().iter().flatten() {
                // Of ids the column knows; all else is in the filter.
                let message = text.split(TRACE).next().unwrap();
                assert!(grams.may_have_outside(message.as_bytes()), "{message}");
            }
            assert!(!grams.may_have_outside(TRACE.as_bytes()) && !grams.may_have_outside(b"no such words"));
        }
    }
    (files, groups, without)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_known_of_texts_goes_where_the_rows_go() {
    let directory = tempfile::tempdir().unwrap();
    let mut config = store_support::quiet(directory.path());
    config.compaction.min_files = 2;
    config.retention.block_retention = std::time::Duration::ZERO;
    let storage = Storage::open(config).await.unwrap();
    // Two row groups are large enough to be moved, two are sorted together.
    append(&storage, 0..40_000).await;
    append(&storage, 40_000..80_000).await;
    append(&storage, 80_000..80_100).await;
    append(&storage, 80_100..80_200).await;
    let snapshot = storage.snapshot(&Tenant::default()).await.unwrap();
    assert_eq!(check(&snapshot).await, (4, 4, 2));
    let other = storage.snapshot(&Tenant::new("other").unwrap()).await.unwrap();
    assert!(other.texts(snapshot.files(Table::Logs).iter().next().unwrap()).await.is_err());
    drop((snapshot, other));

    assert!(storage.compact().await.unwrap() > 0);
    let snapshot = storage.snapshot(&Tenant::default()).await.unwrap();
    assert_eq!(check(&snapshot).await, (2, 3, 0));
}

/// Of each row group its rows, and whether what objects and what texts have may be in it.
async fn groups(snapshot: &Snapshot) -> Vec<(usize, bool, bool)> {
    let mut groups = Vec::new();
    for file in snapshot.files(Table::Logs).iter() {
        let rows = snapshot.group_rows(file).await.unwrap();
        let texts = snapshot.texts(file).await.unwrap();
        groups.extend(rows.into_iter().zip(texts.iter()).map(|(rows, known)| {
            let may_have = |text: &[u8]| known.grams.as_ref().is_none_or(|grams| grams.may_have_outside(text));
            (rows, may_have(b"{\"msg\":"), may_have(b"worker took"))
        }));
    }
    groups.sort_unstable();
    groups
}

#[tokio::test(flavor = "multi_thread")]
async fn lines_of_one_form_are_row_groups_of_their_own_and_stay_so() {
    let directory = tempfile::tempdir().unwrap();
    let mut config = store_support::quiet(directory.path());
    config.compaction.min_files = 2;
    config.retention.block_retention = std::time::Duration::ZERO;
    config.fields.learn_lines = 1;
    let storage = Storage::open(config).await.unwrap();
    let tenant = Tenant::default();
    storage.append(&tenant, Signal::Logs, request(0..40_000)).await.unwrap();
    append(&storage, TEXTS..TEXTS + 3_000).await;
    // Too few to be apart.
    storage.append(&tenant, Signal::Logs, request(40_000..41_000)).await.unwrap();
    append(&storage, TEXTS + 3_000..TEXTS + 3_100).await;
    append(&storage, 41_000..41_100).await;
    let snapshot = storage.snapshot(&tenant).await.unwrap();
    let apart = [(3_000, false, true), (40_000, true, false)];
    assert_eq!(groups(&snapshot).await, [&[(100, true, true), (1_100, true, true)][..], &apart].concat());
    drop(snapshot);

    while storage.compact().await.unwrap() > 0 {}
    let snapshot = storage.snapshot(&tenant).await.unwrap();
    let found = groups(&snapshot).await;
    assert!(found.len() < 4 && apart.iter().all(|group| found.contains(group)), "{found:?}");
    assert_eq!(found.iter().map(|(rows, ..)| rows).sum::<usize>(), 44_200);
    assert_eq!(check(&snapshot).await.2, 0);
}
