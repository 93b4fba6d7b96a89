//! Floats as Go reads them (`strconv.ParseFloat`).

use std::fmt;

/// Why a text is no float.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    Syntax,
    /// It is too large.
    Range,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Reason::Syntax => "invalid syntax",
            Reason::Range => "value out of range",
        })
    }
}

/// Decimal (`-1_000.5e3`) and hexadecimal (`0x1p-2`) numbers, infinities and NaN in any case.
pub fn parse(text: &str) -> Result<f64, Reason> {
    let (sign, digits) = match text.as_bytes().first() {
        Some(b'-') => (-1.0, &text[1..]),
        Some(b'+') => (1.0, &text[1..]),
        _ => (1.0, text),
    };
    if digits.eq_ignore_ascii_case("inf") || digits.eq_ignore_ascii_case("infinity") {
        return Ok(sign * f64::INFINITY);
    }
    if text.eq_ignore_ascii_case("nan") {
        return Ok(f64::NAN);
    }
    let value = match digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X")) {
        Some(hexadecimal) => self::hexadecimal(hexadecimal)?,
        None => decimal(digits)?,
    };
    if value.is_infinite() { Err(Reason::Range) } else { Ok(sign * value) }
}

fn decimal(digits: &str) -> Result<f64, Reason> {
    if !digits.starts_with(|c: char| c.is_ascii_digit() || c == '.') {
        return Err(Reason::Syntax);
    }
    without_separators(digits, |c| c.is_ascii_digit())?.parse().map_err(|_| Reason::Syntax)
}

/// Behind `0x`: digits, of which some may stand behind a point, and an exponent of two.
fn hexadecimal(text: &str) -> Result<f64, Reason> {
    // The prefix counts as a digit in front of a separator.
    let text = without_separators(text.strip_prefix('_').unwrap_or(text), |c| c.is_ascii_hexdigit())?;
    let (mantissa, exponent) = text.split_once(['p', 'P']).ok_or(Reason::Syntax)?;
    let exponent: i32 = exponent.parse().map_err(|_| Reason::Syntax)?;
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    if whole.is_empty() && fraction.is_empty() {
        return Err(Reason::Syntax);
    }
    let mut value = 0.0;
    for digit in whole.chars().chain(fraction.chars()) {
        value = value * 16.0 + f64::from(digit.to_digit(16).ok_or(Reason::Syntax)?);
    }
    Ok(value * f64::from(exponent.saturating_sub(4 * fraction.len() as i32)).exp2())
}

/// Without underscores, each of which has to stand between digits.
fn without_separators(text: &str, is_digit: impl Fn(char) -> bool) -> Result<String, Reason> {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text.chars().peekable();
    let mut before = None;
    while let Some(character) = rest.next() {
        match character {
            '_' if before.is_some_and(&is_digit) && rest.peek().copied().is_some_and(&is_digit) => {}
            '_' => return Err(Reason::Syntax),
            character => plain.push(character),
        }
        before = Some(character);
    }
    Ok(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_are_read_as_go_reads_them() {
        for (text, value) in [
            ("0", 0.0),
            ("010", 10.0),
            ("1.", 1.0),
            (".5", 0.5),
            ("-1.5e3", -1500.0),
            ("+2E-2", 0.02),
            ("1_000.5", 1000.5),
            ("0x1p-2", 0.25),
            ("0x_1.8p1", 3.0),
            ("inf", f64::INFINITY),
            ("-Infinity", f64::NEG_INFINITY),
            ("1e-400", 0.0),
        ] {
            assert_eq!(parse(text), Ok(value), "{text}");
        }
        assert!(parse("NaN").is_ok_and(f64::is_nan));
        for wrong in
            ["", "-", ".", "1e", "0x10", "0x.p1", "1__0", "_1", "1_", "1 ", " 1", "5x", "--1", "+nan", "1e+", "infi"]
        {
            assert_eq!(parse(wrong), Err(Reason::Syntax), "{wrong}");
        }
        assert_eq!((parse("1e400"), parse("0x1p5000")), (Err(Reason::Range), Err(Reason::Range)));
    }
}
