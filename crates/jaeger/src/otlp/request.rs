//! A request of OpenTelemetry that is written span by span.

use indexmap::IndexMap;
use trefoil_model::wire::otlp::{field, resource_spans};
use trefoil_model::wire::write::{bytes, message};

#[derive(Default)]
pub struct RequestWriter {
    resources: Vec<Resource>,
    /// Whose memory is used again.
    scope: Vec<u8>,
}

struct Resource {
    /// As it is written; a resource need not be known.
    resource: Option<Vec<u8>>,
    /// What is written of its spans by what is written of their scopes.
    scopes: IndexMap<Vec<u8>, Vec<u8>>,
    /// That of the span before, as most are.
    latest: usize,
}

impl RequestWriter {
    /// A resource by the fields of its message; its place is what spans are added to.
    pub fn add_resource(&mut self, resource: Option<Vec<u8>>) -> usize {
        self.resources.push(Resource { resource, scopes: IndexMap::new(), latest: 0 });
        self.resources.len() - 1
    }

    /// A span of which `write` appends the fields.
    pub fn add_span(&mut self, resource: usize, scope: (&str, &str), write: impl FnOnce(&mut Vec<u8>)) {
        let (name, version) = scope;
        self.scope.clear();
        bytes(&mut self.scope, field::scope::NAME, name.as_bytes());
        bytes(&mut self.scope, field::scope::VERSION, version.as_bytes());
        message(self.resources[resource].spans(&self.scope), field::scope_spans::SPANS, write);
    }

    /// The bytes of an `ExportTraceServiceRequest`. Resources and scopes come in the order in which they were first seen.
    pub fn finish(self) -> Vec<u8> {
        let mut request = Vec::new();
        for Resource { resource, scopes, .. } in &self.resources {
            let scopes = scopes.iter().map(|(scope, spans)| (Some(scope.as_slice()), spans.as_slice()));
            resource_spans(&mut request, resource.as_deref(), scopes);
        }
        request
    }
}

impl Resource {
    fn spans(&mut self, scope: &[u8]) -> &mut Vec<u8> {
        if self.scopes.get_index(self.latest).is_none_or(|(latest, _)| latest != scope) {
            self.latest = match self.scopes.get_index_of(scope) {
                Some(place) => place,
                None => self.scopes.insert_full(scope.to_vec(), Vec::new()).0,
            };
        }
        &mut self.scopes[self.latest]
    }
}
