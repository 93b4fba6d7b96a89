//! Small whole numbers as Parquet's hybrid of runs and packed bits, in which keys of dictionaries and definition levels are written.
//! <https://parquet.apache.org/docs/file-format/data-pages/encodings/#RLE>

/// Numbers that are packed together; a shorter run is not worth its header.
const GROUP: usize = 8;

/// Bits that every number up to `greatest` fits in.
pub(super) fn width(greatest: u32) -> u32 {
    u32::BITS - greatest.leading_zeros()
}

/// Appends the numbers, each of `width` bits at most.
pub(super) fn encode(numbers: &[u32], width: u32, to: &mut Vec<u8>) {
    let (mut packed_from, mut at) = (0, 0);
    while at < numbers.len() {
        let length = numbers[at..].iter().take_while(|number| **number == numbers[at]).count();
        // What is packed is whole groups: the first of the run fill the last one.
        let filling = (at - packed_from).next_multiple_of(GROUP) - (at - packed_from);
        if length < filling + GROUP {
            at += length;
            continue;
        }
        pack(&numbers[packed_from..at + filling], width, to);
        varint((length - filling) << 1, to);
        to.extend_from_slice(&numbers[at].to_le_bytes()[..width.div_ceil(8) as usize]);
        at += length;
        packed_from = at;
    }
    pack(&numbers[packed_from..], width, to);
}

/// A run of groups, the last one filled up with zeros.
fn pack(numbers: &[u32], width: u32, to: &mut Vec<u8>) {
    if numbers.is_empty() {
        return;
    }
    let groups = numbers.len().div_ceil(GROUP);
    varint(groups << 1 | 1, to);
    let end = to.len() + groups * width as usize;
    // Fewer than 32 bits are left over when the next number comes.
    let (mut bits, mut count) = (0_u64, 0);
    for number in numbers {
        bits |= u64::from(*number) << count;
        count += width;
        if count >= 32 {
            to.extend_from_slice(&(bits as u32).to_le_bytes());
            bits >>= 32;
            count -= 32;
        }
    }
    to.extend_from_slice(&bits.to_le_bytes()[..count.div_ceil(8) as usize]);
    to.resize(end, 0);
}

/// Seven bits a byte, the lowest first.
fn varint(mut number: usize, to: &mut Vec<u8>) {
    while number > 0x7f {
        to.push(number as u8 | 0x80);
        number >>= 7;
    }
    to.push(number as u8);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_and_groups_alternate() {
        let encoded = |numbers: &[u32], width| {
            let mut bytes = Vec::new();
            encode(numbers, width, &mut bytes);
            bytes
        };
        assert!(encoded(&[], 1).is_empty());
        assert_eq!(encoded(&[5; 100], 3), [200, 1, 5]);
        assert_eq!(encoded(&[0; 9], 0), [18]);
        // The specification's example.
        assert_eq!(encoded(&[0, 1, 2, 3, 4, 5, 6, 7], 3), [3, 0b1000_1000, 0b1100_0110, 0b1111_1010]);
        assert_eq!(encoded(&[1, 0, 0], 1), [3, 1]);
        // Seven of the twenty fill the group that the one before them begins.
        assert_eq!(encoded(&[[1].as_slice(), &[0; 20]].concat(), 1), [3, 1, 26, 0]);
        assert_eq!(encoded(&[300; 8], 9), [16, 44, 1]);
        assert_eq!([0, 1, 2, 255, 256, u32::MAX].map(width), [0, 1, 2, 8, 9, 32]);
    }
}
