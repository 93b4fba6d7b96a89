//! The nine services.

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

/// In the order in which a checkout meets them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum ServiceName {
    Gateway,
    Storefront,
    Catalog,
    Orders,
    OutboxPublisher,
    PaymentsGateway,
    Stripe,
    WebhookReceiver,
    Recommendations,
}

impl ServiceName {
    pub const ALL: [ServiceName; 9] = [
        Self::Gateway,
        Self::Storefront,
        Self::Catalog,
        Self::Orders,
        Self::OutboxPublisher,
        Self::PaymentsGateway,
        Self::Stripe,
        Self::WebhookReceiver,
        Self::Recommendations,
    ];

    /// As in `service.name`, and as the host that the others call.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Gateway => "gateway",
            Self::Storefront => "storefront",
            Self::Catalog => "catalog",
            Self::Orders => "orders",
            Self::OutboxPublisher => "outbox-publisher",
            Self::PaymentsGateway => "payments-gateway",
            Self::Stripe => "stripe",
            Self::WebhookReceiver => "webhook-receiver",
            Self::Recommendations => "recommendations",
        }
    }

    pub fn version(self) -> &'static str {
        match self {
            Self::Gateway => "2.14.3",
            Self::Storefront => "5.8.1",
            Self::Catalog => "3.2.0",
            Self::Orders => "1.27.4",
            Self::OutboxPublisher => "1.4.0",
            Self::PaymentsGateway => "4.0.7",
            Self::Stripe => "0.6.2",
            Self::WebhookReceiver => "1.9.9",
            Self::Recommendations => "2.3.5",
        }
    }

    /// Its place in [`Self::ALL`].
    pub fn index(self) -> usize {
        self as usize
    }
}

impl std::fmt::Display for ServiceName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_service_has_its_place() {
        for (index, service) in ServiceName::ALL.into_iter().enumerate() {
            assert_eq!(service.index(), index);
            assert_eq!(serde_json::to_string(&service).unwrap(), format!("{:?}", service.as_str()));
        }
    }
}
