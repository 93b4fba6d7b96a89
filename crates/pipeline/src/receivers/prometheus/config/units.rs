//! Durations and sizes as Prometheus writes them: `1h30m`, `15s`, `10MB`.

use std::fmt;
use std::time::Duration;

use serde::de::{self, Deserializer, Visitor};
use serde::{Deserialize, Serialize, Serializer};

/// `1y2w3d4h5m6s7ms`, every part optional, in this order, whole numbers; or `0`. (github.com/prometheus/common/model.)
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PromDuration(pub Duration);

/// Bytes, in powers of 1024 whether `KB` or `KiB` is written; the unit must be there. 0 is no limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ByteSize(pub u64);

const UNITS: [(&str, u64); 7] = [
    ("y", 365 * 86_400_000),
    ("w", 7 * 86_400_000),
    ("d", 86_400_000),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1000),
    ("ms", 1),
];

/// As Go's `time.Duration`.
const MAX_MILLIS: u64 = i64::MAX as u64 / 1_000_000;

impl std::str::FromStr for PromDuration {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("not a valid duration string: {text:?} (such as 15s, 1m30s or 2d)");
        if text == "0" {
            return Ok(Self::default());
        }
        if text.is_empty() {
            return Err("empty duration string".to_owned());
        }
        let (mut millis, mut rest, mut units) = (0u64, text, UNITS.iter());
        while !rest.is_empty() {
            let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
            let (number, after) = rest.split_at(digits);
            let letters = after.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(after.len());
            let (unit, after) = after.split_at(letters);
            let number: u64 = number.parse().map_err(|_| wrong())?;
            let (_, factor) = units.by_ref().find(|(name, _)| *name == unit).ok_or_else(wrong)?;
            let part = number.checked_mul(*factor);
            millis = part.and_then(|part| millis.checked_add(part)).unwrap_or(u64::MAX);
            rest = after;
        }
        if millis > MAX_MILLIS {
            return Err("duration out of range".to_owned());
        }
        Ok(Self(Duration::from_millis(millis)))
    }
}

impl fmt::Display for PromDuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut millis = u64::try_from(self.0.as_millis()).unwrap_or(u64::MAX);
        if millis == 0 {
            return f.write_str("0s");
        }
        for (index, (unit, factor)) in UNITS.iter().enumerate() {
            // Years, weeks and days only where nothing is left over, as Prometheus prints them.
            if millis >= *factor && (index > 2 || millis.is_multiple_of(*factor)) {
                write!(f, "{}{unit}", millis / factor)?;
                millis %= factor;
            }
        }
        Ok(())
    }
}

impl std::str::FromStr for ByteSize {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "0" || text.is_empty() {
            return Ok(Self(0));
        }
        let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
        let (number, unit) = text.split_at(digits);
        let power = match unit {
            "B" => 0,
            "KB" | "KiB" => 1,
            "MB" | "MiB" => 2,
            "GB" | "GiB" => 3,
            "TB" | "TiB" => 4,
            "PB" | "PiB" => 5,
            "EB" | "EiB" => 6,
            "" => return Err(format!("`{text}` has no unit; write {text}B for bytes or {text}KB")),
            _ => return Err(format!("`{text}` is not a size such as 512KB, 15MB or 1GiB")),
        };
        let number: f64 = number.parse().map_err(|_| format!("`{text}` is not a size such as 512KB or 15MB"))?;
        Ok(Self((number * 1024f64.powi(power)) as u64))
    }
}

impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const NAMES: [&str; 7] = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
        let mut size = self.0;
        let mut name = 0;
        while size > 0 && size.is_multiple_of(1024) && name + 1 < NAMES.len() {
            size /= 1024;
            name += 1;
        }
        write!(f, "{size}{}", NAMES[name])
    }
}

struct Text<T>(&'static str, std::marker::PhantomData<T>);

impl<T: std::str::FromStr<Err = String>> Visitor<'_> for Text<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<T, E> {
        text.parse().map_err(E::custom)
    }
}

impl<'de> Deserialize<'de> for PromDuration {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(Text("a duration such as 15s or 1h30m", std::marker::PhantomData))
    }
}

impl<'de> Deserialize<'de> for ByteSize {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(Text("a size such as 15MB", std::marker::PhantomData))
    }
}

impl Serialize for PromDuration {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl Serialize for ByteSize {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_prometheus_own() {
        let cases = [
            ("0", Some(0)),
            ("0s", Some(0)),
            ("324ms", Some(324)),
            ("3s", Some(3000)),
            ("5m", Some(300_000)),
            ("1h", Some(3_600_000)),
            ("4d", Some(4 * 86_400_000)),
            ("4d1h", Some(4 * 86_400_000 + 3_600_000)),
            ("3w2d1h", Some(23 * 86_400_000 + 3_600_000)),
            ("10y", Some(3650 * 86_400_000)),
            ("", None),
            ("1", None),
            ("-1h", None),
            ("1s1d", None),
            ("1s1s", None),
            ("1.5h", None),
            ("5 s", None),
            ("d", None),
            ("300y", None),
            ("99999999999999999999s", None),
        ];
        for (text, expected) in cases {
            let found = text.parse::<PromDuration>().ok().map(|duration| duration.0.as_millis() as u64);
            assert_eq!(found, expected, "{text:?}");
        }
        for text in ["0s", "1m", "90s", "1d", "1h30m", "36h", "15s", "250ms", "2w"] {
            let again = text.parse::<PromDuration>().unwrap().to_string();
            assert_eq!(again.parse::<PromDuration>(), text.parse(), "{text}");
        }
        assert_eq!("5400s".parse::<PromDuration>().unwrap().to_string(), "1h30m");
    }

    #[test]
    fn sizes_have_a_unit() {
        for (text, expected) in
            [("0", Some(0)), ("15MB", Some(15 << 20)), ("1KiB", Some(1024)), ("1.5KB", Some(1536)), ("7B", Some(7))]
        {
            assert_eq!(text.parse::<ByteSize>().ok().map(|size| size.0), expected, "{text}");
        }
        for text in ["100", "-1GB", "1XB", "MB", "1.2.3MB"] {
            assert!(text.parse::<ByteSize>().is_err(), "{text}");
        }
        assert_eq!(ByteSize(15 << 20).to_string(), "15MiB");
    }
}
