//! The client against a server that answers as told.

#![allow(clippy::unwrap_used)]

use std::num::NonZeroU32;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderName, HeaderValue};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use trefoil_loadgen::Signal;
use trefoil_loadgen::client::{Connection, Outcome, Protocol, Target};
use trefoil_loadgen::remote_write::Version;

/// A connection to such a server by OTLP.
async fn server(answers: Vec<&'static [u8]>) -> Connection {
    Connection::new(&target(answers).await, Signal::Logs).unwrap()
}

/// A server that answers each request, whatever it says, with the next of `answers`; an empty one closes the connection.
async fn target(answers: Vec<&'static [u8]>) -> Target {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let mut answers = answers.into_iter().peekable();
        while answers.peek().is_some() {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut buffer = [0; 4096];
            while let Ok(1..) = stream.read(&mut buffer).await {
                match answers.next() {
                    Some(answer) if !answer.is_empty() => stream.write_all(answer).await.unwrap(),
                    _ => break,
                }
            }
        }
    });
    let timeout = Duration::from_secs(10);
    Target { endpoint, protocol: Protocol::Http, headers: Vec::new(), timeout }
}

fn body() -> Bytes {
    Bytes::from_static(b"request")
}

#[tokio::test]
async fn answers_are_told_apart() {
    let mut connection = server(vec![
        b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n\x0a\x07\x08\x03\x12\x03bad",
        b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 7\r\ncontent-length: 4\r\n\r\nfull",
        b"HTTP/1.1 429 Too Many Requests\r\ncontent-length: 0\r\n\r\n",
        b"HTTP/1.1 400 Bad Request\r\ncontent-length: 3\r\n\r\nwhy",
    ])
    .await;
    assert_eq!(connection.send(body()).await, Outcome::Accepted { rejected: 0, message: String::new() });
    assert_eq!(connection.send(body()).await, Outcome::Accepted { rejected: 3, message: "bad".into() });
    let reason = "503 Service Unavailable: full".to_string();
    assert_eq!(connection.send(body()).await, Outcome::Retry { after: Some(Duration::from_secs(7)), reason });
    assert!(matches!(connection.send(body()).await, Outcome::Retry { after: None, .. }));
    assert_eq!(connection.send(body()).await, Outcome::Refused("400 Bad Request: why".into()));
}

#[tokio::test]
async fn remote_write_is_taken_without_a_word() {
    let target = target(vec![
        b"HTTP/1.1 204 No Content\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok",
        b"HTTP/1.1 400 Bad Request\r\ncontent-length: 12\r\n\r\nout of order",
    ])
    .await;
    let mut connection = Connection::remote_write(&target, Version::One).unwrap();
    for _ in 0..2 {
        assert_eq!(connection.send(body()).await, Outcome::Accepted { rejected: 0, message: String::new() });
    }
    assert_eq!(connection.send(body()).await, Outcome::Refused("400 Bad Request: out of order".into()));
}

#[tokio::test]
async fn a_broken_connection_leaves_it_open_what_happened() {
    let mut connection = server(vec![b"", b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"]).await;
    assert!(matches!(connection.send(body()).await, Outcome::Unknown(_)));
    // The next request connects again.
    assert!(matches!(connection.send(body()).await, Outcome::Accepted { .. }));
}

#[test]
fn tenants_are_targets_of_their_own() {
    let endpoint = "http://127.0.0.1:1".to_string();
    let headers = vec![(HeaderName::from_static("x-shop"), HeaderValue::from_static("a"))];
    let target = Target { endpoint, protocol: Protocol::Http, headers, timeout: Duration::from_secs(1) };
    let tenants = target.of(NonZeroU32::new(3).unwrap()).unwrap();
    let headers = |target: &Target| target.headers.iter().map(|(name, value)| format!("{name}: {value:?}")).collect();
    let headers: Vec<Vec<String>> = tenants.iter().map(headers).collect();
    let expected = |tenant| vec![r#"x-shop: "a""#.to_string(), format!(r#"x-scope-orgid: "tenant-{tenant}""#)];
    assert_eq!(headers, [expected(1), expected(2), expected(3)]);
}
