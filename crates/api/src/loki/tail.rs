//! `tail`: lines as they come, over a WebSocket.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::extract::State;
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade, close_code};
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
use super::tails::Admitted;
use crate::ApiState;

/// Lines that were there before, where the request does not say.
const LINES: usize = 100;
const LONGEST_DELAY: i64 = 5 * SECOND;
/// What waits for its time where clients want to see lines later, and what waits for the client, each in bytes. Lines beyond are dropped,
/// and told of.
const MOST_HELD: usize = 16 << 20;
const MOST_WAITING: usize = 16 << 20;
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
    let tenant = state.tenant(&headers)?;
    let query = log_query(asked.get("query"))?;
    let limit = asked.count("limit", LINES)?.min(MOST_LINES);
    let delay = asked.duration("delay_for")?.unwrap_or(0);
    if !(0..=LONGEST_DELAY).contains(&delay) {
        return Err(LokiError::bad_request("delay_for can't be greater than 5"));
    }
    let admitted = state.tails.admit(&tenant, state.limits().max_concurrent_tail_requests)?;
    let start = asked.time("start")?.unwrap_or_else(|| asked.now.saturating_sub(3600 * SECOND));
    let (history, tail) = state.engine.tail_logs(&tenant, query, (start, asked.now), limit, state.limits()).await?;
    let encoding = Encoding::of(&headers);
    let delay = Duration::from_nanos(delay.unsigned_abs());
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
    let (frames, waiting) = mpsc::channel(WAITING);
    let sending = send(sink, waiting, admitted.stopped());
    let outgoing = Outgoing { encoding, frames, waiting_bytes: Arc::default(), dropped: VecDeque::new() };
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

async fn send(
    mut sink: SplitSink<WebSocket, Message>,
    mut waiting: Receiver<Frame>,
    stopped: impl Future<Output = ()>,
) {
    let mut stopped = std::pin::pin!(stopped);
    loop {
        let frame = tokio::select! {
            frame = waiting.recv() => frame,
            () = &mut stopped => None,
        };
        let Some(frame) = frame else { break };
        // A client that takes nothing hears no goodbye either.
        let sent = tokio::select! {
            sent = sink.send(Message::Text(frame.text.clone().into())) => sent.is_ok(),
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

/// Frames for as long as somebody takes them.
async fn produce(history: Vec<FoundLine>, mut tail: Tail, delay: Duration, mut outgoing: Outgoing) {
    outgoing.offer(history);
    let mut held = HeldLines::default();
    loop {
        let due = held.due();
        tokio::select! {
            () = outgoing.frames.closed() => return,
            () = sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => {
                outgoing.offer(held.take_first());
            }
            arrived = tail.arrived() => {
                let Some(arrived) = arrived else { return };
                match tail.lines(arrived).await {
                    Ok(lines) if delay.is_zero() => outgoing.offer(lines),
                    Ok(lines) => {
                        if let Some(too_many) = held.add(Instant::now() + delay, lines) {
                            outgoing.lose(&too_many);
                        }
                    }
                    // It may work the next time; the lines are not lost, a query finds them.
                    Err(error) => tracing::warn!(%error, "lines that somebody tails cannot be read"),
                }
            }
        }
        outgoing.miss(tail.take_missed());
    }
}

/// Lines that are to be seen later.
#[derive(Default)]
struct HeldLines {
    lines: VecDeque<(Instant, usize, Vec<FoundLine>)>,
    bytes: usize,
}

impl HeldLines {
    fn due(&self) -> Option<Instant> {
        self.lines.front().map(|(due, ..)| *due)
    }

    /// Gives them back where there is no room for them.
    fn add(&mut self, due: Instant, lines: Vec<FoundLine>) -> Option<Vec<FoundLine>> {
        let bytes: usize = lines.iter().map(FoundLine::bytes).sum();
        if self.bytes + bytes > MOST_HELD {
            return Some(lines);
        }
        self.bytes += bytes;
        self.lines.push_back((due, bytes, lines));
        None
    }

    fn take_first(&mut self) -> Vec<FoundLine> {
        let Some((_, bytes, lines)) = self.lines.pop_front() else { return Vec::new() };
        self.bytes -= bytes;
        lines
    }
}

/// The text of a frame, counted while it waits.
struct Frame {
    text: String,
    waiting: Arc<AtomicUsize>,
}

impl Drop for Frame {
    fn drop(&mut self) {
        self.waiting.fetch_sub(self.text.len(), Ordering::Relaxed);
    }
}

/// Frames on their way, and what found no room among them.
struct Outgoing {
    encoding: Encoding,
    frames: Sender<Frame>,
    waiting_bytes: Arc<AtomicUsize>,
    dropped: VecDeque<Value>,
}

impl Outgoing {
    fn offer(&mut self, lines: Vec<FoundLine>) {
        if lines.is_empty() {
            return;
        }
        // The first frame always has room, however long it is.
        let waiting = self.waiting_bytes.load(Ordering::Relaxed);
        let room = if waiting < MOST_WAITING { self.frames.clone().try_reserve_owned().ok() } else { None };
        let Some(room) = room else { return self.lose(&lines) };
        let mut frame = json!({"streams": by_stream(lines, self.encoding)});
        if let Some(flags) = self.encoding.flags() {
            frame["encodingFlags"] = json!(flags);
        }
        if !self.dropped.is_empty() {
            frame["dropped_entries"] = self.dropped.drain(..).collect();
        }
        let text = frame.to_string();
        self.waiting_bytes.fetch_add(text.len(), Ordering::Relaxed);
        drop(room.send(Frame { text, waiting: self.waiting_bytes.clone() }));
    }

    fn lose(&mut self, lines: &[FoundLine]) {
        let dropped = lines.iter().map(dropped);
        self.dropped.extend(dropped.take(MOST_DROPPED.saturating_sub(self.dropped.len())));
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

#[cfg(test)]
mod tests {
    use trefoil_promql::labels::Labels;

    use super::*;

    fn lines(count: usize, bytes: usize) -> Vec<FoundLine> {
        let line = FoundLine {
            time: 7,
            line: "x".repeat(bytes),
            stream: Labels::default(),
            metadata: Vec::new(),
            parsed: Vec::new(),
        };
        vec![line; count]
    }

    #[test]
    fn what_is_to_be_seen_later_is_bounded() {
        let (mut held, now) = (HeldLines::default(), Instant::now());
        assert!((0..3).all(|_| held.add(now, lines(5, 1 << 20)).is_none()));
        assert_eq!(held.add(now, lines(5, 1 << 20)).map(|lines| lines.len()), Some(5));
        assert_eq!(held.take_first().len(), 5);
        assert!(held.add(now, lines(5, 1 << 20)).is_none(), "there is room again");
        assert_eq!((0..3).map(|_| held.take_first().len()).sum::<usize>(), 15);
        assert_eq!((held.bytes, held.due(), held.take_first().len()), (0, None, 0));
    }

    #[tokio::test]
    async fn what_waits_for_a_client_is_bounded() {
        let (frames, mut waiting) = mpsc::channel(WAITING);
        let encoding = Encoding::of(&HeaderMap::new());
        let mut outgoing = Outgoing { encoding, frames, waiting_bytes: Arc::default(), dropped: VecDeque::new() };
        outgoing.offer(lines(1, MOST_WAITING));
        outgoing.offer(lines(2, 1));
        assert_eq!(outgoing.dropped.len(), 2, "one frame is all that may wait");
        drop(waiting.recv().await.unwrap());
        outgoing.offer(lines(1, 1));
        let frame: Value = serde_json::from_str(&waiting.recv().await.unwrap().text).unwrap();
        assert_eq!(frame["dropped_entries"].as_array().map(Vec::len), Some(2));
        assert_eq!(outgoing.waiting_bytes.load(Ordering::Relaxed), 0);
    }
}
