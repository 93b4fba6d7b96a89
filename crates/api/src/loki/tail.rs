//! `tail`: lines as they come, over a WebSocket.

use std::collections::VecDeque;
use std::time::Duration;

use axum::extract::State;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::http::HeaderMap;
use axum::response::Response;
use futures::stream::SplitSink;
use futures::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::sync::mpsc::{self, Receiver, Sender};
use tokio::time::{Instant, sleep_until};
use trefoil_logql::ast::{LogQuery, Query};
use trefoil_query::logs::{FoundLine, Tail};

use super::LokiError;
use super::answer::{Encoding, by_stream};
use super::parameters::{Asked, SECOND};
use super::query::MOST_LINES;
use crate::ApiState;

/// Lines that were there before, where the request does not say.
const LINES: usize = 100;
const LONGEST_DELAY: i64 = 5 * SECOND;
/// Frames that wait for the client. Lines that come while so many wait are dropped, and told of.
const WAITING: usize = 64;
/// Dropped lines that are told of one by one.
const MOST_DROPPED: usize = 1000;

pub(super) async fn tail(
    State(state): State<ApiState>,
    headers: HeaderMap,
    upgrade: WebSocketUpgrade,
    asked: Asked,
) -> Result<Response, LokiError> {
    tail_as(Encoding::of(&headers), &state, &headers, upgrade, &asked).await
}

pub(super) async fn tail_as(
    encoding: Encoding,
    state: &ApiState,
    headers: &HeaderMap,
    upgrade: WebSocketUpgrade,
    asked: &Asked,
) -> Result<Response, LokiError> {
    let tenants = state.tenants(headers)?;
    let tenant = tenants.only().ok_or_else(|| LokiError::bad_request("multiple org IDs present"))?;
    let query = log_query(asked.get("query"))?;
    let limit = asked.count("limit", LINES)?.min(MOST_LINES);
    let delay = asked.duration("delay_for")?.unwrap_or(0);
    if !(0..=LONGEST_DELAY).contains(&delay) {
        return Err(LokiError::bad_request("delay_for can't be greater than 5"));
    }
    let start = asked.time("start")?.unwrap_or_else(|| asked.now.saturating_sub(3600 * SECOND));
    let (history, tail) = state.engine.tail_logs(tenant, query, (start, asked.now), limit, state.limits()).await?;
    let delay = Duration::from_nanos(delay.unsigned_abs());
    Ok(upgrade.on_upgrade(move |socket| serve(socket, history, tail, delay, encoding)))
}

fn log_query(text: &str) -> Result<LogQuery, LokiError> {
    match trefoil_logql::parse(text)? {
        Query::Log(query) => Ok(query),
        Query::Metric(_) => Err(LokiError::bad_request("only log queries can be tailed")),
    }
}

/// Until the client goes or the store is closed.
async fn serve(socket: WebSocket, history: Vec<FoundLine>, tail: Tail, delay: Duration, encoding: Encoding) {
    let (sink, mut messages) = socket.split();
    let (frames, waiting) = mpsc::channel(WAITING);
    let sending = send(sink, waiting);
    let producing = produce(history, tail, delay, encoding, frames);
    // Pings are answered by the library as messages are read; nothing else that a client says means anything.
    let gone = async {
        while let Some(Ok(message)) = messages.next().await
            && !matches!(message, Message::Close(_))
        {}
    };
    tokio::select! {
        () = gone => {}
        // Either ends when the other one does.
        ((), ()) = async { tokio::join!(sending, producing) } => {}
    }
}

async fn send(mut sink: SplitSink<WebSocket, Message>, mut waiting: Receiver<Value>) {
    while let Some(frame) = waiting.recv().await {
        if sink.send(Message::Text(frame.to_string().into())).await.is_err() {
            return;
        }
    }
    // Whether the client still hears it is its own affair.
    let _ = sink.close().await;
}

/// Frames for as long as somebody takes them.
async fn produce(history: Vec<FoundLine>, mut tail: Tail, delay: Duration, encoding: Encoding, frames: Sender<Value>) {
    let mut outgoing = Outgoing { encoding, frames, dropped: VecDeque::new() };
    outgoing.offer(history);
    let mut held: VecDeque<(Instant, Vec<FoundLine>)> = VecDeque::new();
    loop {
        let due = held.front().map(|(due, _)| *due);
        tokio::select! {
            () = outgoing.frames.closed() => return,
            () = sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => {
                if let Some((_, lines)) = held.pop_front() {
                    outgoing.offer(lines);
                }
            }
            arrived = tail.arrived() => {
                let Some(arrived) = arrived else { return };
                match tail.lines(arrived).await {
                    Ok(lines) if delay.is_zero() => outgoing.offer(lines),
                    Ok(lines) => held.push_back((Instant::now() + delay, lines)),
                    // It may work the next time; the lines are not lost, a query finds them.
                    Err(error) => tracing::warn!(%error, "lines that somebody tails cannot be read"),
                }
            }
        }
        outgoing.miss(tail.take_missed());
    }
}

/// Frames on their way, and what found no room among them.
struct Outgoing {
    encoding: Encoding,
    frames: Sender<Value>,
    dropped: VecDeque<Value>,
}

impl Outgoing {
    fn offer(&mut self, lines: Vec<FoundLine>) {
        if lines.is_empty() {
            return;
        }
        let Ok(room) = self.frames.try_reserve() else {
            let dropped = lines.iter().map(dropped);
            self.dropped.extend(dropped.take(MOST_DROPPED.saturating_sub(self.dropped.len())));
            return;
        };
        let mut frame = json!({"streams": by_stream(lines, self.encoding)});
        if let Some(flags) = self.encoding.flags() {
            frame["encodingFlags"] = json!(flags);
        }
        if !self.dropped.is_empty() {
            frame["dropped_entries"] = self.dropped.drain(..).collect();
        }
        room.send(frame);
    }

    /// Lines of which nobody knows more than that they came.
    fn miss(&mut self, lines: u64) {
        if lines > 0 && self.dropped.len() < MOST_DROPPED {
            let now = chrono::Utc::now().timestamp_nanos_opt().unwrap_or_default();
            self.dropped.push_back(json!({"labels": {}, "timestamp": now.to_string(), "lines": lines}));
        }
    }
}

fn dropped(line: &FoundLine) -> Value {
    let labels = super::answer::metric(&line.stream);
    json!({"labels": labels, "timestamp": line.time.to_string()})
}
