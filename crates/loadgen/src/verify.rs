//! The client of the crash test: numbered items, and a file that says what became of each.
//!
//! Nothing is sent twice. A number range is `acknowledged` (must be found once), `unknown` (the connection broke: found
//! once or not at all) or `refused` (asked to come again: not found). Each line of the file is one JSON object.

use std::fs::File;
use std::io::Write;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use bytes::Bytes;
use serde::Serialize;

use crate::Signal;
use crate::client::{Connection, Outcome, Target};
use crate::numbered;
use crate::source::now;

#[derive(Debug, Clone)]
pub struct VerifyOptions {
    pub targets: Vec<(Signal, Target)>,
    /// Connections of each signal.
    pub connections: u32,
    pub batch: u64,
    /// A pause between two requests of a connection.
    pub pause: Duration,
    pub duration: Duration,
    pub output: PathBuf,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Fate {
    Acknowledged,
    Unknown,
    Refused,
}

#[derive(Debug, Serialize)]
struct Line {
    signal: Signal,
    connection: u32,
    /// Nanoseconds since the epoch of item 0.
    base: u64,
    first: u64,
    /// Exclusive.
    end: u64,
    fate: Fate,
}

/// Sends until the time is over. Fails when the server refuses a request for good.
pub async fn run(options: VerifyOptions) -> anyhow::Result<()> {
    let file = File::create(&options.output).with_context(|| options.output.display().to_string())?;
    let file = Arc::new(Mutex::new(file));
    let base = now();
    let end = Instant::now() + options.duration;
    let mut workers = tokio::task::JoinSet::new();
    for (signal, target) in &options.targets {
        for connection in 0..options.connections {
            workers.spawn(worker(*signal, target.clone(), connection, options.clone(), file.clone(), base, end));
        }
    }
    while let Some(result) = workers.join_next().await {
        result??;
    }
    Ok(())
}

async fn worker(
    signal: Signal,
    target: Target,
    connection: u32,
    options: VerifyOptions,
    file: Arc<Mutex<File>>,
    base: u64,
    end: Instant,
) -> anyhow::Result<()> {
    let mut link = Connection::new(&target, signal)?;
    let mut first = 0;
    while Instant::now() < end {
        let numbers = first..first + options.batch;
        let request = numbered::request(signal, connection, numbers.clone(), base);
        let (fate, wait) = match link.send(Bytes::from(request)).await {
            Outcome::Accepted { rejected: 0, .. } => (Fate::Acknowledged, options.pause),
            Outcome::Accepted { rejected, message } => bail!("{rejected} valid items were rejected: {message}"),
            Outcome::Refused(reason) => bail!("a valid request was refused: {reason}"),
            Outcome::Retry { after, .. } => (Fate::Refused, after.unwrap_or(Duration::from_millis(20))),
            Outcome::Unknown(_) => (Fate::Unknown, Duration::from_millis(20)),
        };
        let line = Line { signal, connection, base, first: numbers.start, end: numbers.end, fate };
        let mut text = serde_json::to_vec(&line)?;
        text.push(b'\n');
        file.lock().map_err(|_| anyhow::anyhow!("a worker panicked"))?.write_all(&text)?;
        first = numbers.end;
        tokio::time::sleep(wait).await;
    }
    Ok(())
}
