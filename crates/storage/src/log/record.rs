//! One record: an export request as received (or what is stored of it), compressed, with what is needed to decode it again.
//!
//! ```text
//!  0  u32  magic
//!  4  u32  CRC-32C of bytes 8..40, started from the log's seed
//!  8  u32  length of the body (tenant and payload)
//! 12  u32  CRC-32C of the body
//! 16  u64  sequence number
//! 24  i64  received, Unix nanoseconds
//! 32  u32  length of the payload when decompressed
//! 36  u8   kind         37  u8  compression       38  u8  length of the tenant       39  u8  zero
//! 40       tenant, payload
//! ```
//!
//! All numbers are little-endian. Two checksums, so that a search for the next record after damage can dismiss a
//! false start after 40 bytes; the header's starts from a seed that is secret to the log, so that no sender can forge a
//! record of another tenant inside a payload.

use std::cell::RefCell;
use std::io::Cursor;

use bytes::Bytes;
use trefoil_model::{Signal, Tenant};

use super::LogError;

pub(super) const MAGIC: [u8; 4] = [0xf3, b'L', b'r', 0x1a];
pub const HEADER_LENGTH: usize = 40;
/// Sequence numbers count records from 1. A larger one than this is damage that the checksums did not catch, and counting on
/// from it would come round to numbers that are in files already.
pub(super) const MAX_SEQUENCE: u64 = 1 << 62;
/// The longest payload, compressed or not.
pub const MAX_PAYLOAD: usize = 256 << 20;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
enum Compression {
    None = 0,
    Zstd = 1,
}

impl Compression {
    fn from_code(code: u8) -> Option<Self> {
        match code {
            0 => Some(Compression::None),
            1 => Some(Compression::Zstd),
            _ => None,
        }
    }
}

/// What a payload is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// An OTLP export request as it was received.
    Otlp(Signal),
    /// Metrics that are more or less than one: see [`super::samples`].
    Samples,
}

impl Kind {
    const ALL: [Kind; 4] =
        [Kind::Otlp(Signal::Traces), Kind::Otlp(Signal::Metrics), Kind::Otlp(Signal::Logs), Kind::Samples];

    const fn code(self) -> u8 {
        match self {
            Kind::Otlp(Signal::Traces) => 1,
            Kind::Otlp(Signal::Metrics) => 2,
            Kind::Otlp(Signal::Logs) => 3,
            Kind::Samples => 4,
        }
    }

    fn from_code(code: u8) -> Option<Kind> {
        Self::ALL.into_iter().find(|kind| kind.code() == code)
    }

    pub const fn signal(self) -> Signal {
        match self {
            Kind::Otlp(signal) => signal,
            Kind::Samples => Signal::Metrics,
        }
    }
}

impl From<Signal> for Kind {
    fn from(signal: Signal) -> Self {
        Kind::Otlp(signal)
    }
}

/// Half of lz4's bytes in less of its time: docs/decisions/0002-log-contents.md.
const LEVEL: i32 = -3;

/// Appends the compressed payload, and says how long it is. `None` if it does not work out: then the payload is kept as it is.
fn compress(payload: &[u8], to: &mut Vec<u8>) -> Option<usize> {
    thread_local! {
        /// Setting one up costs more than compressing a small request.
        static COMPRESSOR: RefCell<Option<zstd::bulk::Compressor<'static>>> = const { RefCell::new(None) };
    }
    COMPRESSOR.with_borrow_mut(|compressor| {
        if compressor.is_none() {
            *compressor = zstd::bulk::Compressor::new(LEVEL).ok();
        }
        let mut behind = Cursor::new(to);
        behind.set_position(behind.get_ref().len() as u64);
        compressor.as_mut()?.compress_to_buffer(payload, &mut behind).ok()
    })
}

/// A record that lacks only its sequence number: compressed and checksummed in the task of the request, so that the one
/// thread that writes has little to do.
#[derive(Debug)]
pub struct Prepared {
    bytes: Vec<u8>,
}

impl Prepared {
    /// `received` in Unix nanoseconds. Fails if the payload is longer than [`MAX_PAYLOAD`].
    pub fn new(tenant: &Tenant, kind: impl Into<Kind>, received: i64, payload: &[u8]) -> Result<Self, LogError> {
        if payload.len() > MAX_PAYLOAD {
            return Err(LogError::TooLong(payload.len()));
        }
        let tenant = tenant.as_str().as_bytes();
        let start = HEADER_LENGTH + tenant.len();
        let mut bytes = Vec::with_capacity(start + zstd::zstd_safe::compress_bound(payload.len()));
        bytes.resize(HEADER_LENGTH, 0);
        bytes.extend_from_slice(tenant);
        // What does not shrink (random bytes) is kept as it is.
        let compression = match compress(payload, &mut bytes) {
            Some(length) if length < payload.len() => Compression::Zstd,
            _ => {
                bytes.truncate(start);
                bytes.extend_from_slice(payload);
                Compression::None
            }
        };
        let body_length = (bytes.len() - HEADER_LENGTH) as u32;
        let body_crc = crc32c::crc32c(&bytes[HEADER_LENGTH..]);
        bytes[0..4].copy_from_slice(&MAGIC);
        bytes[8..12].copy_from_slice(&body_length.to_le_bytes());
        bytes[12..16].copy_from_slice(&body_crc.to_le_bytes());
        bytes[24..32].copy_from_slice(&received.to_le_bytes());
        bytes[32..36].copy_from_slice(&(payload.len() as u32).to_le_bytes());
        bytes[36] = kind.into().code();
        bytes[37] = compression as u8;
        bytes[38] = tenant.len() as u8; // At most 150: `Tenant` checked it.
        Ok(Self { bytes })
    }

    /// Bytes it takes in a segment.
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Never: a record has at least its header.
    pub fn is_empty(&self) -> bool {
        false
    }

    pub(super) fn write_to(&self, sequence: u64, seed: u32, out: &mut Vec<u8>) {
        let start = out.len();
        out.extend_from_slice(&self.bytes);
        let header = &mut out[start..start + HEADER_LENGTH];
        header[16..24].copy_from_slice(&sequence.to_le_bytes());
        let crc = crc32c::crc32c_append(seed, &header[8..]);
        header[4..8].copy_from_slice(&crc.to_le_bytes());
    }
}

/// A record read back; the payload is still compressed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    pub sequence: u64,
    pub received: i64,
    pub tenant: Tenant,
    pub kind: Kind,
    compression: u8,
    raw_length: u32,
    payload: Bytes,
}

impl Record {
    /// The request as it was received.
    pub fn payload(&self) -> Result<Bytes, LogError> {
        match Compression::from_code(self.compression) {
            Some(Compression::None) => Ok(self.payload.clone()),
            Some(Compression::Zstd) => {
                let length = self.raw_length as usize;
                if length > MAX_PAYLOAD {
                    return Err(self.unreadable(format!("implausible length {length}")));
                }
                zstd::bulk::decompress(&self.payload, length)
                    .map(Bytes::from)
                    .map_err(|error| self.unreadable(error.to_string()))
            }
            None => Err(self.unreadable(format!("unknown compression {}", self.compression))),
        }
    }

    fn unreadable(&self, reason: String) -> LogError {
        LogError::Record { sequence: self.sequence, reason }
    }

    /// The record at the start of `bytes` and its length; `None` if there is no intact one.
    pub(super) fn read(bytes: &Bytes, seed: u32) -> Option<(Record, usize)> {
        let header = bytes.get(..HEADER_LENGTH)?;
        if header[..4] != MAGIC || crc32c::crc32c_append(seed, &header[8..]) != u32_at(header, 4) {
            return None;
        }
        let length = HEADER_LENGTH.checked_add(u32_at(header, 8) as usize)?;
        let body = bytes.get(HEADER_LENGTH..length)?;
        if crc32c::crc32c(body) != u32_at(header, 12) {
            return None;
        }
        let sequence = u64_at(header, 16);
        if sequence > MAX_SEQUENCE {
            return None;
        }
        let tenant_length = header[38] as usize;
        let tenant = Tenant::new(std::str::from_utf8(body.get(..tenant_length)?).ok()?).ok()?;
        let record = Record {
            sequence,
            received: u64_at(header, 24) as i64,
            tenant,
            kind: Kind::from_code(header[36])?,
            compression: header[37],
            raw_length: u32_at(header, 32),
            payload: bytes.slice(HEADER_LENGTH + tenant_length..length),
        };
        Some((record, length))
    }
}

pub(super) fn u32_at(bytes: &[u8], offset: usize) -> u32 {
    let mut raw = [0; 4];
    raw.copy_from_slice(&bytes[offset..offset + 4]);
    u32::from_le_bytes(raw)
}

pub(super) fn u64_at(bytes: &[u8], offset: usize) -> u64 {
    let mut raw = [0; 8];
    raw.copy_from_slice(&bytes[offset..offset + 8]);
    u64::from_le_bytes(raw)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn written(prepared: &Prepared, sequence: u64, seed: u32) -> Bytes {
        let mut out = Vec::new();
        prepared.write_to(sequence, seed, &mut out);
        assert_eq!(out.len(), prepared.len());
        out.into()
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(
            payload in prop_oneof![
                proptest::collection::vec(any::<u8>(), 0..2000),
                (any::<u8>(), 0..100_000usize).prop_map(|(byte, length)| vec![byte; length]),
            ],
            sequence in 0..=MAX_SEQUENCE, received in any::<i64>(), seed in any::<u32>(),
            tenant in "[A-Za-z0-9_]{1,150}", kind in 0..Kind::ALL.len(),
        ) {
            let (tenant, kind) = (Tenant::new(&tenant).unwrap(), Kind::ALL[kind]);
            let bytes = written(&Prepared::new(&tenant, kind, received, &payload).unwrap(), sequence, seed);
            let (record, length) = Record::read(&bytes, seed).unwrap();
            prop_assert_eq!(length, bytes.len());
            prop_assert_eq!((record.sequence, record.received), (sequence, received));
            prop_assert_eq!((&record.tenant, record.kind), (&tenant, kind));
            prop_assert_eq!(record.payload().unwrap(), payload);
            // Another log's seed does not open it.
            prop_assert_eq!(Record::read(&bytes, seed.wrapping_add(1)), None);
        }

        #[test]
        fn any_flipped_bit_is_noticed(position in any::<prop::sample::Index>(), bit in 0..8u8) {
            let prepared = Prepared::new(&Tenant::default(), Signal::Logs, 7, b"a payload, a payload, a payload").unwrap();
            let mut bytes = written(&prepared, 3, 99).to_vec();
            let position = position.index(bytes.len());
            bytes[position] ^= 1 << bit;
            prop_assert_eq!(Record::read(&bytes.into(), 99), None);
        }

        #[test]
        fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let mut bytes = bytes;
            if bytes.len() > 4 {
                bytes[..4].copy_from_slice(&MAGIC);
            }
            let _ = Record::read(&bytes.into(), 0);
        }
    }
}
