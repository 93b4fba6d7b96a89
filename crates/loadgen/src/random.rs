//! Reproducible values: everything is a function of (seed, key), nothing depends on the order of calls.

/// One 64-bit value for a pair of keys: the finaliser of splitmix64 over their combination.
pub fn mix(seed: u64, key: u64) -> u64 {
    let mut value = seed ^ key.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

/// A value in `0..bound`; `bound` must not be 0.
pub fn below(value: u64, bound: u64) -> u64 {
    ((u128::from(value) * u128::from(bound)) >> 64) as u64
}

/// A value in `[0, 1)`.
pub fn unit(value: u64) -> f64 {
    (value >> 11) as f64 / (1u64 << 53) as f64
}

/// Skewed like popularity (of books, of customers): small results are far more frequent.
pub fn skewed(value: u64, bound: u64) -> u64 {
    let x = unit(value);
    ((x * x * x) * bound as f64) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_stay_below_their_bound() {
        for key in 0..1000 {
            assert!(below(mix(1, key), 7) < 7);
            assert!(skewed(mix(2, key), 100) < 100);
            assert!((0.0..1.0).contains(&unit(mix(3, key))));
        }
    }

    #[test]
    fn another_seed_gives_other_values() {
        assert_ne!(mix(1, 5), mix(2, 5));
        assert_eq!(mix(1, 5), mix(1, 5));
    }
}
