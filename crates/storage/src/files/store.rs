//! Where files lie: a local directory or an object store, addressed by paths relative to the data path.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use chrono::{DateTime, NaiveDate, Utc};
use futures::{StreamExt, TryStreamExt};
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::prefix::PrefixStore;
use object_store::{ObjectStore, ObjectStoreExt};
use trefoil_model::{Table, Tenant};
use uuid::{Timestamp, Uuid};

use super::FilesError;
use crate::catalog::table_directory;

/// How many objects are deleted at once.
const DELETE_CONCURRENCY: usize = 8;

/// The data path. Cheap to clone.
#[derive(Debug, Clone)]
pub struct FileStore {
    store: Arc<dyn ObjectStore>,
    /// Set when files are local: those are written and synced without `object_store`, which does not sync.
    directory: Option<PathBuf>,
}

/// An object found in the store, listed in the catalog or not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredObject {
    /// Relative to the data path.
    pub path: String,
    pub size_bytes: u64,
    pub modified: DateTime<Utc>,
}

impl FileStore {
    /// Opens `url`: a directory (created if need be), `file://…`, or an object store URL (`s3://bucket/prefix`, `gs://…`,
    /// `az://…`, `memory:///`). `options` are those of the `object_store` crate; `AWS_…`, `GOOGLE_…` and `AZURE_…`
    /// environment variables apply where an option is not given.
    pub fn open(url: &str, options: &BTreeMap<String, String>) -> Result<Self, FilesError> {
        let wrong = |reason: String| FilesError::Location { url: url.to_string(), reason };
        let directory = match url.split_once("://") {
            None => Some(url),
            Some(("file", path)) => Some(path),
            Some(_) => None,
        };
        if let Some(directory) = directory {
            let directory = PathBuf::from(directory);
            std::fs::create_dir_all(&directory).map_err(|error| wrong(error.to_string()))?;
            let directory = directory.canonicalize().map_err(|error| wrong(error.to_string()))?;
            let store = LocalFileSystem::new_with_prefix(&directory).map_err(|error| wrong(error.to_string()))?;
            return Ok(Self { store: Arc::new(store), directory: Some(directory) });
        }
        let parsed = url::Url::parse(url).map_err(|error| wrong(error.to_string()))?;
        // Explicit options come last, so they win over the environment.
        let environment = std::env::vars()
            .map(|(key, value)| (key.to_ascii_lowercase(), value))
            .filter(|(key, _)| ["aws_", "google_", "azure_"].iter().any(|prefix| key.starts_with(prefix)));
        let options = environment.chain(options.iter().map(|(key, value)| (key.clone(), value.clone())));
        let (store, prefix) =
            object_store::parse_url_opts(&parsed, options).map_err(|error| wrong(error.to_string()))?;
        Ok(Self::new(Arc::new(PrefixStore::new(store, prefix))))
    }

    /// Files in `store`, whose root is the data path.
    pub fn new(store: Arc<dyn ObjectStore>) -> Self {
        Self { store, directory: None }
    }

    pub fn object_store(&self) -> &Arc<dyn ObjectStore> {
        &self.store
    }

    /// Whether files lie in an object store.
    pub(crate) fn is_remote(&self) -> bool {
        self.directory.is_none()
    }

    pub(crate) fn directory(&self) -> Option<&PathBuf> {
        self.directory.as_ref()
    }

    /// Deletes files; one that is gone already counts as deleted. Returns how many were there.
    pub async fn delete(&self, paths: impl IntoIterator<Item = String>) -> Result<usize, FilesError> {
        let deletions = paths.into_iter().map(|path| async move {
            match self.store.delete(&location(&path)?).await {
                Ok(()) => Ok(1),
                Err(object_store::Error::NotFound { .. }) => Ok(0),
                Err(error) => Err(FilesError::ObjectStore(error)),
            }
        });
        let deletions: Vec<_> = deletions.collect();
        futures::stream::iter(deletions).buffer_unordered(DELETE_CONCURRENCY).try_fold(0, async |a, b| Ok(a + b)).await
    }

    /// Every object below the directory of `table`.
    pub async fn list(&self, table: Table) -> Result<Vec<StoredObject>, FilesError> {
        let prefix = Path::from(table_directory(table));
        let objects = self.store.list(Some(&prefix)).map_ok(|object| StoredObject {
            path: object.location.to_string(),
            size_bytes: object.size,
            modified: object.last_modified,
        });
        Ok(objects.try_collect().await?)
    }
}

/// The path as `object_store` has it, without its percent-encoding of characters that tenants may contain.
pub(crate) fn location(path: &str) -> Result<Path, FilesError> {
    Path::parse(path).map_err(|error| FilesError::ObjectStore(error.into()))
}

/// A path that nothing else has: `main/<table>/<tenant>/<YYYY-MM-DD>/<uuidv7>.parquet`; the UUID's time is `stored`.
pub(crate) fn new_path(table: Table, tenant: &Tenant, day: i32, stored: DateTime<Utc>) -> String {
    let seconds = u64::try_from(stored.timestamp()).unwrap_or_default();
    let time = Timestamp::from_unix(uuid::NoContext, seconds, stored.timestamp_subsec_nanos());
    format!("{}{tenant}/{}/{}.parquet", table_directory(table), day_name(day), Uuid::new_v7(time))
}

/// `day` = days since the Unix epoch.
fn day_name(day: i32) -> String {
    NaiveDate::from_epoch_days(day).map_or_else(|| format!("day{day}"), |date| date.format("%Y-%m-%d").to_string())
}

/// When the youngest row of the file was stored, from the UUID in its name.
pub(crate) fn created_at(path: &str) -> Option<DateTime<Utc>> {
    let name = path.rsplit('/').next()?.strip_suffix(".parquet")?;
    let (seconds, nanos) = Uuid::parse_str(name).ok()?.get_timestamp()?.to_unix();
    DateTime::from_timestamp(i64::try_from(seconds).ok()?, nanos)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_tells_table_tenant_day_and_birth() {
        let path = new_path(Table::Spans, &Tenant::new("acme").unwrap(), 20_000, Utc::now());
        assert!(path.starts_with("main/spans/acme/2024-10-04/"), "{path}");
        assert!((Utc::now() - created_at(&path).unwrap()).num_seconds().abs() < 5);
        assert_eq!(created_at("main/spans/acme/2024-10-04/x.parquet"), None);
    }

    #[test]
    fn wrong_locations_are_named() {
        let error = FileStore::open("ftp://host/x", &BTreeMap::new()).unwrap_err();
        assert!(error.to_string().contains("ftp://host/x"), "{error}");
    }

    #[tokio::test]
    async fn deleting_twice_is_fine() {
        let directory = tempfile::tempdir().unwrap();
        let store = FileStore::open(directory.path().to_str().unwrap(), &BTreeMap::new()).unwrap();
        let path = new_path(Table::Logs, &Tenant::default(), 1, Utc::now());
        store.object_store().put(&Path::from(path.as_str()), "x".into()).await.unwrap();
        assert_eq!(store.list(Table::Logs).await.unwrap()[0].path, path);
        assert_eq!(store.delete([path.clone()]).await.unwrap(), 1);
        assert_eq!(store.delete([path]).await.unwrap(), 0);
        assert_eq!(store.list(Table::Logs).await.unwrap(), []);
    }
}
