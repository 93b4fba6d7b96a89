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

    /// Requests of the same lane are sent one after another, in their order; those of none, as it comes.
    fn lane(&self, _parcel: &Parcel) -> Option<u64> {
        None
    }
}
