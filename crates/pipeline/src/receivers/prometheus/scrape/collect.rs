//! A body → samples of series under their final labels, by the rules of the job.

use opentelemetry_proto::tonic::metrics::v1::{Exemplar as OtlpExemplar, exemplar};
use thiserror::Error;
use trefoil_prometheus::exposition::{
    Created, Entry, Exemplar, Format, MetricType as ExposedType, Options, ParseError, Parser, Series, Value,
};

use super::buckets::{self, TooMany};
use super::cache::{Cache, Found};
use crate::receivers::prometheus::config::Job;
use crate::receivers::prometheus::relabel::{self, Labels};
use crate::receivers::prometheusremotewrite::batch::Point;
use crate::receivers::prometheusremotewrite::exemplars::{attribute, id};
use crate::receivers::prometheusremotewrite::families::MetricType;
use crate::receivers::prometheusremotewrite::groups::Kind;
use crate::receivers::prometheusremotewrite::histogram::{self, Native};
use crate::receivers::prometheusremotewrite::labels::METRIC_NAME;
use crate::receivers::prometheusremotewrite::times::nanos;

/// Times further ahead than this are wrong.
const MAX_AHEAD_MILLIS: i64 = 10 * 60 * 1000;

/// Empty buckets between those with counts, of all histograms of a scrape.
const MAX_ZEROS: usize = 4 << 20;

/// Families, and bytes of one's help, that are remembered of a target.
const MAX_FAMILIES: usize = 100_000;
const MAX_HELP: usize = 4 << 10;

/// Bytes of the labels of one series.
const MAX_LABEL_BYTES: usize = 64 << 10;

#[derive(Debug, Clone, PartialEq, Error)]
pub enum Failure {
    #[error(transparent)]
    Parse(#[from] ParseError),
    #[error("sample limit exceeded (limit: {0})")]
    SampleLimit(u64),
    #[error("histogram bucket limit exceeded (limit: {0})")]
    BucketLimit(u64),
    #[error("{0}")]
    LabelLimit(String),
    #[error("missing metric name (__name__ label)")]
    NoName,
    #[error("invalid metric name or label names: {0}")]
    Invalid(String),
}

pub struct Sample {
    pub series: usize,
    pub time_unix_nano: u64,
    pub start_time_unix_nano: u64,
    pub point: Point,
    pub exemplars: Vec<OtlpExemplar>,
}

#[derive(Default)]
pub struct Collected {
    pub samples: Vec<Sample>,
    /// As the target has them.
    pub scraped: u64,
    /// After relabelling.
    pub kept: u64,
    /// Series that were not in the scrape before.
    pub added: u64,
    pub duplicates: u64,
    pub out_of_bounds: u64,
    /// Histograms that cannot be stored, and why the first of them.
    pub unfit: Option<(u64, String)>,
    pub failure: Option<Failure>,
}

/// Reads a whole body, or as far as it is good.
pub fn collect(
    job: &Job,
    target: &Labels,
    cache: &mut Cache,
    format: Format,
    body: &[u8],
    now: i64,
) -> (Collected, Result<(), Failure>) {
    let options = Options {
        native_histograms: job.native_histograms,
        keep_classic: job.classic_histograms_too,
        convert_classic: job.convert_to_nhcb,
        created: Created::AsStart,
    };
    let mut collector = Collector { job, target, cache, now, zeros: MAX_ZEROS, collected: Collected::default() };
    let result = collector.run(Parser::new(format, body, options));
    (collector.collected, result)
}

struct Collector<'a> {
    job: &'a Job,
    target: &'a Labels,
    cache: &'a mut Cache,
    now: i64,
    zeros: usize,
    collected: Collected,
}

impl Collector<'_> {
    fn run(&mut self, mut parser: Parser<'_>) -> Result<(), Failure> {
        while let Some(entry) = parser.next()? {
            match entry {
                Entry::Series(series) => self.series(&series)?,
                _ if self.cache.families() >= MAX_FAMILIES => {}
                Entry::Type { family, kind } => self.cache.family(family, |family| family.kind(kind_of(kind))),
                Entry::Help { family, text } => {
                    self.cache.family(family, |family| family.help(&text[..text.floor_char_boundary(MAX_HELP)]));
                }
                Entry::Unit { family, unit } => {
                    self.cache.family(family, |family| family.unit(&unit[..unit.floor_char_boundary(MAX_HELP)]));
                }
            }
        }
        Ok(())
    }

    fn series(&mut self, exposed: &Series<'_>) -> Result<(), Failure> {
        self.collected.scraped += 1;
        let (found, is_new) = match self.cache.find(exposed) {
            Found::Dropped => return Ok(()),
            Found::Series(index) => (Some(index), false),
            Found::New => {
                let labels = self.labels(exposed)?;
                self.cache.add(exposed.name, labels)
            }
        };
        let Some(index) = found else { return Ok(()) };
        let told = exposed.timestamp.filter(|_| self.job.honor_timestamps);
        let is_stale_tracked = told.is_none() || self.job.track_timestamps_staleness;
        let time = told.unwrap_or(self.now);
        let (point, kind) = match exposed.value {
            Value::Float(value) => (Point::Float(value), Kind::Number),
            Value::Histogram(histogram) => match self.native(histogram)? {
                Some(native) => native,
                None => return Ok(()),
            },
        };
        if self.cache.see(index, kind, is_stale_tracked) && told.is_none() {
            self.collected.duplicates += 1;
            return Ok(());
        }
        self.collected.kept += 1;
        if self.job.limits.samples > 0 && self.collected.kept > self.job.limits.samples {
            return Err(Failure::SampleLimit(self.job.limits.samples));
        }
        self.collected.added += u64::from(is_new);
        let Some(time_unix_nano) = nanos(time).filter(|_| time <= self.now + MAX_AHEAD_MILLIS) else {
            self.collected.out_of_bounds += 1;
            return Ok(());
        };
        let exemplars = match exposed.exemplars.is_empty() {
            true => Vec::new(),
            false => self.cache.new_exemplars(index, exposed.exemplars),
        };
        self.collected.samples.push(Sample {
            series: index,
            time_unix_nano,
            start_time_unix_nano: exposed.start.and_then(nanos).unwrap_or(0),
            point,
            exemplars: exemplars.into_iter().filter_map(|one| exemplar(one, time_unix_nano)).collect(),
        });
        Ok(())
    }

    /// The labels under which a series is stored; `None` if it is dropped.
    fn labels(&self, exposed: &Series<'_>) -> Result<Option<Labels>, Failure> {
        self.check_limits(exposed)?;
        let mut labels: Labels = exposed.labels.iter().map(|label| (&label.name, &label.value)).collect();
        labels.set(METRIC_NAME, exposed.name);
        match self.job.honor_labels {
            true => honor(&mut labels, exposed, self.target),
            false => rename(&mut labels, self.target),
        }
        if !relabel::apply(&self.job.metric_relabeling, &mut labels) {
            return Ok(None);
        }
        let name = labels.get(METRIC_NAME);
        if name.is_empty() {
            return Err(Failure::NoName);
        }
        let validation = self.job.validation;
        if !validation.allows_metric(name) || !labels.iter().all(|(name, _)| validation.allows_label(name)) {
            return Err(Failure::Invalid(labels.to_string()));
        }
        Ok(Some(labels))
    }

    /// Of what the target says, with the labels that it gets. (Prometheus' `verifyLabelLimits`.)
    fn check_limits(&self, exposed: &Series<'_>) -> Result<(), Failure> {
        let limits = &self.job.limits;
        let name = || exposed.name.chars().take(50).collect::<String>();
        let bytes: usize = exposed.labels.iter().map(|label| label.name.len() + label.value.len()).sum();
        if bytes + exposed.name.len() > MAX_LABEL_BYTES {
            let message = format!("labels of more than {MAX_LABEL_BYTES} bytes (metric: {})", name());
            return Err(Failure::LabelLimit(message));
        }
        // The name is a label, too.
        let count = exposed.labels.len() as u64 + self.target.len() as u64 + 1;
        if limits.labels > 0 && count > limits.labels {
            return Err(Failure::LabelLimit(format!(
                "label_limit exceeded (metric: {}, number of labels: {count}, limit: {})",
                name(),
                limits.labels
            )));
        }
        let pairs = exposed.labels.iter().map(|label| (label.name.as_ref(), label.value.as_ref()));
        for (label, value) in pairs.chain([(METRIC_NAME, exposed.name)]).chain(self.target.iter()) {
            for (what, text, limit) in
                [("name", label, limits.label_name_length), ("value", value, limits.label_value_length)]
            {
                if limit > 0 && text.len() as u64 > limit {
                    let shown: String = label.chars().take(50).collect();
                    return Err(Failure::LabelLimit(format!(
                        "label_{what}_length_limit exceeded (metric: {}, label name: {shown}, length: {}, limit: {limit})",
                        name(),
                        text.len()
                    )));
                }
            }
        }
        Ok(())
    }

    /// `None` if it cannot be stored, which costs it alone.
    fn native(
        &mut self,
        exposed: &trefoil_prometheus::exposition::NativeHistogram,
    ) -> Result<Option<(Point, Kind)>, Failure> {
        let limits = &self.job.limits;
        let converted = histogram::convert(&buckets::as_written(exposed), &mut self.zeros, None);
        let mut native = match converted {
            Ok(native) => native,
            Err(unfit) => {
                let (count, _) = self.collected.unfit.get_or_insert_with(|| (0, unfit.to_string()));
                *count += 1;
                return Ok(None);
            }
        };
        if buckets::limit(&mut native, limits.histogram_buckets, limits.min_bucket_factor) == Err(TooMany) {
            return Err(Failure::BucketLimit(limits.histogram_buckets));
        }
        let kind = match native {
            Native::Exponential(_) => Kind::Exponential,
            Native::Custom(_) => Kind::CustomBuckets,
        };
        Ok(Some((Point::Native(Box::new(native)), kind)))
    }
}

/// `honor_labels: true`: the target's labels are put where the series has none of these names. One without a value is one:
/// that is how a series says that it has no `instance`.
fn honor(labels: &mut Labels, exposed: &Series<'_>, target: &Labels) {
    for (name, value) in target.iter() {
        if !exposed.labels.iter().any(|label| label.name == name) {
            labels.set(name, value);
        }
    }
}

/// `honor_labels: false`: the target's labels win, and those of the series get other names.
fn rename(labels: &mut Labels, target: &Labels) {
    let mut conflicts: Vec<(String, String)> = Vec::new();
    for (name, value) in target.iter() {
        let exposed = labels.get(name);
        if !exposed.is_empty() {
            conflicts.push((name.to_owned(), exposed.to_owned()));
        }
        labels.set(name, value);
    }
    // Short names first, so that `exported_` is put before no name that came with it.
    conflicts.sort_by_key(|(name, _)| name.len());
    for (name, value) in conflicts {
        let mut renamed = name;
        loop {
            renamed.insert_str(0, "exported_");
            if !labels.has(&renamed) {
                break;
            }
        }
        labels.set(&renamed, &value);
    }
}

pub fn kind_of(exposed: ExposedType) -> MetricType {
    match exposed {
        ExposedType::Counter => MetricType::Counter,
        ExposedType::Gauge => MetricType::Gauge,
        ExposedType::Histogram => MetricType::Histogram,
        ExposedType::GaugeHistogram => MetricType::GaugeHistogram,
        ExposedType::Summary => MetricType::Summary,
        ExposedType::Info => MetricType::Info,
        ExposedType::StateSet => MetricType::StateSet,
        ExposedType::Unknown => MetricType::Unknown,
    }
}

/// Exemplars are extras: an unfit one is left out.
fn exemplar(exposed: &Exemplar<'_>, time_of_sample: u64) -> Option<OtlpExemplar> {
    let mut written = OtlpExemplar {
        time_unix_nano: exposed.timestamp.map_or(Some(time_of_sample), nanos)?,
        value: Some(exemplar::Value::AsDouble(exposed.value)),
        ..OtlpExemplar::default()
    };
    for label in &exposed.labels {
        match (label.name.as_ref(), id(&label.value)) {
            ("trace_id", Some(id)) if id.len() == 16 => written.trace_id = id,
            ("span_id", Some(id)) if id.len() == 8 => written.span_id = id,
            _ => written.filtered_attributes.push(attribute(&label.name, &label.value)),
        }
    }
    Some(written)
}
