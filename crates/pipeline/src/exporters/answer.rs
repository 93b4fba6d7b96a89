//! What an OTLP server's answers mean: which are worth another try, and what partial success says.

use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceResponse;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceResponse;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceResponse;
use prost::Message as _;
use tonic::{Code, Status};
use tonic_types::StatusExt;
use trefoil_model::Signal;

use super::parcel::Parcel;
use crate::telemetry::{Accepted, Refused};

/// A failed call, by the table of the OTLP specification.
pub fn from_grpc(status: &Status) -> Refused {
    let retry_after = status.get_details_retry_info().and_then(|info| info.retry_delay);
    let reason = format!("{}: {}", status.code(), status.message());
    match status.code() {
        Code::Cancelled
        | Code::DeadlineExceeded
        | Code::Aborted
        | Code::OutOfRange
        | Code::Unavailable
        | Code::DataLoss => Refused::Unavailable { reason, retry_after },
        Code::ResourceExhausted if retry_after.is_some() => Refused::Overloaded { reason, retry_after },
        _ => Refused::Invalid(reason),
    }
}

/// A failed request over HTTP. `reason` is what the body said, if anything.
pub fn from_http(status: StatusCode, retry_after: Option<Duration>, reason: &str) -> Refused {
    let reason = if reason.is_empty() { status.to_string() } else { format!("{status}: {reason}") };
    match status {
        StatusCode::TOO_MANY_REQUESTS => Refused::Overloaded { reason, retry_after },
        StatusCode::BAD_GATEWAY | StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT => {
            Refused::Unavailable { reason, retry_after }
        }
        _ => Refused::Invalid(reason),
    }
}

/// A `Retry-After` value: seconds, or a date.
pub fn retry_after(value: &str, now: chrono::DateTime<chrono::Utc>) -> Option<Duration> {
    if let Ok(seconds) = value.trim().parse::<u64>() {
        return Some(Duration::from_secs(seconds));
    }
    let date = chrono::DateTime::parse_from_rfc2822(value.trim()).ok()?;
    Some((date.to_utc() - now).to_std().unwrap_or_default())
}

/// The partial success in a protobuf response.
pub fn partial_success(signal: Signal, body: &[u8]) -> Result<Accepted, prost::DecodeError> {
    let parts = match signal {
        Signal::Traces => {
            ExportTraceServiceResponse::decode(body)?.partial_success.map(|p| (p.rejected_spans, p.error_message))
        }
        Signal::Metrics => ExportMetricsServiceResponse::decode(body)?
            .partial_success
            .map(|p| (p.rejected_data_points, p.error_message)),
        Signal::Logs => {
            ExportLogsServiceResponse::decode(body)?.partial_success.map(|p| (p.rejected_log_records, p.error_message))
        }
    };
    Ok(accepted(parts.unwrap_or_default()))
}

/// The partial success in a JSON response.
pub fn partial_success_json(signal: Signal, body: &[u8]) -> Result<Accepted, serde_json::Error> {
    let response: serde_json::Value = serde_json::from_slice(body)?;
    let partial = &response["partialSuccess"];
    let count = match signal {
        Signal::Traces => &partial["rejectedSpans"],
        Signal::Metrics => &partial["rejectedDataPoints"],
        Signal::Logs => &partial["rejectedLogRecords"],
    };
    // 64-bit integers are strings in protobuf's JSON, but readers must take numbers too.
    let count = count.as_i64().or_else(|| count.as_str()?.parse().ok()).unwrap_or(0);
    Ok(accepted((count, partial["errorMessage"].as_str().unwrap_or_default().to_string())))
}

fn accepted((rejected, message): (i64, String)) -> Accepted {
    Accepted { rejected: rejected.try_into().unwrap_or(0), message: Some(message).filter(|m| !m.is_empty()) }
}

/// Logs what the other side did not take, or warns of. Such items are not sent again, as the specification demands.
pub fn log_partial_success(exporter: &str, parcel: &Parcel, accepted: &Accepted) {
    let message = accepted.message.as_deref().unwrap_or_default();
    if accepted.rejected > 0 {
        let (rejected, of) = (accepted.rejected, parcel.items);
        tracing::warn!(exporter, signal = %parcel.signal, rejected, of, message, "the other side rejected a part");
    } else if !message.is_empty() {
        tracing::info!(exporter, signal = %parcel.signal, message, "the other side took everything with a warning");
    }
}

/// The message of a `google.rpc.Status` in the body of an HTTP error, or the start of a plain text.
pub fn reason(content_type: &str, body: &Bytes) -> String {
    if content_type.starts_with("application/x-protobuf") {
        return tonic_types::pb::Status::decode(&body[..]).map(|status| status.message).unwrap_or_default();
    }
    let text = String::from_utf8_lossy(body);
    if content_type.starts_with("application/json")
        && let Ok(status) = serde_json::from_str::<serde_json::Value>(&text)
        && let Some(message) = status["message"].as_str()
    {
        return message.to_string();
    }
    text.trim().chars().take(300).collect()
}

#[cfg(test)]
mod tests {
    use tonic_types::ErrorDetails;

    use super::*;

    #[test]
    fn codes_follow_the_specification() {
        let retryable = |code: Code| from_grpc(&Status::new(code, "x")).is_retryable();
        let expected = [
            Code::Cancelled,
            Code::DeadlineExceeded,
            Code::Aborted,
            Code::OutOfRange,
            Code::Unavailable,
            Code::DataLoss,
        ];
        for code in (0..=16).map(Code::from) {
            assert_eq!(retryable(code), expected.contains(&code), "{code:?}");
        }
        let delay = Some(Duration::from_secs(7));
        let asked = Status::with_error_details(Code::ResourceExhausted, "x", ErrorDetails::with_retry_info(delay));
        assert_eq!(from_grpc(&asked).retry_after(), delay);
        assert!(from_grpc(&asked).is_retryable());
    }

    #[test]
    fn http_codes_follow_the_specification() {
        for code in 300..600 {
            let refused = from_http(StatusCode::from_u16(code).unwrap(), None, "");
            assert_eq!(refused.is_retryable(), [429, 502, 503, 504].contains(&code), "{code}");
        }
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let now = chrono::DateTime::parse_from_rfc3339("2026-01-01T00:00:00Z").unwrap().to_utc();
        assert_eq!(retry_after("120", now), Some(Duration::from_secs(120)));
        assert_eq!(retry_after("Thu, 01 Jan 2026 00:00:30 GMT", now), Some(Duration::from_secs(30)));
        assert_eq!(retry_after("Wed, 31 Dec 2025 00:00:30 GMT", now), Some(Duration::ZERO));
        assert_eq!(retry_after("soon", now), None);
    }

    #[test]
    fn partial_success_is_read_in_both_forms() {
        let json = br#"{"partialSuccess":{"rejectedSpans":"3","errorMessage":"no"}}"#;
        let accepted = Accepted { rejected: 3, message: Some("no".into()) };
        assert_eq!(partial_success_json(Signal::Traces, json).unwrap(), accepted);
        let protobuf = crate::receivers::otlp::http::export_response(Signal::Traces, accepted.clone());
        assert_eq!(partial_success(Signal::Traces, &protobuf).unwrap(), accepted);
        assert_eq!(partial_success(Signal::Logs, b"").unwrap(), Accepted::all());
        assert_eq!(partial_success_json(Signal::Logs, b"{}").unwrap(), Accepted::all());
    }

    #[test]
    fn errors_say_their_reason() {
        let status = tonic_types::pb::Status { code: 3, message: "bad".into(), details: vec![] }.encode_to_vec();
        assert_eq!(reason("application/x-protobuf", &status.into()), "bad");
        assert_eq!(reason("application/json", &Bytes::from_static(br#"{"code":3,"message":"bad"}"#)), "bad");
        assert_eq!(reason("text/plain", &Bytes::from_static(b" bad\n")), "bad");
    }
}
