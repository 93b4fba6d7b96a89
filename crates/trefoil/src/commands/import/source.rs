//! A file that is read, and how much of it has been.

use std::fs::File;
use std::io::{self, BufReader, Read, stdin};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use tokio::sync::mpsc;
use trefoil_interchange::{Batches, Form, Part, decompressed};

const BUFFER: usize = 256 << 10;

pub struct Source {
    input: Box<dyn Read + Send>,
    read: Arc<AtomicU64>,
    /// Of the file, as it lies there; 0 where nobody knows.
    length: u64,
}

/// Bytes of a file.
#[derive(Debug, Clone)]
pub struct Progressed {
    pub read: Arc<AtomicU64>,
    pub length: u64,
}

impl Source {
    pub fn open(file: &Path) -> io::Result<Self> {
        let read = Arc::new(AtomicU64::new(0));
        if file == Path::new("-") {
            return Ok(Self { input: Box::new(Counting { input: stdin(), read: read.clone() }), read, length: 0 });
        }
        let opened = File::open(file)?;
        let metadata = opened.metadata()?;
        if metadata.is_dir() {
            return Err(io::Error::new(io::ErrorKind::IsADirectory, "it is a directory"));
        }
        let input = Box::new(Counting { input: opened, read: read.clone() });
        Ok(Self { input, read, length: metadata.len() })
    }

    pub fn progress(&self) -> Progressed {
        Progressed { read: self.read.clone(), length: self.length }
    }

    /// Hands over all that the file holds, as fast as it is taken. The forms that were found.
    pub fn read(self, form: Option<Form>, parts: &mpsc::Sender<Part>) -> io::Result<Vec<Form>> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let input = decompressed(BufReader::with_capacity(BUFFER, self.input))?;
        let mut batches = Batches::new(input, form, u64::try_from(now.as_nanos()).unwrap_or(u64::MAX));
        while let Some(part) = batches.next_part()? {
            if parts.blocking_send(part).is_err() {
                // Nobody sends any more, and why is told there.
                break;
            }
        }
        Ok(batches.forms().to_vec())
    }
}

struct Counting<R> {
    input: R,
    read: Arc<AtomicU64>,
}

impl<R: Read> Read for Counting<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.input.read(buffer)?;
        self.read.fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }
}
