//! What a trace says, and many traces together: `/api/v1/traces/{trace_id}/…`, `/api/v1/exceptions`, `/api/v1/service_graph`,
//! `/api/v1/propagation`.

pub(super) mod clock_skew;
pub(super) mod critical_path;
pub(super) mod diff;
pub(super) mod exceptions;
pub(super) mod propagation;
pub(super) mod service_graph;

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::Serialize;
use trefoil_query::traces::SpanTime;
use utoipa::ToSchema;

use super::error::ApiError;
use crate::ids::parse_trace_id;
use crate::prometheus::{parse_length, parse_time};

const NANOS_PER_MILLI: i64 = 1_000_000;
const DEFAULT_WINDOW: i64 = 3_600_000_000_000;
/// How far spans are moved where clocks disagree, and the request does not say: not at all, as in Jaeger, since what runs on after its
/// caller has its answer looks the same.
const DEFAULT_SKEW: &str = "0";

fn wrong(name: &'static str) -> impl Fn(String) -> ApiError {
    move |error| ApiError::bad_request(format!("{name}: {error}"))
}

fn trace_id(text: &str) -> Result<[u8; 16], ApiError> {
    parse_trace_id(text).map_err(ApiError::bad_request)
}

fn within(name: &'static str, limit: usize, most: usize) -> Result<usize, ApiError> {
    match (1..=most).contains(&limit) {
        true => Ok(limit),
        false => Err(wrong(name)(format!("{limit} is not between 1 and {most}"))),
    }
}

/// Nanoseconds, not negative.
fn length(name: &'static str, text: Option<&str>, default: &str) -> Result<i64, ApiError> {
    let nanos = parse_length(text.unwrap_or(default)).map_err(wrong(name))?;
    match nanos {
        0.. => Ok(nanos),
        _ => Err(wrong(name)("it must not be negative".to_owned())),
    }
}

/// Inclusive, nanoseconds since the epoch: an hour until now where nothing is said.
fn period(start: Option<&str>, end: Option<&str>) -> Result<(i64, i64), ApiError> {
    let nanos = |name, text: Option<&str>| {
        let millis = text.map(parse_time).transpose().map_err(wrong(name))?;
        Ok::<_, ApiError>(millis.map(|millis| millis.saturating_mul(NANOS_PER_MILLI)))
    };
    let end = nanos("end", end)?.unwrap_or_else(now);
    let start = nanos("start", start)?.unwrap_or(end.saturating_sub(DEFAULT_WINDOW));
    match start <= end {
        true => Ok((start, end)),
        false => Err(wrong("start")("it is after the end".to_owned())),
    }
}

fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_nanos()).unwrap_or(i64::MAX)
}

fn no_such_trace(id: &str) -> ApiError {
    ApiError::not_found(format!("there is no trace {id}"))
}

fn hex_span(id: u64) -> String {
    format!("{id:016x}")
}

fn hex_trace(id: u128) -> String {
    format!("{id:032x}")
}

fn text(text: &Arc<str>) -> String {
    text.to_string()
}

/// A span of the trace, its times as they are after correction.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = TimedSpan)]
pub(super) struct TimedSpan {
    #[schema(example = "00f067aa0ba902b7")]
    span_id: String,
    service: String,
    name: String,
    /// Nanoseconds since the Unix epoch, as a decimal.
    #[schema(example = "1767225600000000000")]
    start_time_unix_nano: String,
    duration_nano: i64,
    /// By how much the start was moved, since clocks disagree; 0: it is as it was sent.
    corrected_by_nano: i64,
}

impl From<&SpanTime> for TimedSpan {
    fn from(span: &SpanTime) -> Self {
        TimedSpan {
            span_id: hex_span(span.span_id),
            service: text(&span.service),
            name: text(&span.name),
            start_time_unix_nano: span.start.to_string(),
            duration_nano: span.duration,
            corrected_by_nano: span.moved,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_is_named() {
        let message = |error: ApiError| error.message;
        for (found, expected) in [
            (trace_id("x").map(|_| ()), "trace id \"x\" is not"),
            (within("limit", 0, 10).map(|_| ()), "limit: 0 is not between 1 and 10"),
            (length("wait", Some("-1s"), "1s").map(|_| ()), "wait: "),
            (length("wait", Some("soon"), "1s").map(|_| ()), "wait: cannot parse"),
            (period(Some("5"), Some("1")).map(|_| ()), "start: it is after the end"),
            (period(None, Some("x")).map(|_| ()), "end: cannot parse"),
        ] {
            let error = found.map_err(message).unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
        assert_eq!(period(Some("1.5"), Some("2")).map_err(message), Ok((1_500_000_000, 2_000_000_000)));
        let (start, end) = period(None, None).map_err(message).unwrap();
        assert_eq!(end - start, DEFAULT_WINDOW);
        assert_eq!(length("wait", None, "1m").map_err(message), Ok(60_000_000_000));
    }
}
