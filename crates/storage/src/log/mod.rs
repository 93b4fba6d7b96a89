//! The durable log: what was acknowledged and is not in files yet.
//!
//! A directory of segments, each a run of records with consecutive sequence numbers. The log is written by one thread;
//! [`Log::append`] makes any number of records durable with one write and one fsync. It promises:
//!
//! - A record is there after a crash if `append` returned its sequence number.
//! - A failed append leaves nothing behind that a replay would take for acknowledged: a partial write is cut off; after a
//!   failed fsync the file is never written again, because the kernel may have dropped the dirty pages and the next fsync
//!   would succeed all the same. A new segment starts at the first sequence number that was not acknowledged, and that
//!   number is the end of the segment before it, whatever bytes are left in there.
//! - A position (the first sequence number that is not in files) splits the log; [`Log::release`] deletes the segments
//!   below it.

pub mod disk;
mod record;
mod recovery;
pub mod samples;
pub mod segment;

use std::collections::VecDeque;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use thiserror::Error;
use uuid::Uuid;

pub use disk::{Disk, LocalDisk};
pub use record::{HEADER_LENGTH, Kind, MAX_PAYLOAD, Prepared, Record};
pub use recovery::{Recovered, Recovery};

use disk::SegmentFile;

#[derive(Debug, Error)]
pub enum LogError {
    #[error("{}: {source}", path.display())]
    Io { path: PathBuf, source: io::Error },
    #[error(
        "{}: written in format {version} by a newer release; this one reads up to {}; start that release once more and \
         stop it cleanly, so that it empties the log", path.display(), segment::VERSION
    )]
    Newer { path: PathBuf, version: u32 },
    #[error("{}: belongs to the log {found}, this directory is the log {expected}; move it away", path.display())]
    Foreign { path: PathBuf, found: Uuid, expected: Uuid },
    #[error("{}: not a log id; restore the file or move the whole directory away", .0.display())]
    Id(PathBuf),
    #[error("the record {sequence} cannot be read: {reason}")]
    Record { sequence: u64, reason: String },
    #[error("a payload of {0} bytes is longer than the limit of {MAX_PAYLOAD}")]
    TooLong(usize),
}

impl LogError {
    fn io(path: &Path) -> impl FnOnce(io::Error) -> LogError + '_ {
        move |source| LogError::Io { path: path.to_path_buf(), source }
    }
}

/// A finished segment that is kept until all of it is in files.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Sealed {
    path: PathBuf,
    /// Every record in it is below this.
    end: u64,
    bytes: u64,
}

struct Active {
    file: Box<dyn SegmentFile>,
    path: PathBuf,
    /// Where the last durable record ends.
    length: u64,
}

/// The writing side. One owner, one thread.
pub struct Log {
    directory: PathBuf,
    disk: Arc<dyn Disk>,
    id: Uuid,
    segment_bytes: u64,
    next_sequence: u64,
    next_ordinal: u64,
    sealed: VecDeque<Sealed>,
    active: Option<Active>,
    /// Reused for every batch.
    batch: Vec<u8>,
}

impl Log {
    /// Who writes this log: the name its position has in the catalog. It changes when the directory is removed, so that
    /// a new log's numbers are never measured against an old log's position.
    pub fn id(&self) -> Uuid {
        self.id
    }

    /// The sequence number the next record will get.
    pub fn next_sequence(&self) -> u64 {
        self.next_sequence
    }

    /// Bytes of all segments.
    pub fn bytes(&self) -> u64 {
        self.sealed.iter().map(|s| s.bytes).sum::<u64>() + self.active.as_ref().map_or(0, |a| a.length)
    }

    /// Makes all of `records` durable, with one write and one fsync, and returns their sequence numbers; or none of them,
    /// and the next call tries again with whatever the disk then allows.
    pub fn append(&mut self, records: &[Prepared]) -> Result<Range<u64>, LogError> {
        if records.is_empty() {
            return Ok(self.next_sequence..self.next_sequence);
        }
        let mut active = match self.active.take() {
            Some(active) => active,
            None => self.create_segment()?,
        };
        let first = self.next_sequence;
        let seed = segment::seed(self.id);
        self.batch.clear();
        for (record, sequence) in records.iter().zip(first..) {
            record.write_to(sequence, seed, &mut self.batch);
        }
        if let Err(source) = active.file.append(&self.batch) {
            let path = active.path.clone();
            // Disk full, most likely. What was durable still is; go on behind it if the rest can be cut off.
            match active.file.truncate(active.length) {
                Ok(()) => self.active = Some(active),
                Err(_) => self.seal(active),
            }
            return Err(LogError::Io { path, source });
        }
        if let Err(source) = active.file.sync() {
            let path = active.path.clone();
            // Best effort: replay ends this segment where the next one begins in any case.
            let _ = active.file.truncate(active.length);
            self.seal(active);
            return Err(LogError::Io { path, source });
        }
        active.length += self.batch.len() as u64;
        self.next_sequence = first + records.len() as u64;
        if active.length >= self.segment_bytes {
            self.seal(active);
        } else {
            self.active = Some(active);
        }
        Ok(first..self.next_sequence)
    }

    /// Ends the current segment, so that what was appended so far can be released apart from what comes. Returns the
    /// position between the two. Needs no I/O: everything in the segment is durable.
    pub fn rotate(&mut self) -> u64 {
        if let Some(active) = self.active.take() {
            self.seal(active);
        }
        self.next_sequence
    }

    /// Deletes the segments that hold nothing at or above `position`, which must be in the catalog already. A segment
    /// that cannot be deleted stays in the list and is tried again next time (and skipped by a replay).
    pub fn release(&mut self, position: u64) -> Result<(), LogError> {
        let mut removed = false;
        while let Some(segment) = self.sealed.front().filter(|segment| segment.end <= position) {
            match self.disk.remove(&segment.path) {
                Ok(()) => removed = true,
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(LogError::Io { path: segment.path.clone(), source: error }),
            }
            self.sealed.pop_front();
        }
        if removed {
            self.disk.sync_directory(&self.directory).map_err(LogError::io(&self.directory))?;
        }
        Ok(())
    }

    fn seal(&mut self, active: Active) {
        self.sealed.push_back(Sealed { path: active.path, end: self.next_sequence, bytes: active.length });
    }

    fn create_segment(&mut self) -> Result<Active, LogError> {
        let path = self.directory.join(segment_name(self.next_ordinal));
        let mut file = self.disk.create(&path).map_err(LogError::io(&path))?;
        self.next_ordinal += 1;
        let header = segment::header(self.id, self.next_sequence);
        let written =
            file.append(&header).and_then(|()| file.sync()).and_then(|()| self.disk.sync_directory(&self.directory));
        if let Err(source) = written {
            // Without a record in it the file means nothing; a replay drops it too.
            let _ = self.disk.remove(&path);
            return Err(LogError::Io { path, source });
        }
        Ok(Active { file, path, length: header.len() as u64 })
    }
}

/// Segments sort by an ordinal of their own: two may start at the same sequence number when the first one failed.
fn segment_name(ordinal: u64) -> String {
    format!("{ordinal:016}.log")
}

fn ordinal_of(path: &Path) -> Option<u64> {
    path.file_name()?.to_str()?.strip_suffix(".log")?.parse().ok()
}

#[cfg(test)]
mod tests;
