//! The `storage` section of the configuration.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::compaction::CompactionOptions;
use crate::error::StorageError;
use crate::limits::LimitsConfig;
use crate::retention::{CollectOptions, RetentionConfig};
use crate::trace_ids::{TraceIdsByTenant, TraceIdsConfig};
use crate::units::{self, ByteSize};

/// The `storage` section. Every field has a default: an empty section keeps everything under `./trefoil-data`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct StorageConfig {
    /// The local directory: the log, and (unless moved by the next two) the catalog and the files. One process at a time.
    pub path: PathBuf,
    /// The catalog's database: `sqlite:<file>` or `postgres://…`. Default: `sqlite:<path>/catalog.sqlite`.
    pub catalog: Option<String>,
    /// Where files go: a directory or an object store URL (`s3://bucket/prefix`, `gs://…`, `az://…`).
    /// Default: `<path>/data`.
    pub data: Option<String>,
    /// Options of the object store, by the names of the `object_store` crate (`aws_endpoint`, `aws_region`,
    /// `aws_access_key_id`, `allow_http`, …). Without them the usual environment variables (`AWS_…`) apply.
    pub object_store: BTreeMap<String, String>,
    /// What makes an append durable.
    pub acknowledge: Acknowledge,
    pub log: LogConfig,
    pub buffer: BufferConfig,
    /// What series and samples a tenant may send.
    pub limits: LimitsConfig,
    pub compaction: CompactionConfig,
    pub fields: FieldsConfig,
    /// How long what is kept.
    pub retention: RetentionConfig,
    pub garbage: GarbageConfig,
    /// Where ids of traces are looked for in log records that come without.
    pub trace_ids: TraceIdsConfig,
    /// Memory for what is known of log entries that are in files, so that those that are sent again are not stored again. 0: they are.
    pub recent_entries_bytes: ByteSize,
    /// Memory for what is kept of files between queries (footers, bloom filters, where sections lie).
    pub cache_bytes: ByteSize,
}

/// What an append waits for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Acknowledge {
    /// An fsync of the local log (one process that owns its disk).
    #[default]
    Log,
    /// The catalog commit of the files that hold it (a cluster of processes without local state).
    Commit,
}

/// The `storage.log` section.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LogConfig {
    /// A segment is closed when it is this long; it is deleted when all it holds is in files.
    pub segment_bytes: ByteSize,
    /// At most this much is written before one fsync; more waits for the next.
    pub max_batch_bytes: ByteSize,
}

impl Default for LogConfig {
    fn default() -> Self {
        Self { segment_bytes: ByteSize::mib(64), max_batch_bytes: ByteSize::mib(16) }
    }
}

/// The `storage.buffer` section.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BufferConfig {
    /// Rows are written to files when the buffer holds this many bytes (as Arrow columns in memory) …
    pub flush_bytes: ByteSize,
    /// … or when the oldest of them is this old.
    #[serde(with = "units::duration")]
    pub flush_interval: Duration,
    /// With `acknowledge: commit`, senders wait at most this long for others to share their commit (at most 1s).
    #[serde(with = "units::duration")]
    pub commit_interval: Duration,
    /// Appends are refused (retryably) while the buffer, with what is being written, holds more than this.
    pub max_bytes: ByteSize,
}

impl Default for BufferConfig {
    fn default() -> Self {
        Self {
            flush_bytes: ByteSize::mib(128),
            flush_interval: Duration::from_secs(300),
            commit_interval: Duration::from_millis(250),
            max_bytes: ByteSize::mib(320),
        }
    }
}

/// The `storage.compaction` section: small files become large ones in the background, on one thread.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CompactionConfig {
    /// How often to look for work after there was none; `0` switches compaction off (another process does it).
    #[serde(with = "units::duration")]
    pub interval: Duration,
    /// Files from half of this on are left alone; none is made larger.
    pub target_bytes: ByteSize,
    /// Of the current day, so many files are merged at once; of days past, two suffice.
    pub min_files: usize,
    /// A day to which nothing was added for so long counts as past, whichever it is. More than `buffer.flush_interval`.
    #[serde(with = "units::duration")]
    pub settled_after: Duration,
    /// The most files read by one job.
    pub max_files: usize,
}

impl Default for CompactionConfig {
    fn default() -> Self {
        let CompactionOptions { target_bytes, min_files, settled_after, max_files } = CompactionOptions::default();
        let interval = Duration::from_secs(10);
        Self { interval, target_bytes: ByteSize(target_bytes), min_files, settled_after, max_files }
    }
}

impl CompactionConfig {
    pub(crate) fn options(&self) -> CompactionOptions {
        let Self { target_bytes, min_files, settled_after, max_files, .. } = *self;
        CompactionOptions { target_bytes: target_bytes.get(), min_files, settled_after, max_files }
    }
}

/// The `storage.fields` section: fields of log lines in JSON or logfmt that occur often become columns of their own.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FieldsConfig {
    /// Lines that are looked at before it is judged which fields are worth a column.
    pub learn_lines: u64,
    /// Fields that become columns at most; there are no columns for forms and levels without them, either. Columns that are there stay.
    pub max_columns: usize,
}

impl Default for FieldsConfig {
    fn default() -> Self {
        Self { learn_lines: 1_000, max_columns: 100 }
    }
}

/// The `storage.garbage` section: retention is enforced and unreadable files are deleted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct GarbageConfig {
    /// How often; `0` switches it off (another process does it).
    #[serde(with = "units::duration")]
    pub interval: Duration,
    /// How long files stay readable after they left the catalog: longer than any query runs.
    #[serde(with = "units::duration")]
    pub grace: Duration,
    /// How old a file that the catalog has never heard of must be: longer than any flush waits for its commit.
    #[serde(with = "units::duration")]
    pub orphan_age: Duration,
}

impl Default for GarbageConfig {
    fn default() -> Self {
        let CollectOptions { grace, orphan_age } = CollectOptions::default();
        Self { interval: Duration::from_secs(300), grace, orphan_age }
    }
}

impl GarbageConfig {
    pub(crate) fn options(&self) -> CollectOptions {
        CollectOptions { grace: self.grace, orphan_age: self.orphan_age }
    }
}

impl Default for StorageConfig {
    fn default() -> Self {
        Self::in_directory("trefoil-data")
    }
}

impl StorageConfig {
    /// The defaults, with everything under `path`.
    pub fn in_directory(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            catalog: None,
            data: None,
            object_store: BTreeMap::new(),
            acknowledge: Acknowledge::default(),
            log: LogConfig::default(),
            buffer: BufferConfig::default(),
            limits: LimitsConfig::default(),
            compaction: CompactionConfig::default(),
            fields: FieldsConfig::default(),
            retention: RetentionConfig::default(),
            garbage: GarbageConfig::default(),
            trace_ids: TraceIdsConfig::default(),
            // Some three and a half million.
            recent_entries_bytes: ByteSize::mib(64),
            // With half a million series a merged file has half a million pages, and they have to be found again.
            cache_bytes: ByteSize::mib(256),
        }
    }

    pub fn catalog_url(&self) -> String {
        match &self.catalog {
            Some(url) => url.clone(),
            None => format!("sqlite:{}", self.path.join("catalog.sqlite").display()),
        }
    }

    /// The directory or URL that file paths in the catalog are relative to.
    pub fn data_url(&self) -> String {
        match &self.data {
            Some(url) => url.clone(),
            None => self.path.join("data").display().to_string(),
        }
    }

    pub fn log_directory(&self) -> PathBuf {
        self.path.join("log")
    }

    /// Checks what the types cannot.
    pub fn validate(&self) -> Result<(), StorageError> {
        let wrong = |message: String| Err(StorageError::Configuration(message));
        if self.path == Path::new("") {
            return wrong("`path` is empty; give a directory".into());
        }
        if self.log.segment_bytes < ByteSize::kib(64) {
            return wrong(format!("`log.segment_bytes` is {}; it must be at least 64KiB", self.log.segment_bytes));
        }
        if self.log.max_batch_bytes < ByteSize::kib(4) {
            return wrong(format!("`log.max_batch_bytes` is {}; it must be at least 4KiB", self.log.max_batch_bytes));
        }
        let buffer = &self.buffer;
        if buffer.flush_bytes.get() == 0 {
            return wrong("`buffer.flush_bytes` is 0; give a size such as 128MiB".into());
        }
        if buffer.max_bytes.get() < buffer.flush_bytes.get().saturating_mul(2) {
            return wrong(format!(
                "`buffer.max_bytes` ({}) must be at least twice `buffer.flush_bytes` ({}), so that appends go on during a flush",
                buffer.max_bytes, buffer.flush_bytes
            ));
        }
        if buffer.flush_interval < Duration::from_secs(1) {
            return wrong("`buffer.flush_interval` must be at least 1s".into());
        }
        if buffer.commit_interval > Duration::from_secs(1) {
            return wrong("`buffer.commit_interval` must be at most 1s: senders wait for it".into());
        }
        if self.compaction.min_files < 2 || self.compaction.max_files < self.compaction.min_files {
            return wrong("`compaction.min_files` must be at least 2 and `compaction.max_files` not below it".into());
        }
        TraceIdsByTenant::new(&self.trace_ids)?;
        if self.garbage.grace < Duration::from_secs(1) {
            return wrong(
                "`garbage.grace` must be at least 1s: queries read files that have just left the catalog".into(),
            );
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_section_is_complete() {
        let config: StorageConfig = serde_json::from_str("{}").unwrap();
        assert_eq!(config, StorageConfig::default());
        config.validate().unwrap();
        assert_eq!(config.catalog_url(), "sqlite:trefoil-data/catalog.sqlite");
        assert_eq!(config.data_url(), "trefoil-data/data");
    }

    #[test]
    fn unknown_options_are_errors() {
        let error = serde_json::from_str::<StorageConfig>(r#"{"buffer":{"flush_byte":1}}"#).unwrap_err();
        assert!(error.to_string().contains("flush_byte"), "{error}");
    }

    #[test]
    fn a_buffer_that_cannot_flush_in_parallel_is_refused() {
        let config: StorageConfig =
            serde_json::from_str(r#"{"buffer":{"flush_bytes":"64MiB","max_bytes":"100MiB"}}"#).unwrap();
        assert!(config.validate().unwrap_err().to_string().contains("twice"));
    }
}
