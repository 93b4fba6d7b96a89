//! From the SDK's providers into one queue a signal. Hundreds of providers need neither threads nor connections of their
//! own this way; batches are made once for all.

use std::sync::Arc;
use std::time::Duration;

use opentelemetry::{Context, InstrumentationScope};
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::logs::{LogProcessor, SdkLogRecord};
use opentelemetry_sdk::trace::{Span, SpanData, SpanProcessor};
use tokio::sync::mpsc;

use super::status::Status;

/// How many spans or records may wait for the next batch; beyond it they are lost, and counted.
pub const CAPACITY: usize = 16_384;

/// Something to export.
#[derive(Debug)]
pub enum Item {
    Span(SpanData),
    Record(SdkLogRecord, InstrumentationScope),
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
