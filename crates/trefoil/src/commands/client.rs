//! Talking to a running server over its main listener.

use anyhow::{Context, bail};
use reqwest::{RequestBuilder, Response, StatusCode};
use serde_json::Value;
use trefoil_model::tenant::TENANT_HEADER;

use crate::cli::Server;

/// Sends the request that `build` makes for a path; a failure says what to do about it.
pub async fn send(
    server: &Server,
    path: &str,
    build: impl FnOnce(&reqwest::Client, String) -> RequestBuilder,
) -> anyhow::Result<Response> {
    let endpoint = server.endpoint.trim_end_matches('/');
    let mut request = build(&reqwest::Client::new(), format!("{endpoint}{path}"));
    if let Some(tenant) = &server.tenant {
        request = request.header(TENANT_HEADER, tenant);
    }
    let response = request.send().await.with_context(|| {
        format!("no server answers at {endpoint}; start one with `trefoil serve`, or name another with --endpoint")
    })?;
    if response.status().is_success() || response.status() == StatusCode::NOT_FOUND {
        return Ok(response);
    }
    let status = response.status();
    let body = response.text().await.unwrap_or_default();
    bail!("{}", refusal(status, &body))
}

/// What the server said, without the envelope around it.
fn refusal(status: StatusCode, body: &str) -> String {
    let message = serde_json::from_str::<Value>(body)
        .ok()
        .and_then(|envelope| {
            let error = envelope.get("error")?;
            // Trefoil's own API says `{"error": {"message"}}`, Prometheus' `{"error"}`.
            Some(error.get("message").unwrap_or(error).as_str()?.to_owned())
        })
        .unwrap_or_else(|| body.trim().to_owned());
    let hint = match status {
        StatusCode::UNAUTHORIZED => " (name the tenant with --tenant)",
        _ => "",
    };
    match message.is_empty() {
        true => format!("the server answered {status}{hint}"),
        false => format!("{message}{hint}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_the_message_alone() {
        let body = r#"{"error":{"code":"invalid_query","message":"no table 'span'"}}"#;
        assert_eq!(refusal(StatusCode::BAD_REQUEST, body), "no table 'span'");
        let body = r#"{"status":"error","errorType":"bad_data","error":"no match[] parameter provided"}"#;
        assert_eq!(refusal(StatusCode::BAD_REQUEST, body), "no match[] parameter provided");
        assert_eq!(refusal(StatusCode::UNAUTHORIZED, "no org id\n"), "no org id (name the tenant with --tenant)");
        assert_eq!(refusal(StatusCode::BAD_GATEWAY, ""), "the server answered 502 Bad Gateway");
    }
}
