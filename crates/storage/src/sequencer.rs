//! The one thread that decides the order of appends. It writes the log, makes rows visible, and draws the line between
//! what a flush takes and what comes after.
//!
//! **The invariant.** A generation of the buffer holds exactly the rows of the records between two log positions. It holds
//! because both are written here, one after the other, by one thread: a record is appended, made durable, inserted; a
//! freeze ends the log segment and the generation at the same point between two records. So the commit of a generation's
//! files together with its end position says precisely which records a replay must leave out, whenever the process dies.
//!
//! While an fsync runs, submissions queue up; the next one takes all of them. Nothing waits on purpose.

use std::sync::Arc;
use std::time::Instant;

use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot};
use tracing::{info, warn};
use trefoil_model::Tenant;

use crate::admission::Reservation;
use crate::buffer::{Arrival, Buffer, Frozen, Inserted};
use crate::error::AppendError;
use crate::log::{Log, Prepared};
use crate::metrics::Metrics;

/// Submissions that may wait for the thread; senders of further ones wait themselves.
const QUEUE: usize = 1024;

/// What an append waits for.
pub(crate) type Acknowledgement = oneshot::Sender<Result<(), AppendError>>;

/// Decoded rows and the record to recover them from.
pub(crate) struct Submission {
    pub tenant: Tenant,
    pub arrival: Arrival,
    pub record: Option<Prepared>,
    /// Counts the rows' memory until the buffer does.
    pub reservation: Reservation,
    pub acknowledgement: Acknowledgement,
}

/// A generation to flush.
pub(crate) struct Cut {
    pub frozen: Arc<Frozen>,
    /// Without a log: whoever waits for the commit.
    pub waiting: Vec<Acknowledgement>,
}

enum Command {
    Append(Submission),
    Freeze(oneshot::Sender<Option<Cut>>),
    Release(u64),
}

/// What makes rows durable.
pub(crate) enum Journal {
    /// The local log.
    Log(Log),
    /// Nothing but the flush: acknowledgements wait for its commit. Sequence numbers still count the appends, so that the
    /// catalog's position tells whether a commit happened.
    Commit { next_sequence: u64, waiting: Vec<Acknowledgement> },
}

/// A handle to the thread, which ends after the last clone is dropped.
#[derive(Clone)]
pub(crate) struct Sequencer {
    commands: mpsc::Sender<Command>,
}

impl Sequencer {
    /// Starts the thread; it inserts into `buffer`. The second value resolves when the thread has ended.
    pub(crate) fn start(
        journal: Journal,
        buffer: Arc<Buffer>,
        metrics: Metrics,
        max_batch_bytes: usize,
    ) -> std::io::Result<(Sequencer, oneshot::Receiver<()>)> {
        let (commands, receiver) = mpsc::channel(QUEUE);
        let (ended_sender, ended) = oneshot::channel();
        let runtime = Handle::current();
        let thread = Thread { journal, buffer, metrics, max_batch_bytes, runtime, is_refusing: false };
        std::thread::Builder::new().name("trefoil-log".into()).spawn(move || {
            thread.run(receiver);
            let _ = ended_sender.send(());
        })?;
        Ok((Sequencer { commands }, ended))
    }

    pub(crate) async fn append(&self, submission: Submission) -> Result<(), AppendError> {
        self.commands.send(Command::Append(submission)).await.map_err(|_| AppendError::Closed)
    }

    /// Ends the active generation; `None` if there is nothing in it.
    pub(crate) async fn freeze(&self) -> Option<Cut> {
        let (reply, cut) = oneshot::channel();
        self.commands.send(Command::Freeze(reply)).await.ok()?;
        cut.await.ok().flatten()
    }

    /// Deletes log segments below a committed position, some time soon.
    pub(crate) async fn release(&self, position: u64) {
        let _ = self.commands.send(Command::Release(position)).await;
    }
}

struct Thread {
    journal: Journal,
    buffer: Arc<Buffer>,
    metrics: Metrics,
    max_batch_bytes: usize,
    runtime: Handle,
    is_refusing: bool,
}

impl Thread {
    fn run(mut self, mut commands: mpsc::Receiver<Command>) {
        // A command that ended a batch is the first of the next round.
        let mut next = None;
        while let Some(command) = next.take().or_else(|| commands.blocking_recv()) {
            match command {
                Command::Append(first) => {
                    let mut bytes = size(&first);
                    let mut batch = vec![first];
                    while bytes < self.max_batch_bytes {
                        match commands.try_recv() {
                            Ok(Command::Append(submission)) => {
                                bytes += size(&submission);
                                batch.push(submission);
                            }
                            Ok(other) => {
                                next = Some(other);
                                break;
                            }
                            Err(_) => break,
                        }
                    }
                    self.append(batch);
                }
                Command::Freeze(reply) => {
                    let _ = reply.send(self.freeze());
                }
                Command::Release(position) => self.release(position),
            }
        }
    }

    fn append(&mut self, mut batch: Vec<Submission>) {
        match &mut self.journal {
            Journal::Log(log) => {
                let records: Vec<Prepared> = batch.iter_mut().filter_map(|s| s.record.take()).collect();
                let written: usize = records.iter().map(Prepared::len).sum();
                let started = Instant::now();
                if let Err(error) = log.append(&records) {
                    self.metrics.failed("log_append");
                    if !self.is_refusing {
                        warn!(%error, "cannot write the log; appends are refused (retryably) until it works again");
                        self.is_refusing = true;
                    }
                    let refusal = AppendError::unavailable(format!("cannot write the log: {error}"));
                    for submission in batch {
                        let _ = submission.acknowledgement.send(Err(refusal.clone()));
                    }
                    return;
                }
                if self.is_refusing {
                    info!("the log can be written again");
                    self.is_refusing = false;
                }
                self.metrics.log_sync_seconds.observe(started.elapsed().as_secs_f64());
                self.metrics.log_syncs.inc();
                self.metrics.log_records.inc_by(records.len() as u64);
                self.metrics.log_written_bytes.inc_by(written as u64);
                self.metrics.log_bytes.set(log.bytes());
                for submission in batch {
                    let (acknowledgement, _) = self.insert(submission);
                    let _ = acknowledgement.send(Ok(()));
                }
            }
            Journal::Commit { next_sequence, .. } => {
                *next_sequence += batch.len() as u64;
                for submission in batch {
                    match self.insert(submission) {
                        (acknowledgement, true) => self.keep_waiting(vec![acknowledgement]),
                        // All of it is committed already.
                        (acknowledgement, false) => drop(acknowledgement.send(Ok(()))),
                    }
                }
            }
        }
    }

    /// And whether anything of it is in the active generation.
    fn insert(&self, submission: Submission) -> (Acknowledgement, bool) {
        let Submission { tenant, arrival, reservation, acknowledgement, .. } = submission;
        let Inserted { due, again, is_open } = self.buffer.insert(&tenant, arrival);
        drop(reservation);
        self.metrics.repeated_entries.inc_by(again as u64);
        for table in due {
            let (buffer, tenant) = (self.buffer.clone(), tenant.clone());
            self.runtime.spawn_blocking(move || buffer.coalesce(&tenant, table));
        }
        (acknowledgement, is_open)
    }

    fn freeze(&mut self) -> Option<Cut> {
        let (end, waiting) = match &mut self.journal {
            Journal::Log(log) => (log.rotate(), Vec::new()),
            Journal::Commit { next_sequence, waiting } => (*next_sequence, std::mem::take(waiting)),
        };
        match self.buffer.freeze(end) {
            Some(frozen) => Some(Cut { frozen, waiting }),
            None => {
                self.keep_waiting(waiting);
                None
            }
        }
    }

    fn keep_waiting(&mut self, more: Vec<Acknowledgement>) {
        if let Journal::Commit { waiting, .. } = &mut self.journal {
            waiting.extend(more);
        }
    }

    fn release(&mut self, position: u64) {
        let Journal::Log(log) = &mut self.journal else { return };
        if let Err(error) = log.release(position) {
            self.metrics.failed("log_release");
            warn!(%error, "cannot delete a log segment that is in files already; will try again after the next flush");
        }
        self.metrics.log_bytes.set(log.bytes());
    }
}

fn size(submission: &Submission) -> usize {
    submission.record.as_ref().map_or(0, Prepared::len)
}
