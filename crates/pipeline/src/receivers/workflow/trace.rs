//! The trace of an instance: a root span for the instance and a span for each state, a pure function of the events that are known.
//! The order in which they came, and how often, makes no difference.
//!
//! Rows of the store do not change. What changes while a workflow runs is written again, as a later version of the same span
//! (`trefoil_model::versions`); readers see the last.

use std::collections::HashMap;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::common::v1::{AnyValue, ArrayValue, InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::span::{Link, SpanKind};
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, Status};
use serde_json::Value;
use sha2::{Digest, Sha256};
use trefoil_model::{Tenant, versions};

use super::caller::{Caller, bytes};
use super::change::{Change, Subject};

const SCOPE: &str = "trefoil.workflow";

/// All that is known of an instance.
#[derive(Debug, Clone, PartialEq)]
pub struct Instance {
    pub tenant: Tenant,
    pub subject: Subject,
    /// In the order in which they came, each event once.
    pub changes: Vec<Change>,
    /// So many of them were known when its spans were last taken by the pipelines.
    pub delivered: usize,
    /// Nothing was heard of it for so long that it is given up.
    pub is_abandoned: bool,
    /// When it is looked at, in nanoseconds since the epoch: until then lasts what runs.
    pub now: u64,
}

/// A span and the resource that it belongs to.
#[derive(Debug, Clone, PartialEq)]
pub struct Placed {
    pub service: String,
    pub namespace: Option<String>,
    pub span: Span,
}

impl Instance {
    pub fn trace_id(&self) -> Vec<u8> {
        match self.subject.joins.as_str() {
            "" => self.digest("trace", "")[..16].to_vec(),
            joins => bytes(joins),
        }
    }

    fn root_id(&self) -> Vec<u8> {
        self.digest("instance", "")[..8].to_vec()
    }

    fn state_id(&self, event: &str) -> Vec<u8> {
        self.digest("state", event)[..8].to_vec()
    }

    /// The same for ever: ids in stored traces depend on it.
    fn digest(&self, what: &str, event: &str) -> [u8; 32] {
        let Subject { source, instance, joins } = &self.subject;
        let mut digest = Sha256::new();
        for part in ["trefoil.workflow", what, self.tenant.as_str(), source, instance, joins, event] {
            digest.update((part.len() as u64).to_be_bytes());
            digest.update(part.as_bytes());
        }
        digest.finalize().into()
    }

    /// Whether the last state is one in which workflows end.
    pub fn is_finished(&self) -> bool {
        self.changes.iter().max_by(|a, b| a.order().cmp(&b.order())).is_some_and(|last| last.is_final)
    }

    /// Spans as they are now, the root first.
    pub fn spans(&self) -> Vec<Placed> {
        let mut spans = self.spans_of(&self.changes, self.is_abandoned, self.now);
        let version = self.changes.len() as u64 + u64::from(self.is_abandoned);
        for Placed { span, .. } in &mut spans {
            span.trace_state = versions::stamped(&span.trace_state, version);
        }
        spans
    }

    /// Those of them that the pipelines have not taken yet, or that have changed since by more than that time went on.
    pub fn news(&self) -> Vec<Placed> {
        let taken = self.spans_of(&self.changes[..self.delivered.min(self.changes.len())], false, 0);
        let taken: HashMap<&[u8], &Placed> =
            taken.iter().map(|placed| (placed.span.span_id.as_slice(), placed)).collect();
        let whole = self.spans_of(&self.changes, self.is_abandoned, 0);
        let mut news = whole.iter().map(|placed| taken.get(placed.span.span_id.as_slice()) != Some(&placed));
        let mut spans = self.spans();
        spans.retain(|_| news.next().unwrap_or_default());
        spans
    }

    /// Those that run, for which time goes on.
    pub fn running(&self) -> Vec<Placed> {
        let whole = self.spans_of(&self.changes, self.is_abandoned, 0);
        let mut ends = whole.iter().map(|placed| placed.span.end_time_unix_nano);
        let mut spans = self.spans();
        spans.retain(|placed| ends.next() != Some(placed.span.end_time_unix_nano));
        spans
    }

    /// The root first. What runs lasts until its last event, or `now` if that is later.
    fn spans_of(&self, changes: &[Change], is_abandoned: bool, now: u64) -> Vec<Placed> {
        let mut changes: Vec<&Change> = changes.iter().collect();
        changes.sort_by(|a, b| a.order().cmp(&b.order()));
        let (Some(first), Some(last)) = (changes.first(), changes.last()) else { return Vec::new() };
        let is_running = !last.is_final && !is_abandoned;
        let mut spans = vec![self.root(&changes, first, last, is_running, is_abandoned)];
        let nexts = changes.iter().skip(1).map(Some).chain([None]);
        spans.extend(changes.iter().zip(nexts).map(|(change, next)| {
            let end = match next {
                Some(next) if !change.is_final => next.time,
                // Where it ends there is no time to pass.
                _ => change.time,
            };
            self.state(change, end, is_running && next.is_none())
        }));
        if is_running {
            let open = [0, spans.len() - 1];
            for place in open {
                let end = &mut spans[place].span.end_time_unix_nano;
                *end = (*end).max(now);
            }
        }
        spans
    }

    fn root(&self, changes: &[&Change], first: &Change, last: &Change, is_running: bool, is_abandoned: bool) -> Placed {
        let caller = changes.iter().find_map(|change| change.caller.as_ref());
        let joined = caller.filter(|_| self.joins());
        let mut attributes = self.attributes(last);
        attributes.push(text("workflow.name", &first.workflow));
        attributes.push(pair("workflow.states", Any::IntValue(i64::try_from(changes.len()).unwrap_or(i64::MAX))));
        attributes.extend(is_running.then(|| pair("workflow.running", Any::BoolValue(true))));
        attributes.extend(is_abandoned.then(|| pair("workflow.abandoned", Any::BoolValue(true))));
        let span = Span {
            trace_id: self.trace_id(),
            span_id: self.root_id(),
            parent_span_id: joined.map(|caller| bytes(&caller.span_id)).unwrap_or_default(),
            trace_state: joined.map(|caller| caller.state.clone()).unwrap_or_default(),
            name: first.workflow.clone(),
            kind: SpanKind::Internal as i32,
            start_time_unix_nano: first.time,
            end_time_unix_nano: last.time,
            attributes,
            links: self.links(caller),
            status: status(last),
            ..Span::default()
        };
        Placed { service: first.service.clone(), namespace: first.namespace.clone(), span }
    }

    fn state(&self, change: &Change, end: u64, is_running: bool) -> Placed {
        let mut attributes = self.attributes(change);
        attributes.push(text("cloudevents.event_id", &change.id));
        attributes.push(text("cloudevents.event_type", &change.kind));
        attributes.extend(is_running.then(|| pair("workflow.running", Any::BoolValue(true))));
        attributes.extend(change.attributes.iter().map(|(name, value)| pair(name, any(value))));
        let span = Span {
            trace_id: self.trace_id(),
            span_id: self.state_id(&change.id),
            parent_span_id: self.root_id(),
            name: change.state.clone(),
            kind: SpanKind::Internal as i32,
            start_time_unix_nano: change.time,
            end_time_unix_nano: end,
            attributes,
            dropped_attributes_count: change.dropped,
            links: self.links(change.caller.as_ref()),
            status: status(change),
            ..Span::default()
        };
        Placed { service: change.service.clone(), namespace: change.namespace.clone(), span }
    }

    fn joins(&self) -> bool {
        !self.subject.joins.is_empty()
    }

    fn links(&self, caller: Option<&Caller>) -> Vec<Link> {
        let link = |caller: &Caller| Link {
            trace_id: bytes(&caller.trace_id),
            span_id: bytes(&caller.span_id),
            trace_state: caller.state.clone(),
            ..Link::default()
        };
        caller.filter(|_| !self.joins()).map(link).into_iter().collect()
    }

    /// What the root and the states have.
    fn attributes(&self, change: &Change) -> Vec<KeyValue> {
        vec![
            text("workflow.instance", &self.subject.instance),
            text("workflow.state", &change.state),
            text("cloudevents.event_source", &self.subject.source),
        ]
    }
}

fn status(change: &Change) -> Option<Status> {
    change.is_error.then(|| Status { code: StatusCode::Error as i32, message: change.state.clone() })
}

/// What tells resources apart: `service.name` and `service.namespace`.
type Owner = (String, Option<String>);

/// One export request of spans, by resource.
pub fn request(spans: Vec<Placed>) -> ExportTraceServiceRequest {
    let mut groups: Vec<(Owner, Vec<Span>)> = Vec::new();
    let mut places: HashMap<Owner, usize> = HashMap::new();
    for Placed { service, namespace, span } in spans {
        let owner = (service, namespace);
        let place = *places.entry(owner.clone()).or_insert(groups.len());
        if place == groups.len() {
            groups.push((owner, Vec::new()));
        }
        groups[place].1.push(span);
    }
    ExportTraceServiceRequest { resource_spans: groups.into_iter().map(of_resource).collect() }
}

fn of_resource(((service, namespace), spans): (Owner, Vec<Span>)) -> ResourceSpans {
    let mut attributes = vec![text("service.name", &service)];
    attributes.extend(namespace.map(|namespace| text("service.namespace", &namespace)));
    let scope = InstrumentationScope { name: SCOPE.to_owned(), ..InstrumentationScope::default() };
    ResourceSpans {
        resource: Some(Resource { attributes, ..Resource::default() }),
        scope_spans: vec![ScopeSpans { scope: Some(scope), spans, ..ScopeSpans::default() }],
        ..ResourceSpans::default()
    }
}

fn text(name: &str, value: &str) -> KeyValue {
    pair(name, Any::StringValue(value.to_owned()))
}

fn pair(name: &str, value: Any) -> KeyValue {
    KeyValue { key: name.to_owned(), value: Some(AnyValue { value: Some(value) }), ..KeyValue::default() }
}

/// Lists of plain values stay lists; what is deeper is its JSON.
fn any(value: &Value) -> Any {
    match value {
        Value::Null => Any::StringValue(String::new()),
        Value::Bool(value) => Any::BoolValue(*value),
        Value::Number(number) => match number.as_i64() {
            Some(integer) => Any::IntValue(integer),
            None => Any::DoubleValue(number.as_f64().unwrap_or(f64::NAN)),
        },
        Value::String(value) => Any::StringValue(value.clone()),
        Value::Array(items)
            if !items.iter().any(|item| matches!(item, Value::Null | Value::Array(_) | Value::Object(_))) =>
        {
            let values = items.iter().map(|item| AnyValue { value: Some(any(item)) }).collect();
            Any::ArrayValue(ArrayValue { values })
        }
        other => Any::StringValue(other.to_string()),
    }
}
