//! A run of journalctl: its entries are handed to the pipelines, and what it complains of is written to our log.

use std::process::{ExitStatus, Stdio};

use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::{Child, Command};
use tokio_util::sync::CancellationToken;

use super::entry::Reader;
use crate::component::ComponentError;
use crate::metrics::JournaldMetrics;
use crate::net::body::Admission;
use crate::receivers::log_records::gate::Gate;
use crate::receivers::log_records::outlet::Room;
use crate::receivers::log_records::values::now;
use crate::receivers::syslog::framing::{Framer, Framing};

/// A larger entry is left out: its JSON, in which four letters can stand for a byte.
const LARGEST_ENTRY: usize = 16 << 20;
const LARGEST_COMPLAINT: usize = 4 << 10;
/// Bytes that are read at once.
const CHUNK: usize = 64 << 10;
const LINES: Framing = Framing::Trailer(b"\n");
/// What a record takes beside the values of its fields, for each byte of its JSON.
const SIZE_OF_RECORD: usize = 3;

/// A process that runs.
pub struct Journalctl(Child);

impl Journalctl {
    /// `command` is the program and its arguments. It ends when this is dropped.
    pub fn start(command: &[String]) -> Result<Self, ComponentError> {
        let failed = |error: std::io::Error| {
            ComponentError::new(format!("cannot run {}: {error}", command.first().map_or("nothing", String::as_str)))
        };
        let (program, arguments) =
            command.split_first().ok_or_else(|| ComponentError::new("there is nothing to run"))?;
        let mut process = Command::new(program);
        process.args(arguments).kill_on_drop(true);
        process.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        Ok(Self(process.spawn().map_err(failed)?))
    }

    /// Reads until the process ends or is to stop, and ends it then. `None`: it was to stop.
    pub async fn run(mut self, to: &Destination, stop: &CancellationToken) -> Option<std::io::Result<ExitStatus>> {
        let (entries, complaints) = (self.0.stdout.take(), self.0.stderr.take());
        let ended = async {
            tokio::join!(to.entries(entries), complain(complaints));
            self.0.wait().await
        };
        let ended = tokio::select! {
            () = stop.cancelled() => None,
            status = ended => Some(status),
        };
        if ended.is_none()
            && let Err(error) = self.0.kill().await
        {
            tracing::warn!(%error, "journalctl cannot be ended");
        }
        ended
    }
}

/// Where entries go.
pub struct Destination {
    pub reader: Reader,
    pub room: Room,
    /// Marks are cursors.
    pub gate: Gate<String>,
    pub metrics: JournaldMetrics,
}

impl Destination {
    async fn entries(&self, output: Option<impl AsyncRead + Unpin>) {
        let Some(mut output) = output else { return };
        let mut framer = Framer::new(LINES, LARGEST_ENTRY, &Admission::new(LARGEST_ENTRY * 4));
        let mut chunk = vec![0; CHUNK];
        loop {
            let length = match output.read(&mut chunk).await {
                Ok(0) => return,
                Ok(length) => length,
                Err(error) => return tracing::warn!(%error, "journalctl's entries cannot be read"),
            };
            let mut rest = &chunk[..length];
            while let Some(frame) = framer.next(&mut rest) {
                match frame.is_cut {
                    true => self.malformed(&format!("it has more than {LARGEST_ENTRY} bytes")),
                    false => self.entry(frame.bytes).await,
                }
            }
        }
    }

    async fn entry(&self, line: &[u8]) {
        let place = self.room.take(line.len() * SIZE_OF_RECORD).await;
        match self.reader.read(line, now()) {
            Ok(read) => self.gate.hand_in(read.record, place, read.cursor).await,
            Err(error) => self.malformed(&error.to_string()),
        }
    }

    /// Counts; only the first one is worth a warning.
    fn malformed(&self, why: &str) {
        match self.metrics.malformed.inc() {
            0 => tracing::warn!(
                why,
                "an entry of the journal is left out; more are counted in otelcol_journald_receiver_malformed_entries_total"
            ),
            _ => tracing::debug!(why, "an entry of the journal is left out"),
        }
    }
}

async fn complain(complaints: Option<impl AsyncRead + Unpin>) {
    let Some(mut complaints) = complaints else { return };
    let mut framer = Framer::new(LINES, LARGEST_COMPLAINT, &Admission::new(LARGEST_COMPLAINT * 4));
    let mut chunk = vec![0; LARGEST_COMPLAINT];
    while let Ok(length @ 1..) = complaints.read(&mut chunk).await {
        let mut rest = &chunk[..length];
        while let Some(line) = framer.next(&mut rest) {
            tracing::warn!(says = %String::from_utf8_lossy(line.bytes), "journalctl complains");
        }
    }
    if let Some(line) = framer.finish() {
        tracing::warn!(says = %String::from_utf8_lossy(line.bytes), "journalctl complains");
    }
}
