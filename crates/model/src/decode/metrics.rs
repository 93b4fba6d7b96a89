//! `ExportMetricsServiceRequest` → `samples`, `series` and `exemplars`.
//!
//! A data point becomes one row of `samples` and nothing else, unless its series is new on its day: only then are its
//! attributes turned into text. Everything a point needs is read in one pass over its bytes.

mod attribute;
mod columns;
mod exemplars;
mod native;
mod points;
mod samples;
mod series;

use std::fmt::{self, Display};
use std::sync::Arc;

use arrow::array::RecordBatch;
use hashbrown::HashSet;

pub use self::native::histogram_fingerprint;

use self::attribute::hash_attribute;
use self::columns::Texts;
use self::exemplars::Exemplars;
use self::points::{Kind, NO_RECORDED_VALUE};
use self::samples::{Distribution, Head, Number, Samples};
use self::series::{MetricKeys, OriginKeys, SeriesRows};
use super::{DecodeContext, DecodeError, Decoded, Report, Stored};
use crate::active::TenantSeries;
use crate::attributes::{KeyValue, truncate_string};
use crate::samples::KnownSamples;
use crate::series::KnownSeries;
use crate::series_id::{AttributesHash, MetricHash, MetricIdentity, resource_hash, scope_hash};
use crate::wire::{Reader, WireError};
use crate::{Signal, Table, Tenant};

const NANOS_PER_DAY: i64 = 86_400_000_000_000;

/// Bytes of a usual data point, to guess how many rows a request has.
const USUAL_POINT_BYTES: usize = 96;

/// Decodes one request. See [`super::decode`].
pub fn decode(tenant: &Tenant, body: &[u8], context: &DecodeContext) -> Result<Decoded, DecodeError> {
    let mut decoder = Decoder::new(tenant, context, body.len() / USUAL_POINT_BYTES);
    decoder.request(body)?;
    decoder.finish()
}

/// See [`super::decode_samples`].
pub fn decode_samples(
    tenant: &Tenant,
    samples: &KnownSamples,
    rest: &[u8],
    context: &DecodeContext,
) -> Result<Decoded, DecodeError> {
    let mut decoder = Decoder::new(tenant, context, samples.len() + rest.len() / USUAL_POINT_BYTES);
    decoder.known_samples(samples);
    decoder.request(rest)?;
    decoder.finish()
}

/// See [`super::decode_again`].
pub fn decode_again(tenant: &Tenant, stored: Stored<'_>, context: &DecodeContext) -> Result<Decoded, DecodeError> {
    let Stored { body, samples, refused_points: refused, is_judged } = stored;
    let mut decoder = Decoder::new(tenant, context, samples.len() + body.len() / USUAL_POINT_BYTES);
    decoder.guard = Guard::Replay { refused, is_judged };
    for sample in samples.iter() {
        decoder.active.restore(sample.series_id, Some((sample.time, sample.bits())), context.received);
    }
    decoder.known_samples(samples);
    decoder.request(body)?;
    decoder.finish()
}

/// Who says which points may be stored.
enum Guard<'a> {
    /// The limits of the tenant.
    Limits,
    /// What was decided before: all but the refused ones. Judged ones are remembered as their series' last.
    Replay { refused: &'a [u32], is_judged: bool },
}

/// The state of one request.
struct Decoder<'a> {
    context: &'a DecodeContext<'a>,
    tenant: &'a Tenant,
    metrics: Texts,
    samples: Samples,
    series: SeriesRows,
    exemplars: Exemplars,
    report: Report,
    place: Place,
    replaced_utf8: u64,
    /// The day of the last point and what was known of it.
    day: i32,
    known: KnownSeries,
    active: Arc<TenantSeries>,
    guard: Guard<'a>,
    /// The number of the next point in the request, and of those that may not be stored.
    point: u32,
    refused_points: Vec<u32>,
    /// The row of the point's series is safe.
    is_row_safe: bool,
    /// (series id, day) that got a `series` row in this request.
    emitted: HashSet<(u64, i32), ahash::RandomState>,
    distribution: Distribution,
    text: String,
}

/// Who sent a metric: resource and scope.
struct Origin<'a> {
    resource: Holder<'a>,
    scope: Holder<'a>,
    scope_name: &'a [u8],
    scope_version: &'a [u8],
    /// Where its texts lie in the columns of `series`, once a row needed them.
    keys: Option<OriginKeys>,
}

/// A Resource or an InstrumentationScope.
#[derive(Clone, Copy, Default)]
struct Holder<'a> {
    message: Reader<'a>,
    /// The field number of its attributes.
    attributes: u32,
    hash: u64,
    dropped: u32,
    schema_url: &'a [u8],
    /// Where the text of a resource's entities lies in its column of `series`, if it has any.
    entity_refs: Option<i32>,
}

/// A Metric without its points.
struct Metric<'a> {
    message: Reader<'a>,
    unit: &'a [u8],
    description: &'a [u8],
    has_metadata: bool,
    kind: Kind,
    temporality: i32,
    is_monotonic: bool,
    hash: MetricHash,
    name_key: i32,
    /// Where its texts lie in the columns of `series`, once a row needed them.
    keys: Option<MetricKeys>,
}

/// Where the decoder is.
#[derive(Debug, Clone, Copy, Default)]
struct Place {
    resource: usize,
    scope: usize,
    metric: usize,
    point: Option<usize>,
}

impl Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "resource_metrics[{}].scope_metrics[{}].metrics[{}]", self.resource, self.scope, self.metric)?;
        self.point.map_or(Ok(()), |point| write!(f, ".data_points[{point}]"))
    }
}

impl<'a> Decoder<'a> {
    fn new(tenant: &'a Tenant, context: &'a DecodeContext<'a>, rows: usize) -> Self {
        Self {
            context,
            tenant,
            metrics: Texts::default(),
            samples: Samples::with_capacity(rows),
            series: SeriesRows::default(),
            exemplars: Exemplars::default(),
            report: Report::default(),
            place: Place::default(),
            replaced_utf8: 0,
            day: 0,
            known: context.series.on(tenant, 0),
            active: context.series.active().of(tenant),
            guard: Guard::Limits,
            point: 0,
            refused_points: Vec::new(),
            is_row_safe: false,
            emitted: HashSet::default(),
            distribution: Distribution::default(),
            text: String::new(),
        }
    }

    /// An `ExportMetricsServiceRequest`.
    fn request(&mut self, body: &'a [u8]) -> Result<(), WireError> {
        for field in Reader::new(body) {
            let field = field?;
            if field.number == 1 {
                self.resource_metrics(field.message()?)?;
                self.place.resource += 1;
            }
        }
        Ok(())
    }

    fn known_samples(&mut self, samples: &KnownSamples) {
        let keys: Vec<i32> = samples.names().iter().map(|name| self.metrics.key(name)).collect();
        for sample in samples.iter() {
            let head = Head {
                metric: keys[sample.metric as usize],
                series_id: sample.series_id,
                time: sample.time,
                start_time: sample.start_time,
                flags: if sample.value.is_none() { NO_RECORDED_VALUE } else { 0 },
            };
            self.samples.push_number(head, sample.value.map_or(Number::Absent, Number::Double));
        }
    }

    fn resource_metrics(&mut self, message: Reader<'a>) -> Result<(), WireError> {
        let mut resource = Holder { attributes: 1, ..Holder::default() };
        for field in message {
            let field = field?;
            match field.number {
                1 => resource.message = field.message()?,
                3 => resource.schema_url = field.bytes()?,
                _ => {}
            }
        }
        let mut attributes = AttributesHash::default();
        let mut count = 0;
        let mut entity_refs = Vec::new();
        for field in resource.message {
            let field = field?;
            match field.number {
                1 => self.holder_attribute(&mut attributes, &mut count, field.message()?)?,
                2 => resource.dropped = field.uint32()?,
                3 => entity_refs.push(field.message()?),
                _ => {}
            }
        }
        if !entity_refs.is_empty() {
            self.entity_refs(&entity_refs, &mut resource)?;
        }
        resource.hash = resource_hash(attributes);
        self.place.scope = 0;
        for field in message {
            let field = field?;
            if field.number == 2 {
                self.scope_metrics(resource, field.message()?)?;
                self.place.scope += 1;
            }
        }
        Ok(())
    }

    fn scope_metrics(&mut self, resource: Holder<'a>, message: Reader<'a>) -> Result<(), WireError> {
        let mut scope = Holder { attributes: 3, ..Holder::default() };
        for field in message {
            let field = field?;
            match field.number {
                1 => scope.message = field.message()?,
                3 => scope.schema_url = field.bytes()?,
                _ => {}
            }
        }
        let (mut name, mut version): (&[u8], &[u8]) = (&[], &[]);
        let mut attributes = AttributesHash::default();
        let mut count = 0;
        for field in scope.message {
            let field = field?;
            match field.number {
                1 => name = field.bytes()?,
                2 => version = field.bytes()?,
                3 => self.holder_attribute(&mut attributes, &mut count, field.message()?)?,
                4 => scope.dropped = field.uint32()?,
                _ => {}
            }
        }
        scope.hash = scope_hash(name, version, attributes);
        let mut origin = Origin { resource, scope, scope_name: name, scope_version: version, keys: None };
        self.place.metric = 0;
        for field in message {
            let field = field?;
            if field.number == 2 {
                self.place.point = None;
                self.metric(&mut origin, field.message()?)?;
                self.place.metric += 1;
            }
        }
        Ok(())
    }

    /// Hashes an attribute of a resource or scope as far as the limits let it be stored.
    fn holder_attribute(
        &mut self,
        attributes: &mut AttributesHash,
        count: &mut usize,
        message: Reader<'a>,
    ) -> Result<(), WireError> {
        *count += 1;
        if *count <= self.context.limits.max_attributes {
            hash_attribute(attributes, &KeyValue::parse(message)?, self.context.limits, &mut self.text)?;
        }
        Ok(())
    }

    fn metric(&mut self, origin: &mut Origin<'a>, message: Reader<'a>) -> Result<(), WireError> {
        let (mut name, mut unit, mut description): (&[u8], &[u8], &[u8]) = (&[], &[], &[]);
        let mut has_metadata = false;
        let mut kind = None;
        let mut has_unknown = false;
        for field in message {
            let field = field?;
            match field.number {
                1 => name = field.bytes()?,
                2 => description = field.bytes()?,
                3 => unit = field.bytes()?,
                12 => has_metadata = true,
                number => match Kind::of(number) {
                    Some(known) => kind = Some(known),
                    None => has_unknown = true,
                },
            }
        }
        let Some(kind) = kind else {
            // Without data there is no point to count; in a data type from the future there is at least one.
            let reason = "the metric has neither gauge, sum, histogram, exponential_histogram nor summary data";
            match has_unknown {
                true => self.report.reject(1, self.place, reason),
                false => self.report.warn(self.place, reason),
            }
            return Ok(());
        };
        let (mut temporality, mut is_monotonic) = (0, false);
        for data in message {
            let data = data?;
            if data.number != kind as u32 || !kind.has_temporality() {
                continue;
            }
            for field in data.message()? {
                let field = field?;
                match field.number {
                    2 => temporality = field.int32()?,
                    3 if kind == Kind::Sum => is_monotonic = field.bool()?,
                    _ => {}
                }
            }
        }
        let longest = self.context.limits.max_attribute_value_bytes;
        if name.is_empty() || name.len() > longest || unit.len() > longest {
            let points = count_points(message, kind)?;
            self.point += points as u32;
            let reason = match name.is_empty() {
                true => "the metric has no name".to_string(),
                false => format!("the metric's name or unit is longer than {longest} bytes"),
            };
            self.report.reject(points, self.place, reason);
            return Ok(());
        }
        let identity = MetricIdentity { name, unit, data_type: kind as u32, temporality, is_monotonic };
        let mut metric = Metric {
            message,
            unit,
            description: truncate_string(description, longest),
            has_metadata,
            kind,
            temporality,
            is_monotonic,
            hash: MetricHash::new(origin.resource.hash, origin.scope.hash, identity),
            name_key: 0,
            keys: None,
        };
        metric.name_key = with_text(name, &mut self.replaced_utf8, |name| self.metrics.key(name));
        if has_metadata {
            // Now, not when a row needs it: whether a request is well-formed must not depend on what is known already.
            metric.keys = Some(self.metric_keys(&metric)?);
        }
        self.points(origin, &mut metric)
    }

    /// Has the `series` row of a point emitted if nobody else has.
    #[inline]
    fn ensure_series(
        &mut self,
        origin: &mut Origin<'a>,
        metric: &mut Metric<'a>,
        series_id: u64,
        time: i64,
        point: Reader<'a>,
    ) -> Result<(), WireError> {
        if std::mem::take(&mut self.is_row_safe) {
            return Ok(());
        }
        let day = (time / NANOS_PER_DAY) as i32;
        if day != self.day {
            self.day = day;
            self.known = self.context.series.on(self.tenant, day);
        }
        if self.known.contains(series_id) {
            self.active.know_row(series_id, day);
            return Ok(());
        }
        if !self.emitted.insert((series_id, day)) {
            return Ok(());
        }
        self.series_row(origin, metric, series_id, day, time, point)
    }

    fn finish(self) -> Result<Decoded, DecodeError> {
        let tenant = self.tenant.as_str();
        let accepted = self.samples.len() as u64;
        let new_series = self.series.new_series();
        let tables = [
            (Table::Samples, self.samples.len(), self.samples.finish(tenant, &self.metrics)),
            (Table::Series, new_series.len(), self.series.finish(tenant, &self.metrics)),
            (Table::Exemplars, self.exemplars.len(), self.exemplars.finish(tenant, &self.metrics)),
        ];
        let mut batches = vec![];
        for (table, rows, columns) in tables {
            if rows > 0 {
                batches.push((table, RecordBatch::try_new(columns::schema(table, &columns), columns)?));
            }
        }
        Ok(Decoded {
            batches,
            accepted,
            rejected: self.report.rejected(),
            reasons: self.report.message(Signal::Metrics.item()),
            new_series,
            key_counts: None,
            replaced_utf8: self.replaced_utf8,
            refused_points: self.refused_points,
            entries: Vec::new(),
        })
    }
}

/// How many points a metric has.
fn count_points(metric: Reader<'_>, kind: Kind) -> Result<u64, WireError> {
    let mut points = 0;
    for data in metric {
        let data = data?;
        if data.number == kind as u32 {
            for field in data.message()? {
                points += u64::from(field?.number == 1);
            }
        }
    }
    Ok(points)
}

/// Hands over text whose invalid UTF-8 is replaced.
#[inline]
fn with_text<R>(bytes: &[u8], replaced_utf8: &mut u64, use_text: impl FnOnce(&str) -> R) -> R {
    match std::str::from_utf8(bytes) {
        Ok(text) => use_text(text),
        Err(_) => {
            *replaced_utf8 += 1;
            use_text(&String::from_utf8_lossy(bytes))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Limits, Promoted, encode, json, series::SeriesIndex};
    use opentelemetry_proto::tonic::metrics::v1::MetricsData;
    use prost::Message;

    /// Its attributes are in the order of their keys and nothing is left empty, so that even the bytes are the same.
    #[test]
    fn the_example_of_the_protocol_comes_back() {
        let Some(examples) = crate::conformance::directory("opentelemetry-proto/examples") else { return };
        let example = std::fs::read(examples.join("metrics.json")).unwrap();
        let body = json::to_protobuf(Signal::Metrics, &example).unwrap();
        let (promoted, limits, series) = (Promoted::default(), Limits::default(), SeriesIndex::default());
        let context =
            DecodeContext { promoted: &promoted, limits: &limits, series: &series, received: 1, trace_ids: None };
        let decoded = super::decode(&Tenant::default(), &body, &context).unwrap();
        let sent = MetricsData::decode(body.as_slice()).unwrap();
        let metrics = sent.resource_metrics[0].scope_metrics[0].metrics.len() as u64;
        assert!(metrics >= 4);
        assert_eq!((decoded.accepted, decoded.rejected, decoded.reasons), (metrics, 0, None));
        let of = |wanted| {
            let batches = decoded.batches.iter().filter(move |(table, _)| *table == wanted);
            batches.map(|(_, batch)| batch.clone()).collect::<Vec<_>>()
        };
        let back = encode::metrics(&of(Table::Samples), &of(Table::Series), &of(Table::Exemplars)).unwrap();
        assert_eq!(back, sent);
    }
}
