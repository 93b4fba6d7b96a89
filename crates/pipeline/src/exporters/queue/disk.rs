//! The on-disk half of a sending queue: one file a request, written, fsynced and renamed before it counts, removed when
//! the request is done. Files that cannot be read back are set aside, never sent and never deleted.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::{Buf, BufMut, Bytes, BytesMut};
use trefoil_model::{Signal, Tenant};

use crate::exporters::parcel::Parcel;

/// Says what the file is and in which version its header is written.
const MAGIC: &[u8; 8] = b"trfq\0\0\0\x01";
/// Magic, checksum of everything after it, signal, items, length of the tenant's name.
const HEADER: usize = 8 + 4 + 1 + 8 + 2;
const EXTENSION: &str = "request";

/// The directory of one queue.
#[derive(Debug)]
pub struct Disk {
    directory: PathBuf,
    next: AtomicU64,
}

/// A request that lies in the directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Waiting {
    pub sequence: u64,
    pub items: u64,
    pub bytes: u64,
    pub lane: Option<u64>,
}

impl Disk {
    /// Opens or creates the directory; returns what an earlier process left in it, oldest first. `lane` says which requests
    /// must keep their order.
    pub fn open(directory: PathBuf, lane: impl Fn(&Parcel) -> Option<u64>) -> io::Result<(Disk, Vec<Waiting>)> {
        fs::create_dir_all(&directory)?;
        let mut waiting = Vec::new();
        let mut next = 0;
        for entry in fs::read_dir(&directory)? {
            let path = entry?.path();
            let extension = path.extension().and_then(|extension| extension.to_str());
            let sequence = path.file_stem().and_then(|stem| stem.to_str()?.parse::<u64>().ok());
            match (sequence, extension) {
                // A write that never finished was never acknowledged.
                (Some(_), Some("part")) => fs::remove_file(&path)?,
                (Some(sequence), Some(EXTENSION)) => {
                    next = next.max(sequence + 1);
                    match read(&path) {
                        Ok(parcel) => {
                            let (items, bytes) = (parcel.items, parcel.body.len() as u64);
                            waiting.push(Waiting { sequence, items, bytes, lane: lane(&parcel) });
                        }
                        Err(error) => set_aside(&path, &error),
                    }
                }
                (Some(sequence), _) => next = next.max(sequence + 1),
                _ => {}
            }
        }
        waiting.sort_by_key(|waiting| waiting.sequence);
        Ok((Disk { directory, next: next.into() }, waiting))
    }

    /// Writes a request; it survives a crash once this returns. Blocks on the disk.
    pub fn put(&self, parcel: &Parcel) -> io::Result<u64> {
        let sequence = self.next.fetch_add(1, Ordering::AcqRel);
        let part = self.directory.join(format!("{sequence:020}.part"));
        let written = write(&part, parcel).and_then(|()| {
            fs::rename(&part, self.path(sequence))?;
            File::open(&self.directory)?.sync_all()
        });
        if written.is_err() {
            // Nobody was told that it is safe: leave no half of it behind.
            let _ = fs::remove_file(&part);
            let _ = fs::remove_file(self.path(sequence));
        }
        written.map(|()| sequence)
    }

    /// Reads a request back; one that is damaged is set aside. Blocks on the disk.
    pub fn get(&self, sequence: u64) -> io::Result<Parcel> {
        let path = self.path(sequence);
        read(&path).inspect_err(|error| set_aside(&path, error))
    }

    /// Forgets a request that is done. Blocks on the disk.
    pub fn remove(&self, sequence: u64) -> io::Result<()> {
        fs::remove_file(self.path(sequence))
    }

    fn path(&self, sequence: u64) -> PathBuf {
        self.directory.join(format!("{sequence:020}.{EXTENSION}"))
    }
}

fn write(path: &Path, parcel: &Parcel) -> io::Result<()> {
    let tenant = parcel.tenant.as_str().as_bytes();
    let mut header = BytesMut::with_capacity(HEADER + tenant.len());
    header.put_u8(parcel.signal as u8);
    header.put_u64(parcel.items);
    header.put_u16(tenant.len() as u16);
    header.put_slice(tenant);
    let mut checksum = crc32fast::Hasher::new();
    checksum.update(&header);
    checksum.update(&parcel.body);

    let mut file = File::create(path)?;
    file.write_all(MAGIC)?;
    file.write_all(&checksum.finalize().to_be_bytes())?;
    file.write_all(&header)?;
    file.write_all(&parcel.body)?;
    file.sync_all()
}

fn read(path: &Path) -> io::Result<Parcel> {
    let damaged = |reason: &str| io::Error::new(io::ErrorKind::InvalidData, reason.to_string());
    let mut data = Bytes::from(fs::read(path)?);
    if data.len() < HEADER {
        return Err(damaged("shorter than its header"));
    }
    if !data.starts_with(MAGIC) {
        return Err(damaged("not a queued request of this version"));
    }
    data.advance(MAGIC.len());
    if data.get_u32() != crc32fast::hash(&data) {
        return Err(damaged("the checksum does not match"));
    }
    let signal = data.get_u8();
    let signal = Signal::ALL.into_iter().find(|s| *s as u8 == signal).ok_or_else(|| damaged("unknown signal"))?;
    let items = data.get_u64();
    let length = usize::from(data.get_u16());
    if data.len() < length {
        return Err(damaged("shorter than its header"));
    }
    let tenant = data.split_to(length);
    let tenant = std::str::from_utf8(&tenant).ok().and_then(|id| Tenant::new(id).ok());
    Ok(Parcel { tenant: tenant.ok_or_else(|| damaged("invalid tenant"))?, signal, items, body: data })
}

fn set_aside(path: &Path, error: &io::Error) {
    let aside = path.with_extension("damaged");
    tracing::error!(file = %path.display(), %error, "a queued request cannot be read; kept as .damaged, not sent");
    if let Err(error) = fs::rename(path, &aside) {
        tracing::error!(file = %path.display(), %error, "cannot set the damaged request aside");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parcel(body: &'static str) -> Parcel {
        Parcel {
            tenant: Tenant::new("acme").unwrap(),
            signal: Signal::Logs,
            items: 3,
            body: Bytes::from_static(body.as_bytes()),
        }
    }

    #[test]
    fn requests_survive_and_keep_their_order() {
        let directory = tempfile::tempdir().unwrap();
        let (disk, waiting) = Disk::open(directory.path().join("q"), |_| Some(7)).unwrap();
        assert_eq!(waiting, []);
        let first = disk.put(&parcel("one")).unwrap();
        let second = disk.put(&parcel("second")).unwrap();
        fs::write(directory.path().join("q/00000000000000000009.part"), "half").unwrap();

        let (disk, waiting) = Disk::open(directory.path().join("q"), |_| Some(7)).unwrap();
        let waits = |sequence, bytes| Waiting { sequence, items: 3, bytes, lane: Some(7) };
        let expected = [waits(first, 3), waits(second, 6)];
        assert_eq!(waiting, expected);
        assert_eq!(disk.get(second).unwrap(), parcel("second"));
        disk.remove(first).unwrap();
        assert!(disk.put(&parcel("third")).unwrap() > second);
        assert_eq!(Disk::open(directory.path().join("q"), |_| Some(7)).unwrap().1.len(), 2);
    }

    #[test]
    fn damaged_requests_are_set_aside() {
        let directory = tempfile::tempdir().unwrap();
        let (disk, _) = Disk::open(directory.path().to_path_buf(), |_| None).unwrap();
        for cut in [0, 10, HEADER + 2, HEADER + 6] {
            let sequence = disk.put(&parcel("a body")).unwrap();
            let path = disk.path(sequence);
            let data = fs::read(&path).unwrap();
            assert!(cut < data.len());
            fs::write(&path, &data[..cut]).unwrap();
            assert_eq!(disk.get(sequence).unwrap_err().kind(), io::ErrorKind::InvalidData);
            assert!(!path.exists() && path.with_extension("damaged").exists());
        }
        let sequence = disk.put(&parcel("a body")).unwrap();
        let mut data = fs::read(disk.path(sequence)).unwrap();
        *data.last_mut().unwrap() ^= 1;
        fs::write(disk.path(sequence), data).unwrap();
        assert_eq!(Disk::open(directory.path().to_path_buf(), |_| None).unwrap().1, []);
    }
}
