//! What numbers and strings are worth. Their form is Go's.

use trefoil_go::quote::quote;

/// The value of a number as written: decimal with or without exponent, hexadecimal, octal (with a leading zero), with
/// underscores between digits, `Inf` and `NaN` in any case.
pub(super) fn number(text: &str) -> Result<f64, String> {
    if let Some(integer) = integer(text) {
        return Ok(integer as f64);
    }
    let failed = |why: &str| Err(format!("error parsing number: strconv.ParseFloat: parsing {}: {why}", quote(text)));
    match text.to_ascii_lowercase().as_str() {
        "inf" => return Ok(f64::INFINITY),
        "nan" => return Ok(f64::NAN),
        _ => {}
    }
    if !underscores_separate_digits(text, false) {
        return failed("invalid syntax");
    }
    match text.replace('_', "").parse::<f64>() {
        Ok(value) if value.is_finite() => Ok(value),
        Ok(_) => failed("value out of range"),
        Err(_) => failed("invalid syntax"),
    }
}

fn integer(text: &str) -> Option<i64> {
    let (base, digits, prefixed) = match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(digits) => (16, digits, true),
        None => match text.strip_prefix('0') {
            Some(digits) => (8, digits, true),
            None => (10, text, false),
        },
    };
    if digits.is_empty() {
        return (base == 8).then_some(0);
    }
    // The library would take a sign, too.
    let known = digits.chars().all(|character| character == '_' || character.is_digit(base));
    if !known || !underscores_separate_digits(digits, prefixed) {
        return None;
    }
    i64::from_str_radix(&digits.replace('_', ""), base).ok()
}

/// Whether each underscore stands behind a digit (or a base's prefix) and in front of one.
fn underscores_separate_digits(text: &str, after_digit: bool) -> bool {
    let mut after_digit = after_digit;
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        let before_digit = characters.peek().is_some_and(char::is_ascii_hexdigit);
        if character == '_' && !(after_digit && before_digit) {
            return false;
        }
        after_digit = character.is_ascii_hexdigit();
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_those_of_go() {
        let cases = [
            ("1", 1.0),
            (".5", 0.5),
            ("5.", 5.0),
            ("1e-3", 1e-3),
            ("0755", 493.0),
            ("08", 8.0),
            ("0", 0.0),
            ("0.5", 0.5),
            ("0x8f", 143.0),
            ("0X_1F", 31.0),
            ("1_000", 1000.0),
            ("1_00.5_0e1_0", 1.005e12),
            ("0_7", 7.0),
            ("9223372036854775808", 9_223_372_036_854_775_808.0),
            ("INF", f64::INFINITY),
        ];
        for (text, expected) in cases {
            assert_eq!(number(text), Ok(expected), "{text}");
        }
        assert!(number("nAn").unwrap().is_nan());
        let refused = [
            ("0x", "invalid syntax"),
            ("1.2.3", "invalid syntax"),
            ("1e999", "value out of range"),
            ("0x1ffffffffffffffff", "invalid syntax"),
        ];
        for (text, why) in refused {
            let error = format!("error parsing number: strconv.ParseFloat: parsing \"{text}\": {why}");
            assert_eq!(number(text), Err(error));
        }
    }
}
