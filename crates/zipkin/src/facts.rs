//! What a span says beside its tags and has no field for in OTLP: attributes that win over tags of the same names.

use std::net::IpAddr;

use trefoil_model::wire::otlp::{Any, attribute, field};

use crate::names::{self, EndpointNames};
use crate::span::Endpoint;
use crate::to_otlp::Incoming;
use crate::v1::Value;

#[derive(Debug, Clone, Copy)]
pub(crate) enum Fact<'a> {
    Text(&'a str),
    Address(IpAddr),
    Port(u16),
    True,
    /// Of version 1.
    Typed(&'a Value<'a>),
}

/// Sorted by name, each of which is there once.
pub(crate) fn facts<'a>(incoming: &'a Incoming<'a>) -> Vec<(&'a str, Fact<'a>)> {
    let Incoming { span, typed } = incoming;
    let mut facts: Vec<_> = typed.iter().map(|(name, value)| (&**name, Fact::Typed(value))).collect();
    add_endpoint(&mut facts, span.local_endpoint.as_ref(), &names::LOCAL);
    add_endpoint(&mut facts, span.remote_endpoint.as_ref(), &names::REMOTE);
    let flags =
        [(names::SHARED, span.shared), (names::DEBUG, span.debug), (names::START_ABSENT, span.timestamp.is_none())];
    facts.extend(flags.into_iter().filter(|(_, holds)| *holds).map(|(name, _)| (name, Fact::True)));

    facts.sort_by_key(|(name, _)| *name);
    // The later ones are the better ones.
    facts.dedup_by(|later, earlier| {
        let is_same = later.0 == earlier.0;
        if is_same {
            *earlier = *later;
        }
        is_same
    });
    facts
}

fn add_endpoint<'a>(
    facts: &mut Vec<(&'a str, Fact<'a>)>,
    endpoint: Option<&'a Endpoint<'a>>,
    names: &'static EndpointNames,
) {
    let Some(endpoint) = endpoint else { return };
    if let Some(name) = names.service.first().filter(|_| !endpoint.service_name.is_empty()) {
        facts.push((name, Fact::Text(&endpoint.service_name)));
    }
    let addresses = endpoint.ipv4.map(IpAddr::from).into_iter().chain(endpoint.ipv6.map(IpAddr::from));
    facts.extend(names.address.iter().zip(addresses).map(|(name, address)| (*name, Fact::Address(address))));
    if endpoint.port > 0 {
        facts.push((names.port[0], Fact::Port(endpoint.port)));
    }
}

impl Fact<'_> {
    /// Appends it to a span as an attribute.
    pub fn write(self, out: &mut Vec<u8>, name: &str) {
        let mut write = |value: Any<'_>| attribute(out, field::span::ATTRIBUTES, name, value);
        match self {
            Fact::Text(text) => write(Any::String(text)),
            Fact::Address(address) => write(Any::String(&address.to_string())),
            Fact::Port(port) => write(Any::Int(port.into())),
            Fact::True => write(Any::Bool(true)),
            Fact::Typed(value) => write(value.as_any()),
        }
    }
}
