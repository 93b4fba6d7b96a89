//! `/api/metrics/{latencies,calls,errors}`: what Jaeger's monitor tab draws, computed from the spans themselves.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use chrono::{DateTime, SecondsFormat};
use serde::Serialize;
use trefoil_go::quote::quote;
use trefoil_query::traces::{RateRequest, SpanRates, Window};
use trefoil_traceql::value::Kind;

use super::answer::{Envelope, json};
use super::failure::{Failure, Legacy};
use super::parameters::{MILLISECOND, Parameters, now, of};
use super::search::Asking;
use crate::ApiState;

const SECOND: i64 = 1_000_000_000;
const DEFAULT_LOOKBACK: i64 = 3600 * SECOND;
const DEFAULT_STEP: i64 = 5 * SECOND;
const DEFAULT_WINDOW: i64 = 600 * SECOND;

#[derive(Debug, Serialize)]
struct Family {
    name: String,
    #[serde(rename = "type")]
    kind: &'static str,
    help: String,
    metrics: Vec<Metric>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Metric {
    labels: Vec<Label>,
    metric_points: Vec<Point>,
}

#[derive(Debug, Serialize)]
struct Label {
    name: &'static str,
    value: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Point {
    gauge_value: Gauge,
    timestamp: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Gauge {
    double_value: f64,
}

pub(super) async fn latencies(
    State(state): State<ApiState>,
    parameters: Parameters,
    headers: HeaderMap,
) -> Result<Response, Legacy> {
    let text = parameters.get("quantile");
    let quantile: f64 = text
        .parse()
        .map_err(|_| of("quantile", &format!("strconv.ParseFloat: parsing {}: invalid syntax", quote(text))))?;
    let help = format!("{quantile:.2}th quantile latency, grouped by service");
    let millis = |window: &Window, _: f64| window.quantile(quantile).map(|nanos| nanos / MILLISECOND as f64);
    family(&state, &parameters, &headers, ("service_latencies", &help), millis).await
}

pub(super) async fn calls(
    State(state): State<ApiState>,
    parameters: Parameters,
    headers: HeaderMap,
) -> Result<Response, Legacy> {
    let rate = |window: &Window, seconds: f64| Some(window.calls as f64 / seconds);
    family(&state, &parameters, &headers, ("service_call_rate", "calls/sec, grouped by service"), rate).await
}

pub(super) async fn errors(
    State(state): State<ApiState>,
    parameters: Parameters,
    headers: HeaderMap,
) -> Result<Response, Legacy> {
    let help = "error rate, computed as a fraction of errors/sec over calls/sec, grouped by service";
    let share = |window: &Window, _: f64| (window.calls > 0).then(|| window.errors as f64 / window.calls as f64);
    family(&state, &parameters, &headers, ("service_error_rate", help), share).await
}

/// The shortest step that makes sense, in milliseconds.
pub(super) async fn min_step(
    State(state): State<ApiState>,
    parameters: Parameters,
    headers: HeaderMap,
) -> Result<Response, Legacy> {
    Asking::new(&state, &headers)?;
    json(&parameters, &Envelope::of(1))
}

/// `of` says what a step shows of its window, which is so many seconds long; nothing where it has nothing to say.
async fn family(
    state: &ApiState,
    parameters: &Parameters,
    headers: &HeaderMap,
    (name, help): (&str, &str),
    of: impl Fn(&Window, f64) -> Option<f64> + Copy,
) -> Result<Response, Legacy> {
    let asking = Asking::new(state, headers)?;
    let request = request(parameters, now())?;
    let rates = state.engine.span_rates(&asking.tenant, &request, state.limits()).await?;
    let metrics =
        rates.iter().map(|rates| metric(rates, &request, of)).filter(|metric| !metric.metric_points.is_empty());
    let (name, help) = match request.by_operation {
        true => (name.replacen("service", "service_operation", 1), format!("{help} & operation")),
        false => (name.to_owned(), help.to_owned()),
    };
    json(parameters, &Family { name, kind: "GAUGE", help, metrics: metrics.collect() })
}

fn metric(rates: &SpanRates, request: &RateRequest, of: impl Fn(&Window, f64) -> Option<f64>) -> Metric {
    let operation = rates.operation.iter().map(|name| Label { name: "operation", value: name.to_string() });
    let service = Label { name: "service_name", value: rates.service.to_string() };
    let seconds = request.whole_window() as f64 / SECOND as f64;
    let values = rates.windows(|window| of(window, seconds));
    let points = values.into_iter().enumerate().filter_map(|(step, value)| {
        let time = request.start.saturating_add(request.step.saturating_mul(step as i64));
        let timestamp = DateTime::from_timestamp_nanos(time).to_rfc3339_opts(SecondsFormat::AutoSi, true);
        Some(Point { gauge_value: Gauge { double_value: value? }, timestamp })
    });
    Metric { labels: operation.chain([service]).collect(), metric_points: points.collect() }
}

fn request(parameters: &Parameters, now: i64) -> Result<RateRequest, Failure> {
    let services: Vec<String> = parameters.all("service").map(str::to_owned).collect();
    if services.is_empty() {
        return Err(of("service", "please provide at least one service name"));
    }
    let end = parameters.number_of("endTs", MILLISECOND)?.unwrap_or(now);
    let length = |name: &str, default| match parameters.number_of(name, MILLISECOND)?.unwrap_or(default) {
        nanos if nanos <= 0 => Err(of(name, "must be more than 0")),
        nanos => Ok(nanos),
    };
    let (lookback, step, window) =
        (length("lookback", DEFAULT_LOOKBACK)?, length("step", DEFAULT_STEP)?, length("ratePer", DEFAULT_WINDOW)?);
    let kinds = parameters
        .all("spanKind")
        .map(|name| Kind::named(name).ok_or_else(|| of("spanKind", &format!("unsupported span kind: '{name}'"))));
    let mut kinds = kinds.collect::<Result<Vec<_>, _>>()?;
    if kinds.is_empty() {
        kinds.push(Kind::Server);
    }
    let by_operation = parameters.flag("groupByOperation")?;
    Ok(RateRequest { services, kinds, by_operation, start: end.saturating_sub(lookback), end, step, window })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(query: &str) -> Result<RateRequest, String> {
        request(&Parameters::parse(query), 10_000 * SECOND).map_err(|failure| failure.message)
    }

    #[test]
    fn parameters_have_jaegers_units_and_defaults() {
        let default = asked("service=a&service=b").unwrap();
        assert_eq!((default.start, default.end), (6400 * SECOND, 10_000 * SECOND));
        assert_eq!((default.step, default.window, default.by_operation), (DEFAULT_STEP, DEFAULT_WINDOW, false));
        assert_eq!((default.services.len(), default.kinds), (2, vec![Kind::Server]));
        let asked = asked("service=a&spanKind=client&spanKind=unspecified&endTs=5000&lookback=4000&step=1000&ratePer=2000&groupByOperation=true").unwrap();
        assert_eq!((asked.start, asked.end, asked.step, asked.window), (SECOND, 5 * SECOND, SECOND, 2 * SECOND));
        assert_eq!((asked.kinds, asked.by_operation), (vec![Kind::Client, Kind::Unspecified], true));
    }

    #[test]
    fn wrong_parameters_are_named() {
        for (query, told) in [
            ("", "unable to parse param 'service': please provide at least one service name"),
            ("service=a&spanKind=x", "unable to parse param 'spanKind': unsupported span kind: 'x'"),
            ("service=a&step=0", "unable to parse param 'step': must be more than 0"),
            ("service=a&ratePer=x", "unable to parse param 'ratePer': strconv.ParseInt"),
            ("service=a&groupByOperation=x", "unable to parse param 'groupByOperation': strconv.ParseBool"),
        ] {
            assert!(asked(query).unwrap_err().starts_with(told), "{query}");
        }
    }
}
