//! Where components keep small things across restarts: what the Collector calls a storage extension.

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use parking_lot::Mutex;

use super::{ComponentError, ComponentId};

/// What one component keeps, by key.
#[async_trait]
pub trait StorageClient: Send + Sync {
    async fn all(&self) -> Result<Vec<(String, Vec<u8>)>, ComponentError>;

    /// All of the changes or none; without a value, the key is forgotten.
    async fn write(&self, changes: Vec<(String, Option<Vec<u8>>)>) -> Result<(), ComponentError>;

    /// Before another one opens the same.
    async fn close(&self);
}

/// A running storage extension.
#[async_trait]
pub trait Storage: Send + Sync {
    /// For the component `id` of a class such as `receiver`.
    async fn client(&self, class: &str, id: &ComponentId) -> Result<Arc<dyn StorageClient>, ComponentError>;
}

/// The storage extensions that run. Cheap to clone; all clones are the same.
#[derive(Clone, Default)]
pub struct Storages(Arc<Mutex<HashMap<ComponentId, Arc<dyn Storage>>>>);

impl Storages {
    pub fn get(&self, id: &ComponentId) -> Result<Arc<dyn Storage>, ComponentError> {
        let found = self.0.lock().get(id).cloned();
        found.ok_or_else(|| {
            ComponentError::new(format!(
                "storage: no extension `{id}` runs; define it and name it in service.extensions"
            ))
        })
    }

    pub fn add(&self, id: ComponentId, storage: Arc<dyn Storage>) {
        self.0.lock().insert(id, storage);
    }

    /// Unless another one has its place by now.
    pub fn remove(&self, id: &ComponentId, storage: &Arc<dyn Storage>) {
        let mut storages = self.0.lock();
        if storages.get(id).is_some_and(|current| Arc::ptr_eq(current, storage)) {
            storages.remove(id);
        }
    }
}
