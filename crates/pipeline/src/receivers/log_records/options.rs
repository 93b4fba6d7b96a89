//! Options that all of the Collector's receivers of log records have: `attributes`, `resource`, `tenant` (ours).

use std::collections::BTreeMap;

use trefoil_model::{Tenancy, Tenant};

use crate::component::ComponentError;

/// Values are taken as they stand; the Collector's expressions are refused rather than stored as text.
pub fn check_labels(labels: &BTreeMap<String, String>) -> Result<(), String> {
    match labels.iter().find(|(_, value)| value.starts_with("EXPR(")) {
        Some((key, _)) => {
            Err(format!("`{key}` is an expression (EXPR), and there are none here; write the value itself"))
        }
        None => Ok(()),
    }
}

/// Whose the records are: their senders name no tenant.
pub fn tenant_of(tenancy: Tenancy, told: Option<&Tenant>) -> Result<Tenant, ComponentError> {
    if matches!(tenancy, Tenancy::Multi) && told.is_none() {
        let message =
            "tenants are told apart (tenancy.enabled) and these records name none, so say whose they are: tenant";
        return Err(ComponentError::new(message));
    }
    Ok(told.cloned().unwrap_or_default())
}
