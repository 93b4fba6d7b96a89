//! OAuth 2.0's client credentials (RFC 6749, section 4.4): a token is fetched when the one before is about to expire.

use std::time::{Duration, Instant};

use http::HeaderMap;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use serde::Deserialize;
use tokio::sync::Mutex;
use url::form_urlencoded::Serializer;

use super::{basic, build, explain, read_body, secret};
use crate::net::body::Admission;
use crate::receivers::prometheus::config::http::{HttpClientConfig, OAuth2};

/// Before its end a token is not used any more.
const EARLY: Duration = Duration::from_secs(10);

/// How long one without an end is used.
const UNTOLD: Duration = Duration::from_secs(3600);

const TIMEOUT: Duration = Duration::from_secs(30);

/// Bytes of an answer.
const MAX_ANSWER: usize = 1 << 20;

pub struct Tokens {
    config: OAuth2,
    client: reqwest::Client,
    /// The value of the header, and until when it holds.
    current: Mutex<Option<(String, Instant)>>,
}

#[derive(Deserialize)]
struct Answer {
    access_token: String,
    token_type: Option<String>,
    expires_in: Option<u64>,
}

impl Tokens {
    pub fn new(config: &OAuth2) -> Result<Self, String> {
        let transport = HttpClientConfig {
            basic_auth: None,
            authorization: None,
            oauth2: None,
            bearer_token: None,
            bearer_token_file: None,
            tls_config: config.tls_config.clone().unwrap_or_default(),
            follow_redirects: true,
            enable_http2: true,
            proxy_url: config.proxy_url.clone(),
            no_proxy: config.no_proxy.clone(),
            proxy_from_environment: config.proxy_from_environment,
            proxy_connect_header: config.proxy_connect_header.clone(),
            http_headers: Default::default(),
        };
        Ok(Self { config: config.clone(), client: build(&transport)?, current: Mutex::default() })
    }

    /// The value for `Authorization`.
    pub async fn get(&self) -> Result<String, String> {
        let mut current = self.current.lock().await;
        if let Some((token, end)) = &*current
            && Instant::now() + EARLY < *end
        {
            return Ok(token.clone());
        }
        let answer = self.fetch().await.map_err(|reason| format!("no OAuth 2.0 token: {reason}"))?;
        let kind = match answer.token_type.as_deref() {
            None | Some("") => "Bearer",
            Some(kind) if kind.eq_ignore_ascii_case("bearer") => "Bearer",
            Some(kind) => kind,
        };
        let token = format!("{kind} {}", answer.access_token);
        let lasts = answer.expires_in.map_or(UNTOLD, Duration::from_secs);
        *current = Instant::now().checked_add(lasts).map(|end| (token.clone(), end));
        Ok(token)
    }

    /// By the header first and then in the form: servers take the one or the other.
    async fn fetch(&self) -> Result<Answer, String> {
        let secret = secret(self.config.client_secret.as_ref(), self.config.client_secret_file.as_deref()).await?;
        let mut headers = HeaderMap::new();
        headers.insert(AUTHORIZATION, basic(&self.config.client_id, &secret)?);
        match self.ask(headers, &[]).await {
            Ok(answer) => Ok(answer),
            Err(first) => {
                let credentials = [("client_id", self.config.client_id.as_str()), ("client_secret", secret.as_str())];
                self.ask(HeaderMap::new(), &credentials).await.map_err(|_| first)
            }
        }
    }

    fn form(&self, credentials: &[(&str, &str)]) -> String {
        let mut form = Serializer::new(String::new());
        form.append_pair("grant_type", "client_credentials").extend_pairs(credentials);
        if !self.config.scopes.is_empty() {
            form.append_pair("scope", &self.config.scopes.join(" "));
        }
        form.extend_pairs(&self.config.endpoint_params).finish()
    }

    async fn ask(&self, headers: HeaderMap, credentials: &[(&str, &str)]) -> Result<Answer, String> {
        let request = self.client.post(&self.config.token_url).headers(headers).timeout(TIMEOUT);
        let request = request.header(CONTENT_TYPE, "application/x-www-form-urlencoded").body(self.form(credentials));
        let response = request.send().await.map_err(|error| explain(&error))?;
        let status = response.status();
        let mut reservation = Admission::new(MAX_ANSWER).start();
        let body = read_body(response, MAX_ANSWER, &mut reservation).await.map_err(|error| format!("{error:?}"))?;
        if !status.is_success() {
            return Err(format!("{} answered {status}", self.config.token_url));
        }
        serde_json::from_slice(&body).map_err(|error| format!("{}: {error}", self.config.token_url))
    }
}
