//! Streams, written.

use trefoil_model::wire::write::{bytes, message, uint64};

use super::field;
use crate::stream::{Entry, Stream};

const SECOND: u64 = 1_000_000_000;

/// A `PushRequest`, not compressed.
pub fn to_protobuf(streams: &[Stream]) -> Vec<u8> {
    let mut out = Vec::new();
    for stream in streams {
        message(&mut out, field::request::STREAMS, |out| {
            bytes(out, field::stream::LABELS, stream.labels.to_string().as_bytes());
            for one in &stream.entries {
                message(out, field::stream::ENTRIES, |out| entry(out, one));
            }
        });
    }
    out
}

fn entry(out: &mut Vec<u8>, entry: &Entry) {
    message(out, field::entry::TIMESTAMP, |out| {
        uint64(out, field::timestamp::SECONDS, entry.time / SECOND);
        uint64(out, field::timestamp::NANOS, entry.time % SECOND);
    });
    bytes(out, field::entry::LINE, entry.line.as_bytes());
    for (name, value) in &entry.metadata {
        message(out, field::entry::STRUCTURED_METADATA, |out| {
            bytes(out, field::pair::NAME, name.as_bytes());
            bytes(out, field::pair::VALUE, value.as_bytes());
        });
    }
}
