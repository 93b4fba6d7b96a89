//! Samples as Prometheus' chunks: floats by XOR, native histograms as float histograms.
//!
//! Source: Prometheus' chunk format (`tsdb/docs/format/chunks.md`).

use trefoil_promql::histogram::{CUSTOM_BUCKETS_SCHEMA, CounterResetHint, FloatHistogram, Span};
use trefoil_promql::points::PointRef;
use trefoil_promql::source::{Samples, is_stale_nan};

use super::bits::{Bits, Xor};
use trefoil_prometheus::remote::read::Chunk;

/// As in Prometheus' storage.
const MOST_SAMPLES: u16 = 120;

/// `prometheus.Chunk.Encoding`.
const XOR: i32 = 1;
const FLOAT_HISTOGRAM: i32 = 3;

/// The flags of a chunk of histograms: what its first one is to the one before.
const UNKNOWN: u8 = 0;
const COUNTER_RESET: u8 = 0b1000_0000;
const GAUGE: u8 = 0b1100_0000;

/// The samples of one series, by time.
pub fn chunks(samples: &Samples) -> Vec<Chunk> {
    let mut chunks = Vec::new();
    let mut open: Option<Open<'_>> = None;
    for (index, time) in samples.times.iter().enumerate() {
        let point = samples.point(index);
        if open.as_mut().is_some_and(|open| open.push(*time, point)) {
            continue;
        }
        let before = open.take();
        let begun = Open::begin(*time, point, before.as_ref());
        chunks.extend(before.map(Open::finish));
        open = Some(begun);
    }
    chunks.extend(open.map(Open::finish));
    chunks
}

/// A chunk that is being written.
struct Open<'s> {
    first: i64,
    last: i64,
    count: u16,
    delta: i64,
    bits: Bits,
    kind: Kind<'s>,
}

enum Kind<'s> {
    Floats(Xor),
    Histograms(Histograms<'s>),
}

struct Histograms<'s> {
    last: &'s FloatHistogram,
    /// Of the count, the zero bucket's count, the sum and all buckets.
    values: Vec<Xor>,
}

impl<'s> Open<'s> {
    fn begin(time: i64, point: PointRef<'s>, before: Option<&Open<'s>>) -> Self {
        let (bits, kind) = match point {
            PointRef::Float(value) => {
                let mut bits = Bits::after(&[0; 2]);
                // Zigzag, as protobuf's sint64.
                bits.varint(((time << 1) ^ (time >> 63)) as u64);
                bits.double(value);
                (bits, Kind::Floats(Xor::of(value)))
            }
            PointRef::Histogram(histogram) => {
                let mut bits = Bits::after(&[0, 0, flags(histogram, before)]);
                lay_out(&mut bits, histogram);
                bits.small(time);
                let values = values(histogram);
                values.clone().for_each(|value| bits.double(value));
                (bits, Kind::Histograms(Histograms { last: histogram, values: values.map(Xor::of).collect() }))
            }
        };
        Self { first: time, last: time, count: 1, delta: 0, bits, kind }
    }

    /// Whether the sample could go into this chunk.
    fn push(&mut self, time: i64, point: PointRef<'s>) -> bool {
        if self.count == MOST_SAMPLES {
            return false;
        }
        let delta = time.wrapping_sub(self.last);
        match (&mut self.kind, point) {
            (Kind::Floats(xor), PointRef::Float(value)) => {
                match self.count {
                    1 => self.bits.varint(delta as u64),
                    _ => difference(&mut self.bits, delta.wrapping_sub(self.delta)),
                }
                xor.write(&mut self.bits, value);
            }
            (Kind::Histograms(histograms), PointRef::Histogram(histogram)) if histograms.takes(histogram) => {
                self.bits.small(delta.wrapping_sub(self.delta));
                for (xor, value) in histograms.values.iter_mut().zip(values(histogram)) {
                    xor.write(&mut self.bits, value);
                }
                histograms.last = histogram;
            }
            _ => return false,
        }
        (self.last, self.delta) = (time, delta);
        self.count += 1;
        true
    }

    fn finish(mut self) -> Chunk {
        self.bits.bytes[..2].copy_from_slice(&self.count.to_be_bytes());
        let encoding = match self.kind {
            Kind::Floats(_) => XOR,
            Kind::Histograms(_) => FLOAT_HISTOGRAM,
        };
        Chunk { min_time_ms: self.first, max_time_ms: self.last, encoding, data: self.bits.bytes }
    }
}

/// Between two distances of neighbours; mostly none.
fn difference(bits: &mut Bits, difference: i64) {
    let fits = |size: u32| -((1 << (size - 1)) - 1) <= difference && difference <= 1 << (size - 1);
    match [14, 17, 20].into_iter().zip(1..).find(|(size, _)| fits(*size)) {
        _ if difference == 0 => bits.bit(false),
        Some((size, ones)) => {
            bits.bits(((1 << ones) - 1) << 1, ones + 1);
            bits.bits(difference as u64, size);
        }
        None => {
            bits.bits(0b1111, 4);
            bits.bits(difference as u64, 64);
        }
    }
}

impl Histograms<'_> {
    /// A reader takes all of a chunk to have the same buckets and, unless they are gauges, no counter to be reset within.
    fn takes(&self, next: &FloatHistogram) -> bool {
        let last = self.last;
        let is_gauge = |histogram: &FloatHistogram| histogram.counter_reset_hint == CounterResetHint::Gauge;
        let is_stale = |histogram: &FloatHistogram| is_stale_nan(histogram.sum);
        !is_stale(next)
            && !is_stale(last)
            && is_gauge(next) == is_gauge(last)
            && next.schema == last.schema
            && next.zero_threshold == last.zero_threshold
            && next.positive_spans == last.positive_spans
            && next.negative_spans == last.negative_spans
            && next.custom_values == last.custom_values
            && (is_gauge(next) || !next.detect_reset(last))
    }
}

fn flags(histogram: &FloatHistogram, before: Option<&Open<'_>>) -> u8 {
    let last = before.and_then(|open| match &open.kind {
        Kind::Histograms(histograms) => Some(histograms.last),
        Kind::Floats(_) => None,
    });
    match histogram.counter_reset_hint {
        CounterResetHint::Gauge => GAUGE,
        CounterResetHint::CounterReset => COUNTER_RESET,
        _ if is_stale_nan(histogram.sum) => UNKNOWN,
        _ => match last.filter(|last| !is_stale_nan(last.sum)) {
            Some(last) if histogram.detect_reset(last) => COUNTER_RESET,
            _ => UNKNOWN,
        },
    }
}

/// Of a histogram that ends its series nothing but its sum counts.
fn values(histogram: &FloatHistogram) -> impl Iterator<Item = f64> + Clone + use<'_> {
    let is_stale = is_stale_nan(histogram.sum);
    let (count, zero_count) = if is_stale { (0.0, 0.0) } else { (histogram.count, histogram.zero_count) };
    let buckets = histogram.positive_buckets.iter().chain(&histogram.negative_buckets).copied();
    [count, zero_count, histogram.sum].into_iter().chain(buckets.filter(move |_| !is_stale))
}

fn lay_out(bits: &mut Bits, histogram: &FloatHistogram) {
    let nothing = FloatHistogram::default();
    let layout = if is_stale_nan(histogram.sum) { &nothing } else { histogram };
    write_threshold(bits, layout.zero_threshold);
    bits.small(i64::from(layout.schema));
    write_spans(bits, &layout.positive_spans);
    write_spans(bits, &layout.negative_spans);
    if layout.schema == CUSTOM_BUCKETS_SCHEMA {
        bits.small_unsigned(layout.custom_values.len() as u64);
        layout.custom_values.iter().for_each(|bound| write_bound(bits, *bound));
    }
}

/// A byte for 0 and for powers of two from 2^-243 to 2^10.
fn write_threshold(bits: &mut Bits, threshold: f64) {
    let (exponent, fraction) = (threshold.to_bits() >> 52, threshold.to_bits() << 12);
    let code = i64::try_from(exponent).unwrap_or(i64::MAX) - 1023 + 1 + 243;
    match u8::try_from(code) {
        _ if threshold == 0.0 => bits.byte(0),
        Ok(code @ 1..=254) if fraction == 0 && exponent != 0 => bits.byte(code),
        _ => {
            bits.byte(0xff);
            bits.double(threshold);
        }
    }
}

fn write_spans(bits: &mut Bits, spans: &[Span]) {
    bits.small_unsigned(spans.len() as u64);
    for span in spans {
        bits.small_unsigned(u64::from(span.length));
        bits.small(i64::from(span.offset));
    }
}

/// Whole thousandths, as most bounds are, take fewer bits.
fn write_bound(bits: &mut Bits, bound: f64) {
    const MOST: f64 = 33_554_430.0;
    let thousandths = (bound * 1000.0).round();
    match (0.0..=MOST).contains(&(bound * 1000.0)) && thousandths / 1000.0 == bound {
        true => bits.small_unsigned(thousandths as u64 + 1),
        false => {
            bits.bit(false);
            bits.double(bound);
        }
    }
}
