//! What travels between components: one OTLP export request of one tenant, and the answer that comes back.
//!
//! A [`Payload`] keeps the wire bytes as long as nobody changed the message, so that the durable log and OTLP exporters
//! need not encode again. Whatever waits (batches, queues) holds bytes, not messages.

use std::sync::OnceLock;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use prost::Message as _;
use thiserror::Error;
use trefoil_model::wire::Reader;
use trefoil_model::{Signal, Tenant};

use crate::receivers::prometheusremotewrite::WriteRequest;
use crate::receivers::prometheusremotewrite::write::consume_as_otlp;

pub mod count;

/// One export request of one tenant.
#[derive(Debug, Clone)]
pub struct Telemetry {
    pub tenant: Tenant,
    pub payload: Payload,
    pub origin: Origin,
}

impl Telemetry {
    pub fn new(tenant: Tenant, payload: Payload) -> Self {
        Self { tenant, payload, origin: Origin::default() }
    }

    pub fn signal(&self) -> Signal {
        self.payload.signal()
    }
}

/// What the receiver knows of the request beside its body: the Collector's `client.Info`, which processors reach by
/// `metadata_keys` and `from_context`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Origin {
    /// HTTP headers or gRPC metadata in lower case, only those that the receiver keeps (`include_metadata: true`).
    pub metadata: std::sync::Arc<Vec<(String, String)>>,
    /// The peer's address (`client.address`), if there is one.
    pub address: Option<std::net::SocketAddr>,
}

impl Origin {
    /// All values of a metadata key; keys compare without case.
    pub fn values<'a>(&'a self, key: &'a str) -> impl Iterator<Item = &'a str> + 'a {
        self.metadata.iter().filter(move |(name, _)| name.eq_ignore_ascii_case(key)).map(|(_, value)| value.as_str())
    }
}

/// An OTLP export request, decoded.
#[derive(Debug, Clone, PartialEq)]
pub enum Message {
    Traces(ExportTraceServiceRequest),
    Metrics(ExportMetricsServiceRequest),
    Logs(ExportLogsServiceRequest),
}

impl Message {
    pub fn decode(signal: Signal, bytes: &[u8]) -> Result<Self, Malformed> {
        let message = match signal {
            Signal::Traces => ExportTraceServiceRequest::decode(bytes).map(Message::Traces),
            Signal::Metrics => ExportMetricsServiceRequest::decode(bytes).map(Message::Metrics),
            Signal::Logs => ExportLogsServiceRequest::decode(bytes).map(Message::Logs),
        };
        message.map_err(|error| Malformed { signal, reason: error.to_string() })
    }

    pub fn encode(&self) -> Bytes {
        let bytes = match self {
            Message::Traces(request) => request.encode_to_vec(),
            Message::Metrics(request) => request.encode_to_vec(),
            Message::Logs(request) => request.encode_to_vec(),
        };
        bytes.into()
    }

    pub const fn signal(&self) -> Signal {
        match self {
            Message::Traces(_) => Signal::Traces,
            Message::Metrics(_) => Signal::Metrics,
            Message::Logs(_) => Signal::Logs,
        }
    }
}

/// The bytes are not an OTLP export request of the signal.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("the body is not an OTLP {signal} export request: {reason}")]
pub struct Malformed {
    pub signal: Signal,
    pub reason: String,
}

impl From<Malformed> for Refused {
    fn from(malformed: Malformed) -> Self {
        Refused::Invalid(malformed.to_string())
    }
}

/// An OTLP export request as wire bytes (protobuf), as a message, or both. Both, when there, say the same.
#[derive(Debug, Clone)]
pub struct Payload {
    signal: Signal,
    bytes: Option<Bytes>,
    message: Option<Message>,
    /// Spans, log records or data points, once somebody asked: receivers, batches, queues and exporters all do.
    items: OnceLock<u64>,
}

impl Payload {
    /// Takes the protobuf body of an export request as received; nothing is checked yet.
    pub fn from_bytes(signal: Signal, bytes: Bytes) -> Self {
        Self { signal, bytes: Some(bytes), message: None, items: OnceLock::new() }
    }

    pub fn from_message(message: Message) -> Self {
        Self { signal: message.signal(), bytes: None, message: Some(message), items: OnceLock::new() }
    }

    /// For who put the payload together and knows how many items are in it.
    pub(crate) fn with_items(self, items: u64) -> Self {
        Self { items: items.into(), ..self }
    }

    pub const fn signal(&self) -> Signal {
        self.signal
    }

    /// The wire bytes; encodes once if a processor changed the message. Clones of the result share the memory.
    pub fn bytes(&mut self) -> Bytes {
        if let Some(bytes) = &self.bytes {
            return bytes.clone();
        }
        let bytes = self.message.as_ref().map(Message::encode).unwrap_or_default();
        self.bytes = Some(bytes.clone());
        bytes
    }

    pub fn into_bytes(mut self) -> Bytes {
        self.bytes()
    }

    /// Encodes if needed and drops the message: the form in which telemetry waits and is shared.
    pub fn into_shared(mut self) -> Self {
        self.bytes();
        Self { message: None, ..self }
    }

    /// Decodes on the first call.
    pub fn message(&mut self) -> Result<&Message, Malformed> {
        self.decoded().map(|message| &*message)
    }

    /// For changing the message: the bytes are dropped, because they no longer say the same.
    pub fn message_mut(&mut self) -> Result<&mut Message, Malformed> {
        self.decoded()?;
        self.bytes = None;
        self.items = OnceLock::new();
        self.decoded()
    }

    pub fn into_message(mut self) -> Result<Message, Malformed> {
        match self.message.take() {
            Some(message) => Ok(message),
            None => Message::decode(self.signal, self.bytes.as_deref().unwrap_or_default()),
        }
    }

    fn decoded(&mut self) -> Result<&mut Message, Malformed> {
        let message = match self.message.take() {
            Some(message) => message,
            None => Message::decode(self.signal, self.bytes.as_deref().unwrap_or_default())?,
        };
        Ok(self.message.insert(message))
    }

    /// The number of spans, log records or data points, without decoding; what cannot be read counts as nothing.
    /// Counted on the first call.
    pub fn items(&self) -> u64 {
        *self.items.get_or_init(|| match (&self.message, &self.bytes) {
            (Some(message), _) => count::in_message(message),
            (None, Some(bytes)) => count::in_bytes(self.signal, bytes),
            (None, None) => 0,
        })
    }

    /// Whether the bytes are whole fields from beginning to end. Only such payloads may be joined by appending their bytes:
    /// a cut-off field would swallow what follows.
    pub fn is_whole(&self) -> bool {
        self.message.is_some() || self.bytes.as_ref().is_some_and(|bytes| Reader::new(bytes).all(|field| field.is_ok()))
    }

    /// The size in bytes: exact on the wire, or as it would be encoded.
    pub fn size(&self) -> usize {
        match (&self.bytes, &self.message) {
            (Some(bytes), _) => bytes.len(),
            (None, Some(Message::Traces(request))) => request.encoded_len(),
            (None, Some(Message::Metrics(request))) => request.encoded_len(),
            (None, Some(Message::Logs(request))) => request.encoded_len(),
            (None, None) => 0,
        }
    }
}

/// Takes telemetry; returns when it is safe (durable, or accepted by whoever is downstream), never before.
#[async_trait]
pub trait Consumer: Send + Sync {
    async fn consume(&self, telemetry: Telemetry) -> Result<Accepted, Refused>;

    /// Takes a request of Prometheus' remote write. Who does not look inside passes it on, so that the store gets it as it
    /// was sent; anybody else consumes it as OTLP. What of it cannot be taken is rejected in the answer.
    async fn consume_write(&self, request: WriteRequest) -> Result<Accepted, Refused> {
        consume_as_otlp(self, request).await
    }
}

/// The request was taken; `rejected` items of it were not (OTLP's partial success) for the reason in `message`.
/// A message with no rejected items is a warning.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Accepted {
    pub rejected: u64,
    pub message: Option<String>,
}

impl Accepted {
    pub fn all() -> Self {
        Self::default()
    }

    /// The answer for two halves of one request.
    pub fn and(self, other: Accepted) -> Accepted {
        let message = match (self.message, other.message) {
            (Some(mine), Some(theirs)) if mine != theirs => Some(format!("{mine}; {theirs}")),
            (mine, theirs) => mine.or(theirs),
        };
        Accepted { rejected: self.rejected.saturating_add(other.rejected), message }
    }
}

/// Nothing of the request was taken.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Refused {
    /// The sender must not retry: HTTP 400, gRPC INVALID_ARGUMENT.
    #[error("{0}")]
    Invalid(String),
    /// Something downstream does not work for now: HTTP 503, gRPC UNAVAILABLE, with `RetryInfo` if a delay is given.
    #[error("{reason}")]
    Unavailable { reason: String, retry_after: Option<Duration> },
    /// A limit is reached: HTTP 429, gRPC RESOURCE_EXHAUSTED with `RetryInfo` (which is what makes it retryable).
    #[error("{reason}")]
    Overloaded { reason: String, retry_after: Option<Duration> },
}

impl Refused {
    pub fn unavailable(reason: impl Into<String>) -> Self {
        Refused::Unavailable { reason: reason.into(), retry_after: None }
    }

    pub fn overloaded(reason: impl Into<String>, retry_after: Duration) -> Self {
        Refused::Overloaded { reason: reason.into(), retry_after: Some(retry_after) }
    }

    /// Whether the same request may succeed later.
    pub const fn is_retryable(&self) -> bool {
        !matches!(self, Refused::Invalid(_))
    }

    pub const fn retry_after(&self) -> Option<Duration> {
        match self {
            Refused::Invalid(_) => None,
            Refused::Unavailable { retry_after, .. } | Refused::Overloaded { retry_after, .. } => *retry_after,
        }
    }
}
