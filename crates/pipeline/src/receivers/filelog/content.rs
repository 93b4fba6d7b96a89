//! What is in a file, compressed or not.

use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::Path;

use flate2::read::MultiGzDecoder;
use serde::Deserialize;

/// Which files are compressed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Compression {
    #[default]
    #[serde(rename = "")]
    None,
    Gzip,
    /// Those whose name ends with `.gz`.
    Auto,
}

impl Compression {
    pub fn is_of(self, path: &Path) -> bool {
        match self {
            Compression::None => false,
            Compression::Gzip => true,
            Compression::Auto => path.extension().is_some_and(|extension| extension == "gz"),
        }
    }
}

/// What the system calls a file, whatever its name: device and number.
pub type Key = (u64, u64);

pub fn key(metadata: &Metadata) -> Key {
    (metadata.dev(), metadata.ino())
}

/// Seconds since the file or its name was last touched, by the system's clock; files cannot set it.
pub fn touched(metadata: &Metadata) -> i64 {
    metadata.ctime()
}

/// A part of a file from a place on, without moving the place of others.
struct Window<'a> {
    file: &'a File,
    at: u64,
}

impl Read for Window<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read_at(buffer, self.at)?;
        self.at += count as u64;
        Ok(count)
    }
}

/// The text of the file from `offset` (of the text) on.
pub fn text_from(file: &File, is_compressed: bool, offset: u64) -> io::Result<Box<dyn Read + '_>> {
    if !is_compressed {
        return Ok(Box::new(Window { file, at: offset }));
    }
    let mut text = MultiGzDecoder::new(io::BufReader::new(Window { file, at: 0 }));
    match io::copy(&mut text.by_ref().take(offset), &mut io::sink()) {
        // It is being written just now, and does not go as far yet.
        Err(error) if error.kind() != io::ErrorKind::UnexpectedEof => Err(error),
        _ => Ok(Box::new(text)),
    }
}
