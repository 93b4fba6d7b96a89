//! Templates that lines are made of: `<_> GET <_> 200`.
//!
//! A miner in the manner of Drain (He et al., "Drain: An Online Log Parsing Approach with Fixed Depth Tree", ICWS 2017): lines are
//! cut into words and what stands between them; a line belongs to the template that has the same things between its words and
//! most words in common, and words that differ become gaps. What stands between words takes the place of Drain's tree: it says
//! more about a line than its first words.

mod cluster;
mod token;

use std::collections::BTreeMap;
use std::hash::{BuildHasher, Hash, Hasher};

use hashbrown::{DefaultHashBuilder, HashMap};
use thiserror::Error;

use cluster::{Cluster, Likeness};
use token::Token;

/// Steps of time that a miner counts by, at most.
const MOST_STEPS: i64 = 11_000;

/// How much a miner keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Templates. Where there are more, the fourth of them that the fewest lines have is forgotten.
    pub clusters: usize,
    /// Words and what stands between them; what is behind them in a line is one gap.
    pub tokens: usize,
    /// Bytes of a line; likewise.
    pub line: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { clusters: 300, tokens: 256, line: 3_000 }
    }
}

/// The times whose lines count, `start` inclusive, `end` exclusive, and the steps they are counted by (nanoseconds).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    pub start: i64,
    pub end: i64,
    pub step: i64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the time has more than 11,000 steps of {0} ns: ask for a shorter time or a longer step")]
pub struct TooManySteps(i64);

/// A template with its lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mined {
    /// A pattern of the line filter `|>`, which matches all of these lines.
    pub pattern: String,
    /// The beginnings of steps (multiples of the step) and how many lines there were, by time, none of them 0.
    pub counts: Vec<(i64, u64)>,
}

impl Mined {
    pub fn total(&self) -> u64 {
        self.counts.iter().map(|(_, count)| count).sum()
    }
}

/// The templates of the lines of one stream, or of some.
#[derive(Debug, Clone)]
pub struct Miner {
    span: Span,
    limits: Limits,
    /// By what stands between words.
    shapes: HashMap<u64, Vec<Cluster>>,
    hasher: DefaultHashBuilder,
    clusters: usize,
    lines: u64,
    bytes: usize,
    forgotten: u64,
}

impl Miner {
    pub fn new(span: Span, limits: Limits) -> Result<Miner, TooManySteps> {
        if span.step < 1 || span.end.saturating_sub(span.start) / span.step > MOST_STEPS {
            return Err(TooManySteps(span.step));
        }
        Ok(Miner::of(span, limits))
    }

    /// Of lines of all times, for whoever [forgets](Miner::forget_before) the old ones.
    pub fn of_all_times(step: i64, limits: Limits) -> Miner {
        Miner::of(Span { start: i64::MIN, end: i64::MAX, step: step.max(1) }, limits)
    }

    fn of(span: Span, limits: Limits) -> Miner {
        let limits = Limits { clusters: limits.clusters.max(4), ..limits };
        let span = Span { end: span.end.max(span.start), ..span };
        let (shapes, hasher) = (HashMap::new(), DefaultHashBuilder::default());
        Miner { span, limits, shapes, hasher, clusters: 0, lines: 0, bytes: 0, forgotten: 0 }
    }

    /// Counts a line; one that is not of the time does not count.
    pub fn observe(&mut self, time: i64, line: &str) {
        self.observe_one_of(time, line, 1);
    }

    /// Counts a line that stands for so many.
    pub fn observe_one_of(&mut self, time: i64, line: &str, lines: u64) {
        if !(self.span.start..self.span.end).contains(&time) {
            return;
        }
        let step = self.step_of(time);
        let tokens = token::cut(line, self.limits.tokens, self.limits.line);
        self.count(&tokens, &[(step, lines)]);
    }

    /// Takes over what another miner of the same or finer steps has counted, in so far as the steps are of this one's time.
    pub fn merge(&mut self, other: &Miner) {
        // In the order that they were seen in: templates depend on it.
        let mut clusters: Vec<&Cluster> = other.shapes.values().flatten().collect();
        clusters.sort_by_key(|cluster| cluster.rank().1);
        for cluster in clusters {
            let within = cluster.counts.range(self.span.start..self.span.end);
            let counts: Vec<(i64, u64)> = within.map(|(step, count)| (self.step_of(*step), *count)).collect();
            if !counts.is_empty() {
                self.count(&cluster.tokens(), &counts);
            }
        }
    }

    /// Forgets lines of steps before `time`, and templates that no others have.
    pub fn forget_before(&mut self, time: i64) {
        self.shapes.retain(|_, clusters| {
            clusters.iter_mut().for_each(|cluster| cluster.forget_before(time));
            clusters.retain(|cluster| !cluster.counts.is_empty());
            !clusters.is_empty()
        });
        self.measure();
    }

    /// About what it holds in memory.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// How many templates made room for others.
    pub fn forgotten(&self) -> u64 {
        self.forgotten
    }

    fn measure(&mut self) {
        self.clusters = self.shapes.values().map(Vec::len).sum();
        self.bytes = self.shapes.values().flatten().map(Cluster::bytes).sum();
    }

    fn step_of(&self, time: i64) -> i64 {
        time.saturating_sub(time.rem_euclid(self.span.step))
    }

    /// How many templates there are now.
    pub fn len(&self) -> usize {
        self.clusters
    }

    pub fn is_empty(&self) -> bool {
        self.clusters == 0
    }

    /// The templates by how many lines they have, most first.
    pub fn mined(&self) -> Vec<Mined> {
        let mut by_pattern: BTreeMap<String, BTreeMap<i64, u64>> = BTreeMap::new();
        for cluster in self.shapes.values().flatten() {
            let counts = by_pattern.entry(cluster.pattern()).or_default();
            cluster.counts.iter().for_each(|(step, count)| *counts.entry(*step).or_default() += count);
        }
        let mined = by_pattern.into_iter();
        let mut mined: Vec<Mined> =
            mined.map(|(pattern, counts)| Mined { pattern, counts: counts.into_iter().collect() }).collect();
        mined.sort_by_key(|mined| std::cmp::Reverse(mined.total()));
        mined
    }

    fn count(&mut self, tokens: &[Token<'_>], counts: &[(i64, u64)]) {
        self.lines += 1;
        let shape = self.shape(tokens);
        let alike = self.shapes.entry(shape).or_default();
        let likeness = alike.iter().enumerate().filter_map(|(place, cluster)| Some((cluster.likeness(tokens)?, place)));
        // Of those that are as like the first, which is the oldest.
        let best = likeness.max_by(|(a, place), (b, other)| Likeness::compare(*a, *b).then(other.cmp(place)));
        match best {
            Some((_, place)) => {
                let before = alike[place].bytes();
                alike[place].absorb(tokens, counts, self.lines);
                self.bytes = (self.bytes + alike[place].bytes()).saturating_sub(before);
            }
            None => {
                let cluster = Cluster::new(tokens, counts, self.lines);
                self.bytes += cluster.bytes();
                alike.push(cluster);
                self.clusters += 1;
                if self.clusters > self.limits.clusters {
                    self.forget();
                }
            }
        }
    }

    fn shape(&self, tokens: &[Token<'_>]) -> u64 {
        let mut hasher = self.hasher.build_hasher();
        for token in tokens {
            match token {
                Token::Word(_) | Token::Gap => 0_u8.hash(&mut hasher),
                Token::Between(text) => text.hash(&mut hasher),
                Token::Tail => 1_u8.hash(&mut hasher),
            }
        }
        hasher.finish()
    }

    /// Drops the fourth of the templates that the fewest lines have, of those the ones that were seen the longest ago. The newest
    /// stays, so that new templates have a chance beside old ones.
    fn forget(&mut self) {
        let newest = self.lines;
        let mut ranks: Vec<(u64, u64)> = self.shapes.values().flatten().map(Cluster::rank).collect();
        let dropped = (ranks.len() / 4).max(1);
        ranks.retain(|(_, seen)| *seen != newest);
        ranks.sort_unstable();
        let Some(limit) = ranks.get(dropped.min(ranks.len()).saturating_sub(1)).copied() else { return };
        self.shapes.retain(|_, clusters| {
            clusters.retain(|cluster| cluster.rank() > limit || cluster.rank().1 == newest);
            !clusters.is_empty()
        });
        let before = self.clusters;
        self.measure();
        self.forgotten += before.saturating_sub(self.clusters) as u64;
    }
}

#[cfg(test)]
mod tests;
