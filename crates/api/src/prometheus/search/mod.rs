//! `/api/v1/search/{metric_names,label_names,label_values}`: names that fit what somebody has typed so far, as lines of JSON:
//! batches of results, then how it ended.

mod parameters;
mod score;

use std::collections::BTreeMap;
use std::convert::Infallible;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use futures::stream;
use serde::Serialize;
use serde_json::{json, to_vec};
use trefoil_promql::labels::METRIC_NAME;
use trefoil_query::metrics::MetricMetadata;

use self::parameters::{Order, Wanted};
use super::error::PromError;
use super::form::Parameters;
use crate::ApiState;

const LINES: [(header::HeaderName, &str); 1] = [(header::CONTENT_TYPE, "application/x-ndjson; charset=utf-8")];

pub(super) async fn metric_names(
    State(state): State<ApiState>,
    headers: HeaderMap,
    parameters: Parameters,
) -> Result<Response, PromError> {
    let tenant = state.tenant(&headers)?;
    let wanted = Wanted::of(&parameters, "metric_names")?;
    let with_metadata = parameters.boolean("include_metadata", false)?;
    let names = state.engine.label_values(&tenant, METRIC_NAME, &wanted.question()).await?;
    let metadata = match with_metadata {
        true => state.engine.metric_metadata(&tenant, None).await?,
        false => BTreeMap::new(),
    };
    Ok(wanted.answer(names.items, metadata))
}

pub(super) async fn label_names(
    State(state): State<ApiState>,
    headers: HeaderMap,
    parameters: Parameters,
) -> Result<Response, PromError> {
    let tenant = state.tenant(&headers)?;
    let wanted = Wanted::of(&parameters, "label_names")?;
    let names = state.engine.label_names(&tenant, &wanted.question()).await?;
    Ok(wanted.answer(names.items, BTreeMap::new()))
}

pub(super) async fn label_values(
    State(state): State<ApiState>,
    headers: HeaderMap,
    parameters: Parameters,
) -> Result<Response, PromError> {
    let tenant = state.tenant(&headers)?;
    let wanted = Wanted::of(&parameters, "label_values")?;
    let label = parameters.get("label");
    if label.is_empty() {
        return Err(PromError::bad_data("missing required parameter \"label\""));
    }
    let values = state.engine.label_values(&tenant, label, &wanted.question()).await?;
    Ok(wanted.answer(values.items, BTreeMap::new()))
}

#[derive(Debug, Serialize)]
struct Found {
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    score: Option<f64>,
    #[serde(flatten)]
    metadata: Option<Told>,
}

#[derive(Debug, Serialize)]
struct Told {
    #[serde(rename = "type")]
    kind: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    help: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    unit: String,
}

impl Wanted {
    /// `names` by name.
    fn answer(self, names: Vec<String>, metadata: BTreeMap<String, Vec<MetricMetadata>>) -> Response {
        let (found, has_more) = self.found(names);
        let with_score = self.with_score;
        let told = move |name: &str| {
            let first = metadata_of(&metadata, name)?;
            Some(Told { kind: first.kind.clone(), help: first.help.clone(), unit: first.unit.clone() })
        };
        let mut found = found.into_iter().peekable();
        let mut begun = false;
        let mut ended = false;
        let lines = std::iter::from_fn(move || {
            if ended {
                return None;
            }
            if begun && found.peek().is_none() {
                ended = true;
                return Some(line(&json!({ "status": "success", "has_more": has_more })));
            }
            // Nothing found is one batch without results.
            begun = true;
            let batch = found.by_ref().take(self.batch_size).map(|(name, score)| {
                let metadata = told(&name);
                Found { name, score: with_score.then_some(score), metadata }
            });
            Some(line(&json!({ "results": batch.collect::<Vec<_>>() })))
        });
        (LINES, Body::from_stream(stream::iter(lines.map(Ok::<_, Infallible>)))).into_response()
    }

    /// With their scores, and whether there are more.
    fn found(&self, names: Vec<String>) -> (Vec<(String, f64)>, bool) {
        let scored = names.into_iter().filter_map(|name| Some((self.search.score(&name)?, name)));
        let mut found: Vec<(String, f64)> = scored.map(|(score, name)| (name, score)).collect();
        match self.order {
            Order::Ascending => {}
            Order::Descending => found.reverse(),
            // The sort keeps names of one score in their order.
            Order::Score => found.sort_by(|(_, a), (_, b)| b.total_cmp(a)),
        }
        let has_more = found.len() > self.limit;
        found.truncate(self.limit);
        (found, has_more)
    }
}

/// Of the family of a part of a histogram or a summary, too.
fn metadata_of<'m>(metadata: &'m BTreeMap<String, Vec<MetricMetadata>>, name: &str) -> Option<&'m MetricMetadata> {
    let families = ["", "_bucket", "_count", "_sum"].iter().filter_map(|suffix| name.strip_suffix(suffix));
    families.filter_map(|family| metadata.get(family)?.first()).next()
}

fn line(value: &serde_json::Value) -> Bytes {
    // A value is always JSON.
    let mut line = to_vec(value).unwrap_or_default();
    line.push(b'\n');
    line.into()
}
