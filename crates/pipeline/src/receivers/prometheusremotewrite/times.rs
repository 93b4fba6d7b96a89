//! Milliseconds of Prometheus → nanoseconds of OTLP, and the mark of a series that has ended.

const NANOS_PER_MILLI: i64 = 1_000_000;

/// OTLP's `DATA_POINT_FLAGS_NO_RECORDED_VALUE_MASK`: the series has ended here.
pub const NO_RECORDED_VALUE: u32 = 1;

/// The NaN that Prometheus writes where a series ends; any other NaN is a value.
pub const STALE_NAN: u64 = 0x7ff0_0000_0000_0002;

pub fn is_stale(value: f64) -> bool {
    value.to_bits() == STALE_NAN
}

/// The time of a point; `None` outside of 1970 (excluded) to 2262.
pub fn nanos(millis: i64) -> Option<u64> {
    let nanos = millis.checked_mul(NANOS_PER_MILLI).filter(|nanos| *nanos > 0)?;
    u64::try_from(nanos).ok()
}

/// A time that may be missing: 0.
pub fn optional_nanos(millis: i64) -> u64 {
    nanos(millis).unwrap_or(0)
}
