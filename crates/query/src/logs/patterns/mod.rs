//! Patterns of lines: found as lines arrive, beside the buffer, and for times from before in some of the stored ones
//! (docs/decisions/0036-patterns.md).

mod book;

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

use arrow::array::RecordBatch;
use chrono::Utc;
use parking_lot::Mutex;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};
use trefoil_lines::level;
use trefoil_logql::ast::LogQuery;
use trefoil_logql::matcher::Matcher;
use trefoil_logql::patterns::{Limits as MinerLimits, Mined, Miner, Span};
use trefoil_logql::pipeline::{Pipeline, Wants};
use trefoil_model::{Table, Tenant};

use self::book::{Book, STEP, Seen, Taken, step_of};
use super::columns::times;
use super::ids::AskedIds;
use super::lines::{Direction, LinesRequest};
use super::record::{DETECTED_LEVEL, LINE, Lines, Metadata};
use crate::sources::{Source, Sources};
use crate::{Engine, Limits, QueryError};

/// Lines that are counted under one lock.
const LINES_AT_ONCE: usize = 512;
/// What arrives meanwhile is looked at together.
const PAUSE: Duration = Duration::from_millis(100);
/// So many lines are looked at each time; of more, some stand for all of them. Every line at a hundred thousand a second would cost more than
/// storing it.
const MOST_LINES: usize = 1_000;
/// How often old counts are dropped.
const SWEEP: Duration = Duration::from_secs(60);

/// How much is known of patterns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PatternOptions {
    /// Lines are looked at as they arrive.
    pub enabled: bool,
    /// What differs for some tenants, by their ids.
    pub enabled_for: BTreeMap<String, bool>,
    /// How long counts are kept. (Loki's `pattern_ingester.retain_for`.)
    pub retain_for: Duration,
    /// Templates of a stream and level, and of an answer's level. (Loki's `pattern_ingester.max_clusters`.)
    pub max_clusters: usize,
    /// Of all tenants.
    pub max_streams: usize,
    pub max_bytes: usize,
    /// So many of the newest lines are read where an answer is about a time from before what is kept; 0 reads none.
    pub stored_lines: usize,
}

impl Default for PatternOptions {
    fn default() -> Self {
        Self {
            enabled: true,
            enabled_for: BTreeMap::new(),
            retain_for: Duration::from_secs(3 * 3600),
            max_clusters: 300,
            max_streams: 10_000,
            max_bytes: 64 << 20,
            stored_lines: 10_000,
        }
    }
}

impl PatternOptions {
    fn is_enabled_for(&self, tenant: &Tenant) -> bool {
        self.enabled_for.get(tenant.as_str()).copied().unwrap_or(self.enabled)
    }
}

#[derive(Debug, Clone)]
pub struct PatternsRequest {
    /// Of streams.
    pub selector: Vec<Matcher>,
    /// Nanoseconds since the epoch, both inclusive.
    pub period: (i64, i64),
    /// What lines are counted by, nanoseconds; ten seconds at least.
    pub step: i64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundPattern {
    /// `None`: levels are not looked for.
    pub level: Option<String>,
    pub mined: Mined,
}

/// What is known of patterns.
#[derive(Debug, Default)]
pub struct Patterns {
    book: Mutex<Book>,
    options: PatternOptions,
    lines: Counter,
    missed: Counter,
    skipped: Counter,
    evicted: Counter,
    streams: Gauge,
    clusters: Gauge,
    bytes: Gauge,
}

impl Patterns {
    pub fn new(options: PatternOptions) -> Patterns {
        Patterns { options, ..Patterns::default() }
    }

    /// Lines of the tenant were deleted: what was known of them is not known any more.
    pub fn forget(&self, tenant: &Tenant) {
        self.book.lock().forget(tenant, now());
    }

    /// Registers everything as `trefoil_query_log_patterns_*`.
    pub fn register(&self, registry: &mut Registry) {
        let registry = registry.sub_registry_with_prefix("trefoil_query_log_patterns");
        registry.register("lines", "Lines whose patterns were found as they arrived", self.lines.clone());
        registry.register("missed_lines", "Lines that came faster than they were looked at", self.missed.clone());
        registry.register("skipped_lines", "Lines of streams that have no patterns", self.skipped.clone());
        registry.register("evicted_streams", "Streams that made room for others", self.evicted.clone());
        registry.register("streams", "Streams whose patterns are kept", self.streams.clone());
        registry.register("clusters", "Templates that are kept", self.clusters.clone());
        registry.register_with_unit("size", "What is kept of patterns", Unit::Bytes, self.bytes.clone());
    }

    fn note(&self, taken: Taken) {
        self.lines.inc_by(taken.counted);
        self.skipped.inc_by(taken.skipped);
        self.evicted.inc_by(taken.evicted);
    }

    fn sweep(&self) {
        self.book.lock().forget_old(&self.options, now());
    }

    fn measure(&self) {
        let (streams, clusters, bytes) = self.book.lock().size();
        self.streams.set(gauge(streams));
        self.clusters.set(gauge(clusters));
        self.bytes.set(gauge(bytes));
    }

    fn miner_limits(&self) -> MinerLimits {
        MinerLimits { clusters: self.options.max_clusters, ..MinerLimits::default() }
    }
}

fn gauge(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn now() -> i64 {
    Utc::now().timestamp_nanos_opt().unwrap_or(i64::MAX)
}

impl Engine {
    /// Looks at lines as they arrive, until the store is closed. What comes faster than that is not looked at.
    pub async fn mine_patterns(&self) {
        let patterns = &self.log_patterns;
        let mut following = self.storage().follow_all(Table::Logs);
        patterns.book.lock().open(now());
        let mut swept = Instant::now();
        loop {
            let arrived = tokio::select! {
                arrived = following.next() => arrived,
                () = tokio::time::sleep(SWEEP) => {
                    patterns.sweep();
                    patterns.measure();
                    swept = Instant::now();
                    continue;
                }
            };
            let Some((tenant, batch)) = arrived else { return };
            let mut batches: HashMap<Tenant, Vec<RecordBatch>> = HashMap::from([(tenant, vec![batch])]);
            while let Some((tenant, batch)) = following.try_next() {
                batches.entry(tenant).or_default().push(batch);
            }
            patterns.missed.inc_by(following.take_missed());
            let rows: usize = batches.values().flatten().map(RecordBatch::num_rows).sum();
            let one_of = rows.div_ceil(MOST_LINES).max(1);
            for (tenant, batches) in batches {
                if !patterns.options.is_enabled_for(&tenant) {
                    continue;
                }
                if let Err(error) = self.mine(&tenant, batches, one_of).await {
                    tracing::warn!(tenant = tenant.as_str(), %error, "cannot look for patterns in lines that arrived");
                }
            }
            if swept.elapsed() > SWEEP {
                patterns.sweep();
                swept = Instant::now();
            }
            patterns.measure();
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Of so many lines one stands for all.
    async fn mine(&self, tenant: &Tenant, batches: Vec<RecordBatch>, one_of: usize) -> Result<(), QueryError> {
        let pipeline = Pipeline::new(&[], &Wants::Labels(vec![DETECTED_LEVEL.to_owned()]));
        let pipeline = pipeline.map_err(|error| QueryError::Internal(error.to_string()))?;
        let snapshot = self.snapshot(tenant).await?;
        let sources = Sources::new(&snapshot, &self.log_columns, Table::Logs);
        for source in batches.into_iter().map(Source::Batch) {
            let runs = self.log_streams.runs(&sources, &source).await?;
            let names = Metadata::names(&sources, &source, &pipeline);
            let columns: Vec<&str> = names.iter().map(String::as_str).chain(LINE).chain(["time_unix_nano"]).collect();
            let read = sources.read(&source, &columns).await?;
            let asked = AskedIds::default();
            let (times, metadata) =
                (times(&read)?, Metadata::new(&read, &names, &pipeline, &asked, &self.log_streams.view));
            let bodies = Lines::of(&read);
            for run in runs.iter() {
                let given = metadata.given(&run.stream);
                let rows: Vec<usize> = run.rows.clone().filter(|row| row % one_of == 0).collect();
                for rows in rows.chunks(LINES_AT_ONCE) {
                    let mut lines = Vec::with_capacity(rows.len());
                    for row in rows {
                        let line = bodies.at(*row)?;
                        let pairs = metadata.of(*row, &given, || level::of_line(&line))?;
                        let level = pairs.into_iter().find(|(name, _)| name == DETECTED_LEVEL).map(|(_, level)| level);
                        lines.push((times[*row], level.unwrap_or_default(), line));
                    }
                    let seen: Vec<Seen<'_>> = lines
                        .iter()
                        .map(|(time, level, line)| Seen { time: *time, level, line, of: one_of as u64 })
                        .collect();
                    let patterns = &self.log_patterns;
                    let labels = &run.stream.labels;
                    patterns.note(patterns.book.lock().take(tenant, labels, &seen, &patterns.options, now()));
                    tokio::task::yield_now().await;
                }
            }
        }
        Ok(())
    }

    /// The patterns of selected streams within a time, those of the most lines first.
    pub async fn log_patterns(
        &self,
        tenant: &Tenant,
        request: PatternsRequest,
        limits: Limits,
    ) -> Result<Vec<FoundPattern>, QueryError> {
        let (tenant, at) = (tenant.clone(), now());
        let answer = move |engine: Engine| async move { engine.read_patterns(&tenant, request, at).await };
        self.on_thread(limits, answer).await
    }

    async fn read_patterns(
        &self,
        tenant: &Tenant,
        request: PatternsRequest,
        now: i64,
    ) -> Result<Vec<FoundPattern>, QueryError> {
        let patterns = &self.log_patterns;
        let (start, end) = (step_of(request.period.0), request.period.1.saturating_add(1));
        let span = Span { start, end, step: request.step.max(STEP) };
        let invalid = |error: trefoil_logql::patterns::TooManySteps| QueryError::Invalid(error.to_string());
        let (since, mut found) = {
            let book = patterns.book.lock();
            let since = match patterns.options.is_enabled_for(tenant) {
                true => book.since(tenant, &patterns.options, now),
                false => i64::MAX,
            };
            let known = Span { start: span.start.max(since), end: span.end.max(since), ..span };
            (since, book.found(tenant, &request.selector, known, patterns.miner_limits()).map_err(invalid)?)
        };
        if span.start < since && patterns.options.stored_lines > 0 {
            let period = (span.start, request.period.1.min(since.saturating_sub(1)));
            for (level, stored) in self.mine_stored(tenant, request.selector, period, span, now).await? {
                match found.get_mut(&level) {
                    // What came first decides what templates look like.
                    Some(known) => {
                        let later = std::mem::replace(known, stored);
                        known.merge(&later);
                    }
                    None => {
                        found.insert(level, stored);
                    }
                }
            }
        }
        let of_level = |(level, miner): (String, Miner)| {
            let level = Some(level).filter(|level| !level.is_empty());
            miner.mined().into_iter().map(move |mined| FoundPattern { level: level.clone(), mined })
        };
        let mut all: Vec<FoundPattern> = found.into_iter().flat_map(of_level).collect();
        all.sort_by_key(|found| std::cmp::Reverse(found.mined.total()));
        Ok(all)
    }

    /// Of the newest lines that are stored.
    async fn mine_stored(
        &self,
        tenant: &Tenant,
        selector: Vec<Matcher>,
        period: (i64, i64),
        span: Span,
        now: i64,
    ) -> Result<BTreeMap<String, Miner>, QueryError> {
        let query = LogQuery { selector, stages: Vec::new() };
        let (limit, limits) = (self.log_patterns.options.stored_lines, self.log_patterns.miner_limits());
        let request = LinesRequest { query, period, limit, direction: Direction::Backward, now };
        let lines = self.read_lines_of(self.logs_of(&tenant.into()).await?, &request).await?.lines;
        let mut found: BTreeMap<String, Miner> = BTreeMap::new();
        for line in lines.into_iter().rev() {
            let level = line.metadata.into_iter().find(|(name, _)| name == DETECTED_LEVEL);
            let level = level.map(|(_, level)| level).unwrap_or_default();
            let miner = match found.get_mut(&level) {
                Some(miner) => miner,
                None => {
                    let miner = Miner::new(span, limits).map_err(|error| QueryError::Invalid(error.to_string()))?;
                    found.entry(level).or_insert(miner)
                }
            };
            miner.observe(line.time, &line.line);
        }
        Ok(found)
    }
}
