//! A copy of a tenant's metrics as plain files, for backups and for other programs.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use futures::{StreamExt, TryStreamExt};
use object_store::ObjectStoreExt;
use serde::Serialize;
use trefoil_model::{Table, Tenant};

use crate::error::StorageError;
use crate::files::location;
use crate::storage::Storage;

/// Files copied at once.
const COPIES: usize = 16;

/// What a copy holds: `manifest.json` in its directory, written when everything else is there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Manifest {
    pub name: String,
    pub tenant: String,
    pub created: DateTime<Utc>,
    /// The catalog version that was copied.
    pub catalog_snapshot: i64,
    pub tables: BTreeMap<&'static str, CopiedTable>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct CopiedTable {
    pub files: usize,
    pub rows: u64,
    pub bytes: u64,
}

/// The directory of a copy, relative to the data path.
pub fn backup_directory(tenant: &Tenant, name: &str) -> String {
    format!("snapshots/{tenant}/{name}")
}

impl Storage {
    /// Copies the tenant's samples, series and exemplars to `snapshots/<tenant>/<name>/<table>/*.parquet` below the data
    /// path: with what is in memory (flushed first), or only what is in files already. On one disk they are hard links. A copy
    /// is nobody's but the user's: neither retention nor deletion touches it.
    ///
    /// `name` is one path segment that no copy of the tenant has.
    pub async fn back_up(&self, tenant: &Tenant, name: &str, with_memory: bool) -> Result<Manifest, StorageError> {
        let engine = self.engine();
        if with_memory {
            self.flush().await?;
        }
        let snapshot = engine.files_only(tenant, engine.catalog.snapshot().await?);
        let directory = backup_directory(tenant, name);
        let store = engine.files.object_store();
        let mut tables = BTreeMap::new();
        for table in [Table::Samples, Table::Series, Table::Exemplars] {
            let files = snapshot.catalog.files(table, tenant);
            let mut copied = CopiedTable::default();
            let mut paths = Vec::with_capacity(files.len());
            for file in files.iter() {
                let file_name = file.path.rsplit('/').next().unwrap_or(&file.path);
                paths.push((location(&file.path)?, location(&format!("{directory}/{}/{file_name}", table.name()))?));
                copied.files += 1;
                copied.rows += file.rows;
                copied.bytes += file.size_bytes;
            }
            let copies: Vec<_> = paths.iter().map(|(from, to)| store.copy(from, to)).collect();
            futures::stream::iter(copies)
                .buffer_unordered(COPIES)
                .try_collect::<()>()
                .await
                .map_err(StorageError::ObjectStore)?;
            tables.insert(table.name(), copied);
        }
        let manifest = Manifest {
            name: name.to_owned(),
            tenant: tenant.to_string(),
            created: Utc::now(),
            catalog_snapshot: snapshot.catalog.id(),
            tables,
        };
        let text = serde_json::to_vec_pretty(&manifest).map_err(|error| StorageError::Files(error.to_string()))?;
        let path = location(&format!("{directory}/manifest.json"))?;
        store.put(&path, text.into()).await.map_err(StorageError::ObjectStore)?;
        Ok(manifest)
    }
}
