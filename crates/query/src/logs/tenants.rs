//! Whose lines a question reads: those of one tenant, or of several at once, whose streams say whose they are.

use std::sync::Arc;

use trefoil_logql::matcher::Matcher;
use trefoil_model::{Table, Tenants};
use trefoil_promql::labels::Labels;
use trefoil_storage::Snapshot;

use super::streams::Streams;
use crate::sources::Sources;
use crate::{Engine, QueryError};

/// The label that says whose a stream is, where a question is about several tenants.
pub const TENANT_LABEL: &str = "__tenant_id__";
/// What a stream's own label of that name is called then.
const OWN_TENANT_LABEL: &str = "original___tenant_id__";

/// A tenant's logs at one moment, and what streams they are of.
#[derive(Debug)]
pub(super) struct TenantLogs {
    snapshot: Snapshot,
    pub streams: Arc<Streams>,
}

impl Engine {
    pub(super) async fn logs_of(&self, tenants: &Tenants) -> Result<Vec<TenantLogs>, QueryError> {
        let mut all = Vec::new();
        for tenant in tenants.iter() {
            let streams = match tenants.only() {
                Some(_) => self.log_streams.clone(),
                None => Arc::new(self.log_streams.of_tenant(tenant)),
            };
            all.push(TenantLogs { snapshot: self.snapshot(tenant).await?, streams });
        }
        Ok(all)
    }

    pub(super) fn log_sources<'s>(&'s self, logs: &'s TenantLogs) -> Sources<'s> {
        Sources::new(&logs.snapshot, &self.log_columns, Table::Logs)
    }
}

impl TenantLogs {
    pub fn of(snapshot: Snapshot, streams: Arc<Streams>) -> Self {
        Self { snapshot, streams }
    }

    /// Whether a selector leaves this tenant.
    pub fn is_selected(&self, selector: &[Matcher]) -> bool {
        let Some(tenant) = &self.streams.view.tenant else { return true };
        selector.iter().filter(|matcher| matcher.name == TENANT_LABEL).all(|matcher| matcher.matches(tenant))
    }
}

/// The labels of a stream of this tenant, which is one of several.
pub(super) fn labelled(labels: &Labels, tenant: &str) -> Labels {
    let own = labels.iter().map(|label| match &*label.name {
        TENANT_LABEL => (OWN_TENANT_LABEL, &*label.value),
        name => (name, &*label.value),
    });
    Labels::from_pairs(own.chain([(TENANT_LABEL, tenant)]))
}
