//! What is known of the patterns of streams, within a bound.

use std::collections::{BTreeMap, HashMap};

use trefoil_logql::matcher::Matcher;
use trefoil_logql::patterns::{Limits, Miner, Span, TooManySteps};
use trefoil_model::Tenant;
use trefoil_promql::labels::Labels;

use super::PatternOptions;

/// Lines are counted by ten seconds.
pub const STEP: i64 = 10_000_000_000;
/// A stream is looked at after so many lines: where templates made room for others as often as for every fourth of them, it has none.
const WINDOW: u64 = 2_000;
/// How long such a stream is left alone, nanoseconds.
const REST: i64 = 600_000_000_000;

/// All tenants' patterns.
#[derive(Debug)]
pub struct Book {
    /// Nobody has counted lines from before.
    opened: i64,
    tenants: HashMap<Tenant, Page>,
    streams: usize,
    bytes: usize,
    /// Of runs that were taken in.
    turn: u64,
    clusters: usize,
}

#[derive(Debug)]
struct Page {
    /// Lines from this time on (nanoseconds since the epoch, a multiple of the step) are all counted, others perhaps not.
    since: i64,
    streams: BTreeMap<Labels, Stream>,
}

#[derive(Debug, Default)]
struct Stream {
    last_turn: u64,
    /// By level: a few.
    levels: Vec<(String, Kept)>,
}

#[derive(Debug)]
struct Kept {
    miner: Miner,
    lines: u64,
    /// What the miner had forgotten when `lines` were counted from 0.
    forgotten: u64,
    rests_until: i64,
}

/// A line to be counted.
#[derive(Debug, Clone)]
pub struct Seen<'l> {
    pub time: i64,
    pub level: &'l str,
    pub line: &'l str,
    /// How many lines it stands for.
    pub of: u64,
}

/// What became of lines.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Taken {
    pub counted: u64,
    /// Of streams without patterns.
    pub skipped: u64,
    /// Streams that made room for others.
    pub evicted: u64,
}

impl Default for Book {
    fn default() -> Self {
        Self { opened: i64::MAX, tenants: HashMap::new(), streams: 0, bytes: 0, turn: 0, clusters: 0 }
    }
}

impl Book {
    /// From now on all lines come here.
    pub fn open(&mut self, now: i64) {
        self.opened = next_step(now);
    }

    /// Counts lines of a stream.
    pub fn take(
        &mut self,
        tenant: &Tenant,
        labels: &Labels,
        lines: &[Seen<'_>],
        options: &PatternOptions,
        now: i64,
    ) -> Taken {
        self.turn += 1;
        if !self.tenants.contains_key(tenant) {
            self.tenants.insert(tenant.clone(), Page { since: self.opened, streams: BTreeMap::new() });
        }
        let Some(page) = self.tenants.get_mut(tenant) else { return Taken::default() };
        if !page.streams.contains_key(labels) {
            page.streams.insert(labels.clone(), Stream::default());
            self.streams += 1;
            self.bytes += bytes_of(labels);
        }
        let Some(stream) = page.streams.get_mut(labels) else { return Taken::default() };
        stream.last_turn = self.turn;
        let (bytes, clusters) = stream.size();
        let mut taken = Taken::default();
        let limits = Limits { clusters: options.max_clusters, ..Limits::default() };
        for seen in lines {
            match stream.level(seen.level, limits).observe(seen, now) {
                true => taken.counted += 1,
                false => taken.skipped += 1,
            }
        }
        let (bytes_after, clusters_after) = stream.size();
        self.bytes = (self.bytes + bytes_after).saturating_sub(bytes);
        self.clusters = (self.clusters + clusters_after).saturating_sub(clusters);
        if self.bytes > options.max_bytes || self.streams > options.max_streams {
            taken.evicted = self.evict(options, now);
        }
        taken
    }

    /// Streams to which nothing came for the longest make room, a quarter of what there may be.
    fn evict(&mut self, options: &PatternOptions, now: i64) -> u64 {
        let (most_bytes, most_streams) = (options.max_bytes / 4 * 3, options.max_streams / 4 * 3);
        let all = self.tenants.iter().flat_map(|(tenant, page)| {
            page.streams.iter().map(move |(labels, stream)| (stream.last_turn, tenant.clone(), labels.clone()))
        });
        let mut oldest: Vec<(u64, Tenant, Labels)> = all.collect();
        oldest.sort_unstable_by_key(|(turn, ..)| *turn);
        let mut evicted = 0;
        for (_, tenant, labels) in oldest {
            if self.bytes <= most_bytes && self.streams <= most_streams {
                break;
            }
            let Some(page) = self.tenants.get_mut(&tenant) else { continue };
            let Some(stream) = page.streams.remove(&labels) else { continue };
            page.since = page.since.max(next_step(now));
            let (bytes, clusters) = stream.size();
            self.bytes = self.bytes.saturating_sub(bytes + bytes_of(&labels));
            self.clusters = self.clusters.saturating_sub(clusters);
            self.streams -= 1;
            evicted += 1;
        }
        evicted
    }

    /// Forgets what a tenant's lines were.
    pub fn forget(&mut self, tenant: &Tenant, now: i64) {
        let since = self.opened.max(next_step(now));
        self.tenants.insert(tenant.clone(), Page { since, streams: BTreeMap::new() });
        self.measure();
    }

    /// Forgets what is older than it has to be.
    pub fn forget_old(&mut self, options: &PatternOptions, now: i64) {
        let cutoff = cutoff(options, now);
        self.tenants.retain(|_, page| {
            page.streams.retain(|_, stream| {
                stream.levels.iter_mut().for_each(|(_, kept)| kept.miner.forget_before(cutoff));
                stream.levels.retain(|(_, kept)| !kept.miner.is_empty() || kept.rests_until > now);
                !stream.levels.is_empty()
            });
            !page.streams.is_empty() || page.since > cutoff
        });
        self.measure();
    }

    fn measure(&mut self) {
        let all = || self.tenants.values().flat_map(|page| &page.streams);
        let bytes = all().map(|(labels, stream)| bytes_of(labels) + stream.size().0).sum();
        let clusters = all().map(|(_, stream)| stream.size().1).sum();
        (self.streams, self.bytes, self.clusters) = (all().count(), bytes, clusters);
    }

    /// From when on (nanoseconds since the epoch) all of a tenant's lines are counted.
    pub fn since(&self, tenant: &Tenant, options: &PatternOptions, now: i64) -> i64 {
        self.tenants.get(tenant).map_or(self.opened, |page| page.since).max(cutoff(options, now))
    }

    /// What is known of selected streams within a time, by level.
    pub fn found(
        &self,
        tenant: &Tenant,
        selector: &[Matcher],
        span: Span,
        limits: Limits,
    ) -> Result<BTreeMap<String, Miner>, TooManySteps> {
        let mut found = BTreeMap::new();
        let streams = self.tenants.get(tenant).into_iter().flat_map(|page| &page.streams);
        let is_selected = |labels: &Labels| selector.iter().all(|matcher| matcher.matches(labels.get(&matcher.name)));
        for (level, kept) in streams.filter(|(labels, _)| is_selected(labels)).flat_map(|(_, stream)| &stream.levels) {
            let miner = match found.get_mut(level) {
                Some(miner) => miner,
                None => found.entry(level.clone()).or_insert(Miner::new(span, limits)?),
            };
            miner.merge(&kept.miner);
        }
        Ok(found)
    }

    /// Streams, templates, and about how many bytes they take.
    pub fn size(&self) -> (usize, usize, usize) {
        (self.streams, self.clusters, self.bytes)
    }
}

impl Stream {
    fn level(&mut self, level: &str, limits: Limits) -> &mut Kept {
        let place = self.levels.iter().position(|(known, _)| known == level);
        let place = place.unwrap_or_else(|| {
            let miner = Miner::of_all_times(STEP, limits);
            self.levels.push((level.to_owned(), Kept { miner, lines: 0, forgotten: 0, rests_until: i64::MIN }));
            self.levels.len() - 1
        });
        &mut self.levels[place].1
    }

    /// Bytes, templates.
    fn size(&self) -> (usize, usize) {
        let of = |(_, kept): &(String, Kept)| (kept.miner.bytes() + size_of::<(String, Kept)>(), kept.miner.len());
        self.levels.iter().map(of).fold((0, 0), |sum, size| (sum.0 + size.0, sum.1 + size.1))
    }
}

impl Kept {
    /// False: it does not count at the moment.
    fn observe(&mut self, seen: &Seen<'_>, now: i64) -> bool {
        if now < self.rests_until {
            return false;
        }
        self.miner.observe_one_of(seen.time, seen.line, seen.of);
        self.lines += 1;
        if self.lines == WINDOW {
            if self.miner.forgotten() - self.forgotten > WINDOW / 4 {
                self.rests_until = now.saturating_add(REST);
            }
            (self.lines, self.forgotten) = (0, self.miner.forgotten());
        }
        true
    }
}

fn bytes_of(labels: &Labels) -> usize {
    size_of::<(Labels, Stream)>() + labels.iter().map(|label| label.name.len() + label.value.len() + 48).sum::<usize>()
}

/// The first step that begins at `time` or later.
fn next_step(time: i64) -> i64 {
    step_of(time.saturating_add(STEP - 1))
}

pub fn step_of(time: i64) -> i64 {
    time.saturating_sub(time.rem_euclid(STEP))
}

/// What lies before is forgotten.
fn cutoff(options: &PatternOptions, now: i64) -> i64 {
    let kept = i64::try_from(options.retain_for.as_nanos()).unwrap_or(i64::MAX);
    next_step(now.saturating_sub(kept))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const NOW: i64 = 1_000_000 * STEP;

    fn options() -> PatternOptions {
        PatternOptions { retain_for: Duration::from_secs(100), ..PatternOptions::default() }
    }

    fn labels(app: &str) -> Labels {
        Labels::from_pairs([("app", app)])
    }

    fn seen(time: i64, line: &str) -> Seen<'_> {
        Seen { time, level: "info", line, of: 1 }
    }

    fn counts(book: &Book, app: &str, start: i64) -> Vec<(String, u64)> {
        let selector = trefoil_logql::parse_selector(&format!("{{app=~\"{app}\"}}")).unwrap();
        let span = Span { start, end: NOW + 10 * STEP, step: STEP };
        let found = book.found(&Tenant::default(), &selector, span, Limits::default()).unwrap();
        let mined = found.values().flat_map(Miner::mined);
        mined.map(|mined| (mined.pattern.clone(), mined.total())).collect()
    }

    #[test]
    fn lines_are_counted_by_stream_and_level_until_they_are_old() {
        let (mut book, tenant, options) = (Book::default(), Tenant::default(), options());
        assert_eq!(book.since(&tenant, &options, NOW), i64::MAX, "nobody counts yet");
        book.open(NOW - 1);
        let error = Seen { level: "error", ..seen(NOW, "a 3") };
        let taken =
            book.take(&tenant, &labels("x"), &[seen(NOW, "a 1"), seen(NOW + STEP, "a 2"), error], &options, NOW);
        assert_eq!(taken, Taken { counted: 3, skipped: 0, evicted: 0 });
        book.take(&tenant, &labels("y"), &[seen(NOW, "a 4")], &options, NOW);
        assert_eq!(counts(&book, "x", NOW), [("a 3".to_owned(), 1), ("a <_>".to_owned(), 2)]);
        assert_eq!(counts(&book, ".+", NOW)[1], ("a <_>".to_owned(), 3));
        assert_eq!(counts(&book, ".+", NOW + STEP), [("a <_>".to_owned(), 1)]);
        assert_eq!((book.since(&tenant, &options, NOW), book.size().0, book.size().1), (NOW, 2, 3));
        let later = NOW + 101 * 1_000_000_000;
        book.forget_old(&options, later);
        assert_eq!((book.size().0, book.since(&tenant, &options, later)), (1, NOW + STEP));
        book.forget_old(&options, later + 100 * STEP);
        assert_eq!(book.size(), (0, 0, 0));
    }

    #[test]
    fn what_is_too_much_makes_room_and_is_not_taken_for_known() {
        let (mut book, tenant) = (Book::default(), Tenant::default());
        let options = PatternOptions { max_streams: 8, ..options() };
        book.open(NOW);
        let mut evicted = 0;
        for app in 0..9 {
            let taken = book.take(&tenant, &labels(&app.to_string()), &[seen(NOW, "a b")], &options, NOW + STEP + 1);
            evicted += taken.evicted;
        }
        assert_eq!((evicted, book.size().0), (3, 6));
        assert!(counts(&book, "0", NOW).is_empty() && counts(&book, "8", NOW).len() == 1);
        assert_eq!(book.since(&tenant, &options, NOW + STEP), NOW + 2 * STEP);

        let options = PatternOptions { max_bytes: 20_000, ..self::options() };
        for line in 0..200 {
            let (app, line) = ((line % 20).to_string(), "x".repeat(line) + &"!".repeat(line + 1));
            book.take(&tenant, &labels(&app), &[seen(NOW, &line)], &options, NOW);
            assert!(book.size().2 <= 20_000, "{:?}", book.size());
        }
        book.forget(&tenant, NOW + 5 * STEP);
        assert_eq!((book.size(), book.since(&tenant, &options, NOW)), ((0, 0, 0), NOW + 5 * STEP));
    }

    #[test]
    fn a_stream_without_patterns_is_left_alone_for_a_while() {
        let (mut book, tenant) = (Book::default(), Tenant::default());
        let options = PatternOptions { max_clusters: 20, ..options() };
        let mut take = |range: std::ops::Range<usize>, now: i64| {
            let lines: Vec<String> =
                range.map(|number| "!".repeat(number % 900 + 1) + "x" + &"?".repeat(number / 900)).collect();
            let lines: Vec<Seen<'_>> = lines.iter().map(|line| seen(now, line)).collect();
            book.take(&tenant, &labels("x"), &lines, &options, now)
        };
        assert_eq!(take(0..WINDOW as usize, NOW).skipped, 0);
        assert_eq!(take(5_000..5_010, NOW).skipped, 10);
        assert_eq!(take(6_000..6_010, NOW + REST).counted, 10);
    }
}
