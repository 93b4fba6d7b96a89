//! `tail`: lines as they come, over a WebSocket.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade, close_code};
use axum::http::HeaderMap;
use axum::response::Response;
use futures::stream::SplitSink;
use futures::{SinkExt, StreamExt};
use serde::Serialize;
use serde_json::{Value, json};
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, sleep_until};
use trefoil_logql::ast::{LogQuery, Query};
use trefoil_query::logs::{FoundLine, Tail};

use super::LokiError;
use super::parameters::{Asked, SECOND};
use super::query::MOST_LINES;
use super::streams::{Encoding, Streams};
use super::tails::Admitted;
use crate::ApiState;

/// Lines that were there before, where the request does not say.
const LINES: usize = 100;
const LONGEST_DELAY: i64 = 5 * SECOND;
/// Bytes of lines that wait for the client. Lines that come while so many wait are dropped, and told of.
const WAITING: usize = 8 << 20;
/// Bytes of the lines of one frame (of one alone there may be more).
const LARGEST_FRAME: usize = 1 << 20;
/// Bytes of a message of the client, who has nothing to say.
const LARGEST_MESSAGE: usize = 64 << 10;
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
    let admitted = state.tails.admit(tenant, state.limits().max_concurrent_tail_requests)?;
    let start = asked.time("start")?.unwrap_or_else(|| asked.now.saturating_sub(3600 * SECOND));
    let (history, tail) = state.engine.tail_logs(tenant, query, (start, asked.now), limit, state.limits()).await?;
    let delay = Duration::from_nanos(delay.unsigned_abs());
    let upgrade = upgrade.max_message_size(LARGEST_MESSAGE).max_frame_size(LARGEST_MESSAGE);
    Ok(upgrade.on_upgrade(move |socket| async move {
        admitted.track(serve(socket, history, tail, delay, encoding, &admitted)).await;
    }))
}

fn log_query(text: &str) -> Result<LogQuery, LokiError> {
    match trefoil_logql::parse(text)? {
        Query::Log(query) => Ok(query),
        Query::Metric(_) => Err(LokiError::bad_request("only log queries can be tailed")),
    }
}

/// Until the client goes or the server ends.
async fn serve(
    socket: WebSocket,
    history: Vec<FoundLine>,
    tail: Tail,
    delay: Duration,
    encoding: Encoding,
    admitted: &Admitted,
) {
    let (sink, mut messages) = socket.split();
    // What waits in it is bounded by its bytes.
    let (frames, waiting) = mpsc::unbounded_channel();
    let outgoing = Outgoing { encoding, frames, room: Arc::new(Semaphore::new(WAITING)), dropped: VecDeque::new() };
    let sending = send(sink, waiting, admitted.stopped());
    let producing = produce(history, tail, delay, outgoing);
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

/// Lines on their way.
struct Frame {
    text: String,
    due: Instant,
    /// Given back once the frame is sent.
    _room: OwnedSemaphorePermit,
}

async fn send(
    mut sink: SplitSink<WebSocket, Message>,
    mut waiting: UnboundedReceiver<Frame>,
    stopped: impl Future<Output = ()>,
) {
    let mut stopped = std::pin::pin!(stopped);
    loop {
        let frame = tokio::select! {
            frame = due(&mut waiting) => frame,
            () = &mut stopped => None,
        };
        let Some(Frame { text, _room, .. }) = frame else { break };
        // A client that takes nothing hears no goodbye either.
        let sent = tokio::select! {
            sent = sink.send(Message::Text(text.into())) => sent.is_ok(),
            () = &mut stopped => return,
        };
        if !sent {
            return;
        }
    }
    let goodbye = CloseFrame { code: close_code::AWAY, reason: "the server is shutting down".into() };
    // Whether the client still hears it is its own affair.
    let _ = sink.send(Message::Close(Some(goodbye))).await;
}

/// The next frame, when its time has come.
async fn due(waiting: &mut UnboundedReceiver<Frame>) -> Option<Frame> {
    let frame = waiting.recv().await?;
    sleep_until(frame.due).await;
    Some(frame)
}

/// Frames for as long as somebody takes them.
async fn produce(history: Vec<FoundLine>, mut tail: Tail, delay: Duration, mut outgoing: Outgoing) {
    for lines in parts(history) {
        // Nobody has been slow yet.
        let Some(room) = outgoing.wait(&lines).await else { return };
        outgoing.send(lines, room, Duration::ZERO);
    }
    loop {
        let arrived = tokio::select! {
            () = outgoing.frames.closed() => return,
            arrived = tail.arrived() => arrived,
        };
        let Some(arrived) = arrived else { return };
        let rows = arrived.rows();
        match tail.lines(arrived).await {
            Ok(lines) => parts(lines).into_iter().for_each(|lines| outgoing.offer(lines, delay)),
            // It may work the next time; the lines are not lost, a query finds them.
            Err(error) => {
                tracing::warn!(%error, "lines that somebody tails cannot be read");
                outgoing.miss(rows);
            }
        }
        outgoing.miss(tail.take_missed());
    }
}

/// Lines that go into one frame each.
fn parts(lines: Vec<FoundLine>) -> Vec<Vec<FoundLine>> {
    let mut parts: Vec<Vec<FoundLine>> = Vec::new();
    let mut bytes = LARGEST_FRAME;
    for line in lines {
        bytes += line.bytes();
        match parts.last_mut().filter(|_| bytes <= LARGEST_FRAME) {
            Some(part) => part.push(line),
            None => {
                bytes = line.bytes();
                parts.push(vec![line]);
            }
        }
    }
    parts
}

/// What a frame says.
#[derive(Serialize)]
struct Told<'l> {
    streams: Streams<'l>,
    #[serde(rename = "encodingFlags", skip_serializing_if = "Option::is_none")]
    encoding_flags: Option<[&'static str; 1]>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    dropped_entries: Vec<Value>,
}

/// Frames on their way, and what found no room among them.
struct Outgoing {
    encoding: Encoding,
    frames: UnboundedSender<Frame>,
    room: Arc<Semaphore>,
    dropped: VecDeque<Value>,
}

impl Outgoing {
    fn offer(&mut self, lines: Vec<FoundLine>, delay: Duration) {
        match self.room.clone().try_acquire_many_owned(room_for(&lines)) {
            Ok(room) => self.send(lines, room, delay),
            Err(_) => {
                let dropped = lines.iter().map(dropped);
                self.dropped.extend(dropped.take(MOST_DROPPED.saturating_sub(self.dropped.len())));
            }
        }
    }

    /// Room for lines as soon as there is some; `None` once nobody takes them.
    async fn wait(&self, lines: &[FoundLine]) -> Option<OwnedSemaphorePermit> {
        tokio::select! {
            () = self.frames.closed() => None,
            room = self.room.clone().acquire_many_owned(room_for(lines)) => room.ok(),
        }
    }

    fn send(&mut self, lines: Vec<FoundLine>, room: OwnedSemaphorePermit, delay: Duration) {
        let streams = Streams::of(&lines, self.encoding);
        let dropped_entries = self.dropped.drain(..).collect();
        let told = Told { streams, encoding_flags: self.encoding.flags(), dropped_entries };
        let text = match serde_json::to_string(&told) {
            Ok(text) => text,
            Err(error) => return tracing::error!(%error, "a frame of lines cannot be written"),
        };
        let frame = Frame { text, due: Instant::now() + delay, _room: room };
        // If nobody takes it any more, that ends all of this.
        let _ = self.frames.send(frame);
    }

    /// Lines of which nobody knows more than that they came.
    fn miss(&mut self, lines: u64) {
        if lines > 0 && self.dropped.len() < MOST_DROPPED {
            let now = chrono::Utc::now().timestamp_nanos_opt().unwrap_or_default();
            self.dropped.push_back(json!({"labels": {}, "timestamp": now.to_string(), "lines": lines}));
        }
    }
}

/// One line may be larger than all that waits; it goes when nothing else does.
fn room_for(lines: &[FoundLine]) -> u32 {
    let bytes: usize = lines.iter().map(FoundLine::bytes).sum();
    u32::try_from(bytes.min(WAITING)).unwrap_or(u32::MAX)
}

fn dropped(line: &FoundLine) -> Value {
    let labels = super::answer::metric(&line.stream);
    json!({"labels": labels, "timestamp": line.time.to_string()})
}
