//! `POST /api/transform`: OTLP's JSON as the UI's.

use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use axum::http::HeaderMap;
use axum::response::Response;
use bytes::Bytes;
use opentelemetry_proto::tonic::trace::v1::TracesData;
use prost::Message;
use trefoil_model::Signal;
use trefoil_query::QueryError;

use super::answer::{Envelope, json};
use super::failure::{Failure, Legacy};
use super::legacy::shown;
use super::parameters::Parameters;
use super::search::Asking;
use crate::ApiState;

/// Bytes of a body.
pub(super) const MAX_BODY: usize = 8 << 20;
/// About what spans take in memory for each byte of their JSON, which is short where they are empty.
const BYTES_PER_BYTE: usize = 20;

pub(super) async fn transform(
    State(state): State<ApiState>,
    parameters: Parameters,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Legacy> {
    Asking::new(&state, &headers)?;
    let body = body.map_err(|error| Failure { status: error.status(), message: error.body_text() })?;
    let memory = state.engine.memory();
    let limit = |error: trefoil_query::metrics::PromqlError| QueryError::LimitExceeded(error.to_string());
    memory.grow(body.len().saturating_mul(BYTES_PER_BYTE)).map_err(limit)?;
    let traces = read(&body)?;
    json(&parameters, &Envelope::of(shown(&[traces])))
}

fn read(body: &[u8]) -> Result<TracesData, Failure> {
    let wrong = |error: String| Failure::bad_request(format!("cannot unmarshal OTLP : {error}"));
    let message = trefoil_model::json::to_protobuf(Signal::Traces, body).map_err(|error| wrong(error.to_string()))?;
    let traces = TracesData::decode(message.as_slice()).map_err(|error| wrong(error.to_string()))?;
    let is_id = |id: &[u8], length: usize| id.len() == length && id.iter().any(|byte| *byte != 0);
    let groups = traces.resource_spans.iter().flat_map(|group| &group.scope_spans);
    match groups.flat_map(|group| &group.spans).find(|span| !is_id(&span.trace_id, 16) || !is_id(&span.span_id, 8)) {
        Some(span) => Err(wrong(format!("the span {:?} has no trace id of 16 bytes and span id of 8", span.name))),
        None => Ok(traces),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_trace_is_refused() {
        for (body, told) in [
            ("{", "cannot unmarshal OTLP : malformed OTLP/JSON: "),
            (
                r#"{"resourceSpans":[{"scopeSpans":[{"spans":[{"name":"a"}]}]}]}"#,
                "cannot unmarshal OTLP : the span \"a\" has no trace id",
            ),
        ] {
            let failure = read(body.as_bytes()).unwrap_err();
            assert!(failure.message.starts_with(told), "{failure:?}");
        }
    }
}
