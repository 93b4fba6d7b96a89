//! The protobuf format: `io.prometheus.client.MetricFamily`, each after its length.

mod decode;

use std::borrow::Cow;
use std::collections::VecDeque;

use trefoil_model::wire::Reader;

use self::decode::{Distribution, Family, Metric, Quantiles};
use super::error::ParseError;
use super::labels::{BUCKET, QUANTILE};
use super::{Entry, Exemplar, Label, MetricType, NativeHistogram, Options, Series, Source, Value};
use trefoil_go::number::open_metrics;

pub struct Protobuf<'a> {
    body: &'a [u8],
    at: usize,
    options: Options,
    family: Family<'a>,
    /// What of the family is still to be told.
    told: Vec<Found>,
    /// The fields of the family, for its metrics.
    rest: Reader<'a>,
    found: Found,
    /// The family's name with the suffix of the series.
    name: String,
    /// Of the metric and, at the end, of the series.
    labels: Vec<Label<'a>>,
    timestamp: Option<i64>,
    start: Option<i64>,
    series: VecDeque<Item<'a>>,
    item: Item<'a>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Found {
    Help,
    Type,
    Unit,
    Series,
}

/// A series of a metric.
#[derive(Default)]
struct Item<'a> {
    suffix: &'static str,
    label: Option<(&'static str, f64)>,
    value: Sample,
    exemplars: Vec<Exemplar<'a>>,
}

enum Sample {
    Float(f64),
    Histogram(Box<NativeHistogram>),
}

impl Default for Sample {
    fn default() -> Self {
        Self::Float(0.0)
    }
}

impl<'a> Protobuf<'a> {
    pub fn new(body: &'a [u8], options: Options) -> Self {
        Self {
            body,
            at: 0,
            options,
            family: Family::default(),
            told: Vec::new(),
            rest: Reader::default(),
            found: Found::Series,
            name: String::new(),
            labels: Vec::new(),
            timestamp: None,
            start: None,
            series: VecDeque::new(),
            item: Item::default(),
        }
    }

    /// Goes to the next family, if there is one.
    fn next_family(&mut self) -> Result<bool, ParseError> {
        if self.at == self.body.len() {
            return Ok(false);
        }
        let (message, end) = decode::delimited(self.body, self.at)?;
        self.at = end;
        self.family = Family::read(message)?;
        self.rest = message;
        // Prometheus tells all three of each family, if only that there is no help. An empty unit says nothing.
        self.told.push(Found::Type);
        self.told.push(Found::Help);
        if !self.family.unit.is_empty() {
            self.told.insert(0, Found::Unit);
        }
        Ok(true)
    }

    /// Decodes the next metric of the family into its series, if there is one.
    fn next_metric(&mut self) -> Result<bool, ParseError> {
        let Some(metric) = decode::next_metric(&mut self.rest, self.family.kind)? else { return Ok(false) };
        let Metric { labels, timestamp, start, value } = metric;
        self.labels = labels;
        self.item.label = None;
        self.timestamp = timestamp;
        self.start = start;
        match value {
            decode::Value::Single { value, exemplar } => self.push("", None, value, exemplar.into_iter().collect()),
            decode::Value::Quantiles(Quantiles { count, sum, quantiles }) => {
                self.push("_count", None, count as f64, Vec::new());
                self.push("_sum", None, sum, Vec::new());
                for (quantile, value) in quantiles {
                    self.push("", Some((QUANTILE, quantile)), value, Vec::new());
                }
            }
            decode::Value::Distribution(distribution) => self.distribution(*distribution)?,
        }
        Ok(true)
    }

    fn distribution(&mut self, distribution: Distribution<'a>) -> Result<(), ParseError> {
        let is_native = distribution.is_native() && self.options.native_histograms;
        let is_classic = !is_native || (self.options.keep_classic && !distribution.buckets.is_empty());
        if is_native {
            let is_gauge = self.family.kind == MetricType::GaugeHistogram;
            let histogram = Box::new(distribution.native(is_gauge)?);
            // Those of the buckets are the same observations, where a client gives both.
            let exemplars = match distribution.exemplars.is_empty() {
                true => distribution.buckets.iter().filter_map(|bucket| bucket.exemplar.clone()).collect(),
                false => distribution.exemplars.clone(),
            };
            let value = Sample::Histogram(histogram);
            self.series.push_back(Item { suffix: "", label: None, value, exemplars });
        }
        if !is_classic {
            return Ok(());
        }
        let count = distribution.count();
        self.push("_count", None, count, Vec::new());
        self.push("_sum", None, distribution.sum, Vec::new());
        let has_infinity = distribution.buckets.last().is_some_and(|bucket| bucket.bound == f64::INFINITY);
        for bucket in distribution.buckets {
            self.push("_bucket", Some((BUCKET, bucket.bound)), bucket.count, bucket.exemplar.into_iter().collect());
        }
        if !has_infinity {
            self.push("_bucket", Some((BUCKET, f64::INFINITY)), count, Vec::new());
        }
        Ok(())
    }

    fn push(
        &mut self,
        suffix: &'static str,
        label: Option<(&'static str, f64)>,
        value: f64,
        exemplars: Vec<Exemplar<'a>>,
    ) {
        let value = Sample::Float(if value.is_nan() { f64::NAN } else { value });
        self.series.push_back(Item { suffix, label, value, exemplars });
    }

    fn show(&mut self, item: Item<'a>) {
        if self.item.label.is_some() {
            self.labels.pop();
        }
        if let Some((key, bound)) = item.label {
            self.labels.push(Label { name: Cow::Borrowed(key), value: Cow::Owned(open_metrics(bound)) });
        }
        self.name.clear();
        self.name.push_str(self.family.name);
        self.name.push_str(item.suffix);
        self.item = item;
        self.found = Found::Series;
    }
}

impl Source for Protobuf<'_> {
    fn advance(&mut self) -> Result<bool, ParseError> {
        loop {
            if let Some(found) = self.told.pop() {
                self.found = found;
                return Ok(true);
            }
            if let Some(item) = self.series.pop_front() {
                self.show(item);
                return Ok(true);
            }
            if !self.next_metric()? && !self.next_family()? {
                return Ok(false);
            }
        }
    }

    fn entry(&self) -> Entry<'_> {
        let family = self.family.name;
        match self.found {
            Found::Type => Entry::Type { family, kind: self.family.kind },
            Found::Help => Entry::Help { family, text: self.family.help },
            Found::Unit => Entry::Unit { family, unit: self.family.unit },
            Found::Series => Entry::Series(Series {
                name: &self.name,
                labels: &self.labels,
                value: match &self.item.value {
                    Sample::Float(value) => Value::Float(*value),
                    Sample::Histogram(histogram) => Value::Histogram(histogram),
                },
                timestamp: self.timestamp,
                start: self.start,
                exemplars: &self.item.exemplars,
            }),
        }
    }
}
