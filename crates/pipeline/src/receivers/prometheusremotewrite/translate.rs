//! A remote-write request → one OTLP export request.
//!
//! Names and labels stay as they are: one resource without attributes, one scope, a metric for each metric name with
//! `prometheus.type` in its metadata, which marks it as literal. Samples are gauge points whatever their type: a gauge is what
//! OTLP has for a number that is just that. A bad series costs itself, a bad sample too.

use std::collections::HashMap;

use bytes::Bytes;
use opentelemetry_proto::tonic::metrics::v1::{
    ExponentialHistogramDataPoint, HistogramDataPoint, NumberDataPoint, number_data_point,
};
use prost::Message as _;
use thiserror::Error;
use trefoil_model::active::{Flight, Verdict};
use trefoil_model::samples::KnownSamples;
use trefoil_model::wire::{Reader, WireError};

use super::families::{Described, Families, Family, MetricType, of_series};
use super::groups::{Groups, Kind, TooLarge};
use super::histogram::{self, Native};
use super::labels::{self, Labels, Symbols, resolve};
use super::message::{Exemplar, Histogram, Layout, METADATA, Metadata, SAMPLES, Sample, Version};
use super::report::Report;
use super::straight::Straight;
use super::strays::{MAX_EXEMPLARS, MAX_STRAY_BYTES};
use super::times::{NO_RECORDED_VALUE, is_stale, nanos, optional_nanos};

const NANOS_PER_DAY: u64 = 86_400_000_000_000;

/// Empty buckets between those with counts, of all histograms of a request.
const MAX_ZEROS: usize = 4 << 20;

/// What a request became.
#[derive(Debug)]
pub struct Translated {
    /// An `ExportMetricsServiceRequest`.
    pub body: Bytes,
    /// Points in it.
    pub points: u64,
    pub report: Report,
    /// What it told of families, to be remembered once the body is safe.
    pub told: Vec<Family>,
}

/// Nothing of the request can be taken.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Unreadable {
    #[error("{0}")]
    Malformed(#[from] WireError),
    #[error("a histogram cannot be read: {0}")]
    Histogram(String),
    /// Neither version has what the other one calls its series.
    #[error("the body is a {told}, but its Content-Type says {said}: nothing of it is stored")]
    OtherVersion { said: &'static str, told: &'static str },
    #[error("the request has more than {limit} bytes with every label written out; send fewer series at once")]
    TooLarge { limit: usize },
}

/// What a translation needs beside the request.
pub struct Surroundings<'a> {
    /// What earlier requests told of families.
    pub remembered: &'a Families,
    /// Nanoseconds since the epoch.
    pub now: u64,
    /// Bytes that the result may have.
    pub limit: usize,
}

/// Everything as OTLP.
pub fn translate(version: Version, body: &[u8], surroundings: &Surroundings<'_>) -> Result<Translated, Unreadable> {
    let symbols = Symbols::collect(version, Reader::new(body))?;
    Translator::new(version, symbols, surroundings, None).finish(body).map(|(translated, _)| translated)
}

/// Samples of known series by themselves, the rest as OTLP; all of it judged by what the store remembers.
pub fn translate_for_store(
    version: Version,
    body: &[u8],
    surroundings: &Surroundings<'_>,
    flight: Flight,
) -> Result<(Translated, Flight, KnownSamples), Unreadable> {
    let symbols = Symbols::collect(version, Reader::new(body))?;
    let straight = Straight::new(flight, &symbols);
    let (translated, straight) = Translator::new(version, symbols, surroundings, Some(straight)).finish(body)?;
    let Some((flight, samples)) = straight.map(Straight::finish) else {
        return Err(Unreadable::Histogram("it was not judged".to_owned()));
    };
    Ok((translated, flight, samples))
}

impl<'a> Translator<'a> {
    fn new(
        version: Version,
        symbols: Symbols<'a>,
        surroundings: &'a Surroundings<'a>,
        straight: Option<Straight>,
    ) -> Self {
        Translator {
            version,
            layout: version.layout(),
            symbols,
            straight,
            families: HashMap::new(),
            surroundings,
            groups: Groups::new(surroundings.limit),
            strays: HashMap::new(),
            stray_room: MAX_STRAY_BYTES,
            labels: Vec::new(),
            report: Report::default(),
            zeros: MAX_ZEROS,
        }
    }

    fn finish(mut self, body: &'a [u8]) -> Result<(Translated, Option<Straight>), Unreadable> {
        match self.run(Reader::new(body)) {
            Ok(told) => {
                let Translator { groups, report, straight, .. } = self;
                Ok((Translated { points: groups.count(), body: groups.finish(), report, told }, straight))
            }
            Err(Stop::Malformed(error)) => Err(Unreadable::Malformed(error)),
            Err(Stop::Histogram(error)) => Err(Unreadable::Histogram(error)),
            Err(Stop::OtherVersion) => {
                let (said, told) = (self.version.message(), self.version.other().message());
                Err(Unreadable::OtherVersion { said, told })
            }
            Err(Stop::TooLarge) => Err(Unreadable::TooLarge { limit: self.surroundings.limit }),
        }
    }
}

/// Why a translation does not go on.
pub(super) enum Stop {
    Malformed(WireError),
    Histogram(String),
    OtherVersion,
    TooLarge,
}

impl From<WireError> for Stop {
    fn from(error: WireError) -> Self {
        Stop::Malformed(error)
    }
}

impl From<TooLarge> for Stop {
    fn from(_: TooLarge) -> Self {
        Stop::TooLarge
    }
}

pub(super) struct Translator<'a> {
    pub(super) version: Version,
    pub(super) layout: Layout,
    pub(super) symbols: Symbols<'a>,
    /// On the way into the store.
    pub(super) straight: Option<Straight>,
    /// What the request itself tells (1.0).
    pub(super) families: HashMap<&'a str, Described<'a>>,
    pub(super) surroundings: &'a Surroundings<'a>,
    pub(super) groups: Groups<'a>,
    /// Exemplars of series without samples, for a series of the same labels with some.
    pub(super) strays: HashMap<Labels<'a>, Vec<Exemplar<'a>>>,
    pub(super) stray_room: usize,
    pub(super) labels: Labels<'a>,
    pub(super) report: Report,
    pub(super) zeros: usize,
}

/// One series, its points not yet looked at.
pub(super) struct Series<'a> {
    pub(super) message: Reader<'a>,
    samples: u64,
    histograms: u64,
    pub(super) exemplars: Vec<Exemplar<'a>>,
    metadata: Option<Metadata<'a>>,
    created_timestamp: i64,
}

impl Series<'_> {
    pub(super) fn points(&self) -> u64 {
        self.samples + self.histograms
    }
}

impl<'a> Translator<'a> {
    fn run(&mut self, request: Reader<'a>) -> Result<Vec<Family>, Stop> {
        let mut told = Vec::new();
        let mut series = Vec::new();
        let mut is_foreign = false;
        let foreign = self.version.other().layout().series;
        for field in request {
            let field = field?;
            match field.number {
                METADATA if self.version == Version::V1 => self.family(field.message()?, &mut told)?,
                number if number == self.layout.series => series.push(field.message()?),
                number => is_foreign |= number == foreign,
            }
        }
        let has_series = !series.is_empty();
        // It would be answered as if it were stored.
        if is_foreign && !has_series {
            return Err(Stop::OtherVersion);
        }
        self.straight(&mut series)?;
        for message in &series {
            self.stray(*message)?;
        }
        for message in series {
            self.series(message)?;
        }
        self.remaining_strays()?;
        if !has_series {
            self.write_families(&told)?;
        }
        Ok(told)
    }

    pub(super) fn scan(&self, message: Reader<'a>) -> Result<Series<'a>, WireError> {
        let mut series =
            Series { message, samples: 0, histograms: 0, exemplars: Vec::new(), metadata: None, created_timestamp: 0 };
        for field in message {
            let field = field?;
            match field.number {
                // What is no message is broken even where nobody looks into it, since the series is refused.
                SAMPLES => {
                    field.message()?;
                    series.samples += 1;
                }
                number if number == self.layout.histograms => {
                    field.message()?;
                    series.histograms += 1;
                }
                number if number == self.layout.exemplars && series.exemplars.len() < MAX_EXEMPLARS => {
                    series.exemplars.push(Exemplar::parse(field.message()?)?);
                }
                number if number == self.layout.metadata => {
                    series.metadata = Some(Metadata::parse(self.version, field.message()?)?);
                }
                number if number == self.layout.created_timestamp => series.created_timestamp = field.int64()?,
                _ => {}
            }
        }
        Ok(series)
    }

    fn series(&mut self, message: Reader<'a>) -> Result<(), Stop> {
        let mut series = self.scan(message)?;
        let mut labels = std::mem::take(&mut self.labels);
        let fit = resolve(self.version, message, &self.symbols, &mut labels)?;
        let described = fit.and_then(|()| {
            let name = labels::metric_name(&labels)?;
            Ok((name, self.described(name, series.metadata)?))
        });
        match described {
            Err(unfit) => self.report.refuse(series.points(), &labels, unfit),
            Ok(_) if series.points() > 0 && !self.within_limits(&labels, series.points()) => {}
            Ok((name, described)) if series.points() > 0 => {
                if !self.strays.is_empty()
                    && let Some(strays) = self.strays.remove(&labels)
                {
                    series.exemplars.extend(strays);
                }
                self.points(name, described, &labels, series)?;
            }
            // In 1.0 nobody said that there must be one.
            Ok(_) if self.version == Version::V2 && series.exemplars.is_empty() => {
                self.report.refuse(0, &labels, "it has neither samples nor histograms");
            }
            Ok(_) => {}
        }
        self.labels = labels;
        Ok(())
    }

    /// What is known of the metric of a series.
    pub(super) fn described(
        &self,
        name: &str,
        metadata: Option<Metadata<'a>>,
    ) -> Result<Described<'a>, labels::Unfit<'a>> {
        if self.version == Version::V2 {
            let Metadata { kind, help_ref, unit_ref, .. } = metadata.unwrap_or_default();
            // A sender that says nothing of help and unit need not have symbols for them.
            let text = |reference| if reference == 0 { Ok("") } else { self.symbols.get(reference) };
            return Ok(Described {
                kind: MetricType::of(kind),
                help: text(help_ref)?,
                unit: text(unit_ref)?,
                refs: (help_ref, unit_ref),
            });
        }
        let told = (!self.families.is_empty()).then(|| of_series(name, |name| self.families.get(name).copied()));
        let remembered = self.surroundings.remembered;
        Ok(told.flatten().or_else(|| of_series(name, |name| remembered.get(name).map(of_before))).unwrap_or_default())
    }

    fn points(
        &mut self,
        name: &'a str,
        described: Described<'a>,
        labels: &Labels<'a>,
        mut series: Series<'a>,
    ) -> Result<(), Stop> {
        let mut assigned = self.assign(&mut series)?;
        let mut place = None;
        let mut ordinal = 0;
        let series_id = self.series_id(name, Kind::Number, described, labels);
        if let (Some(straight), Some(series_id), true) = (&mut self.straight, series_id, self.families.is_empty()) {
            let unit = if self.version == Version::V2 { described.refs.1 } else { 0 };
            straight.learn(self.version, series.message, &self.symbols, unit, series_id);
        }
        for field in series.message {
            let field = field?;
            if field.number != SAMPLES {
                continue;
            }
            let sample = Sample::parse(field.message()?)?;
            ordinal += 1;
            let Some(time) = nanos(sample.timestamp) else {
                self.report.refuse(1, labels, BadTime(sample.timestamp));
                continue;
            };
            let judged = (time as i64, sample.value.to_bits());
            let Some(verdict) = self.judge(series_id, judged, labels) else { continue };
            self.report.written.samples += 1;
            let exemplars = self.exemplars(assigned.of(ordinal - 1), time)?;
            // A point without a value is no sample.
            let is_stored = verdict == Verdict::Duplicate;
            if is_stored && exemplars.is_empty() {
                continue;
            }
            let at = match place {
                Some(place) => place,
                None => *place.insert(self.groups.place(name, Kind::Number, described, labels)?),
            };
            let stale = is_stale(sample.value) && !is_stored;
            self.groups.push(
                at,
                &NumberDataPoint {
                    time_unix_nano: time,
                    start_time_unix_nano: start(sample.start_timestamp, series.created_timestamp),
                    value: (!stale && !is_stored).then_some(number_data_point::Value::AsDouble(sample.value)),
                    flags: if stale { NO_RECORDED_VALUE } else { 0 },
                    exemplars,
                    ..NumberDataPoint::default()
                },
            )?;
        }
        if series.histograms == 0 {
            return Ok(());
        }
        let mut place = None;
        for field in series.message {
            let field = field?;
            if field.number != self.layout.histograms {
                continue;
            }
            let bytes = field.bytes()?;
            let histogram = Histogram::decode(bytes).map_err(|error| Stop::Histogram(error.to_string()))?;
            ordinal += 1;
            let Some(time) = nanos(histogram.timestamp) else {
                self.report.refuse(1, labels, BadTime(histogram.timestamp));
                continue;
            };
            let ended = place.map(|(kind, _)| kind);
            let native = match histogram::convert(&histogram, &mut self.zeros, ended) {
                Ok(native) => native,
                Err(unfit) => {
                    self.report.refuse(1, labels, unfit);
                    continue;
                }
            };
            let kind = native.kind();
            let series_id = self.series_id(name, kind, described, labels);
            match self.judge(series_id, (time as i64, native.fingerprint()), labels) {
                None => continue,
                Some(Verdict::Duplicate) => {
                    self.report.written.histograms += 1;
                    continue;
                }
                Some(_) => {}
            }
            let at = match place {
                Some((placed, place)) if placed == kind => place,
                _ => place.insert((kind, self.groups.place(name, kind, described, labels)?)).1,
            };
            let exemplars = self.exemplars(assigned.of(ordinal - 1), time)?;
            let start = start(histogram.start_timestamp, series.created_timestamp);
            let (time_unix_nano, start_time_unix_nano) = (time, start);
            match native {
                Native::Exponential(point) => self.groups.push(
                    at,
                    &ExponentialHistogramDataPoint { time_unix_nano, start_time_unix_nano, exemplars, ..point },
                ),
                Native::Custom(point) => self
                    .groups
                    .push(at, &HistogramDataPoint { time_unix_nano, start_time_unix_nano, exemplars, ..point }),
            }?;
            self.report.written.histograms += 1;
        }
        Ok(())
    }

    /// `MetricMetadata` of 1.0.
    fn family(&mut self, message: Reader<'a>, told: &mut Vec<Family>) -> Result<(), Stop> {
        let metadata = Metadata::parse(self.version, message)?;
        let text = |bytes| std::str::from_utf8(bytes).ok();
        let texts = (text(metadata.family), text(metadata.help), text(metadata.unit));
        let (Some(name), Some(help), Some(unit)) = texts else { return Ok(()) };
        if name.is_empty() {
            return Ok(());
        }
        let kind = MetricType::of(metadata.kind);
        let described = Described { kind, help, unit, refs: (0, 0) };
        if self.families.insert(name, described).is_some_and(|before| before == described) {
            return Ok(());
        }
        let day = (self.surroundings.now / NANOS_PER_DAY) as i64;
        let family = Family { name: name.to_owned(), kind, help: help.to_owned(), unit: unit.to_owned(), day };
        if self.surroundings.remembered.get(name) != Some(&family) {
            told.push(family);
        }
        Ok(())
    }

    /// Writes down what was told of families without their series: a point that has neither value nor labels.
    fn write_families(&mut self, told: &[Family]) -> Result<(), Stop> {
        for family in told {
            let Some((name, described)) = self.families.get_key_value(family.name.as_str()) else { continue };
            let place = self.groups.place(name, Kind::Family, *described, &Vec::new())?;
            let point = NumberDataPoint { time_unix_nano: self.surroundings.now, ..NumberDataPoint::default() };
            self.groups.push(place, &point)?;
        }
        Ok(())
    }
}

/// Without the unit: it is part of a series' identity, which must not depend on what was told before.
fn of_before(family: &Family) -> Described<'_> {
    Described { kind: family.kind, help: &family.help, unit: "", refs: (0, 0) }
}

fn start(of_sample: i64, of_series: i64) -> u64 {
    optional_nanos(if of_sample != 0 { of_sample } else { of_series })
}

struct BadTime(i64);

impl std::fmt::Display for BadTime {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "the timestamp {} is not one of the years 1970 to 2262 in milliseconds", self.0)
    }
}
