//! Durations as text: `1h30m`, `1.5s`, `2d`.

/// Units with their nanoseconds, longer names of the same beginning first.
const UNITS: [(&str, i64); 11] = [
    ("ns", 1),
    ("us", 1_000),
    ("µs", 1_000),
    ("μs", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
    ("d", 86_400_000_000_000),
    ("w", 604_800_000_000_000),
    ("y", 31_536_000_000_000_000),
];

/// Nanoseconds of numbers with units, as Go and Prometheus write them. `None`: it is not one, or too long for 64 bits.
pub fn parse(text: &str) -> Option<i64> {
    let mut rest = text;
    let mut total: i64 = 0;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, behind) = rest.split_at(digits);
        let (unit, nanos) = UNITS.into_iter().find(|(unit, _)| behind.starts_with(unit))?;
        total = total.checked_add(times(number, nanos)?)?;
        rest = &behind[unit.len()..];
    }
    (!text.is_empty()).then_some(total)
}

/// Nanoseconds of a duration as Go alone has them: with a sign if need be, hours being the longest unit. The error is Go's.
pub fn parse_strict(text: &str) -> Result<i64, String> {
    let invalid = || format!("time: invalid duration {}", crate::quote::quote_bytes(text));
    let negative = text.starts_with('-');
    let mut rest = text.strip_prefix(['+', '-']).unwrap_or(text);
    if rest == "0" {
        return Ok(0);
    }
    if rest.is_empty() {
        return Err(invalid());
    }
    let mut total: i64 = 0;
    while !rest.is_empty() {
        let behind = rest.trim_start_matches(|c: char| c.is_ascii_digit());
        let behind = behind.strip_prefix('.').unwrap_or(behind).trim_start_matches(|c: char| c.is_ascii_digit());
        let number = &rest[..rest.len() - behind.len()];
        if !number.contains(|c: char| c.is_ascii_digit()) {
            return Err(invalid());
        }
        let unit = &behind[..behind.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(behind.len())];
        if unit.is_empty() {
            return Err(format!("time: missing unit in duration {}", crate::quote::quote_bytes(text)));
        }
        let known = UNITS.iter().find(|(name, nanos)| *name == unit && *nanos <= 3_600_000_000_000);
        let Some((_, nanos)) = known else {
            let [unit, text] = [unit, text].map(crate::quote::quote_bytes);
            return Err(format!("time: unknown unit {unit} in duration {text}"));
        };
        total = times(number, *nanos).and_then(|part| total.checked_add(part)).ok_or_else(invalid)?;
        rest = &behind[unit.len()..];
    }
    Ok(if negative { -total } else { total })
}

fn times(number: &str, nanos: i64) -> Option<i64> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let whole: i64 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    let fraction = match fraction {
        "" => 0,
        digits => (format!("0.{digits}").parse::<f64>().ok()? * nanos as f64) as i64,
    };
    whole.checked_mul(nanos)?.checked_add(fraction)
}

/// As Go writes it: `1h30m0s`, `1.5s`, `250ms`.
pub fn written(nanos: i64) -> String {
    let (sign, nanos) = if nanos < 0 { ("-", nanos.unsigned_abs()) } else { ("", nanos as u64) };
    let decimal = |of: u64| {
        let text = format!("{}.{:0width$}", nanos / of, nanos % of, width = of.ilog10() as usize);
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    };
    match nanos {
        0 => "0s".to_owned(),
        1..1_000 => format!("{sign}{nanos}ns"),
        1_000..1_000_000 => format!("{sign}{}µs", decimal(1_000)),
        1_000_000..1_000_000_000 => format!("{sign}{}ms", decimal(1_000_000)),
        _ => {
            let (minutes, within) = (nanos / 60_000_000_000, nanos % 60_000_000_000);
            let seconds = format!("{}.{:09}", within / 1_000_000_000, within % 1_000_000_000);
            let seconds = seconds.trim_end_matches('0').trim_end_matches('.');
            match (minutes / 60, minutes % 60) {
                (0, 0) => format!("{sign}{seconds}s"),
                (0, minutes) => format!("{sign}{minutes}m{seconds}s"),
                (hours, minutes) => format!("{sign}{hours}h{minutes}m{seconds}s"),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_go_and_prometheus_write_them() {
        for (text, nanos) in [
            ("1ns", 1),
            ("1us", 1_000),
            ("1µs", 1_000),
            ("1ms", 1_000_000),
            ("1.5s", 1_500_000_000),
            ("1h30m", 5_400_000_000_000),
            ("2d", 172_800_000_000_000),
            ("1w", 604_800_000_000_000),
            ("1y", 31_536_000_000_000_000),
            (".5s", 500_000_000),
            ("1m30s500ms", 90_500_000_000),
        ] {
            assert_eq!(parse(text), Some(nanos), "{text}");
        }
        for text in ["", "1", "s", "1x", "1.s2", "300y", "1..5s", "9223372036854775808ns"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[test]
    fn durations_are_written_as_go_writes_them() {
        for (nanos, text) in [
            (0, "0s"),
            (1, "1ns"),
            (1_500, "1.5µs"),
            (250_000_000, "250ms"),
            (1_500_000_000, "1.5s"),
            (60_000_000_000, "1m0s"),
            (3_600_000_000_000, "1h0m0s"),
            (-2_000_000, "-2ms"),
            (90_000_000_001, "1m30.000000001s"),
        ] {
            assert_eq!(written(nanos), text);
            assert!(nanos <= 0 || parse(text) == Some(nanos));
        }
    }

    #[test]
    fn durations_are_read_as_go_alone_does() {
        for (text, expected) in [
            ("1h30m", Ok(5_400_000_000_000)),
            ("-1.5s", Ok(-1_500_000_000)),
            ("+1ms", Ok(1_000_000)),
            ("0", Ok(0)),
            ("1d", Err("time: unknown unit \"d\" in duration \"1d\"")),
            ("1", Err("time: missing unit in duration \"1\"")),
            ("", Err("time: invalid duration \"\"")),
            ("s", Err("time: invalid duration \"s\"")),
            ("1..5s", Err("time: missing unit in duration \"1..5s\"")),
            ("3µ", Err("time: unknown unit \"\\xc2\\xb5\" in duration \"3\\xc2\\xb5\"")),
            ("..5s", Err("time: invalid duration \"..5s\"")),
            ("3000000h", Err("time: invalid duration \"3000000h\"")),
        ] {
            assert_eq!(parse_strict(text), expected.map_err(str::to_owned), "{text}");
        }
    }
}
