//! The store as the pipeline sees it; the binary implements it over the storage engine.

use async_trait::async_trait;
use bytes::Bytes;
use trefoil_model::samples::KnownSamples;
use trefoil_model::series::SeriesIndex;
use trefoil_model::{Signal, Tenant};

use crate::telemetry::{Accepted, Refused};

#[async_trait]
pub trait Store: Send + Sync {
    /// Takes the protobuf bytes of one export request; durable and visible to queries on return.
    async fn append(&self, tenant: &Tenant, signal: Signal, body: Bytes) -> Result<Accepted, Refused>;

    /// The same store for samples of series that it knows, if it can do that.
    fn samples(&self) -> Option<&dyn SampleStore> {
        None
    }
}

/// A store that remembers series.
#[async_trait]
pub trait SampleStore: Send + Sync {
    /// What it remembers.
    fn series(&self) -> &SeriesIndex;

    /// Takes samples of series that [`SampleStore::series`] knows and an `ExportMetricsServiceRequest` with the rest of the
    /// same request (either may be empty, but not both); durable and visible to queries on return.
    async fn append_samples(&self, tenant: &Tenant, samples: KnownSamples, rest: Bytes) -> Result<Accepted, Refused>;
}
