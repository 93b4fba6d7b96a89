//! How a trace is written for other systems.

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::trace::v1::TracesData;
use prost::Message;
use serde::Deserialize;
use trefoil_model::Signal;
use utoipa::ToSchema;

use crate::tempo;

const JSON: &str = "application/json";
const LINES: &str = "application/x-ndjson";

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum Form {
    /// OTLP's JSON.
    #[default]
    Otlp,
    /// Tempo's answer to a question for a trace.
    Tempo,
    /// What Jaeger's UI reads.
    Jaeger,
    /// Spans of Zipkin's version 2.
    Zipkin,
}

impl Form {
    pub fn of_one(self) -> &'static str {
        JSON
    }

    pub fn of_many(self) -> &'static str {
        match self {
            Form::Otlp | Form::Tempo => LINES,
            Form::Jaeger | Form::Zipkin => JSON,
        }
    }

    pub fn opening(self) -> &'static str {
        match self {
            Form::Otlp | Form::Tempo => "",
            Form::Jaeger => r#"{"data":["#,
            Form::Zipkin => "[",
        }
    }

    pub fn closing(self) -> &'static str {
        match self {
            Form::Otlp | Form::Tempo => "",
            Form::Jaeger => "],\"total\":0,\"limit\":0,\"offset\":0,\"errors\":null}\n",
            Form::Zipkin => "]\n",
        }
    }

    /// One trace, with what stands between it and the one before.
    ///
    /// # Errors
    /// Where the trace is broken, which no stored one is.
    pub fn write(self, trace: &TracesData, is_first: bool) -> Result<Vec<u8>, String> {
        match self {
            Form::Otlp => {
                let json = trefoil_model::json::from_protobuf(Signal::Traces, &trace.encode_to_vec());
                json.map(line).map_err(|error| error.to_string())
            }
            Form::Tempo => {
                serde_json::to_vec(&tempo::trace_document(trace)).map(line).map_err(|error| error.to_string())
            }
            Form::Jaeger => {
                let traces = trefoil_jaeger::json::traces(&trace.resource_spans);
                let json = serde_json::to_vec(&traces).map_err(|error| error.to_string())?;
                Ok(members(&json, is_first))
            }
            Form::Zipkin => {
                let request = ExportTraceServiceRequest { resource_spans: trace.resource_spans.clone() };
                let converted = trefoil_zipkin::from_otlp(&request, "");
                let json = trefoil_zipkin::to_json(&converted.spans).map_err(|error| error.to_string())?;
                Ok(members(&json, is_first))
            }
        }
    }
}

fn line(mut json: Vec<u8>) -> Vec<u8> {
    json.push(b'\n');
    json
}

/// What is in a list, to go on with in another.
fn members(list: &[u8], is_first: bool) -> Vec<u8> {
    let inner = list.strip_prefix(b"[").and_then(|rest| rest.strip_suffix(b"]")).unwrap_or(list);
    let mut text = Vec::with_capacity(inner.len() + 1);
    if !is_first && !inner.is_empty() {
        text.push(b',');
    }
    text.extend_from_slice(inner);
    text
}
