//! Lengths of time as text: `1h30m`.

use std::fmt::Write;

use trefoil_go::quote::quote;

/// From largest to smallest, in milliseconds.
const UNITS: [(&str, i64); 7] =
    [("y", 365 * DAY), ("w", 7 * DAY), ("d", DAY), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)];

const DAY: i64 = 86_400_000;

/// Prometheus keeps durations in nanoseconds of 64 bits.
const LONGEST: i64 = i64::MAX / 1_000_000;

/// Milliseconds. Units go from large to small, each once; numbers are integers; `0` needs no unit.
pub fn parse_duration(text: &str) -> Result<i64, String> {
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
        let number_end = rest.find(|character: char| !character.is_ascii_digit()).unwrap_or(rest.len());
        let (number, after_number) = rest.split_at(number_end);
        let unit_end = after_number.find(|character: char| character.is_ascii_digit()).unwrap_or(after_number.len());
        let (unit, after_unit) = after_number.split_at(unit_end);
        let number: u64 = number.parse().map_err(|_| malformed())?;
        if unit.is_empty() {
            return Err(malformed());
        }
        if !UNITS.iter().any(|(name, _)| *name == unit) {
            return Err(format!("unknown unit {} in duration {}", quote(unit), quote(text)));
        }
        let (_, length) = units.find(|(name, _)| *name == unit).ok_or_else(malformed)?;
        let part = i64::try_from(number).ok().and_then(|number| number.checked_mul(*length));
        total = part
            .and_then(|part| total.checked_add(part))
            .filter(|total| *total <= LONGEST)
            .ok_or_else(|| "duration out of range".to_owned())?;
        rest = after_unit;
    }
    Ok(total)
}

/// Milliseconds as Prometheus writes them: `1h30m`, and years and weeks only where nothing is left over (`90d`).
pub fn format_duration(millis: i64) -> String {
    let mut text = String::new();
    let mut rest = millis.unsigned_abs();
    if rest == 0 {
        return "0s".to_owned();
    }
    if millis < 0 {
        text.push('-');
    }
    for (unit, length) in UNITS {
        let length = length.unsigned_abs();
        if length > DAY.unsigned_abs() && !rest.is_multiple_of(length) {
            continue;
        }
        let number = rest / length;
        if number > 0 {
            let written = write!(text, "{number}{unit}");
            debug_assert!(written.is_ok(), "writing to a text does not fail");
            rest -= number * length;
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read() {
        let cases = [
            ("0", 0),
            ("0s", 0),
            ("100ms", 100),
            ("5m", 300_000),
            ("1h30m", 5_400_000),
            ("1y2w3d4h5m6s7ms", 33_019_506_007),
            ("292y", 292 * 365 * DAY),
        ];
        for (text, millis) in cases {
            assert_eq!(parse_duration(text), Ok(millis), "{text}");
        }
        let refused = [
            ("", "empty duration string"),
            ("1", "not a valid duration string: \"1\""),
            ("5m1h", "not a valid duration string: \"5m1h\""),
            ("5m5m", "not a valid duration string: \"5m5m\""),
            ("-1d", "not a valid duration string: \"-1d\""),
            ("1.5d", "unknown unit \".\" in duration \"1.5d\""),
            ("5ys", "unknown unit \"ys\" in duration \"5ys\""),
            ("294y", "duration out of range"),
            ("99999999999999999999s", "not a valid duration string: \"99999999999999999999s\""),
        ];
        for (text, error) in refused {
            assert_eq!(parse_duration(text), Err(error.to_owned()));
        }
    }

    #[test]
    fn durations_are_written() {
        let cases = [
            (0, "0s"),
            (7, "7ms"),
            (5_400_000, "1h30m"),
            (7 * DAY, "1w"),
            (90 * DAY, "90d"),
            (365 * DAY, "1y"),
            (365 * DAY + 7 * DAY, "372d"),
            (365 * DAY + 1, "365d1ms"),
            (-300_000, "-5m"),
        ];
        for (millis, text) in cases {
            assert_eq!(format_duration(millis), text);
        }
    }
}
