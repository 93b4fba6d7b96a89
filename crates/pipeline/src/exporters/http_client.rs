//! What exporters over HTTP have in common: the Collector's client options, compression, and reading answers.

use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderValue, StatusCode};
use reqwest::Client;
use serde::Deserialize;

use super::answer;
use crate::component::ComponentError;
use crate::net::compression::Encoding;
use crate::net::tls::{ClientTls, client_config};

/// Nothing reads more of an answer than this.
const MAX_ANSWER: usize = 64 << 10;

const USER_AGENT: &str = concat!("Trefoil/", env!("CARGO_PKG_VERSION"));

/// The options of the Collector's `confighttp` for clients; a duration of 0 is for ever, or never.
pub struct ClientSettings<'a> {
    pub tls: &'a ClientTls,
    /// For one attempt.
    pub timeout: Duration,
    pub proxy_url: Option<&'a str>,
    pub max_idle_conns_per_host: Option<usize>,
    pub idle_conn_timeout: Duration,
    /// One request a connection.
    pub disable_keep_alives: bool,
    /// After how much silence an HTTP/2 connection is pinged.
    pub http2_read_idle_timeout: Duration,
    pub http2_ping_timeout: Duration,
}

impl ClientSettings<'_> {
    pub fn client(&self) -> Result<Client, ComponentError> {
        let tls = client_config(self.tls, &["h2", "http/1.1"]).map_err(ComponentError::new)?;
        let mut builder = Client::builder()
            .use_preconfigured_tls(tls)
            .user_agent(USER_AGENT)
            .redirect(reqwest::redirect::Policy::none())
            .pool_idle_timeout(Some(self.idle_conn_timeout).filter(|timeout| !timeout.is_zero()));
        if !self.timeout.is_zero() {
            builder = builder.timeout(self.timeout);
        }
        if let Some(connections) = self.max_idle_conns_per_host {
            builder = builder.pool_max_idle_per_host(connections);
        }
        if self.disable_keep_alives {
            builder = builder.pool_max_idle_per_host(0);
        }
        if !self.http2_read_idle_timeout.is_zero() {
            builder = builder.http2_keep_alive_interval(self.http2_read_idle_timeout);
        }
        if !self.http2_ping_timeout.is_zero() {
            builder = builder.http2_keep_alive_timeout(self.http2_ping_timeout);
        }
        if let Some(proxy) = self.proxy_url {
            builder = builder.proxy(reqwest::Proxy::all(proxy).map_err(ComponentError::new)?);
        }
        builder.build().map_err(ComponentError::new)
    }
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CompressionParams {
    /// On the scale of the compression; only gzip, zlib, deflate and zstd have levels.
    pub level: Option<i32>,
}

/// The error is the option that is wrong, and why.
pub fn check_compression(name: &str, params: &CompressionParams) -> Result<(), (&'static str, String)> {
    let Some(encoding) = Encoding::from_name(name) else {
        return Err(("compression", format!("{name:?} is not a compression of HTTP bodies")));
    };
    check_level(encoding, params.level).map_err(|reason| ("compression_params.level", reason))
}

fn check_level(encoding: Encoding, level: Option<i32>) -> Result<(), String> {
    let Some(level) = level else { return Ok(()) };
    let allowed = match encoding {
        Encoding::Gzip | Encoding::Zlib => 0..=9,
        Encoding::Zstd => 1..=22,
        _ => return Err(format!("{} has no levels", encoding.as_str())),
    };
    if allowed.contains(&level) {
        return Ok(());
    }
    Err(format!("{level} is not a level of {}: {} to {}", encoding.as_str(), allowed.start(), allowed.end()))
}

/// The answer to a request.
pub struct Posted {
    pub status: StatusCode,
    pub content_type: String,
    pub retry_after: Option<Duration>,
    /// As much as is of interest.
    pub body: Bytes,
}

impl Posted {
    pub async fn read(response: reqwest::Response) -> Self {
        let header = |name| response.headers().get(name).and_then(|value: &HeaderValue| value.to_str().ok());
        let content_type = header(CONTENT_TYPE).unwrap_or_default().to_string();
        let retry_after = header(RETRY_AFTER).and_then(|value| answer::retry_after(value, chrono::Utc::now()));
        Self { status: response.status(), content_type, retry_after, body: read_some(response).await }
    }
}

/// The body of an answer, as much as is of interest.
pub async fn read_some(mut response: reqwest::Response) -> Bytes {
    let mut body = Vec::new();
    while let Ok(Some(chunk)) = response.chunk().await {
        body.extend_from_slice(&chunk);
        if body.len() >= MAX_ANSWER {
            break;
        }
    }
    body.into()
}

/// reqwest's own text ends before the cause.
pub fn explain(error: &reqwest::Error) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}
