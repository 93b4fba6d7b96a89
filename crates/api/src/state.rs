//! What every surface needs: the engine to ask, who may ask, and how much one question may cost.

use axum::http::HeaderMap;
use trefoil_model::tenant::{NoTenant, TENANT_HEADER};
use trefoil_model::{Tenancy, Tenant};
use trefoil_query::{Engine, Limits};

#[derive(Clone)]
pub struct ApiState {
    pub engine: Engine,
    pub tenancy: Tenancy,
    pub limits: Limits,
}

impl ApiState {
    /// Whose data the request may see.
    pub fn tenant(&self, headers: &HeaderMap) -> Result<Tenant, NoTenant> {
        let header = headers.get(TENANT_HEADER).map(|value| String::from_utf8_lossy(value.as_bytes()));
        self.tenancy.resolve(header.as_deref())
    }
}
