//! A file being written, from a blocking thread: nobody sees it before [`Output::finish`], and it is durable after.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio_util::io::SyncIoBridge;

use super::store::location;
use super::{FileStore, FilesError};

const BUFFER_BYTES: usize = 256 << 10;
/// Below this an object is put at once, above in parts of this size.
const PART_BYTES: usize = 8 << 20;

/// Removes what it wrote unless it was finished.
pub(crate) struct Output {
    sink: Sink,
    /// The last bytes written: a Parquet file ends with the length of its footer and a magic.
    tail: [u8; 8],
    is_finished: bool,
}

enum Sink {
    Local { file: BufWriter<File>, temporary: PathBuf, target: PathBuf, root: PathBuf },
    Remote(Box<SyncIoBridge<object_store::buffered::BufWriter>>),
}

impl Output {
    /// Starts the file at `path` (relative to the data path). Call, write and finish on a thread that may block, within
    /// a Tokio runtime.
    pub(crate) fn create(store: &FileStore, path: &str) -> Result<Self, FilesError> {
        let sink = match store.directory() {
            Some(root) => {
                Sink::local(root, path).map_err(|source| FilesError::Write { path: path.to_string(), source })?
            }
            None => Sink::Remote(Box::new(SyncIoBridge::new(object_store::buffered::BufWriter::with_capacity(
                Arc::clone(store.object_store()),
                location(path)?,
                PART_BYTES,
            )))),
        };
        Ok(Self { sink, tail: [0; 8], is_finished: false })
    }

    /// Makes the file durable and visible under its name.
    pub(crate) fn finish(&mut self) -> io::Result<()> {
        match &mut self.sink {
            Sink::Local { file, temporary, target, root } => {
                file.flush()?;
                file.get_ref().sync_all()?;
                fs::rename(temporary, &target)?;
                sync_directory(target.parent().unwrap_or(root))?;
            }
            Sink::Remote(writer) => writer.shutdown()?,
        }
        self.is_finished = true;
        Ok(())
    }

    /// Bytes of the Parquet metadata at the end, once it is written.
    pub(crate) fn footer_size(&self) -> u64 {
        let [a, b, c, d, ..] = self.tail;
        u64::from(u32::from_le_bytes([a, b, c, d]))
    }
}

impl Sink {
    fn local(root: &Path, path: &str) -> io::Result<Self> {
        let target = root.join(path);
        create_directories(root, target.parent().unwrap_or(root))?;
        // Collected as an orphan if the process dies here.
        let temporary = target.with_extension("parquet.tmp");
        let file = BufWriter::with_capacity(BUFFER_BYTES, File::create(&temporary)?);
        Ok(Sink::Local { file, temporary, target, root: root.to_path_buf() })
    }
}

impl Drop for Output {
    fn drop(&mut self) {
        // An upload in parts that is not completed is invisible; object stores expire those by their own rules.
        if let (false, Sink::Local { temporary, .. }) = (self.is_finished, &self.sink) {
            drop(fs::remove_file(temporary));
        }
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = match &mut self.sink {
            Sink::Local { file, .. } => file.write(bytes)?,
            Sink::Remote(writer) => writer.write(bytes)?,
        };
        let new = &bytes[..written];
        let kept = new.len().min(self.tail.len());
        self.tail.rotate_left(kept);
        let start = self.tail.len() - kept;
        self.tail[start..].copy_from_slice(&new[new.len() - kept..]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        match &mut self.sink {
            Sink::Local { file, .. } => file.flush(),
            // Flushing would end a part early.
            Sink::Remote(_) => Ok(()),
        }
    }
}

/// Creates `directory` below `root`, with the entries of new directories durable too.
fn create_directories(root: &Path, directory: &Path) -> io::Result<()> {
    if directory.is_dir() {
        return Ok(());
    }
    fs::create_dir_all(directory)?;
    let mut parent = directory.parent();
    while let Some(current) = parent {
        sync_directory(current)?;
        if current == root {
            break;
        }
        parent = current.parent();
    }
    Ok(())
}

fn sync_directory(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}
