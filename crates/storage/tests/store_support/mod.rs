//! What the tests of the whole store share: numbered requests in, labels out, and an object store that can fail.

#![allow(dead_code, clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::path::Path as FsPath;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::{Duration, Instant};

use arrow::array::AsArray;
use arrow::datatypes::Int64Type;
use datafusion::prelude::{SessionConfig, SessionContext};
use futures::StreamExt;
use futures::stream::BoxStream;
use object_store::path::Path;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore, PutMultipartOptions,
    PutOptions, PutPayload, PutResult, Result,
};
use sqlx::SqlitePool;
use trefoil_loadgen::numbered;
use trefoil_model::{Signal, Table, Tenant};
use trefoil_storage::units::ByteSize;
use trefoil_storage::{Snapshot, Storage, StorageConfig};

/// 2026-06-01, in nanoseconds.
pub const BASE: u64 = 1_780_272_000_000_000_000;

/// A store that does nothing by itself: no flush by age, no compaction, no garbage collection.
pub fn quiet(directory: &FsPath) -> StorageConfig {
    let mut config = StorageConfig::in_directory(directory);
    config.buffer.flush_interval = Duration::from_secs(3600);
    config.compaction.interval = Duration::ZERO;
    config.garbage.interval = Duration::ZERO;
    config
}

/// Flushes all the time and compacts what comes of it.
pub fn busy(directory: &FsPath) -> StorageConfig {
    let mut config = StorageConfig::in_directory(directory);
    config.buffer.flush_bytes = ByteSize::kib(256);
    config.buffer.flush_interval = Duration::from_secs(1);
    config.log.segment_bytes = ByteSize::kib(64);
    config.compaction.interval = Duration::from_millis(50);
    config.compaction.min_files = 2;
    config.garbage.interval = Duration::from_millis(500);
    // The numbered items are as old as `BASE`.
    config.retention.block_retention = Duration::ZERO;
    config
}

pub async fn append(storage: &Storage, signal: Signal, connection: u32, numbers: Range<u64>) {
    append_for(storage, &Tenant::default(), signal, connection, numbers).await;
}

pub async fn append_for(storage: &Storage, tenant: &Tenant, signal: Signal, connection: u32, numbers: Range<u64>) {
    let count = numbers.end - numbers.start;
    let appended = storage.append(tenant, signal, body(signal, connection, numbers)).await.unwrap();
    assert_eq!((appended.accepted, appended.rejected), (count, 0), "{:?}", appended.message);
}

pub fn body(signal: Signal, connection: u32, numbers: Range<u64>) -> bytes::Bytes {
    let signal = match signal {
        Signal::Traces => trefoil_loadgen::Signal::Traces,
        Signal::Metrics => trefoil_loadgen::Signal::Metrics,
        Signal::Logs => trefoil_loadgen::Signal::Logs,
    };
    numbered::request(signal, connection, numbers, BASE).into()
}

/// How often each numbered item is in the snapshot: connection → number → count.
pub type Found = BTreeMap<u32, BTreeMap<u64, u64>>;

pub async fn found(storage: &Storage, signal: Signal) -> Found {
    found_in(&storage.snapshot(&Tenant::default()).await.unwrap(), signal).await
}

pub async fn found_in(snapshot: &Snapshot, signal: Signal) -> Found {
    let (table, sql) = match signal {
        Signal::Traces => (Table::Spans, "SELECT name AS label, count(*) FROM spans GROUP BY 1"),
        Signal::Logs => (Table::Logs, "SELECT body AS label, count(*) FROM logs GROUP BY 1"),
        Signal::Metrics => (
            Table::Samples,
            "SELECT concat('verify-', substr(metric_name, 8), '-', value_int) AS label, count(*) FROM samples GROUP BY 1",
        ),
    };
    let context = SessionContext::new_with_config(SessionConfig::new().with_target_partitions(2));
    context.register_table(table.name(), snapshot.table(table)).unwrap();
    let batches = context.sql(sql).await.unwrap().collect().await.unwrap();
    let mut found = Found::new();
    for batch in &batches {
        let labels = arrow::compute::cast(batch.column(0), &arrow::datatypes::DataType::Utf8).unwrap();
        let counts = batch.column(1).as_primitive::<Int64Type>();
        for (label, count) in labels.as_string::<i32>().iter().zip(counts.values()) {
            let mut parts = label.unwrap().split('-').skip(1);
            let connection = parts.next().unwrap().parse().unwrap();
            let number = parts.next().unwrap().parse().unwrap();
            *found.entry(connection).or_default().entry(number).or_default() += *count as u64;
        }
    }
    found
}

/// Every number below the connection's acknowledged count is there once; beyond it (sent, not acknowledged) at most once.
pub fn assert_exactly_once(found: &Found, acknowledged: &BTreeMap<u32, u64>, what: &str) {
    for (connection, count) in acknowledged {
        let numbers = found.get(connection).cloned().unwrap_or_default();
        let missing: Vec<u64> = (0..*count).filter(|number| !numbers.contains_key(number)).collect();
        assert!(missing.is_empty(), "{what}: connection {connection} lost {} of {count}: {missing:?}", missing.len());
    }
    for (connection, numbers) in found {
        let twice: Vec<_> = numbers.iter().filter(|(_, count)| **count != 1).collect();
        assert!(twice.is_empty(), "{what}: connection {connection} has repeated items: {twice:?}");
    }
}

pub async fn wait_until<F: Future<Output = bool>>(what: &str, mut condition: impl FnMut() -> F) {
    let started = Instant::now();
    while !condition().await {
        assert!(started.elapsed() < Duration::from_secs(60), "waited in vain until {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// An object store that refuses to be written to, or does not answer, on demand.
#[derive(Debug, Clone)]
pub struct Failing {
    inner: Arc<dyn ObjectStore>,
    pub is_down: Arc<AtomicBool>,
    /// What is written waits until this is over.
    pub is_stuck: Arc<AtomicBool>,
}

impl Failing {
    pub fn new(inner: Arc<dyn ObjectStore>) -> Self {
        Self { inner, is_down: Arc::default(), is_stuck: Arc::default() }
    }

    async fn wait(&self) {
        while self.is_stuck.load(SeqCst) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    fn check(&self) -> Result<()> {
        if self.is_down.load(SeqCst) {
            return Err(object_store::Error::Generic { store: "test", source: "it is down".into() });
        }
        Ok(())
    }
}

impl fmt::Display for Failing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("failing store")
    }
}

#[async_trait::async_trait]
impl ObjectStore for Failing {
    async fn put_opts(&self, location: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        self.wait().await;
        self.check()?;
        self.inner.put_opts(location, payload, options).await
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.check()?;
        self.inner.put_multipart_opts(location, options).await
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.check()?;
        self.inner.get_opts(location, options).await
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        self.inner.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        match self.check() {
            Ok(()) => self.inner.list(prefix),
            Err(error) => futures::stream::once(async { Err(error) }).boxed(),
        }
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.check()?;
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.check()?;
        self.inner.copy_opts(from, to, options).await
    }
}

/// The directory as a crash at this instant would leave it, as far as copying can do that: the log first, newest segment
/// first (older ones do not change), then the catalog as one transaction sees it, then the files, which live on for a
/// while after the catalog let go of them.
pub async fn copy_of(directory: &FsPath) -> tempfile::TempDir {
    let copy = tempfile::tempdir().unwrap();
    copy_directory(&directory.join("log"), &copy.path().join("log"));
    let catalog = copy.path().join("catalog.sqlite");
    let database =
        SqlitePool::connect(&format!("sqlite:{}", directory.join("catalog.sqlite").display())).await.unwrap();
    sqlx::query("VACUUM INTO $1").bind(catalog.display().to_string()).execute(&database).await.unwrap();
    database.close().await;
    copy_directory(&directory.join("data"), &copy.path().join("data"));
    // The catalog knows where its files lie; say that they were moved.
    let database = SqlitePool::connect(&format!("sqlite:{}", catalog.display())).await.unwrap();
    let data = format!("{}/", copy.path().join("data").canonicalize().unwrap().display());
    let moved = sqlx::query("UPDATE ducklake_metadata SET value = $1 WHERE key = 'data_path'").bind(data);
    assert_eq!(moved.execute(&database).await.unwrap().rows_affected(), 1);
    database.close().await;
    copy
}

fn copy_directory(from: &FsPath, to: &FsPath) {
    std::fs::create_dir_all(to).unwrap();
    let mut paths: Vec<_> = std::fs::read_dir(from).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    for path in paths.iter().rev() {
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy_directory(path, &target);
            continue;
        }
        match std::fs::copy(path, &target) {
            Ok(_) => {}
            // Deleted since it was listed.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => panic!("{}: {error}", path.display()),
        }
    }
}
