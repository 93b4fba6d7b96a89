//! Ids of series are hashes already: nothing is gained by hashing them again.
//!
//! But their first bits are those of their targets, and hash tables tell entries apart by the first bits.

use std::hash::{BuildHasherDefault, Hasher};

pub type IdHash = BuildHasherDefault<IdHasher>;

#[derive(Debug, Default, Clone, Copy)]
pub struct IdHasher(u64);

impl Hasher for IdHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0.rotate_left(5) ^ u64::from(*byte)).wrapping_mul(0x517c_c1b7_2722_0a95);
        }
    }

    fn write_u64(&mut self, id: u64) {
        self.0 = id.wrapping_mul(0x517c_c1b7_2722_0a95);
    }
}
