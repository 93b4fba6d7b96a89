//! The `file` exporter: OTLP requests appended to a file, as the Collector writes it: JSON is one request a line;
//! protobuf and anything compressed is preceded by its length in four bytes, big-endian.
//!
//! A request is acknowledged when it is written to the file's buffer; the buffer reaches the file every
//! `flush_interval` and at shutdown.

use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use parking_lot::Mutex;
use serde::Deserialize;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use trefoil_model::Signal;

use self::rotation::Rotation;
use super::counted::Counted;
use crate::component::{Component, ComponentError, Context, Exporter, ExporterConfig, ExporterFactory};
use crate::config::{ConfigError, Problems, Section, duration};
use crate::telemetry::{Accepted, Consumer, Refused, Telemetry};

mod rotation;

pub const FACTORY: ExporterFactory = ExporterFactory { kind: "file", signals: &Signal::ALL, parse };

const UNSUPPORTED: &[(&str, &str)] = &[
    ("group_by", "name an exporter for each file and route to it"),
    ("encoding", "there are no encoding extensions; use `format`"),
    ("create_directory", "create the directory before the start"),
    ("directory_permissions", "create the directory before the start"),
];

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Config {
    path: PathBuf,
    format: Format,
    compression: Compression,
    /// Continue an existing file instead of replacing it.
    append: bool,
    rotation: Option<Rotation>,
    #[serde(with = "duration")]
    flush_interval: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            path: PathBuf::new(),
            format: Format::Json,
            compression: Compression::None,
            append: false,
            rotation: None,
            flush_interval: Duration::from_secs(1),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Format {
    Json,
    Proto,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Compression {
    #[serde(alias = "")]
    None,
    Zstd,
}

fn parse(section: &Section<'_>) -> Result<Box<dyn ExporterConfig>, ConfigError> {
    let config: Config = section.without(UNSUPPORTED).parse()?;
    let mut problems = Problems::default();
    let mut problem = |path: &str, message: &str| problems.push(section.problem(path, message));
    if config.path.as_os_str().is_empty() {
        problem("path", "is missing: name the file to write");
    }
    if config.append && config.compression != Compression::None {
        problem("append", "cannot be combined with compression");
    }
    if config.append && config.rotation.is_some() {
        problem("append", "cannot be combined with rotation");
    }
    if config.flush_interval.is_zero() {
        problem("flush_interval", "must be positive");
    }
    problems.or(Box::new(config))
}

impl ExporterConfig for Config {
    fn build(&self, context: Context) -> Result<Arc<dyn Exporter>, ComponentError> {
        let exporter = FileExporter {
            config: self.clone(),
            output: Arc::default(),
            stop: CancellationToken::new(),
            flusher: TaskTracker::new(),
        };
        Ok(Counted::new(&context, exporter))
    }
}

struct FileExporter {
    config: Config,
    output: Arc<Mutex<Option<Output>>>,
    stop: CancellationToken,
    flusher: TaskTracker,
}

/// The open file and how much it holds.
struct Output {
    file: BufWriter<File>,
    size: u64,
}

impl Output {
    fn open(path: &Path, append: bool) -> io::Result<Output> {
        let mut options = OpenOptions::new();
        options.create(true);
        if append {
            options.append(true)
        } else {
            options.write(true).truncate(true)
        };
        let file = options.open(path)?;
        let size = file.metadata()?.len();
        Ok(Output { file: BufWriter::new(file), size })
    }
}

impl FileExporter {
    fn encode(&self, telemetry: Telemetry) -> Result<Vec<u8>, Refused> {
        let signal = telemetry.signal();
        let body = telemetry.payload.into_bytes();
        let plain = match self.config.format {
            Format::Proto => body.to_vec(),
            Format::Json => trefoil_model::json::from_protobuf(signal, &body)
                .map_err(|e| Refused::Invalid(format!("cannot be written as JSON: {e}")))?,
        };
        let mut message = match self.config.compression {
            Compression::None => plain,
            Compression::Zstd => zstd::bulk::compress(&plain, zstd::DEFAULT_COMPRESSION_LEVEL)
                .map_err(|e| Refused::Invalid(format!("cannot be compressed: {e}")))?,
        };
        if self.config.format == Format::Json && self.config.compression == Compression::None {
            message.push(b'\n');
            return Ok(message);
        }
        let length = u32::try_from(message.len())
            .map_err(|_| Refused::Invalid("the request is larger than 4 GiB".to_string()))?;
        Ok([&length.to_be_bytes()[..], &message].concat())
    }

    fn write(&self, message: &[u8]) -> io::Result<()> {
        let mut guard = self.output.lock();
        let Some(output) = guard.as_mut() else { return Err(io::Error::other("the exporter is not started")) };
        if let Some(rotation) = &self.config.rotation
            && output.size > 0
            && output.size + message.len() as u64 > rotation.max_bytes()
        {
            output.file.flush()?;
            rotation.rotate(&self.config.path, chrono::Utc::now())?;
            *output = Output::open(&self.config.path, false)?;
        }
        output.file.write_all(message)?;
        output.size += message.len() as u64;
        Ok(())
    }
}

fn flush(output: &Mutex<Option<Output>>) {
    if let Some(output) = output.lock().as_mut()
        && let Err(error) = output.file.flush()
    {
        tracing::error!(%error, "the file exporter cannot write its buffer");
    }
}

impl Exporter for FileExporter {}

#[async_trait]
impl Component for FileExporter {
    async fn start(&self) -> Result<(), ComponentError> {
        let path = &self.config.path;
        // A file that rotates continues where it ended; what is full is rotated before it is written to.
        let append = self.config.append || self.config.rotation.is_some();
        let output = Output::open(path, append)
            .map_err(|e| ComponentError::new(format!("path: cannot write {}: {e}", path.display())))?;
        *self.output.lock() = Some(output);
        let (output, stop, interval) = (self.output.clone(), self.stop.clone(), self.config.flush_interval);
        self.flusher.spawn(async move {
            while tokio::time::timeout(interval, stop.cancelled()).await.is_err() {
                flush(&output);
            }
        });
        Ok(())
    }

    async fn shutdown(&self, _grace: Duration) {
        self.stop.cancel();
        self.flusher.close();
        self.flusher.wait().await;
        flush(&self.output);
        *self.output.lock() = None;
    }
}

#[async_trait]
impl Consumer for FileExporter {
    async fn consume(&self, telemetry: Telemetry) -> Result<Accepted, Refused> {
        let message = self.encode(telemetry)?;
        let place = self.config.path.display();
        self.write(&message).map_err(|e| Refused::unavailable(format!("cannot write {place}: {e}")))?;
        Ok(Accepted::all())
    }
}

#[cfg(test)]
mod tests;
