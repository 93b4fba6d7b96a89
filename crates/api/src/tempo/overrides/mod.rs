//! `/api/overrides`: what a tenant chooses for itself, by Tempo's user-configurable overrides.
//!
//! Tempo's generator has many options a tenant may set. Here metrics of traces are made by connectors, which the configuration puts into
//! pipelines; a tenant chooses which of them work for it. Everything else is refused by name: see [`limits`].

mod limits;

use std::collections::BTreeMap;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::Value;
use trefoil_pipeline::overrides::Overrides;
use trefoil_query::{Engine, QueryError};

use self::limits::Limits;
use super::TempoError;
use crate::ApiState;

const NAME: &str = "tempo_overrides";
/// How long other processes may know nothing of a change.
const REFRESH: Duration = Duration::from_secs(30);
/// The version of what is not there yet.
const NEW: &str = "0";
/// How often a patch begins again because somebody else was faster.
const ATTEMPTS: usize = 5;

const OTHER_VERSION: &str = "version does not match";

/// Takes over what is stored, of all tenants.
///
/// # Errors
/// If it cannot be read. What one tenant has set and this program does not take (any more) is told in the log and has no effect.
pub async fn read_overrides(engine: &Engine, overrides: &Overrides) -> Result<(), QueryError> {
    let mut choices = BTreeMap::new();
    for (tenant, setting) in engine.settings(NAME).await? {
        match Limits::parse(setting.value.as_bytes()) {
            Ok(limits) => drop(choices.insert(tenant, limits.choice())),
            Err(error) => tracing::warn!(tenant = tenant.as_str(), error, "overrides of a tenant have no effect"),
        }
    }
    overrides.set_all(choices);
    Ok(())
}

/// Goes on taking over what other processes store, for ever.
pub async fn keep_overrides(engine: &Engine, overrides: &Overrides) {
    loop {
        tokio::time::sleep(REFRESH).await;
        if let Err(error) = read_overrides(engine, overrides).await {
            tracing::warn!(%error, "overrides of tenants cannot be read; those of before stay");
        }
    }
}

pub(super) async fn get(
    State(state): State<ApiState>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, TempoError> {
    let tenant = state.tenant(&headers)?;
    let scope = parameter(query.as_deref(), "scope").unwrap_or_else(|| "api".to_owned());
    if !matches!(scope.as_str(), "api" | "merged") {
        let message = format!("unknown scope \"{scope}\", valid options are api and merged");
        return Err(TempoError::bad_request(message));
    }
    let Some(setting) = state.engine.setting(&tenant, NAME).await? else {
        return Err(TempoError::not_found());
    };
    let mut limits = Limits::parse(setting.value.as_bytes()).map_err(internal)?;
    if scope == "merged" {
        limits = limits.merged(&state.overrides.running());
    }
    Ok(answer(&limits, setting.version))
}

pub(super) async fn post(
    State(state): State<ApiState>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, TempoError> {
    let tenant = state.tenant(&headers)?;
    let instead_of = match if_match(&headers)? {
        NEW => None,
        version => Some(parse_version(version)?),
    };
    check_skip(query.as_deref())?;
    let limits = Limits::parse(&body).map_err(TempoError::bad_request)?;
    limits.check(&state.overrides.running()).map_err(TempoError::bad_request)?;
    let set = state.engine.set(&tenant, NAME, &limits.json().to_string(), instead_of).await?;
    let version = set.map_err(|_| precondition_failed(OTHER_VERSION))?;
    state.overrides.set(&tenant, Some(limits.choice()));
    Ok([(header::ETAG, version.to_string())].into_response())
}

/// A merge patch (RFC 7396). It needs no version.
pub(super) async fn patch(
    State(state): State<ApiState>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, TempoError> {
    let tenant = state.tenant(&headers)?;
    check_skip(query.as_deref())?;
    let change: Value = serde_json::from_slice(&body).map_err(|error| TempoError::bad_request(error.to_string()))?;
    for _ in 0..ATTEMPTS {
        let present = state.engine.setting(&tenant, NAME).await?;
        let mut json = match &present {
            Some(setting) => serde_json::from_str(&setting.value).map_err(internal)?,
            None => Value::Object(serde_json::Map::new()),
        };
        merge(&mut json, &change);
        let limits = Limits::of(&json).map_err(TempoError::bad_request)?;
        limits.check(&state.overrides.running()).map_err(TempoError::bad_request)?;
        let instead_of = present.map(|setting| setting.version);
        if let Ok(version) = state.engine.set(&tenant, NAME, &limits.json().to_string(), instead_of).await? {
            state.overrides.set(&tenant, Some(limits.choice()));
            return Ok(answer(&limits, version));
        }
    }
    Err(internal("overrides have been modified during request processing, try again"))
}

pub(super) async fn delete(State(state): State<ApiState>, headers: HeaderMap) -> Result<Response, TempoError> {
    let tenant = state.tenant(&headers)?;
    let expected = match if_match(&headers)? {
        NEW => None,
        version => Some(parse_version(version)?),
    };
    let removed = match expected {
        Some(version) => state.engine.unset(&tenant, NAME, version).await?,
        // Only what is not there is of this version.
        None => match state.engine.setting(&tenant, NAME).await? {
            None => return Err(TempoError::not_found()),
            Some(_) => return Err(precondition_failed(OTHER_VERSION)),
        },
    };
    match removed {
        Ok(()) => {
            state.overrides.set(&tenant, None);
            Ok(StatusCode::OK.into_response())
        }
        Err(other) if other.0.is_none() => Err(TempoError::not_found()),
        Err(_) => Err(precondition_failed(OTHER_VERSION)),
    }
}

fn answer(limits: &Limits, version: i64) -> Response {
    let tag = [(header::ETAG, HeaderValue::from(version))];
    (tag, axum::response::Json(limits.json())).into_response()
}

fn if_match(headers: &HeaderMap) -> Result<&str, TempoError> {
    let value = headers.get(header::IF_MATCH).and_then(|value| value.to_str().ok()).filter(|value| !value.is_empty());
    value.ok_or_else(|| TempoError(StatusCode::PRECONDITION_REQUIRED, "must specify If-Match header".to_owned()))
}

fn parse_version(text: &str) -> Result<i64, TempoError> {
    // Some clients quote it, as HTTP has it.
    text.trim_matches('"').parse().map_err(|_| precondition_failed("version is not valid"))
}

/// There are no overrides but those of the API, so nothing can contradict them.
fn check_skip(query: Option<&str>) -> Result<(), TempoError> {
    const FLAGS: [&str; 12] = ["1", "t", "T", "TRUE", "true", "True", "0", "f", "F", "FALSE", "false", "False"];
    match parameter(query, "skip-conflicting-overrides-check") {
        Some(flag) if !FLAGS.contains(&flag.as_str()) => {
            Err(TempoError::bad_request("could not parse skip-conflicting-overrides-check, must be a boolean value"))
        }
        _ => Ok(()),
    }
}

fn parameter(query: Option<&str>, name: &str) -> Option<String> {
    let mut pairs = url::form_urlencoded::parse(query?.as_bytes());
    pairs.find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
}

/// RFC 7396.
fn merge(target: &mut Value, change: &Value) {
    let Value::Object(changes) = change else {
        *target = change.clone();
        return;
    };
    if !target.is_object() {
        *target = Value::Object(serde_json::Map::new());
    }
    let Value::Object(members) = target else { return };
    for (name, change) in changes {
        if change.is_null() {
            members.remove(name);
        } else {
            merge(members.entry(name.clone()).or_insert(Value::Null), change);
        }
    }
}

fn precondition_failed(message: &str) -> TempoError {
    TempoError(StatusCode::PRECONDITION_FAILED, message.to_owned())
}

fn internal(error: impl std::fmt::Display) -> TempoError {
    TempoError(StatusCode::INTERNAL_SERVER_ERROR, error.to_string())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// The examples of RFC 7396.
    #[test]
    fn patches_are_merged() {
        for (target, change, expected) in [
            (json!({"a": "b"}), json!({"a": "c"}), json!({"a": "c"})),
            (json!({"a": "b"}), json!({"b": "c"}), json!({"a": "b", "b": "c"})),
            (json!({"a": "b", "b": "c"}), json!({"a": null}), json!({"b": "c"})),
            (json!({"a": ["b"]}), json!({"a": "c"}), json!({"a": "c"})),
            (json!({"a": {"b": "c"}}), json!({"a": {"b": "d", "c": null}}), json!({"a": {"b": "d"}})),
            (json!(["a"]), json!(["c"]), json!(["c"])),
            (json!({"e": null}), json!({"a": 1}), json!({"e": null, "a": 1})),
            (json!({}), json!({"a": {"bb": {"ccc": null}}}), json!({"a": {"bb": {}}})),
        ] {
            let mut merged = target;
            merge(&mut merged, &change);
            assert_eq!(merged, expected, "{change}");
        }
    }
}
