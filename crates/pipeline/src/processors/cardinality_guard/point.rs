//! Data points of the kinds that can be added up.

use std::collections::BTreeMap;

use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::metrics::v1::exponential_histogram_data_point::Buckets;
use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value as NumberValue;
use opentelemetry_proto::tonic::metrics::v1::{ExponentialHistogramDataPoint, HistogramDataPoint, NumberDataPoint};

use super::value::{Exponential, Histogram, Value};

/// OTLP's `DATA_POINT_FLAGS_NO_RECORDED_VALUE_MASK`.
const NO_RECORDED_VALUE: u32 = 1;
/// Up to here doubles are all whole numbers.
const LARGEST_EXACT: f64 = 9_007_199_254_740_992.0;
/// A side of an exponential histogram from its first to its last bucket; a hostile offset must not make a list of billions.
const WIDEST_SIDE: usize = 1 << 16;

/// `start` and `time` are Unix nanoseconds.
pub trait Point: Sized {
    fn attributes(&self) -> &Vec<KeyValue>;
    fn attributes_mut(&mut self) -> &mut Vec<KeyValue>;
    fn time(&self) -> u64;
    fn start(&self) -> u64;
    fn flags(&self) -> u32;
    /// `None` where it has none.
    fn value(&self) -> Option<Value>;
    fn set_value(&mut self, value: Value);
    /// `value` of `None`: the series has ended.
    fn new(attributes: Vec<KeyValue>, start: u64, time: u64, value: Option<Value>) -> Self;

    fn is_end(&self) -> bool {
        self.flags() & NO_RECORDED_VALUE != 0
    }
}

/// What all kinds have alike.
macro_rules! common {
    () => {
        fn attributes(&self) -> &Vec<KeyValue> {
            &self.attributes
        }

        fn attributes_mut(&mut self) -> &mut Vec<KeyValue> {
            &mut self.attributes
        }

        fn time(&self) -> u64 {
            self.time_unix_nano
        }

        fn start(&self) -> u64 {
            self.start_time_unix_nano
        }

        fn flags(&self) -> u32 {
            self.flags
        }

        fn new(attributes: Vec<KeyValue>, start: u64, time: u64, value: Option<Value>) -> Self {
            let mut point = Self { attributes, start_time_unix_nano: start, time_unix_nano: time, ..Self::default() };
            match value {
                Some(value) => point.set_value(value),
                None => point.flags = NO_RECORDED_VALUE,
            }
            point
        }
    };
}

impl Point for NumberDataPoint {
    common!();

    fn value(&self) -> Option<Value> {
        Some(match self.value? {
            NumberValue::AsInt(value) => Value::Number(value as f64, true),
            NumberValue::AsDouble(value) => Value::Number(value, false),
        })
    }

    fn set_value(&mut self, value: Value) {
        let Value::Number(value, is_int) = value else { return };
        self.value = Some(match is_int && value.abs() <= LARGEST_EXACT {
            true => NumberValue::AsInt(value as i64),
            false => NumberValue::AsDouble(value),
        });
    }
}

impl Point for HistogramDataPoint {
    common!();

    fn value(&self) -> Option<Value> {
        Some(Value::Histogram(Histogram {
            bounds: self.explicit_bounds.clone(),
            counts: self.bucket_counts.clone(),
            count: self.count,
            sum: self.sum,
        }))
    }

    fn set_value(&mut self, value: Value) {
        let Value::Histogram(Histogram { bounds, counts, count, sum }) = value else { return };
        (self.explicit_bounds, self.bucket_counts, self.count, self.sum) = (bounds, counts, count, sum);
        (self.min, self.max) = (None, None);
    }
}

impl Point for ExponentialHistogramDataPoint {
    common!();

    fn value(&self) -> Option<Value> {
        let side = |buckets: &Option<Buckets>| -> BTreeMap<i32, u64> {
            let Some(Buckets { offset, bucket_counts }) = buckets else { return BTreeMap::new() };
            let counts = (*offset..=i32::MAX).zip(bucket_counts).filter(|(_, count)| **count > 0);
            counts.map(|(index, count)| (index, *count)).collect()
        };
        Some(Value::Exponential(Exponential {
            scale: self.scale,
            count: self.count,
            sum: self.sum,
            zero_count: self.zero_count,
            zero_threshold: self.zero_threshold,
            positive: side(&self.positive),
            negative: side(&self.negative),
        }))
    }

    fn set_value(&mut self, value: Value) {
        let Value::Exponential(value) = value else { return };
        let side = |counts: &BTreeMap<i32, u64>| {
            let ((first, _), (last, _)) = counts.first_key_value().zip(counts.last_key_value())?;
            let width = usize::try_from(i64::from(*last) - i64::from(*first) + 1).unwrap_or(usize::MAX);
            let mut bucket_counts = vec![0; width.min(WIDEST_SIDE)];
            for (index, count) in counts {
                let place = usize::try_from(i64::from(*index) - i64::from(*first)).unwrap_or(usize::MAX);
                if let Some(bucket) = bucket_counts.get_mut(place) {
                    *bucket = *count;
                }
            }
            Some(Buckets { offset: *first, bucket_counts })
        };
        (self.positive, self.negative) = (side(&value.positive), side(&value.negative));
        (self.scale, self.count, self.sum) = (value.scale, value.count, value.sum);
        (self.zero_count, self.zero_threshold) = (value.zero_count, value.zero_threshold);
        (self.min, self.max) = (None, None);
    }
}
