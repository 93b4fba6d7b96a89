//! What Jaeger's clients ask: how much to sample. Strategies as Jaeger's file tells them (`--sampling.strategies-file`), the answers in
//! JSON and as `jaeger.api_v2` (`sampling.proto` of jaeger-idl).

use std::collections::{HashMap, HashSet};

use serde::{Deserialize, Serialize, Serializer};
use thiserror::Error;

/// The full name of the method that tells a strategy.
pub const GET_SAMPLING_STRATEGY: &str = "/jaeger.api_v2.SamplingManager/GetSamplingStrategy";

/// Where nothing else is told, as in Jaeger.
pub const DEFAULT_PROBABILITY: f64 = 0.001;

/// The question, over gRPC.
#[derive(Clone, PartialEq, prost::Message)]
pub struct SamplingStrategyParameters {
    #[prost(string, tag = "1")]
    pub service_name: String,
}

/// The answer. In JSON it is as Jaeger writes it: enumerations by name, and zeros are there.
#[derive(Clone, PartialEq, prost::Message, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SamplingStrategyResponse {
    #[prost(enumeration = "StrategyType", tag = "1")]
    #[serde(serialize_with = "by_name")]
    pub strategy_type: i32,
    #[prost(message, optional, tag = "2")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub probabilistic_sampling: Option<Probabilistic>,
    #[prost(message, optional, tag = "3")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rate_limiting_sampling: Option<RateLimiting>,
    #[prost(message, optional, tag = "4")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub operation_sampling: Option<PerOperation>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, prost::Enumeration)]
#[repr(i32)]
pub enum StrategyType {
    Probabilistic = 0,
    RateLimiting = 1,
}

#[derive(Clone, Copy, PartialEq, prost::Message, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Probabilistic {
    /// 0 to 1
    #[prost(double, tag = "1")]
    pub sampling_rate: f64,
}

#[derive(Clone, Copy, PartialEq, prost::Message, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RateLimiting {
    #[prost(int32, tag = "1")]
    pub max_traces_per_second: i32,
}

#[derive(Clone, PartialEq, prost::Message, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PerOperation {
    #[prost(double, tag = "1")]
    pub default_sampling_probability: f64,
    #[prost(double, tag = "2")]
    pub default_lower_bound_traces_per_second: f64,
    #[prost(message, repeated, tag = "3")]
    pub per_operation_strategies: Vec<Operation>,
    #[prost(double, tag = "4")]
    pub default_upper_bound_traces_per_second: f64,
}

#[derive(Clone, PartialEq, prost::Message, Serialize)]
pub struct Operation {
    #[prost(string, tag = "1")]
    pub operation: String,
    #[prost(message, optional, tag = "2")]
    #[serde(rename = "probabilisticSampling")]
    pub probabilistic_sampling: Option<Probabilistic>,
}

fn by_name<S: Serializer>(strategy: &i32, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(match StrategyType::try_from(*strategy) {
        Ok(StrategyType::RateLimiting) => "RATE_LIMITING",
        Ok(StrategyType::Probabilistic) | Err(_) => "PROBABILISTIC",
    })
}

/// The text is no file of strategies.
#[derive(Debug, Error)]
pub enum StrategiesError {
    #[error("malformed sampling strategies: {0}")]
    Malformed(#[from] serde_json::Error),
    /// serde takes a list for an object's members in their order, which nobody means.
    #[error(
        "malformed sampling strategies: they are an object with `default_strategy` and `service_strategies`, not a list"
    )]
    List,
}

/// What each service is told.
#[derive(Debug, Clone, PartialEq)]
pub struct Strategies {
    services: HashMap<String, SamplingStrategyResponse>,
    of_others: SamplingStrategyResponse,
    warnings: Vec<String>,
}

impl Default for Strategies {
    fn default() -> Self {
        Self { services: HashMap::new(), of_others: probabilistic(DEFAULT_PROBABILITY), warnings: Vec::new() }
    }
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct File {
    default_strategy: Option<Strategy>,
    service_strategies: Option<Vec<Strategy>>,
}

/// Of a service or of an operation.
#[derive(Deserialize, Default)]
#[serde(default)]
struct Strategy {
    service: String,
    operation: String,
    #[serde(rename = "type")]
    kind: String,
    param: f64,
    operation_strategies: Option<Vec<Strategy>>,
}

impl Strategies {
    /// Reads Jaeger's file, which is JSON; `null` is an empty one. Strategies of operations count for services, too, where only
    /// the default has them.
    pub fn parse(text: &str) -> Result<Self, StrategiesError> {
        if text.trim_start().starts_with('[') {
            return Err(StrategiesError::List);
        }
        let file = serde_json::from_str::<Option<File>>(text)?.unwrap_or_default();
        let mut strategies = Self::default();
        if let Some(of_others) = &file.default_strategy {
            strategies.of_others = response(of_others, "the default", &mut strategies.warnings);
        }
        for service in file.service_strategies.unwrap_or_default() {
            let name = format!("the service {:?}", service.service);
            let mut answer = response(&service, &name, &mut strategies.warnings);
            if let Some(shared) = &strategies.of_others.operation_sampling {
                inherit(&mut answer, shared);
            }
            strategies.services.insert(service.service, answer);
        }
        Ok(strategies)
    }

    pub fn of(&self, service: &str) -> &SamplingStrategyResponse {
        self.services.get(service).unwrap_or(&self.of_others)
    }

    /// What was found odd, and what is done instead.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }
}

fn probabilistic(sampling_rate: f64) -> SamplingStrategyResponse {
    let probabilistic_sampling = Some(Probabilistic { sampling_rate });
    SamplingStrategyResponse { probabilistic_sampling, ..SamplingStrategyResponse::default() }
}

fn response(strategy: &Strategy, of: &str, warnings: &mut Vec<String>) -> SamplingStrategyResponse {
    let mut response = without_operations(strategy, of, warnings);
    let operations = strategy.operation_strategies.as_deref().unwrap_or_default();
    if operations.is_empty() {
        return response;
    }
    let of_others = response.probabilistic_sampling.map_or(DEFAULT_PROBABILITY, |sampling| sampling.sampling_rate);
    let mut sampling = PerOperation { default_sampling_probability: of_others, ..PerOperation::default() };
    for one in operations {
        let name = format!("the operation {:?} of {of}", one.operation);
        let answer = without_operations(one, &name, warnings);
        match answer.probabilistic_sampling {
            Some(_) => sampling.per_operation_strategies.push(Operation {
                operation: one.operation.clone(),
                probabilistic_sampling: answer.probabilistic_sampling,
            }),
            // The protocol knows no other.
            None => warnings.push(format!("{name} can only be sampled probabilistically; it is sampled as others are")),
        }
    }
    response.operation_sampling = Some(sampling);
    response
}

fn without_operations(strategy: &Strategy, of: &str, warnings: &mut Vec<String>) -> SamplingStrategyResponse {
    match strategy.kind.as_str() {
        "probabilistic" => probabilistic(strategy.param),
        "ratelimiting" => SamplingStrategyResponse {
            strategy_type: StrategyType::RateLimiting.into(),
            rate_limiting_sampling: Some(RateLimiting { max_traces_per_second: strategy.param as i32 }),
            ..SamplingStrategyResponse::default()
        },
        other => {
            warnings.push(format!(
                "the type of {of} is {other:?}, neither probabilistic nor ratelimiting; one in {:.0} traces is sampled",
                1.0 / DEFAULT_PROBABILITY
            ));
            probabilistic(DEFAULT_PROBABILITY)
        }
    }
}

fn inherit(answer: &mut SamplingStrategyResponse, shared: &PerOperation) {
    let Some(own) = &mut answer.operation_sampling else {
        let mut sampling = shared.clone();
        if let Some(of_service) = answer.probabilistic_sampling {
            sampling.default_sampling_probability = of_service.sampling_rate;
        }
        answer.operation_sampling = Some(sampling);
        return;
    };
    let named: HashSet<&str> = own.per_operation_strategies.iter().map(|one| one.operation.as_str()).collect();
    let more: Vec<Operation> =
        shared.per_operation_strategies.iter().filter(|one| !named.contains(&*one.operation)).cloned().collect();
    own.per_operation_strategies.extend(more);
}
