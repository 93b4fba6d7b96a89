//! JSON bodies, with errors that say what is wrong.

use axum::extract::{FromRequest, Request};
use bytes::Bytes;
use serde::de::DeserializeOwned;

use super::failure::Failure;

/// The body of a request, read as JSON.
pub struct Body<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = Failure;

    async fn from_request(request: Request, state: &S) -> Result<Self, Failure> {
        let bytes = Bytes::from_request(request, state)
            .await
            .map_err(|error| Failure::new(error.status(), error.body_text()))?;
        let body = serde_json::from_slice(&bytes);
        body.map(Self).map_err(|error| Failure::bad_request(format!("the body is not what it should be: {error}")))
    }
}
