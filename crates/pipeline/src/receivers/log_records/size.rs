//! Sizes as the Collector's receivers of log records write them: `1MiB`, `1024kib`, `64KB`, or bytes as a number.

use std::fmt;

use serde::de::{self, Deserializer, Visitor};

const UNITS: [(&str, u64); 9] = [
    ("", 1),
    ("b", 1),
    ("k", 1000),
    ("kb", 1000),
    ("kib", 1 << 10),
    ("mb", 1_000_000),
    ("mib", 1 << 20),
    ("gb", 1_000_000_000),
    ("gib", 1 << 30),
];

/// Reads a number with a unit in any case; a part of a byte is cut off.
pub fn parse(text: &str) -> Result<usize, String> {
    let wrong = || format!("`{text}` is not a size such as 1MiB, 64KB or 65536");
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let number: f64 = text[..digits].parse().map_err(|_| wrong())?;
    let unit = text[digits..].trim().to_ascii_lowercase();
    let (_, bytes) = UNITS.iter().find(|(name, _)| *name == unit).ok_or_else(wrong)?;
    let size = number * *bytes as f64;
    if size > (1_u64 << 40) as f64 {
        return Err(format!("`{text}` is more than 1TiB"));
    }
    Ok(size as usize)
}

/// For `#[serde(deserialize_with = "size::deserialize")]`.
pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<usize, D::Error> {
    struct Size;
    impl Visitor<'_> for Size {
        type Value = usize;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a size such as 1MiB")
        }

        fn visit_str<E: de::Error>(self, text: &str) -> Result<usize, E> {
            parse(text).map_err(E::custom)
        }
    }
    deserializer.deserialize_str(Size)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_in_any_case() {
        let cases =
            [("65536", 65536), ("1MiB", 1 << 20), ("1024kib", 1 << 20), ("1.5 kb", 1500), ("2gib", 2 << 30), ("7b", 7)];
        for (text, bytes) in cases {
            assert_eq!(parse(text), Ok(bytes), "{text}");
        }
        for text in ["", "MiB", "-1", "1 furlong", "1e3", "1.2.3kb", "2000gib"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
