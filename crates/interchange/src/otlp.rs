//! `ResourceSpans` in JSON, as OTLP and Tempo write them.

use std::collections::BTreeMap;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, Span};
use prost::Message;
use serde_json::value::RawValue;
use trefoil_model::{Signal, json};

use crate::problem::{Place, Problem};
use crate::scan::Item;

/// What of the item can be read. If something cannot, each span is looked at by itself.
pub(crate) fn read(item: &Item, problems: &mut Vec<Problem>) -> Vec<ResourceSpans> {
    let whole = request(&[br#"{"resourceSpans":["#, &item.json, b"]}"]);
    let whole = whole.and_then(|request| {
        spans(&request).try_for_each(check)?;
        Ok(request)
    });
    match whole {
        Ok(request) => request.resource_spans,
        Err(reason) => salvaged(item, &reason, problems, salvage),
    }
}

/// What `salvage` gets out of an item that is wrong as a whole for `reason`. Nothing is lost without a word.
pub(crate) fn salvaged(
    item: &Item,
    reason: &str,
    problems: &mut Vec<Problem>,
    salvage: impl FnOnce(&Item, &mut Vec<Problem>) -> Result<Vec<ResourceSpans>, Problem>,
) -> Vec<ResourceSpans> {
    let before = problems.len();
    let spans = salvage(item, problems).unwrap_or_else(|problem| {
        problems.push(problem);
        Vec::new()
    });
    if problems.len() == before {
        let (reason, line) = without_place(reason);
        let place = Place { line: item.place.line + line.saturating_sub(1), path: item.place.path.clone() };
        problems.push(Problem { place, reason: reason.to_owned(), spans: None });
    }
    spans
}

/// An object whose members nobody has looked at.
type Members<'a> = BTreeMap<String, &'a RawValue>;

const SCOPE_SPANS: [&str; 3] = ["scopeSpans", "scope_spans", "instrumentationLibrarySpans"];

fn salvage(item: &Item, problems: &mut Vec<Problem>) -> Result<Vec<ResourceSpans>, Problem> {
    let text = Text(item);
    let mut resource: Members<'_> = text.parse(item_text(item)?, "")?;
    let mut scopes = Vec::new();
    for (name, list) in SCOPE_SPANS.iter().filter_map(|name| Some((*name, resource.remove(*name)?))) {
        for (index, scope) in text.list(list, name)?.into_iter().enumerate() {
            let path = format!("{name}[{index}]");
            let mut members: Members<'_> = match text.parse(scope.get(), &path) {
                Ok(members) => members,
                Err(problem) => {
                    problems.push(problem);
                    continue;
                }
            };
            let spans = members.remove("spans").map(|list| text.list(list, &format!("{path}.spans"))).transpose()?;
            let mut taken = Vec::new();
            for (index, span) in spans.unwrap_or_default().into_iter().enumerate() {
                match self::span(span.get()) {
                    Ok(()) => taken.push(span.get()),
                    Err(reason) => {
                        problems.push(text.of_span(span.get(), &format!("{path}.spans[{index}]"), &reason));
                    }
                }
            }
            scopes.push((members, taken));
        }
    }
    let count = scopes.iter().map(|(_, spans)| spans.len() as u64).sum();
    let scopes = scopes.iter().map(|(members, spans)| object(members, "spans", spans)).collect::<Vec<_>>();
    let scopes: Vec<&str> = scopes.iter().map(String::as_str).collect();
    let whole = object(&resource, "scopeSpans", &scopes);
    match request(&[br#"{"resourceSpans":["#, whole.as_bytes(), b"]}"]) {
        Ok(request) => Ok(request.resource_spans),
        Err(reason) => {
            let (reason, _) = without_place(&reason);
            Err(Problem { place: item.place.clone(), reason: reason.to_owned(), spans: Some(count) })
        }
    }
}

/// An object of `members` and one more, a list.
fn object(members: &Members<'_>, name: &str, list: &[&str]) -> String {
    let mut text = String::from("{");
    for (name, value) in members {
        // Names and values are as they were read.
        text.push_str(&format!("{}:{},", serde_json::Value::from(name.as_str()), value.get()));
    }
    text.push_str(&format!("\"{name}\":[{}]}}", list.join(",")));
    text
}

fn span(json: &str) -> Result<(), String> {
    let parts: [&[u8]; 3] = [br#"{"resourceSpans":[{"scopeSpans":[{"spans":["#, json.as_bytes(), br#"]}]}]}"#];
    let request = request(&parts)?;
    spans(&request).try_for_each(check)
}

fn request(parts: &[&[u8]]) -> Result<ExportTraceServiceRequest, String> {
    let bytes = json::to_protobuf(Signal::Traces, &parts.concat()).map_err(|error| error.to_string())?;
    ExportTraceServiceRequest::decode(bytes.as_slice()).map_err(|error| error.to_string())
}

fn spans(request: &ExportTraceServiceRequest) -> impl Iterator<Item = &Span> {
    request.resource_spans.iter().flat_map(|resource| &resource.scope_spans).flat_map(|scope| &scope.spans)
}

/// The store would refuse it, too, but could not tell where it is.
fn check(span: &Span) -> Result<(), String> {
    let is_id = |id: &[u8], bytes| id.len() == bytes && id.iter().any(|byte| *byte != 0);
    if !is_id(&span.trace_id, 16) {
        return Err("`traceId` must be 16 bytes that are not all zero".to_owned());
    }
    if !is_id(&span.span_id, 8) {
        return Err("`spanId` must be 8 bytes that are not all zero".to_owned());
    }
    Ok(())
}

fn item_text(item: &Item) -> Result<&str, Problem> {
    std::str::from_utf8(&item.json).map_err(|error| Problem {
        place: item.place.clone(),
        reason: format!("it is no UTF-8: {error}"),
        spans: None,
    })
}

/// Of an item, of whose parts it is known where they are.
pub(crate) struct Text<'a>(pub &'a Item);

impl<'a> Text<'a> {
    pub fn parse<T: serde::Deserialize<'a>>(&self, part: &'a str, path: &str) -> Result<T, Problem> {
        serde_json::from_str(part).map_err(|error| self.problem(part, path, &error.to_string(), None))
    }

    fn list(&self, part: &'a RawValue, path: &str) -> Result<Vec<&'a RawValue>, Problem> {
        let list: Option<Vec<&RawValue>> = self.parse(part.get(), path)?;
        Ok(list.unwrap_or_default())
    }

    pub fn of_span(&self, part: &str, path: &str, reason: &str) -> Problem {
        self.problem(part, path, reason, Some(1))
    }

    /// `reason` may say where in the part it is.
    fn problem(&self, part: &str, path: &str, reason: &str, spans: Option<u64>) -> Problem {
        let offset = (part.as_ptr() as usize).saturating_sub(self.0.json.as_ptr() as usize);
        let before = self.0.json.get(..offset).unwrap_or_default();
        let (reason, line) = without_place(reason);
        let line = self.0.place.line + lines(before) + line.saturating_sub(1);
        let around = &self.0.place.path;
        let path =
            if around.is_empty() || path.is_empty() { format!("{around}{path}") } else { format!("{around}.{path}") };
        Problem { place: Place { line, path }, reason: reason.to_owned(), spans }
    }
}

fn lines(text: &[u8]) -> u64 {
    text.iter().filter(|byte| **byte == b'\n').count() as u64
}

/// What is wrong, and in which line from 1 of what was read.
pub(crate) fn without_place(error: &str) -> (&str, u64) {
    let Some((reason, place)) = error.rsplit_once(" at line ") else { return (error, 1) };
    let line = place.split_once(" column ").and_then(|(line, _)| line.parse().ok()).unwrap_or(1);
    (reason.strip_prefix("malformed OTLP/JSON: ").unwrap_or(reason), line)
}
