//! The services, one file each: routes and handlers. A checkout passes through all of them:
//!
//! ```text
//! gateway ─► storefront ─► catalog
//!                 └──────► orders ─► outbox-publisher ─► broker ─► payments-gateway ─► stripe ─► webhook-receiver
//!                             ▲                                                                    │    │
//!                             └──────────────── PATCH /orders/{id} ────────────────────────────────┘    └─► recommendations
//! ```

mod catalog;
mod gateway;
mod name;
pub mod orders;
mod outbox_publisher;
mod payments_gateway;
mod recommendations;
mod storefront;
mod stripe;
mod webhook_receiver;

use std::sync::Arc;

use axum::Router;

pub use name::ServiceName;

use crate::broker::BrokerError;
use crate::http::instrumented;
use crate::shop::Shop;

/// The isbn for which `catalog` fails, always.
pub const FORCED_500: &str = "__forced_500__";

/// The HTTP server of a service.
pub fn router(service: ServiceName, shop: &Arc<Shop>) -> Router {
    let routes = match service {
        ServiceName::Gateway => gateway::routes(),
        ServiceName::Storefront => storefront::routes(),
        ServiceName::Catalog => catalog::routes(),
        ServiceName::Orders => orders::routes(),
        // They work on the outbox and on messages; HTTP is for their health.
        ServiceName::OutboxPublisher | ServiceName::PaymentsGateway => Router::new(),
        ServiceName::Stripe => stripe::routes(),
        ServiceName::WebhookReceiver => webhook_receiver::routes(),
        ServiceName::Recommendations => recommendations::routes(),
    };
    let router = instrumented(routes, service, shop.clone());
    match service {
        ServiceName::Gateway => router.merge(gateway::controls(shop.clone())),
        _ => router,
    }
}

/// Starts what works without being called.
pub async fn start_workers(shop: &Arc<Shop>) -> Result<(), BrokerError> {
    payments_gateway::start(shop).await?;
    outbox_publisher::start(shop);
    Ok(())
}
