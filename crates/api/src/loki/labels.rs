//! What there is: labels, their values, streams, how much of them.

use std::collections::BTreeSet;
use std::time::Instant;

use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::Json;
use serde_json::{Map, Value, json};
use trefoil_lines::units;
use trefoil_promql::labels::Labels;
use trefoil_query::logs::{Spent, StreamVolume, VolumeGroups};

use super::LokiError;
use super::answer::{metric, seconds};
use super::parameters::Asked;
use super::stats::stats as statistics;
use crate::ApiState;

type Answer = Result<Json<Value>, LokiError>;

/// Volumes of an answer where the request does not say.
const VOLUMES: usize = 100;

pub(super) async fn streams(state: &ApiState, headers: &HeaderMap, asked: &Asked) -> Result<Vec<Labels>, LokiError> {
    let tenants = state.tenants(headers)?;
    let selector = asked.selector("query")?;
    Ok(state.engine.log_streams(&tenants, selector, asked.period()?, state.limits()).await?)
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
    let tenants = state.tenants(&headers)?;
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
        all.extend(state.engine.log_streams(&tenants, selector, period, state.limits()).await?);
    }
    let all: Vec<_> = all.iter().map(metric).collect();
    Ok(Json(json!({"status": "success", "data": all})))
}

pub(super) async fn stats(State(state): State<ApiState>, headers: HeaderMap, asked: Asked) -> Answer {
    let tenants = state.tenants(&headers)?;
    let selector = asked.selector("query")?;
    let stats = state.engine.log_stats(&tenants, selector, asked.period()?, state.limits()).await?;
    let (streams, chunks) = (stats.streams, stats.chunks);
    Ok(Json(json!({"streams": streams, "chunks": chunks, "bytes": stats.bytes, "entries": stats.entries})))
}

/// How a query could be split. Here it is answered as a whole, over all streams at once: one shard.
pub(super) async fn shards(State(state): State<ApiState>, headers: HeaderMap, asked: Asked) -> Answer {
    let tenants = state.tenants(&headers)?;
    let target = asked.get("targetBytesPerShard");
    let bytes = target.parse().ok().or_else(|| units::bytes(target));
    if !target.is_empty() && bytes.is_none_or(|bytes: u64| bytes == 0) {
        return Err(LokiError::bad_request(format!("targetBytesPerShard: {target:?} is no number of bytes")));
    }
    let selector = asked.selector("query")?;
    let began = Instant::now();
    let counted = state.engine.log_stats(&tenants, selector, asked.period()?, state.limits()).await?;
    let took = Spent { took: began.elapsed(), ..Spent::default() };
    let (streams, chunks) = (counted.streams, counted.chunks);
    let of_all = json!({"streams": streams, "chunks": chunks, "bytes": counted.bytes, "entries": counted.entries});
    let shard = json!({"bounds": {"min": 0, "max": u64::MAX}, "stats": of_all});
    Ok(Json(json!({"shards": [shard], "statistics": statistics(&took, 0)})))
}

pub(super) async fn volume(State(state): State<ApiState>, headers: HeaderMap, asked: Asked) -> Answer {
    let period = asked.period()?;
    let volumes = volumes(&state, &headers, &asked, period, i64::MAX).await?;
    let samples = volumes.iter().map(|volume| {
        json!({"metric": shown(&volume.labels, &asked), "value": [seconds(period.1), total(volume).to_string()]})
    });
    let result: Value = samples.collect();
    Ok(Json(json!({"status": "success", "data": {"resultType": "vector", "result": result, "stats": {}}})))
}

pub(super) async fn volume_range(State(state): State<ApiState>, headers: HeaderMap, asked: Asked) -> Answer {
    let period = asked.period()?;
    let step = asked.step(period)?;
    let volumes = volumes(&state, &headers, &asked, period, step).await?;
    let all = volumes.iter().map(|volume| {
        let values = volume.bytes.iter().map(|(part, bytes)| {
            let time = period.0.saturating_add(step.saturating_mul(i64::try_from(*part).unwrap_or(i64::MAX)));
            json!([seconds(time), bytes.to_string()])
        });
        json!({"metric": shown(&volume.labels, &asked), "values": values.collect::<Value>()})
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

fn total(volume: &StreamVolume) -> u64 {
    volume.bytes.values().sum()
}

/// The largest first, no more than were asked for.
async fn volumes(
    state: &ApiState,
    headers: &HeaderMap,
    asked: &Asked,
    period: (i64, i64),
    step: i64,
) -> Result<Vec<StreamVolume>, LokiError> {
    let tenants = state.tenants(headers)?;
    let limit = asked.count("limit", VOLUMES)?;
    let selector = asked.selector("query")?;
    let targets: Vec<String> = match asked.get("targetLabels") {
        "" => selector.iter().map(|matcher| matcher.name.clone()).collect(),
        text => text.split(',').map(|name| name.trim().to_owned()).filter(|name| !name.is_empty()).collect(),
    };
    let group: VolumeGroups = match asked.get("aggregateBy") {
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
    let mut volumes = state.engine.log_volume(&tenants, selector, period, step, group, state.limits()).await?;
    volumes.sort_by(|a, b| total(b).cmp(&total(a)).then_with(|| a.labels.cmp(&b.labels)));
    volumes.truncate(limit);
    Ok(volumes)
}
