//! One segment file: a header, then records back to back.
//!
//! ```text
//!  0  [u8; 8]   magic
//!  8  u32       format version
//! 12  u32       CRC-32C of bytes 0..12 (these 16 bytes keep their meaning in every version)
//! 16  u64       first sequence number: every record below it is in an earlier segment or was never acknowledged
//! 24  [u8; 16]  the log's id
//! 40  u32       CRC-32C of bytes 0..40
//! ```

use std::ops::Range;

use bytes::Bytes;
use uuid::Uuid;

use super::record::{self, Record, u32_at, u64_at};

const MAGIC: [u8; 8] = *b"TrefoilL";
pub const VERSION: u32 = 2;
pub const HEADER_LENGTH: usize = 44;

/// The secret that starts the checksums of a log's record headers.
pub fn seed(log_id: Uuid) -> u32 {
    crc32c::crc32c(log_id.as_bytes())
}

pub fn header(log_id: Uuid, first_sequence: u64) -> [u8; HEADER_LENGTH] {
    let mut bytes = [0; HEADER_LENGTH];
    bytes[..8].copy_from_slice(&MAGIC);
    bytes[8..12].copy_from_slice(&VERSION.to_le_bytes());
    let crc = crc32c::crc32c(&bytes[..12]);
    bytes[12..16].copy_from_slice(&crc.to_le_bytes());
    bytes[16..24].copy_from_slice(&first_sequence.to_le_bytes());
    bytes[24..40].copy_from_slice(log_id.as_bytes());
    let crc = crc32c::crc32c(&bytes[..40]);
    bytes[40..44].copy_from_slice(&crc.to_le_bytes());
    bytes
}

/// What a segment's first bytes say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Header {
    Intact {
        log_id: Uuid,
        first_sequence: u64,
    },
    /// Written by a program that knows more than this one.
    Newer {
        version: u32,
    },
    /// Cut short or overwritten; records after it may be fine.
    Damaged,
}

impl Header {
    pub fn read(bytes: &[u8]) -> Header {
        let Some(bytes) = bytes.get(..HEADER_LENGTH) else { return Header::Damaged };
        if bytes[..8] != MAGIC || u32_at(bytes, 12) != crc32c::crc32c(&bytes[..12]) {
            return Header::Damaged;
        }
        let version = u32_at(bytes, 8);
        if version > VERSION {
            return Header::Newer { version };
        }
        if u32_at(bytes, 40) != crc32c::crc32c(&bytes[..40]) {
            return Header::Damaged;
        }
        let mut id = [0; 16];
        id.copy_from_slice(&bytes[24..40]);
        match u64_at(bytes, 16) {
            first_sequence @ ..=record::MAX_SEQUENCE => Header::Intact { log_id: Uuid::from_bytes(id), first_sequence },
            _ => Header::Damaged,
        }
    }
}

/// The intact records of a segment and where there are none.
#[derive(Debug, PartialEq, Eq)]
pub struct Contents {
    /// With strictly growing sequence numbers.
    pub records: Vec<Record>,
    /// Byte ranges before an intact record that hold none themselves.
    pub damaged: Vec<Range<usize>>,
    /// Where the last intact record ends; what follows is a torn write (or the loss of the last records).
    pub end: usize,
}

/// Finds every intact record after the header of a segment of the log with this seed.
pub fn read_records(bytes: &Bytes, seed: u32) -> Contents {
    let mut contents = Contents { records: Vec::new(), damaged: Vec::new(), end: HEADER_LENGTH.min(bytes.len()) };
    let mut offset = contents.end;
    while let Some((start, record, length)) = next_record(bytes, offset, seed, contents.records.last()) {
        if start > contents.end {
            contents.damaged.push(contents.end..start);
        }
        offset = start + length;
        contents.end = offset;
        contents.records.push(record);
    }
    contents
}

/// The first intact record at or after `offset` that follows `previous`.
fn next_record(
    bytes: &Bytes,
    mut offset: usize,
    seed: u32,
    previous: Option<&Record>,
) -> Option<(usize, Record, usize)> {
    loop {
        if let Some((record, length)) = Record::read(&bytes.slice(offset..), seed)
            && previous.is_none_or(|previous| previous.sequence < record.sequence)
        {
            return Some((offset, record, length));
        }
        let rest = bytes.get(offset + 1..)?;
        offset += 1 + memchr::memmem::find(rest, &record::MAGIC)?;
    }
}

#[cfg(test)]
mod tests {
    use trefoil_model::{Signal, Tenant};

    use super::super::record::Prepared;
    use super::*;

    const ID: Uuid = Uuid::from_u128(0x1234);

    fn segment(payloads: &[&str]) -> (Vec<u8>, Vec<usize>) {
        let mut bytes = header(ID, 1).to_vec();
        let mut ends = vec![bytes.len()];
        for (index, payload) in payloads.iter().enumerate() {
            Prepared::new(&Tenant::default(), Signal::Traces, 0, payload.as_bytes()).unwrap().write_to(
                index as u64 + 1,
                seed(ID),
                &mut bytes,
            );
            ends.push(bytes.len());
        }
        (bytes, ends)
    }

    fn payloads(contents: &Contents) -> Vec<String> {
        contents.records.iter().map(|r| String::from_utf8(r.payload().unwrap().to_vec()).unwrap()).collect()
    }

    #[test]
    fn a_segment_cut_at_any_byte_keeps_every_whole_record() {
        let (bytes, ends) = segment(&["one", "two two two two two two", "three"]);
        for length in HEADER_LENGTH..=bytes.len() {
            let contents = read_records(&Bytes::copy_from_slice(&bytes[..length]), seed(ID));
            let whole = ends.iter().filter(|end| **end <= length).count() - 1;
            assert_eq!((contents.records.len(), contents.end), (whole, ends[whole]), "cut at {length}");
            assert!(contents.damaged.is_empty());
        }
    }

    #[test]
    fn damage_anywhere_costs_only_the_record_it_hits() {
        let (bytes, ends) = segment(&["one", "two", "three"]);
        for position in ends[1]..ends[2] {
            let mut bytes = bytes.clone();
            bytes[position] ^= 0x40;
            let contents = read_records(&bytes.into(), seed(ID));
            assert_eq!(payloads(&contents), ["one", "three"]);
            assert_eq!(contents.damaged, vec![ends[1]..ends[2]; 1]);
        }
    }

    #[test]
    fn a_record_inside_a_payload_is_not_taken_for_one() {
        let (forged, _) = segment(&["forged"]);
        let text = forged[HEADER_LENGTH..].to_vec();
        let other = Uuid::from_u128(0x9999);
        let mut bytes = header(other, 1).to_vec();
        Prepared::new(&Tenant::default(), Signal::Traces, 0, &text).unwrap().write_to(1, seed(other), &mut bytes);
        bytes[HEADER_LENGTH + 5] ^= 1;
        assert_eq!(read_records(&bytes.into(), seed(other)).records, []);
    }

    #[test]
    fn headers() {
        let good = header(ID, 77);
        assert_eq!(Header::read(&good), Header::Intact { log_id: ID, first_sequence: 77 });
        assert_eq!(Header::read(&good[..20]), Header::Damaged);
        let mut newer = good;
        newer[8] = 3;
        let crc = crc32c::crc32c(&newer[..12]);
        newer[12..16].copy_from_slice(&crc.to_le_bytes());
        assert_eq!(Header::read(&newer), Header::Newer { version: 3 });
        let mut flipped = good;
        flipped[17] ^= 1;
        assert_eq!(Header::read(&flipped), Header::Damaged);
    }
}
