//! Times of entries.

use chrono::{DateTime, SecondsFormat, Utc};

/// Nanoseconds since the epoch, also beyond what OTLP can tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Time(pub i128);

impl Time {
    /// Of protobuf's `Timestamp`.
    pub fn new(seconds: i64, nanos: i32) -> Self {
        Self(i128::from(seconds) * 1_000_000_000 + i128::from(nanos))
    }

    /// Nanoseconds in decimal digits, as the JSON form has them.
    pub fn of_nanos(text: &str) -> Option<Self> {
        text.parse::<i64>().ok().map(|nanos| Self(nanos.into()))
    }

    /// As the old JSON form has it.
    pub fn of_rfc3339(text: &str) -> Option<Self> {
        let time = DateTime::parse_from_rfc3339(text).ok()?;
        // A leap second is told by more nanoseconds than a second has.
        Some(Self(i128::from(time.timestamp()) * 1_000_000_000 + i128::from(time.timestamp_subsec_nanos())))
    }
}

/// As Loki writes it: in seconds.
impl std::fmt::Display for Time {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let seconds = i64::try_from(self.0.div_euclid(1_000_000_000)).ok();
        match seconds.and_then(|seconds| DateTime::<Utc>::from_timestamp(seconds, 0)) {
            Some(time) => f.write_str(&time.to_rfc3339_opts(SecondsFormat::Secs, true)),
            None => write!(f, "{} ns", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_in_all_forms() {
        assert_eq!(Time::new(-1, 5), Time(-999_999_995));
        assert_eq!(Time::of_nanos("1795232524000000001"), Some(Time(1_795_232_524_000_000_001)));
        assert_eq!(Time::of_rfc3339("2026-11-21T04:22:04.000000001+01:00"), Some(Time(1_795_231_324_000_000_001)));
        for wrong in ["", "1.5", "x", "9223372036854775808"] {
            assert_eq!(Time::of_nanos(wrong), None, "{wrong}");
        }
        assert_eq!(Time::of_rfc3339("yesterday"), None);
    }

    #[test]
    fn times_are_written_in_seconds() {
        assert_eq!(Time(-1).to_string(), "1969-12-31T23:59:59Z");
        assert_eq!(Time(1_795_232_524_900_000_000).to_string(), "2026-11-21T03:42:04Z");
        assert_eq!(Time(i128::MAX).to_string(), format!("{} ns", i128::MAX));
    }
}
