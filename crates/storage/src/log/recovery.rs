//! Reading the log back after a start: everything at or above the catalog's position, segment by segment, and then the
//! log ready to be written. Repairs what a crash leaves behind and says so; never drops an intact record.

use std::collections::VecDeque;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use tracing::{error, info, warn};
use uuid::Uuid;

use super::segment::{self, Header};
use super::{Disk, Log, LogError, Record, Sealed, ordinal_of};

const ID_FILE: &str = "id";

/// A log being read. Call [`Recovery::next_segment`] until it is exhausted, then [`Recovery::finish`].
pub struct Recovery {
    directory: PathBuf,
    disk: Arc<dyn Disk>,
    id: Uuid,
    pending: VecDeque<PathBuf>,
    sealed: VecDeque<Sealed>,
    next_ordinal: u64,
    /// The sequence number that the next record should have.
    expected: u64,
    position: u64,
}

/// One segment's records that are not in files yet.
#[derive(Debug)]
pub struct Recovered {
    pub records: Vec<Record>,
    /// How many acknowledged records were lost before or in this segment; it was said in the program's own log.
    pub lost: u64,
}

impl Recovery {
    /// Opens (or creates) the log in `directory`, which the caller has locked.
    pub fn open(directory: &Path, disk: Arc<dyn Disk>) -> Result<Recovery, LogError> {
        fs::create_dir_all(directory).map_err(LogError::io(directory))?;
        let mut segments: Vec<(u64, PathBuf)> = Vec::new();
        for entry in fs::read_dir(directory).map_err(LogError::io(directory))? {
            let path = entry.map_err(LogError::io(directory))?.path();
            if let Some(ordinal) = ordinal_of(&path) {
                segments.push((ordinal, path));
            }
        }
        segments.sort();
        let id = read_or_create_id(directory, disk.as_ref())?;
        Ok(Recovery {
            directory: directory.to_path_buf(),
            disk,
            id,
            next_ordinal: segments.last().map_or(1, |(ordinal, _)| ordinal + 1),
            pending: segments.into_iter().map(|(_, path)| path).collect(),
            sealed: VecDeque::new(),
            expected: 0,
            position: 0,
        })
    }

    /// The log's id: the writer whose position in the catalog goes to [`Recovery::start_at`].
    pub fn id(&self) -> Uuid {
        self.id
    }

    /// Records below `position` are in files already.
    pub fn start_at(mut self, position: u64) -> Recovery {
        self.position = position;
        self
    }

    /// The position after everything read so far.
    pub fn position(&self) -> u64 {
        self.expected.max(self.position)
    }

    /// The next segment's records at or above the position; `None` after the last one. Reads one file into memory.
    pub fn next_segment(&mut self) -> Result<Option<Recovered>, LogError> {
        let Some(path) = self.pending.pop_front() else { return Ok(None) };
        let bytes = Bytes::from(fs::read(&path).map_err(LogError::io(&path))?);
        let first = self.check_header(&path, &bytes)?;
        let mut contents = segment::read_records(&bytes, segment::seed(self.id));
        // What lies behind the beginning of the next segment was never acknowledged (see `Log::append`).
        let limit = self.beginning_of_next()?;
        if let Some(limit) = limit {
            contents.records.retain(|record| record.sequence < limit);
        }

        // The first segment that is still there defines where the log starts.
        let start = first.or(contents.records.first().map(|record| record.sequence));
        if self.expected == 0 {
            self.expected = start.unwrap_or(self.position.max(1));
        }
        let mut lost = 0;
        for record in &contents.records {
            lost += lost_between(self.expected, record.sequence, self.position);
            self.expected = self.expected.max(record.sequence.saturating_add(1));
        }
        if let Some(limit) = limit {
            lost += lost_between(self.expected, limit, self.position);
            self.expected = self.expected.max(limit);
        }
        let tail = bytes.len() - contents.end;
        let is_last = self.pending.is_empty();
        if first.is_none() && bytes.len() <= segment::HEADER_LENGTH {
            warn!(segment = %path.display(), "removed a log segment without content, as a crash leaves it");
            self.disk.remove(&path).map_err(LogError::io(&path))?;
            return Ok(Some(Recovered { records: Vec::new(), lost }));
        }
        if !contents.damaged.is_empty() || lost > 0 || first.is_none() {
            self.keep_damaged(&path, &contents, tail, lost)?;
        } else if is_last && tail > 0 {
            warn!(
                segment = %path.display(), bytes = tail, kept = contents.records.len(),
                "the log ends in a torn write, as a crash leaves it; cut it off (it was never acknowledged)"
            );
            cut(&path, contents.end)?;
        }
        self.sealed.push_back(Sealed { path, end: self.expected, bytes: bytes.len() as u64 });
        contents.records.retain(|record| record.sequence >= self.position);
        Ok(Some(Recovered { records: contents.records, lost }))
    }

    /// The log, ready for appends. Old segments stay until [`Log::release`].
    pub fn finish(self, segment_bytes: u64) -> Log {
        debug_assert!(self.pending.is_empty(), "segments not read yet");
        Log {
            directory: self.directory,
            disk: self.disk,
            id: self.id,
            segment_bytes,
            next_sequence: self.expected.max(self.position).max(1),
            next_ordinal: self.next_ordinal,
            sealed: self.sealed,
            active: None,
            batch: Vec::new(),
        }
    }

    /// The segment's first sequence number; `None` when its header is damaged.
    fn check_header(&self, path: &Path, bytes: &[u8]) -> Result<Option<u64>, LogError> {
        match Header::read(bytes) {
            Header::Intact { log_id, first_sequence } if log_id == self.id => Ok(Some(first_sequence)),
            Header::Intact { log_id, .. } => {
                Err(LogError::Foreign { path: path.to_path_buf(), found: log_id, expected: self.id })
            }
            Header::Newer { version } => Err(LogError::Newer { path: path.to_path_buf(), version }),
            Header::Damaged => Ok(None),
        }
    }

    /// The first sequence number of the next segment whose header is intact.
    fn beginning_of_next(&self) -> Result<Option<u64>, LogError> {
        for path in &self.pending {
            let mut header = [0; segment::HEADER_LENGTH];
            let mut file = fs::File::open(path).map_err(LogError::io(path))?;
            match io::Read::read_exact(&mut file, &mut header) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => continue,
                Err(source) => return Err(LogError::Io { path: path.clone(), source }),
            }
            if let Some(first) = self.check_header(path, &header)? {
                return Ok(Some(first));
            }
        }
        Ok(None)
    }

    fn keep_damaged(&self, path: &Path, contents: &segment::Contents, tail: usize, lost: u64) -> Result<(), LogError> {
        let kept = path.with_extension("damaged");
        if !kept.exists() {
            fs::hard_link(path, &kept).or_else(|_| fs::copy(path, &kept).map(drop)).map_err(LogError::io(&kept))?;
        }
        if lost > 0 {
            error!(
                segment = %path.display(), kept_as = %kept.display(), lost_records = lost, records = contents.records.len(),
                damaged = ?contents.damaged, tail_bytes = tail,
                "ACKNOWLEDGED DATA IS LOST: this log segment is damaged (a disk error, or something else wrote to it). The \
                 intact records were recovered, the damaged file is kept"
            );
        } else {
            warn!(
                segment = %path.display(), kept_as = %kept.display(), records = contents.records.len(),
                damaged = ?contents.damaged, tail_bytes = tail,
                "this log segment is damaged, but every record that is not in files yet was recovered; the damaged file is kept"
            );
        }
        Ok(())
    }
}

/// Missing sequence numbers from `expected` up to `found` that are not in files.
fn lost_between(expected: u64, found: u64, position: u64) -> u64 {
    found.saturating_sub(expected.max(position))
}

fn cut(path: &Path, end: usize) -> Result<(), LogError> {
    let truncated = fs::OpenOptions::new().write(true).open(path).and_then(|file| {
        file.set_len(end as u64)?;
        file.sync_all()
    });
    truncated.map_err(LogError::io(path))
}

fn read_or_create_id(directory: &Path, disk: &dyn Disk) -> Result<Uuid, LogError> {
    let path = directory.join(ID_FILE);
    match fs::read_to_string(&path) {
        Ok(text) => return Uuid::parse_str(text.trim()).map_err(|_| LogError::Id(path)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(source) => return Err(LogError::Io { path, source }),
    }
    let id = Uuid::new_v4();
    let temporary = directory.join("id.new");
    let written = fs::File::create(&temporary)
        .and_then(|mut file| {
            writeln!(file, "{id}")?;
            file.sync_all()
        })
        .and_then(|()| fs::rename(&temporary, &path))
        .and_then(|()| disk.sync_directory(directory));
    written.map_err(LogError::io(&path))?;
    info!(directory = %directory.display(), %id, "started a new log");
    Ok(id)
}
