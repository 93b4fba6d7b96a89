//! A trace as a tree whose spans are known by what they are, not by their ids.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::trace::v1::{Span, TracesData};
use regex::Regex;
use serde::Serialize;
use serde_json::Value;

const SERVICE_NAME: &str = "service.name";

/// Services, names and kinds are compared; ids never.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Identity<'t> {
    pub service: &'t str,
    pub name: &'t str,
    pub kind: &'static str,
}

pub(super) struct Node<'t> {
    pub identity: Identity<'t>,
    pub parent: Option<usize>,
    pub parent_identity: Option<Identity<'t>>,
    /// Among the children of its parent, or the roots.
    index: usize,
    depth: usize,
    pub start: u64,
    pub end: u64,
    /// Nanoseconds; `None` where start or end cannot be true.
    pub duration: Option<i64>,
    pub status: &'static str,
    attributes: &'t [KeyValue],
}

pub(super) struct Tree<'t> {
    pub trace_id: String,
    /// Of all spans, also those whose ids come again.
    pub count: usize,
    /// Each before its children.
    pub nodes: Vec<Node<'t>>,
    pub warnings: Vec<Warning>,
}

/// What makes a comparison less certain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Warning {
    pub code: &'static str,
    pub message: String,
}

pub(super) const HIGH_CARDINALITY: &str = "high_cardinality_span_name";

/// A span with the name of its resource's service.
type Flat<'t> = (&'t Span, &'t str);

impl<'t> Tree<'t> {
    /// `side` is what warnings call the trace.
    pub fn new(trace: &'t TracesData, side: &str) -> Self {
        let mut flat: Vec<Flat<'t>> = Vec::new();
        for resource in &trace.resource_spans {
            let attributes = resource.resource.as_ref().map_or(&[][..], |resource| &resource.attributes);
            let service = text(attributes, SERVICE_NAME).unwrap_or_default();
            flat.extend(resource.scope_spans.iter().flat_map(|scope| &scope.spans).map(|span| (span, service)));
        }
        let trace_id = flat.iter().map(|(span, _)| span.trace_id.as_slice()).find(|id| !id.is_empty()).map(hex::encode);
        let mut warnings = warnings(&flat, side);
        flat.sort_by_key(|(span, _)| (span.start_time_unix_nano, span.span_id.as_slice()));
        let nodes = nodes(&flat);
        let repeated = flat.len() - nodes.len();
        if repeated > 0 {
            warnings.push(Warning {
                code: "duplicate_span_id",
                message: format!(
                    "{side} trace has {repeated} span(s) with duplicate span IDs; duplicates are ignored by the diff and counts \
                     may disagree"
                ),
            });
        }
        Self { trace_id: trace_id.unwrap_or_default(), count: flat.len(), nodes, warnings }
    }

    pub fn path_steps(&self) -> usize {
        self.nodes.iter().map(|node| node.depth + 1).sum()
    }

    /// Indexes among siblings, from a root to the node.
    pub fn path(&self, at: usize) -> Vec<usize> {
        let mut path = Vec::new();
        let mut next = self.nodes.get(at);
        while let Some(node) = next {
            path.push(node.index);
            next = node.parent.and_then(|parent| self.nodes.get(parent));
        }
        path.reverse();
        path
    }
}

impl Node<'_> {
    pub fn attributes(&self) -> BTreeMap<&str, Value> {
        self.attributes.iter().map(|attribute| (attribute.key.as_str(), value(attribute.value.as_ref()))).collect()
    }
}

/// The spans in the order of their start become nodes, parents before children.
fn nodes<'t>(flat: &[Flat<'t>]) -> Vec<Node<'t>> {
    let ids: HashSet<&[u8]> = flat.iter().map(|(span, _)| span.span_id.as_slice()).collect();
    let mut children: HashMap<&[u8], Vec<usize>> = HashMap::new();
    let mut roots = Vec::new();
    for (at, (span, _)) in flat.iter().enumerate() {
        let parent = span.parent_span_id.as_slice();
        match !parent.is_empty() && ids.contains(parent) {
            true => children.entry(parent).or_default().push(at),
            false => roots.push(at),
        }
    }
    let mut nodes: Vec<Node<'t>> = Vec::with_capacity(flat.len());
    let mut visited = HashSet::new();
    let mut next_index: HashMap<Option<usize>, usize> = HashMap::new();
    // What only a cycle of parents leads to becomes further roots.
    for root in roots.into_iter().chain(0..flat.len()) {
        let mut stack = vec![(root, None)];
        while let Some((at, parent)) = stack.pop() {
            let (span, service) = flat[at];
            if !visited.insert(span.span_id.as_slice()) {
                continue;
            }
            let index = next_index.entry(parent).or_default();
            let above = parent.and_then(|parent: usize| nodes.get(parent));
            let node = Node {
                identity: identity(span, service),
                parent,
                parent_identity: above.map(|parent| parent.identity),
                index: *index,
                depth: above.map_or(0, |parent| parent.depth + 1),
                start: span.start_time_unix_nano,
                end: span.end_time_unix_nano,
                duration: duration(span),
                status: status(span),
                attributes: &span.attributes,
            };
            *index += 1;
            nodes.push(node);
            let this = nodes.len() - 1;
            let below = children.get(span.span_id.as_slice()).map_or(&[][..], Vec::as_slice);
            stack.extend(below.iter().rev().map(|child| (*child, Some(this))));
        }
    }
    nodes
}

fn identity<'t>(span: &'t Span, service: &'t str) -> Identity<'t> {
    let own = text(&span.attributes, SERVICE_NAME).filter(|name| !name.is_empty());
    let kind = match span.kind {
        0 => "unspecified",
        1 => "internal",
        2 => "server",
        3 => "client",
        4 => "producer",
        5 => "consumer",
        _ => "",
    };
    Identity { service: own.unwrap_or(service), name: &span.name, kind }
}

fn status(span: &Span) -> &'static str {
    match span.status.as_ref().map_or(0, |status| status.code) {
        0 => "unset",
        1 => "ok",
        2 => "error",
        _ => "",
    }
}

fn duration(span: &Span) -> Option<i64> {
    let nanos = span.end_time_unix_nano.checked_sub(span.start_time_unix_nano)?;
    i64::try_from(nanos).ok().filter(|_| span.start_time_unix_nano > 0)
}

fn warnings(flat: &[Flat<'_>], side: &str) -> Vec<Warning> {
    let mut warnings = Vec::new();
    let identities = || flat.iter().map(|(span, service)| identity(span, service));
    if let Some(Identity { service, name, kind }) = identities().find(|identity| has_token(identity.name)) {
        warnings.push(Warning {
            code: HIGH_CARDINALITY,
            message: format!(
                "the name {name:?} of a span (service {service:?}, kind {kind:?}) seems to hold an id of a request. Names are \
                 compared as they are, so the same operation of another request counts as removed and added; such ids belong in \
                 attributes"
            ),
        });
    }
    let mut invalid: Vec<Identity<'_>> = flat
        .iter()
        .filter(|(span, _)| duration(span).is_none())
        .map(|(span, service)| identity(span, service))
        .collect();
    if !invalid.is_empty() {
        invalid.sort_unstable();
        let mut examples: Vec<String> = invalid
            .iter()
            .take(3)
            .map(|Identity { service, name, kind }| format!("{name:?} service {service:?} kind {kind:?}"))
            .collect();
        if invalid.len() > 3 {
            examples.push(format!("and {} more", invalid.len() - 3));
        }
        warnings.push(Warning {
            code: "invalid_duration",
            message: format!(
                "{side} trace has {} span(s) whose duration is not known; it is null where such a span is compared; examples: [{}]",
                invalid.len(),
                examples.join("; ")
            ),
        });
    }
    warnings
}

/// Long numbers, UUIDs and the like.
fn has_token(name: &str) -> bool {
    static TOKEN: LazyLock<Option<Regex>> =
        LazyLock::new(|| Regex::new(r"(?i)(?-u:\b)(?:[0-9]{6,}|[0-9a-f][0-9a-f-]{7,})(?-u:\b)").ok());
    TOKEN.as_ref().is_some_and(|token| token.is_match(name))
}

fn text<'t>(attributes: &'t [KeyValue], key: &str) -> Option<&'t str> {
    let attribute = attributes.iter().find(|attribute| attribute.key == key)?;
    match attribute.value.as_ref()?.value.as_ref()? {
        Any::StringValue(text) => Some(text),
        _ => None,
    }
}

fn value(value: Option<&AnyValue>) -> Value {
    match value.and_then(|value| value.value.as_ref()) {
        Some(Any::StringValue(text)) => text.as_str().into(),
        Some(Any::BoolValue(flag)) => (*flag).into(),
        Some(Any::IntValue(number)) => (*number).into(),
        Some(Any::DoubleValue(number)) if number.is_nan() => "NaN".into(),
        Some(Any::DoubleValue(f64::INFINITY)) => "+Inf".into(),
        Some(Any::DoubleValue(f64::NEG_INFINITY)) => "-Inf".into(),
        Some(Any::DoubleValue(number)) => (*number).into(),
        Some(Any::ArrayValue(list)) => list.values.iter().map(|one| self::value(Some(one))).collect(),
        Some(Any::KvlistValue(list)) => {
            list.values.iter().map(|member| (member.key.clone(), self::value(member.value.as_ref()))).collect()
        }
        Some(Any::BytesValue(bytes)) => BASE64.encode(bytes).into(),
        Some(Any::StringValueStrindex(_)) | None => Value::Null,
    }
}
