//! A stream of bits, and the encodings of numbers that Prometheus' chunks share.
//!
//! Source: Prometheus' chunk format (`tsdb/docs/format/chunks.md`), which is that of Facebook's Gorilla (VLDB 2015) for values.

/// Writes bits, the highest of a byte first.
#[derive(Debug, Default)]
pub struct Bits {
    pub bytes: Vec<u8>,
    /// Bits of the last byte that are not written yet.
    free: u32,
}

impl Bits {
    pub fn after(header: &[u8]) -> Self {
        Self { bytes: header.to_vec(), free: 0 }
    }

    pub fn bit(&mut self, set: bool) {
        self.bits(u64::from(set), 1);
    }

    pub fn byte(&mut self, byte: u8) {
        self.bits(u64::from(byte), 8);
    }

    /// The lowest `count` (at most 64) bits of the number.
    pub fn bits(&mut self, number: u64, count: u32) {
        let mut left = count;
        while left > 0 {
            if self.free == 0 {
                self.bytes.push(0);
                self.free = 8;
            }
            let taken = left.min(self.free);
            left -= taken;
            self.free -= taken;
            let piece = (number >> left) & ((1 << taken) - 1);
            if let Some(last) = self.bytes.last_mut() {
                *last |= (piece << self.free) as u8;
            }
        }
    }

    /// Protobuf's varint.
    pub fn varint(&mut self, mut number: u64) {
        while number >= 0x80 {
            self.byte(number as u8 | 0x80);
            number >>= 7;
        }
        self.byte(number as u8);
    }

    /// Of a number that is small in most cases: a prefix says of how many bits it is.
    pub fn small(&mut self, number: i64) {
        let fits = |bits: u32| -((1 << (bits - 1)) - 1) <= number && number <= 1 << (bits - 1);
        match number {
            0 => self.bit(false),
            _ => self.prefixed(number as u64, fits),
        }
    }

    pub fn small_unsigned(&mut self, number: u64) {
        match number {
            0 => self.bit(false),
            _ => self.prefixed(number, |bits| number.leading_zeros() >= 64 - bits),
        }
    }

    fn prefixed(&mut self, number: u64, fits: impl Fn(u32) -> bool) {
        const SIZES: [u32; 7] = [3, 6, 9, 12, 18, 25, 56];
        match SIZES.iter().zip(1..).find(|(bits, _)| fits(**bits)) {
            Some((bits, ones)) => {
                self.bits(((1 << ones) - 1) << 1, ones + 1);
                self.bits(number, *bits);
            }
            None => {
                self.byte(0xff);
                self.bits(number, 64);
            }
        }
    }

    pub fn double(&mut self, value: f64) {
        self.bits(value.to_bits(), 64);
    }
}

/// The value before, and where its difference to the one before that had its bits.
#[derive(Debug, Clone, Copy)]
pub struct Xor {
    value: u64,
    /// Zeros before and behind; `None` before the first difference.
    window: Option<(u32, u32)>,
}

impl Xor {
    /// The first value, which whoever calls has written.
    pub fn of(value: f64) -> Self {
        Self { value: value.to_bits(), window: None }
    }

    pub fn write(&mut self, bits: &mut Bits, value: f64) {
        let difference = value.to_bits() ^ std::mem::replace(&mut self.value, value.to_bits());
        bits.bit(difference != 0);
        if difference == 0 {
            return;
        }
        // Five bits are there for it.
        let (leading, trailing) = (difference.leading_zeros().min(31), difference.trailing_zeros());
        match self.window {
            Some((before, behind)) if leading >= before && trailing >= behind => {
                bits.bit(false);
                bits.bits(difference >> behind, 64 - before - behind);
            }
            _ => {
                self.window = Some((leading, trailing));
                let significant = 64 - leading - trailing;
                bits.bit(true);
                bits.bits(u64::from(leading), 5);
                // 64 is written as 0, which it cannot be.
                bits.bits(u64::from(significant), 6);
                bits.bits(difference >> trailing, significant);
            }
        }
    }
}
