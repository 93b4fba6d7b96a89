//! Names and values of attributes: `GET /api/search/tags`, `/api/v2/search/tags`, `/api/search/tag/{tag}/values` and
//! `/api/v2/search/tag/{tag}/values`.

use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Json;
use serde::Deserialize;
use serde_json::{Value as JsonValue, json};
use trefoil_query::traces::{Names, TagRequest};
use trefoil_traceql::ast::{Attribute, Intrinsic, Scope};
use trefoil_traceql::value::{Kind, Status, Value};
use trefoil_traceql::{attribute, filter_so_far};

use super::TempoError;
use super::proto::{SearchTagValuesRequest, SearchTagsRequest};
use crate::ApiState;

/// Names of a scope, and values, unless fewer are asked for.
const LIMIT: usize = 10_000;
const INTRINSIC: &str = "intrinsic";
/// Of which there are values worth completing, and those that only comparisons make sense of.
const INTRINSICS: [&str; 20] = [
    "duration",
    "event:name",
    "event:timeSinceStart",
    "instrumentation:name",
    "instrumentation:version",
    "kind",
    "name",
    "rootName",
    "rootServiceName",
    "span:duration",
    "span:kind",
    "span:name",
    "span:status",
    "span:statusMessage",
    "status",
    "statusMessage",
    "trace:duration",
    "trace:rootName",
    "trace:rootService",
    "traceDuration",
];

/// Parameters of all four. What only tunes Tempo's own work (`maxStaleValues`) changes no answer here.
#[derive(Debug, Deserialize)]
pub(super) struct Parameters {
    scope: Option<String>,
    /// TraceQL, perhaps not typed to its end.
    q: Option<String>,
    /// Seconds since the epoch.
    start: Option<i64>,
    end: Option<i64>,
    limit: Option<usize>,
}

impl Parameters {
    fn of(scope: String, query: String, [start, end]: [u32; 2], limit: u32) -> Parameters {
        let text = |text: String| Some(text).filter(|text| !text.is_empty());
        let (start, end) = (Some(i64::from(start)), Some(i64::from(end)));
        Parameters { scope: text(scope), q: text(query), start, end, limit: Some(limit as usize) }
    }

    fn request(&self) -> Result<TagRequest, TempoError> {
        let period = match (self.start.unwrap_or(0), self.end.unwrap_or(0)) {
            (0, 0) => (i64::MIN, i64::MAX),
            (start, end) if end <= start => {
                return Err(TempoError::bad_request("invalid start: must be before end"));
            }
            (start, end) => (start.saturating_mul(1_000_000_000), end.saturating_mul(1_000_000_000)),
        };
        let limit = self.limit.filter(|limit| *limit > 0).unwrap_or(LIMIT).min(LIMIT);
        Ok(TagRequest { filter: self.q.as_deref().and_then(filter_so_far), period, limit })
    }
}

impl From<SearchTagsRequest> for Parameters {
    fn from(asked: SearchTagsRequest) -> Parameters {
        Parameters::of(asked.scope, asked.query, [asked.start, asked.end], asked.max_tags_per_scope)
    }
}

impl From<SearchTagValuesRequest> for Parameters {
    fn from(asked: SearchTagValuesRequest) -> Parameters {
        Parameters::of(String::new(), asked.query, [asked.start, asked.end], asked.max_tag_values)
    }
}

pub(super) async fn names_v1(
    State(state): State<ApiState>,
    Query(parameters): Query<Parameters>,
    headers: HeaderMap,
) -> Result<Json<JsonValue>, TempoError> {
    let scopes = scopes(&state, &parameters, &headers).await?;
    Ok(Json(json!({ "tagNames": all_names(scopes), "metrics": {} })))
}

/// The names of all scopes, each once.
pub(super) fn all_names(scopes: Vec<(&'static str, Vec<String>)>) -> Vec<String> {
    let mut names: Vec<String> = scopes.into_iter().flat_map(|(_, names)| names).collect();
    names.sort_unstable();
    names.dedup();
    names
}

pub(super) async fn names_v2(
    State(state): State<ApiState>,
    Query(parameters): Query<Parameters>,
    headers: HeaderMap,
) -> Result<Json<JsonValue>, TempoError> {
    let scopes = scopes(&state, &parameters, &headers).await?;
    let scope = |(name, tags): (&str, Vec<String>)| json!({ "name": name, "tags": tags });
    Ok(Json(json!({ "scopes": scopes.into_iter().map(scope).collect::<Vec<_>>(), "metrics": {} })))
}

/// The names of each scope that was asked for.
pub(super) async fn scopes(
    state: &ApiState,
    parameters: &Parameters,
    headers: &HeaderMap,
) -> Result<Vec<(&'static str, Vec<String>)>, TempoError> {
    let tenant = state.tenant(headers)?;
    let wanted = parameters.scope.as_deref().filter(|scope| !scope.is_empty() && *scope != "none");
    let is_known = |scope: &str| scope == INTRINSIC || Scope::named(scope).is_some();
    if let Some(unknown) = wanted.filter(|scope| !is_known(scope)) {
        return Err(TempoError::bad_request(format!("invalid scope: {unknown}")));
    }
    let is_wanted = |scope: &str| wanted.is_none_or(|wanted| wanted == scope);
    let mut scopes = Vec::new();
    let attributes = Scope::ALL.into_iter().filter(|scope| is_wanted(scope.name()));
    let attributes: Vec<Scope> = attributes.collect();
    if !attributes.is_empty() {
        let mut found: Names = state.engine.span_tags(&tenant, &parameters.request()?, state.limits()).await?;
        let names = |scope: Scope| (scope.name(), found.remove(&scope).unwrap_or_default().into_iter().collect());
        scopes.extend(attributes.into_iter().map(names).filter(|(_, names): &(_, Vec<String>)| !names.is_empty()));
    }
    if is_wanted(INTRINSIC) {
        scopes.push((INTRINSIC, INTRINSICS.map(str::to_owned).to_vec()));
    }
    Ok(scopes)
}

pub(super) async fn values_v1(
    State(state): State<ApiState>,
    Path(path): Path<String>,
    Query(parameters): Query<Parameters>,
    headers: HeaderMap,
) -> Result<Json<JsonValue>, TempoError> {
    let attribute = attribute_v1(tag(&path)?);
    let values = values(&state, &attribute, &parameters, &headers).await?;
    let texts: Vec<String> = values.iter().map(|value| described(value).1).collect();
    Ok(Json(json!({ "tagValues": texts, "metrics": {} })))
}

pub(super) async fn values_v2(
    State(state): State<ApiState>,
    Path(path): Path<String>,
    Query(parameters): Query<Parameters>,
    headers: HeaderMap,
) -> Result<Json<JsonValue>, TempoError> {
    let attribute = attribute_v2(tag(&path)?)?;
    let values = values(&state, &attribute, &parameters, &headers).await?;
    let value = |value: &Value| {
        let (kind, text) = described(value);
        json!({ "type": kind, "value": text })
    };
    Ok(Json(json!({ "tagValues": values.iter().map(value).collect::<Vec<_>>(), "metrics": {} })))
}

/// A tag by its name alone, or as TraceQL has it.
pub(super) fn attribute_v1(tag: &str) -> Attribute {
    match tag {
        // What it was called before there was TraceQL.
        "status.code" => Attribute::Intrinsic(Intrinsic::Status),
        "root.name" => Attribute::Intrinsic(Intrinsic::RootName),
        "root.service.name" => Attribute::Intrinsic(Intrinsic::RootService),
        tag => attribute(tag).unwrap_or_else(|_| Attribute::Named { scope: None, name: tag.to_owned() }),
    }
}

pub(super) fn attribute_v2(tag: &str) -> Result<Attribute, TempoError> {
    attribute(tag).map_err(|error| TempoError::bad_request(format!("invalid tag {tag}: {error}")))
}

/// `{tag}/values`: a tag may have slashes in it.
fn tag(path: &str) -> Result<&str, TempoError> {
    let tag = path.strip_suffix("/values").filter(|tag| !tag.is_empty());
    tag.ok_or_else(|| TempoError(StatusCode::NOT_FOUND, "404 page not found\n".to_owned()))
}

pub(super) async fn values(
    state: &ApiState,
    attribute: &Attribute,
    parameters: &Parameters,
    headers: &HeaderMap,
) -> Result<Vec<Value>, TempoError> {
    let tenant = state.tenant(headers)?;
    let request = parameters.request()?;
    match attribute {
        Attribute::Intrinsic(Intrinsic::Status) => {
            Ok([Status::Error, Status::Ok, Status::Unset].map(Value::Status).to_vec())
        }
        Attribute::Intrinsic(Intrinsic::Kind) => Ok(Kind::ALL.map(Value::Kind).to_vec()),
        // Of these every span, or trace, has another.
        Attribute::Intrinsic(
            Intrinsic::Duration
            | Intrinsic::TraceDuration
            | Intrinsic::EventTimeSinceStart
            | Intrinsic::SpanId
            | Intrinsic::ParentId
            | Intrinsic::TraceId
            | Intrinsic::LinkTraceId
            | Intrinsic::LinkSpanId
            | Intrinsic::ChildCount
            | Intrinsic::NestedSetLeft
            | Intrinsic::NestedSetRight
            | Intrinsic::NestedSetParent,
        ) => Ok(Vec::new()),
        attribute => Ok(state.engine.span_tag_values(&tenant, attribute, &request, state.limits()).await?),
    }
}

/// The type, by Tempo's name for it, and the value as text.
pub(super) fn described(value: &Value) -> (&'static str, String) {
    match value {
        Value::String(text) => ("string", text.to_string()),
        Value::Int(number) => ("int", number.to_string()),
        Value::Float(number) => ("float", number.to_string()),
        Value::Bool(flag) => ("bool", flag.to_string()),
        Value::Duration(_) => ("duration", value.to_string()),
        other => ("keyword", other.to_string()),
    }
}
