//! The store as the pipeline sees it; the binary implements it over the storage engine.

use async_trait::async_trait;
use bytes::Bytes;
use trefoil_model::{Signal, Tenant};

use crate::telemetry::{Accepted, Refused};

#[async_trait]
pub trait Store: Send + Sync {
    /// Takes the protobuf bytes of one export request; durable and visible to queries on return.
    async fn append(&self, tenant: &Tenant, signal: Signal, body: Bytes) -> Result<Accepted, Refused>;
}
