//! The store as a whole, on a real catalog and real files: what was acknowledged is there, once, whatever happens.

#![allow(clippy::unwrap_used)]

mod store_support;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

use object_store::memory::InMemory;
use store_support::*;
use trefoil_model::{Signal, Table, Tenant};
use trefoil_storage::config::Acknowledge;
use trefoil_storage::files::FileStore;
use trefoil_storage::log::LocalDisk;
use trefoil_storage::units::ByteSize;
use trefoil_storage::{AppendError, Storage, StorageError};

async fn check_all(storage: &Storage, acknowledged: u64, what: &str) {
    for signal in Signal::ALL {
        let expected = BTreeMap::from([(1, acknowledged)]);
        let found = found(storage, signal).await;
        assert_exactly_once(&found, &expected, &format!("{what}, {signal}"));
        assert_eq!(found[&1].len() as u64, acknowledged, "{what}, {signal}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_signal_is_there_once_before_and_after_flush_compaction_and_restart() {
    let directory = tempfile::tempdir().unwrap();
    let storage = Storage::open(quiet(directory.path())).await.unwrap();
    for signal in Signal::ALL {
        append(&storage, signal, 1, 0..50).await;
    }
    check_all(&storage, 50, "buffered").await;
    let before = storage.snapshot(&Tenant::default()).await.unwrap();

    storage.flush().await.unwrap();
    check_all(&storage, 50, "flushed").await;
    assert_eq!(storage.snapshot(&Tenant::default()).await.unwrap().buffered_rows(Table::Spans), 0);
    let old = found_in(&before, Signal::Traces).await;
    assert_eq!(old[&1].len(), 50, "a snapshot does not change");

    for signal in Signal::ALL {
        append(&storage, signal, 1, 50..60).await;
    }
    check_all(&storage, 60, "flushed and buffered").await;
    storage.flush().await.unwrap();
    storage.compact().await.unwrap();
    check_all(&storage, 60, "compacted").await;
    for signal in Signal::ALL {
        append(&storage, signal, 1, 60..70).await;
    }
    storage.close().await.unwrap();
    assert!(matches!(storage.snapshot(&Tenant::default()).await, Err(StorageError::Closed)));
    let refused = storage.append(&Tenant::default(), Signal::Logs, body(Signal::Logs, 1, 0..1)).await;
    assert_eq!(refused, Err(AppendError::Closed));

    let storage = Storage::open(quiet(directory.path())).await.unwrap();
    check_all(&storage, 70, "reopened").await;
    storage.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_brings_back_what_was_not_flushed() {
    let directory = tempfile::tempdir().unwrap();
    let storage = Storage::open(quiet(directory.path())).await.unwrap();
    for signal in Signal::ALL {
        append(&storage, signal, 1, 0..20).await;
    }
    storage.flush().await.unwrap();
    for signal in Signal::ALL {
        append(&storage, signal, 1, 20..30).await;
    }
    // As a crash leaves it: the process is gone, nothing was flushed or closed.
    let copy = copy_of(directory.path()).await;
    let reopened = Storage::open(quiet(copy.path())).await.unwrap();
    check_all(&reopened, 30, "recovered").await;
    reopened.flush().await.unwrap();
    check_all(&reopened, 30, "recovered and flushed").await;
    reopened.close().await.unwrap();
    let reopened = Storage::open(quiet(copy.path())).await.unwrap();
    check_all(&reopened, 30, "recovered, flushed and reopened").await;
    reopened.close().await.unwrap();
    storage.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recovery_larger_than_the_buffer_flushes_on_the_way() {
    let directory = tempfile::tempdir().unwrap();
    let mut config = quiet(directory.path());
    config.log.segment_bytes = ByteSize::kib(64);
    let storage = Storage::open(config.clone()).await.unwrap();
    for start in 0..60 {
        append(&storage, Signal::Traces, 1, start * 100..start * 100 + 100).await;
    }
    let copy = copy_of(directory.path()).await;
    config.path = copy.path().to_path_buf();
    config.buffer.flush_bytes = ByteSize::kib(200);
    config.buffer.max_bytes = ByteSize::kib(400);
    let reopened = Storage::open(config).await.unwrap();
    let snapshot = reopened.snapshot(&Tenant::default()).await.unwrap();
    assert!(snapshot.buffered_rows(Table::Spans) < 6000);
    assert_exactly_once(&found(&reopened, Signal::Traces).await, &BTreeMap::from([(1, 6000)]), "recovered");
    reopened.close().await.unwrap();
    storage.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn two_stores_cannot_share_a_directory() {
    let directory = tempfile::tempdir().unwrap();
    let storage = Storage::open(quiet(directory.path())).await.unwrap();
    let second = Storage::open(quiet(directory.path())).await;
    assert!(matches!(second.err(), Some(StorageError::Locked(_))));
    storage.close().await.unwrap();
    Storage::open(quiet(directory.path())).await.unwrap().close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn tenants_see_their_own_rows_in_buffer_and_files() {
    let directory = tempfile::tempdir().unwrap();
    let storage = Storage::open(quiet(directory.path())).await.unwrap();
    let other = Tenant::new("other").unwrap();
    append(&storage, Signal::Logs, 1, 0..5).await;
    append_for(&storage, &other, Signal::Logs, 2, 0..7).await;
    for _ in 0..2 {
        let mine = found(&storage, Signal::Logs).await;
        assert_eq!(mine.keys().collect::<Vec<_>>(), [&1]);
        let theirs = found_in(&storage.snapshot(&other).await.unwrap(), Signal::Logs).await;
        assert_eq!((theirs.len(), theirs[&2].len()), (1, 7));
        storage.flush().await.unwrap();
    }
    storage.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn malformed_requests_are_refused_for_good() {
    let directory = tempfile::tempdir().unwrap();
    let storage = Storage::open(quiet(directory.path())).await.unwrap();
    let refused = storage.append(&Tenant::default(), Signal::Traces, vec![0xff; 20].into()).await;
    assert!(matches!(refused, Err(AppendError::Malformed(_))), "{refused:?}");
    let empty = storage.append(&Tenant::default(), Signal::Traces, Default::default()).await.unwrap();
    assert_eq!(empty.accepted, 0);
    storage.close().await.unwrap();
}

/// Clients, each with one request under way at a time; returns what was acknowledged to each.
async fn load(storage: &Storage, signal: Signal, clients: u32, requests: u64) -> BTreeMap<u32, u64> {
    let mut tasks = tokio::task::JoinSet::new();
    for client in 1..=clients {
        let storage = storage.clone();
        tasks.spawn(async move {
            let mut next = 0;
            for _ in 0..requests {
                append(&storage, signal, client, next..next + 10).await;
                next += 10;
            }
            (client, next)
        });
    }
    tasks.join_all().await.into_iter().collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn appends_flushes_compactions_and_queries_at_once_stay_consistent() {
    let directory = tempfile::tempdir().unwrap();
    let storage = Storage::open(busy(directory.path())).await.unwrap();
    let loading = {
        let storage = storage.clone();
        tokio::spawn(async move {
            let (a, b) = tokio::join!(load(&storage, Signal::Traces, 8, 60), load(&storage, Signal::Metrics, 4, 60));
            (a, b)
        })
    };
    let mut looks = 0;
    let mut least = 0;
    // On a busy machine the load may be over before the first looks are.
    while looks < 4 || !loading.is_finished() {
        for signal in [Signal::Traces, Signal::Metrics] {
            let found = found(&storage, signal).await;
            for (client, numbers) in &found {
                // No gap: an item is visible only with all that the same client sent and got acknowledged before.
                let expected: Vec<u64> = (0..numbers.len() as u64).collect();
                assert_eq!(numbers.keys().copied().collect::<Vec<_>>(), expected, "client {client}");
                assert!(numbers.values().all(|count| *count == 1), "client {client}: {numbers:?}");
            }
            if signal == Signal::Traces {
                let rows = found.values().map(BTreeMap::len).sum();
                assert!(rows >= least, "rows disappeared: {rows} after {least}");
                least = rows;
            }
        }
        looks += 1;
    }
    let (traces, metrics) = loading.await.unwrap();
    assert_exactly_once(&found(&storage, Signal::Traces).await, &traces, "traces");
    assert_exactly_once(&found(&storage, Signal::Metrics).await, &metrics, "metrics");
    storage.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_copy_taken_at_any_instant_has_everything_acknowledged_once() {
    let directory = tempfile::tempdir().unwrap();
    let storage = Storage::open(busy(directory.path())).await.unwrap();
    let mut random = 0x2545_f491_4f6c_dd1d_u64;
    for round in 0..8u32 {
        let acknowledged: Arc<parking_lot::Mutex<BTreeMap<u32, u64>>> = Arc::default();
        let mut tasks = tokio::task::JoinSet::new();
        for client in round * 10 + 1..round * 10 + 5 {
            let (storage, acknowledged) = (storage.clone(), acknowledged.clone());
            tasks.spawn(async move {
                for request in 0..40 {
                    append(&storage, Signal::Logs, client, request * 10..request * 10 + 10).await;
                    acknowledged.lock().insert(client, request * 10 + 10);
                }
            });
        }
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        tokio::time::sleep(Duration::from_millis(random >> 56)).await;
        let before = acknowledged.lock().clone();
        let copy = copy_of(directory.path()).await;
        while tasks.join_next().await.is_some() {}

        let reopened = Storage::open(busy(copy.path())).await.unwrap();
        assert_exactly_once(&found(&reopened, Signal::Logs).await, &before, &format!("round {round}"));
        reopened.close().await.unwrap();
    }
    storage.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_store_that_is_down_pushes_back_and_nothing_is_lost() {
    let directory = tempfile::tempdir().unwrap();
    let mut config = quiet(directory.path());
    config.data = Some("memory:///".into());
    config.buffer.flush_bytes = ByteSize::kib(100);
    config.buffer.max_bytes = ByteSize::kib(300);
    let failing = Failing::new(Arc::new(InMemory::new()));
    let files = FileStore::new(Arc::new(failing.clone()));
    let storage = Storage::open_on(config.clone(), files.clone(), Arc::new(LocalDisk)).await.unwrap();
    failing.is_down.store(true, SeqCst);
    let mut acknowledged = 0;
    let refusal = loop {
        let body = body(Signal::Traces, 1, acknowledged..acknowledged + 50);
        match storage.append(&Tenant::default(), Signal::Traces, body).await {
            Ok(_) => acknowledged += 50,
            Err(error) => break error,
        }
        assert!(acknowledged < 100_000, "the buffer has no bound");
    };
    assert!(matches!(&refusal, AppendError::Unavailable { retry_after, .. } if !retry_after.is_zero()), "{refusal}");
    assert!(acknowledged > 0);
    storage.flush().await.unwrap_err();
    assert!(storage.is_flush_failing());
    let all = BTreeMap::from([(1, acknowledged)]);
    assert_exactly_once(&found(&storage, Signal::Traces).await, &all, "while down");

    failing.is_down.store(false, SeqCst);
    wait_until("appends are taken again", || async {
        let body = body(Signal::Traces, 2, 0..1);
        storage.append(&Tenant::default(), Signal::Traces, body).await.is_ok()
    })
    .await;
    storage.flush().await.unwrap();
    assert!(!storage.is_flush_failing());
    assert_exactly_once(&found(&storage, Signal::Traces).await, &all, "after");
    storage.close().await.unwrap();

    let storage = Storage::open_on(config, files, Arc::new(LocalDisk)).await.unwrap();
    assert_exactly_once(&found(&storage, Signal::Traces).await, &all, "reopened");
    storage.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn without_a_log_an_acknowledgement_is_a_commit() {
    let directory = tempfile::tempdir().unwrap();
    let mut config = quiet(directory.path());
    config.acknowledge = Acknowledge::Commit;
    config.buffer.commit_interval = Duration::from_millis(50);
    config.data = Some("memory:///".into());
    let failing = Failing::new(Arc::new(InMemory::new()));
    let files = FileStore::new(Arc::new(failing.clone()));
    let storage = Storage::open_on(config.clone(), files.clone(), Arc::new(LocalDisk)).await.unwrap();
    let acknowledged = load(&storage, Signal::Traces, 8, 5).await;
    // Another process over the same catalog and files sees all of it already, and no process needs a directory.
    let other = Storage::open_on(config, files, Arc::new(LocalDisk)).await.unwrap();
    assert_exactly_once(&found(&other, Signal::Traces).await, &acknowledged, "elsewhere");
    assert!(!directory.path().join("log").exists());

    failing.is_down.store(true, SeqCst);
    let refused = storage.append(&Tenant::default(), Signal::Traces, body(Signal::Traces, 99, 0..5)).await;
    assert!(matches!(refused, Err(AppendError::Unavailable { .. })), "{refused:?}");
    failing.is_down.store(false, SeqCst);
    // The sender does what it was told, and its rows are there once.
    append(&storage, Signal::Traces, 99, 0..5).await;
    let found = found(&other, Signal::Traces).await;
    assert_exactly_once(&found, &BTreeMap::from([(99, 5)]), "sent again");
    other.close().await.unwrap();
    storage.close().await.unwrap();
}
