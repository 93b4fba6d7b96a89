//! Spans in the JSON of Zipkin.

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::trace::v1::ResourceSpans;
use prost::Message;
use serde::Deserialize;
use serde::de::IgnoredAny;
use trefoil_zipkin::{Format, Options, translate};

use crate::problem::Problem;
use crate::scan::Item;

/// What of the spans can be read, together: those of a resource come under one. If something cannot, each is looked at by itself.
///
/// `received` is the start of spans of which no time at all is known (nanoseconds since the epoch).
pub(crate) fn read(items: &[Item], received: u64, problems: &mut Vec<Problem>) -> Vec<ResourceSpans> {
    let options = Options { received, ..Options::default() };
    let (v1, v2): (Vec<&Item>, Vec<&Item>) = items.iter().partition(|item| is_of_version_1(item));
    let mut read = Vec::new();
    for (format, items) in [(Format::JsonV1, v1), (Format::JsonV2, v2)] {
        if let Ok(spans) = together(format, &items, &options) {
            read.extend(spans);
            continue;
        }
        for item in items {
            match together(format, &[item], &options) {
                Ok(spans) => read.extend(spans),
                Err(reason) => problems.push(Problem::of_span(item.place.clone(), reason)),
            }
        }
    }
    read
}

/// The error is the reason of one span, if there is only one.
fn together(format: Format, items: &[&Item], options: &Options) -> Result<Vec<ResourceSpans>, String> {
    let mut list = Vec::with_capacity(items.iter().map(|item| item.json.len() + 1).sum::<usize>() + 1);
    for (index, item) in items.iter().enumerate() {
        list.push(if index == 0 { b'[' } else { b',' });
        list.extend_from_slice(&item.json);
    }
    if list.is_empty() {
        return Ok(Vec::new());
    }
    list.push(b']');
    let translated = translate(format, &list, options).map_err(|error| error.reason)?;
    if let Some(problem) = translated.rejected.problems.first() {
        let text = problem.to_string();
        let within = text.strip_prefix("[0]").unwrap_or(&text);
        return Err(within.trim_start_matches([':', '.', ' ']).to_owned());
    }
    let request =
        ExportTraceServiceRequest::decode(translated.request.as_slice()).map_err(|error| error.to_string())?;
    Ok(request.resource_spans)
}

/// Only spans of version 1 have binary annotations, or an endpoint with each annotation.
fn is_of_version_1(item: &Item) -> bool {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Marks {
        binary_annotations: Option<IgnoredAny>,
        annotations: Option<Vec<Annotation>>,
    }
    #[derive(Deserialize)]
    struct Annotation {
        endpoint: Option<IgnoredAny>,
    }
    let Ok(marks) = serde_json::from_slice::<Marks>(&item.json) else { return false };
    let has_endpoint = |annotations: Vec<Annotation>| annotations.iter().any(|one| one.endpoint.is_some());
    marks.binary_annotations.is_some() || marks.annotations.is_some_and(has_endpoint)
}
