//! Export requests of spans and logs that are translated from another form, written item by item.

use indexmap::IndexMap;

use super::write::{bytes, bytes_always, fixed64_always, header, message, message_len, uint64_always};

/// Fields of `ExportTraceServiceRequest` and the messages in it, by their names in the schema.
pub mod field {
    pub mod request {
        pub const RESOURCE_SPANS: u32 = 1;
    }
    pub mod resource_spans {
        pub const RESOURCE: u32 = 1;
        pub const SCOPE_SPANS: u32 = 2;
    }
    pub mod scope_spans {
        pub const SCOPE: u32 = 1;
        pub const SPANS: u32 = 2;
    }
    pub mod resource {
        pub const ATTRIBUTES: u32 = 1;
    }
    pub mod scope {
        pub const NAME: u32 = 1;
        pub const VERSION: u32 = 2;
    }
    pub mod span {
        pub const TRACE_ID: u32 = 1;
        pub const SPAN_ID: u32 = 2;
        pub const TRACE_STATE: u32 = 3;
        pub const PARENT_SPAN_ID: u32 = 4;
        pub const NAME: u32 = 5;
        pub const KIND: u32 = 6;
        pub const START_TIME_UNIX_NANO: u32 = 7;
        pub const END_TIME_UNIX_NANO: u32 = 8;
        pub const ATTRIBUTES: u32 = 9;
        pub const DROPPED_ATTRIBUTES_COUNT: u32 = 10;
        pub const EVENTS: u32 = 11;
        pub const DROPPED_EVENTS_COUNT: u32 = 12;
        pub const LINKS: u32 = 13;
        pub const DROPPED_LINKS_COUNT: u32 = 14;
        pub const STATUS: u32 = 15;
        pub const FLAGS: u32 = 16;
    }
    pub mod event {
        pub const TIME_UNIX_NANO: u32 = 1;
        pub const NAME: u32 = 2;
        pub const ATTRIBUTES: u32 = 3;
        pub const DROPPED_ATTRIBUTES_COUNT: u32 = 4;
    }
    pub mod link {
        pub const TRACE_ID: u32 = 1;
        pub const SPAN_ID: u32 = 2;
        pub const TRACE_STATE: u32 = 3;
        pub const ATTRIBUTES: u32 = 4;
        pub const DROPPED_ATTRIBUTES_COUNT: u32 = 5;
        pub const FLAGS: u32 = 6;
    }
    pub mod status {
        pub const MESSAGE: u32 = 2;
        pub const CODE: u32 = 3;
    }
    /// Of `ExportLogsServiceRequest`; the messages around a record have the numbers of those around a span.
    pub mod log_record {
        pub const TIME_UNIX_NANO: u32 = 1;
        pub const BODY: u32 = 5;
        pub const ATTRIBUTES: u32 = 6;
        pub const TRACE_ID: u32 = 9;
        pub const SPAN_ID: u32 = 10;
        pub const OBSERVED_TIME_UNIX_NANO: u32 = 11;
    }
}

/// The value of an attribute.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Any<'a> {
    String(&'a str),
    Bool(bool),
    Int(i64),
    Double(f64),
    Bytes(&'a [u8]),
    Strings(&'a [&'a str]),
}

/// An attribute (`KeyValue`) as an element of the list in `field`.
pub fn attribute(out: &mut Vec<u8>, field: u32, key: &str, value: Any<'_>) {
    if let Any::String(text) = value
        && key.len() + text.len() < SHORT
        && !key.is_empty()
        && field < 16
    {
        return short_text(out, field, key, text);
    }
    message(out, field, |out| {
        bytes(out, 1, key.as_bytes());
        message(out, 2, |out| any(out, value));
    });
}

/// Of a key and a text of fewer bytes, every length is one byte.
const SHORT: usize = 0x80 - 6;

/// Most attributes are that. All lengths are known before anything is written.
fn short_text(out: &mut Vec<u8>, field: u32, key: &str, text: &str) {
    let (key_length, text_length) = (key.len() as u8, text.len() as u8);
    out.reserve(key.len() + text.len() + 8);
    out.extend_from_slice(&[(field << 3 | 2) as u8, key_length + text_length + 6, 1 << 3 | 2, key_length]);
    out.extend_from_slice(key.as_bytes());
    out.extend_from_slice(&[2 << 3 | 2, text_length + 2, 1 << 3 | 2, text_length]);
    out.extend_from_slice(text.as_bytes());
}

/// A text as an `AnyValue`, which may be long: nothing is moved.
pub fn text_value(out: &mut Vec<u8>, field: u32, text: &str) {
    header(out, field, message_len(1, text.len()));
    bytes_always(out, 1, text.as_bytes());
}

/// The field of `AnyValue`.
fn any(out: &mut Vec<u8>, value: Any<'_>) {
    match value {
        Any::String(text) => bytes_always(out, 1, text.as_bytes()),
        Any::Bool(value) => uint64_always(out, 2, value.into()),
        Any::Int(value) => uint64_always(out, 3, value as u64),
        Any::Double(value) => fixed64_always(out, 4, value.to_bits()),
        Any::Strings(texts) => message(out, 5, |out| {
            texts.iter().for_each(|text| message(out, 1, |out| bytes_always(out, 1, text.as_bytes())));
        }),
        Any::Bytes(value) => bytes_always(out, 7, value),
    }
}

/// Spans of one resource as an element of the request's list: the encoded resource, and for each scope its encoded form and the encoded
/// fields `spans`. Nothing that is long is moved.
pub fn resource_spans<'a>(
    out: &mut Vec<u8>,
    resource: Option<&[u8]>,
    scopes: impl Iterator<Item = (Option<&'a [u8]>, &'a [u8])> + Clone,
) {
    let optional_len = |field, message: Option<&[u8]>| message.map_or(0, |message| message_len(field, message.len()));
    let scope_spans_len =
        |scope: Option<&[u8]>, spans: &[u8]| optional_len(field::scope_spans::SCOPE, scope) + spans.len();
    let scopes_len = scopes
        .clone()
        .map(|(scope, spans)| message_len(field::resource_spans::SCOPE_SPANS, scope_spans_len(scope, spans)));
    let length = optional_len(field::resource_spans::RESOURCE, resource) + scopes_len.sum::<usize>();
    out.reserve(message_len(field::request::RESOURCE_SPANS, length));
    header(out, field::request::RESOURCE_SPANS, length);
    if let Some(resource) = resource {
        bytes_always(out, field::resource_spans::RESOURCE, resource);
    }
    for (scope, spans) in scopes {
        header(out, field::resource_spans::SCOPE_SPANS, scope_spans_len(scope, spans));
        if let Some(scope) = scope {
            bytes_always(out, field::scope_spans::SCOPE, scope);
        }
        out.extend_from_slice(spans);
    }
}

/// Records of one resource and one scope, likewise: the numbers are the same.
pub fn resource_logs(out: &mut Vec<u8>, resource: &[u8], scope: &[u8], records: &[u8]) {
    resource_spans(out, Some(resource), std::iter::once((Some(scope), records)));
}

/// By bytes, in the order in which they were added.
type Map<T> = IndexMap<Vec<u8>, T, ahash::RandomState>;

/// Puts encoded spans together: those of the same resource and scope under one, each in the order in which they came.
#[derive(Debug, Default)]
pub struct TracesWriter {
    /// Encoded resource → encoded scope → encoded fields `spans`.
    resources: Map<Map<Vec<u8>>>,
}

impl TracesWriter {
    /// An encoded `Span` with what is around it; an empty scope is none.
    pub fn add(&mut self, resource: &[u8], scope: &[u8], span: &[u8]) {
        bytes_always(self.spans(resource, scope), field::scope_spans::SPANS, span);
    }

    fn spans(&mut self, resource: &[u8], scope: &[u8]) -> &mut Vec<u8> {
        // Most come after others of the same resource and scope: nothing is copied to find them.
        let place = match self.resources.get_index_of(resource) {
            Some(place) => place,
            None => self.resources.insert_full(resource.to_vec(), Map::default()).0,
        };
        let scopes = &mut self.resources[place];
        let place = match scopes.get_index_of(scope) {
            Some(place) => place,
            None => scopes.insert_full(scope.to_vec(), Vec::new()).0,
        };
        &mut scopes[place]
    }

    /// The bytes of an `ExportTraceServiceRequest`.
    pub fn finish(self) -> Vec<u8> {
        // Room for all of it, and for the lengths that are written before each part.
        let of_scope = |(scope, spans): (&Vec<u8>, &Vec<u8>)| scope.len() + spans.len() + 32;
        let of_resource = |(resource, scopes): (&Vec<u8>, &Map<Vec<u8>>)| {
            resource.len() + 32 + scopes.iter().map(of_scope).sum::<usize>()
        };
        let mut request = Vec::with_capacity(self.resources.iter().map(of_resource).sum());
        for (resource, scopes) in &self.resources {
            let scopes = scopes
                .iter()
                .map(|(scope, spans)| (Some(scope.as_slice()).filter(|scope| !scope.is_empty()), spans.as_slice()));
            resource_spans(&mut request, Some(resource), scopes);
        }
        request
    }
}

#[cfg(test)]
mod tests {
    use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
    use opentelemetry_proto::tonic::common::v1::any_value::Value;
    use opentelemetry_proto::tonic::trace::v1::Span;
    use prost::Message;

    use super::*;

    #[test]
    fn attributes_are_those_that_generated_code_writes() {
        let long = "x".repeat(300);
        let cases = [
            (Any::String(""), Value::StringValue(String::new())),
            (Any::String(&long), Value::StringValue(long.clone())),
            (Any::Bool(false), Value::BoolValue(false)),
            (Any::Int(-7), Value::IntValue(-7)),
            (Any::Double(0.0), Value::DoubleValue(0.0)),
            (Any::Bytes(&[1, 2]), Value::BytesValue(vec![1, 2])),
        ];
        for (value, expected) in cases {
            let mut out = Vec::new();
            attribute(&mut out, field::span::ATTRIBUTES, "key", value);
            let span = Span::decode(out.as_slice()).unwrap();
            assert_eq!(span.encode_to_vec(), out);
            assert_eq!(span.attributes[0].key, "key");
            assert_eq!(span.attributes[0].value.as_ref().unwrap().value, Some(expected));
        }
        // Where lengths become longer than a byte, and where there is no key.
        for length in 100..150 {
            for key in ["", "k", "a key that is long"] {
                let mut out = Vec::new();
                attribute(&mut out, field::span::ATTRIBUTES, key, Any::String(&long[..length]));
                let span = Span::decode(out.as_slice()).unwrap();
                assert_eq!(span.encode_to_vec(), out);
                assert_eq!(span.attributes[0].key, key);
            }
        }
        let mut out = Vec::new();
        attribute(&mut out, field::span::ATTRIBUTES, "key", Any::Strings(&["a", ""]));
        assert_eq!(Span::decode(out.as_slice()).unwrap().encode_to_vec(), out);
    }

    #[test]
    fn spans_stand_under_their_resources_and_scopes() {
        let mut writer = TracesWriter::default();
        let mut span = Vec::new();
        bytes(&mut span, field::span::NAME, &[b'n'; 200]);
        let mut scope = Vec::new();
        bytes(&mut scope, field::scope::NAME, b"scope");
        let mut resource = Vec::new();
        attribute(&mut resource, field::resource::ATTRIBUTES, "service.name", Any::String("a"));
        for (resource, scope) in
            [(&resource, &scope), (&Vec::new(), &Vec::new()), (&resource, &Vec::new()), (&resource, &scope)]
        {
            writer.add(resource, scope, &span);
        }
        let bytes = writer.finish();
        let request = ExportTraceServiceRequest::decode(bytes.as_slice()).unwrap();
        assert_eq!(request.encode_to_vec(), bytes);
        let counts = |place: usize| {
            let scopes = request.resource_spans[place].scope_spans.iter();
            scopes.map(|scope| (scope.scope.is_some(), scope.spans.len())).collect::<Vec<_>>()
        };
        assert_eq!((counts(0), counts(1)), (vec![(true, 2), (false, 1)], vec![(false, 1)]));
    }
}
