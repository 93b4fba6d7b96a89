//! Amounts with units, as they stand in lines: `5.2 MB`, `1h30m`.

use trefoil_go::duration;

/// Names of units of bytes, decimal and binary.
#[rustfmt::skip]
const BYTES: [(&str, u64); 25] = [
    ("", 1), ("b", 1),
    ("k", 1_000), ("kb", 1_000), ("ki", 1 << 10), ("kib", 1 << 10),
    ("m", 1_000_000), ("mb", 1_000_000), ("mi", 1 << 20), ("mib", 1 << 20),
    ("g", 1_000_000_000), ("gb", 1_000_000_000), ("gi", 1 << 30), ("gib", 1 << 30),
    ("t", 1_000_000_000_000), ("tb", 1_000_000_000_000), ("ti", 1 << 40), ("tib", 1 << 40),
    ("p", 1_000_000_000_000_000), ("pb", 1_000_000_000_000_000), ("pi", 1 << 50), ("pib", 1 << 50),
    ("eb", 1_000_000_000_000_000_000), ("ei", 1 << 60), ("eib", 1 << 60),
];

/// Bytes of a number with a unit in any case, perhaps with a space between them and commas in the number: `1,024 KiB`. `None`: it
/// is nothing of that, or more than 64 bits hold.
pub fn bytes(text: &str) -> Option<u64> {
    let text = text.trim();
    let end = text
        .find(|character: char| !character.is_ascii_digit() && !matches!(character, '.' | ','))
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let unit = unit.trim();
    let (_, factor) = BYTES.into_iter().find(|(name, _)| name.eq_ignore_ascii_case(unit))?;
    // Not through a float, which has no room for all numbers of 64 bits.
    if let (Ok(whole), true) = (number.parse::<u64>(), factor == 1) {
        return Some(whole);
    }
    let number: f64 = match number.contains(',') {
        true => number.replace(',', "").parse().ok()?,
        false => number.parse().ok()?,
    };
    let bytes = number * factor as f64;
    (bytes < u64::MAX as f64).then_some(bytes as u64)
}

/// Nanoseconds of numbers with units and perhaps a sign in front: `-1h30m`, `1.5s`; `0` needs none.
pub fn duration(text: &str) -> Option<i64> {
    let (negative, amount) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let nanos = if amount == "0" { 0 } else { duration::parse(amount)? };
    Some(if negative { -nanos } else { nanos })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn bytes_have_decimal_and_binary_units() {
        for (text, expected) in [
            ("0", Some(0)),
            ("15", Some(15)),
            ("15B", Some(15)),
            ("5KB", Some(5_000)),
            ("5kb", Some(5_000)),
            ("5 kB", Some(5_000)),
            ("5KiB", Some(5_120)),
            ("5Ki", Some(5_120)),
            ("5K", Some(5_000)),
            ("1.5 MB", Some(1_500_000)),
            ("1,024 MiB", Some(1 << 30)),
            ("2GB", Some(2_000_000_000)),
            ("2TiB", Some(2 << 40)),
            ("3PB", Some(3_000_000_000_000_000)),
            ("3PiB", Some(3 << 50)),
            ("1EB", Some(1_000_000_000_000_000_000)),
            (".5KB", Some(500)),
            (" 7 B ", Some(7)),
            ("18446744073709551615", Some(u64::MAX)),
            ("17EiB", None),
            ("5 XB", None),
            ("MB", None),
            ("-5B", None),
            ("1.2.3B", None),
            ("5é", None),
            ("", None),
        ] {
            assert_eq!(bytes(text), expected, "{text:?}");
        }
    }

    #[test]
    fn durations_have_gos_units_and_a_sign() {
        for (text, expected) in [
            ("0", Some(0)),
            ("1.5s", Some(1_500_000_000)),
            ("-1h30m", Some(-5_400_000_000_000)),
            ("+2ms", Some(2_000_000)),
            ("3µs", Some(3_000)),
            ("-0", Some(0)),
            ("5", None),
            ("-", None),
            ("--1s", None),
            ("é", None),
            ("", None),
        ] {
            assert_eq!(duration(text), expected, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn what_go_writes_is_read(nanos in -9_000_000_000_000_000_i64..9_000_000_000_000_000) {
            let read = duration(&duration::written(nanos)).unwrap();
            // Fractions go through a float.
            prop_assert!((read - nanos).abs() <= 1, "{} {}", read, nanos);
        }

        #[test]
        fn any_text_is_survived(text in "[-+0-9.,kKmibBeE é]{0,8}") {
            bytes(&text);
            duration(&text);
        }
    }
}
