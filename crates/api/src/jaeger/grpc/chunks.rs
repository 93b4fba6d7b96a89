//! Traces in messages that clients take: gRPC's clients refuse more than 4 MiB.

use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, TracesData};
use prost::Message;

/// A message is not begun anew before it has so many bytes of spans.
pub(super) const CHUNK: usize = 1 << 20;

/// The trace in as many messages as it takes, in order. None is of more than one trace, or empty.
pub(super) fn chunks(trace: TracesData) -> Vec<TracesData> {
    if trace.encoded_len() <= CHUNK {
        return if trace.resource_spans.is_empty() { Vec::new() } else { vec![trace] };
    }
    let mut chunks = Vec::new();
    for group in trace.resource_spans {
        let ResourceSpans { resource, scope_spans, schema_url } = group;
        for ScopeSpans { scope, spans, schema_url: of_scope } in scope_spans {
            let part = |spans| {
                let of_scope = ScopeSpans { scope: scope.clone(), spans, schema_url: of_scope.clone() };
                let of_resource = ResourceSpans {
                    resource: resource.clone(),
                    scope_spans: vec![of_scope],
                    schema_url: schema_url.clone(),
                };
                TracesData { resource_spans: vec![of_resource] }
            };
            let (mut here, mut bytes) = (Vec::new(), 0);
            for span in spans {
                bytes += span.encoded_len();
                here.push(span);
                if bytes >= CHUNK {
                    chunks.push(part(std::mem::take(&mut here)));
                    bytes = 0;
                }
            }
            if !here.is_empty() {
                chunks.push(part(here));
            }
        }
    }
    chunks
}

#[cfg(test)]
mod tests {
    use opentelemetry_proto::tonic::trace::v1::Span;

    use super::*;

    #[test]
    fn large_traces_come_in_parts() {
        let spans: Vec<Span> = (0..3000_u32).map(|n| Span { name: format!("{n:01000}"), ..Span::default() }).collect();
        let scope_spans = vec![ScopeSpans { spans: spans.clone(), ..ScopeSpans::default() }];
        let trace = TracesData { resource_spans: vec![ResourceSpans { scope_spans, ..ResourceSpans::default() }] };
        let parts = chunks(trace);
        assert_eq!(parts.len(), 3);
        assert!(parts.iter().all(|part| part.encoded_len() < 2 * CHUNK));
        let all = parts.into_iter().flat_map(|part| part.resource_spans).flat_map(|part| part.scope_spans);
        assert_eq!(all.flat_map(|part| part.spans).collect::<Vec<_>>(), spans);
        assert!(chunks(TracesData::default()).is_empty());
    }
}
