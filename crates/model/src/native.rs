//! What Prometheus' native histograms have beyond OTLP's: attributes of a histogram point that are no part of its series.
//!
//! | attribute | type | column of `samples` |
//! |---|---|---|
//! | `prometheus.counter_reset_hint` | int, 1 to 3 | `counter_reset_hint` |
//! | `prometheus.float_counts` | array of doubles, not empty | `float_counts` |
//!
//! Any other value, or another kind of point, makes them attributes like all others. Who does not know them sees a histogram
//! whose counts are rounded, with two attributes more.

use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, ArrayValue, KeyValue};

pub const COUNTER_RESET_HINT: &str = "prometheus.counter_reset_hint";
pub const FLOAT_COUNTS: &str = "prometheus.float_counts";

/// What a native histogram says of itself and the one before it. The numbers are those of remote write's `ResetHint`; its 0
/// ("unknown") is no hint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResetHint {
    /// The counts began anew.
    Reset = 1,
    NotReset = 2,
    /// The counts may fall at any time.
    Gauge = 3,
}

impl ResetHint {
    pub fn of(number: i64) -> Option<ResetHint> {
        [ResetHint::Reset, ResetHint::NotReset, ResetHint::Gauge].into_iter().find(|hint| *hint as i64 == number)
    }

    pub fn attribute(self) -> KeyValue {
        key_value(COUNTER_RESET_HINT, Value::IntValue(self as i64))
    }
}

/// The exact counts of a histogram of which not all are whole numbers that OTLP can hold: `count`, then (exponential ones)
/// `zero_count`, then the positive and the negative buckets, as many as the point has of each; explicit ones: `count` and the
/// buckets.
pub fn float_counts(counts: impl IntoIterator<Item = f64>) -> KeyValue {
    let double = |count| AnyValue { value: Some(Value::DoubleValue(count)) };
    key_value(FLOAT_COUNTS, Value::ArrayValue(ArrayValue { values: counts.into_iter().map(double).collect() }))
}

fn key_value(key: &str, value: Value) -> KeyValue {
    KeyValue { key: key.to_owned(), value: Some(AnyValue { value: Some(value) }), ..KeyValue::default() }
}
