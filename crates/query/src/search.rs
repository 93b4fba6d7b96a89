//! Searching a trace for text: which of its spans say it anywhere.

use std::collections::HashSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use futures::StreamExt;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::trace::v1::span::{Event, Link};
use opentelemetry_proto::tonic::trace::v1::{Span, TracesData};
use regex::{Regex, RegexBuilder, escape};
use trefoil_model::Tenant;

use crate::trace::{bounded, of_trace, too_many_spans};
use crate::{Engine, Limits, QueryError};

/// Bytes of a text to search for.
const MAX_TEXT_BYTES: usize = 1024;

/// Where a text was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Matches {
    /// Each span once, the earliest first.
    pub span_ids: Vec<[u8; 8]>,
    /// There are more spans than these.
    pub truncated: bool,
}

impl Engine {
    /// The spans of a trace that contain `text`, in any case of its letters: in the name, the status, the service or any
    /// other attribute (of span, resource, scope, event or link; keys and values), the names of events, the ids of links.
    /// At most the `most` earliest. A text that is empty or longer than 1 KiB is `Invalid`.
    pub async fn search_trace(
        &self,
        tenant: &Tenant,
        trace_id: [u8; 16],
        text: &str,
        most: usize,
        limits: Limits,
    ) -> Result<Matches, QueryError> {
        let needle = Needle::new(text)?;
        bounded(limits, self.read_matches(tenant, trace_id, &needle, most, limits)).await
    }

    async fn read_matches(
        &self,
        tenant: &Tenant,
        trace_id: [u8; 16],
        needle: &Needle,
        most: usize,
        limits: Limits,
    ) -> Result<Matches, QueryError> {
        let mut batches = self.spans(tenant, of_trace(trace_id), limits).await?.execute_stream().await?;
        let mut searched = 0;
        let mut found = Vec::new();
        while let Some(batch) = batches.next().await.transpose()? {
            searched += batch.num_rows();
            if searched > limits.max_rows {
                return Err(too_many_spans(limits));
            }
            let spans = trefoil_model::encode::traces(&[batch]).map_err(|e| QueryError::Internal(e.to_string()))?;
            needle.search(&spans, |span| {
                let id = <[u8; 8]>::try_from(span.span_id.as_slice());
                found.extend(id.map(|id| (span.start_time_unix_nano, id)));
            });
        }
        Ok(earliest(found, most))
    }
}

fn earliest(mut found: Vec<(u64, [u8; 8])>, most: usize) -> Matches {
    found.sort_unstable();
    let mut seen = HashSet::new();
    found.retain(|(_, id)| seen.insert(*id));
    let truncated = found.len() > most;
    found.truncate(most);
    Matches { span_ids: found.into_iter().map(|(_, id)| id).collect(), truncated }
}

/// What is looked for.
struct Needle(Regex);

impl Needle {
    fn new(text: &str) -> Result<Self, QueryError> {
        if text.is_empty() || text.len() > MAX_TEXT_BYTES {
            return Err(QueryError::Invalid(format!("the text to search for must have 1 to {MAX_TEXT_BYTES} bytes")));
        }
        let regex = RegexBuilder::new(&escape(text)).case_insensitive(true).build();
        regex.map(Self).map_err(|error| QueryError::Invalid(format!("the text to search for: {error}")))
    }

    /// Calls `found` with every span that contains the text. What spans share is looked at once.
    fn search(&self, trace: &TracesData, mut found: impl FnMut(&Span)) {
        for resource_spans in &trace.resource_spans {
            let of_resource =
                resource_spans.resource.as_ref().is_some_and(|resource| self.in_attributes(&resource.attributes));
            for scope_spans in &resource_spans.scope_spans {
                let is_shared = of_resource || scope_spans.scope.as_ref().is_some_and(|scope| self.in_scope(scope));
                scope_spans.spans.iter().filter(|span| is_shared || self.in_span(span)).for_each(&mut found);
            }
        }
    }

    fn is_in(&self, text: &str) -> bool {
        self.0.is_match(text)
    }

    fn in_scope(&self, scope: &InstrumentationScope) -> bool {
        self.is_in(&scope.name) || self.is_in(&scope.version) || self.in_attributes(&scope.attributes)
    }

    fn in_span(&self, span: &Span) -> bool {
        self.is_in(&span.name)
            || span.status.as_ref().is_some_and(|status| self.is_in(&status.message))
            || self.in_attributes(&span.attributes)
            || span.events.iter().any(|event| self.in_event(event))
            || span.links.iter().any(|link| self.in_link(link))
    }

    fn in_event(&self, event: &Event) -> bool {
        self.is_in(&event.name) || self.in_attributes(&event.attributes)
    }

    fn in_link(&self, link: &Link) -> bool {
        self.is_in(&hex::encode(&link.trace_id))
            || self.is_in(&hex::encode(&link.span_id))
            || self.is_in(&link.trace_state)
            || self.in_attributes(&link.attributes)
    }

    fn in_attributes(&self, attributes: &[KeyValue]) -> bool {
        attributes
            .iter()
            .any(|KeyValue { key, value, .. }| self.is_in(key) || value.as_ref().is_some_and(|v| self.in_value(v)))
    }

    fn in_value(&self, value: &AnyValue) -> bool {
        match &value.value {
            Some(Value::StringValue(text)) => self.is_in(text),
            Some(Value::BoolValue(flag)) => self.is_in(if *flag { "true" } else { "false" }),
            Some(Value::IntValue(number)) => self.is_in(&number.to_string()),
            Some(Value::DoubleValue(number)) => self.is_in(&number.to_string()),
            Some(Value::BytesValue(bytes)) => self.is_in(&BASE64.encode(bytes)),
            Some(Value::ArrayValue(array)) => array.values.iter().any(|value| self.in_value(value)),
            Some(Value::KvlistValue(members)) => self.in_attributes(&members.values),
            // Profiles only: an index into a string table that spans do not have.
            Some(_) | None => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use opentelemetry_proto::tonic::common::v1::{ArrayValue, KeyValueList};
    use opentelemetry_proto::tonic::resource::v1::Resource;
    use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Status};

    use super::*;

    fn attribute(key: &str, value: Value) -> KeyValue {
        KeyValue { key: key.into(), value: Some(AnyValue { value: Some(value) }), ..KeyValue::default() }
    }

    fn text(value: &str) -> Value {
        Value::StringValue(value.into())
    }

    fn finds(span: Span, needle: &str) -> bool {
        let scope = InstrumentationScope { name: "django".into(), ..InstrumentationScope::default() };
        let resource = Resource { attributes: vec![attribute("service.name", text("orders"))], ..Resource::default() };
        let scope_spans = ScopeSpans { scope: Some(scope), spans: vec![span], ..ScopeSpans::default() };
        let resource_spans =
            ResourceSpans { resource: Some(resource), scope_spans: vec![scope_spans], ..ResourceSpans::default() };
        let trace = TracesData { resource_spans: vec![resource_spans] };
        let mut found = 0;
        Needle::new(needle).unwrap().search(&trace, |_| found += 1);
        found == 1
    }

    #[test]
    fn text_is_found_wherever_a_span_has_it() {
        let list = Value::ArrayValue(ArrayValue { values: vec![AnyValue { value: Some(text("in a list")) }] });
        let map = Value::KvlistValue(KeyValueList { values: vec![attribute("member", text("of a map"))] });
        let span = || Span {
            name: "POST /orders".into(),
            status: Some(Status { message: "card declined".into(), code: 2 }),
            attributes: vec![
                attribute("http.response.status_code", Value::IntValue(502)),
                attribute("ratio", Value::DoubleValue(0.25)),
                attribute("cached", Value::BoolValue(true)),
                attribute("quote", text("she said \"Ünïcode\"\n(*)")),
                attribute("raw", Value::BytesValue(vec![0xFB, 0xEF])),
                attribute("list", list.clone()),
                attribute("map", map.clone()),
            ],
            events: vec![Event {
                name: "retry".into(),
                attributes: vec![attribute("exception.message", text("connection reset"))],
                ..Event::default()
            }],
            links: vec![Link { trace_id: vec![0xAB; 16], trace_state: "vendor=1".into(), ..Link::default() }],
            ..Span::default()
        };
        for needle in [
            "post /ORD",
            "Declined",
            "status_code",
            "502",
            "0.25",
            "TRUE",
            "said \"üNÏ",
            "\n(*)",
            "++8=",
            "IN A LIST",
            "member",
            "of a map",
            "Retry",
            "exception.",
            "reset",
            "ababab",
            "vendor=",
            "service.name",
            "Orders",
            "DJANGO",
        ] {
            assert!(finds(span(), needle), "{needle:?}");
        }
        for needle in ["ordersx", ".*", "\"quote\":", "$", "503", "abc"] {
            assert!(!finds(span(), needle), "{needle:?}");
        }
    }

    #[test]
    fn the_earliest_come_first_and_each_once() {
        let [a, b, c] = [[1; 8], [2; 8], [3; 8]];
        let found = || vec![(30, c), (10, b), (20, a), (40, b)];
        assert_eq!(earliest(found(), 3), Matches { span_ids: vec![b, a, c], truncated: false });
        assert_eq!(earliest(found(), 2), Matches { span_ids: vec![b, a], truncated: true });
    }

    #[test]
    fn an_empty_or_endless_text_is_refused() {
        for text in ["", &"x".repeat(MAX_TEXT_BYTES + 1)] {
            assert!(matches!(Needle::new(text), Err(QueryError::Invalid(_))));
        }
        assert!(Needle::new(&"(".repeat(MAX_TEXT_BYTES)).is_ok());
    }
}
