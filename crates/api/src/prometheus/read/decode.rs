//! The other direction, for tests: written from the description of the format, not from the encoder beside it.

use std::sync::Arc;

use trefoil_promql::histogram::{CUSTOM_BUCKETS_SCHEMA, CounterResetHint, FloatHistogram, Span};
use trefoil_promql::source::{Samples, is_stale_nan};

use trefoil_prometheus::remote::read::Chunk;

struct Reader<'b> {
    bytes: &'b [u8],
    at: usize,
}

impl Reader<'_> {
    fn bit(&mut self) -> bool {
        let bit = self.bytes[self.at / 8] >> (7 - self.at % 8) & 1;
        self.at += 1;
        bit == 1
    }

    fn bits(&mut self, count: u32) -> u64 {
        (0..count).fold(0, |number, _| number << 1 | u64::from(self.bit()))
    }

    fn varint(&mut self) -> u64 {
        let (mut number, mut shift) = (0, 0);
        loop {
            let byte = self.bits(8);
            number |= (byte & 0x7f) << shift;
            shift += 7;
            if byte < 0x80 {
                return number;
            }
        }
    }

    /// The number of ones before a zero, at most so many.
    fn ones(&mut self, most: u32) -> u32 {
        (0..most).find(|_| !self.bit()).unwrap_or(most)
    }

    /// Two's complement, except that the number with the highest bit alone is positive.
    fn signed(&mut self, count: u32) -> i64 {
        let number = self.bits(count);
        if count < 64 && number > 1 << (count - 1) { number as i64 - (1 << count) } else { number as i64 }
    }

    fn small(&mut self) -> i64 {
        match self.ones(8) {
            0 => 0,
            ones => self.signed([3, 6, 9, 12, 18, 25, 56, 64][ones as usize - 1]),
        }
    }

    fn small_unsigned(&mut self) -> u64 {
        match self.ones(8) {
            0 => 0,
            ones => self.bits([3, 6, 9, 12, 18, 25, 56, 64][ones as usize - 1]),
        }
    }

    fn double(&mut self) -> f64 {
        f64::from_bits(self.bits(64))
    }

    fn spans(&mut self) -> Vec<Span> {
        let count = self.small_unsigned();
        let span = |reader: &mut Self| Span { length: reader.small_unsigned() as u32, offset: reader.small() as i32 };
        // The length comes first.
        (0..count).map(|_| span(self)).collect()
    }
}

#[derive(Clone, Copy, Default)]
struct Value {
    bits: u64,
    leading: u32,
    significant: u32,
}

impl Value {
    fn next(&mut self, reader: &mut Reader<'_>) -> f64 {
        if reader.bit() {
            if reader.bit() {
                self.leading = reader.bits(5) as u32;
                self.significant = reader.bits(6) as u32;
                if self.significant == 0 {
                    self.significant = 64;
                }
            }
            self.bits ^= reader.bits(self.significant) << (64 - self.leading - self.significant);
        }
        f64::from_bits(self.bits)
    }
}

/// The samples of chunks, in their order.
pub fn samples(chunks: &[Chunk]) -> Samples {
    let mut samples = Samples::default();
    for chunk in chunks {
        let before = samples.len();
        match chunk.encoding {
            1 => floats(&chunk.data, &mut samples),
            3 => histograms(&chunk.data, &mut samples),
            other => panic!("chunk of the unknown encoding {other}"),
        }
        assert_eq!((samples.times[before], *samples.times.last().unwrap()), (chunk.min_time_ms, chunk.max_time_ms));
        assert!(samples.len() - before <= 120);
    }
    samples
}

fn count(data: &[u8]) -> u16 {
    u16::from_be_bytes([data[0], data[1]])
}

fn floats(data: &[u8], samples: &mut Samples) {
    let mut reader = Reader { bytes: &data[2..], at: 0 };
    let (mut time, mut delta, mut value) = (0_i64, 0_i64, Value::default());
    for index in 0..count(data) {
        let float = match index {
            0 => {
                let zigzag = reader.varint();
                time = (zigzag >> 1) as i64 ^ -((zigzag & 1) as i64);
                value.bits = reader.bits(64);
                f64::from_bits(value.bits)
            }
            _ => {
                delta = match index {
                    1 => reader.varint() as i64,
                    _ => match reader.ones(4) {
                        0 => delta,
                        ones => delta.wrapping_add(reader.signed([14, 17, 20, 64][ones as usize - 1])),
                    },
                };
                time = time.wrapping_add(delta);
                value.next(&mut reader)
            }
        };
        samples.push_float(time, float);
    }
}

fn histograms(data: &[u8], samples: &mut Samples) {
    let mut reader = Reader { bytes: &data[3..], at: 0 };
    let mut layout = FloatHistogram {
        zero_threshold: match reader.bits(8) {
            0 => 0.0,
            255 => reader.double(),
            code => 2.0_f64.powi(code as i32 - 244),
        },
        schema: reader.small() as i32,
        positive_spans: reader.spans(),
        negative_spans: reader.spans(),
        ..FloatHistogram::default()
    };
    if layout.schema == CUSTOM_BUCKETS_SCHEMA {
        let bounds = reader.small_unsigned();
        let bound = |reader: &mut Reader<'_>| match reader.small_unsigned() {
            0 => reader.double(),
            thousandths => (thousandths - 1) as f64 / 1000.0,
        };
        layout.custom_values = (0..bounds).map(|_| bound(&mut reader)).collect();
    }
    let length = |spans: &[Span]| spans.iter().map(|span| span.length as usize).sum::<usize>();
    let (positive, negative) = (length(&layout.positive_spans), length(&layout.negative_spans));
    let mut values = vec![Value::default(); 3 + positive + negative];
    let (mut time, mut delta) = (0_i64, 0_i64);
    for index in 0..count(data) {
        let read: Vec<f64> = match index {
            0 => {
                time = reader.small();
                let first = values.iter_mut().map(|value| {
                    value.bits = reader.bits(64);
                    f64::from_bits(value.bits)
                });
                first.collect()
            }
            _ => {
                delta = delta.wrapping_add(reader.small());
                time = time.wrapping_add(delta);
                values.iter_mut().map(|value| value.next(&mut reader)).collect()
            }
        };
        let mut histogram = layout.clone();
        (histogram.count, histogram.zero_count, histogram.sum) = (read[0], read[1], read[2]);
        histogram.positive_buckets = read[3..3 + positive].to_vec();
        histogram.negative_buckets = read[3 + positive..].to_vec();
        histogram.counter_reset_hint = match (data[2] & 0b1100_0000, index) {
            (0b1100_0000, _) => CounterResetHint::Gauge,
            _ if is_stale_nan(histogram.sum) => CounterResetHint::Unknown,
            (_, 1..) => CounterResetHint::NotCounterReset,
            (0b1000_0000, _) => CounterResetHint::CounterReset,
            _ => CounterResetHint::Unknown,
        };
        samples.push_histogram(time, Arc::new(histogram));
    }
}
