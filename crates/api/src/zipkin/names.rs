//! Lists of names: services, spans, remote services, and what the UI completes.

use std::collections::BTreeSet;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Json;
use trefoil_query::traces::TagRequest;
use trefoil_traceql::ast::{Attribute, Field, Scope};
use trefoil_traceql::value::Value;

use super::ZipkinError;
use super::query::{Parameters, is_named, remote_attributes};
use crate::ApiState;
use crate::conditions::service_attribute;

/// Names in one answer.
const MAX_NAMES: usize = 100_000;
/// What the UI is offered to complete.
const MAX_COMPLETIONS: usize = 1000;

type Names = Result<Json<BTreeSet<String>>, ZipkinError>;

pub(super) async fn services(State(state): State<ApiState>, headers: HeaderMap) -> Names {
    Ok(Json(values(&state, &headers, &service_attribute(), None, MAX_NAMES).await?))
}

pub(super) async fn spans(State(state): State<ApiState>, parameters: Parameters, headers: HeaderMap) -> Names {
    let tenant = state.tenant(&headers)?;
    let service = parameters.required("serviceName")?.to_lowercase();
    let is_of_service = move |name: &str| name.to_lowercase() == service;
    let operations = state.engine.span_operations(&tenant, is_of_service, MAX_NAMES, state.limits()).await?;
    let names = operations.into_iter().map(|operation| operation.name);
    Ok(Json(names.filter(|name| !name.is_empty()).collect()))
}

pub(super) async fn remote_services(
    State(state): State<ApiState>,
    parameters: Parameters,
    headers: HeaderMap,
) -> Names {
    let filter = is_named(service_attribute(), parameters.required("serviceName")?);
    let mut names = BTreeSet::new();
    for attribute in remote_attributes() {
        names.extend(values(&state, &headers, &attribute, Some(filter.clone()), MAX_NAMES).await?);
    }
    Ok(Json(names))
}

/// All names of attributes of spans, where a Zipkin has those that its configuration lists.
pub(super) async fn autocomplete_keys(State(state): State<ApiState>, headers: HeaderMap) -> Names {
    let tenant = state.tenant(&headers)?;
    let request = TagRequest { filter: None, period: (i64::MIN, i64::MAX), limit: MAX_COMPLETIONS };
    let mut names = state.engine.span_tags(&tenant, &request, state.limits()).await?;
    Ok(Json(names.remove(&Scope::Span).unwrap_or_default()))
}

pub(super) async fn autocomplete_values(
    State(state): State<ApiState>,
    parameters: Parameters,
    headers: HeaderMap,
) -> Names {
    let name = parameters.required("key")?.to_owned();
    let attribute = Attribute::Named { scope: Some(Scope::Span), name };
    Ok(Json(values(&state, &headers, &attribute, None, MAX_COMPLETIONS).await?))
}

async fn values(
    state: &ApiState,
    headers: &HeaderMap,
    attribute: &Attribute,
    filter: Option<Field>,
    limit: usize,
) -> Result<BTreeSet<String>, ZipkinError> {
    let tenant = state.tenant(headers)?;
    let request = TagRequest { filter, period: (i64::MIN, i64::MAX), limit };
    let values = state.engine.span_tag_values(&tenant, attribute, &request, state.limits()).await?;
    let text = |value: Value| match value {
        Value::String(text) => text.to_string(),
        other => other.to_string(),
    };
    Ok(values.into_iter().map(text).filter(|text| !text.is_empty()).collect())
}
