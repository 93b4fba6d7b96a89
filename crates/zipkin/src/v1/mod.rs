//! Spans of version 1, in which annotations with short names say what happened where.
//! (<https://zipkin.io/zipkin-api/zipkin-api.yaml>, `zipkinCore.thrift` of `openzipkin/zipkin-api`.)

use std::borrow::Cow;

use trefoil_model::wire::otlp::Any;

use crate::span::{Annotation as PlainAnnotation, Endpoint, Kind, Span as V2Span};
use crate::to_otlp::Incoming;

pub(crate) mod json;
pub(crate) mod thrift;

#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Span<'a> {
    pub trace_id: u128,
    pub parent_id: Option<u64>,
    pub id: u64,
    pub name: Cow<'a, str>,
    /// Microseconds.
    pub timestamp: Option<u64>,
    pub duration: Option<u64>,
    pub annotations: Vec<Annotation<'a>>,
    pub binary_annotations: Vec<BinaryAnnotation<'a>>,
    pub debug: bool,
}

#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Annotation<'a> {
    /// Microseconds.
    pub timestamp: u64,
    pub value: Cow<'a, str>,
    pub endpoint: Option<Endpoint<'a>>,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct BinaryAnnotation<'a> {
    pub key: Cow<'a, str>,
    pub value: Value<'a>,
    pub endpoint: Option<Endpoint<'a>>,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value<'a> {
    Text(Cow<'a, str>),
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

/// A span as spans of version 2: one for each side that wrote into it, of which the following ones are shared.
pub(crate) fn sides(span: Span<'_>) -> Vec<Incoming<'_>> {
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
        let side = side_of(&sides, annotation.endpoint.as_ref());
        sides[side].span.annotations.push(plain);
    }
    let mut local_component = None;
    let mut tags = vec![Vec::new(); sides.len()];
    for binary in span.binary_annotations {
        if let Some(binary) = take_address(binary, &mut sides) {
            if binary.key == "lc" && local_component.is_none() {
                local_component = binary.value.as_text().filter(|name| !name.is_empty()).cloned();
            }
            let BinaryAnnotation { key, value, endpoint } = binary;
            // OpenTracing's name.
            let key = if key == "lc" { "component".into() } else { key };
            let side = side_of(&sides, endpoint.as_ref());
            match value {
                Value::Text(text) if text.is_empty() && key == "component" => {}
                Value::Text(text) => tags[side].push((key, text)),
                typed => drop(sides[side].typed.insert(key, typed)),
            }
        }
    }
    for (side, tags) in sides.iter_mut().zip(tags) {
        side.span.tags = tags.into();
    }
    if let [Incoming { span: V2Span { local_endpoint: local @ None, .. }, .. }] = &mut sides[..] {
        let component = local_component.map(|service_name| Endpoint { service_name, ..Endpoint::default() });
        *local = fallback.or(component);
    }
    sides
}

/// What one role wrote, if anything. What the times of the side do not say is left in `annotations`.
fn side<'s, 'a>(
    role: &Role,
    span: &'s Span<'a>,
    ids: &V2Span<'a>,
    is_first: bool,
    annotations: &mut Vec<&'s Annotation<'a>>,
) -> Option<V2Span<'a>> {
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
fn fallback_endpoint<'a>(span: &Span<'a>) -> Option<Endpoint<'a>> {
    let annotations = span.annotations.iter().filter_map(|annotation| annotation.endpoint.as_ref());
    let is_own = |binary: &&BinaryAnnotation| !ROLES.iter().any(|role| role.other == binary.key);
    let binary = span.binary_annotations.iter().filter(is_own).filter_map(|binary| binary.endpoint.as_ref());
    annotations.chain(binary).find(|endpoint| !endpoint.service_name.is_empty()).cloned()
}

/// Which is the side of the service, or the first. There is always one.
fn side_of(sides: &[Incoming<'_>], endpoint: Option<&Endpoint<'_>>) -> usize {
    let is_same = |side: &Incoming<'_>| match (&side.span.local_endpoint, endpoint) {
        (Some(local), Some(endpoint)) => local.service_name == endpoint.service_name,
        _ => false,
    };
    sides.iter().position(is_same).unwrap_or(0)
}

/// Takes an annotation that says where the other side is; gives back any other.
fn take_address<'a>(binary: BinaryAnnotation<'a>, sides: &mut [Incoming<'a>]) -> Option<BinaryAnnotation<'a>> {
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

impl<'a> Value<'a> {
    fn as_text(&self) -> Option<&Cow<'a, str>> {
        match self {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    pub fn as_any(&self) -> Any<'_> {
        match self {
            Value::Text(text) => Any::String(text),
            Value::Bool(flag) => Any::Bool(*flag),
            Value::Int(number) => Any::Int(*number),
            Value::Double(number) => Any::Double(*number),
            Value::Bytes(bytes) => Any::Bytes(bytes),
        }
    }
}
