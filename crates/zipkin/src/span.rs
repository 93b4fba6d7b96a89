//! Spans of version 2. (<https://zipkin.io/zipkin-api/#/default/post_spans>)

use std::borrow::Cow;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use serde::{Serialize, Serializer};

use crate::ids;
use crate::tags::Tags;

/// One span as Zipkin sees it, with texts that may be borrowed from what it was read from. It serializes as its JSON, in which
/// what is not set is left out.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Span<'a> {
    /// Not zero. Written with 16 hexadecimal digits if they suffice, else with 32.
    #[serde(serialize_with = "trace_id")]
    pub trace_id: u128,
    #[serde(serialize_with = "some_span_id", skip_serializing_if = "Option::is_none")]
    pub parent_id: Option<u64>,
    /// Not zero. The two sides of a call may share it, see [`Span::shared`].
    #[serde(serialize_with = "span_id")]
    pub id: u64,
    /// What the local endpoint did; `None` for work inside of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<Kind>,
    #[serde(skip_serializing_if = "str::is_empty")]
    pub name: Cow<'a, str>,
    /// Microseconds since the epoch; `None` where another report of the same span knows it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timestamp: Option<u64>,
    /// Microseconds, at least 1; `None` if it is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duration: Option<u64>,
    /// Who recorded the span.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub local_endpoint: Option<Endpoint<'a>>,
    /// The other side of the call.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remote_endpoint: Option<Endpoint<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub annotations: Vec<Annotation<'a>>,
    #[serde(skip_serializing_if = "Tags::is_empty")]
    pub tags: Tags<'a>,
    /// Somebody wanted this trace whatever sampling says.
    #[serde(skip_serializing_if = "is_false")]
    pub debug: bool,
    /// The other side of the call has a span with the same id.
    #[serde(skip_serializing_if = "is_false")]
    pub shared: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Kind {
    Client,
    Server,
    Producer,
    Consumer,
}

/// A service in the network, as far as it is known.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Endpoint<'a> {
    /// Empty if it is not known.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub service_name: Cow<'a, str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ipv4: Option<Ipv4Addr>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ipv6: Option<Ipv6Addr>,
    /// 0 if it is not known.
    #[serde(skip_serializing_if = "is_zero")]
    pub port: u16,
}

/// Something that happened at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Annotation<'a> {
    /// Microseconds since the epoch.
    pub timestamp: u64,
    pub value: Cow<'a, str>,
}

impl Kind {
    pub const ALL: [Kind; 4] = [Kind::Client, Kind::Server, Kind::Producer, Kind::Consumer];

    /// `CLIENT`
    pub const fn as_str(self) -> &'static str {
        match self {
            Kind::Client => "CLIENT",
            Kind::Server => "SERVER",
            Kind::Producer => "PRODUCER",
            Kind::Consumer => "CONSUMER",
        }
    }

    /// In either case; `None` for what is none.
    pub fn from_name(name: &str) -> Option<Kind> {
        Self::ALL.into_iter().find(|kind| kind.as_str().eq_ignore_ascii_case(name))
    }
}

impl Endpoint<'_> {
    /// Nothing is known.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Itself, if anything is known.
    pub(crate) fn some(self) -> Option<Self> {
        Some(self).filter(|endpoint| !endpoint.is_empty())
    }

    /// Sets the address of its family, unless there is one. Whether it was set.
    pub(crate) fn add_address(&mut self, address: IpAddr) -> bool {
        match address.to_canonical() {
            IpAddr::V4(address) if self.ipv4.is_none() => self.ipv4 = Some(address),
            IpAddr::V6(address) if self.ipv6.is_none() => self.ipv6 = Some(address),
            _ => return false,
        }
        true
    }
}

fn trace_id<S: Serializer>(id: &u128, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&ids::TraceId(*id))
}

fn span_id<S: Serializer>(id: &u64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&ids::SpanId(*id))
}

fn some_span_id<S: Serializer>(id: &Option<u64>, serializer: S) -> Result<S::Ok, S::Error> {
    span_id(&id.unwrap_or_default(), serializer)
}

fn is_false(flag: &bool) -> bool {
    !flag
}

fn is_zero(port: &u16) -> bool {
    *port == 0
}
