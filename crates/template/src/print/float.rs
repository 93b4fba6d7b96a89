//! Floats, by verb and precision.

use trefoil_go::number;

use super::Spec;

/// More digits than a float can have are zeros.
const MOST_DIGITS: usize = 1100;

/// Without a sign. It is finite.
pub(super) fn unsigned(value: f64, verb: char, spec: &Spec) -> String {
    match (verb, spec.precision) {
        ('f' | 'F', precision) => {
            let precision = precision.unwrap_or(6);
            let digits = format!("{value:.*}", precision.min(MOST_DIGITS));
            digits + &"0".repeat(precision.saturating_sub(MOST_DIGITS))
        }
        ('e' | 'E', precision) => {
            let precision = precision.unwrap_or(6);
            let text = format!("{value:.*e}", precision.min(MOST_DIGITS));
            let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
            let exponent: i32 = exponent.parse().unwrap_or(0);
            let zeros = "0".repeat(precision.saturating_sub(MOST_DIGITS));
            let direction = if exponent < 0 { '-' } else { '+' };
            format!("{mantissa}{zeros}e{direction}{:02}", exponent.abs())
        }
        ('b', _) => {
            let (mantissa, exponent) = parts(value);
            format!("{mantissa}p{exponent:+}")
        }
        ('x' | 'X', precision) => {
            let text = hexadecimal(value, precision);
            if verb == 'X' { text.to_uppercase() } else { text }
        }
        (_, Some(precision)) => number::general_with(value, precision.min(MOST_DIGITS)),
        (_, None) => number::general(value),
    }
}

/// Mantissa and power of two.
fn parts(value: f64) -> (u64, i32) {
    let bits = value.to_bits();
    let fraction = bits & ((1 << 52) - 1);
    match (bits >> 52) & 0x7ff {
        0 => (fraction, -1074),
        exponent => (fraction | 1 << 52, exponent as i32 - 1075),
    }
}

/// `0x1.8p+01`
fn hexadecimal(value: f64, precision: Option<usize>) -> String {
    if value == 0.0 {
        let zeros = "0".repeat(precision.unwrap_or(0));
        let point = if zeros.is_empty() { "" } else { "." };
        return format!("0x0{point}{zeros}p+00");
    }
    let (mut mantissa, exponent) = parts(value);
    // One bit in front of the point, 60 behind it.
    let shift = mantissa.leading_zeros() as i32 - 3;
    mantissa <<= shift;
    let mut exponent = exponent - shift + 60;
    let shown = precision.unwrap_or(15).min(15);
    if shown < 15 {
        let dropped = 4 * (15 - shown) as u32;
        let (half, rest) = (1_u64 << (dropped - 1), mantissa & ((1 << dropped) - 1));
        let odd = (mantissa >> dropped) & 1 == 1;
        mantissa = (mantissa >> dropped) << dropped;
        if rest > half || (rest == half && odd) {
            mantissa += 1 << dropped;
        }
        if mantissa >= 1 << 61 {
            mantissa >>= 1;
            exponent += 1;
        }
    }
    let digits = format!("{:015x}", mantissa & ((1 << 60) - 1));
    let digits = match precision {
        None => digits.trim_end_matches('0').to_owned(),
        Some(precision) => format!("{}{}", &digits[..shown], "0".repeat(precision - shown)),
    };
    let point = if digits.is_empty() { "" } else { "." };
    let direction = if exponent < 0 { '-' } else { '+' };
    format!("0x{}{point}{digits}p{direction}{:02}", mantissa >> 60, exponent.abs())
}

/// `%#g` and its like: with a point, and as many digits as the precision says.
pub(super) fn with_point(digits: &str, verb: char, spec: &Spec) -> String {
    let end = match verb {
        'x' | 'X' => digits.find(['p', 'P']),
        _ => digits.find(['e', 'E']),
    };
    let (mantissa, tail) = digits.split_at(end.unwrap_or(digits.len()));
    let mut text = mantissa.to_owned();
    let wanted = match verb {
        'v' | 'g' | 'G' | 'x' => spec.precision.unwrap_or(6),
        _ => 0,
    };
    let significant = mantissa.chars().filter(|c| *c != '.').skip_while(|digit| *digit == '0').count();
    let significant = if mantissa == "0" { 1 } else { significant };
    if !mantissa.contains('.') {
        text.push('.');
    }
    text.push_str(&"0".repeat(wanted.saturating_sub(significant)));
    text + tail
}
