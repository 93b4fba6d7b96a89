//! Spans of version 1, in which annotations with short names say what happened where.
//! (<https://zipkin.io/zipkin-api/zipkin-api.yaml>, `zipkinCore.thrift` of `openzipkin/zipkin-api`.)

use opentelemetry_proto::tonic::common::v1::AnyValue;

use crate::any_value;
use crate::problem::Problem;
use crate::span::{Annotation as PlainAnnotation, Endpoint, Kind, Span as V2Span};
use crate::to_otlp::Incoming;

pub(crate) mod json;
pub(crate) mod thrift;

#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Span {
    pub trace_id: u128,
    pub parent_id: Option<u64>,
    pub id: u64,
    pub name: String,
    /// Microseconds.
    pub timestamp: Option<u64>,
    pub duration: Option<u64>,
    pub annotations: Vec<Annotation>,
    pub binary_annotations: Vec<BinaryAnnotation>,
    pub debug: bool,
}

#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Annotation {
    /// Microseconds.
    pub timestamp: u64,
    pub value: String,
    pub endpoint: Option<Endpoint>,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct BinaryAnnotation {
    pub key: String,
    pub value: Value,
    pub endpoint: Option<Endpoint>,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    Text(String),
    Bool(bool),
    Int(i64),
    Double(f64),
    Bytes(Vec<u8>),
}

/// What one side of a call writes into a span.
struct Role {
    kind: Kind,
    /// The annotation at which its part begins, and the one at which it ends.
    begin: &'static str,
    end: &'static str,
    /// The binary annotation with the endpoint of the other side.
    other: &'static str,
    /// Whether it has its ids from the other side.
    follows: bool,
}

/// The side whose times the span itself has comes first.
const ROLES: [Role; 4] = [
    Role { kind: Kind::Client, begin: "cs", end: "cr", other: "sa", follows: false },
    Role { kind: Kind::Server, begin: "sr", end: "ss", other: "ca", follows: true },
    Role { kind: Kind::Producer, begin: "ms", end: "", other: "ma", follows: false },
    Role { kind: Kind::Consumer, begin: "mr", end: "", other: "ma", follows: true },
];

/// Hands over a span as spans of version 2: one for each side that wrote into it, of which the following ones are shared.
pub(crate) fn split(span: Result<Span, Problem>, mut each: impl FnMut(Result<Incoming, Problem>)) {
    match span {
        Err(problem) => each(Err(problem)),
        Ok(span) => sides(span).into_iter().for_each(|side| each(Ok(side))),
    }
}

fn sides(span: Span) -> Vec<Incoming> {
    let ids = V2Span {
        trace_id: span.trace_id,
        parent_id: span.parent_id,
        id: span.id,
        name: span.name.clone(),
        debug: span.debug,
        ..V2Span::default()
    };
    let mut stand_for_themselves: Vec<&Annotation> = span.annotations.iter().collect();
    let mut sides: Vec<Incoming> = Vec::new();
    for role in &ROLES {
        if let Some(side) = side(role, &span, &ids, sides.is_empty(), &mut stand_for_themselves) {
            sides.push(Incoming::from(V2Span { shared: role.follows && !sides.is_empty(), ..side }));
        }
    }
    if sides.is_empty() {
        sides.push(Incoming::from(V2Span { timestamp: span.timestamp, duration: span.duration, ..ids }));
    }

    let fallback = fallback_endpoint(&span);
    for annotation in stand_for_themselves {
        let plain = PlainAnnotation { timestamp: annotation.timestamp, value: annotation.value.clone() };
        side_of(&mut sides, annotation.endpoint.as_ref()).span.annotations.push(plain);
    }
    let mut local_component = None;
    for binary in span.binary_annotations {
        if let Some(binary) = take_address(binary, &mut sides) {
            if binary.key == "lc" && local_component.is_none() {
                local_component = binary.value.as_text().filter(|name| !name.is_empty()).map(str::to_owned);
            }
            add_tag(binary, &mut sides);
        }
    }
    if let [Incoming { span: V2Span { local_endpoint: local @ None, .. }, .. }] = &mut sides[..] {
        let component = local_component.map(|service_name| Endpoint { service_name, ..Endpoint::default() });
        *local = fallback.or(component);
    }
    sides
}

/// What one role wrote, if anything. What the times of the side do not say is left in `annotations`.
fn side<'a>(
    role: &Role,
    span: &'a Span,
    ids: &V2Span,
    is_first: bool,
    annotations: &mut Vec<&'a Annotation>,
) -> Option<V2Span> {
    let first = |value: &str| {
        let is = |annotation: &&Annotation| !value.is_empty() && annotation.value == value;
        span.annotations.iter().find(is)
    };
    let (begin, end) = (first(role.begin), first(role.end));
    let any = begin.or(end)?;
    let pair = begin.zip(end).filter(|(begin, end)| begin.timestamp <= end.timestamp);
    let mut timestamp = begin.map(|begin| begin.timestamp);
    let mut duration = pair.map(|(begin, end)| end.timestamp - begin.timestamp);
    if is_first {
        (timestamp, duration) = (span.timestamp.or(timestamp), span.duration.or(duration));
    }
    // A pair is told by the times even where clients round them otherwise.
    let told: Vec<&Annotation> = match pair {
        Some((begin, end)) => vec![begin, end],
        None => begin.filter(|begin| timestamp == Some(begin.timestamp)).into_iter().collect(),
    };
    annotations.retain(|annotation| !told.iter().any(|told| std::ptr::eq(*told, *annotation)));
    Some(V2Span {
        kind: Some(role.kind),
        timestamp: timestamp.filter(|time| *time > 0),
        duration: duration.filter(|time| *time > 0),
        local_endpoint: any.endpoint.clone().or_else(|| end.and_then(|end| end.endpoint.clone())),
        ..ids.clone()
    })
}

/// The endpoint of a span in which no side of a call says its own.
fn fallback_endpoint(span: &Span) -> Option<Endpoint> {
    let annotations = span.annotations.iter().filter_map(|annotation| annotation.endpoint.as_ref());
    let is_own = |binary: &&BinaryAnnotation| !ROLES.iter().any(|role| role.other == binary.key);
    let binary = span.binary_annotations.iter().filter(is_own).filter_map(|binary| binary.endpoint.as_ref());
    annotations.chain(binary).find(|endpoint| !endpoint.service_name.is_empty()).cloned()
}

/// The side of the service, or the first. There is always one.
fn side_of<'a>(sides: &'a mut [Incoming], endpoint: Option<&Endpoint>) -> &'a mut Incoming {
    let is_same = |side: &Incoming| match (&side.span.local_endpoint, endpoint) {
        (Some(local), Some(endpoint)) => local.service_name == endpoint.service_name,
        _ => false,
    };
    let index = sides.iter().position(is_same).unwrap_or(0);
    &mut sides[index]
}

/// Takes an annotation that says where the other side is; gives back any other.
fn take_address(binary: BinaryAnnotation, sides: &mut [Incoming]) -> Option<BinaryAnnotation> {
    let is_address = binary.value == Value::Bool(true) && ROLES.iter().any(|role| role.other == binary.key);
    let Some(endpoint) = binary.endpoint.as_ref().filter(|_| is_address) else { return Some(binary) };
    let tells = |kind: Kind| ROLES.iter().any(|role| role.kind == kind && role.other == binary.key);
    let index = sides.iter().position(|side| side.span.kind.is_some_and(tells));
    let span = match index {
        Some(index) => &mut sides[index].span,
        // Nobody says who wrote it: then it is whoever has such another side.
        None if sides.len() == 1 && sides[0].span.kind.is_none() => {
            sides[0].span.kind = ROLES.iter().find(|role| role.other == binary.key).map(|role| role.kind);
            &mut sides[0].span
        }
        // The own address of the only side.
        None => {
            let span = &mut sides[0].span;
            if span.local_endpoint.is_none() {
                span.local_endpoint = Some(endpoint.clone());
                return None;
            }
            if span.local_endpoint.as_ref() == Some(endpoint) {
                return None;
            }
            return Some(binary);
        }
    };
    if span.remote_endpoint.is_some() {
        return Some(binary);
    }
    span.remote_endpoint = Some(endpoint.clone());
    None
}

fn add_tag(binary: BinaryAnnotation, sides: &mut [Incoming]) {
    let BinaryAnnotation { key, value, endpoint } = binary;
    // OpenTracing's name.
    let key = if key == "lc" { "component".to_owned() } else { key };
    let side = side_of(sides, endpoint.as_ref());
    match value {
        Value::Text(text) if text.is_empty() && key == "component" => {}
        Value::Text(text) => drop(side.span.tags.insert(key, text)),
        typed => drop(side.typed.insert(key, typed.into())),
    }
}

impl Value {
    fn as_text(&self) -> Option<&str> {
        match self {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }
}

impl From<Value> for AnyValue {
    fn from(value: Value) -> Self {
        match value {
            Value::Text(text) => any_value::string(text),
            Value::Bool(flag) => any_value::bool(flag),
            Value::Int(number) => any_value::int(number),
            Value::Double(number) => any_value::double(number),
            Value::Bytes(bytes) => any_value::bytes(bytes),
        }
    }
}
