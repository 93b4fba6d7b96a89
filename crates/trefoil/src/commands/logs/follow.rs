//! Lines as they come, over Loki's tail. What came while nobody listened is asked for: no line is missing, none is shown twice.

use std::collections::BTreeMap;
use std::io::{Write, stdout};
use std::time::Duration;

use anyhow::{Context, bail};
use futures::{SinkExt, StreamExt};
use reqwest::{StatusCode, Upgraded};
use serde::Deserialize;
use tokio::time::{sleep, timeout};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};
use trefoil_loki::{TakenLine, written_time};

use super::super::client;
use super::export::{Lines, Question, read};
use super::period::Period;
use super::seen::Seen;
use super::show::Shown;
use crate::cli::Server;

const PATH: &str = "/loki/api/v1/tail";
/// After so long without a word the server is asked for one, and after as long again it is gone.
const SILENCE: Duration = Duration::from_secs(20);
const FIRST_WAIT: Duration = Duration::from_millis(500);
const LONGEST_WAIT: Duration = Duration::from_secs(10);
/// Of a frame.
const MOST_BYTES: usize = 256 << 20;

pub async fn run(server: &Server, query: String, start: i64, lines: u64, shown: Shown) -> anyhow::Result<()> {
    let mut following = Following { server, query, shown, start, seen: Seen::new(start) };
    stdout().write_all(following.shown.form.header().as_bytes())?;
    // What is wrong from the start does not get right by trying.
    let mut socket = following.listen().await?;
    following.catch_up(Some(lines)).await?;
    let mut wait = FIRST_WAIT;
    loop {
        let error = match following.listen_to(&mut socket, &mut wait).await {
            Ok(never) => match never {},
            Err(Ended::Output(error)) => return Err(error.into()),
            Err(Ended::Connection(error)) => error,
        };
        eprintln!("trefoil: {error:#}; trying again");
        socket = loop {
            sleep(wait).await;
            wait = (wait * 2).min(LONGEST_WAIT);
            let Ok(socket) = following.listen().await else { continue };
            match following.catch_up(None).await {
                Ok(()) => break socket,
                Err(error) if is_of_output(&error) => return Err(error),
                Err(_) => {}
            }
        };
        eprintln!("trefoil: going on");
    }
}

type Socket = WebSocketStream<Upgraded>;

enum Ended {
    /// Nobody reads any more.
    Output(std::io::Error),
    Connection(anyhow::Error),
}

impl From<std::io::Error> for Ended {
    fn from(error: std::io::Error) -> Self {
        Self::Output(error)
    }
}

impl From<anyhow::Error> for Ended {
    fn from(error: anyhow::Error) -> Self {
        Self::Connection(error)
    }
}

fn is_of_output(error: &anyhow::Error) -> bool {
    error.downcast_ref::<std::io::Error>().is_some()
}

struct Following<'s> {
    server: &'s Server,
    query: String,
    shown: Shown,
    start: i64,
    seen: Seen,
}

impl Following<'_> {
    /// From now on lines wait to be read.
    async fn listen(&self) -> anyhow::Result<Socket> {
        let start = written_time(self.start);
        // The server knows what was there before as well, but how much of it it leaves out it does not say.
        let parameters = [("query", self.query.as_str()), ("start", &start), ("limit", "1")];
        let response = client::upgrade(self.server, PATH, |request| {
            request.query(&parameters).header("x-loki-response-encoding-flags", "categorize-labels")
        })
        .await?;
        if response.status() != StatusCode::SWITCHING_PROTOCOLS {
            bail!("{} is not a Trefoil server: it has no {PATH}", self.server.endpoint);
        }
        let upgraded = response.upgrade().await.context("the server does not talk over a WebSocket")?;
        let config = WebSocketConfig::default().max_message_size(Some(MOST_BYTES)).max_frame_size(Some(MOST_BYTES));
        Ok(WebSocketStream::from_raw_socket(upgraded, Role::Client, Some(config)).await)
    }

    /// Shows what is there and was not shown: the newest `lines`, or all.
    async fn catch_up(&mut self, lines: Option<u64>) -> anyhow::Result<()> {
        let period = Period { start: self.seen.since(), end: i64::MAX };
        let question = Question { query: self.query.clone(), period, forward: lines.is_none(), limit: lines };
        let mut answer = Lines::ask(self.server, &question).await?;
        if lines.is_none() {
            while let Some(some) = answer.next().await? {
                self.show(read(&some)?)?;
            }
            return Ok(());
        }
        let mut newest = Vec::new();
        while let Some(some) = answer.next().await? {
            newest.extend(read(&some)?);
        }
        newest.reverse();
        if let Some(oldest) = newest.first().filter(|_| Some(newest.len() as u64) == lines) {
            // What is older is not wanted.
            self.seen.begin(oldest.timestamp);
        }
        Ok(self.show(newest)?)
    }

    async fn listen_to(&mut self, socket: &mut Socket, wait: &mut Duration) -> Result<std::convert::Infallible, Ended> {
        let mut is_silent = false;
        loop {
            let Ok(message) = timeout(SILENCE, socket.next()).await else {
                if is_silent {
                    return Err(anyhow::anyhow!("the server does not answer any more").into());
                }
                is_silent = true;
                socket.send(Message::Ping(Default::default())).await.context("the server is gone")?;
                continue;
            };
            is_silent = false;
            let message = match message {
                Some(Ok(message)) => message,
                Some(Err(error)) => return Err(anyhow::Error::new(error).context("the server is gone").into()),
                None => return Err(anyhow::anyhow!("the server has ended the connection").into()),
            };
            let Message::Text(text) = message else { continue };
            let frame: Frame = serde_json::from_str(&text).context("the server's answer is no frame of a tail")?;
            let has_dropped = !frame.dropped_entries.is_empty();
            self.show(frame.lines()?)?;
            *wait = FIRST_WAIT;
            // This reader was too slow.
            if has_dropped {
                self.catch_up(None).await?;
            }
        }
    }

    fn show(&mut self, lines: Vec<TakenLine>) -> std::io::Result<()> {
        let mut text = String::new();
        for line in &lines {
            if self.seen.is_new(line) {
                self.shown.write(line, &mut text);
            }
        }
        let mut out = stdout().lock();
        out.write_all(text.as_bytes())?;
        out.flush()
    }
}

/// A message of the tail.
#[derive(Deserialize)]
struct Frame {
    #[serde(default)]
    streams: Vec<StreamOfFrame>,
    #[serde(default)]
    dropped_entries: Vec<serde::de::IgnoredAny>,
}

#[derive(Deserialize)]
struct StreamOfFrame {
    stream: BTreeMap<String, String>,
    values: Vec<(String, String, More)>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct More {
    structured_metadata: BTreeMap<String, String>,
    parsed: BTreeMap<String, String>,
}

impl Frame {
    /// In the order of time.
    fn lines(self) -> anyhow::Result<Vec<TakenLine>> {
        let mut lines = Vec::new();
        for StreamOfFrame { stream, values } in self.streams {
            for (time, line, More { structured_metadata, parsed }) in values {
                let timestamp = time.parse().with_context(|| format!("the server's answer has the time {time:?}"))?;
                lines.push(TakenLine { timestamp, labels: stream.clone(), structured_metadata, parsed, line });
            }
        }
        lines.sort_by_key(|line| line.timestamp);
        Ok(lines)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_lines_in_order() {
        let text = r#"{"streams": [
            {"stream": {"app": "a"}, "values": [["3", "late", {}], ["1", "first", {"structuredMetadata": {"t": "x"}}]]},
            {"stream": {"app": "b"}, "values": [["2", "second", {"parsed": {"n": "1"}}]]}
        ], "encodingFlags": ["categorize-labels"]}"#;
        let lines = serde_json::from_str::<Frame>(text).unwrap().lines().unwrap();
        let told: Vec<&str> = lines.iter().map(|line| line.line.as_str()).collect();
        assert_eq!(told, ["first", "second", "late"]);
        assert_eq!((lines[0].structured_metadata["t"].as_str(), lines[1].parsed["n"].as_str()), ("x", "1"));
        let frame = r#"{"streams": [{"stream": {}, "values": [["soon", "x", {}]]}]}"#;
        assert!(serde_json::from_str::<Frame>(frame).unwrap().lines().is_err());
    }
}
