//! Files that come, grow, move and go.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use parking_lot::Mutex;

use super::config::Config;
use super::poller::{Poller, Sink};
use super::progress::Checkpoints;
use crate::component::{ComponentError, StorageClient};
use crate::config::{Document, Section};
use crate::stanza::{Entry, Value};

mod compressed;
mod configuration;
mod crashes;
mod ordered;
mod reading;
mod rotation;
mod running;

pub fn config(yaml: &str) -> Result<Config, String> {
    let document = Document::verbatim("f.yaml", yaml).unwrap();
    Config::parse(&Section::new(document.root(), &[])).map_err(|error| error.to_string())
}

/// A storage that outlives who uses it.
#[derive(Default)]
pub struct Kept(Mutex<BTreeMap<String, Vec<u8>>>);

#[async_trait]
impl StorageClient for Kept {
    async fn all(&self) -> Result<Vec<(String, Vec<u8>)>, ComponentError> {
        Ok(self.0.lock().clone().into_iter().collect())
    }

    async fn write(&self, changes: Vec<(String, Option<Vec<u8>>)>) -> Result<(), ComponentError> {
        let mut kept = self.0.lock();
        for (key, value) in changes {
            match value {
                Some(value) => kept.insert(key, value),
                None => kept.remove(&key),
            };
        }
        Ok(())
    }

    async fn close(&self) {}
}

/// Takes everything.
#[derive(Default)]
pub struct Taken(pub Vec<Vec<Entry>>);

impl Sink for Taken {
    fn send(&mut self, entries: Vec<Entry>) -> bool {
        if !entries.is_empty() {
            self.0.push(entries);
        }
        true
    }
}

/// A receiver without pipelines, whose clock is set by the test.
pub struct Reader {
    pub poller: Poller,
    pub checkpoints: Arc<Checkpoints>,
    pub now: Instant,
}

pub fn text(entry: &Entry) -> String {
    match &entry.body {
        Value::Bytes(bytes) => format!("{bytes:?}"),
        body => body.to_string(),
    }
}

impl Reader {
    pub fn new(folder: &Path, options: &str, kept: Option<&Arc<Kept>>) -> Self {
        let include = folder.join("*.log*");
        let yaml = format!("include: ['{}']\nstart_at: beginning\n{options}", include.display());
        Self::with(&yaml.replace("DIR", &folder.display().to_string()), kept)
    }

    pub fn with(yaml: &str, kept: Option<&Arc<Kept>>) -> Self {
        // The last one given counts.
        let yaml = match yaml.matches("start_at").count() {
            2 => yaml.replacen("start_at: beginning\n", "", 1),
            _ => yaml.to_owned(),
        };
        let config = config(&yaml).unwrap_or_else(|error| panic!("{error}\nin\n{yaml}"));
        let client = kept.cloned().map(|kept| -> Arc<dyn StorageClient> { kept });
        let checkpoints = Arc::new(futures::executor::block_on(Checkpoints::open(client)).unwrap());
        let mut poller = Poller::new(config.reading, config.chain, checkpoints.clone());
        poller.copying = Duration::ZERO;
        Self { poller, checkpoints, now: Instant::now() }
    }

    pub fn save(&self) {
        futures::executor::block_on(self.checkpoints.save()).unwrap();
    }

    /// What comes of one look, not yet taken.
    pub fn pending(&mut self) -> Vec<Entry> {
        let mut taken = Taken::default();
        assert!(self.poller.poll(self.now, &mut taken));
        taken.0.into_iter().flatten().collect()
    }

    /// What comes of one look, with all that it says; taken.
    pub fn entries(&mut self) -> Vec<Entry> {
        let mut entries = self.pending();
        for entry in &mut entries {
            let receipts = std::mem::take(&mut entry.receipts);
            receipts.into_iter().for_each(crate::stanza::receipt::Receipt::settle);
        }
        self.save();
        entries
    }

    /// The lines of one look, taken.
    pub fn lines(&mut self) -> Vec<String> {
        let entries = self.pending();
        let lines = entries.iter().map(text).collect();
        entries.into_iter().for_each(Entry::settle);
        self.save();
        lines
    }

    pub fn later(&mut self, millis: u64) {
        self.now += Duration::from_millis(millis);
    }
}

pub struct Folder(tempfile::TempDir);

impl Folder {
    pub fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }

    pub fn of(&self, name: &str) -> PathBuf {
        self.path().join(name)
    }

    pub fn append(&self, name: &str, bytes: impl AsRef<[u8]>) {
        let mut file = fs::OpenOptions::new().create(true).append(true).open(self.of(name)).unwrap();
        file.write_all(bytes.as_ref()).unwrap();
    }

    pub fn rename(&self, from: &str, to: &str) {
        fs::rename(self.of(from), self.of(to)).unwrap();
    }

    pub fn remove(&self, name: &str) {
        fs::remove_file(self.of(name)).unwrap();
    }

    pub fn truncate(&self, name: &str) {
        fs::OpenOptions::new().write(true).truncate(true).open(self.of(name)).unwrap();
    }

    pub fn copy(&self, from: &str, to: &str) {
        fs::copy(self.of(from), self.of(to)).unwrap();
    }
}
