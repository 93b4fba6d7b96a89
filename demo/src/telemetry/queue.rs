//! From the SDK's providers into one queue a signal. Hundreds of providers need neither threads nor connections of their
//! own this way; batches are made once for all.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use opentelemetry::{Context, InstrumentationScope};
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::logs::{LogProcessor, SdkLogRecord};
use opentelemetry_sdk::trace::{Span, SpanData, SpanProcessor};
use parking_lot::Mutex;
use tokio::sync::mpsc;

/// How many spans or records may wait for the next batch; beyond it they are lost, and counted.
pub const CAPACITY: usize = 16_384;

/// Something to export.
#[derive(Debug)]
pub enum Item {
    Span(SpanData),
    Record(SdkLogRecord, InstrumentationScope),
}

/// How exporting goes; shared with the progress line.
#[derive(Debug, Default)]
pub struct Status {
    pub spans: Counts,
    pub records: Counts,
    pub points: Counts,
    problem: Mutex<Option<String>>,
}

#[derive(Debug, Default)]
pub struct Counts {
    pub sent: AtomicU64,
    /// Refused, or given up.
    pub lost: AtomicU64,
}

impl Status {
    pub fn set_problem(&self, problem: Option<String>) {
        *self.problem.lock() = problem;
    }

    /// Why nothing can be exported at the moment.
    pub fn problem(&self) -> Option<String> {
        self.problem.lock().clone()
    }

    pub fn lost(&self) -> u64 {
        [&self.spans, &self.records, &self.points].iter().map(|counts| counts.lost.load(Ordering::Relaxed)).sum()
    }
}

impl Counts {
    pub fn add_sent(&self, count: u64) {
        self.sent.fetch_add(count, Ordering::Relaxed);
    }

    pub fn add_lost(&self, count: u64) {
        self.lost.fetch_add(count, Ordering::Relaxed);
    }
}

/// Where the providers of one pod put their spans or records.
#[derive(Debug)]
pub struct Intake {
    /// Whose they are: an index of the sources.
    pub source: usize,
    pub sender: mpsc::Sender<(usize, Item)>,
    pub status: Arc<Status>,
}

impl Intake {
    fn put(&self, item: Item) {
        if let Err(refused) = self.sender.try_send((self.source, item)) {
            match refused.into_inner().1 {
                Item::Span(_) => self.status.spans.add_lost(1),
                Item::Record(..) => self.status.records.add_lost(1),
            }
        }
    }
}

impl SpanProcessor for Intake {
    fn on_start(&self, _span: &mut Span, _context: &Context) {}

    fn on_end(&self, span: SpanData) {
        self.put(Item::Span(span));
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _timeout: Duration) -> OTelSdkResult {
        Ok(())
    }
}

impl LogProcessor for Intake {
    fn emit(&self, record: &mut SdkLogRecord, scope: &InstrumentationScope) {
        self.put(Item::Record(record.clone(), scope.clone()));
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _timeout: Duration) -> OTelSdkResult {
        Ok(())
    }
}
