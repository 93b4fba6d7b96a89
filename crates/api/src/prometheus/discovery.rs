//! What there is: `/api/v1/series`, `/api/v1/labels`, `/api/v1/label/{name}/values`, `/api/v1/metadata`.

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::Response;
use trefoil_promql::matcher::Matcher;
use trefoil_query::metrics::{MetricMetadata, SeriesQuestion};

use super::answer::List;
use super::error::PromError;
use super::form::Parameters;
use super::json;
use super::parameters::unescape_label_name;
use crate::ApiState;

pub(super) async fn series(
    State(state): State<ApiState>,
    headers: HeaderMap,
    parameters: Parameters,
) -> Result<Response, PromError> {
    let tenant = state.tenant(&headers)?;
    if parameters.all("match[]").next().is_none() {
        return Err(PromError::bad_data("no match[] parameter provided"));
    }
    let asked = Asked::of(&parameters, |error| PromError::invalid_parameter("match[]", error))?;
    let found = state.engine.series(&tenant, &asked.question()).await?;
    Ok(List::listing(found, |out, labels| json::labels(out, &labels)))
}

pub(super) async fn label_names(
    State(state): State<ApiState>,
    headers: HeaderMap,
    parameters: Parameters,
) -> Result<Response, PromError> {
    let tenant = state.tenant(&headers)?;
    let asked = Asked::of(&parameters, PromError::bad_data)?;
    let found = state.engine.label_names(&tenant, &asked.question()).await?;
    Ok(List::listing(found, |out, name| json::string(out, &name)))
}

pub(super) async fn label_values(
    State(state): State<ApiState>,
    name: Result<Path<String>, PathRejection>,
    headers: HeaderMap,
    parameters: Parameters,
) -> Result<Response, PromError> {
    let tenant = state.tenant(&headers)?;
    let Path(name) = name.map_err(|rejection| PromError::bad_data(rejection.body_text()))?;
    let name = unescape_label_name(&name);
    if name.is_empty() {
        return Err(PromError::bad_data("invalid label name: \"\""));
    }
    let asked = Asked::of(&parameters, PromError::bad_data)?;
    let found = state.engine.label_values(&tenant, &name, &asked.question()).await?;
    Ok(List::listing(found, |out, value| json::string(out, &value)))
}

/// The parameters that these questions share.
struct Asked {
    limit: Option<usize>,
    start: i64,
    end: i64,
    selectors: Vec<Vec<Matcher>>,
}

impl Asked {
    fn of(parameters: &Parameters, wrong_selector: impl Fn(String) -> PromError) -> Result<Self, PromError> {
        let limit = parameters.limit()?;
        let (start, end) = parameters.time_range()?;
        Ok(Self { limit, start, end, selectors: parameters.selectors().map_err(wrong_selector)? })
    }

    fn question(&self) -> SeriesQuestion<'_> {
        SeriesQuestion { selectors: &self.selectors, start_ms: self.start, end_ms: self.end, limit: self.limit }
    }
}

/// Metrics by name. More than a limit allows are left out silently, as in Prometheus.
pub(super) async fn metadata(
    State(state): State<ApiState>,
    headers: HeaderMap,
    parameters: Parameters,
) -> Result<Response, PromError> {
    let tenant = state.tenant(&headers)?;
    let limit = parameters.count("limit")?.unwrap_or(usize::MAX);
    let limit_per_metric = parameters.count("limit_per_metric")?.filter(|limit| *limit > 0).unwrap_or(usize::MAX);
    let metric = Some(parameters.get("metric")).filter(|metric| !metric.is_empty());
    let metrics = state.engine.metric_metadata(&tenant, metric).await?;
    Ok(List::object().of(metrics.into_iter().take(limit), move |out, (name, metadata)| {
        json::string(out, &name);
        out.push(b':');
        for (index, metadata) in metadata.iter().take(limit_per_metric).enumerate() {
            out.push(if index == 0 { b'[' } else { b',' });
            write_metadata(out, metadata);
        }
        out.extend_from_slice(if metadata.is_empty() { b"[]" } else { b"]" });
    }))
}

fn write_metadata(out: &mut Vec<u8>, metadata: &MetricMetadata) {
    for (before, text) in [
        (&b"{\"type\":"[..], &metadata.kind),
        (&b",\"help\":"[..], &metadata.help),
        (&b",\"unit\":"[..], &metadata.unit),
    ] {
        out.extend_from_slice(before);
        json::string(out, text);
    }
    out.push(b'}');
}
