//! `/federate`: the newest sample of each series that `match[]` asks for, in Prometheus' text format.
//!
//! Native histograms are left out: the text format has none.

use std::collections::BTreeMap;
use std::fmt::Write;

use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use trefoil_promql::eval::EngineOptions;
use trefoil_promql::labels::{Label, Labels, METRIC_NAME, is_legacy_name};
use trefoil_promql::matcher::Matcher;
use trefoil_promql::number;
use trefoil_promql::parser::format_duration;
use trefoil_promql::points::PointRef;
use trefoil_promql::source::Samples;
use trefoil_promql::value::QueryResult;
use trefoil_query::metrics::PromqlOptions;

use super::error::PromError;
use super::form::Parameters;
use super::query::now;
use crate::ApiState;

const TEXT_FORMAT: &str = "text/plain; version=0.0.4; charset=utf-8";
/// A label that whoever scrapes this would else set to this server.
const INSTANCE: &str = "instance";

/// Time (milliseconds since the epoch) and value of the newest sample of each series.
type Newest = BTreeMap<Labels, (i64, f64)>;

/// Errors are plain text.
pub(super) async fn federate(
    State(state): State<ApiState>,
    headers: HeaderMap,
    parameters: Parameters,
) -> Result<Response, Response> {
    let plain = |error: PromError| (error.status, format!("{}\n", error.message)).into_response();
    let mut newest = newest(&state, &headers, &parameters).await.map_err(plain)?;
    if let Some(shown) = state.scraping.configuration()
        && !shown.external_labels.is_empty()
    {
        newest =
            newest.into_iter().map(|(labels, sample)| (labelled(&labels, &shown.external_labels), sample)).collect();
    }
    Ok(([(header::CONTENT_TYPE, TEXT_FORMAT)], exposition(&newest)).into_response())
}

/// With the external labels that the series has not itself.
fn labelled(labels: &Labels, external: &BTreeMap<String, String>) -> Labels {
    let own = labels.iter().map(|label| (label.name.as_ref(), label.value.as_ref()));
    let added = external.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    let added = added.filter(|(name, _)| !labels.has(name));
    Labels::from_pairs(own.chain(added).collect::<Vec<_>>())
}

async fn newest(state: &ApiState, headers: &HeaderMap, parameters: &Parameters) -> Result<Newest, PromError> {
    let tenant = state.tenant(headers)?;
    let selectors = parameters.selectors().map_err(PromError::bad_data)?;
    let options = PromqlOptions { timeout: state.limits.timeout, ..PromqlOptions::default() };
    let (time, range) = (now(), format_duration(EngineOptions::default().lookback_delta));
    let mut newest = Newest::new();
    for matchers in selectors {
        let matchers: Vec<String> = matchers.iter().map(Matcher::to_string).collect();
        let query = format!("{{{}}}[{range}]", matchers.join(","));
        let answer = state.engine.promql_instant(&tenant, &query, time, &options).await?;
        let QueryResult::Matrix(series) = answer.result else { continue };
        let samples = series.into_iter().filter_map(|(labels, samples)| Some((labels, last(&samples)?)));
        newest.extend(samples);
    }
    Ok(newest)
}

fn last(samples: &Samples) -> Option<(i64, f64)> {
    let index = samples.len().checked_sub(1)?;
    match samples.point(index) {
        PointRef::Float(value) if !samples.is_stale(index) => Some((samples.times[index], value)),
        _ => None,
    }
}

fn exposition(newest: &Newest) -> String {
    let mut series: Vec<_> = newest.iter().filter(|(labels, _)| labels.has(METRIC_NAME)).collect();
    series.sort_by(|(a, _), (b, _)| a.metric_name().cmp(b.metric_name()));
    let mut text = String::new();
    let mut family = "";
    for (labels, (time, value)) in series {
        let name = labels.metric_name();
        if name != family {
            family = name;
            let _ = writeln!(text, "# TYPE {} untyped", shown_name(name));
        }
        let _ = writeln!(text, "{} {} {time}", shown_series(labels), number::general(*value));
    }
    text
}

/// A metric's name, which may have colons, in quotes where it needs them.
fn shown_name(name: &str) -> String {
    match is_legacy_name(&name.replace(':', "_")) {
        true => name.to_owned(),
        false => quoted(name),
    }
}

/// `up{job="x"}`, with names that need quotes inside of the braces.
fn shown_series(labels: &Labels) -> String {
    let name = shown_name(labels.metric_name());
    let (before, first) = if name.starts_with('"') { (String::new(), Some(name)) } else { (name, None) };
    let shown = |label: &Label| match is_legacy_name(&label.name) {
        true => format!("{}={}", label.name, quoted(&label.value)),
        false => format!("{}={}", quoted(&label.name), quoted(&label.value)),
    };
    let named = labels.iter().filter(|label| label.name.as_ref() != METRIC_NAME).map(shown);
    let instance = (!labels.has(INSTANCE)).then(|| format!("{INSTANCE}=\"\""));
    let members: Vec<String> = first.into_iter().chain(named).chain(instance).collect();
    format!("{before}{{{}}}", members.join(","))
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_stand_together() {
        let series = [
            (vec![("__name__", "up"), ("job", "b\"\\\n"), ("instance", "i")], (6_000_000, 1.0)),
            (vec![("__name__", "a:b"), ("job", "a")], (5_000, f64::NAN)),
            (vec![("__name__", "up"), ("a.b", "a")], (6_000_000, 1e7)),
            (vec![("__name__", "my.metric")], (1, 0.5)),
            (vec![("job", "nameless")], (1, 0.5)),
        ];
        let series = series.into_iter().map(|(labels, sample)| (Labels::from_pairs(labels), sample)).collect();
        insta::assert_snapshot!(exposition(&series), @r#"
        # TYPE a:b untyped
        a:b{job="a",instance=""} NaN 5000
        # TYPE "my.metric" untyped
        {"my.metric",instance=""} 0.5 1
        # TYPE up untyped
        up{"a.b"="a",instance=""} 1e+07 6000000
        up{instance="i",job="b\"\\\n"} 1 6000000
        "#);
    }

    #[test]
    fn external_labels_are_added_where_they_are_not() {
        let external = [("region", "north"), ("job", "x")].map(|(name, value)| (name.to_owned(), value.to_owned()));
        let labels = Labels::from_pairs(vec![("__name__", "up"), ("job", "a")]);
        let expected = Labels::from_pairs(vec![("__name__", "up"), ("job", "a"), ("region", "north")]);
        assert_eq!(labelled(&labels, &external.into()), expected);
    }

    #[test]
    fn what_has_ended_is_left_out() {
        let mut samples = Samples::default();
        assert_eq!(last(&samples), None);
        samples.push_float(1, 5.0);
        assert_eq!(last(&samples), Some((1, 5.0)));
        samples.push_float(2, f64::from_bits(trefoil_promql::source::STALE_NAN_BITS));
        assert_eq!(last(&samples), None);
    }
}
