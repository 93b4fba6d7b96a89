//! `health_check`: an HTTP answer for probes that says whether the pipelines are up, as in the Collector.

use std::sync::Arc;

use axum::Router;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Json, Response};
use axum::routing::any;
use chrono::{DateTime, SecondsFormat, Utc};
use serde::Deserialize;
use serde_json::json;

use super::http::HttpExtension;
use crate::component::{ComponentError, Context, Extension, ExtensionConfig, ExtensionFactory, Health};
use crate::config::{ConfigError, Section};
use crate::net::tls::ServerTls;

pub const FACTORY: ExtensionFactory = ExtensionFactory { kind: "health_check", signals: &[], parse };

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Config {
    endpoint: String,
    path: String,
    /// Fixed texts instead of the JSON status.
    response_body: Option<ResponseBody>,
    tls: Option<ServerTls>,
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct ResponseBody {
    healthy: String,
    unhealthy: String,
}

impl Default for Config {
    fn default() -> Self {
        Self { endpoint: "127.0.0.1:13133".into(), path: "/".into(), response_body: None, tls: None }
    }
}

const UNSUPPORTED: &[(&str, &str)] = &[
    ("check_collector_pipeline", "the Collector ignores it too; remove it"),
    ("cors", "probes are no browsers"),
    ("auth", "put the endpoint on an address that only probes reach"),
];

fn parse(section: &Section<'_>) -> Result<Box<dyn ExtensionConfig>, ConfigError> {
    let config: Config = section.without(UNSUPPORTED).parse()?;
    if !config.path.starts_with('/') || config.path.contains(['{', '}']) {
        return Err(section.invalid("path", "must start with `/` and hold no braces"));
    }
    Ok(Box::new(config))
}

impl ExtensionConfig for Config {
    fn build(&self, context: Context) -> Result<Arc<dyn Extension>, ComponentError> {
        let (health, bodies) = (context.health, self.response_body.clone());
        let router = Router::new().route(&self.path, any(async move || answer(&health, bodies.as_ref())));
        Ok(HttpExtension::new(context.id, &self.endpoint, self.tls.clone(), router))
    }
}

fn answer(health: &Health, bodies: Option<&ResponseBody>) -> Response {
    let is_ready = health.is_ready();
    let status = if is_ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    if let Some(bodies) = bodies {
        let body = if is_ready { &bodies.healthy } else { &bodies.unhealthy };
        return (status, [(header::CONTENT_TYPE, "text/plain; charset=utf-8")], body.clone()).into_response();
    }
    if !is_ready {
        return (status, Json(json!({ "status": "Server not available" }))).into_response();
    }
    let since = DateTime::<Utc>::from(health.since());
    let uptime = (Utc::now() - since).to_std().unwrap_or_default();
    let body = json!({
        "status": "Server available",
        "upSince": since.to_rfc3339_opts(SecondsFormat::Nanos, true),
        "uptime": format!("{:.3}s", uptime.as_secs_f64()),
    });
    (status, Json(body)).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_the_state_of_the_pipelines() {
        let health = Health::default();
        assert_eq!(answer(&health, None).status(), StatusCode::SERVICE_UNAVAILABLE);
        health.set_ready(true);
        assert_eq!(answer(&health, None).status(), StatusCode::OK);
    }

    #[tokio::test]
    async fn answers_with_the_configured_texts() {
        let health = Health::default();
        let bodies = ResponseBody { healthy: "fine".into(), unhealthy: "sick".into() };
        let body = async |health| {
            let body = answer(health, Some(&bodies)).into_body();
            String::from_utf8(axum::body::to_bytes(body, 100).await.unwrap().to_vec()).unwrap()
        };
        assert_eq!(body(&health).await, "sick");
        health.set_ready(true);
        assert_eq!(body(&health).await, "fine");
    }
}
