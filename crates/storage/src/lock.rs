//! One process at a time in a data directory.

use std::fs::{self, File, TryLockError};
use std::path::Path;

use crate::StorageError;

/// Held as long as the store is open; the operating system releases it when the process ends, however it ends.
#[derive(Debug)]
pub(crate) struct DirectoryLock {
    _file: File,
}

impl DirectoryLock {
    /// Creates `directory` if need be and locks it for this process.
    pub(crate) fn acquire(directory: &Path) -> Result<Self, StorageError> {
        let io = |path: &Path| {
            let path = path.to_path_buf();
            move |cause| StorageError::Io { path, cause }
        };
        fs::create_dir_all(directory).map_err(io(directory))?;
        let path = directory.join("lock");
        let file = File::options().create(true).truncate(false).write(true).open(&path).map_err(io(&path))?;
        match file.try_lock() {
            Ok(()) => Ok(Self { _file: file }),
            Err(TryLockError::WouldBlock) => Err(StorageError::Locked(directory.to_path_buf())),
            Err(TryLockError::Error(cause)) => Err(StorageError::Io { path, cause }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_owner_is_refused_until_the_first_is_gone() {
        let directory = tempfile::tempdir().unwrap();
        let first = DirectoryLock::acquire(directory.path()).unwrap();
        let error = DirectoryLock::acquire(directory.path()).unwrap_err();
        assert!(matches!(&error, StorageError::Locked(path) if path == directory.path()), "{error}");
        drop(first);
        DirectoryLock::acquire(directory.path()).unwrap();
    }
}
