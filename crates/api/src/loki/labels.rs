//! What there is: labels, their values, streams, how much of them.

use std::collections::BTreeSet;

use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::Json;
use serde_json::{Map, Value, json};
use trefoil_promql::labels::Labels;

use super::LokiError;
use super::answer::{metric, seconds};
use super::parameters::Asked;
use crate::ApiState;

type Answer = Result<Json<Value>, LokiError>;

/// Volumes of an answer where the request does not say.
const VOLUMES: usize = 100;

async fn streams(state: &ApiState, headers: &HeaderMap, asked: &Asked) -> Result<Vec<Labels>, LokiError> {
    let tenant = state.tenant(headers)?;
    let selector = asked.selector("query")?;
    Ok(state.engine.log_streams(&tenant, selector, asked.period()?, state.limits()).await?)
}

pub(super) async fn names(State(state): State<ApiState>, headers: HeaderMap, asked: Asked) -> Answer {
    let streams = streams(&state, &headers, &asked).await?;
    let names: BTreeSet<&str> = streams.iter().flat_map(|labels| labels.iter().map(|label| &*label.name)).collect();
    Ok(Json(json!({"status": "success", "data": names})))
}

pub(super) async fn values(
    State(state): State<ApiState>,
    Path(name): Path<String>,
    headers: HeaderMap,
    asked: Asked,
) -> Answer {
    let streams = streams(&state, &headers, &asked).await?;
    let values: BTreeSet<&str> =
        streams.iter().filter_map(|labels| labels.value(&name).map(|value| &**value)).collect();
    Ok(Json(json!({"status": "success", "data": values})))
}

/// Streams that fulfil any of the selectors; `logcli` calls them `match`, Grafana `match[]`.
pub(super) async fn series(State(state): State<ApiState>, headers: HeaderMap, asked: Asked) -> Answer {
    let tenant = state.tenant(&headers)?;
    let period = asked.period()?;
    let texts: Vec<String> = asked.all("match[]").chain(asked.all("match")).map(str::to_owned).collect();
    let mut all = BTreeSet::new();
    let selectors = match texts.is_empty() {
        true => vec![Vec::new()],
        false => texts
            .iter()
            .map(|text| match text.trim() {
                "" | "{}" => Ok(Vec::new()),
                text => trefoil_logql::parse_selector(text),
            })
            .collect::<Result<Vec<_>, _>>()?,
    };
    for selector in selectors {
        all.extend(state.engine.log_streams(&tenant, selector, period, state.limits()).await?);
    }
    let all: Vec<_> = all.iter().map(metric).collect();
    Ok(Json(json!({"status": "success", "data": all})))
}

pub(super) async fn stats(State(state): State<ApiState>, headers: HeaderMap, asked: Asked) -> Answer {
    let tenant = state.tenant(&headers)?;
    let selector = asked.selector("query")?;
    let stats = state.engine.log_stats(&tenant, selector, asked.period()?, state.limits()).await?;
    let (streams, chunks) = (stats.streams, stats.chunks);
    Ok(Json(json!({"streams": streams, "chunks": chunks, "bytes": stats.bytes, "entries": stats.entries})))
}

pub(super) async fn volume(State(state): State<ApiState>, headers: HeaderMap, asked: Asked) -> Answer {
    let period = asked.period()?;
    let volumes = volumes(&state, &headers, &asked, period, i64::MAX).await?;
    let samples = volumes.into_iter().map(|(labels, parts, _)| {
        let total: u64 = parts.iter().map(|(_, bytes)| bytes).sum();
        json!({"metric": shown(&labels, &asked), "value": [seconds(period.1), total.to_string()]})
    });
    let result: Value = samples.collect();
    Ok(Json(json!({"status": "success", "data": {"resultType": "vector", "result": result, "stats": {}}})))
}

pub(super) async fn volume_range(State(state): State<ApiState>, headers: HeaderMap, asked: Asked) -> Answer {
    let period = asked.period()?;
    let step = asked.step(period)?;
    let volumes = volumes(&state, &headers, &asked, period, step).await?;
    let all = volumes.into_iter().map(|(labels, parts, _)| {
        let values = parts.iter().map(|(part, bytes)| {
            let time = period.0.saturating_add(step.saturating_mul(i64::try_from(*part).unwrap_or(i64::MAX)));
            json!([seconds(time), bytes.to_string()])
        });
        json!({"metric": shown(&labels, &asked), "values": values.collect::<Value>()})
    });
    let result: Value = all.collect();
    Ok(Json(json!({"status": "success", "data": {"resultType": "matrix", "result": result, "stats": {}}})))
}

/// Of volumes by label the label has no value.
fn shown(labels: &Labels, asked: &Asked) -> Map<String, Value> {
    match asked.get("aggregateBy") {
        "labels" => labels.iter().map(|label| (label.name.to_string(), Value::from(""))).collect(),
        _ => metric(labels),
    }
}

/// The largest first, no more than were asked for.
async fn volumes(
    state: &ApiState,
    headers: &HeaderMap,
    asked: &Asked,
    period: (i64, i64),
    step: i64,
) -> Result<Vec<(Labels, Vec<(usize, u64)>, u64)>, LokiError> {
    let tenant = state.tenant(headers)?;
    let limit = asked.count("limit", VOLUMES)?;
    let selector = asked.selector("query")?;
    let targets: Vec<String> = match asked.get("targetLabels") {
        "" => selector.iter().map(|matcher| matcher.name.clone()).collect(),
        text => text.split(',').map(|name| name.trim().to_owned()).filter(|name| !name.is_empty()).collect(),
    };
    let group: Box<dyn Fn(&Labels) -> Vec<Labels> + Send> = match asked.get("aggregateBy") {
        // Without labels that are asked for every label is a volume of its own.
        "labels" => Box::new(move |labels: &Labels| {
            let is_wanted = |name: &str| targets.is_empty() || targets.iter().any(|target| target == name);
            let wanted = labels.iter().filter(|label| is_wanted(&label.name));
            wanted.map(|label| Labels::from_pairs([(label.name.clone(), label.name.clone())])).collect()
        }),
        "" | "series" => Box::new(move |labels: &Labels| {
            let names: Vec<&str> = targets.iter().map(String::as_str).collect();
            vec![if names.is_empty() { labels.clone() } else { labels.only(&names) }]
        }),
        other => {
            return Err(LokiError::bad_request(format!(
                "invalid aggregation option: {other:?} is neither \"series\" nor \"labels\""
            )));
        }
    };
    let volumes = state.engine.log_volume(&tenant, selector, period, step, group, state.limits()).await?;
    let mut volumes: Vec<(Labels, Vec<(usize, u64)>, u64)> = volumes
        .into_iter()
        .map(|volume| {
            let total = volume.bytes.values().sum();
            (volume.labels, volume.bytes.into_iter().collect(), total)
        })
        .collect();
    volumes.sort_by(|a, b| b.2.cmp(&a.2).then_with(|| a.0.cmp(&b.0)));
    volumes.truncate(limit);
    Ok(volumes)
}
