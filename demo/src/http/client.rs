//! How services call each other: with the context in the headers.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use http::{Method, StatusCode};
use opentelemetry::{Context, KeyValue};
use opentelemetry_http::HeaderInjector;
use serde::de::DeserializeOwned;
use serde_json::Value;
use url::Url;

use super::failure::Failure;
use crate::services::ServiceName;
use crate::shop::Job;
use crate::telemetry::Exception;

/// Longer than an order may wait for its payment.
const TIMEOUT: Duration = Duration::from_secs(10);
const MAX_ANSWER: usize = 1024 * 1024;

/// A client that finds each service by its name, as it would in a cluster.
pub fn client(addresses: &HashMap<ServiceName, SocketAddr>) -> reqwest::Result<reqwest::Client> {
    let client = reqwest::Client::builder().no_proxy().timeout(TIMEOUT);
    let client = client.user_agent(concat!("bookstore/", env!("CARGO_PKG_VERSION")));
    addresses.iter().fold(client, |client, (service, address)| client.resolve(service.as_str(), *address)).build()
}

/// What another service answered.
pub struct Answer {
    pub from: ServiceName,
    pub status: StatusCode,
    body: Vec<u8>,
}

impl Answer {
    /// The body of a success; any other answer is passed on as a failure.
    pub fn json<T: DeserializeOwned>(self) -> Result<T, Failure> {
        if !self.status.is_success() {
            return Err(self.into_failure());
        }
        serde_json::from_slice(&self.body).map_err(|error| {
            let message = format!("{} answered something else: {error}", self.from);
            Failure::exception(StatusCode::BAD_GATEWAY, Exception::new("serde_json::Error", message, &[]))
        })
    }

    /// Errors of the caller go back to the caller of this; broken services are named.
    pub fn into_failure(self) -> Failure {
        let said = serde_json::from_slice::<Value>(&self.body).ok();
        let said = said.and_then(|body| Some(body.get("error")?.get("message")?.as_str()?.to_owned()));
        let said = said.unwrap_or_else(|| format!("{} answered {}", self.from, self.status));
        match self.status.is_server_error() {
            true => Failure::new(self.status, format!("{}: {said}", self.from)),
            false => Failure::new(self.status, said),
        }
    }
}

impl Job {
    /// Calls another service, in the context of the current span. The error is for when it does not answer at all.
    pub async fn call(
        &self,
        to: ServiceName,
        method: Method,
        path: &[&str],
        body: Option<&Value>,
    ) -> Result<Answer, Failure> {
        let context = Context::current();
        let mut request = reqwest::Request::new(method.clone(), url(to, path)?);
        self.shop.inject(self.pod.service, &context, &mut HeaderInjector(request.headers_mut()));
        if let Some(body) = body {
            request
                .headers_mut()
                .insert(http::header::CONTENT_TYPE, http::HeaderValue::from_static("application/json"));
            *request.body_mut() = Some(body.to_string().into());
        }
        let begin = Instant::now();
        let answer = self.exchange(to, request).await;
        let mut attributes = vec![
            KeyValue::new("http.request.method", method.to_string()),
            KeyValue::new("server.address", to.as_str()),
            KeyValue::new("server.port", 80),
        ];
        match &answer {
            Ok(Answer { status, .. }) => {
                attributes.push(KeyValue::new("http.response.status_code", i64::from(status.as_u16())));
                // Unlike for a server, 4xx is an error for a client.
                if status.is_client_error() || status.is_server_error() {
                    attributes.push(KeyValue::new("error.type", status.as_u16().to_string()));
                }
            }
            Err(_) => attributes.push(KeyValue::new("error.type", "reqwest::Error")),
        }
        self.pod.instruments.http_client.record(begin.elapsed(), &attributes, &context);
        answer
    }

    async fn exchange(&self, to: ServiceName, request: reqwest::Request) -> Result<Answer, Failure> {
        let failed = |error: reqwest::Error| unanswered(to, &error);
        let mut response = self.shop.http.execute(request).await.map_err(failed)?;
        let mut answer = Answer { from: to, status: response.status(), body: Vec::new() };
        while let Some(chunk) = response.chunk().await.map_err(failed)? {
            answer.body.extend_from_slice(&chunk);
            if answer.body.len() > MAX_ANSWER {
                return Err(Failure::new(
                    StatusCode::BAD_GATEWAY,
                    format!("{to} answered more than {MAX_ANSWER} bytes"),
                ));
            }
        }
        Ok(answer)
    }
}

fn url(to: ServiceName, path: &[&str]) -> Result<Url, Failure> {
    let invalid = || Failure::new(StatusCode::INTERNAL_SERVER_ERROR, format!("there is no URL for {to}"));
    let mut url = Url::parse(&format!("http://{to}/")).map_err(|_| invalid())?;
    url.path_segments_mut().map_err(|()| invalid())?.pop_if_empty().extend(path);
    Ok(url)
}

fn unanswered(to: ServiceName, error: &reqwest::Error) -> Failure {
    let (status, message) = match error.is_timeout() {
        true => (StatusCode::GATEWAY_TIMEOUT, format!("{to} did not answer within {TIMEOUT:?}")),
        false => (StatusCode::BAD_GATEWAY, format!("{to} cannot be reached: {error}")),
    };
    let frames = [
        ("reqwest::async_impl::client::PendingRequest::poll", "reqwest/src/async_impl/client.rs:2871:33"),
        ("bookstore::http::client::call::{{closure}}", "./src/http/client.rs:96:64"),
    ];
    Failure::exception(status, Exception::new("reqwest::Error", message, &frames))
}
