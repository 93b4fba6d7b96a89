//! The envelope of the older API, and how its JSON is written.

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::ser::PrettyFormatter;

use super::failure::{Failure, Legacy};
use super::parameters::Parameters;

const INDENT: &[u8] = b"    ";

#[derive(Debug, Serialize)]
pub(super) struct Envelope<T> {
    pub data: T,
    pub total: usize,
    pub limit: usize,
    pub offset: usize,
    pub errors: Option<Vec<TraceError>>,
}

/// What is wrong with one of several traces that were asked for.
#[derive(Debug, Serialize)]
pub(super) struct TraceError {
    pub msg: String,
    #[serde(rename = "traceID")]
    pub trace_id: String,
}

impl<T> Envelope<T> {
    pub fn of(data: T) -> Self {
        Self { data, total: 0, limit: 0, offset: 0, errors: None }
    }
}

impl<T> Envelope<Vec<T>> {
    /// With the number of what it holds, which lists of names tell.
    pub fn counted(data: Vec<T>) -> Self {
        Self { total: data.len(), ..Self::of(data) }
    }
}

/// JSON, with line ends and indents if `prettyPrint` asks for them.
pub(super) fn json(parameters: &Parameters, answer: &impl Serialize) -> Result<Response, Legacy> {
    let mut body = Vec::new();
    let is_pretty = !matches!(parameters.get("prettyPrint"), "" | "false");
    let written = match is_pretty {
        true => {
            let formatter = PrettyFormatter::with_indent(INDENT);
            answer.serialize(&mut serde_json::Serializer::with_formatter(&mut body, formatter))
        }
        false => serde_json::to_writer(&mut body, answer),
    };
    written.map_err(|error| Failure {
        status: StatusCode::INTERNAL_SERVER_ERROR,
        message: format!("failed writing HTTP response: {error}"),
    })?;
    Ok(([(header::CONTENT_TYPE, "application/json")], body).into_response())
}
