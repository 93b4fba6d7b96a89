//! Where counted series go: to the pipelines behind the connector.

use std::time::Duration;

use futures::stream::{self, StreamExt as _};
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use tokio::time::sleep;
use trefoil_model::Tenant;

use crate::component::{ComponentId, Downstream};
use crate::metrics::OutletMetrics;
use crate::telemetry::{Accepted, Consumer, Message, Payload, Refused, Telemetry};

/// How often sending is tried while whoever is downstream says that it may work later.
const ATTEMPTS: u32 = 5;
/// Tenants whose points are on their way at once.
const AT_ONCE: usize = 16;
const LONGEST_WAIT: Duration = Duration::from_secs(5);

pub struct Outlet {
    pub id: ComponentId,
    pub downstream: Downstream,
    pub metrics: OutletMetrics,
}

impl Outlet {
    /// Of some tenants at once: one whose points are not taken for now holds up no other.
    pub async fn send_all(&self, told: impl Iterator<Item = (Tenant, Vec<ExportMetricsServiceRequest>)>) {
        let send = |(tenant, requests)| async move { self.send(&tenant, requests).await };
        stream::iter(told).for_each_concurrent(AT_ONCE, send).await;
    }

    /// What is not taken is gone: of cumulative series the next points say the same.
    pub async fn send(&self, tenant: &Tenant, requests: Vec<ExportMetricsServiceRequest>) {
        for request in requests {
            let payload = Payload::from_message(Message::Metrics(request)).into_shared();
            let points = payload.items();
            let lost = match self.try_often(Telemetry::new(tenant.clone(), payload)).await {
                Ok(Accepted { rejected: 0, .. }) => 0,
                Ok(Accepted { rejected, message }) => {
                    let reason = message.unwrap_or_default();
                    tracing::warn!(connector = %self.id, %tenant, rejected, reason, "points were rejected");
                    rejected.min(points)
                }
                Err(refused) => {
                    tracing::warn!(connector = %self.id, %tenant, %refused, points, "points were not taken");
                    points
                }
            };
            self.metrics.sent.inc_by(points - lost);
            self.metrics.lost.inc_by(lost);
        }
    }

    async fn try_often(&self, telemetry: Telemetry) -> Result<Accepted, Refused> {
        let mut wait = Duration::from_millis(250);
        for _ in 1..ATTEMPTS {
            match self.downstream.consume(telemetry.clone()).await {
                Err(refused) if refused.is_retryable() => {
                    sleep(refused.retry_after().unwrap_or(wait).min(LONGEST_WAIT)).await;
                    wait *= 2;
                }
                other => return other,
            }
        }
        self.downstream.consume(telemetry).await
    }
}
