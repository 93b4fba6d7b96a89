//! gRPC's framing of unary calls: one flag byte, four bytes of length, one message. Messages stay bytes, so that
//! what a client sent reaches the log as it came; status and trailers are tonic's.

use bytes::{BufMut, Bytes, BytesMut};
use tonic::Status;

use super::compression::{DecompressError, Encoding, decompress};

/// Bytes before a message.
pub const PREFIX: usize = 5;

/// Encodings this side can decompress, for `grpc-accept-encoding`.
pub const ACCEPTED_ENCODINGS: &str = "gzip,zstd,snappy,deflate,identity";

/// The full method names of OTLP's three services.
pub const TRACES_EXPORT: &str = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";
pub const METRICS_EXPORT: &str = "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export";
pub const LOGS_EXPORT: &str = "/opentelemetry.proto.collector.logs.v1.LogsService/Export";

/// The encoding a `grpc-encoding` value names.
pub fn encoding(name: Option<&str>) -> Result<Encoding, Status> {
    let Some(name) = name else { return Ok(Encoding::Identity) };
    match Encoding::from_name(name) {
        Some(Encoding::SnappyFramed | Encoding::Lz4) | None => Err(Status::unimplemented(format!(
            "messages compressed with {name:?} are not supported; use one of {ACCEPTED_ENCODINGS}"
        ))),
        // gRPC's snappy is the framing format.
        Some(Encoding::Snappy) => Ok(Encoding::SnappyFramed),
        Some(encoding) => Ok(encoding),
    }
}

/// Puts the prefix before a message that is already compressed, if `compressed`.
pub fn frame(message: &[u8], compressed: bool) -> Bytes {
    let mut framed = BytesMut::with_capacity(PREFIX + message.len());
    framed.put_u8(compressed.into());
    framed.put_u32(message.len() as u32);
    framed.put_slice(message);
    framed.freeze()
}

/// The single message of a body, decompressed to at most `limit` bytes.
pub fn unframe(body: Bytes, encoding: Encoding, limit: usize) -> Result<Bytes, Status> {
    let Some((&[flag, a, b, c, d], message)) = body.split_first_chunk::<PREFIX>() else {
        return Err(Status::internal("the request ended before its message"));
    };
    let length = u32::from_be_bytes([a, b, c, d]) as usize;
    if message.len() != length {
        return Err(Status::internal(format!(
            "a unary call carries one message; its prefix says {length} bytes and {} followed",
            message.len()
        )));
    }
    let message = body.slice(PREFIX..);
    let encoding = match flag {
        0 => Encoding::Identity,
        1 if encoding != Encoding::Identity => encoding,
        1 => return Err(Status::internal("a compressed message without a grpc-encoding header")),
        other => return Err(Status::internal(format!("invalid compression flag {other}"))),
    };
    decompress(encoding, message, limit).map_err(|error| match error {
        DecompressError::TooLarge { .. } => too_large(limit),
        DecompressError::Malformed { .. } => Status::invalid_argument(error.to_string()),
    })
}

/// What gRPC servers answer to a message above `max_recv_msg_size_mib`.
pub fn too_large(limit: usize) -> Status {
    Status::resource_exhausted(format!("the message is larger than the limit of {limit} bytes"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::compression::compress;

    #[test]
    fn a_framed_message_comes_back() {
        let message = Bytes::from_static(b"hello hello hello hello");
        assert_eq!(unframe(frame(&message, false), Encoding::Identity, 100).unwrap(), message);
        for name in ["gzip", "zstd", "snappy", "deflate"] {
            let encoding = encoding(Some(name)).unwrap();
            let framed = frame(&compress(encoding, message.clone(), None).unwrap(), true);
            assert_eq!(unframe(framed, encoding, 100).unwrap(), message, "{name}");
        }
    }

    #[test]
    fn broken_frames_have_a_status() {
        let code = |body: &'static [u8]| unframe(Bytes::from_static(body), Encoding::Gzip, 3).unwrap_err().code();
        assert_eq!(code(b""), tonic::Code::Internal);
        assert_eq!(code(b"\0\0\0\0\x09abc"), tonic::Code::Internal);
        assert_eq!(code(b"\x07\0\0\0\0"), tonic::Code::Internal);
        assert_eq!(code(b"\0\0\0\0\x04abcd"), tonic::Code::ResourceExhausted);
        assert_eq!(code(b"\x01\0\0\0\x04abcd"), tonic::Code::InvalidArgument);
        assert_eq!(encoding(Some("br")).unwrap_err().code(), tonic::Code::Unimplemented);
    }
}
