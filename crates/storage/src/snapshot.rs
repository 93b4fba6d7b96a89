//! One consistent moment of one tenant's data.

use std::sync::Arc;

use datafusion::catalog::TableProvider;
use trefoil_model::{Table, Tenant};

use crate::buffer::Tables;
use crate::catalog::CatalogSnapshot;
use crate::scan::{Reader, TableScan};

/// Everything of one tenant that was acknowledged before the snapshot was taken: files of one catalog version and the
/// buffered rows beyond it, no row twice and none missing. Its files stay readable for the catalog's grace period.
#[derive(Debug, Clone)]
pub struct Snapshot {
    pub(crate) tenant: Tenant,
    pub(crate) catalog: Arc<CatalogSnapshot>,
    pub(crate) reader: Reader,
    pub(crate) buffered: Arc<Tables>,
}

impl Snapshot {
    pub fn tenant(&self) -> &Tenant {
        &self.tenant
    }

    /// The tenant's rows of a table. There is no way to a table that leads around the tenant.
    pub fn table(&self, table: Table) -> Arc<dyn TableProvider> {
        let buffered = self.buffered[table as usize].clone();
        Arc::new(TableScan::new(&self.reader, &self.catalog, &self.tenant, table, buffered))
    }

    /// The catalog version underneath.
    pub fn catalog(&self) -> &Arc<CatalogSnapshot> {
        &self.catalog
    }

    /// Rows of a table that are not in files yet.
    pub fn buffered_rows(&self, table: Table) -> usize {
        self.buffered[table as usize].iter().map(|batch| batch.num_rows()).sum()
    }
}
