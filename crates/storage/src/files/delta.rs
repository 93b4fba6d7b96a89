//! Whole numbers as Parquet's DELTA_BINARY_PACKED, each difference in whole bytes.
//!
//! The encoding gives 32 differences a width, and says only that it must suffice. Rounded up to whole bytes, what repeats from
//! row to row repeats from byte to byte, and compression finds it: of times that differ by 15 s the few wide ones around the
//! beginning of a series, of times that jitter by milliseconds all of them. Packed to the bit they look like noise.
//! <https://parquet.apache.org/docs/file-format/data-pages/encodings/#DELTAENC>

/// Differences that share a minimum.
const BLOCK: usize = 128;
/// Differences that share a width.
const MINIBLOCK: usize = 32;
const MINIBLOCKS: usize = BLOCK / MINIBLOCK;

/// Appends the values. Differences wrap around, as they do for whoever reads them.
pub(super) fn encode(values: &[i64], to: &mut Vec<u8>) {
    varint(BLOCK as u64, to);
    varint(MINIBLOCKS as u64, to);
    varint(values.len() as u64, to);
    zigzag(values.first().copied().unwrap_or(0), to);
    let mut differences = values.windows(2).map(|pair| pair[1].wrapping_sub(pair[0]));
    let mut block = Vec::with_capacity(BLOCK);
    loop {
        block.clear();
        block.extend(differences.by_ref().take(BLOCK));
        let Some(least) = block.iter().copied().min() else { return };
        zigzag(least, to);
        let widths = to.len();
        to.resize(widths + MINIBLOCKS, 0);
        for (place, differences) in block.chunks(MINIBLOCK).enumerate() {
            let above = |difference: &i64| difference.wrapping_sub(least) as u64;
            let widest = differences.iter().map(above).max().unwrap_or(0);
            let width = (u64::BITS - widest.leading_zeros()).div_ceil(8) as usize;
            to[widths + place] = (8 * width) as u8;
            for difference in differences {
                to.extend_from_slice(&above(difference).to_le_bytes()[..width]);
            }
            to.resize(to.len() + (MINIBLOCK - differences.len()) * width, 0);
        }
    }
}

fn varint(mut value: u64, to: &mut Vec<u8>) {
    while value > 0x7f {
        to.push(value as u8 | 0x80);
        value >>= 7;
    }
    to.push(value as u8);
}

fn zigzag(value: i64, to: &mut Vec<u8>) {
    varint(((value << 1) ^ (value >> 63)) as u64, to);
}
