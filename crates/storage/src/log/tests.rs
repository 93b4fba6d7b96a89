use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};

use trefoil_model::{Signal, Tenant};

use super::disk::SegmentFile;
use super::*;

fn record(text: &str) -> Prepared {
    Prepared::new(&Tenant::default(), Signal::Logs, 0, text.as_bytes()).unwrap()
}

fn open(directory: &Path, position: u64) -> (Log, Vec<(u64, String)>, u64) {
    open_on(directory, position, Arc::new(LocalDisk))
}

fn open_on(directory: &Path, position: u64, disk: Arc<dyn Disk>) -> (Log, Vec<(u64, String)>, u64) {
    let mut recovery = Recovery::open(directory, disk).unwrap().start_at(position);
    let (mut found, mut lost) = (Vec::new(), 0);
    while let Some(segment) = recovery.next_segment().unwrap() {
        lost += segment.lost;
        for record in segment.records {
            found.push((record.sequence, String::from_utf8(record.payload().unwrap().to_vec()).unwrap()));
        }
    }
    (recovery.finish(1 << 20), found, lost)
}

fn segments(directory: &Path) -> Vec<PathBuf> {
    let mut paths: Vec<_> = std::fs::read_dir(directory).unwrap().map(|e| e.unwrap().path()).collect();
    paths.retain(|path| ordinal_of(path).is_some());
    paths.sort();
    paths
}

fn texts(found: &[(u64, String)]) -> Vec<&str> {
    found.iter().map(|(_, text)| text.as_str()).collect()
}

#[test]
fn appended_records_are_replayed_in_order_from_the_position() {
    let directory = tempfile::tempdir().unwrap();
    let (mut log, found, _) = open(directory.path(), 0);
    assert_eq!((found.len(), log.next_sequence()), (0, 1));
    assert_eq!(log.append(&[record("a"), record("b")]).unwrap(), 1..3);
    assert_eq!(log.rotate(), 3);
    assert_eq!(log.append(&[record("c")]).unwrap(), 3..4);
    let id = log.id();
    drop(log);

    let (log, found, lost) = open(directory.path(), 2);
    assert_eq!((texts(&found), lost, log.id()), (vec!["b", "c"], 0, id));
    assert_eq!(log.next_sequence(), 4);
}

#[test]
fn release_deletes_only_what_is_wholly_below_the_position() {
    let directory = tempfile::tempdir().unwrap();
    let (mut log, ..) = open(directory.path(), 0);
    log.append(&[record("a")]).unwrap();
    let position = log.rotate();
    log.append(&[record("b"), record("c")]).unwrap();
    log.rotate();
    log.release(position).unwrap();
    assert_eq!(segments(directory.path()).len(), 1);
    log.release(3).unwrap();
    assert_eq!(segments(directory.path()).len(), 1);
    log.release(4).unwrap();
    assert_eq!(segments(directory.path()).len(), 0);
    drop(log);
    // Nothing left to read: the numbers go on where the catalog says.
    assert_eq!(open(directory.path(), 4).0.next_sequence(), 4);
}

#[test]
fn a_sequence_number_beyond_all_bounds_is_damage() {
    let directory = tempfile::tempdir().unwrap();
    let (mut log, ..) = open(directory.path(), 0);
    log.append(&[record("a")]).unwrap();
    let seed = segment::seed(log.id());
    drop(log);
    let path = &segments(directory.path())[0];
    let mut bytes = std::fs::read(path).unwrap();
    record("b").write_to(u64::MAX, seed, &mut bytes);
    std::fs::write(path, bytes).unwrap();

    let (mut log, found, _) = open(directory.path(), 0);
    assert_eq!(texts(&found), ["a"]);
    assert_eq!(log.append(&[record("c")]).unwrap(), 2..3);
    drop(log);
    assert_eq!(texts(&open(directory.path(), 0).1), ["a", "c"]);
}

#[test]
fn a_full_segment_is_followed_by_another() {
    let directory = tempfile::tempdir().unwrap();
    let mut log = Recovery::open(directory.path(), Arc::new(LocalDisk)).unwrap().finish(200);
    for _ in 0..10 {
        log.append(&[record("0123456789")]).unwrap();
    }
    assert!(segments(directory.path()).len() >= 3);
    drop(log);
    assert_eq!(open(directory.path(), 0).1.len(), 10);
}

#[test]
fn a_torn_tail_is_cut_at_every_byte() {
    let directory = tempfile::tempdir().unwrap();
    let (mut log, ..) = open(directory.path(), 0);
    log.append(&[record("first"), record("second")]).unwrap();
    drop(log);
    let path = segments(directory.path()).remove(0);
    let whole = std::fs::read(&path).unwrap();
    for length in 0..whole.len() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::copy(path.with_file_name("id"), directory.path().join("id")).unwrap();
        let torn = directory.path().join(path.file_name().unwrap());
        std::fs::write(&torn, &whole[..length]).unwrap();
        let (mut log, found, lost) = open(directory.path(), 0);
        assert_eq!(lost, 0, "cut at {length}");
        assert!(found.len() < 2);
        // The log goes on, and the next replay has no tail to complain about.
        log.append(&[record("after")]).unwrap();
        drop(log);
        let (_, again, lost) = open(directory.path(), 0);
        assert_eq!((again.len(), lost), (found.len() + 1, 0), "cut at {length}");
        assert!(!torn.with_extension("damaged").exists());
    }
}

#[test]
fn damage_in_the_middle_is_counted_and_kept() {
    let directory = tempfile::tempdir().unwrap();
    let (mut log, ..) = open(directory.path(), 0);
    log.append(&[record("a"), record("b"), record("c"), record("d")]).unwrap();
    drop(log);
    let path = segments(directory.path()).remove(0);
    let mut bytes = std::fs::read(&path).unwrap();
    let b = bytes.windows(1).enumerate().skip(segment::HEADER_LENGTH).find(|(_, w)| w == b"b").unwrap().0;
    bytes[b] = b'x';
    std::fs::write(&path, &bytes).unwrap();
    let (log, found, lost) = open(directory.path(), 0);
    assert_eq!((texts(&found), lost, log.next_sequence()), (vec!["a", "c", "d"], 1, 5));
    assert_eq!(std::fs::read(path.with_extension("damaged")).unwrap(), bytes);
    // In files already: nothing was lost.
    drop(log);
    assert_eq!(open(directory.path(), 3).2, 0);
}

#[test]
fn a_missing_segment_is_noticed() {
    let directory = tempfile::tempdir().unwrap();
    let (mut log, ..) = open(directory.path(), 0);
    for text in ["a", "b", "c"] {
        log.append(&[record(text)]).unwrap();
        log.rotate();
    }
    drop(log);
    std::fs::remove_file(&segments(directory.path())[1]).unwrap();
    let (_, found, lost) = open(directory.path(), 0);
    assert_eq!((texts(&found), lost), (vec!["a", "c"], 1));
}

#[test]
fn a_damaged_header_costs_no_records() {
    let directory = tempfile::tempdir().unwrap();
    let (mut log, ..) = open(directory.path(), 0);
    log.append(&[record("a")]).unwrap();
    log.rotate();
    log.append(&[record("b")]).unwrap();
    drop(log);
    for path in segments(directory.path()) {
        let mut bytes = std::fs::read(&path).unwrap();
        bytes[20] ^= 0xff;
        std::fs::write(&path, &bytes).unwrap();
    }
    let (log, found, lost) = open(directory.path(), 0);
    assert_eq!((texts(&found), lost, log.next_sequence()), (vec!["a", "b"], 0, 3));
}

#[test]
fn a_segment_without_any_intact_record_is_kept() {
    let directory = tempfile::tempdir().unwrap();
    let (mut log, ..) = open(directory.path(), 0);
    log.append(&[record("a")]).unwrap();
    drop(log);
    let path = segments(directory.path()).remove(0);
    std::fs::write(&path, [0xee; 500]).unwrap();
    assert_eq!(open(directory.path(), 0).1.len(), 0);
    assert!(path.with_extension("damaged").exists());
}

#[test]
fn a_newer_format_and_a_foreign_segment_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    let (mut log, ..) = open(directory.path(), 0);
    log.append(&[record("a")]).unwrap();
    drop(log);
    let path = segments(directory.path()).remove(0);
    let good = std::fs::read(&path).unwrap();

    let mut newer = good.clone();
    newer[8] = 9;
    let crc = crc32c::crc32c(&newer[..12]).to_le_bytes();
    newer[12..16].copy_from_slice(&crc);
    std::fs::write(&path, newer).unwrap();
    let mut recovery = Recovery::open(directory.path(), Arc::new(LocalDisk)).unwrap();
    assert!(matches!(recovery.next_segment(), Err(LogError::Newer { version: 9, .. })));

    std::fs::write(&path, good).unwrap();
    std::fs::write(directory.path().join("id"), Uuid::nil().to_string()).unwrap();
    let mut recovery = Recovery::open(directory.path(), Arc::new(LocalDisk)).unwrap();
    assert!(matches!(recovery.next_segment(), Err(LogError::Foreign { .. })));

    std::fs::write(directory.path().join("id"), "no id").unwrap();
    assert!(matches!(Recovery::open(directory.path(), Arc::new(LocalDisk)), Err(LogError::Id(_))));
}

/// A disk that can be full (a write stores only part), can fail to sync, and can fail to truncate.
#[derive(Clone, Default)]
struct Failing {
    full: Arc<AtomicBool>,
    sync: Arc<AtomicBool>,
    truncate: Arc<AtomicBool>,
    syncs: Arc<AtomicUsize>,
}

struct FailingFile {
    file: Box<dyn SegmentFile>,
    disk: Failing,
}

fn failure(kind: io::ErrorKind) -> io::Result<()> {
    Err(io::Error::from(kind))
}

impl Disk for Failing {
    fn create(&self, path: &Path) -> io::Result<Box<dyn SegmentFile>> {
        Ok(Box::new(FailingFile { file: LocalDisk.create(path)?, disk: self.clone() }))
    }

    fn sync_directory(&self, path: &Path) -> io::Result<()> {
        LocalDisk.sync_directory(path)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        LocalDisk.remove(path)
    }
}

impl SegmentFile for FailingFile {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.disk.full.load(SeqCst) {
            self.file.append(&bytes[..bytes.len() / 2])?;
            return failure(io::ErrorKind::StorageFull);
        }
        self.file.append(bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.disk.syncs.fetch_add(1, SeqCst);
        if self.disk.sync.load(SeqCst) {
            return failure(io::ErrorKind::Other);
        }
        self.file.sync()
    }

    fn truncate(&mut self, length: u64) -> io::Result<()> {
        if self.disk.truncate.load(SeqCst) {
            return failure(io::ErrorKind::Other);
        }
        self.file.truncate(length)
    }
}

#[test]
fn a_full_disk_refuses_and_recovers_by_itself() {
    let (directory, disk) = (tempfile::tempdir().unwrap(), Failing::default());
    let (mut log, ..) = open_on(directory.path(), 0, Arc::new(disk.clone()));
    log.append(&[record("before")]).unwrap();
    disk.full.store(true, SeqCst);
    for _ in 0..3 {
        log.append(&[record("refused, refused, refused")]).unwrap_err();
    }
    disk.full.store(false, SeqCst);
    assert_eq!(log.append(&[record("after")]).unwrap(), 2..3);
    assert_eq!(segments(directory.path()).len(), 1, "a clean cut needs no new segment");
    drop(log);
    let (_, found, lost) = open(directory.path(), 0);
    assert_eq!((texts(&found), lost), (vec!["before", "after"], 0));
}

#[test]
fn a_full_disk_while_a_segment_is_created_leaves_nothing() {
    let (directory, disk) = (tempfile::tempdir().unwrap(), Failing::default());
    let (mut log, ..) = open_on(directory.path(), 0, Arc::new(disk.clone()));
    disk.full.store(true, SeqCst);
    log.append(&[record("refused")]).unwrap_err();
    assert_eq!(segments(directory.path()).len(), 0);
    disk.full.store(false, SeqCst);
    assert_eq!(log.append(&[record("after")]).unwrap(), 1..2);
}

#[test]
fn after_a_failed_fsync_the_file_is_never_trusted_again() {
    for truncate_fails in [false, true] {
        let (directory, disk) = (tempfile::tempdir().unwrap(), Failing::default());
        let (mut log, ..) = open_on(directory.path(), 0, Arc::new(disk.clone()));
        log.append(&[record("before")]).unwrap();
        disk.sync.store(true, SeqCst);
        disk.truncate.store(truncate_fails, SeqCst);
        log.append(&[record("unacknowledged")]).unwrap_err();
        disk.sync.store(false, SeqCst);
        disk.truncate.store(false, SeqCst);
        assert_eq!(log.append(&[record("after")]).unwrap(), 2..3);
        assert_eq!(segments(directory.path()).len(), 2);
        drop(log);
        // Even where its bytes are still in the old segment, the refused record does not come back.
        let (_, found, lost) = open(directory.path(), 0);
        assert_eq!((texts(&found), lost), (vec!["before", "after"], 0));
    }
}

#[test]
fn many_records_share_one_fsync() {
    let (directory, disk) = (tempfile::tempdir().unwrap(), Failing::default());
    let (mut log, ..) = open_on(directory.path(), 0, Arc::new(disk.clone()));
    log.append(&[record("first")]).unwrap();
    let before = disk.syncs.load(SeqCst);
    log.append(&(0..100).map(|i| record(&i.to_string())).collect::<Vec<_>>()).unwrap();
    assert_eq!(disk.syncs.load(SeqCst) - before, 1);
}
