//! Samples of series that somebody inside found by a scrape: what a request of remote write says, without a body in between.
//!
//! Who finds them remembers its series, so that labels are checked and hashed once for each. A sample of a series whose row is
//! safe goes into the store as its id, time and number, and everything else as OTLP, as in [`super::straight`].

use std::sync::Arc;

use opentelemetry_proto::tonic::metrics::v1::{
    Exemplar, ExponentialHistogramDataPoint, HistogramDataPoint, NumberDataPoint, number_data_point,
};
use prost::Message as _;
use trefoil_model::active::{Flight, Reason, Verdict};
use trefoil_model::samples::KnownSamples;
use trefoil_model::series_id::{MetricIdentity, of_prometheus};

use super::families::{Described, MetricType};
use super::groups::{Groups, Kind, TooLarge};
use super::histogram::Native;
use super::labels::METRIC_NAME;
use super::report::Report;
use super::times::{NO_RECORDED_VALUE, STALE_NAN, is_stale};
use super::translate::{Translated, Unreadable};
use crate::receivers::prometheus::relabel::Labels;

/// What frames a point and its labels in OTLP has at most so many bytes, nearly always; so does an exemplar.
const FRAME: usize = 64;
const EXEMPLAR: usize = 256;

/// What a source says of a family. Families of one source with the same number say the same.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Family {
    pub kind: MetricType,
    pub help: String,
    pub unit: String,
    pub number: u32,
}

impl Family {
    pub fn described(&self) -> Described<'_> {
        Described { kind: self.kind, help: &self.help, unit: &self.unit, refs: (self.number, 0) }
    }
}

/// A series under its final labels, as it is stored.
#[derive(Debug)]
pub struct FoundSeries {
    labels: Arc<Labels>,
    /// Where among them the metric's name is.
    name: usize,
    family: Arc<Family>,
    /// In the store, as a series of numbers.
    id: u64,
    /// Roughly the bytes of a point of it in OTLP.
    bytes: usize,
}

impl FoundSeries {
    /// `labels` with the metric's name.
    pub fn new(labels: Arc<Labels>, family: Arc<Family>) -> Self {
        let name = labels.iter().position(|(name, _)| name == METRIC_NAME).unwrap_or(usize::MAX);
        let bytes = FRAME + labels.iter().map(|(name, value)| name.len() + value.len() + 8).sum::<usize>();
        let mut series = Self { labels, name, family, id: 0, bytes };
        series.id = series.id_of(Kind::Number);
        series
    }

    pub fn labels(&self) -> &Arc<Labels> {
        &self.labels
    }

    pub fn family(&self) -> &Family {
        &self.family
    }

    pub fn name(&self) -> &str {
        self.labels.iter().nth(self.name).map_or("", |(_, value)| value)
    }

    fn id_of(&self, kind: Kind) -> u64 {
        let metric = MetricIdentity {
            name: self.name().as_bytes(),
            unit: self.family.unit.as_bytes(),
            data_type: kind.data(),
            temporality: kind.temporality(),
            is_monotonic: false,
        };
        of_prometheus(metric, self.labels.iter().filter(|(name, _)| *name != METRIC_NAME))
    }
}

#[derive(Debug, Clone)]
pub enum Point {
    Float(f64),
    Native(Box<Native>),
}

impl Point {
    /// What ends a series whose last sample was of this kind.
    pub fn end(kind: Kind) -> Self {
        let flags = NO_RECORDED_VALUE;
        match kind {
            Kind::Number | Kind::Family => Point::Float(f64::from_bits(STALE_NAN)),
            Kind::Exponential => Point::Native(Box::new(Native::Exponential(ExponentialHistogramDataPoint {
                flags,
                ..Default::default()
            }))),
            Kind::CustomBuckets => {
                Point::Native(Box::new(Native::Custom(HistogramDataPoint { flags, ..Default::default() })))
            }
        }
    }

    pub fn kind(&self) -> Kind {
        match self {
            Point::Float(_) => Kind::Number,
            Point::Native(native) => native.kind(),
        }
    }

    /// Equal for equal values.
    fn fingerprint(&self) -> u64 {
        match self {
            Point::Float(value) => value.to_bits(),
            Point::Native(native) => native.fingerprint(),
        }
    }

    fn bytes(&self) -> usize {
        match self {
            Point::Float(_) => 0,
            Point::Native(native) => match &**native {
                Native::Exponential(point) => point.encoded_len(),
                Native::Custom(point) => point.encoded_len(),
            },
        }
    }
}

/// Times in nanoseconds since the epoch.
#[derive(Debug, Clone)]
pub struct FoundSample {
    pub series: Arc<FoundSeries>,
    pub time: u64,
    /// 0: not told.
    pub start: u64,
    pub point: Point,
    pub exemplars: Vec<Exemplar>,
}

impl FoundSample {
    fn bytes(&self) -> usize {
        self.series.bytes + self.point.bytes() + EXEMPLAR * self.exemplars.len()
    }
}

/// What travels as one request.
#[derive(Debug, Default)]
pub struct Batch {
    samples: Vec<FoundSample>,
    bytes: usize,
}

impl Batch {
    pub fn points(&self) -> u64 {
        self.samples.len() as u64
    }

    pub fn samples(&self) -> &[FoundSample] {
        &self.samples
    }

    /// Roughly, as OTLP.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Samples in their order, parted so that no batch has many more than `bytes`.
    pub fn part(samples: impl IntoIterator<Item = FoundSample>, bytes: usize) -> Vec<Batch> {
        let mut batches: Vec<Batch> = Vec::new();
        for sample in samples {
            let more = sample.bytes();
            match batches.last_mut() {
                Some(batch) if batch.bytes + more <= bytes => {
                    batch.bytes += more;
                    batch.samples.push(sample);
                }
                _ => batches.push(Batch { samples: vec![sample], bytes: more }),
            }
        }
        batches
    }

    /// Everything as OTLP of at most `limit` bytes.
    pub fn translate(&self, limit: usize) -> Result<Translated, Unreadable> {
        let mut translation = Translation::new(limit);
        for sample in &self.samples {
            translation.whole(sample).map_err(|_| Unreadable::TooLarge { limit })?;
            translation.written(&sample.point);
        }
        Ok(translation.finish())
    }

    /// Samples of known series by themselves, the rest as OTLP; all of it judged by what the store remembers.
    pub fn translate_for_store(
        &self,
        limit: usize,
        mut flight: Flight,
    ) -> Result<(Translated, Flight, KnownSamples), Unreadable> {
        let mut translation = Translation::new(limit);
        let mut known = KnownSamples::default();
        known.era = flight.era();
        for sample in &self.samples {
            translation.judged(sample, &mut flight, &mut known).map_err(|_| Unreadable::TooLarge { limit })?;
        }
        Ok((translation.finish(), flight, known))
    }
}

struct Translation<'b> {
    groups: Groups<'b>,
    report: Report,
    labels: Vec<(&'b str, &'b str)>,
    verdicts: Vec<Verdict>,
}

impl<'b> Translation<'b> {
    fn new(limit: usize) -> Self {
        Self { groups: Groups::new(limit), report: Report::default(), labels: Vec::new(), verdicts: Vec::new() }
    }

    fn finish(self) -> Translated {
        let Self { groups, report, .. } = self;
        Translated { points: groups.count(), body: groups.finish(), report, told: Vec::new() }
    }

    fn judged(
        &mut self,
        sample: &'b FoundSample,
        flight: &mut Flight,
        known: &mut KnownSamples,
    ) -> Result<(), TooLarge> {
        let FoundSample { series, time, point, .. } = sample;
        let judged = (*time as i64, point.fingerprint());
        self.verdicts.clear();
        if let Point::Float(value) = point
            && flight.judge_known(series.id, &[judged], &mut self.verdicts)
        {
            match self.verdicts.first() {
                Some(Verdict::Refused(reason)) => {
                    self.refuse(sample, flight, *reason);
                    return Ok(());
                }
                Some(Verdict::Accepted) => {
                    let metric = known.metric(series.name());
                    known.push(metric, series.id, judged.0, sample.start as i64, *value);
                }
                Some(Verdict::Duplicate) | None => {}
            }
            self.written(point);
            return self.exemplars(sample);
        }
        if let Err(reason) = within_limits(series, flight) {
            flight.series().discard(reason, 1);
            self.refuse(sample, flight, reason);
            return Ok(());
        }
        let id = if point.kind() == Kind::Number { series.id } else { series.id_of(point.kind()) };
        match flight.judge(id, judged) {
            Verdict::Refused(reason) => {
                self.refuse(sample, flight, reason);
                return Ok(());
            }
            Verdict::Accepted => self.whole(sample)?,
            Verdict::Duplicate => self.exemplars(sample)?,
        }
        self.written(point);
        Ok(())
    }

    fn refuse(&mut self, sample: &'b FoundSample, flight: &Flight, reason: Reason) {
        self.labels.clear();
        self.labels.extend(sample.series.labels.iter());
        self.report.refuse(1, &self.labels, flight.series().limits().explain(reason));
        self.report.count(reason);
    }

    fn written(&mut self, point: &Point) {
        match point {
            Point::Float(_) => self.report.written.samples += 1,
            Point::Native(_) => self.report.written.histograms += 1,
        }
    }

    /// The sample with all that it has.
    fn whole(&mut self, sample: &'b FoundSample) -> Result<(), TooLarge> {
        let (time_unix_nano, start_time_unix_nano) = (sample.time, sample.start);
        let exemplars = sample.exemplars.clone();
        self.report.written.exemplars += exemplars.len() as u64;
        match &sample.point {
            Point::Float(value) => {
                let stale = is_stale(*value);
                let value = (!stale).then_some(number_data_point::Value::AsDouble(*value));
                let flags = if stale { NO_RECORDED_VALUE } else { 0 };
                let point = NumberDataPoint {
                    time_unix_nano,
                    start_time_unix_nano,
                    value,
                    flags,
                    exemplars,
                    ..Default::default()
                };
                self.push(&sample.series, Kind::Number, &point)
            }
            Point::Native(native) => match &**native {
                Native::Exponential(point) => {
                    let point = point.clone();
                    let point =
                        ExponentialHistogramDataPoint { time_unix_nano, start_time_unix_nano, exemplars, ..point };
                    self.push(&sample.series, Kind::Exponential, &point)
                }
                Native::Custom(point) => {
                    let point = point.clone();
                    let point = HistogramDataPoint { time_unix_nano, start_time_unix_nano, exemplars, ..point };
                    self.push(&sample.series, Kind::CustomBuckets, &point)
                }
            },
        }
    }

    /// Exemplars whose sample goes another way, on a point that has no value.
    fn exemplars(&mut self, sample: &'b FoundSample) -> Result<(), TooLarge> {
        if sample.exemplars.is_empty() || sample.point.kind() != Kind::Number {
            return Ok(());
        }
        self.report.written.exemplars += sample.exemplars.len() as u64;
        let exemplars = sample.exemplars.clone();
        let point = NumberDataPoint { time_unix_nano: sample.time, exemplars, ..Default::default() };
        self.push(&sample.series, Kind::Number, &point)
    }

    fn push(&mut self, series: &'b FoundSeries, kind: Kind, point: &impl prost::Message) -> Result<(), TooLarge> {
        self.labels.clear();
        self.labels.extend(series.labels.iter());
        let place = self.groups.place(series.name(), kind, series.family.described(), &self.labels)?;
        self.groups.push(place, point)
    }
}

fn within_limits(series: &FoundSeries, flight: &Flight) -> Result<(), Reason> {
    let longest = |part: fn((&str, &str)) -> usize| series.labels.iter().map(part).max().unwrap_or(0);
    let (name, value) = (longest(|(name, _)| name.len()), longest(|(_, value)| value.len()));
    flight.series().limits().check_labels(series.labels.len(), name, value)
}
