//! Classic histograms → native ones with custom buckets (NHCB), while a body is read.
//!
//! The series of a histogram are those of its family with the same labels but for `le`, one after the other; the converted
//! histogram comes after the last of them.

use super::error::ParseError;
use super::labels::{self, BUCKET};
use super::number;
use super::{
    CUSTOM_BUCKETS, Counts, Entry, Exemplar, Label, MetricType, NativeHistogram, Options, Series, Source, Span, Value,
};

pub struct Converter<S> {
    inner: S,
    options: Options,
    /// Of the last family that is a classic histogram, else empty.
    family: String,
    collected: Option<Classic>,
    /// What is lent after `collected` ended.
    converted: Option<Converted>,
    /// The inner entry that ended it is still to be lent.
    is_held: bool,
    /// There is no further inner entry.
    is_over: bool,
    unconverted: usize,
}

/// What of a classic histogram has been read.
#[derive(Default)]
struct Classic {
    labels: Vec<Label<'static>>,
    timestamp: Option<i64>,
    start: Option<i64>,
    /// Upper bounds and counts of everything below.
    buckets: Vec<(f64, f64)>,
    count: Option<f64>,
    sum: f64,
    exemplars: Vec<Exemplar<'static>>,
    /// A bound is no number.
    is_broken: bool,
}

struct Converted {
    classic: Classic,
    histogram: NativeHistogram,
}

enum Part {
    Bucket,
    Count,
    Sum,
}

impl<S: Source> Converter<S> {
    pub fn new(inner: S, options: Options) -> Self {
        Self {
            inner,
            options,
            family: String::new(),
            collected: None,
            converted: None,
            is_held: false,
            is_over: false,
            unconverted: 0,
        }
    }

    pub fn unconverted(&self) -> usize {
        self.unconverted
    }

    pub fn advance(&mut self) -> Result<bool, ParseError> {
        if !self.options.convert_classic {
            return self.inner.advance();
        }
        self.converted = None;
        if std::mem::take(&mut self.is_held) && self.look() {
            return Ok(true);
        }
        loop {
            let is_there = !self.is_over && self.inner.advance()?;
            self.is_over = !is_there;
            if self.ends_collected(is_there)
                && let Some(classic) = self.collected.take()
            {
                if let Some(histogram) = classic.histogram() {
                    self.converted = Some(Converted { classic, histogram });
                    self.is_held = is_there;
                    return Ok(true);
                }
                self.unconverted += 1;
            }
            if !is_there {
                return Ok(false);
            }
            if self.look() {
                return Ok(true);
            }
        }
    }

    pub fn entry(&self) -> Entry<'_> {
        let Some(Converted { classic, histogram }) = &self.converted else { return self.inner.entry() };
        Entry::Series(Series {
            name: &self.family,
            labels: &classic.labels,
            value: Value::Histogram(histogram),
            timestamp: classic.timestamp,
            start: classic.start,
            exemplars: &classic.exemplars,
        })
    }

    /// Whether the inner entry belongs to another histogram than the one collected, or to none.
    fn ends_collected(&self, is_there: bool) -> bool {
        let Some(classic) = &self.collected else { return false };
        if !is_there {
            return true;
        }
        match self.inner.entry() {
            Entry::Series(series) => {
                part(&self.family, &series).is_none()
                    || classic.timestamp != series.timestamp
                    || !labels::are_of_one_metric(&classic.labels, series.labels)
            }
            _ => true,
        }
    }

    /// Collects the inner entry or learns from it; whether it is lent.
    fn look(&mut self) -> bool {
        match self.inner.entry() {
            Entry::Type { family, kind } => {
                self.family.clear();
                if kind == MetricType::Histogram {
                    self.family.push_str(family);
                }
                true
            }
            Entry::Series(series) => {
                let Some(part) = part(&self.family, &series) else { return true };
                self.collected.get_or_insert_with(|| Classic::of(&series)).add(part, &series);
                self.options.keep_classic
            }
            Entry::Help { .. } | Entry::Unit { .. } => true,
        }
    }
}

/// Which part of a classic histogram of the family it is.
fn part(family: &str, series: &Series<'_>) -> Option<Part> {
    if family.is_empty() || !matches!(series.value, Value::Float(_)) {
        return None;
    }
    match series.name.strip_prefix(family)? {
        "_bucket" => series.labels.iter().any(|label| label.name == BUCKET).then_some(Part::Bucket),
        "_count" => Some(Part::Count),
        "_sum" => Some(Part::Sum),
        _ => None,
    }
}

impl Classic {
    fn of(series: &Series<'_>) -> Self {
        Self {
            labels: labels::identifying(series.labels).map(Label::to_static).collect(),
            timestamp: series.timestamp,
            start: series.start,
            ..Self::default()
        }
    }

    fn add(&mut self, part: Part, series: &Series<'_>) {
        let Value::Float(value) = series.value else { return };
        self.exemplars.extend(series.exemplars.iter().map(Exemplar::to_static));
        match part {
            Part::Count => self.count = Some(value),
            Part::Sum => self.sum = value,
            Part::Bucket => {
                let bound = series.labels.iter().find(|label| label.name == BUCKET);
                match bound.and_then(|label| number::float(&label.value)).filter(|bound| !bound.is_nan()) {
                    Some(bound) => self.buckets.push((bound, value)),
                    None => self.is_broken = true,
                }
            }
        }
    }

    /// `None` where the counts are none.
    fn histogram(&self) -> Option<NativeHistogram> {
        let mut buckets = self.buckets.clone();
        buckets.sort_by(|(a, _), (b, _)| a.total_cmp(b));
        buckets.dedup_by_key(|(bound, _)| *bound);
        let count = self.count.or(buckets.last().map(|(_, count)| *count))?;
        if buckets.last().is_none_or(|(bound, _)| *bound < f64::INFINITY) {
            buckets.push((f64::INFINITY, count));
        }
        let (mut below, mut counts) = (0.0, Vec::with_capacity(buckets.len()));
        for (_, cumulative) in &buckets {
            counts.push(cumulative - below);
            below = *cumulative;
        }
        let are_counts = counts.iter().all(|count| count.is_finite() && *count >= 0.0);
        if self.is_broken || !are_counts || count != below {
            return None;
        }
        buckets.pop();
        // What double precision counts exactly.
        let is_whole = count <= 9_007_199_254_740_992.0 && counts.iter().all(|count| count.fract() == 0.0);
        let (positive_spans, counts) = occupied(counts);
        let counts = match is_whole {
            true => Counts::Integer {
                count: count as u64,
                zero: 0,
                positive: counts.into_iter().map(|count| count as u64).collect(),
                negative: Vec::new(),
            },
            false => Counts::Float { count, zero: 0.0, positive: counts, negative: Vec::new() },
        };
        Some(NativeHistogram {
            schema: CUSTOM_BUCKETS,
            sum: self.sum,
            counts,
            positive_spans,
            custom_values: buckets.into_iter().map(|(bound, _)| bound).collect(),
            ..NativeHistogram::default()
        })
    }
}

/// Without empty buckets.
fn occupied(counts: Vec<f64>) -> (Vec<Span>, Vec<f64>) {
    let (mut spans, mut left): (Vec<Span>, Vec<f64>) = (Vec::new(), Vec::new());
    let mut gap = 0;
    for count in counts {
        if count == 0.0 {
            gap += 1;
            continue;
        }
        match spans.last_mut() {
            Some(span) if gap == 0 => span.length += 1,
            _ => spans.push(Span { offset: gap, length: 1 }),
        }
        gap = 0;
        left.push(count);
    }
    (spans, left)
}

impl Label<'_> {
    fn to_static(&self) -> Label<'static> {
        Label { name: self.name.to_string().into(), value: self.value.to_string().into() }
    }
}

impl Exemplar<'_> {
    fn to_static(&self) -> Exemplar<'static> {
        Exemplar { labels: self.labels.iter().map(Label::to_static).collect(), ..*self }
    }
}
