//! What a refused request is answered: the same `google.rpc.Status` over gRPC, as protobuf and as JSON.
//!
//! OTLP's rules for clients: `UNAVAILABLE`, 429 and 503 are retried, `RESOURCE_EXHAUSTED` only when it carries a
//! `RetryInfo`, `INVALID_ARGUMENT`, 400 and the like never.

use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;
use prost::Message as _;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt, pb};
use trefoil_model::tenant::NoTenant;

use crate::net::body::BodyError;
use crate::net::compression::DecompressError;
use crate::telemetry::Refused;

/// The wait asked for when whoever refused did not name one: without any, clients would give up on an overload.
const DEFAULT_RETRY_AFTER: Duration = Duration::from_secs(1);

/// A refusal in both protocols' terms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    pub http: StatusCode,
    pub code: Code,
    pub message: String,
    pub retry_after: Option<Duration>,
}

impl Answer {
    pub fn new(http: StatusCode, code: Code, message: impl Into<String>) -> Self {
        Self { http, code, message: message.into(), retry_after: None }
    }

    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, Code::InvalidArgument, message)
    }

    /// As gRPC sends it: the details carry the `RetryInfo`.
    pub fn to_grpc(&self) -> Status {
        match self.retry_after {
            None => Status::new(self.code, &*self.message),
            Some(delay) => {
                Status::with_error_details(self.code, &*self.message, ErrorDetails::with_retry_info(Some(delay)))
            }
        }
    }

    /// As the body of an `application/x-protobuf` answer.
    pub fn to_protobuf(&self) -> Bytes {
        let grpc = self.to_grpc();
        let details = pb::Status::decode(grpc.details()).map(|status| status.details).unwrap_or_default();
        pb::Status { code: self.code as i32, message: self.message.clone(), details }.encode_to_vec().into()
    }

    /// As the body of an `application/json` answer (protobuf's JSON mapping).
    pub fn to_json(&self) -> Bytes {
        let mut status = serde_json::json!({"code": self.code as i32, "message": self.message});
        if let Some(delay) = self.retry_after {
            status["details"] = serde_json::json!([{
                "@type": "type.googleapis.com/google.rpc.RetryInfo",
                "retryDelay": format!("{}s", delay.as_secs_f64()),
            }]);
        }
        status.to_string().into()
    }

    /// The value of `Retry-After`: whole seconds, rounded up.
    pub fn retry_after_seconds(&self) -> Option<u64> {
        self.retry_after.map(|delay| (delay.as_millis().div_ceil(1000) as u64).max(1))
    }
}

impl From<Refused> for Answer {
    fn from(refused: Refused) -> Self {
        let message = refused.to_string();
        let retry_after = Some(refused.retry_after().unwrap_or(DEFAULT_RETRY_AFTER));
        match refused {
            Refused::Invalid(_) => Answer::invalid(message),
            Refused::Unavailable { .. } => {
                Answer { http: StatusCode::SERVICE_UNAVAILABLE, code: Code::Unavailable, message, retry_after }
            }
            Refused::Overloaded { .. } => {
                Answer { http: StatusCode::TOO_MANY_REQUESTS, code: Code::ResourceExhausted, message, retry_after }
            }
        }
    }
}

impl From<NoTenant> for Answer {
    fn from(error: NoTenant) -> Self {
        Answer::new(StatusCode::UNAUTHORIZED, Code::Unauthenticated, error.to_string())
    }
}

impl From<BodyError> for Answer {
    fn from(error: BodyError) -> Self {
        let message = error.to_string();
        match error {
            BodyError::TooLarge { .. } => Answer::new(StatusCode::PAYLOAD_TOO_LARGE, Code::ResourceExhausted, message),
            BodyError::Broken(_) => Answer::invalid(message),
            BodyError::Busy { .. } => Refused::overloaded(message, DEFAULT_RETRY_AFTER).into(),
        }
    }
}

impl From<DecompressError> for Answer {
    fn from(error: DecompressError) -> Self {
        match error {
            DecompressError::TooLarge { .. } => {
                Answer::new(StatusCode::PAYLOAD_TOO_LARGE, Code::ResourceExhausted, error.to_string())
            }
            DecompressError::Malformed { .. } => Answer::invalid(error.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_overload_says_when_to_come_back_in_every_form() {
        let answer = Answer::from(Refused::overloaded("full", Duration::from_millis(1500)));
        assert_eq!((answer.http.as_u16(), answer.retry_after_seconds()), (429, Some(2)));
        let details = answer.to_grpc().get_details_retry_info().unwrap();
        assert_eq!(details.retry_delay, Some(Duration::from_millis(1500)));
        let status = pb::Status::decode(answer.to_protobuf()).unwrap();
        assert_eq!((status.code, status.message.as_str(), status.details.len()), (8, "full", 1));
        assert_eq!(
            answer.to_json(),
            r#"{"code":8,"details":[{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"1.5s"}],"message":"full"}"#
        );
    }

    #[test]
    fn what_must_not_be_retried_has_no_delay() {
        let answer = Answer::from(Refused::Invalid("bad".into()));
        assert_eq!((answer.http.as_u16(), answer.code, answer.retry_after), (400, Code::InvalidArgument, None));
        assert_eq!(answer.to_json(), r#"{"code":3,"message":"bad"}"#);
        assert_eq!(Answer::from(NoTenant::Missing).http, 401);
        assert_eq!(Answer::from(BodyError::TooLarge { limit: 1 }).http, 413);
        assert_eq!(Answer::from(Refused::unavailable("down")).retry_after_seconds(), Some(1));
    }
}
