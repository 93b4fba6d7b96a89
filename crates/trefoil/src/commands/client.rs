//! Talking to a running server over its main listener.

use anyhow::{Context, bail};
use reqwest::{RequestBuilder, Response, StatusCode, header};
use serde_json::Value;
use tokio_tungstenite::tungstenite::handshake::client::generate_key;
use trefoil_model::tenant::TENANT_HEADER;

use crate::cli::Server;

/// Sends the request that `build` makes for a path; a failure says what to do about it.
pub async fn send(
    server: &Server,
    path: &str,
    build: impl FnOnce(&reqwest::Client, String) -> RequestBuilder,
) -> anyhow::Result<Response> {
    answer(server, build(&reqwest::Client::new(), url(server, path))).await
}

/// Asks to go on as a WebSocket, with what `add` adds to the request.
pub async fn upgrade(
    server: &Server,
    path: &str,
    add: impl FnOnce(RequestBuilder) -> RequestBuilder,
) -> anyhow::Result<Response> {
    // HTTP/2 has another way to do it.
    let client = reqwest::Client::builder().http1_only().build()?;
    let request = client
        .get(url(server, path))
        .header(header::CONNECTION, "Upgrade")
        .header(header::UPGRADE, "websocket")
        .header(header::SEC_WEBSOCKET_VERSION, "13")
        .header(header::SEC_WEBSOCKET_KEY, generate_key());
    answer(server, add(request)).await
}

fn url(server: &Server, path: &str) -> String {
    format!("{}{path}", server.endpoint.trim_end_matches('/'))
}

async fn answer(server: &Server, mut request: RequestBuilder) -> anyhow::Result<Response> {
    if let Some(tenant) = &server.tenant {
        request = request.header(TENANT_HEADER, tenant);
    }
    let response = request.send().await.with_context(|| {
        let endpoint = server.endpoint.trim_end_matches('/');
        format!("no server answers at {endpoint}; start one with `trefoil serve`, or name another with --endpoint")
    })?;
    let status = response.status();
    if status.is_success() || matches!(status, StatusCode::NOT_FOUND | StatusCode::SWITCHING_PROTOCOLS) {
        return Ok(response);
    }
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
