//! Values in memory, as small as they can be read fast.
//!
//! Nearly all values are whole numbers, and differ little from the one before: of such blocks the first value and the
//! differences are kept, each in as many bytes as the largest of the block needs. Seconds and the like are whole numbers of
//! thousandths or millionths. What is neither is kept as it is. All of it gives back the very same bits.

use std::ops::Range;

/// Values of a block; the last one of a list may have fewer.
const BLOCK: usize = 128;

/// Whole numbers up to here are the same as doubles.
const LARGEST_WHOLE: f64 = (1_u64 << 53) as f64;

/// What values are multiplied with to be whole numbers.
const SCALES: [f64; 4] = [1.0, 1e3, 1e6, 1e9];

/// Lists of values, one after the other.
#[derive(Debug, Default)]
pub struct Packed {
    blocks: Vec<Block>,
    bytes: Vec<u8>,
}

#[derive(Debug)]
struct Block {
    /// A whole number; of a block kept as it is nothing.
    first: i64,
    /// Where the rest of it begins.
    at: u32,
    width: Width,
    /// Among [`SCALES`].
    scale: u8,
}

/// Bytes a difference, or that there are the values themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Width {
    Zero,
    One,
    Two,
    Four,
    Values,
}

impl Packed {
    /// In memory, without itself.
    pub fn bytes(&self) -> usize {
        size_of_val(&*self.blocks) + self.bytes.len()
    }

    pub fn shrink(&mut self) {
        self.blocks.shrink_to_fit();
        self.bytes.shrink_to_fit();
    }

    /// Appends a list; it is read by what this returns.
    pub fn push(&mut self, values: &[f64]) -> u32 {
        let list = u32::try_from(self.blocks.len()).unwrap_or(u32::MAX);
        let mut whole = Vec::with_capacity(BLOCK);
        for values in values.chunks(BLOCK) {
            let scale = (0..SCALES.len()).find(|scale| scaled(values, SCALES[*scale], &mut whole));
            match scale {
                Some(scale) => self.push_whole(&whole, scale as u8),
                None => {
                    self.block(0, Width::Values, 0);
                    self.bytes.extend(values.iter().flat_map(|value| value.to_bits().to_le_bytes()));
                }
            }
        }
        list
    }

    /// [`Packed::push`] of values that are whole numbers.
    pub fn push_ints(&mut self, values: &[i64]) -> u32 {
        let list = u32::try_from(self.blocks.len()).unwrap_or(u32::MAX);
        for values in values.chunks(BLOCK) {
            match values.iter().all(|value| value.unsigned_abs() <= LARGEST_WHOLE as u64) {
                true => self.push_whole(values, 0),
                false => {
                    self.block(0, Width::Values, 0);
                    self.bytes.extend(values.iter().flat_map(|value| (*value as f64).to_bits().to_le_bytes()));
                }
            }
        }
        list
    }

    fn block(&mut self, first: i64, width: Width, scale: u8) {
        // A stripe has far fewer values than that.
        let at = u32::try_from(self.bytes.len()).unwrap_or(u32::MAX);
        self.blocks.push(Block { first, at, width, scale });
    }

    fn push_whole(&mut self, values: &[i64], scale: u8) {
        let differences = || values.iter().zip(values.iter().skip(1)).map(|(before, after)| after - before);
        // All bits that any of them has, but for the sign.
        let bits = differences().fold(0, |bits, difference| bits | (difference ^ (difference >> 63)));
        let width = match bits {
            0 if values.iter().all(|value| *value == values[0]) => Width::Zero,
            0..0x80 => Width::One,
            0x80..0x8000 => Width::Two,
            0x8000..0x8000_0000 => Width::Four,
            _ => Width::Values,
        };
        self.block(values.first().copied().unwrap_or(0), width, scale);
        match width {
            Width::Zero => {}
            Width::One => self.bytes.extend(differences().map(|difference| difference as i8 as u8)),
            Width::Two => self.bytes.extend(differences().flat_map(|difference| (difference as i16).to_le_bytes())),
            Width::Four => self.bytes.extend(differences().flat_map(|difference| (difference as i32).to_le_bytes())),
            Width::Values => {
                let values = values.iter().map(|value| *value as f64 / SCALES[usize::from(scale)]);
                self.bytes.extend(values.flat_map(|value| value.to_bits().to_le_bytes()));
            }
        }
    }

    /// Appends the values at some places of a list; places beyond it mean nothing.
    pub fn read(&self, list: u32, places: Range<usize>, values: &mut Vec<f64>) {
        let mut start = places.start;
        while start < places.end {
            let (number, from) = (start / BLOCK, start % BLOCK);
            let to = (from + places.end - start).min(BLOCK);
            let Some(block) = self.blocks.get(list as usize + number) else { return };
            self.read_block(block, from..to, values);
            start += to - from;
        }
    }

    fn read_block(&self, block: &Block, places: Range<usize>, values: &mut Vec<f64>) {
        let bytes = self.bytes.get(block.at as usize..).unwrap_or_default();
        let begin = values.len();
        match block.width {
            Width::Zero => values.extend(places.map(|_| block.first as f64)),
            Width::One => sums(block.first, bytes.iter().map(|byte| i64::from(*byte as i8)), places, values),
            Width::Two => {
                let (differences, _) = bytes.as_chunks::<2>();
                sums(block.first, differences.iter().map(|bytes| i16::from_le_bytes(*bytes).into()), places, values);
            }
            Width::Four => {
                let (differences, _) = bytes.as_chunks::<4>();
                sums(block.first, differences.iter().map(|bytes| i32::from_le_bytes(*bytes).into()), places, values);
            }
            Width::Values => {
                let (kept, _) = bytes.as_chunks::<8>();
                let kept = kept.get(places).unwrap_or_default();
                values.extend(kept.iter().map(|bytes| f64::from_bits(u64::from_le_bytes(*bytes))));
                return;
            }
        }
        if block.scale > 0 {
            let scale = SCALES[usize::from(block.scale)];
            values.iter_mut().skip(begin).for_each(|value| *value /= scale);
        }
    }
}

/// Appends what the differences sum up to at some places.
#[inline]
fn sums(first: i64, mut differences: impl Iterator<Item = i64>, places: Range<usize>, values: &mut Vec<f64>) {
    let mut value = first;
    for difference in differences.by_ref().take(places.start) {
        value += difference;
    }
    values.push(value as f64);
    values.extend(differences.take(places.len().saturating_sub(1)).map(|difference| {
        value += difference;
        value as f64
    }));
}

/// Makes whole numbers of the values, if these give back the very same values.
fn scaled(values: &[f64], scale: f64, whole: &mut Vec<i64>) -> bool {
    whole.clear();
    whole.extend(values.iter().map(|value| (value * scale).round_ties_even() as i64));
    let gives_back = |(value, whole): (&f64, &i64)| {
        (*whole as f64 / scale).to_bits() == value.to_bits() && whole.unsigned_abs() <= LARGEST_WHOLE as u64
    };
    values.iter().zip(whole.iter()).all(gives_back)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn list() -> impl Strategy<Value = Vec<f64>> {
        let strange = prop_oneof![
            Just(0.0),
            Just(-0.0),
            Just(f64::NAN),
            Just(f64::INFINITY),
            Just(9_007_199_254_740_992.0),
            any::<f64>(),
            (-1000_i64..1000).prop_map(|value| value as f64),
            (0_i64..1_000_000_000).prop_map(|value| value as f64 / 1e6),
        ];
        let steady = (any::<i32>(), -200_i64..200, 0_usize..400, prop_oneof![Just(1.0), Just(1e3), Just(1e9)]);
        let steady = steady.prop_map(|(first, step, len, scale)| {
            (0..len as i64).map(|place| (i64::from(first) + place * step) as f64 / scale).collect()
        });
        prop_oneof![prop::collection::vec(strange, 0..300), steady]
    }

    proptest! {
        #[test]
        fn values_come_back_bit_for_bit(lists in prop::collection::vec(list(), 1..4), from in 0_usize..400, len in 0_usize..400) {
            let mut packed = Packed::default();
            let places: Vec<u32> = lists.iter().map(|list| packed.push(list)).collect();
            for (list, place) in lists.iter().zip(places) {
                let range = from.min(list.len())..from.saturating_add(len).min(list.len());
                let mut values = vec![7.0];
                packed.read(place, range.clone(), &mut values);
                let bits = |values: &[f64]| values.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
                prop_assert_eq!(bits(&values[1..]), bits(&list[range]));
            }
        }

        #[test]
        fn whole_numbers_come_back(values in prop::collection::vec(any::<i64>(), 0..300), shift in 0_u32..64) {
            let values: Vec<i64> = values.iter().map(|value| value >> shift).collect();
            let mut packed = Packed::default();
            let list = packed.push_ints(&values);
            let mut read = Vec::new();
            packed.read(list, 0..values.len(), &mut read);
            prop_assert_eq!(read, values.iter().map(|value| *value as f64).collect::<Vec<_>>());
        }
    }

    #[test]
    fn counters_are_small() {
        let mut packed = Packed::default();
        packed.push(&(0..256).map(|place| f64::from(place * 100)).collect::<Vec<_>>());
        packed.push(&[5.0; 128]);
        packed.push(&(0..128).map(|place| f64::from(place * 7) / 1e6).collect::<Vec<_>>());
        assert_eq!(packed.bytes.len(), 2 * 127 + 127);
    }
}
