//! A data file that the catalog lists, damaged anywhere: queries answer or fail with an error, and never panic or hang.
//!
//! The first byte chooses the table; then each three bytes are a distance from the end of the file (where the footer is)
//! and what is changed there.

#![no_main]

use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use tempfile::TempDir;
use tokio::runtime::Runtime;
use trefoil_fuzz::store::{filled_storage, forgive_libraries, runtime};
use trefoil_model::{Table, Tenant};
use trefoil_query::{Engine, Limits};

struct Lake {
    runtime: Runtime,
    engine: Engine,
    /// One file a table, as it was written.
    files: Vec<(Table, PathBuf, Vec<u8>)>,
    _directory: TempDir,
}

static LAKE: LazyLock<Lake> = LazyLock::new(|| {
    forgive_libraries();
    let runtime = runtime();
    let directory = tempfile::tempdir().expect("a temporary directory");
    let storage = runtime.block_on(filled_storage(directory.path()));
    let mut files = Vec::new();
    find_files(&directory.path().join("data"), &mut files);
    assert_eq!(files.len(), 4, "spans, logs, samples, series");
    let engine = Engine::new(storage, 64 << 20).expect("an engine");
    Lake { runtime, engine, files, _directory: directory }
});

fn find_files(directory: &Path, files: &mut Vec<(Table, PathBuf, Vec<u8>)>) {
    for entry in std::fs::read_dir(directory).expect("a directory") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            find_files(&path, files);
            continue;
        }
        let names = path.iter().filter_map(|name| name.to_str());
        let table = names.filter_map(Table::from_name).next_back().expect("files lie under the name of their table");
        files.push((table, path.clone(), std::fs::read(&path).expect("a file")));
    }
}

fuzz_target!(|data: &[u8]| {
    let [choice, changes @ ..] = data else { return };
    let lake = &*LAKE;
    let (table, path, original) = &lake.files[usize::from(*choice) % lake.files.len()];
    let mut bytes = original.clone();
    for change in changes.chunks_exact(3) {
        let distance = usize::from(u16::from_le_bytes([change[0], change[1]])) % bytes.len();
        let position = bytes.len() - 1 - distance;
        bytes[position] ^= change[2];
    }
    std::fs::write(path, &bytes).expect("a damaged file");
    let limits = Limits { max_rows: 1000, timeout: Duration::from_secs(5), ..Limits::default() };
    let time = table.time_column();
    for query in [
        format!("SELECT * FROM {}", table.name()),
        format!("SELECT count(*), max({time}) FROM {} WHERE {time} > now() - INTERVAL '1 day'", table.name()),
    ] {
        let rows = async { lake.engine.sql(&Tenant::default(), &query, limits).await?.collect().await };
        let _ = lake.runtime.block_on(rows);
    }
    if *table == Table::Spans {
        let _ = lake.runtime.block_on(lake.engine.trace(&Tenant::default(), [7; 16], None, limits));
    }
    std::fs::write(path, original).expect("the file as it was");
});
