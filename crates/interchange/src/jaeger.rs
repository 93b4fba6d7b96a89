//! Traces in the JSON of Jaeger's UI.

use std::collections::BTreeMap;

use opentelemetry_proto::tonic::trace::v1::ResourceSpans;
use serde::Deserialize;
use serde_json::value::RawValue;
use trefoil_jaeger::json::{JsonError, Process, Span, Trace, read as parse, to_otlp};

use crate::otlp::{Text, salvaged, without_place};
use crate::problem::Problem;
use crate::scan::Item;

/// What of the trace can be read. If something cannot, each span is looked at by itself.
pub(crate) fn read(item: &Item, problems: &mut Vec<Problem>) -> Vec<ResourceSpans> {
    let reason = match parse(&item.json).and_then(to_otlp) {
        Ok(request) if request.resource_spans.iter().all(has_ids) => return request.resource_spans,
        Ok(_) => NO_IDS.to_owned(),
        Err(error) => error.to_string(),
    };
    salvaged(item, reason.strip_prefix("malformed JSON of Jaeger: ").unwrap_or(&reason), problems, salvage)
}

const NO_IDS: &str = "traceID and spanID must not be zero";

/// A trace whose spans nobody has looked at.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Parts<'a> {
    #[serde(rename = "traceID", default)]
    trace_id: String,
    #[serde(borrow)]
    spans: Option<Vec<&'a RawValue>>,
    #[serde(borrow, default)]
    processes: Option<BTreeMap<String, &'a RawValue>>,
}

fn salvage(item: &Item, problems: &mut Vec<Problem>) -> Result<Vec<ResourceSpans>, Problem> {
    let text = Text(item);
    let json = std::str::from_utf8(&item.json).map_err(|error| Problem {
        place: item.place.clone(),
        reason: format!("it is no UTF-8: {error}"),
        spans: None,
    })?;
    let parts: Parts<'_> = text.parse(json, "")?;
    let mut processes = BTreeMap::new();
    let mut wrong_processes = BTreeMap::new();
    for (id, raw) in parts.processes.unwrap_or_default() {
        match serde_json::from_str::<Process>(raw.get()) {
            Ok(process) => drop(processes.insert(id, process)),
            Err(error) => drop(wrong_processes.insert(id, without_place(&error.to_string()).0.to_owned())),
        }
    }
    let mut taken = Trace { trace_id: parts.trace_id, ..Trace::default() };
    for (index, raw) in parts.spans.unwrap_or_default().into_iter().enumerate() {
        let refuse = |reason: &str| text.of_span(raw.get(), &format!("spans[{index}]"), reason);
        let span: Span = match serde_json::from_str(raw.get()) {
            Ok(span) => span,
            Err(error) => {
                problems.push(refuse(&error.to_string()));
                continue;
            }
        };
        if let Some(reason) = wrong_processes.get(&span.process_id) {
            problems.push(refuse(&format!("its process {:?} cannot be read: {reason}", span.process_id)));
            continue;
        }
        let process = processes.get_key_value(&span.process_id).map(|(id, process)| (id.clone(), process.clone()));
        let alone = Trace { spans: vec![span.clone()], processes: process.into_iter().collect(), ..taken_head(&taken) };
        match to_otlp(vec![alone]) {
            Ok(request) if request.resource_spans.iter().all(has_ids) => taken.spans.push(span),
            Ok(_) => problems.push(refuse(NO_IDS)),
            Err(JsonError::Invalid { reason, .. }) => problems.push(refuse(&reason)),
            Err(error) => problems.push(refuse(&error.to_string())),
        }
    }
    // Those of spans that were refused may be wrong.
    let wanted = |id: &String| taken.spans.iter().any(|span| span.process_id == *id);
    processes.retain(|id, _| wanted(id));
    let count = taken.spans.len() as u64;
    taken.processes = processes;
    match to_otlp(vec![taken]) {
        Ok(request) => Ok(request.resource_spans),
        Err(error) => Err(Problem { place: item.place.clone(), reason: error.to_string(), spans: Some(count) }),
    }
}

fn taken_head(trace: &Trace) -> Trace {
    Trace { trace_id: trace.trace_id.clone(), ..Trace::default() }
}

fn has_ids(resource: &ResourceSpans) -> bool {
    let is_set = |id: &[u8]| id.iter().any(|byte| *byte != 0);
    let mut spans = resource.scope_spans.iter().flat_map(|scope| &scope.spans);
    spans.all(|span| is_set(&span.trace_id) && is_set(&span.span_id))
}
