//! Spans put together to one export request: those of the same resource and scope under one.
//!
//! Each is encoded at once, so that a body of millions of tiny spans does not become a tree of messages.

use indexmap::IndexMap;
use prost::Message as _;

use crate::to_otlp::Outgoing;

/// Encoded resource → encoded scope → encoded fields `spans`.
#[derive(Default)]
pub(crate) struct Batch {
    resources: IndexMap<Vec<u8>, IndexMap<Vec<u8>, Vec<u8>>>,
}

/// Of `ExportTraceServiceRequest`.
const RESOURCE_SPANS: u8 = 1;
/// Of `ResourceSpans`.
const RESOURCE: u8 = 1;
const SCOPE_SPANS: u8 = 2;
/// Of `ScopeSpans`.
const SCOPE: u8 = 1;
const SPANS: u8 = 2;

impl Batch {
    pub fn add(&mut self, outgoing: &Outgoing) {
        let scopes = self.resources.entry(outgoing.resource.encode_to_vec()).or_default();
        let spans = scopes.entry(outgoing.scope.encode_to_vec()).or_default();
        push(spans, SPANS, &outgoing.span.encode_to_vec());
    }

    /// The bytes of an `ExportTraceServiceRequest`.
    pub fn finish(self) -> Vec<u8> {
        let mut request = Vec::new();
        for (resource, scopes) in self.resources {
            let mut resource_spans = Vec::new();
            push(&mut resource_spans, RESOURCE, &resource);
            for (scope, spans) in scopes {
                let mut scope_spans = Vec::with_capacity(scope.len() + spans.len() + 8);
                if !scope.is_empty() {
                    push(&mut scope_spans, SCOPE, &scope);
                }
                scope_spans.extend(spans);
                push(&mut resource_spans, SCOPE_SPANS, &scope_spans);
            }
            push(&mut request, RESOURCE_SPANS, &resource_spans);
        }
        request
    }
}

/// A field of bytes; its number is below 16.
fn push(message: &mut Vec<u8>, number: u8, bytes: &[u8]) {
    message.push(number << 3 | 2);
    let mut length = bytes.len();
    while length >= 0x80 {
        message.push(length as u8 | 0x80);
        length >>= 7;
    }
    message.push(length as u8);
    message.extend_from_slice(bytes);
}
