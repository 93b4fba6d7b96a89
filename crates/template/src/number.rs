//! Numbers as Go's source and `strconv` have them: with bases, underscores, fractions and exponents.

/// How long the number at the start of the text is; what follows it may still make it none.
pub(crate) fn length(text: &str) -> usize {
    let bytes = text.as_bytes();
    let mut at = 0;
    let accept = |at: &mut usize, which: &[u8]| {
        let found = bytes.get(*at).is_some_and(|byte| which.contains(byte));
        *at += usize::from(found);
        found
    };
    let run = |at: &mut usize, digits: &[u8]| while accept(at, digits) {};
    let mut digits: &[u8] = b"0123456789_";
    accept(&mut at, b"+-");
    if accept(&mut at, b"0") {
        if accept(&mut at, b"xX") {
            digits = b"0123456789abcdefABCDEF_";
        } else if accept(&mut at, b"oO") {
            digits = b"01234567_";
        } else if accept(&mut at, b"bB") {
            digits = b"01_";
        }
    }
    run(&mut at, digits);
    if accept(&mut at, b".") {
        run(&mut at, digits);
    }
    let exponent: &[u8] = match digits.len() {
        11 => b"eE",
        23 => b"pP",
        _ => b"",
    };
    if accept(&mut at, exponent) {
        accept(&mut at, b"+-");
        run(&mut at, b"0123456789_");
    }
    accept(&mut at, b"i");
    at
}

/// An integer by its prefix: `0x`, `0o`, `0` and `0b`, with underscores between digits (Go's `ParseInt` with base 0).
pub(crate) fn integer(text: &str) -> Option<i64> {
    let negative = text.starts_with('-');
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    let (base, digits, prefixed) = match digits.as_bytes() {
        [b'0', b'x' | b'X', ..] => (16, &digits[2..], true),
        [b'0', b'o' | b'O', ..] => (8, &digits[2..], true),
        [b'0', b'b' | b'B', ..] => (2, &digits[2..], true),
        [b'0', _, ..] => (8, &digits[1..], true),
        _ => (10, digits, false),
    };
    let digits = without_underscores(digits, prefixed)?;
    if digits.starts_with(['+', '-']) {
        return None;
    }
    match u64::from_str_radix(&digits, base) {
        Ok(value) if negative => 0_i64.checked_sub_unsigned(value),
        Ok(value) => value.try_into().ok(),
        Err(_) => None,
    }
}

/// An underscore stands between two digits, or between a prefix and a digit.
fn without_underscores(digits: &str, prefixed: bool) -> Option<String> {
    let misplaced = digits.ends_with('_') || digits.contains("__") || (digits.starts_with('_') && !prefixed);
    (!misplaced).then(|| digits.replace('_', ""))
}

/// A float, decimal or hexadecimal, as Go's `ParseFloat` takes it. What is too large is none.
pub(crate) fn float(text: &str) -> Option<f64> {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    if let Some(digits) = unsigned.strip_prefix("0x").or(unsigned.strip_prefix("0X")) {
        let value = hexadecimal(digits)?;
        return Some(if text.starts_with('-') { -value } else { value });
    }
    let value: f64 = match unsigned.contains('_') {
        true => between_digits(text)?.parse().ok()?,
        false => text.parse().ok()?,
    };
    let named = unsigned.starts_with(|first: char| first.is_ascii_alphabetic());
    (named || value.is_finite()).then_some(value)
}

/// Without its underscores, each of which has a digit on both sides.
fn between_digits(text: &str) -> Option<String> {
    let parts: Vec<&str> = text.split('_').collect();
    let last = parts.len() - 1;
    let digits = parts.iter().enumerate().all(|(index, part)| {
        (index == 0 || part.starts_with(|first: char| first.is_ascii_digit()))
            && (index == last || part.ends_with(|last: char| last.is_ascii_digit()))
    });
    digits.then(|| parts.concat())
}

/// `1.8p3`: behind the prefix. The exponent is required.
fn hexadecimal(digits: &str) -> Option<f64> {
    let (mantissa, exponent) = digits.split_once(['p', 'P'])?;
    let exponent: i32 = exponent.parse().ok().filter(|exponent: &i32| exponent.abs() < 10_000)?;
    let mantissa = without_underscores(mantissa, true)?;
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((&mantissa, ""));
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let (mut value, mut scale) = (0.0, exponent);
    for digit in whole.chars().chain(fraction.chars()) {
        value = value * 16.0 + f64::from(digit.to_digit(16)?);
    }
    scale -= 4 * fraction.len() as i32;
    // In two steps: a power of two on its own may be out of range where the product is not.
    let value = value * 2_f64.powi(scale / 2) * 2_f64.powi(scale - scale / 2);
    value.is_finite().then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_have_bases_and_underscores() {
        for (text, expected) in [
            ("0", Some(0)),
            ("-0", Some(0)),
            ("1_000", Some(1000)),
            ("0x_ff", Some(255)),
            ("-0xFF", Some(-255)),
            ("0o17", Some(15)),
            ("017", Some(15)),
            ("0b101", Some(5)),
            ("9223372036854775807", Some(i64::MAX)),
            ("-9223372036854775808", Some(i64::MIN)),
            ("9223372036854775808", None),
            ("08", None),
            ("1__0", None),
            ("_1", None),
            ("1_", None),
            ("+-1", None),
            ("0x", None),
            ("", None),
        ] {
            assert_eq!(integer(text), expected, "{text}");
        }
    }

    #[test]
    fn floats_are_decimal_and_hexadecimal() {
        for (text, expected) in [
            ("1.5", Some(1.5)),
            (".5", Some(0.5)),
            ("1e3", Some(1000.0)),
            ("-1E-2", Some(-0.01)),
            ("0x1p-2", Some(0.25)),
            ("0x1.8p1", Some(3.0)),
            ("-0x_1p0", Some(-1.0)),
            ("1e400", None),
            ("0x1", None),
            ("1_0.5", Some(10.5)),
            ("1_.5", None),
            ("1__0", None),
            ("_1", None),
            ("", None),
        ] {
            assert_eq!(float(text), expected, "{text}");
        }
        assert_eq!(float("+Inf"), Some(f64::INFINITY));
    }
}
