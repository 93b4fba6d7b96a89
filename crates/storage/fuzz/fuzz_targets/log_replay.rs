//! A log directory in which some segment files hold anything at all: reading it back never panics, never loops, yields
//! records in order, and leaves a log that can be appended to and read again.
//!
//! `cargo +nightly fuzz run log_replay` in `crates/storage`.

#![no_main]

use std::path::Path;
use std::sync::Arc;

use libfuzzer_sys::fuzz_target;
use trefoil_model::{Signal, Tenant};
use trefoil_storage::log::{LocalDisk, Log, LogError, Prepared, Recovery};

fuzz_target!(|data: &[u8]| {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path();
    // A log of two segments whose id, and thereby whose checksums, the input can know.
    std::fs::write(path.join("id"), "00000000-0000-0000-0000-000000000000").expect("the id");
    let (mut log, _) = replay(path).expect("an empty log");
    for text in ["first", "second"] {
        log.append(&[record(text)]).expect("an append");
        log.rotate();
    }
    drop(log);
    damage(path, data);

    let Ok((mut log, before)) = replay(path) else { return };
    assert!(before.is_sorted_by(|a, b| a < b), "{before:?}");
    let appended = log.append(&[record("after")]).expect("an append after a recovery");
    drop(log);
    let (_, after) = replay(path).expect("what was repaired once is whole");
    assert!(before.iter().all(|sequence| after.contains(sequence)), "{before:?} {after:?}");
    assert!(after.contains(&appended.start), "{after:?} lacks {appended:?}");
});

fn record(text: &str) -> Prepared {
    Prepared::new(&Tenant::default(), Signal::Logs, 0, text.as_bytes()).expect("a short record")
}

fn replay(path: &Path) -> Result<(Log, Vec<u64>), LogError> {
    let mut recovery = Recovery::open(path, Arc::new(LocalDisk))?;
    let mut sequences = Vec::new();
    while let Some(segment) = recovery.next_segment()? {
        for record in segment.records {
            let _ = record.payload();
            sequences.push(record.sequence);
        }
    }
    Ok((recovery.finish(1 << 20), sequences))
}

/// The first byte says what happens to which of the two segments, the others with what.
fn damage(path: &Path, data: &[u8]) {
    let [action, data @ ..] = data else { return };
    let segment = path.join(format!("{:016}.log", 1 + (action & 1)));
    let mut bytes = std::fs::read(&segment).expect("a segment");
    match action >> 1 & 3 {
        0 => bytes = data.to_vec(),
        1 => bytes.extend_from_slice(data),
        2 => {
            bytes.truncate(44);
            bytes.extend_from_slice(data);
        }
        _ => {
            for pair in data.chunks_exact(2) {
                let position = pair[0] as usize % bytes.len();
                bytes[position] ^= pair[1];
            }
        }
    }
    std::fs::write(&segment, bytes).expect("a damaged segment");
}
