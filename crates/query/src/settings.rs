//! What tenants set for themselves: text that only a surface understands, kept in the catalog.

use trefoil_model::Tenant;
use trefoil_storage::catalog::CatalogError;
pub use trefoil_storage::catalog::{OtherVersion, Setting};

use crate::{Engine, QueryError};

impl Engine {
    pub async fn setting(&self, tenant: &Tenant, name: &str) -> Result<Option<Setting>, QueryError> {
        self.storage().settings().setting(tenant, name).await.map_err(internal)
    }

    /// Those of all tenants.
    pub async fn settings(&self, name: &str) -> Result<Vec<(Tenant, Setting)>, QueryError> {
        self.storage().settings().settings(name).await.map_err(internal)
    }

    /// Sets it in place of the version `instead_of`, `None` where there is none yet. The new version.
    pub async fn set(
        &self,
        tenant: &Tenant,
        name: &str,
        value: &str,
        instead_of: Option<i64>,
    ) -> Result<Result<i64, OtherVersion>, QueryError> {
        self.storage().settings().set(tenant, name, value, instead_of).await.map_err(internal)
    }

    /// Removes it, if it is of that version.
    pub async fn unset(
        &self,
        tenant: &Tenant,
        name: &str,
        expected: i64,
    ) -> Result<Result<(), OtherVersion>, QueryError> {
        self.storage().settings().unset(tenant, name, expected).await.map_err(internal)
    }
}

fn internal(error: CatalogError) -> QueryError {
    QueryError::Internal(error.to_string())
}
