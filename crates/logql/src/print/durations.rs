//! Lengths of time as Prometheus reads and writes them: `1h30m`, `90d`.

use std::fmt::{Display, Formatter, Result as Written};

use trefoil_go::duration;
use trefoil_go::quote::quote;

const MILLISECOND: i64 = 1_000_000;
const DAY: i64 = 86_400_000 * MILLISECOND;

/// From largest to smallest, in nanoseconds.
const UNITS: [(&str, i64); 7] = [
    ("y", 365 * DAY),
    ("w", 7 * DAY),
    ("d", DAY),
    ("h", 3_600_000 * MILLISECOND),
    ("m", 60_000 * MILLISECOND),
    ("s", 1_000 * MILLISECOND),
    ("ms", MILLISECOND),
];

/// Nanoseconds. Units go from large to small, each once; numbers are integers; `0` needs no unit.
pub fn range(text: &str) -> Result<i64, String> {
    match text {
        "0" => return Ok(0),
        "" => return Err("empty duration string".to_owned()),
        _ => {}
    }
    let malformed = || format!("not a valid duration string: {}", quote(text));
    let mut total: i64 = 0;
    let mut units = UNITS.iter();
    let mut rest = text;
    while !rest.is_empty() {
        let number_end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        let (number, after_number) = rest.split_at(number_end);
        let unit_end = after_number.find(|c: char| c.is_ascii_digit()).unwrap_or(after_number.len());
        let (unit, after_unit) = after_number.split_at(unit_end);
        let number: i64 = number.parse().map_err(|_| malformed())?;
        if unit.is_empty() {
            return Err(malformed());
        }
        if !UNITS.iter().any(|(name, _)| *name == unit) {
            return Err(format!("unknown unit {} in duration {}", quote(unit), quote(text)));
        }
        let (_, length) = units.find(|(name, _)| *name == unit).ok_or_else(malformed)?;
        let sum = number.checked_mul(*length).and_then(|part| total.checked_add(part));
        total = sum.ok_or_else(|| "duration out of range".to_owned())?;
        rest = after_unit;
    }
    Ok(total)
}

/// Nanoseconds, years and weeks only where nothing is left over (`90d`). What is not a whole number of milliseconds is written as Go
/// does.
pub struct Duration(pub i64);

impl Display for Duration {
    fn fmt(&self, f: &mut Formatter<'_>) -> Written {
        if self.0 == 0 {
            return f.write_str("0s");
        }
        if self.0 % MILLISECOND != 0 {
            return f.write_str(&duration::written(self.0));
        }
        if self.0 < 0 {
            f.write_str("-")?;
        }
        let mut rest = self.0.unsigned_abs();
        for (unit, length) in UNITS {
            let length = length.unsigned_abs();
            if length > DAY.unsigned_abs() && !rest.is_multiple_of(length) {
                continue;
            }
            let number = rest / length;
            if number > 0 {
                write!(f, "{number}{unit}")?;
                rest -= number * length;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_and_written() {
        for (text, nanos, written) in [
            ("5m", 300_000 * MILLISECOND, "5m"),
            ("90s", 90_000 * MILLISECOND, "1m30s"),
            ("1y2w3d4h5m6s7ms", (365 + 14 + 3) * DAY + 14_706_007 * MILLISECOND, "382d4h5m6s7ms"),
            ("14d", 14 * DAY, "2w"),
            ("0", 0, "0s"),
            ("0s", 0, "0s"),
        ] {
            assert_eq!(range(text), Ok(nanos), "{text}");
            assert_eq!(Duration(nanos).to_string(), written);
            assert_eq!(range(written), Ok(nanos));
        }
        assert_eq!(Duration(-DAY).to_string(), "-1d");
        assert_eq!(Duration(1_500).to_string(), "1.5µs");
        for (text, message) in [
            ("", "empty duration string"),
            ("5", "not a valid duration string: \"5\""),
            ("1m1h", "not a valid duration string: \"1m1h\""),
            ("1.5h", "unknown unit \".\" in duration \"1.5h\""),
            ("5minutes", "unknown unit \"minutes\" in duration \"5minutes\""),
            ("-5m", "not a valid duration string: \"-5m\""),
            ("300y", "duration out of range"),
        ] {
            assert_eq!(range(text), Err(message.to_owned()), "{text}");
        }
    }
}
