//! A row group's bytes, read ahead or when they are wanted.

use std::fs::File;
use std::ops::Range;
use std::sync::Arc;

use bytes::{Buf, Bytes};
use parquet::errors::{ParquetError, Result};
use parquet::file::reader::{ChunkReader, Length};

/// Part of a file, addressed by positions in the file.
#[derive(Clone)]
pub(super) struct Section {
    pub offset: u64,
    pub bytes: Bytes,
}

/// Where the bytes of a row group are had from.
#[derive(Clone)]
pub(super) enum Input {
    /// All of them, in memory.
    Held(Section),
    /// A local file. Many can wait to be merged without taking memory.
    Stored(Arc<File>),
}

impl Input {
    /// At least the bytes at these positions of the file.
    pub fn section(&self, range: Range<u64>) -> Result<Section> {
        let file = match self {
            Input::Held(section) => return Ok(section.clone()),
            Input::Stored(file) => file,
        };
        let length = usize::try_from(range.end.saturating_sub(range.start))
            .map_err(|_| ParquetError::General("more bytes than there can be".into()))?;
        Ok(Section { offset: range.start, bytes: file.get_bytes(range.start, length)? })
    }

    /// What it takes in memory.
    pub fn held_bytes(&self) -> usize {
        match self {
            Input::Held(section) => section.bytes.len(),
            Input::Stored(_) => 0,
        }
    }
}

impl Length for Section {
    fn len(&self) -> u64 {
        self.offset + self.bytes.len() as u64
    }
}

impl ChunkReader for Section {
    type T = bytes::buf::Reader<Bytes>;

    fn get_read(&self, start: u64) -> Result<Self::T> {
        let start = start.checked_sub(self.offset).and_then(|start| usize::try_from(start).ok());
        match start.filter(|start| *start <= self.bytes.len()) {
            Some(start) => Ok(self.bytes.slice(start..).reader()),
            None => Err(ParquetError::General("a column chunk lies outside of its row group".into())),
        }
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes> {
        let start = start.checked_sub(self.offset).and_then(|start| usize::try_from(start).ok());
        let range = start.and_then(|start| Some(start..start.checked_add(length)?));
        match range.filter(|range| range.end <= self.bytes.len()) {
            Some(range) => Ok(self.bytes.slice(range)),
            None => Err(ParquetError::General("a page lies outside of its row group".into())),
        }
    }
}
