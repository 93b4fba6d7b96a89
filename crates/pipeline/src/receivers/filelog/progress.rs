//! How far a file has been read, and how far that is done with.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use super::content::Key;
use super::fingerprint::Fingerprint;
use crate::component::{ComponentError, StorageClient};
use crate::stanza::receipt::{Receipt, Source};

/// What is kept of a file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    pub fingerprint: Fingerprint,
    pub key: Key,
    /// Of the text: up to here, all is done with.
    pub offset: u64,
    /// Entries up to there.
    pub records: u64,
    /// Bytes of the file when it had been read to its end; of compressed ones, nothing else tells.
    #[serde(default)]
    pub read_size: u64,
    /// Of the text: how far it had been read then. If less than that is done with, it has to be read again.
    #[serde(default)]
    pub read_to: u64,
    /// Whether something without an end was there then.
    #[serde(default)]
    pub has_tail: bool,
}

/// Of one file.
pub struct Progress {
    pub id: u64,
    state: Mutex<State>,
    is_dirty: AtomicBool,
}

struct State {
    record: Record,
    /// The number of the first line that is open.
    first: u64,
    open: VecDeque<Open>,
}

/// A line that was read.
struct Open {
    end: u64,
    records: u64,
    is_done: bool,
}

impl Progress {
    pub fn new(id: u64, record: Record) -> Arc<Self> {
        let state = State { record, first: 0, open: VecDeque::new() };
        Arc::new(Self { id, state: Mutex::new(state), is_dirty: AtomicBool::new(true) })
    }

    /// An entry that ends at `end` goes on its way; with it, so many of the file have.
    pub fn begin(self: &Arc<Self>, end: u64, records: u64) -> Receipt {
        let mut state = self.state.lock();
        let number = state.first + state.open.len() as u64;
        state.open.push_back(Open { end, records, is_done: false });
        Receipt::new(self.clone(), number)
    }

    /// There is nothing to be sent of what ends at `end`.
    pub fn skip(&self, end: u64, records: u64) {
        let mut state = self.state.lock();
        state.open.push_back(Open { end, records, is_done: true });
        self.advance(&mut state);
    }

    /// Whether all that was read is done with.
    pub fn is_clear(&self) -> bool {
        self.state.lock().open.is_empty()
    }

    pub fn record(&self) -> Record {
        self.state.lock().record.clone()
    }

    /// Remembers what else is known of the file.
    pub fn describe(&self, known: Record) {
        let mut state = self.state.lock();
        // What is done with is known here alone.
        let known = Record { offset: state.record.offset, records: state.record.records, ..known };
        if state.record != known {
            state.record = known;
            self.is_dirty.store(true, Ordering::Release);
        }
    }

    fn advance(&self, state: &mut State) {
        while let Some(open) = state.open.pop_front_if(|open| open.is_done) {
            state.first += 1;
            (state.record.offset, state.record.records) = (open.end, open.records);
            self.is_dirty.store(true, Ordering::Release);
        }
    }
}

impl Source for Progress {
    fn settled(&self, number: u64) {
        let mut state = self.state.lock();
        let place = number.checked_sub(state.first).and_then(|place| usize::try_from(place).ok());
        if let Some(open) = place.and_then(|place| state.open.get_mut(place)) {
            open.is_done = true;
        }
        self.advance(&mut state);
    }
}

/// All files of a receiver, and where that is kept, if anywhere.
pub struct Checkpoints {
    client: Option<Arc<dyn StorageClient>>,
    files: Mutex<BTreeMap<u64, Arc<Progress>>>,
    gone: Mutex<Vec<u64>>,
}

const PREFIX: &str = "file/";

impl Checkpoints {
    /// With what was kept.
    pub async fn open(client: Option<Arc<dyn StorageClient>>) -> Result<Self, ComponentError> {
        let mut files = BTreeMap::new();
        let kept = match &client {
            Some(client) => client.all().await?,
            None => Vec::new(),
        };
        for (key, value) in kept {
            let Some(Ok(id)) = key.strip_prefix(PREFIX).map(str::parse::<u64>) else { continue };
            let record: Record = serde_json::from_slice(&value).map_err(|error| {
                ComponentError::new(format!("storage: what was kept of a file cannot be read: {error}"))
            })?;
            let progress = Progress::new(id, record);
            progress.is_dirty.store(false, Ordering::Release);
            files.insert(id, progress);
        }
        Ok(Self { client, files: Mutex::new(files), gone: Mutex::default() })
    }

    pub fn is_kept(&self) -> bool {
        self.client.is_some()
    }

    /// Those that are known, by id.
    pub fn all(&self) -> Vec<Arc<Progress>> {
        self.files.lock().values().cloned().collect()
    }

    /// A file that was not known.
    pub fn add(&self, record: Record) -> Arc<Progress> {
        let mut files = self.files.lock();
        let id = files.last_key_value().map_or(1, |(last, _)| last + 1);
        let progress = Progress::new(id, record);
        files.insert(id, progress.clone());
        progress
    }

    pub fn forget(&self, id: u64) {
        if self.files.lock().remove(&id).is_some() {
            self.gone.lock().push(id);
        }
    }

    /// Writes what has changed. What cannot be written is, the next time.
    pub async fn save(&self) -> Result<(), ComponentError> {
        let Some(client) = &self.client else {
            self.gone.lock().clear();
            return Ok(());
        };
        let changed: Vec<Arc<Progress>> = {
            let files = self.files.lock();
            files.values().filter(|progress| progress.is_dirty.swap(false, Ordering::AcqRel)).cloned().collect()
        };
        let gone = std::mem::take(&mut *self.gone.lock());
        if changed.is_empty() && gone.is_empty() {
            return Ok(());
        }
        let key = |id: u64| format!("{PREFIX}{id}");
        let mut changes: Vec<(String, Option<Vec<u8>>)> = gone.iter().map(|id| (key(*id), None)).collect();
        for progress in &changed {
            let record = serde_json::to_vec(&progress.record()).map_err(ComponentError::new)?;
            changes.push((key(progress.id), Some(record)));
        }
        let written = client.write(changes).await;
        if written.is_err() {
            changed.iter().for_each(|progress| progress.is_dirty.store(true, Ordering::Release));
            self.gone.lock().extend(gone);
        }
        written
    }

    pub async fn close(&self) {
        if let Some(client) = &self.client {
            client.close().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_done_without_a_gap_counts() {
        let progress = Progress::new(1, Record::default());
        let receipts: Vec<Receipt> = (1..=4).map(|line| progress.begin(line * 10, line)).collect();
        let mut receipts: Vec<Option<Receipt>> = receipts.into_iter().map(Some).collect();
        let mut settle = |place: usize| receipts[place].take().unwrap().settle();
        settle(1);
        assert_eq!((progress.record().offset, progress.is_clear()), (0, false));
        settle(0);
        assert_eq!((progress.record().offset, progress.record().records), (20, 2));
        settle(3);
        assert_eq!(progress.record().offset, 20);
        settle(2);
        assert_eq!((progress.record().offset, progress.is_clear()), (40, true));
        progress.skip(50, 4);
        assert_eq!((progress.record().offset, progress.record().records), (50, 4));
        drop(progress.begin(60, 5));
        progress.skip(70, 5);
        assert_eq!((progress.record().offset, progress.is_clear()), (50, false));
    }
}
