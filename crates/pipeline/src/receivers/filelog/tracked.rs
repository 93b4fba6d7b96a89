//! One file that is read, whatever its name is by now.

use std::fs::{File, Metadata};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::config::Reading;
use super::content::{self, Key, text_from};
use super::fingerprint::Fingerprint;
use super::progress::{Progress, Record};
use crate::stanza::value::Map;

/// Read at once.
const PIECE: usize = 64 << 10;
/// Read of one file before it is another one's turn.
const TURN: u64 = 4 << 20;

/// A file as it is found under a name.
pub struct Found {
    pub path: PathBuf,
    pub file: Option<File>,
    /// It was open all the time, so that nothing else can have taken its key.
    pub was_open: bool,
    pub metadata: Metadata,
    pub key: Key,
    pub is_compressed: bool,
    pub fingerprint: Fingerprint,
}

impl Found {
    /// `open` gives the file of that key if it is open already.
    pub fn open(path: &Path, reading: &Reading, open: impl FnOnce(Key) -> Option<File>) -> io::Result<Self> {
        let (file, was_open) = match open(content::key(&std::fs::metadata(path)?)) {
            Some(file) => (file, true),
            None => (File::open(path)?, false),
        };
        let metadata = file.metadata()?;
        let is_compressed = reading.compression.is_of(path);
        let size = reading.fingerprint_size;
        let fingerprint = Fingerprint::read(text_from(&file, is_compressed, 0)?, size)?;
        let key = content::key(&metadata);
        Ok(Self { path: path.to_owned(), key, file: Some(file), was_open, metadata, is_compressed, fingerprint })
    }
}

/// A known file.
pub struct Tracked {
    pub progress: Arc<Progress>,
    pub path: PathBuf,
    pub fingerprint: Fingerprint,
    pub key: Key,
    pub attributes: Map,
    is_compressed: bool,
    /// Of the text: up to here it was read.
    pub offset: u64,
    /// Entries up to there.
    pub records: u64,
    /// Bytes of the file when it was last read to its end.
    read_size: u64,
    /// Whether something without an end was there then.
    has_tail: bool,
    /// When something new was last found.
    changed: Instant,
    /// While it may be read.
    pub file: Option<File>,
    /// Since when no name leads to it any more.
    pub gone: Option<Instant>,
}

/// A line of a file, by where it ends there.
pub struct Line<'a> {
    pub bytes: &'a [u8],
    pub begin: u64,
    pub end: u64,
}

/// What reading has come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Read {
    /// There is nothing more, for now.
    End,
    /// It is another one's turn.
    More,
    /// Nobody takes what is read.
    Stopped,
}

impl Tracked {
    /// A file whose record is from an earlier run, or from no run at all; no name leads to it yet.
    pub fn known(progress: Arc<Progress>, now: Instant) -> Self {
        let Record { fingerprint, key, offset, records, read_size, read_to, has_tail } = progress.record();
        let read_size = if offset == read_to { read_size } else { 0 };
        Self {
            progress,
            path: PathBuf::new(),
            fingerprint,
            key,
            attributes: Map::new(),
            is_compressed: false,
            offset,
            records,
            read_size,
            has_tail,
            changed: now,
            file: None,
            gone: Some(now),
        }
    }

    /// It is what was found there.
    pub fn found(&mut self, found: Found, attributes: impl FnOnce(&Path, &Metadata) -> Map, now: Instant) {
        let is_new_place = self.gone.is_some() || self.path != found.path;
        if is_new_place {
            self.attributes = attributes(&found.path, &found.metadata);
        }
        if self.key != found.key {
            // The text is the same; its size in the file may be another one.
            self.read_size = 0;
        }
        if self.gone.take().is_some() && self.file.is_none() {
            self.changed = now;
        }
        self.path = found.path;
        self.key = found.key;
        self.is_compressed = found.is_compressed;
        if found.fingerprint.len() > self.fingerprint.len() {
            self.fingerprint = found.fingerprint;
        }
        self.file = found.file;
        self.describe();
    }

    fn describe(&self) {
        let (fingerprint, key, read_size, read_to) = (self.fingerprint.clone(), self.key, self.read_size, self.offset);
        let has_tail = self.has_tail;
        self.progress.describe(Record { fingerprint, key, read_size, read_to, has_tail, ..Record::default() });
    }

    /// Whether what is there now cannot be this file, grown: it is shorter than what was read of it.
    pub fn is_truncated(&self, found: &Found) -> bool {
        match found.is_compressed {
            true => found.metadata.len() < self.read_size && self.is_compressed,
            false => found.metadata.len() < self.offset,
        }
    }

    /// Whether all that is there was read.
    pub fn is_read(&self) -> bool {
        let metadata = match &self.file {
            Some(file) => file.metadata(),
            None => std::fs::metadata(&self.path),
        };
        !self.has_tail && metadata.is_ok_and(|metadata| metadata.len() == self.read_size)
    }

    /// Opens it again where it was closed to make room; whether it is still the same.
    pub fn reopen(&mut self) -> io::Result<bool> {
        let file = File::open(&self.path)?;
        let is_same = content::key(&file.metadata()?) == self.key;
        self.file = is_same.then_some(file);
        Ok(is_same)
    }

    /// How long nothing new was found.
    pub fn quiet_for(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.changed)
    }

    /// Begins at the end of what is there.
    pub fn skip_to_end(&mut self) -> io::Result<()> {
        let Some(file) = &self.file else { return Ok(()) };
        let size = file.metadata()?.len();
        self.offset = match self.is_compressed {
            true => match io::copy(&mut text_from(file, true, 0)?, &mut io::sink()) {
                Ok(length) => length,
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => 0,
                Err(error) => return Err(error),
            },
            false => size,
        };
        self.read_size = size;
        self.progress.skip(self.offset, 0);
        self.describe();
        Ok(())
    }

    /// Reads what is new, line by line, as long as `take` says so.
    pub fn read(
        &mut self,
        reading: &Reading,
        buffer: &mut Vec<u8>,
        now: Instant,
        mut take: impl FnMut(&mut Self, Line<'_>) -> bool,
    ) -> io::Result<Read> {
        let Some(file) = self.file.take() else { return Ok(Read::End) };
        let read = self.read_from(&file, reading, buffer, now, &mut take);
        self.file = Some(file);
        self.describe();
        read
    }

    fn read_from(
        &mut self,
        file: &File,
        reading: &Reading,
        buffer: &mut Vec<u8>,
        now: Instant,
        take: &mut impl FnMut(&mut Self, Line<'_>) -> bool,
    ) -> io::Result<Read> {
        let size = file.metadata()?.len();
        let is_due = !reading.flush_after.is_zero() && self.quiet_for(now) >= reading.flush_after;
        if size == self.read_size && !(self.has_tail && is_due) {
            return Ok(Read::End);
        }
        if size != self.read_size {
            self.changed = now;
        }
        let begun = self.offset;
        let mut text = text_from(file, self.is_compressed, self.offset)?;
        buffer.clear();
        // Decompressing begins at the beginning each time, so it is not interrupted.
        while self.is_compressed || self.offset - begun < TURN {
            let count = read_piece(&mut *text, buffer).inspect_err(|_| {
                // What is no gzip now is not tried again before it is another one.
                if self.is_compressed {
                    (self.read_size, self.has_tail) = (size, false);
                }
            })?;
            if !self.take_lines(reading, buffer, false, take) {
                return Ok(Read::Stopped);
            }
            if count > 0 {
                continue;
            }
            let is_last = (is_due && size == self.read_size) || reading.delete_after_read;
            if is_last && !self.take_lines(reading, buffer, true, take) {
                return Ok(Read::Stopped);
            }
            (self.read_size, self.has_tail) = (size, !buffer.is_empty());
            return Ok(Read::End);
        }
        Ok(Read::More)
    }

    /// All lines of the buffer; with what has no end yet, if it is the last.
    fn take_lines(
        &mut self,
        reading: &Reading,
        buffer: &mut Vec<u8>,
        is_last: bool,
        take: &mut impl FnMut(&mut Self, Line<'_>) -> bool,
    ) -> bool {
        let mut at = 0;
        while at < buffer.len() {
            let rest = &buffer[at..];
            let token = match (reading.splitter.next(rest), is_last) {
                (Some(token), _) => token,
                (None, true) => reading.splitter.rest(rest),
                (None, false) => break,
            };
            let begin = self.offset;
            self.offset += token.advance as u64;
            let line = Line { bytes: &rest[token.begin..token.end], begin, end: self.offset };
            if !take(self, line) {
                return false;
            }
            at += token.advance;
        }
        buffer.drain(..at);
        true
    }
}

/// Adds the next bytes to the buffer.
fn read_piece(text: &mut dyn io::Read, buffer: &mut Vec<u8>) -> io::Result<usize> {
    let before = buffer.len();
    buffer.resize(before + PIECE, 0);
    let read = loop {
        match text.read(&mut buffer[before..]) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            // What is being written just now is not complete.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => break Ok(0),
            read => break read,
        }
    };
    buffer.truncate(before + read.as_ref().copied().unwrap_or_default());
    read
}
