//! `acknowledge: commit` while the catalog or the object store is away: senders are refused in time, what was
//! acknowledged is there once, and so is what was refused and sent again.

#![allow(clippy::unwrap_used)]

#[path = "catalog/postgres_server.rs"]
mod postgres_server;
#[path = "store_support/proxy.rs"]
mod proxy;
mod store_support;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use std::time::{Duration, Instant};

use object_store::memory::InMemory;
use proxy::{Mode, Proxy};
use store_support::*;
use trefoil_model::{Signal, Table, Tenant};
use trefoil_storage::catalog::Catalog;
use trefoil_storage::config::Acknowledge;
use trefoil_storage::files::FileStore;
use trefoil_storage::log::LocalDisk;
use trefoil_storage::{AppendError, Storage, StorageConfig};

/// The Collector gives up after five seconds.
const IN_TIME: Duration = Duration::from_secs(5);
const AT_ONCE: Duration = Duration::from_secs(1);

/// A store whose way to PostgreSQL can be cut.
struct Cluster {
    _server: Arc<postgres_server::Server>,
    directory: tempfile::TempDir,
    proxy: Proxy,
    direct_url: String,
    files: FileStore,
    storage: Storage,
}

impl Cluster {
    async fn start() -> Option<Self> {
        let server = postgres_server::server()?;
        let direct_url = server.database().await;
        let (address, name) = direct_url.rsplit_once('/').unwrap();
        let (user, port) = address.rsplit_once(':').unwrap();
        let proxy = Proxy::start(port.parse().unwrap()).await;
        let files = FileStore::new(Arc::new(InMemory::new()));
        let directory = tempfile::tempdir().unwrap();
        let url = format!("{user}:{}/{name}", proxy.port);
        let storage = open(directory.path(), &url, &files).await;
        Some(Self { _server: server, directory, proxy, direct_url, files, storage })
    }

    async fn spans_listed(&self) -> usize {
        let catalog = Catalog::open(&self.direct_url, "memory:///").await.unwrap();
        let listed = catalog.cached().all_files(Table::Spans).map(|file| file.rows as usize).sum();
        catalog.close().await;
        listed
    }

    /// Both this process and another one, which no outage has touched, find this.
    async fn check(&self, expected: &BTreeMap<u32, u64>) {
        let other = open(self.directory.path(), &self.direct_url, &self.files).await;
        for (storage, what) in [(&self.storage, "here"), (&other, "elsewhere")] {
            let found = found(storage, Signal::Traces).await;
            assert_exactly_once(&found, expected, what);
            let counts: BTreeMap<u32, u64> = found.iter().map(|(client, rows)| (*client, rows.len() as u64)).collect();
            assert_eq!(&counts, expected, "{what}");
        }
        other.close().await.unwrap();
    }
}

async fn open(directory: &Path, catalog: &str, files: &FileStore) -> Storage {
    Storage::open_on(by_commit(directory, catalog), files.clone(), Arc::new(LocalDisk)).await.unwrap()
}

fn by_commit(directory: &Path, catalog: &str) -> StorageConfig {
    let mut config = quiet(directory);
    config.acknowledge = Acknowledge::Commit;
    config.buffer.commit_interval = Duration::from_millis(50);
    config.catalog = Some(catalog.to_owned());
    config.data = Some("memory:///".into());
    config
}

/// Sends spans that must be refused, retryably and in time.
async fn refused(storage: &Storage, connection: u32, count: u64, within: Duration) {
    let started = Instant::now();
    let answer = storage.append(&Tenant::default(), Signal::Traces, body(Signal::Traces, connection, 0..count)).await;
    let took = started.elapsed();
    assert!(
        matches!(&answer, Err(AppendError::Unavailable { retry_after, .. }) if !retry_after.is_zero()),
        "{answer:?} after {took:?}"
    );
    assert!(took < within, "{answer:?} took {took:?}");
}

/// Sends what was refused until it is taken.
async fn send_again(storage: &Storage, connection: u32, count: u64) {
    wait_until("it is accepted", || async {
        let body = body(Signal::Traces, connection, 0..count);
        storage.append(&Tenant::default(), Signal::Traces, body).await.is_ok()
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_whose_answer_is_lost_is_undone() {
    let Some(cluster) = Cluster::start().await else { return };
    append(&cluster.storage, Signal::Traces, 1, 0..10).await;
    cluster.proxy.set(Mode::LoseAnswer);
    refused(&cluster.storage, 2, 5, IN_TIME).await;
    assert_eq!(cluster.proxy.mode(), Mode::Down);
    assert_eq!(cluster.spans_listed().await, 15, "the commit did happen");
    refused(&cluster.storage, 2, 5, AT_ONCE).await;

    cluster.proxy.set(Mode::Open);
    wait_until("the commit is undone", || async { cluster.spans_listed().await == 10 }).await;
    cluster.check(&BTreeMap::from([(1, 10)])).await;
    send_again(&cluster.storage, 2, 5).await;
    append(&cluster.storage, Signal::Traces, 3, 0..1).await;
    cluster.check(&BTreeMap::from([(1, 10), (2, 5), (3, 1)])).await;
    cluster.storage.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_that_did_not_arrive_is_not_stored_twice() {
    let Some(cluster) = Cluster::start().await else { return };
    append(&cluster.storage, Signal::Traces, 1, 0..10).await;
    cluster.proxy.set(Mode::LoseCommit);
    refused(&cluster.storage, 2, 5, IN_TIME).await;
    assert_eq!(cluster.proxy.mode(), Mode::Down);
    refused(&cluster.storage, 2, 5, AT_ONCE).await;
    assert_eq!(cluster.spans_listed().await, 10, "the commit did not happen");

    cluster.proxy.set(Mode::Open);
    send_again(&cluster.storage, 2, 5).await;
    append(&cluster.storage, Signal::Traces, 3, 0..1).await;
    cluster.check(&BTreeMap::from([(1, 10), (2, 5), (3, 1)])).await;
    cluster.storage.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn senders_without_a_catalog_are_refused_and_nothing_has_to_be_withdrawn() {
    let Some(cluster) = Cluster::start().await else { return };
    append(&cluster.storage, Signal::Traces, 1, 0..10).await;
    let before = snapshots(&cluster).await;
    cluster.proxy.set(Mode::Down);
    let refusals = (0..20u32).map(|sender| {
        let storage = cluster.storage.clone();
        // Some of them come while the flush of others waits.
        async move {
            tokio::time::sleep(Duration::from_millis(u64::from(sender) * 300)).await;
            refused(&storage, 10 + sender, 2, IN_TIME).await;
        }
    });
    futures::future::join_all(refusals).await;
    assert_eq!(snapshots(&cluster).await, before);

    cluster.proxy.set(Mode::Open);
    send_again(&cluster.storage, 10, 2).await;
    assert_eq!(snapshots(&cluster).await, before + 1, "one commit and no withdrawal");
    cluster.check(&BTreeMap::from([(1, 10), (10, 2)])).await;
    cluster.storage.close().await.unwrap();
}

async fn snapshots(cluster: &Cluster) -> i64 {
    let catalog = Catalog::open(&cluster.direct_url, "memory:///").await.unwrap();
    let id = catalog.cached().id();
    catalog.close().await;
    id
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_object_store_that_does_not_answer_refuses_in_time() {
    let directory = tempfile::tempdir().unwrap();
    let catalog = format!("sqlite:{}", directory.path().join("catalog.sqlite").display());
    let failing = Failing::new(Arc::new(InMemory::new()));
    let storage = open(directory.path(), &catalog, &FileStore::new(Arc::new(failing.clone()))).await;
    append(&storage, Signal::Traces, 1, 0..10).await;
    failing.is_stuck.store(true, SeqCst);
    let (early, late) = (storage.clone(), storage.clone());
    tokio::join!(refused(&early, 2, 5, IN_TIME), async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        refused(&late, 3, 5, IN_TIME).await;
    });
    refused(&storage, 4, 5, AT_ONCE).await;
    assert!(storage.is_flush_failing());

    failing.is_stuck.store(false, SeqCst);
    send_again(&storage, 2, 5).await;
    assert!(!storage.is_flush_failing());
    let found = found(&storage, Signal::Traces).await;
    assert_eq!(found.keys().copied().collect::<Vec<_>>(), [1, 2]);
    assert_exactly_once(&found, &BTreeMap::from([(1, 10), (2, 5)]), "after");
    storage.close().await.unwrap();
}
