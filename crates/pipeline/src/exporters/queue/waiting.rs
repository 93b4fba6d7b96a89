//! What waits in a queue, and which of it is sent next.

use std::collections::{HashMap, HashSet, VecDeque};

use tokio::sync::oneshot;
use tokio::time::Instant;

use super::{Answer, Batch};
use crate::exporters::parcel::Parcel;

#[derive(Default)]
pub struct State {
    pub waiting: VecDeque<Entry>,
    /// The lanes of requests being sent.
    pub busy: HashSet<u64>,
    /// Of everything waiting or being sent, in units of the sizer.
    pub size: u64,
    /// When workers were told to end.
    pub closed: Option<Instant>,
}

pub struct Entry {
    pub content: Content,
    /// Requests of one lane are sent one after another.
    pub lane: Option<u64>,
    pub size: u64,
    pub items: u64,
    pub bytes: u64,
    /// `None`: an earlier run left it.
    pub since: Option<Instant>,
    /// Who waits for the result.
    pub reply: Option<oneshot::Sender<Answer>>,
}

pub enum Content {
    Memory(Parcel),
    Disk(u64),
}

/// What a worker has to do.
pub enum Next {
    /// Requests of one lane, in their order; at least one.
    Send(Vec<Entry>),
    /// Nothing before this time, unless more comes.
    Wait(Instant),
    Nothing,
}

impl State {
    /// The oldest request whose lane is free, with those of its lane that go with it, once they are enough or have waited for
    /// long enough. When the queue has been closed nothing waits for more, and of a queue on disk only what was waiting so is
    /// sent: the rest keeps.
    pub fn take(&mut self, batch: &Batch, now: Instant, is_on_disk: bool) -> Next {
        let closed = self.closed;
        let is_left = |entry: &Entry| match (closed, entry.since) {
            (Some(closed), Some(since)) => is_on_disk && (since > closed || closed - since >= batch.flush_timeout),
            (Some(_), None) => is_on_disk,
            (None, _) => false,
        };
        let mut lanes: HashMap<Option<u64>, (u64, u64)> = HashMap::new();
        let mut earliest = None;
        let mut ready = None;
        for entry in &self.waiting {
            if entry.lane.is_some_and(|lane| self.busy.contains(&lane)) || is_left(entry) {
                continue;
            }
            let (items, bytes) = lanes.entry(entry.lane).or_default();
            *items = items.saturating_add(entry.items);
            *bytes = bytes.saturating_add(entry.bytes);
            let due = entry.since.filter(|_| closed.is_none()).map(|since| since + batch.flush_timeout);
            if *items >= batch.min_items || *bytes >= batch.max_bytes || due.is_none_or(|due| due <= now) {
                ready = Some(entry.lane);
                break;
            }
            earliest = earliest.or(due);
        }
        match (ready, earliest) {
            (Some(lane), _) => Next::Send(self.take_lane(lane, batch, is_left)),
            (None, Some(due)) => Next::Wait(due),
            (None, None) => Next::Nothing,
        }
    }

    fn take_lane(&mut self, lane: Option<u64>, batch: &Batch, is_left: impl Fn(&Entry) -> bool) -> Vec<Entry> {
        let (mut taken, mut items, mut bytes) = (Vec::new(), 0u64, 0u64);
        let mut place = 0;
        while let Some(entry) = self.waiting.get(place) {
            if entry.lane != lane || is_left(entry) {
                place += 1;
                continue;
            }
            items = items.saturating_add(entry.items);
            bytes = bytes.saturating_add(entry.bytes);
            if !taken.is_empty() && (items > batch.max_items || bytes > batch.max_bytes) {
                break;
            }
            taken.extend(self.waiting.remove(place));
        }
        self.busy.extend(lane);
        taken
    }
}
