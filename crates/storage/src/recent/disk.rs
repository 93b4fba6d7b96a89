//! Entries in files of the catalog, kept beside the log so that a restart does not forget them.
//!
//! Two files, to which each flush appends a frame before its commit: the end of its generation, how many entries, their checksum, the
//! entries (numbers of 64 bits, the least byte first). When one is full, the other one is begun anew. A frame counts once the catalog
//! has its generation. Nothing rests on these files: what is damaged or missing is not known, and may be stored again.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

const NAMES: [&str; 2] = ["recent-entries.0", "recent-entries.1"];
const ENTRY_BYTES: usize = 8;
const HEADER_BYTES: usize = 2 * ENTRY_BYTES + 4;

/// The two files in a directory.
#[derive(Debug)]
pub(crate) struct KeptEntries {
    directory: PathBuf,
    /// Which one is appended to.
    current: usize,
    /// After so many bytes the other one is.
    most_bytes: u64,
}

struct Frame {
    end: u64,
    entries: Vec<u64>,
}

impl KeptEntries {
    /// What the files in `directory` know of generations up to the log position `position`, the oldest first. `bytes` bounds both.
    pub fn open(directory: &Path, bytes: u64, position: u64) -> (Self, Vec<Vec<u64>>) {
        let mut files = NAMES.map(|name| read(&directory.join(name), bytes));
        let last = |frames: &[Frame]| frames.last().map_or(0, |frame| frame.end);
        let current = usize::from(last(&files[1]) > last(&files[0]));
        let older = std::mem::take(&mut files[1 - current]);
        let frames = older.into_iter().chain(std::mem::take(&mut files[current]));
        let known = frames.filter(|frame| frame.end <= position).map(|frame| frame.entries).collect();
        (Self { directory: directory.to_owned(), current, most_bytes: bytes / 2 }, known)
    }

    /// Keeps the entries of a generation, durably.
    pub fn append(&mut self, end: u64, entries: &[u64]) -> io::Result<()> {
        let mut frame = Vec::with_capacity(HEADER_BYTES + entries.len() * ENTRY_BYTES);
        frame.extend(end.to_le_bytes());
        frame.extend((entries.len() as u64).to_le_bytes());
        let payload: Vec<u8> = entries.iter().flat_map(|entry| entry.to_le_bytes()).collect();
        frame.extend(crc32c::crc32c_append(crc32c::crc32c(&frame), &payload).to_le_bytes());
        frame.extend(payload);
        let held = fs::metadata(self.path()).map_or(0, |file| file.len());
        let mut options = OpenOptions::new();
        if held > 0 && held + frame.len() as u64 > self.most_bytes {
            self.current = 1 - self.current;
            options.write(true).truncate(true);
        } else {
            options.append(true);
        }
        let mut file = options.create(true).open(self.path())?;
        file.write_all(&frame)?;
        file.sync_data()
    }

    /// Nothing is known any more.
    pub fn clear(&mut self) -> io::Result<()> {
        for name in NAMES {
            match fs::remove_file(self.directory.join(name)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }

    fn path(&self) -> PathBuf {
        self.directory.join(NAMES[self.current])
    }
}

/// The frames of a file up to its end or to the first that is damaged, which a crash leaves behind.
fn read(path: &Path, most_bytes: u64) -> Vec<Frame> {
    let mut bytes = Vec::new();
    let Ok(file) = File::open(path) else { return Vec::new() };
    if let Err(error) = file.take(most_bytes.max(1 << 20)).read_to_end(&mut bytes) {
        tracing::warn!(%error, path = %path.display(), "cannot read which log entries were stored; some may be stored again");
        return Vec::new();
    }
    let mut rest = bytes.as_slice();
    let mut frames = Vec::new();
    while let Some((frame, behind)) = next_frame(rest) {
        frames.push(frame);
        rest = behind;
    }
    if !rest.is_empty() {
        tracing::info!(path = %path.display(), bytes = rest.len(), "what is known of stored log entries ends early");
        // What is appended behind it would not be found.
        let good = (bytes.len() - rest.len()) as u64;
        if let Err(error) = OpenOptions::new().write(true).open(path).and_then(|file| file.set_len(good)) {
            tracing::warn!(%error, path = %path.display(), "a damaged end cannot be cut off");
        }
    }
    frames
}

fn next_frame(bytes: &[u8]) -> Option<(Frame, &[u8])> {
    let (header, rest) = bytes.split_at_checked(HEADER_BYTES)?;
    let (numbers, checksum) = header.split_at(2 * ENTRY_BYTES);
    let end = u64::from_le_bytes(numbers[..ENTRY_BYTES].try_into().ok()?);
    let count = u64::from_le_bytes(numbers[ENTRY_BYTES..].try_into().ok()?);
    let length = usize::try_from(count).ok()?.checked_mul(ENTRY_BYTES)?;
    let (payload, rest) = rest.split_at_checked(length)?;
    if crc32c::crc32c_append(crc32c::crc32c(numbers), payload).to_le_bytes() != *checksum {
        return None;
    }
    let entries =
        payload.chunks_exact(ENTRY_BYTES).filter_map(|entry| Some(u64::from_le_bytes(entry.try_into().ok()?)));
    Some((Frame { end, entries: entries.collect() }, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(directory: &Path, position: u64) -> Vec<u64> {
        KeptEntries::open(directory, 1 << 10, position).1.concat()
    }

    #[test]
    fn what_the_catalog_has_is_known_again() {
        let directory = tempfile::tempdir().unwrap();
        let (mut kept, none) = KeptEntries::open(directory.path(), 1 << 10, 9);
        assert!(none.is_empty());
        kept.append(5, &[1, 2]).unwrap();
        kept.append(9, &[3]).unwrap();
        assert_eq!(known(directory.path(), 9), [1, 2, 3]);
        assert_eq!(known(directory.path(), 8), [1, 2], "the second one was not committed");
        assert_eq!(known(directory.path(), 4), [0; 0]);
    }

    #[test]
    fn the_oldest_go_when_there_are_too_many() {
        let directory = tempfile::tempdir().unwrap();
        let (mut kept, _) = KeptEntries::open(directory.path(), 1 << 10, 0);
        for end in 1..20 {
            kept.append(end, &[end; 20]).unwrap();
            if end % 3 == 0 {
                kept = KeptEntries::open(directory.path(), 1 << 10, end).0;
            }
        }
        let mut known = known(directory.path(), 100);
        known.dedup();
        assert_eq!(known, [17, 18, 19], "a file has room for two");
        let bytes: u64 = NAMES.iter().map(|name| fs::metadata(directory.path().join(name)).unwrap().len()).sum();
        assert!(bytes <= 1 << 10, "{bytes}");
    }

    #[test]
    fn nothing_is_known_of_what_was_cleared() {
        let directory = tempfile::tempdir().unwrap();
        let (mut kept, _) = KeptEntries::open(directory.path(), 1 << 10, 0);
        kept.clear().unwrap();
        kept.append(1, &[1]).unwrap();
        kept.clear().unwrap();
        kept.append(2, &[2]).unwrap();
        assert_eq!(known(directory.path(), 9), [2]);
    }

    #[test]
    fn a_damaged_end_is_cut_off() {
        let directory = tempfile::tempdir().unwrap();
        let (mut kept, _) = KeptEntries::open(directory.path(), 1 << 10, 0);
        kept.append(1, &[1]).unwrap();
        kept.append(2, &[2]).unwrap();
        let path = directory.path().join(NAMES[0]);
        let mut bytes = fs::read(&path).unwrap();
        let last = bytes.len() - 1;
        bytes[last] ^= 1;
        fs::write(&path, &bytes).unwrap();
        let (mut kept, entries) = KeptEntries::open(directory.path(), 1 << 10, 9);
        assert_eq!(entries.concat(), [1]);
        kept.append(3, &[3]).unwrap();
        assert_eq!(known(directory.path(), 9), [1, 3]);
        fs::write(&path, [0xff; 100]).unwrap();
        assert_eq!(known(directory.path(), 9), [0; 0]);
    }
}
