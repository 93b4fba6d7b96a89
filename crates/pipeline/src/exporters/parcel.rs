//! What exporters that talk to other systems handle: one request as protobuf bytes, and whoever sends it.

use async_trait::async_trait;
use bytes::Bytes;
use trefoil_model::{Signal, Tenant};

use crate::telemetry::{Accepted, Refused, Telemetry};

/// One export request on its way out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parcel {
    pub tenant: Tenant,
    pub signal: Signal,
    /// Spans, data points or log records in it.
    pub items: u64,
    /// The protobuf body of the export request.
    pub body: Bytes,
}

impl Parcel {
    /// All of them as one, in their order; they are of one tenant and signal. Bodies that follow each other are one message
    /// with the fields of all.
    pub fn join(parcels: &[&Parcel]) -> Option<Parcel> {
        let [first, others @ ..] = parcels else { return None };
        let mut joined = Parcel::clone(first);
        if !others.is_empty() {
            joined.items = parcels.iter().map(|parcel| parcel.items).sum();
            joined.body = parcels.iter().map(|parcel| &parcel.body[..]).collect::<Vec<_>>().concat().into();
        }
        Some(joined)
    }
}

impl From<Telemetry> for Parcel {
    fn from(telemetry: Telemetry) -> Self {
        let items = telemetry.payload.items();
        let signal = telemetry.signal();
        Parcel { tenant: telemetry.tenant, signal, items, body: telemetry.payload.into_bytes() }
    }
}

/// Makes one attempt to deliver a request. [`Refused::Invalid`] is final; the others may be tried again.
#[async_trait]
pub trait Sender: Send + Sync + 'static {
    async fn send(&self, parcel: &Parcel) -> Result<Accepted, Refused>;

    /// The same over several attempts. Who sends a request in parts remembers here which have arrived.
    fn delivery<'a>(&'a self, parcel: &'a Parcel) -> Box<dyn Delivery + 'a> {
        Box::new(Whole { sender: self, parcel })
    }

    /// Requests of the same lane are sent one after another, in their order; those of none, as it comes.
    fn lane(&self, _parcel: &Parcel) -> Option<u64> {
        None
    }
}

/// A request on its way.
#[async_trait]
pub trait Delivery: Send {
    /// As [`Sender::send`], with what is left.
    async fn attempt(&mut self) -> Result<Accepted, Refused>;
}

/// It is sent as one, again and again.
struct Whole<'a, S: ?Sized> {
    sender: &'a S,
    parcel: &'a Parcel,
}

#[async_trait]
impl<S: Sender + ?Sized> Delivery for Whole<'_, S> {
    async fn attempt(&mut self) -> Result<Accepted, Refused> {
        self.sender.send(self.parcel).await
    }
}
