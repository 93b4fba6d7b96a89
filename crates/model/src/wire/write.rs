//! Appends fields to a message in protobuf's wire format, without a message in memory that is measured before it is written.
//!
//! Numbers that are zero and bytes that are empty are left out, as proto3 does with what is the default.

/// A number as 7 bits a byte, the lowest first.
pub fn varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// `uint32`, `uint64`, `bool` and enumerations.
pub fn uint64(out: &mut Vec<u8>, field: u32, value: u64) {
    if value != 0 {
        uint64_always(out, field, value);
    }
}

/// A number of a `oneof`, which is there also if it is zero.
pub fn uint64_always(out: &mut Vec<u8>, field: u32, value: u64) {
    key(out, field, 0);
    varint(out, value);
}

pub fn fixed64(out: &mut Vec<u8>, field: u32, value: u64) {
    if value != 0 {
        fixed64_always(out, field, value);
    }
}

/// Of a `oneof`; a `double` by its bits.
pub fn fixed64_always(out: &mut Vec<u8>, field: u32, value: u64) {
    key(out, field, 1);
    out.extend_from_slice(&value.to_le_bytes());
}

pub fn fixed32(out: &mut Vec<u8>, field: u32, value: u32) {
    if value != 0 {
        key(out, field, 5);
        out.extend_from_slice(&value.to_le_bytes());
    }
}

/// `bytes` and `string`.
pub fn bytes(out: &mut Vec<u8>, field: u32, bytes: &[u8]) {
    if !bytes.is_empty() {
        bytes_always(out, field, bytes);
    }
}

/// Of a `oneof`, an element of a list, or a message that is encoded already.
pub fn bytes_always(out: &mut Vec<u8>, field: u32, bytes: &[u8]) {
    header(out, field, bytes.len());
    out.extend_from_slice(bytes);
}

/// A message of what `write` appends.
pub fn message(out: &mut Vec<u8>, field: u32, write: impl FnOnce(&mut Vec<u8>)) {
    key(out, field, 2);
    // Most are shorter than 128 bytes, whose length is one byte; others are moved behind a longer one.
    let place = out.len();
    out.push(0);
    write(out);
    let length = out.len() - place - 1;
    if length < 0x80 {
        out[place] = length as u8;
        return;
    }
    let more = varint_len(length as u64) - 1;
    out.resize(out.len() + more, 0);
    out.copy_within(place + 1..place + 1 + length, place + 1 + more);
    for (index, byte) in out[place..place + more].iter_mut().enumerate() {
        *byte = (length >> (7 * index)) as u8 | 0x80;
    }
    out[place + more] = (length >> (7 * more)) as u8;
}

/// The key and the length of bytes, or of a message, that the caller appends: for what is long, which [`message`] would move.
pub fn header(out: &mut Vec<u8>, field: u32, length: usize) {
    key(out, field, 2);
    varint(out, length as u64);
}

/// How many bytes a message of `length` bytes takes with its [`header`].
pub fn message_len(field: u32, length: usize) -> usize {
    varint_len(u64::from(field) << 3) + varint_len(length as u64) + length
}

/// 7 bits a byte, and at least one byte.
fn varint_len(value: u64) -> usize {
    (64 - (value | 1).leading_zeros() as usize).div_ceil(7)
}

fn key(out: &mut Vec<u8>, field: u32, wire_type: u8) {
    varint(out, u64::from(field) << 3 | u64::from(wire_type));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_of_any_length_are_as_if_it_were_known_before() {
        for length in [0, 1, 127, 128, 129, 16_383, 16_384, 2_097_151, 2_097_152] {
            for field in [1, 15, 16, 3000] {
                let content: Vec<u8> = (0..length).map(|index| index as u8).collect();
                let (mut expected, mut out) = (b"before".to_vec(), b"before".to_vec());
                header(&mut expected, field, length);
                expected.extend_from_slice(&content);
                message(&mut out, field, |out| out.extend_from_slice(&content));
                assert!(out == expected, "{length} bytes in field {field}");
                assert_eq!(message_len(field, length), out.len() - b"before".len());
            }
        }
    }
}
