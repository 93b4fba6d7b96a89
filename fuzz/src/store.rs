//! A store with something in it.

use std::path::Path;
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};
use trefoil_loadgen::numbered;
use trefoil_model::{Signal, Tenant};
use trefoil_storage::units::ByteSize;
use trefoil_storage::{Storage, StorageConfig};

/// 2026-06-01, in nanoseconds.
const BASE: u64 = 1_780_272_000_000_000_000;

pub fn runtime() -> Runtime {
    Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime")
}

/// Panics inside libraries end the query that they happen in, with an error, and so are no findings; all others are.
pub fn forgive_libraries() {
    let finding = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        let is_ours = panic.location().is_none_or(|place| !place.file().contains("/registry/"));
        if is_ours {
            finding(panic);
        }
    }));
}

/// A store with some rows of every signal in files and some more in memory. It caches nothing of its files, so that a
/// changed file is seen, and does nothing by itself.
pub async fn filled_storage(directory: &Path) -> Storage {
    let mut config = StorageConfig::in_directory(directory);
    config.buffer.flush_interval = Duration::from_secs(365 * 86_400);
    config.compaction.interval = Duration::ZERO;
    config.garbage.interval = Duration::ZERO;
    config.cache_bytes = ByteSize(0);
    let storage = Storage::open(config).await.expect("a store");
    append(&storage, 0).await;
    storage.flush().await.expect("a flush");
    append(&storage, 1).await;
    storage
}

async fn append(storage: &Storage, connection: u32) {
    let signals = [
        (Signal::Traces, trefoil_loadgen::Signal::Traces),
        (Signal::Logs, trefoil_loadgen::Signal::Logs),
        (Signal::Metrics, trefoil_loadgen::Signal::Metrics),
    ];
    for (signal, generated) in signals {
        let body = numbered::request(generated, connection, 0..20, BASE);
        storage.append(&Tenant::default(), signal, body.into()).await.expect("an append");
    }
}
