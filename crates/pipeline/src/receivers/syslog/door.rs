//! The way of a message from a socket to the pipelines.

use std::sync::Arc;

use opentelemetry_proto::tonic::common::v1::KeyValue;

use super::framing::Frame;
use super::translate::Translator;
use crate::receivers::log_records::gate::Gate;
use crate::receivers::log_records::outlet::{Place, Room};
use crate::receivers::log_records::values::now;

/// What a record takes beside its text.
const RECORD_BYTES: usize = 1 << 10;

/// Of one listener.
pub struct Door {
    pub translator: Translator,
    pub room: Room,
    pub gate: Arc<Gate<()>>,
}

impl Door {
    /// What a message may take as a record: its text stands there twice, whole and in parts.
    pub fn size(message: usize) -> usize {
        2 * message + RECORD_BYTES
    }

    /// Waits while there is no room, and while the pipelines do not keep up.
    pub async fn take(&self, frame: &Frame<'_>, addresses: &[KeyValue]) {
        let place = self.room.take(Self::size(frame.bytes.len())).await;
        self.take_in(frame, addresses, place).await;
    }

    /// As `take`, for a message that has its place.
    pub async fn take_in(&self, frame: &Frame<'_>, addresses: &[KeyValue], place: Place) {
        if let Some(record) = self.translator.record(frame, addresses, now()) {
            self.gate.hand_in(record, place, ()).await;
        }
    }
}
