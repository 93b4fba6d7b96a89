//! An HTTP client by Prometheus' options. Secrets that lie in files are read for every request, certificates when their
//! files have changed.

use std::path::Path;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_LENGTH};
use http::{HeaderMap, HeaderName, HeaderValue};
use parking_lot::Mutex;
use reqwest::{NoProxy, Proxy, Response, redirect};
use url::Url;

use self::oauth2::Tokens;
use super::config::http::{Authorization, BasicAuth, HttpClientConfig};
use crate::config::Secret;
use crate::net::body::Reservation;
use crate::net::tls::client_config;

mod oauth2;
#[cfg(test)]
mod tests;

const USER_AGENT: &str = concat!("Trefoil/", env!("CARGO_PKG_VERSION"));

/// As in Prometheus (and Go).
const MAX_REDIRECTS: usize = 10;
const IDLE: Duration = Duration::from_secs(300);

/// Bytes of a file with a secret.
const MAX_SECRET_FILE: u64 = 1 << 20;

/// When each file of certificates changed last.
type Fingerprint = Vec<Option<SystemTime>>;

pub struct HttpClient {
    config: HttpClientConfig,
    built: Mutex<(reqwest::Client, Fingerprint)>,
    tokens: Option<Tokens>,
}

impl HttpClient {
    /// Reads certificates; connects to nothing.
    pub fn new(config: &HttpClientConfig) -> Result<Self, String> {
        let built = Mutex::new((build(config)?, fingerprint(config)));
        let tokens = config.oauth2.as_ref().map(Tokens::new).transpose()?;
        Ok(Self { config: config.clone(), built, tokens })
    }

    /// Sends a GET; `headers` are the caller's, to which those of the configuration are added.
    pub async fn get(&self, url: Url, headers: HeaderMap) -> Result<Response, String> {
        let mut headers = headers;
        self.add_headers(&mut headers).await?;
        let request = self.client().get(url).headers(headers);
        request.send().await.map_err(|error| explain(&error))
    }

    /// Posts a body within `timeout`, the answer included; 0 is for ever.
    pub async fn post(&self, url: Url, headers: HeaderMap, body: Bytes, timeout: Duration) -> Result<Response, String> {
        let mut headers = headers;
        self.add_headers(&mut headers).await?;
        let mut request = self.client().post(url).headers(headers).body(body);
        if !timeout.is_zero() {
            request = request.timeout(timeout);
        }
        request.send().await.map_err(|error| explain(&error))
    }

    fn client(&self) -> reqwest::Client {
        let mut built = self.built.lock();
        let now = fingerprint(&self.config);
        if built.1 != now {
            match build(&self.config) {
                Ok(client) => *built = (client, now),
                Err(error) => tracing::warn!(error, "kept the old certificates: the new ones cannot be loaded"),
            }
        }
        built.0.clone()
    }

    async fn add_headers(&self, headers: &mut HeaderMap) -> Result<(), String> {
        for (name, header) in &self.config.http_headers {
            let name = HeaderName::from_bytes(name.as_bytes()).map_err(|error| format!("{name:?}: {error}"))?;
            let mut values: Vec<String> = header.values.clone();
            values.extend(header.secrets.iter().map(|secret| secret.reveal().to_owned()));
            for file in &header.files {
                values.push(read_secret(file).await?);
            }
            for value in values {
                headers.append(&name, header_value(&value)?);
            }
        }
        if let Some(value) = self.authorization().await? {
            headers.insert(AUTHORIZATION, value);
        }
        Ok(())
    }

    async fn authorization(&self) -> Result<Option<HeaderValue>, String> {
        let config = &self.config;
        if let Some(BasicAuth { username, username_file, password, password_file }) = &config.basic_auth {
            let username = match username_file {
                Some(file) => read_secret(file).await?,
                None => username.clone().unwrap_or_default(),
            };
            let password = secret(password.as_ref(), password_file.as_deref()).await?;
            return basic(&username, &password).map(Some);
        }
        if let Some(Authorization { kind, credentials, credentials_file }) = &config.authorization {
            let kind = kind.as_deref().map(str::trim).filter(|kind| !kind.is_empty()).unwrap_or("Bearer");
            let credentials = secret(credentials.as_ref(), credentials_file.as_deref()).await?;
            return secret_header(&format!("{kind} {credentials}")).map(Some);
        }
        if config.bearer_token.is_some() || config.bearer_token_file.is_some() {
            let token = secret(config.bearer_token.as_ref(), config.bearer_token_file.as_deref()).await?;
            return secret_header(&format!("Bearer {token}")).map(Some);
        }
        match &self.tokens {
            Some(tokens) => secret_header(&tokens.get().await?).map(Some),
            None => Ok(None),
        }
    }
}

fn basic(username: &str, password: &str) -> Result<HeaderValue, String> {
    use base64::Engine as _;
    let both = base64::engine::general_purpose::STANDARD.encode(format!("{username}:{password}"));
    secret_header(&format!("Basic {both}"))
}

async fn secret(inline: Option<&Secret>, file: Option<&Path>) -> Result<String, String> {
    match file {
        Some(file) => read_secret(file).await,
        None => Ok(inline.map(Secret::reveal).unwrap_or_default().to_owned()),
    }
}

/// White space around it is no part of it.
async fn read_secret(file: &Path) -> Result<String, String> {
    let wrong = |reason: String| format!("unable to read file {}: {reason}", file.display());
    let size = tokio::fs::metadata(file).await.map_err(|error| wrong(error.to_string()))?.len();
    if size > MAX_SECRET_FILE {
        return Err(wrong(format!("{size} bytes are more than a secret has")));
    }
    let text = tokio::fs::read_to_string(file).await.map_err(|error| wrong(error.to_string()))?;
    Ok(text.trim().to_owned())
}

fn header_value(text: &str) -> Result<HeaderValue, String> {
    HeaderValue::from_str(text).map_err(|_| "a header's value has characters that no header may have".to_owned())
}

fn secret_header(text: &str) -> Result<HeaderValue, String> {
    let mut value = header_value(text)?;
    value.set_sensitive(true);
    Ok(value)
}

fn fingerprint(config: &HttpClientConfig) -> Fingerprint {
    config.tls_config.files().map(|file| std::fs::metadata(file).and_then(|file| file.modified()).ok()).collect()
}

fn build(config: &HttpClientConfig) -> Result<reqwest::Client, String> {
    let alpn: &[&str] = if config.enable_http2 { &["h2", "http/1.1"] } else { &["http/1.1"] };
    let tls = client_config(&config.tls_config.client(), alpn).map_err(|error| error.to_string())?;
    let mut builder =
        reqwest::Client::builder().use_preconfigured_tls(tls).user_agent(USER_AGENT).pool_idle_timeout(IDLE).redirect(
            match config.follow_redirects {
                true => redirect::Policy::limited(MAX_REDIRECTS),
                false => redirect::Policy::none(),
            },
        );
    if !config.enable_http2 {
        builder = builder.http1_only();
    }
    if !config.proxy_from_environment {
        builder = builder.no_proxy();
    }
    if let Some(url) = &config.proxy_url {
        let mut headers = HeaderMap::new();
        for (name, values) in &config.proxy_connect_header {
            let name = HeaderName::from_bytes(name.as_bytes()).map_err(|error| error.to_string())?;
            for value in values {
                headers.append(&name, secret_header(value.reveal())?);
            }
        }
        let proxy = Proxy::all(url).map_err(|error| error.to_string())?;
        let no_proxy = config.no_proxy.as_deref().and_then(NoProxy::from_string);
        builder = builder.proxy(proxy.no_proxy(no_proxy).headers(headers));
    }
    builder.build().map_err(|error| error.to_string())
}

/// Reads a body of at most `limit` bytes, all of which `reservation` accounts for.
pub async fn read_body(
    mut response: Response,
    limit: usize,
    reservation: &mut Reservation,
) -> Result<Bytes, BodyError> {
    let told = response.headers().get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    if told.is_some_and(|told| told > limit as u64) {
        return Err(BodyError::TooLarge);
    }
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| BodyError::Broken(explain(&error)))? {
        if body.len() + chunk.len() > limit {
            return Err(BodyError::TooLarge);
        }
        reservation.resize(body.len() + chunk.len()).map_err(|error| BodyError::Broken(error.to_string()))?;
        body.extend_from_slice(&chunk);
    }
    Ok(body.into())
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BodyError {
    TooLarge,
    Broken(String),
}

/// reqwest's own text ends before the cause, and begins with the URL, which everybody knows.
pub fn explain(error: &reqwest::Error) -> String {
    let mut text = match (error.is_timeout(), error.is_redirect(), error.is_connect()) {
        (true, ..) => "the request took too long".to_owned(),
        (_, true, _) => "too many redirects".to_owned(),
        (_, _, true) => "cannot connect".to_owned(),
        _ if error.is_decode() || error.is_body() => "the body did not arrive whole".to_owned(),
        _ => "the request failed".to_owned(),
    };
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}
