//! A tracing span around every request to a read API, in the trace of its caller (W3C `traceparent`) where it has one.
//!
//! Its `trace_id` stands in every log line of the request. With own traces switched on (see the binary's `telemetry`), the
//! span is exported under the same id.

use axum::extract::{MatchedPath, Request};
use axum::http::HeaderMap;
use axum::middleware::Next;
use axum::response::Response;
use opentelemetry::trace::{SpanContext, SpanId, TraceContextExt, TraceFlags, TraceId, TraceState};
use tracing::field::Empty;
use tracing::{Instrument, Span, info_span};
use tracing_opentelemetry::OpenTelemetrySpanExt;

pub async fn trace_request(request: Request, next: Next) -> Response {
    let span = request_span(&request);
    let response = next.run(request).instrument(span.clone()).await;
    let status = response.status();
    span.record("http.response.status_code", status.as_u16());
    if status.is_server_error() {
        span.record("otel.status_code", "ERROR");
        tracing::warn!(parent: &span, status = status.as_u16(), "the request failed");
    }
    response
}

fn request_span(request: &Request) -> Span {
    let route = request.extensions().get::<MatchedPath>().map_or("unmatched", MatchedPath::as_str);
    let span = info_span!(
        "request",
        otel.name = format!("{} {route}", request.method()),
        otel.kind = "server",
        otel.status_code = Empty,
        http.request.method = %request.method(),
        http.route = route,
        url.path = request.uri().path(),
        http.response.status_code = Empty,
        trace_id = Empty,
    );
    let parent = traceparent(request.headers());
    if let Some(parent) = &parent {
        // Fails only without the OpenTelemetry layer, and then there is nothing to link.
        let _ = span.set_parent(opentelemetry::Context::new().with_remote_span_context(parent.clone()));
    }
    let exported = span.context().span().span_context().trace_id();
    let trace_id = match (exported, parent) {
        (TraceId::INVALID, Some(parent)) => parent.trace_id(),
        (exported, _) => exported,
    };
    if trace_id != TraceId::INVALID {
        span.record("trace_id", trace_id.to_string());
    }
    span
}

/// The caller's span, from `traceparent` as in <https://www.w3.org/TR/trace-context/>; `None` if there is no valid one.
fn traceparent(headers: &HeaderMap) -> Option<SpanContext> {
    let header = headers.get("traceparent")?.to_str().ok()?;
    let mut parts = header.split('-');
    let (version, trace_id, span_id, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    if version.len() != 2 || version == "ff" || (version == "00" && parts.next().is_some()) {
        return None;
    }
    if trace_id.len() != 32 || span_id.len() != 16 || flags.len() != 2 {
        return None;
    }
    let context = SpanContext::new(
        TraceId::from_hex(trace_id).ok()?,
        SpanId::from_hex(span_id).ok()?,
        TraceFlags::new(u8::from_str_radix(flags, 16).ok()?),
        true,
        TraceState::NONE,
    );
    context.is_valid().then_some(context)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_a_traceparent_and_refuses_what_is_none() {
        let parse = |value: &str| {
            let headers = HeaderMap::from_iter([("traceparent".parse().unwrap(), value.parse().unwrap())]);
            traceparent(&headers).map(|context| (context.trace_id().to_string(), context.is_sampled()))
        };
        let id = "4bf92f3577b34da6a3ce929d0e0e4736";
        assert_eq!(parse(&format!("00-{id}-00f067aa0ba902b7-01")), Some((id.into(), true)));
        assert_eq!(parse(&format!("cc-{id}-00f067aa0ba902b7-00-more")), Some((id.into(), false)));
        for wrong in [
            "",
            "00-x-y-01",
            &format!("ff-{id}-00f067aa0ba902b7-01"),
            &format!("00-{id}-00f067aa0ba902b7-01-more"),
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            &format!("00-{id}-0000000000000000-01"),
        ] {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
    }
}
