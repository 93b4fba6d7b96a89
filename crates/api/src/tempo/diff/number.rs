//! When two values are the same: numbers that are measured never are exactly.

use serde_json::Value;

const DURATION_RELATIVE: f64 = 0.2;
/// Nanoseconds.
const DURATION_ABSOLUTE: f64 = 1_000_000.0;
const ATTRIBUTE_RELATIVE: f64 = 0.05;

/// Attributes of the semantic conventions that are sizes, counts of tokens or durations.
const MAGNITUDES: [&str; 24] = [
    "http.request.body.size",
    "http.request.size",
    "http.response.body.size",
    "http.response.size",
    "http.request_content_length",
    "http.request_content_length_uncompressed",
    "http.response_content_length",
    "http.response_content_length_uncompressed",
    "messaging.message.body.size",
    "messaging.message.envelope.size",
    "message.compressed_size",
    "message.uncompressed_size",
    "rpc.message.compressed_size",
    "rpc.message.uncompressed_size",
    "file.size",
    "gen_ai.usage.input_tokens",
    "gen_ai.usage.output_tokens",
    "gen_ai.usage.prompt_tokens",
    "gen_ai.usage.completion_tokens",
    "gen_ai.usage.cache_creation.input_tokens",
    "gen_ai.usage.cache_read.input_tokens",
    "gen_ai.usage.reasoning.output_tokens",
    "gen_ai.response.time_to_first_chunk",
    "app.jank.period",
];

/// Of spans that matched, in nanoseconds; `None` is not known.
pub(super) fn durations_differ(before: Option<i64>, after: Option<i64>) -> bool {
    match (before, after) {
        (Some(a), Some(b)) => !is_close(a as f64, b as f64, DURATION_RELATIVE, DURATION_ABSOLUTE),
        (a, b) => a != b,
    }
}

pub(super) fn attributes_differ(key: &str, before: &Value, after: &Value) -> bool {
    if MAGNITUDES.contains(&key)
        && let (Value::Number(a), Value::Number(b)) = (before, after)
        && let (Some(a), Some(b)) = (a.as_f64(), b.as_f64())
    {
        return !is_close(a, b, ATTRIBUTE_RELATIVE, 0.0);
    }
    !is_same(before, after)
}

/// Whole numbers and others are the same if they are equal.
fn is_same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => a == b || (a.is_f64() != b.is_f64() && a.as_f64() == b.as_f64()),
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| is_same(a, b)),
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(key, a)| b.get(key).is_some_and(|b| is_same(a, b)))
        }
        (a, b) => a == b,
    }
}

fn is_close(a: f64, b: f64, relative: f64, absolute: f64) -> bool {
    (a - b).abs() <= absolute + relative * a.abs().max(b.abs())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_measured_is_close_and_what_is_chosen_is_equal() {
        assert!(!durations_differ(Some(0), Some(1_000_000)));
        assert!(durations_differ(Some(0), Some(1_300_000)));
        assert!(!durations_differ(Some(1_000_000_000), Some(1_250_000_000)));
        assert!(durations_differ(Some(1_000_000_000), Some(1_260_000_000)));
        assert!(durations_differ(None, Some(0)) && !durations_differ(None, None));
        assert!(!attributes_differ("file.size", &json!(100), &json!(104.0)));
        assert!(attributes_differ("file.size", &json!(100), &json!(106)));
        assert!(attributes_differ("file.size", &json!("100"), &json!(100)));
        assert!(attributes_differ("http.status", &json!(100), &json!(101)));
        assert!(!attributes_differ("x", &json!([1, {"a": 2}]), &json!([1.0, {"a": 2.0}])));
        assert!(attributes_differ("x", &json!([1]), &json!([1, 2])));
        assert!(attributes_differ("x", &json!({"a": 1}), &json!({"b": 1})));
    }
}
