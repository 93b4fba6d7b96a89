//! `file_storage`: where components keep small things across restarts, such as how far files have been read. One SQLite database for
//! each component, in a directory.

use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde::Deserialize;

use self::database::Database;
use crate::component::{
    Component, ComponentError, ComponentId, Context, Extension, ExtensionConfig, ExtensionFactory, Storage,
    StorageClient, Storages,
};
use crate::config::{ConfigError, Section, duration};

mod database;

pub const FACTORY: ExtensionFactory = ExtensionFactory { kind: "file_storage", signals: &[], parse };

/// The Collector's options, as far as they have a meaning for SQLite.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Config {
    /// By default one below Trefoil's data directory.
    directory: Option<PathBuf>,
    create_directory: bool,
    /// In octal, for a directory that is created.
    directory_permissions: String,
    /// How long to wait for another process that has the file.
    #[serde(with = "duration")]
    timeout: Duration,
    /// Whether each change survives a power cut, not only the end of the process.
    fsync: bool,
    compaction: Compaction,
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Compaction {
    /// Whether files are made as small as they can be when they are opened.
    on_start: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            directory: None,
            create_directory: true,
            directory_permissions: "0750".to_owned(),
            timeout: Duration::from_secs(1),
            fsync: false,
            compaction: Compaction::default(),
        }
    }
}

const FREE_SPACE: &str = "SQLite uses free space again by itself; remove it";

const UNSUPPORTED: &[(&str, &str)] = &[
    ("compaction.on_rebound", FREE_SPACE),
    ("compaction.directory", "the file is compacted where it is; remove it"),
    ("compaction.rebound_needed_threshold_mib", FREE_SPACE),
    ("compaction.rebound_trigger_threshold_mib", FREE_SPACE),
    ("compaction.check_interval", FREE_SPACE),
    ("compaction.max_transaction_size", FREE_SPACE),
    ("compaction.cleanup_on_start", "compacting leaves nothing behind; remove it"),
    ("recreate", "a file that cannot be read is an error; move it away yourself"),
];

fn parse(section: &Section<'_>) -> Result<Box<dyn ExtensionConfig>, ConfigError> {
    let config: Config = section.without(UNSUPPORTED).parse()?;
    if config.directory.as_ref().is_some_and(|directory| directory.as_os_str().is_empty()) {
        return Err(section.invalid("directory", "must not be empty"));
    }
    if mode(&config.directory_permissions).is_none() {
        return Err(section.invalid("directory_permissions", "must be permissions in octal, such as 0750"));
    }
    Ok(Box::new(config))
}

fn mode(text: &str) -> Option<u32> {
    u32::from_str_radix(text, 8).ok().filter(|mode| *mode <= 0o777)
}

impl ExtensionConfig for Config {
    fn build(&self, context: Context) -> Result<Arc<dyn Extension>, ComponentError> {
        let directory = self.directory.clone().unwrap_or_else(|| context.state_dir("extensions"));
        let files: Arc<dyn Storage> = Arc::new(Files { directory: directory.clone(), config: self.clone() });
        Ok(Arc::new(FileStorage { id: context.id, config: self.clone(), directory, files, storages: context.storages }))
    }
}

struct FileStorage {
    id: ComponentId,
    config: Config,
    directory: PathBuf,
    files: Arc<dyn Storage>,
    storages: Storages,
}

impl Extension for FileStorage {}

#[async_trait]
impl Component for FileStorage {
    async fn start(&self) -> Result<(), ComponentError> {
        let failed = |reason: std::io::Error| ComponentError::new(format!("{}: {reason}", self.directory.display()));
        if self.config.create_directory {
            create(&self.directory, &self.config.directory_permissions).map_err(failed)?;
        }
        let found = std::fs::metadata(&self.directory).map_err(failed)?;
        if !found.is_dir() {
            return Err(ComponentError::new(format!("{} is not a directory", self.directory.display())));
        }
        self.storages.add(self.id.clone(), self.files.clone());
        Ok(())
    }

    async fn shutdown(&self, _grace: Duration) {
        self.storages.remove(&self.id, &self.files);
    }
}

fn create(directory: &Path, permissions: &str) -> std::io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    if let Some(mode) = mode(permissions) {
        builder.mode(mode);
    }
    builder.create(directory)
}

struct Files {
    directory: PathBuf,
    config: Config,
}

#[async_trait]
impl Storage for Files {
    async fn client(&self, class: &str, id: &ComponentId) -> Result<Arc<dyn StorageClient>, ComponentError> {
        let name = format!("{class}_{}.sqlite", id.to_string().replace('/', "%2F"));
        let path = self.directory.join(name);
        let Config { timeout, fsync, compaction, .. } = &self.config;
        let database = Database::open(&path, *timeout, *fsync, compaction.on_start).await;
        let database =
            database.map_err(|error| ComponentError::new(format!("storage: {}: {error}", path.display())))?;
        Ok(Arc::new(database))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Document;

    fn config(yaml: &str) -> Result<Box<dyn ExtensionConfig>, String> {
        let document = Document::verbatim("e.yaml", yaml).unwrap();
        parse(&Section::new(document.root(), &[])).map_err(|error| error.to_string())
    }

    #[test]
    fn mistakes_are_named() {
        config("").unwrap();
        config("{directory: /x, create_directory: false, timeout: 10s, fsync: true, compaction: {on_start: true}}")
            .unwrap();
        let cases = [
            ("{compaction: {on_rebound: true}}", "SQLite uses free space again"),
            ("{directory: ''}", "directory: must not be empty"),
            ("{directory_permissions: '999'}", "directory_permissions: must be permissions"),
            ("{director: x}", "did you mean `directory`?"),
        ];
        for (yaml, expected) in cases {
            let error = config(yaml).map(drop).unwrap_err();
            assert!(error.contains(expected), "{yaml}: {error}");
        }
    }

    #[tokio::test]
    async fn what_is_written_is_there_again() {
        let directory = tempfile::tempdir().unwrap();
        let files = Files { directory: directory.path().to_path_buf(), config: Config::default() };
        let id: ComponentId = "filelog/a".parse().unwrap();
        let client = files.client("receiver", &id).await.unwrap();
        assert!(client.all().await.unwrap().is_empty());
        let of = |key: &str, value: Option<&[u8]>| (key.to_owned(), value.map(<[u8]>::to_vec));
        client.write(vec![of("a", Some(b"1")), of("b", Some(b"2"))]).await.unwrap();
        client.write(vec![of("a", Some(b"3")), of("b", None), of("c", None)]).await.unwrap();
        client.close().await;
        let compacting = Config { compaction: Compaction { on_start: true }, fsync: true, ..Config::default() };
        let files = Files { directory: directory.path().to_path_buf(), config: compacting };
        let client = files.client("receiver", &id).await.unwrap();
        assert_eq!(client.all().await.unwrap(), [("a".to_owned(), b"3".to_vec())]);
        let other = files.client("receiver", &"filelog".parse().unwrap()).await.unwrap();
        assert!(other.all().await.unwrap().is_empty());
    }
}
