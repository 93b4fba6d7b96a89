//! `io.prometheus.client`'s messages as they lie on the wire.

use std::borrow::Cow;

use trefoil_model::wire::{Field, Reader, WireError};

use super::super::error::ParseError;
use super::super::{Counts, Exemplar, Label, MetricType, NativeHistogram, Span};

/// A message after its length, from `at`, and where it ends.
pub fn delimited(body: &[u8], at: usize) -> Result<(Reader<'_>, usize), ParseError> {
    let mut length = 0u64;
    for (index, byte) in body[at..].iter().take(10).enumerate() {
        length |= u64::from(byte & 0x7f).checked_shl(7 * index as u32).unwrap_or(0);
        if byte & 0x80 != 0 {
            continue;
        }
        let start = at + index + 1;
        let is_there = usize::try_from(length).ok().and_then(|length| start.checked_add(length));
        let Some(end) = is_there.filter(|end| *end <= body.len()) else {
            return Err(wrong(at, "the body ends before the announced length of a metric family"));
        };
        return Ok((Reader::within(body, start..end), end));
    }
    Err(wrong(at, "expected the length of a metric family"))
}

fn wrong(offset: usize, problem: impl Into<String>) -> ParseError {
    ParseError::Protobuf { offset, problem: problem.into() }
}

/// A family without its metrics.
#[derive(Debug, Clone, Copy, Default)]
pub struct Family<'a> {
    pub name: &'a str,
    pub help: &'a str,
    pub unit: &'a str,
    pub kind: MetricType,
}

impl<'a> Family<'a> {
    pub fn read(message: Reader<'a>) -> Result<Self, ParseError> {
        let offset = message.offset();
        // An enumeration without a value is its first one.
        let mut family = Self { kind: MetricType::Counter, ..Self::default() };
        for field in message {
            let field = field?;
            match field.number {
                1 => family.name = text(&field)?,
                2 => family.help = text(&field)?,
                3 => family.kind = kind(&field)?,
                5 => family.unit = text(&field)?,
                _ => {}
            }
        }
        if family.name.is_empty() {
            return Err(wrong(offset, "a metric family has no name"));
        }
        Ok(family)
    }
}

fn kind(field: &Field<'_>) -> Result<MetricType, ParseError> {
    Ok(match field.uint64()? {
        0 => MetricType::Counter,
        1 => MetricType::Gauge,
        2 => MetricType::Summary,
        3 => MetricType::Unknown,
        4 => MetricType::Histogram,
        5 => MetricType::GaugeHistogram,
        other => return Err(wrong(field.offset(), format!("unknown metric type {other}"))),
    })
}

fn text<'a>(field: &Field<'a>) -> Result<&'a str, ParseError> {
    std::str::from_utf8(field.bytes()?).map_err(|_| wrong(field.offset(), "expected valid UTF-8"))
}

pub struct Metric<'a> {
    pub labels: Vec<Label<'a>>,
    pub timestamp: Option<i64>,
    pub start: Option<i64>,
    pub value: Value<'a>,
}

pub enum Value<'a> {
    Single { value: f64, exemplar: Option<Exemplar<'a>> },
    Quantiles(Quantiles),
    Distribution(Box<Distribution<'a>>),
}

#[derive(Default)]
pub struct Quantiles {
    pub count: u64,
    pub sum: f64,
    pub quantiles: Vec<(f64, f64)>,
}

/// A histogram, classic, native or both.
#[derive(Default)]
pub struct Distribution<'a> {
    offset: usize,
    pub sum: f64,
    pub buckets: Vec<Bucket<'a>>,
    pub exemplars: Vec<Exemplar<'a>>,
    count: u64,
    count_float: f64,
    schema: i32,
    zero_threshold: f64,
    zero: u64,
    zero_float: f64,
    positive: Side,
    negative: Side,
}

/// The native buckets on one side of zero.
#[derive(Default)]
struct Side {
    spans: Vec<Span>,
    deltas: Vec<i64>,
    counts: Vec<f64>,
}

#[derive(Default)]
pub struct Bucket<'a> {
    pub bound: f64,
    /// With those of all buckets below.
    pub count: f64,
    pub exemplar: Option<Exemplar<'a>>,
}

/// The next metric among the fields of a family.
pub fn next_metric<'a>(family: &mut Reader<'a>, kind: MetricType) -> Result<Option<Metric<'a>>, ParseError> {
    for field in family.by_ref() {
        let field = field?;
        if field.number == 4 {
            return Metric::read(field.message()?, kind).map(Some);
        }
    }
    Ok(None)
}

impl<'a> Metric<'a> {
    fn read(message: Reader<'a>, kind: MetricType) -> Result<Self, ParseError> {
        let offset = message.offset();
        let (mut labels, mut timestamp, mut start, mut value) = (Vec::new(), None, None, None);
        for field in message {
            let field = field?;
            match (field.number, kind) {
                (1, _) => labels.push(label(field.message()?)?),
                (6, _) => timestamp = Some(field.int64()?),
                (2, MetricType::Gauge) | (3, MetricType::Counter) | (5, MetricType::Unknown) => {
                    let (number, exemplar, created) = single(field.message()?)?;
                    start = created;
                    value = Some(Value::Single { value: number, exemplar });
                }
                (4, MetricType::Summary) => {
                    let (quantiles, created) = Quantiles::read(field.message()?)?;
                    start = created;
                    value = Some(Value::Quantiles(quantiles));
                }
                (7, MetricType::Histogram | MetricType::GaugeHistogram) => {
                    let (distribution, created) = Distribution::read(field.message()?)?;
                    start = created;
                    value = Some(Value::Distribution(Box::new(distribution)));
                }
                _ => {}
            }
        }
        let problem = || wrong(offset, format!("expected a {} in a metric of that type", kind.as_str()));
        Ok(Self { labels, timestamp, start, value: value.ok_or_else(problem)? })
    }
}

fn label<'a>(message: Reader<'a>) -> Result<Label<'a>, ParseError> {
    let (mut name, mut value) = ("", "");
    for field in message {
        let field = field?;
        match field.number {
            1 => name = text(&field)?,
            2 => value = text(&field)?,
            _ => {}
        }
    }
    Ok(Label { name: Cow::Borrowed(name), value: Cow::Borrowed(value) })
}

/// Gauge, counter and untyped number their fields alike.
fn single<'a>(message: Reader<'a>) -> Result<(f64, Option<Exemplar<'a>>, Option<i64>), ParseError> {
    let (mut value, mut exemplar, mut created) = (0.0, None, None);
    for field in message {
        let field = field?;
        match field.number {
            1 => value = field.double()?,
            2 => exemplar = Some(read_exemplar(field.message()?)?),
            3 => created = Some(timestamp(&field)?),
            _ => {}
        }
    }
    Ok((value, exemplar, created))
}

impl Quantiles {
    fn read(message: Reader<'_>) -> Result<(Self, Option<i64>), ParseError> {
        let (mut all, mut created) = (Self::default(), None);
        for field in message {
            let field = field?;
            match field.number {
                1 => all.count = field.uint64()?,
                2 => all.sum = field.double()?,
                3 => {
                    let (mut quantile, mut value) = (0.0, 0.0);
                    for field in field.message()? {
                        let field = field?;
                        match field.number {
                            1 => quantile = field.double()?,
                            2 => value = field.double()?,
                            _ => {}
                        }
                    }
                    all.quantiles.push((quantile, value));
                }
                4 => created = Some(timestamp(&field)?),
                _ => {}
            }
        }
        Ok((all, created))
    }
}

fn read_exemplar<'a>(message: Reader<'a>) -> Result<Exemplar<'a>, ParseError> {
    let mut exemplar = Exemplar { labels: Vec::new(), value: 0.0, timestamp: None };
    for field in message {
        let field = field?;
        match field.number {
            1 => exemplar.labels.push(label(field.message()?)?),
            2 => exemplar.value = field.double()?,
            3 => exemplar.timestamp = Some(timestamp(&field)?),
            _ => {}
        }
    }
    Ok(exemplar)
}

/// `google.protobuf.Timestamp` in milliseconds.
fn timestamp(field: &Field<'_>) -> Result<i64, ParseError> {
    let (mut seconds, mut nanos) = (0i64, 0i32);
    for part in field.message()? {
        let part = part?;
        match part.number {
            1 => seconds = part.int64()?,
            2 => nanos = part.int32()?,
            _ => {}
        }
    }
    let milliseconds = seconds.checked_mul(1000).and_then(|time| time.checked_add(i64::from(nanos) / 1_000_000));
    milliseconds.ok_or_else(|| wrong(field.offset(), "a timestamp is out of range"))
}

impl<'a> Distribution<'a> {
    fn read(message: Reader<'a>) -> Result<(Self, Option<i64>), ParseError> {
        let (mut read, mut created) = (Self { offset: message.offset(), ..Self::default() }, None);
        for field in message {
            let field = field?;
            match field.number {
                1 => read.count = field.uint64()?,
                2 => read.sum = field.double()?,
                3 => read.buckets.push(bucket(field.message()?)?),
                4 => read.count_float = field.double()?,
                5 => read.schema = field.sint32()?,
                6 => read.zero_threshold = field.double()?,
                7 => read.zero = field.uint64()?,
                8 => read.zero_float = field.double()?,
                9 => read.negative.spans.push(span(field.message()?)?),
                10 => field.each_varint(|raw| read.negative.deltas.push(zigzag(raw)))?,
                11 => field.each_fixed64(|bits| read.negative.counts.push(f64::from_bits(bits)))?,
                12 => read.positive.spans.push(span(field.message()?)?),
                13 => field.each_varint(|raw| read.positive.deltas.push(zigzag(raw)))?,
                14 => field.each_fixed64(|bits| read.positive.counts.push(f64::from_bits(bits)))?,
                15 => created = Some(timestamp(&field)?),
                16 => read.exemplars.push(read_exemplar(field.message()?)?),
                _ => {}
            }
        }
        Ok((read, created))
    }

    /// Even an empty one says so: by a span of no buckets.
    pub fn is_native(&self) -> bool {
        self.zero_threshold > 0.0
            || self.zero > 0
            || self.zero_float > 0.0
            || !self.positive.spans.is_empty()
            || !self.negative.spans.is_empty()
    }

    pub fn count(&self) -> f64 {
        if self.count_float > 0.0 { self.count_float } else { self.count as f64 }
    }

    pub fn native(&self, is_gauge: bool) -> Result<NativeHistogram, ParseError> {
        let is_float = self.count_float > 0.0
            || self.zero_float > 0.0
            || !self.positive.counts.is_empty()
            || !self.negative.counts.is_empty();
        let counts = match is_float {
            true => Counts::Float {
                count: self.count_float,
                zero: self.zero_float,
                positive: self.checked(&self.positive, self.positive.counts.clone())?,
                negative: self.checked(&self.negative, self.negative.counts.clone())?,
            },
            false => Counts::Integer {
                count: self.count,
                zero: self.zero,
                positive: self.checked(&self.positive, self.summed(&self.positive.deltas)?)?,
                negative: self.checked(&self.negative, self.summed(&self.negative.deltas)?)?,
            },
        };
        Ok(NativeHistogram {
            schema: self.schema,
            zero_threshold: self.zero_threshold,
            sum: self.sum,
            counts,
            positive_spans: self.positive.spans.clone(),
            negative_spans: self.negative.spans.clone(),
            custom_values: Vec::new(),
            is_gauge,
        })
    }

    fn summed(&self, deltas: &[i64]) -> Result<Vec<u64>, ParseError> {
        let mut count = 0i64;
        let sums = deltas.iter().map(|delta| {
            count = count.checked_add(*delta)?;
            u64::try_from(count).ok()
        });
        sums.collect::<Option<_>>()
            .ok_or_else(|| wrong(self.offset, "a native histogram has a bucket with a negative count"))
    }

    /// Counts that are as many as their spans say.
    fn checked<T>(&self, side: &Side, counts: Vec<T>) -> Result<Vec<T>, ParseError> {
        let expected: u64 = side.spans.iter().map(|span| u64::from(span.length)).sum();
        if expected != counts.len() as u64 {
            let problem =
                format!("the spans of a native histogram need {expected} buckets, have {} buckets", counts.len());
            return Err(wrong(self.offset, problem));
        }
        if let Some(index) = side.spans.iter().skip(1).position(|span| span.offset < 0) {
            let problem = format!("span {} of a native histogram has a negative offset", index + 1);
            return Err(wrong(self.offset, problem));
        }
        Ok(counts)
    }
}

fn bucket<'a>(message: Reader<'a>) -> Result<Bucket<'a>, ParseError> {
    let (mut bucket, mut whole) = (Bucket::default(), 0);
    for field in message {
        let field = field?;
        match field.number {
            1 => whole = field.uint64()?,
            2 => bucket.bound = field.double()?,
            3 => bucket.exemplar = Some(read_exemplar(field.message()?)?),
            4 => bucket.count = field.double()?,
            _ => {}
        }
    }
    if bucket.count <= 0.0 {
        bucket.count = whole as f64;
    }
    Ok(bucket)
}

fn span(message: Reader<'_>) -> Result<Span, WireError> {
    let mut span = Span { offset: 0, length: 0 };
    for field in message {
        let field = field?;
        match field.number {
            1 => span.offset = field.sint32()?,
            2 => span.length = field.uint32()?,
            _ => {}
        }
    }
    Ok(span)
}

fn zigzag(raw: u64) -> i64 {
    (raw >> 1) as i64 ^ -((raw & 1) as i64)
}
