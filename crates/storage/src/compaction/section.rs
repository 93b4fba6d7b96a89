//! A row group's bytes, read ahead.

use bytes::{Buf, Bytes};
use parquet::errors::{ParquetError, Result};
use parquet::file::reader::{ChunkReader, Length};

/// Part of a file, addressed by positions in the file.
#[derive(Clone)]
pub(super) struct Section {
    pub offset: u64,
    pub bytes: Bytes,
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
