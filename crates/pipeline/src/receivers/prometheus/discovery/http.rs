//! `http_sd_configs`: target groups as JSON from a server.

use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use tokio::time::{MissedTickBehavior, interval, timeout};
use url::Url;

use super::group;
use crate::net::body::Admission;
use crate::receivers::prometheus::client::{HttpClient, read_body};
use crate::receivers::prometheus::config::http::HttpClientConfig;
use crate::receivers::prometheus::config::raw::{HttpSd, StaticConfig};
use crate::receivers::prometheus::relabel::Labels;

const REFRESH: Duration = Duration::from_secs(60);
const MAX_BYTES: usize = 64 << 20;
const URL: &str = "__meta_url";
const INTERVAL: HeaderName = HeaderName::from_static("x-prometheus-refresh-interval-seconds");

pub async fn run(config: HttpSd, client: HttpClientConfig, job: &str, publish: impl Fn(Vec<Labels>)) {
    let refresh = config.refresh_interval.map_or(REFRESH, |refresh| refresh.0).max(Duration::from_millis(100));
    let client = match HttpClient::new(&client) {
        Ok(client) => client,
        Err(error) => {
            tracing::error!(job, error, "the client of http_sd_configs cannot be made");
            return;
        }
    };
    let mut ticks = interval(refresh);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let asked = timeout(refresh.max(Duration::from_secs(1)), ask(&config, refresh, &client)).await;
        match asked.unwrap_or_else(|_| Err("no answer within the refresh interval".to_owned())) {
            Ok(targets) => publish(targets),
            Err(error) => {
                tracing::error!(job, url = config.url, error, "no targets from http_sd; those of before stay")
            }
        }
    }
}

async fn ask(config: &HttpSd, refresh: Duration, client: &HttpClient) -> Result<Vec<Labels>, String> {
    let url = Url::parse(&config.url).map_err(|error| error.to_string())?;
    let mut headers = HeaderMap::new();
    headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
    let seconds = HeaderValue::from_str(&refresh.as_secs_f64().to_string()).map_err(|error| error.to_string())?;
    headers.insert(INTERVAL, seconds);
    let response = client.get(url, headers).await?;
    if response.status() != StatusCode::OK {
        return Err(format!("server returned HTTP status {}", response.status()));
    }
    let kind = response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if kind.split(';').next().map(str::trim) != Some("application/json") {
        return Err(format!("unsupported content type {kind:?}"));
    }
    let mut reservation = Admission::new(MAX_BYTES).start();
    let body: Bytes = read_body(response, MAX_BYTES, &mut reservation).await.map_err(|error| format!("{error:?}"))?;
    let groups: Vec<Option<StaticConfig>> = serde_json::from_slice(&body).map_err(|error| error.to_string())?;
    if groups.iter().any(Option::is_none) {
        return Err("nil target group item found".to_owned());
    }
    let targets = groups.iter().flatten().flat_map(group).map(|mut labels| {
        labels.set(URL, &config.url);
        labels
    });
    Ok(targets.collect())
}
