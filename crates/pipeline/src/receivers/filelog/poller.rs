//! Finds files, tells them apart, reads what is new in them, and hands on what the operators make of it.
//!
//! A file is what the system says it is (device and number) as long as its content can be that of before, grown; else it is the one
//! whose first bytes it has. So renaming, copying and truncating, deleting and coming back are all told apart.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::attributes;
use super::config::{Reading, StartAt, Trim};
use super::content::{self, Key};
use super::glob;
use super::progress::{Checkpoints, Record};
use super::tracked::{Found, Line, Read, Tracked};
use crate::stanza::value::Value;
use crate::stanza::{Chain, Entry};

/// Entries that are handed on together.
const TOGETHER: usize = 10_000;
/// And bytes of them, about.
const TOGETHER_BYTES: usize = 4 << 20;
/// A file that begins as another one that is there, too, may be a copy that is just made: so long it has to stay as it is.
const COPYING: Duration = Duration::from_secs(10);
/// A file without a name is read as long as something comes, and then so much longer.
const LINGER: Duration = Duration::from_secs(30);
/// So long ago, a file has gone just now.
const JUST_NOW: Duration = Duration::from_secs(1);
/// Files without a name whose beginnings are remembered, in case they come back.
const REMEMBERED: usize = 4096;

/// Who takes what was read.
pub trait Sink {
    /// Waits until there is room. `false` means that nobody takes anything any more.
    fn send(&mut self, entries: Vec<Entry>) -> bool;

    /// How many files are open now.
    fn count(&mut self, _open: usize) {}
}

pub struct Poller {
    reading: Reading,
    chain: Chain,
    checkpoints: Arc<Checkpoints>,
    tracked: Vec<Tracked>,
    is_first: bool,
    batch: Batch,
    buffer: Vec<u8>,
    /// What was said of files that cannot be read.
    told: HashSet<String>,
    pub(super) copying: Duration,
}

#[derive(Default)]
struct Batch {
    entries: Vec<Entry>,
    bytes: usize,
}

impl Poller {
    pub fn new(reading: Reading, chain: Chain, checkpoints: Arc<Checkpoints>) -> Self {
        let now = Instant::now();
        let tracked: Vec<Tracked> =
            checkpoints.all().into_iter().map(|progress| Tracked::known(progress, now)).collect();
        // Whoever goes on takes files that came meanwhile from their beginning.
        let is_first = tracked.is_empty();
        let (batch, buffer, told) = (Batch::default(), Vec::new(), HashSet::new());
        Self { reading, chain, checkpoints, tracked, is_first, batch, buffer, told, copying: COPYING }
    }

    /// Looks once at everything, at `now`. `false` means that nobody takes anything any more.
    pub fn poll(&mut self, now: Instant, sink: &mut dyn Sink) -> bool {
        self.find(now);
        if !self.read_all(now, sink) {
            return false;
        }
        self.chain.flush(nanos(), &mut self.batch.entries);
        self.tidy(now);
        sink.count(self.tracked.iter().filter(|tracked| tracked.file.is_some()).count());
        // Without entries, too: what was left out has to be remembered.
        sink.send(std::mem::take(&mut self.batch).entries)
    }

    /// What operators still hold goes on as it is.
    pub fn flush(&mut self, sink: &mut dyn Sink) -> bool {
        self.chain.flush_all(&mut self.batch.entries);
        sink.send(std::mem::take(&mut self.batch).entries)
    }

    fn find(&mut self, now: Instant) {
        let by_key = self.by_key();
        let found = self.look(&by_key);
        let is_first = std::mem::replace(&mut self.is_first, false);
        let mut named: HashSet<u64> = HashSet::new();
        let mut others = Vec::new();
        for found in found {
            let same = by_key.get(&found.key).copied();
            match same.filter(|place| self.is_grown(&self.tracked[*place], &found, now)) {
                // Another name of the same file.
                Some(place) if named.contains(&self.tracked[place].progress.id) => {}
                Some(place) => {
                    named.insert(self.tracked[place].progress.id);
                    self.settle_on(place, found, now);
                }
                None => others.push(found),
            }
        }
        for found in others {
            if self.tracked.iter().any(|tracked| named.contains(&tracked.progress.id) && tracked.key == found.key) {
                continue;
            }
            let moved = self.moved(&found, &named, now);
            let place = match moved {
                Some(place) => place,
                None if !is_first && self.may_be_copy(&found, &named) => continue,
                None => self.begin(&found, now),
            };
            named.insert(self.tracked[place].progress.id);
            self.settle_on(place, found, now);
            let starts_at_end = is_first && self.reading.start_at == StartAt::End;
            if moved.is_none() && starts_at_end {
                let skipped = self.tracked[place].skip_to_end();
                if let Err(error) = skipped {
                    let path = self.tracked[place].path.display().to_string();
                    self.tell(&path, &error);
                }
            }
        }
        for tracked in &mut self.tracked {
            if !named.contains(&tracked.progress.id) && tracked.gone.is_none() {
                tracked.gone = Some(now);
            }
        }
    }

    /// The files that the patterns name, as far as they can be read and have content.
    fn look(&mut self, by_key: &HashMap<Key, usize>) -> Vec<Found> {
        let paths: Vec<PathBuf> = glob::files(&self.reading.include, &self.reading.exclude).into_iter().collect();
        let paths = match &self.reading.ordering {
            Some(order) => order.chosen(paths),
            None => paths,
        };
        let mut all = Vec::new();
        for path in paths {
            let tracked = &mut self.tracked;
            let open = |key: Key| by_key.get(&key).and_then(|place| tracked[*place].file.take());
            match Found::open(&path, &self.reading, open) {
                Ok(found) if found.fingerprint.is_empty() => {}
                Ok(found) if self.is_too_old(&found) => {}
                Ok(mut found) => {
                    if all.len() >= self.reading.max_open {
                        found.file = None;
                    }
                    all.push(found);
                }
                // It went away meanwhile.
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => self.tell(&path.display().to_string(), &error),
            }
        }
        all
    }

    /// Of several with the same key, the one that has a name.
    fn by_key(&self) -> HashMap<Key, usize> {
        let mut places: HashMap<Key, usize> = HashMap::new();
        for (place, tracked) in self.tracked.iter().enumerate() {
            let other = places.entry(tracked.key).or_insert(place);
            if self.tracked[*other].gone.is_some() {
                *other = place;
            }
        }
        places
    }

    /// Whether what was found can be the known file, with more in it. Short beginnings are alike by chance, so they are
    /// believed only for as long as nothing else can have taken the file's place.
    fn is_grown(&self, tracked: &Tracked, found: &Found, now: Instant) -> bool {
        let is_certain = tracked.fingerprint.len() >= self.reading.fingerprint_size
            || (found.was_open && tracked.key == found.key)
            || tracked.gone.is_none_or(|gone| now.saturating_duration_since(gone) < JUST_NOW);
        is_certain && !tracked.is_truncated(found) && found.fingerprint.continues(&tracked.fingerprint)
    }

    fn is_too_old(&self, found: &Found) -> bool {
        let Some(oldest) = self.reading.exclude_older_than else { return false };
        let modified = found.metadata.modified().ok();
        modified.and_then(|modified| SystemTime::now().duration_since(modified).ok()).is_some_and(|age| age > oldest)
    }

    /// A known file that no name leads to in this poll and that begins as this one: the one with the longest beginning.
    fn moved(&self, found: &Found, named: &HashSet<u64>, now: Instant) -> Option<usize> {
        let candidates = self
            .tracked
            .iter()
            .enumerate()
            .filter(|(_, tracked)| !named.contains(&tracked.progress.id) && self.is_grown(tracked, found, now));
        candidates.max_by_key(|(_, tracked)| (tracked.fingerprint.len(), tracked.progress.id)).map(|(place, _)| place)
    }

    /// Whether it begins as another file that is there, and was touched just now.
    fn may_be_copy(&self, found: &Found, named: &HashSet<u64>) -> bool {
        let is_alike = |tracked: &Tracked| tracked.fingerprint.continues(&found.fingerprint);
        let alike = self.tracked.iter().any(|tracked| named.contains(&tracked.progress.id) && is_alike(tracked));
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let age = i64::try_from(now).unwrap_or(i64::MAX).saturating_sub(content::touched(&found.metadata));
        alike && age < i64::try_from(self.copying.as_secs()).unwrap_or(i64::MAX)
    }

    /// A file that was not known.
    fn begin(&mut self, found: &Found, now: Instant) -> usize {
        let record = Record { fingerprint: found.fingerprint.clone(), key: found.key, ..Record::default() };
        self.tracked.push(Tracked::known(self.checkpoints.add(record), now));
        self.tracked.len() - 1
    }

    fn settle_on(&mut self, place: usize, found: Found, now: Instant) {
        let included = &self.reading.included;
        self.tracked[place].found(found, |path, metadata| attributes::of(path, metadata, included), now);
    }

    /// In turns, until nothing is left.
    fn read_all(&mut self, now: Instant, sink: &mut dyn Sink) -> bool {
        let is_there = |tracked: &Tracked| tracked.file.is_some() || tracked.gone.is_none();
        let mut waiting: Vec<usize> = (0..self.tracked.len()).filter(|place| is_there(&self.tracked[*place])).collect();
        while !waiting.is_empty() {
            let mut more = Vec::new();
            for place in waiting {
                match self.read_one(place, now, sink) {
                    Ok(Read::End) => {}
                    Ok(Read::More) => more.push(place),
                    Ok(Read::Stopped) => return false,
                    Err(error) => {
                        let path = self.tracked[place].path.display().to_string();
                        self.tell(&path, &error);
                    }
                }
            }
            waiting = more;
        }
        true
    }

    fn read_one(&mut self, place: usize, now: Instant, sink: &mut dyn Sink) -> std::io::Result<Read> {
        let Self { reading, chain, batch, tracked, buffer, .. } = self;
        let reading: &Reading = reading;
        let is_closed = tracked[place].file.is_none();
        if is_closed && !tracked[place].reopen()? {
            return Ok(Read::End);
        }
        let read = tracked[place].read(reading, buffer, now, |tracked, line| {
            match entry(reading, tracked, &line) {
                Some(entry) => {
                    batch.bytes += entry.size();
                    chain.process(entry, &mut batch.entries);
                }
                None => tracked.progress.skip(line.end, tracked.records),
            }
            let is_full = batch.entries.len() >= TOGETHER || batch.bytes >= TOGETHER_BYTES;
            !is_full || sink.send(std::mem::take(batch).entries)
        });
        if is_closed {
            tracked[place].file = None;
        }
        read
    }

    /// Closes and forgets what is not needed any more.
    fn tidy(&mut self, now: Instant) {
        let mut open = 0;
        for tracked in &mut self.tracked {
            if tracked.file.is_none() {
                continue;
            }
            let lingers = tracked.gone.is_none() || tracked.quiet_for(now) < LINGER;
            open += 1;
            if !lingers || open > self.reading.max_open {
                tracked.file = None;
                open -= 1;
            }
        }
        if self.reading.delete_after_read {
            self.delete_read();
        }
        let mut gone: Vec<(Instant, u64)> =
            self.tracked.iter().filter_map(|tracked| Some((tracked.gone?, tracked.progress.id))).collect();
        if gone.len() > REMEMBERED {
            gone.sort_unstable();
            let forgotten: HashSet<u64> = gone[..gone.len() - REMEMBERED].iter().map(|(_, id)| *id).collect();
            self.forget(&forgotten);
        }
    }

    /// Files of which everything was taken.
    fn delete_read(&mut self) {
        let mut deleted = HashSet::new();
        for tracked in self.tracked.iter().filter(|tracked| tracked.gone.is_none()) {
            if !tracked.is_read() || !tracked.progress.is_clear() {
                continue;
            }
            match std::fs::remove_file(&tracked.path) {
                Ok(()) => {
                    deleted.insert(tracked.progress.id);
                }
                Err(error) => {
                    tracing::warn!(path = %tracked.path.display(), %error, "a file that was read cannot be deleted")
                }
            }
        }
        self.forget(&deleted);
    }

    fn forget(&mut self, ids: &HashSet<u64>) {
        self.tracked.retain(|tracked| !ids.contains(&tracked.progress.id));
        ids.iter().for_each(|id| self.checkpoints.forget(*id));
    }

    /// Once for each file and reason.
    fn tell(&mut self, path: &str, error: &std::io::Error) {
        if self.told.len() > 10_000 {
            self.told.clear();
        }
        if self.told.insert(format!("{path}\0{error}")) {
            tracing::warn!(path, %error, "a file cannot be read; it is tried again with each poll");
        }
    }
}

fn nanos() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

/// Nothing, where the line is empty.
fn entry(reading: &Reading, tracked: &mut Tracked, line: &Line<'_>) -> Option<Entry> {
    let body = trimmed(reading.splitter.encoding.decode(line.bytes), reading.trim);
    let is_empty = matches!(&body, Value::String(text) if text.is_empty())
        || matches!(&body, Value::Bytes(bytes) if bytes.is_empty());
    if is_empty {
        return None;
    }
    tracked.records += 1;
    let mut entry = Entry::new(body, nanos());
    let mut attributes = tracked.attributes.clone();
    let number = |number: u64| Value::Int(i64::try_from(number).unwrap_or(i64::MAX));
    if reading.included.record_number {
        attributes.insert("log.file.record_number".to_owned(), number(tracked.records));
    }
    if reading.included.record_offset {
        attributes.insert("log.file.record_offset".to_owned(), number(line.begin));
    }
    entry.attributes = Value::Map(attributes);
    reading.constants.apply(&mut entry);
    entry.receipts.push(tracked.progress.begin(line.end, tracked.records));
    Some(entry)
}

/// A carriage return at the end belongs to the line end.
fn trimmed(body: Value, trim: Trim) -> Value {
    const SPACE: [char; 4] = ['\r', '\n', '\t', ' '];
    let Value::String(text) = body else { return body };
    let mut kept = text.as_str();
    kept = if trim.trailing { kept.trim_end_matches(SPACE) } else { kept.strip_suffix('\r').unwrap_or(kept) };
    if trim.leading {
        kept = kept.trim_start_matches(SPACE);
    }
    match kept.len() == text.len() {
        true => Value::String(text),
        false => Value::String(kept.to_owned()),
    }
}
