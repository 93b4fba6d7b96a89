//! The answer in pieces: frames of one series each, none larger than about a mebibyte.
//!
//! A frame is the length of its message (varint), the message's CRC-32C (big endian), and the message.

use prost::Message;
use trefoil_promql::source::Samples;

use super::chunks::chunks;
use trefoil_prometheus::remote::Label;
use trefoil_prometheus::remote::read::{Chunk, ChunkedReadResponse, ChunkedSeries};

/// Prometheus' `storage.remote.read-max-bytes-in-frame`.
const MOST_BYTES: usize = 1 << 20;

/// Appends the frames of one series.
pub fn write(out: &mut Vec<u8>, query: usize, labels: &[Label], samples: &Samples) {
    let room = MOST_BYTES.saturating_sub(labels.iter().map(Message::encoded_len).sum());
    let (mut frame, mut bytes) = (Vec::new(), 0_usize);
    for chunk in chunks(samples) {
        bytes += chunk.encoded_len();
        frame.push(chunk);
        // As in Prometheus, the last chunk of a frame may reach beyond.
        if bytes >= room {
            write_frame(out, query, labels, std::mem::take(&mut frame));
            bytes = 0;
        }
    }
    if !frame.is_empty() {
        write_frame(out, query, labels, frame);
    }
}

fn write_frame(out: &mut Vec<u8>, query: usize, labels: &[Label], chunks: Vec<Chunk>) {
    let series = ChunkedSeries { labels: labels.to_vec(), chunks };
    let query_index = i64::try_from(query).unwrap_or(i64::MAX);
    let message = ChunkedReadResponse { chunked_series: vec![series], query_index };
    let message = message.encode_to_vec();
    prost::encoding::encode_varint(message.len() as u64, out);
    out.extend_from_slice(&crc32c::crc32c(&message).to_be_bytes());
    out.extend_from_slice(&message);
}
