//! Body compression as the Collector knows it, for HTTP `Content-Encoding` and for gRPC's `grpc-encoding`.
//!
//! Decompression is bounded: no more than the caller's limit is ever allocated, whatever a body claims to hold.

use std::io::{self, Read, Write};

use bytes::Bytes;
use thiserror::Error;

/// Larger windows than this (32 MiB) are refused, so that a few bytes cannot make zstd reserve gigabytes.
const MAX_ZSTD_WINDOW_LOG: u32 = 25;

/// How snappy's framing format starts: a stream identifier chunk.
const SNAPPY_FRAME_HEADER: &[u8] = b"\xff\x06\x00\x00sNaPpY";

/// A compression a body can arrive in or be sent in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Encoding {
    Identity,
    Gzip,
    Zstd,
    /// RFC 1950 data; HTTP calls it `deflate`, the Collector also `zlib`. Without its header (RFC 1951) it is recognised when reading:
    /// some senders, and Loki, take `deflate` by its name.
    Zlib,
    /// Snappy's block format. The framing format is recognised by its header when reading, as the Collector does.
    Snappy,
    SnappyFramed,
    /// LZ4's frame format.
    Lz4,
}

#[derive(Debug, Error, PartialEq, Eq)]
pub enum DecompressError {
    #[error("the body is larger than the limit of {limit} bytes when decompressed")]
    TooLarge { limit: usize },
    #[error("the body is not valid {encoding}: {reason}")]
    Malformed { encoding: &'static str, reason: String },
}

impl Encoding {
    pub const ALL: [Encoding; 7] = [
        Encoding::Identity,
        Encoding::Gzip,
        Encoding::Zstd,
        Encoding::Zlib,
        Encoding::Snappy,
        Encoding::SnappyFramed,
        Encoding::Lz4,
    ];

    /// The encoding of a `Content-Encoding` token or of a name in `compression_algorithms`; `None` if unknown.
    pub fn from_name(name: &str) -> Option<Encoding> {
        let encoding = match name.trim().to_ascii_lowercase().as_str() {
            "" | "identity" | "none" => Encoding::Identity,
            "gzip" | "x-gzip" => Encoding::Gzip,
            "zstd" => Encoding::Zstd,
            "deflate" | "zlib" => Encoding::Zlib,
            "snappy" => Encoding::Snappy,
            "x-snappy-framed" => Encoding::SnappyFramed,
            "lz4" => Encoding::Lz4,
            _ => return None,
        };
        Some(encoding)
    }

    /// The token that names the encoding in a header.
    pub const fn as_str(self) -> &'static str {
        match self {
            Encoding::Identity => "identity",
            Encoding::Gzip => "gzip",
            Encoding::Zstd => "zstd",
            Encoding::Zlib => "deflate",
            Encoding::Snappy => "snappy",
            Encoding::SnappyFramed => "x-snappy-framed",
            Encoding::Lz4 => "lz4",
        }
    }
}

/// Decompresses a body to at most `limit` bytes. An uncompressed body passes through without a copy.
pub fn decompress(encoding: Encoding, body: Bytes, limit: usize) -> Result<Bytes, DecompressError> {
    let malformed = |e: io::Error| DecompressError::Malformed { encoding: encoding.as_str(), reason: e.to_string() };
    let guess = body.len().saturating_mul(4).min(limit);
    let read = |reader: &mut dyn Read| read_bounded(reader, guess, limit, encoding);
    match encoding {
        Encoding::Identity if body.len() > limit => Err(DecompressError::TooLarge { limit }),
        Encoding::Identity => Ok(body),
        Encoding::Gzip => read(&mut flate2::bufread::MultiGzDecoder::new(&body[..])),
        Encoding::Zlib if has_zlib_header(&body) => read(&mut flate2::bufread::ZlibDecoder::new(&body[..])),
        Encoding::Zlib => read(&mut flate2::bufread::DeflateDecoder::new(&body[..])),
        Encoding::Zstd => {
            let mut decoder = zstd::stream::read::Decoder::with_buffer(&body[..]).map_err(malformed)?;
            decoder.window_log_max(MAX_ZSTD_WINDOW_LOG).map_err(malformed)?;
            read(&mut decoder)
        }
        Encoding::Snappy if !body.starts_with(SNAPPY_FRAME_HEADER) => decompress_snappy_block(&body, limit),
        Encoding::Snappy | Encoding::SnappyFramed => read(&mut snap::read::FrameDecoder::new(&body[..])),
        Encoding::Lz4 => read(&mut lz4_flex::frame::FrameDecoder::new(&body[..])),
    }
}

/// Compresses a body. `level` is the encoding's own scale; `None` is its default. Snappy and LZ4 have no levels.
pub fn compress(encoding: Encoding, body: Bytes, level: Option<i32>) -> io::Result<Bytes> {
    let flate = level.map_or(flate2::Compression::default(), |l| flate2::Compression::new(l.clamp(0, 9) as u32));
    let out = Vec::with_capacity(body.len() / 4 + 64);
    let compressed = match encoding {
        Encoding::Identity => return Ok(body),
        Encoding::Gzip => {
            let mut encoder = flate2::write::GzEncoder::new(out, flate);
            encoder.write_all(&body)?;
            encoder.finish()?
        }
        Encoding::Zlib => {
            let mut encoder = flate2::write::ZlibEncoder::new(out, flate);
            encoder.write_all(&body)?;
            encoder.finish()?
        }
        Encoding::Zstd => zstd::bulk::compress(&body, level.unwrap_or(zstd::DEFAULT_COMPRESSION_LEVEL))?,
        Encoding::Snappy => snap::raw::Encoder::new().compress_vec(&body).map_err(io::Error::other)?,
        Encoding::SnappyFramed => {
            let mut encoder = snap::write::FrameEncoder::new(out);
            encoder.write_all(&body)?;
            encoder.into_inner().map_err(|e| io::Error::other(e.error().to_string()))?
        }
        Encoding::Lz4 => {
            let mut encoder = lz4_flex::frame::FrameEncoder::new(out);
            encoder.write_all(&body)?;
            encoder.finish().map_err(io::Error::other)?
        }
    };
    Ok(compressed.into())
}

/// The method is deflate, and the checksum of the two bytes is right.
fn has_zlib_header(body: &[u8]) -> bool {
    matches!(body, [method, flags, ..] if method & 0x0f == 8 && u16::from_be_bytes([*method, *flags]) % 31 == 0)
}

fn read_bounded(
    reader: &mut dyn Read,
    guess: usize,
    limit: usize,
    encoding: Encoding,
) -> Result<Bytes, DecompressError> {
    let mut out = Vec::with_capacity(guess);
    // One byte more than allowed tells "exactly at the limit" from "beyond it".
    let read = reader.take(limit as u64 + 1).read_to_end(&mut out);
    read.map_err(|e| DecompressError::Malformed { encoding: encoding.as_str(), reason: e.to_string() })?;
    if out.len() > limit {
        return Err(DecompressError::TooLarge { limit });
    }
    Ok(out.into())
}

/// A snappy block states its length up front, so that it can be refused before anything is allocated.
fn decompress_snappy_block(body: &[u8], limit: usize) -> Result<Bytes, DecompressError> {
    let malformed = |e: snap::Error| DecompressError::Malformed { encoding: "snappy", reason: e.to_string() };
    if snap::raw::decompress_len(body).map_err(malformed)? > limit {
        return Err(DecompressError::TooLarge { limit });
    }
    Ok(snap::raw::Decoder::new().decompress_vec(body).map_err(malformed)?.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text() -> Bytes {
        Bytes::from("spans of the bookstore ".repeat(1000))
    }

    #[test]
    fn every_encoding_round_trips_at_exactly_the_limit() {
        for encoding in Encoding::ALL {
            let compressed = compress(encoding, text(), None).unwrap();
            assert_eq!(decompress(encoding, compressed, text().len()), Ok(text()), "{encoding:?}");
        }
    }

    #[test]
    fn a_bomb_is_refused_at_the_limit() {
        let zeros = Bytes::from(vec![0; 8 << 20]);
        for encoding in Encoding::ALL {
            let bomb = compress(encoding, zeros.clone(), None).unwrap();
            assert_eq!(decompress(encoding, bomb, 1 << 20), Err(DecompressError::TooLarge { limit: 1 << 20 }));
        }
    }

    #[test]
    fn rubbish_and_truncation_are_named() {
        for encoding in Encoding::ALL.into_iter().filter(|&e| e != Encoding::Identity) {
            let rubbish = decompress(encoding, Bytes::from_static(b"\x93not compressed at all"), 1000);
            assert!(rubbish.is_err(), "{encoding:?}: {rubbish:?}");
            let compressed = compress(encoding, text(), None).unwrap();
            let half = decompress(encoding, compressed.slice(..compressed.len() / 2), 1 << 20);
            assert!(matches!(half, Err(DecompressError::Malformed { .. })), "{encoding:?}: {half:?}");
        }
    }

    #[test]
    fn snappy_reads_both_of_its_formats() {
        let framed = compress(Encoding::SnappyFramed, text(), None).unwrap();
        assert_eq!(decompress(Encoding::Snappy, framed, 1 << 20), Ok(text()));
    }

    #[test]
    fn deflate_is_read_without_its_header_too() {
        let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(&text()).unwrap();
        let raw = Bytes::from(encoder.finish().unwrap());
        assert_eq!(decompress(Encoding::Zlib, raw.clone(), text().len()), Ok(text()));
        let half = decompress(Encoding::Zlib, raw.slice(..raw.len() / 2), 1 << 20);
        assert!(matches!(half, Err(DecompressError::Malformed { .. })), "{half:?}");
    }

    #[test]
    fn names_are_those_of_the_collector() {
        for encoding in Encoding::ALL {
            assert_eq!(Encoding::from_name(encoding.as_str()), Some(encoding));
        }
        assert_eq!(Encoding::from_name("zlib"), Some(Encoding::Zlib));
        assert_eq!(Encoding::from_name(""), Some(Encoding::Identity));
        assert_eq!(Encoding::from_name("br"), None);
    }

    proptest::proptest! {
        #[test]
        fn nothing_from_outside_makes_it_panic_or_exceed_the_limit(
            noise in proptest::collection::vec(proptest::num::u8::ANY, 0..300),
            position in 0usize..200,
            limit in 0usize..2000,
        ) {
            for encoding in Encoding::ALL {
                // Once all noise, once a valid body with noise in the middle.
                let mut body = compress(encoding, text(), None).unwrap().to_vec();
                let end = (position + noise.len()).min(body.len());
                body.splice(position.min(end)..end, noise.iter().copied());
                for body in [noise.clone(), body] {
                    if let Ok(out) = decompress(encoding, body.into(), limit) {
                        assert!(out.len() <= limit);
                    }
                }
            }
        }
    }
}
