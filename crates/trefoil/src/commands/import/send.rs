//! Sends spans by OTLP over HTTP, and again where that may help.

use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use opentelemetry_proto::tonic::collector::trace::v1::{ExportTraceServiceRequest, ExportTraceServiceResponse};
use prost::Message;
use reqwest::StatusCode;
use reqwest::header::{CONTENT_TYPE, RETRY_AFTER};
use tokio::sync::OnceCell;
use trefoil_interchange::{Batch, spans_of, split};
use trefoil_model::tenant::TENANT_HEADER;

use crate::cli::ImportArgs;
use crate::commands::query::span::length;

const PROTOBUF: &str = "application/x-protobuf";
/// Of one request; a server that takes longer has not answered.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(60);
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(15);

pub struct Sender {
    http: reqwest::Client,
    url: String,
    /// What to say is not there.
    endpoint: String,
    tenant: Option<String>,
    retry_for: Duration,
    /// A server has answered once, so that one is worth waiting for.
    has_answered: OnceCell<()>,
}

/// What became of a batch.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sent {
    pub taken: u64,
    /// Spans.
    pub refused: u64,
    pub broken: u64,
    pub messages: Vec<String>,
}

enum Answer {
    Taken { rejected: u64, message: String },
    TooLarge(String),
    Refused(String),
}

impl Sender {
    pub fn new(args: &ImportArgs) -> anyhow::Result<Self> {
        let (endpoint, path) = match &args.otlp_endpoint {
            Some(endpoint) => (endpoint, "/v1/traces"),
            None => (&args.server.endpoint, "/otlp/v1/traces"),
        };
        let millis = length("--retry-for", Some(&args.retry_for))?.unwrap_or_default();
        let retry_for = Duration::from_millis(u64::try_from(millis).context("--retry-for: it must not be negative")?);
        let endpoint = endpoint.trim_end_matches('/').to_owned();
        Ok(Self {
            http: reqwest::Client::builder().timeout(REQUEST_TIMEOUT).build()?,
            url: format!("{endpoint}{path}"),
            endpoint,
            tenant: args.server.tenant.clone(),
            retry_for,
            has_answered: OnceCell::new(),
        })
    }

    /// # Errors
    /// Where no batch will be taken: there is no server, the tenant is missing, it takes nothing for too long.
    pub async fn send(&self, batch: Batch) -> anyhow::Result<Sent> {
        let Batch { request, first, last, .. } = batch;
        let place = if first == last { first.to_string() } else { format!("{first} to {last}") };
        let mut sent = Sent::default();
        let mut waiting = vec![request];
        while let Some(request) = waiting.pop() {
            let spans = spans_of(&request);
            let answer = self.deliver(&request).await.with_context(|| format!("stopped at {place}"))?;
            let (refused, message) = match answer {
                Answer::Taken { rejected, message } => (rejected.min(spans), message),
                Answer::TooLarge(_) if spans > 1 => {
                    let half = request.encoded_len() / 2;
                    waiting.extend(split(request, half).into_iter().rev());
                    continue;
                }
                Answer::TooLarge(message) | Answer::Refused(message) => (spans, message),
            };
            sent.taken += spans - refused;
            sent.refused += refused;
            if !message.is_empty() {
                sent.messages.push(format!("{place}: the server says: {message}"));
            } else if refused > 0 {
                sent.messages.push(format!("{place}: the server refused {refused} spans"));
            }
        }
        Ok(sent)
    }

    async fn deliver(&self, request: &ExportTraceServiceRequest) -> anyhow::Result<Answer> {
        let body = bytes::Bytes::from(request.encode_to_vec());
        let until = Instant::now() + self.retry_for;
        let mut pause = FIRST_PAUSE;
        loop {
            let (reason, asked_for) = match self.once(body.clone()).await? {
                Outcome::Answer(answer) => return Ok(answer),
                Outcome::Later { reason, after } => (reason, after),
            };
            let wait = asked_for.unwrap_or(pause).min(LONGEST_PAUSE);
            if Instant::now() + wait > until {
                bail!("the server takes nothing for {:?}: {reason}", self.retry_for);
            }
            tokio::time::sleep(wait).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    async fn once(&self, body: bytes::Bytes) -> anyhow::Result<Outcome> {
        let mut request = self.http.post(&self.url).header(CONTENT_TYPE, PROTOBUF).body(body);
        if let Some(tenant) = &self.tenant {
            request = request.header(TENANT_HEADER, tenant);
        }
        let response = match request.send().await {
            Ok(response) => response,
            Err(error) if error.is_builder() => bail!("{} is no address: {error}", self.url),
            Err(error) if error.is_connect() && self.has_answered.get().is_none() => {
                let endpoint = &self.endpoint;
                bail!(
                    "no server answers at {endpoint}; start one with `trefoil serve`, or name another with --endpoint"
                )
            }
            Err(error) => {
                return Ok(Outcome::Later { reason: format!("{:#}", anyhow::Error::from(error)), after: None });
            }
        };
        let _ = self.has_answered.set(());
        let status = response.status();
        let after = response.headers().get(RETRY_AFTER).and_then(|seconds| seconds.to_str().ok()?.parse().ok());
        let body = match response.bytes().await {
            Ok(body) => body,
            Err(error) => {
                return Ok(Outcome::Later { reason: format!("{:#}", anyhow::Error::from(error)), after: None });
            }
        };
        if status.is_success() {
            let partial = ExportTraceServiceResponse::decode(body).unwrap_or_default().partial_success;
            let partial = partial.unwrap_or_default();
            let rejected = u64::try_from(partial.rejected_spans).unwrap_or(0);
            return Ok(Outcome::Answer(Answer::Taken { rejected, message: partial.error_message }));
        }
        let message = message(status, &body);
        match status {
            StatusCode::UNAUTHORIZED => bail!("{message} (name the tenant with --tenant)"),
            StatusCode::FORBIDDEN => bail!("{message}"),
            StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED => {
                bail!(
                    "{} takes no traces ({message}); name where OTLP over HTTP is taken with --otlp-endpoint",
                    self.url
                )
            }
            StatusCode::PAYLOAD_TOO_LARGE => Ok(Outcome::Answer(Answer::TooLarge(message))),
            // By OTLP's specification.
            StatusCode::TOO_MANY_REQUESTS
            | StatusCode::BAD_GATEWAY
            | StatusCode::SERVICE_UNAVAILABLE
            | StatusCode::GATEWAY_TIMEOUT => {
                Ok(Outcome::Later { reason: message, after: after.map(Duration::from_secs) })
            }
            _ => Ok(Outcome::Answer(Answer::Refused(message))),
        }
    }
}

enum Outcome {
    Answer(Answer),
    /// The same may be taken some time.
    Later {
        reason: String,
        after: Option<Duration>,
    },
}

/// `google.rpc.Status`, in which OTLP says no.
#[derive(Clone, PartialEq, Message)]
struct Status {
    #[prost(int32, tag = "1")]
    code: i32,
    #[prost(string, tag = "2")]
    message: String,
}

fn message(status: StatusCode, body: &[u8]) -> String {
    let said = match Status::decode(body) {
        Ok(said) if !said.message.is_empty() => said.message,
        _ => String::from_utf8_lossy(body).trim().chars().take(500).collect(),
    };
    match said.is_empty() {
        true => format!("the server answered {status}"),
        false => said,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_what_the_server_says() {
        let body = Status { code: 3, message: "no such tenant".into() }.encode_to_vec();
        assert_eq!(message(StatusCode::BAD_REQUEST, &body), "no such tenant");
        assert_eq!(message(StatusCode::NOT_FOUND, b"nothing here\n"), "nothing here");
        assert_eq!(message(StatusCode::BAD_GATEWAY, b""), "the server answered 502 Bad Gateway");
    }
}
