//! A log directory in which some segment files hold anything at all: reading it back never panics, never loops, yields
//! records in order, and leaves a log that can be appended to and read again.

#![no_main]

use std::path::Path;
use std::sync::Arc;

use libfuzzer_sys::fuzz_target;
use trefoil_model::{Signal, Tenant};
use trefoil_storage::log::{HEADER_LENGTH, LocalDisk, Log, LogError, Prepared, Recovery};

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
///
/// Checksums dismiss nearly everything, so one of the ways to be wrong has right ones.
fn damage(path: &Path, data: &[u8]) {
    let [action, data @ ..] = data else { return };
    let segment = path.join(format!("{:016}.log", 1 + (action & 1)));
    let mut bytes = std::fs::read(&segment).expect("a segment");
    match action >> 1 & 7 {
        0 => bytes = data.to_vec(),
        1 => bytes.extend_from_slice(data),
        2 => {
            bytes.truncate(44);
            bytes.extend_from_slice(data);
        }
        3 => bytes.extend_from_slice(&checksummed(data)),
        _ => {
            for pair in data.chunks_exact(2) {
                let position = pair[0] as usize % bytes.len();
                bytes[position] ^= pair[1];
            }
        }
    }
    std::fs::write(&segment, bytes).expect("a damaged segment");
}

/// A record whose body and the fields of whose header are `data`, with lengths and checksums that fit.
fn checksummed(data: &[u8]) -> Vec<u8> {
    let mut record = vec![0; HEADER_LENGTH];
    record[..4].copy_from_slice(b"\xf3Lr\x1a");
    let (fields, body) = data.split_at(data.len().min(HEADER_LENGTH - 16));
    record[16..16 + fields.len()].copy_from_slice(fields);
    record[8..12].copy_from_slice(&(body.len() as u32).to_le_bytes());
    record[12..16].copy_from_slice(&crc32c::crc32c(body).to_le_bytes());
    // The log's id is zeros.
    let header = crc32c::crc32c_append(crc32c::crc32c(&[0; 16]), &record[8..]);
    record[4..8].copy_from_slice(&header.to_le_bytes());
    record.extend_from_slice(body);
    record
}
