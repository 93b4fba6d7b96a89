//! The frames of NATS' client protocol: lines of text, followed by headers and payload where there are any.
//! <https://docs.nats.io/reference/reference-protocols/nats-protocol>

use std::collections::HashMap;

use anyhow::{Context as _, bail};
use percent_encoding::percent_decode_str;
use serde_json::json;
use tokio::io::{AsyncBufRead, AsyncBufReadExt as _, AsyncReadExt as _};
use url::Url;

use super::super::Message;

pub const PING: &[u8] = b"PING\r\n";
pub const PONG: &[u8] = b"PONG\r\n";
const HEADER_VERSION: &str = "NATS/1.0";
const ID_HEADER: &str = "Nats-Msg-Id";
const MAX_LINE: u64 = 64 * 1024;
const MAX_MESSAGE: usize = 1024 * 1024;

#[derive(Debug, PartialEq, Eq)]
pub enum Frame {
    Ping,
    Pong,
    Message {
        subscription: usize,
        message: Message,
    },
    Error(String),
    /// `INFO`, `+OK`
    Other,
}

/// Who we are; user and password where the URL has them, in which they are percent-encoded.
pub fn connect(url: &Url) -> Vec<u8> {
    let decoded = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
    let mut options = json!({
        "verbose": false, "pedantic": false, "headers": true, "lang": "rust", "name": "trefoil-demo",
        "version": env!("CARGO_PKG_VERSION"), "protocol": 1, "tls_required": false,
    });
    if !url.username().is_empty() {
        options["user"] = json!(decoded(url.username()));
        options["pass"] = json!(decoded(url.password().unwrap_or_default()));
    }
    format!("CONNECT {options}\r\n").into_bytes()
}

pub fn subscribe(topic: &str, group: &str, id: usize) -> Vec<u8> {
    format!("SUB {topic} {group} {id}\r\n").into_bytes()
}

pub fn publish(message: &Message) -> Vec<u8> {
    let mut headers = format!("{HEADER_VERSION}\r\n{ID_HEADER}: {}\r\n", message.id);
    for (name, value) in &message.headers {
        headers.push_str(&format!("{name}: {value}\r\n"));
    }
    headers.push_str("\r\n");
    let total = headers.len() + message.payload.len();
    format!("HPUB {} {} {total}\r\n{headers}{}\r\n", message.topic, headers.len(), message.payload).into_bytes()
}

/// Reads one frame. The error is the end of the connection, or something that is not NATS.
pub async fn read_frame(reader: &mut (impl AsyncBufRead + Unpin)) -> anyhow::Result<Frame> {
    let mut line = String::new();
    (&mut *reader).take(MAX_LINE).read_line(&mut line).await?;
    let Some(line) = line.strip_suffix("\r\n") else { bail!("the server closed the connection") };
    let (verb, rest) = line.split_once(' ').unwrap_or((line, ""));
    match verb.to_ascii_uppercase().as_str() {
        "PING" => Ok(Frame::Ping),
        "PONG" => Ok(Frame::Pong),
        "INFO" | "+OK" => Ok(Frame::Other),
        "-ERR" => Ok(Frame::Error(rest.trim_matches('\'').to_owned())),
        "MSG" => message(reader, rest, false).await,
        "HMSG" => message(reader, rest, true).await,
        other => bail!("{other:?} is not NATS"),
    }
}

/// `<subject> <sid> [reply-to] [header bytes] <total bytes>`, and then the bytes.
async fn message(
    reader: &mut (impl AsyncBufRead + Unpin),
    arguments: &str,
    with_headers: bool,
) -> anyhow::Result<Frame> {
    let wrong = || format!("a message with the arguments {arguments:?}");
    let mut arguments = arguments.split_ascii_whitespace();
    let topic = arguments.next().with_context(wrong)?.to_owned();
    let subscription = arguments.next().and_then(|id| id.parse().ok()).with_context(wrong)?;
    let mut length = || arguments.next_back().and_then(|length| length.parse::<usize>().ok()).with_context(wrong);
    let total = length()?;
    let header = if with_headers { length()? } else { 0 };
    if total > MAX_MESSAGE || header > total {
        bail!("{}", wrong());
    }
    let mut bytes = vec![0; total + 2];
    reader.read_exact(&mut bytes).await?;
    bytes.truncate(total);
    let payload = String::from_utf8_lossy(&bytes[header..]).into_owned();
    let mut headers = self::headers(&String::from_utf8_lossy(&bytes[..header]));
    let id = headers.remove(ID_HEADER).unwrap_or_default();
    Ok(Frame::Message { subscription, message: Message { id, topic, headers, payload } })
}

fn headers(text: &str) -> HashMap<String, String> {
    let lines = text.lines().skip(1).filter_map(|line| line.split_once(':'));
    lines.map(|(name, value)| (name.to_owned(), value.trim().to_owned())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn read(mut bytes: &[u8]) -> anyhow::Result<Frame> {
        read_frame(&mut bytes).await
    }

    #[test]
    fn a_password_may_have_any_characters() {
        let sent = connect(&Url::parse("nats://me%40home:p%2Fss%C3%BC@host").unwrap());
        let options: serde_json::Value = serde_json::from_slice(&sent["CONNECT ".len()..]).unwrap();
        assert_eq!((&options["user"], &options["pass"]), (&json!("me@home"), &json!("p/ssü")));
        let nobody = String::from_utf8(connect(&Url::parse("nats://host").unwrap())).unwrap();
        assert!(!nobody.contains("user"), "{nobody}");
    }

    #[tokio::test]
    async fn what_is_published_can_be_read() {
        let headers = HashMap::from([("traceparent".to_owned(), "00-1-2-01".to_owned())]);
        let message =
            Message { id: "7".into(), topic: "order.created".into(), headers, payload: "{\"a\": \"ü\"}".into() };
        // A server sends a message on with the number of the subscription after the subject.
        let sent = String::from_utf8(publish(&message)).unwrap();
        let delivered = sent.replacen("HPUB order.created ", "HMSG order.created 3 ", 1);
        assert_eq!(read(delivered.as_bytes()).await.unwrap(), Frame::Message { subscription: 3, message });
    }

    #[tokio::test]
    async fn frames_of_a_server_are_understood() {
        assert_eq!(read(b"INFO {\"max_payload\":1}\r\n").await.unwrap(), Frame::Other);
        assert_eq!(read(b"PING\r\n").await.unwrap(), Frame::Ping);
        let error = Frame::Error("Authorization Violation".into());
        assert_eq!(read(b"-ERR 'Authorization Violation'\r\n").await.unwrap(), error);
        let Frame::Message { message, .. } = read(b"MSG a.b 1 reply 2\r\nhi\r\n").await.unwrap() else { panic!() };
        assert_eq!((message.payload.as_str(), message.headers.len()), ("hi", 0));
    }

    #[tokio::test]
    async fn what_is_no_nats_is_refused() {
        for bytes in [
            &b""[..],
            b"PIN",
            b"HTTP/1.1 400 Bad Request\r\n",
            b"MSG a\r\n",
            b"MSG a 1 99999999\r\n",
            b"HMSG a 1 9 3\r\nabc\r\n",
            b"MSG a 1 5\r\nab",
            b"MSG a 1 -5\r\n",
        ] {
            assert!(read(bytes).await.is_err(), "{:?}", String::from_utf8_lossy(bytes));
        }
    }
}
