//! What Jaeger does to traces before it shows them, unless they are asked for raw.

use std::collections::HashSet;

use opentelemetry_proto::tonic::trace::v1::TracesData;
use prost::Message;

/// A trace as it is shown. Clocks that go wrong are not put right (yet); it would be done here.
pub(super) fn prepared(mut trace: TracesData, is_raw: bool) -> TracesData {
    if !is_raw {
        without_repetitions(&mut trace);
    }
    trace
}

/// Spans that came twice, as a sender that had no answer sends again, are there once.
fn without_repetitions(trace: &mut TracesData) {
    let mut seen = HashSet::new();
    for (place, group) in trace.resource_spans.iter_mut().enumerate() {
        for group in &mut group.scope_spans {
            group.spans.retain(|span| seen.insert((place, span.encode_to_vec())));
        }
    }
}

#[cfg(test)]
mod tests {
    use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};

    use super::*;

    #[test]
    fn repetitions_are_left_out_unless_all_is_wanted() {
        let span = |name: &str| Span { name: name.to_owned(), ..Span::default() };
        let spans = vec![span("a"), span("b"), span("a")];
        let scope_spans = vec![ScopeSpans { spans, ..ScopeSpans::default() }];
        let trace = TracesData { resource_spans: vec![ResourceSpans { scope_spans, ..ResourceSpans::default() }] };
        let count = |is_raw| prepared(trace.clone(), is_raw).resource_spans[0].scope_spans[0].spans.len();
        assert_eq!((count(true), count(false)), (3, 2));
    }
}
