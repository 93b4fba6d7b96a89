//! Durations as Go writes them: `200ms`, `1m30s`, `168h`, `1.5h`, `0`.
//!
//! ```ignore
//! #[serde(with = "crate::config::duration")]
//! timeout: Duration,
//! #[serde(with = "crate::config::duration::option")]
//! reload_interval: Option<Duration>,
//! ```

use std::fmt;
use std::time::Duration;

use serde::de::{self, Deserializer, Visitor};

/// Nanoseconds of each unit, longest names first where one begins another.
const UNITS: [(&str, f64); 8] =
    [("ns", 1.0), ("us", 1e3), ("µs", 1e3), ("μs", 1e3), ("ms", 1e6), ("s", 1e9), ("m", 60e9), ("h", 3600e9)];

/// Go's largest duration is 2^63 - 1 nanoseconds, about 292 years.
const MAX_NANOS: f64 = i64::MAX as f64;

/// Reads a duration that is not negative.
pub fn parse(text: &str) -> Result<Duration, String> {
    let wrong = || format!("`{text}` is not a duration such as 200ms, 5s, 1m30s or 168h");
    let mut rest = text.trim();
    if rest == "0" {
        return Ok(Duration::ZERO);
    }
    if rest.starts_with('-') {
        return Err(format!("`{text}` is negative; a duration here must not be"));
    }
    if rest.is_empty() {
        return Err(wrong());
    }
    let mut nanos = 0.0;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        let number: f64 = rest[..digits].parse().map_err(|_| wrong())?;
        rest = &rest[digits..];
        let letters = rest.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(rest.len());
        let unit = &rest[..letters];
        if unit.is_empty() {
            return Err(format!("`{text}` has no unit; write {text}s for seconds or {text}ms for milliseconds"));
        }
        if matches!(unit, "d" | "w" | "y") {
            return Err(format!("`{text}`: the largest unit of a duration is h; write 24h for a day"));
        }
        let (_, nanos_per_unit) = UNITS.iter().find(|(name, _)| *name == unit).ok_or_else(wrong)?;
        nanos += number * nanos_per_unit;
        rest = &rest[letters..];
    }
    if nanos > MAX_NANOS {
        return Err(format!("`{text}` is longer than 292 years"));
    }
    Ok(Duration::from_nanos(nanos.round() as u64))
}

/// For `#[serde(with = "crate::config::duration")]`.
pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    deserializer.deserialize_str(DurationVisitor)
}

/// For an `Option<Duration>`: `null` and an absent value are `None`.
pub mod option {
    use super::{Deserializer, Duration};

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
        #[derive(serde::Deserialize)]
        #[serde(transparent)]
        struct Wrapper(#[serde(with = "super")] Duration);
        let wrapper: Option<Wrapper> = serde::Deserialize::deserialize(deserializer)?;
        Ok(wrapper.map(|wrapper| wrapper.0))
    }
}

struct DurationVisitor;

impl Visitor<'_> for DurationVisitor {
    type Value = Duration;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a duration such as 200ms, 5s, 1m30s or 168h")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Duration, E> {
        parse(text).map_err(E::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_go_reads() {
        let cases = [
            ("0", 0),
            ("0s", 0),
            ("200ms", 200_000_000),
            ("5s", 5_000_000_000),
            ("1m30s", 90_000_000_000),
            ("168h", 604_800_000_000_000),
            ("1.5h", 5_400_000_000_000),
            ("1h15m30.918s", 4_530_918_000_000),
            ("10us", 10_000),
            ("10µs", 10_000),
            (".5s", 500_000_000),
        ];
        for (text, nanos) in cases {
            assert_eq!(parse(text), Ok(Duration::from_nanos(nanos)), "{text}");
        }
    }

    #[test]
    fn says_what_is_wrong() {
        for text in ["", "s", "5", "5 s", "-5s", "7d", "5sec", "1..5s", ".s", "9999999h9999999h", "1e3s"] {
            assert!(parse(text).is_err(), "{text:?}");
        }
        insta::assert_snapshot!(parse("30").unwrap_err(), @"`30` has no unit; write 30s for seconds or 30ms for milliseconds");
        insta::assert_snapshot!(parse("7d").unwrap_err(), @"`7d`: the largest unit of a duration is h; write 24h for a day");
    }
}
