//! OTLP on the wire, over gRPC or HTTP.

use std::error::Error;
use std::time::Duration;

use http::StatusCode;
use opentelemetry_proto::tonic::collector::logs::v1::logs_service_client::LogsServiceClient;
use opentelemetry_proto::tonic::collector::logs::v1::{ExportLogsServiceRequest, ExportLogsServiceResponse};
use opentelemetry_proto::tonic::collector::metrics::v1::metrics_service_client::MetricsServiceClient;
use opentelemetry_proto::tonic::collector::metrics::v1::{ExportMetricsServiceRequest, ExportMetricsServiceResponse};
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_client::TraceServiceClient;
use opentelemetry_proto::tonic::collector::trace::v1::{ExportTraceServiceRequest, ExportTraceServiceResponse};
use prost::Message;
use tonic::metadata::AsciiMetadataValue;
use tonic::transport::{Channel, ClientTlsConfig, Endpoint};
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

use crate::options::Protocol;

const TENANT_HEADER: &str = "x-scope-orgid";
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
const TIMEOUT: Duration = Duration::from_secs(10);
/// An answer that is longer is none of OTLP's.
const MAX_ANSWER: usize = 64 * 1024;

pub enum Request {
    Traces(ExportTraceServiceRequest),
    Logs(ExportLogsServiceRequest),
    Metrics(ExportMetricsServiceRequest),
}

/// What the receiver kept of an accepted request.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Accepted {
    /// Spans, records or points that it did not keep, and why.
    pub rejected: u64,
    pub message: String,
}

#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct SendError {
    pub message: String,
    /// The same request may be sent again.
    pub retryable: bool,
}

#[derive(Clone)]
pub enum Client {
    Grpc(Channel),
    Http { client: reqwest::Client, endpoint: String },
}

impl Client {
    /// Connects with the first request, and again whenever it must.
    pub fn new(endpoint: &str, protocol: Protocol) -> anyhow::Result<Self> {
        match protocol {
            Protocol::Grpc => {
                let mut channel =
                    Endpoint::from_shared(endpoint.to_owned())?.connect_timeout(CONNECT_TIMEOUT).timeout(TIMEOUT);
                if endpoint.starts_with("https") {
                    channel = channel.tls_config(ClientTlsConfig::new().with_enabled_roots())?;
                }
                Ok(Self::Grpc(channel.connect_lazy()))
            }
            Protocol::HttpProtobuf => {
                // As for gRPC: a proxy of the environment would not find a server of this machine.
                let client = reqwest::Client::builder().no_proxy();
                let client = client.connect_timeout(CONNECT_TIMEOUT).timeout(TIMEOUT).build()?;
                Ok(Self::Http { client, endpoint: endpoint.to_owned() })
            }
        }
    }

    /// Sends one request, as `tenant` if it is named. The error says whether trying again makes sense (OTLP
    /// specification, "Failures").
    pub async fn send(&self, request: &Request, tenant: Option<&'static str>) -> Result<Accepted, SendError> {
        match self {
            Self::Grpc(channel) => by_grpc(channel.clone(), request, tenant).await.map_err(from_status),
            Self::Http { client, endpoint } => by_http(client, endpoint, request, tenant).await,
        }
    }
}

async fn by_grpc(channel: Channel, request: &Request, tenant: Option<&'static str>) -> Result<Accepted, Status> {
    fn with_tenant<T>(message: T, tenant: Option<&'static str>) -> tonic::Request<T> {
        let mut request = tonic::Request::new(message);
        if let Some(tenant) = tenant {
            request.metadata_mut().insert(TENANT_HEADER, AsciiMetadataValue::from_static(tenant));
        }
        request
    }
    match request {
        Request::Traces(traces) => {
            let answer = TraceServiceClient::new(channel).export(with_tenant(traces.clone(), tenant)).await?;
            Ok(traces_accepted(answer.into_inner()))
        }
        Request::Logs(logs) => {
            let answer = LogsServiceClient::new(channel).export(with_tenant(logs.clone(), tenant)).await?;
            Ok(logs_accepted(answer.into_inner()))
        }
        Request::Metrics(metrics) => {
            let answer = MetricsServiceClient::new(channel).export(with_tenant(metrics.clone(), tenant)).await?;
            Ok(metrics_accepted(answer.into_inner()))
        }
    }
}

fn from_status(status: Status) -> SendError {
    let retryable = match status.code() {
        Code::Cancelled
        | Code::DeadlineExceeded
        | Code::Aborted
        | Code::OutOfRange
        | Code::Unavailable
        | Code::DataLoss => true,
        // Too large otherwise.
        Code::ResourceExhausted => status.get_details_retry_info().is_some(),
        // A connection that broke; a server that says so does not know better the next time.
        Code::Unknown => status.source().is_some(),
        _ => false,
    };
    // "transport error" says nothing; its cause does.
    let message = match status.source() {
        Some(source) => innermost(source),
        None => format!("{:?}: {}", status.code(), status.message()),
    };
    SendError { message, retryable }
}

async fn by_http(
    client: &reqwest::Client,
    endpoint: &str,
    request: &Request,
    tenant: Option<&str>,
) -> Result<Accepted, SendError> {
    let (path, body) = match request {
        Request::Traces(traces) => ("traces", traces.encode_to_vec()),
        Request::Logs(logs) => ("logs", logs.encode_to_vec()),
        Request::Metrics(metrics) => ("metrics", metrics.encode_to_vec()),
    };
    let mut post = client
        .post(format!("{endpoint}/v1/{path}"))
        .header(http::header::CONTENT_TYPE, "application/x-protobuf")
        .body(body);
    if let Some(tenant) = tenant {
        post = post.header(TENANT_HEADER, tenant);
    }
    let failed = |error: reqwest::Error| SendError { message: innermost(&error), retryable: true };
    let mut answer = post.send().await.map_err(failed)?;
    let status = answer.status();
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(failed)? {
        body.extend_from_slice(&chunk);
        if body.len() > MAX_ANSWER {
            return Err(SendError { message: format!("{status}, with too long an answer"), retryable: false });
        }
    }
    if !status.is_success() {
        let retryable = matches!(
            status,
            StatusCode::TOO_MANY_REQUESTS
                | StatusCode::BAD_GATEWAY
                | StatusCode::SERVICE_UNAVAILABLE
                | StatusCode::GATEWAY_TIMEOUT
        );
        // The body is a google.rpc.Status: its message is field 2, and people can read it among the bytes.
        let message = format!("{status} {}", String::from_utf8_lossy(&body));
        return Err(SendError { message, retryable });
    }
    let accepted = match request {
        Request::Traces(_) => ExportTraceServiceResponse::decode(body.as_slice()).map(traces_accepted),
        Request::Logs(_) => ExportLogsServiceResponse::decode(body.as_slice()).map(logs_accepted),
        Request::Metrics(_) => ExportMetricsServiceResponse::decode(body.as_slice()).map(metrics_accepted),
    };
    accepted.map_err(|error| SendError { message: format!("its answer is not OTLP: {error}"), retryable: false })
}

fn innermost(error: &(dyn Error + 'static)) -> String {
    let mut error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}

fn traces_accepted(answer: ExportTraceServiceResponse) -> Accepted {
    let partial = answer.partial_success.unwrap_or_default();
    accepted(partial.rejected_spans, partial.error_message)
}

fn logs_accepted(answer: ExportLogsServiceResponse) -> Accepted {
    let partial = answer.partial_success.unwrap_or_default();
    accepted(partial.rejected_log_records, partial.error_message)
}

fn metrics_accepted(answer: ExportMetricsServiceResponse) -> Accepted {
    let partial = answer.partial_success.unwrap_or_default();
    accepted(partial.rejected_data_points, partial.error_message)
}

fn accepted(rejected: i64, message: String) -> Accepted {
    Accepted { rejected: u64::try_from(rejected).unwrap_or(0), message }
}

#[cfg(test)]
mod tests {
    use tonic_types::ErrorDetails;

    use super::*;

    #[test]
    fn grpc_codes_follow_the_specification() {
        let expected = [
            Code::Cancelled,
            Code::DeadlineExceeded,
            Code::Aborted,
            Code::OutOfRange,
            Code::Unavailable,
            Code::DataLoss,
        ];
        for code in (0..=16).map(Code::from) {
            assert_eq!(from_status(Status::new(code, "x")).retryable, expected.contains(&code), "{code:?}");
        }
        let details = ErrorDetails::with_retry_info(Some(Duration::from_secs(1)));
        assert!(from_status(Status::with_error_details(Code::ResourceExhausted, "full", details)).retryable);
        let broken = Status::from_error("connection reset".into());
        assert!(broken.code() == Code::Unknown && from_status(broken).retryable);
    }
}
