//! The storage engine as the pipeline's store.

use async_trait::async_trait;
use bytes::Bytes;
use trefoil_model::{Signal, Tenant};
use trefoil_pipeline::{Accepted, Refused, Store};
use trefoil_storage::{AppendError, Storage};

pub struct StorageStore(pub Storage);

#[async_trait]
impl Store for StorageStore {
    async fn append(&self, tenant: &Tenant, signal: Signal, body: Bytes) -> Result<Accepted, Refused> {
        match self.0.append(tenant, signal, body).await {
            Ok(appended) => Ok(Accepted { rejected: appended.rejected, message: appended.message }),
            Err(AppendError::Malformed(reason)) => Err(Refused::Invalid(reason)),
            Err(AppendError::Unavailable { reason, retry_after }) => {
                Err(Refused::Unavailable { reason, retry_after: Some(retry_after) })
            }
            Err(AppendError::Closed) => Err(Refused::unavailable("the server is shutting down")),
        }
    }
}
