//! The storage engine as the pipeline's store.

use async_trait::async_trait;
use bytes::Bytes;
use trefoil_model::samples::KnownSamples;
use trefoil_model::series::SeriesIndex;
use trefoil_model::{Signal, Tenant};
use trefoil_pipeline::{Accepted, Refused, SampleStore, Store};
use trefoil_storage::{AppendError, Appended, Storage};

pub struct StorageStore(pub Storage);

#[async_trait]
impl Store for StorageStore {
    async fn append(&self, tenant: &Tenant, signal: Signal, body: Bytes) -> Result<Accepted, Refused> {
        answer(self.0.append(tenant, signal, body).await)
    }

    fn samples(&self) -> Option<&dyn SampleStore> {
        Some(self)
    }
}

#[async_trait]
impl SampleStore for StorageStore {
    fn series(&self) -> &SeriesIndex {
        self.0.series()
    }

    async fn append_samples(&self, tenant: &Tenant, samples: KnownSamples, rest: Bytes) -> Result<Accepted, Refused> {
        answer(self.0.append_samples(tenant, samples, rest).await)
    }
}

fn answer(appended: Result<Appended, AppendError>) -> Result<Accepted, Refused> {
    match appended {
        Ok(appended) => Ok(Accepted { rejected: appended.rejected, message: appended.message }),
        Err(AppendError::Malformed(reason)) => Err(Refused::Invalid(reason)),
        Err(AppendError::Unavailable { reason, retry_after }) => {
            Err(Refused::Unavailable { reason, retry_after: Some(retry_after) })
        }
        Err(AppendError::Closed) => Err(Refused::unavailable("the server is shutting down")),
    }
}
