//! What a request of the load is meant to run into. It travels as baggage, so that the service concerned can play its part.

use opentelemetry::Context;
use opentelemetry::baggage::BaggageExt as _;

pub const BAGGAGE_KEY: &str = "demo.scenario";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scenario {
    /// `orders` gets no connection from its pool.
    DatabaseTimeout,
    /// `recommendations` is overloaded and answers 503.
    RecommendationsUnavailable,
    /// `catalog`'s query misses its index.
    SlowCatalogQuery,
    /// `orders` waits for a lock and tries again.
    LockWait,
    /// `payments-gateway` lags behind.
    SlowConsumer,
    /// `stripe` takes its time.
    SlowCharge,
    /// `recommendations` loads its model first.
    SlowModel,
}

impl Scenario {
    const ALL: [Scenario; 7] = [
        Self::DatabaseTimeout,
        Self::RecommendationsUnavailable,
        Self::SlowCatalogQuery,
        Self::LockWait,
        Self::SlowConsumer,
        Self::SlowCharge,
        Self::SlowModel,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::DatabaseTimeout => "database-timeout",
            Self::RecommendationsUnavailable => "recommendations-unavailable",
            Self::SlowCatalogQuery => "slow-catalog-query",
            Self::LockWait => "lock-wait",
            Self::SlowConsumer => "slow-consumer",
            Self::SlowCharge => "slow-charge",
            Self::SlowModel => "slow-model",
        }
    }

    /// The one that the baggage of `context` names, if any.
    pub fn of(context: &Context) -> Option<Self> {
        let name = context.baggage().get(BAGGAGE_KEY)?;
        Self::ALL.into_iter().find(|scenario| scenario.as_str() == name.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use opentelemetry::KeyValue;

    #[test]
    fn scenarios_travel_as_baggage() {
        for scenario in Scenario::ALL {
            let context = Context::new().with_baggage([KeyValue::new(BAGGAGE_KEY, scenario.as_str())]);
            assert_eq!(Scenario::of(&context), Some(scenario));
        }
        assert_eq!(Scenario::of(&Context::new()), None);
    }
}
