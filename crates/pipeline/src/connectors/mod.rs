//! Connectors: from the end of one pipeline to the beginning of another.

use std::time::{SystemTime, UNIX_EPOCH};

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use trefoil_model::Signal;
use trefoil_model::wire::WireError;

use crate::component::ConnectorFactory;
use crate::config::Section;
use crate::telemetry::{Malformed, Refused};

mod forward;
mod propagation;
mod series;
mod servicegraph;
mod spanmetrics;
mod spans;
#[cfg(test)]
mod test_support;

/// Every kind of connector.
pub const FACTORIES: &[ConnectorFactory] = &[
    forward::FACTORY,
    propagation::FACTORY,
    servicegraph::FACTORY,
    servicegraph::RENAMED,
    spanmetrics::FACTORY,
    spanmetrics::RENAMED,
];

/// What the connectors `spanmetrics` and `servicegraph` make of a request by their options in these sections; for fuzzing.
#[doc(hidden)]
pub fn try_traces(
    spanmetrics: &Section<'_>,
    servicegraph: &Section<'_>,
    body: &[u8],
    now: u64,
) -> Result<Vec<ExportMetricsServiceRequest>, Refused> {
    let mut made = spanmetrics::try_request(spanmetrics, body, now)?;
    made.extend(servicegraph::try_request(servicegraph, body, now)?);
    Ok(made)
}

/// What the connector `propagation` makes of a request by its options in this section; for fuzzing.
#[doc(hidden)]
pub fn try_propagation(
    section: &Section<'_>,
    body: &[u8],
    now: u64,
) -> Result<Vec<ExportMetricsServiceRequest>, Refused> {
    propagation::try_request(section, body, now)
}

/// Unix nanoseconds.
fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| u64::try_from(since.as_nanos()).unwrap_or(u64::MAX))
}

/// The answer to spans that cannot be read.
fn malformed(error: WireError) -> Refused {
    Malformed { signal: Signal::Traces, reason: error.to_string() }.into()
}
