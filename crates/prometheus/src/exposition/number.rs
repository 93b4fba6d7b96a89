//! Numbers in text: what Prometheus takes as one, and the form that it gives bounds and quantiles.

use std::borrow::Cow;

use trefoil_go::number::open_metrics;

/// A float as Go reads it, without its hexadecimal form and underscores. NaN is always the same one.
pub fn float(text: &str) -> Option<f64> {
    let value: f64 = text.parse().ok()?;
    if value.is_finite() {
        return Some(value);
    }
    if value.is_nan() {
        return (!text.starts_with(['+', '-'])).then_some(f64::NAN);
    }
    // Digits that do not fit are an error and no infinity.
    text.contains(['i', 'I']).then_some(value)
}

/// Milliseconds from seconds; `None` if they are no time.
pub fn milliseconds(seconds: f64) -> Option<i64> {
    // Not cut: what was written with milliseconds is seldom exactly so as seconds.
    let milliseconds = (seconds * 1000.0).round();
    // The bounds are the first floats beyond those of i64.
    let fits =
        milliseconds.is_finite() && (-9.223_372_036_854_775e18..9.223_372_036_854_775e18).contains(&milliseconds);
    fits.then_some(milliseconds as i64)
}

/// `1.0` for `1`; what is no number stays as it is.
pub fn normalized<'a>(text: Cow<'a, str>) -> Cow<'a, str> {
    if is_normal(&text) {
        return text;
    }
    match float(&text) {
        Some(value) => Cow::Owned(open_metrics(value)),
        None => text,
    }
}

/// Whether a text is certainly in that form; most are.
fn is_normal(text: &str) -> bool {
    if text == "+Inf" {
        return true;
    }
    let Some((whole, fraction)) = text.split_once('.') else { return false };
    let are_digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    are_digits(whole)
        && are_digits(fraction)
        && whole.len() <= 6
        && fraction.len() <= 9
        && (whole == "0" || !whole.starts_with('0'))
        && (fraction == "0" || !fraction.ends_with('0'))
        && !(whole == "0" && fraction.starts_with("0000"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_are_those_of_go() {
        for (text, value) in
            [("1", 1.0), ("-3e3", -3e3), (".5", 0.5), ("5.", 5.0), ("+Inf", f64::INFINITY), ("-inf", f64::NEG_INFINITY)]
        {
            assert_eq!(float(text), Some(value), "{text}");
        }
        assert!(float("NaN").is_some_and(|value| value.to_bits() == f64::NAN.to_bits()));
        for text in ["", "x", "1_000", "0x1p3", "1e999", "-1e999", "+NaN", "1 ", "1e"] {
            assert_eq!(float(text), None, "{text}");
        }
        assert_eq!(float("Infinity"), Some(f64::INFINITY));
    }

    #[test]
    fn times_are_milliseconds() {
        assert_eq!(milliseconds(1.5), Some(1500));
        assert_eq!(milliseconds(-1.0), Some(-1000));
        assert_eq!(milliseconds(f64::NAN), None);
        assert_eq!(milliseconds(1e300), None);
    }

    #[test]
    fn bounds_have_one_form() {
        for (text, expected) in [
            ("1", "1.0"),
            ("0.10", "0.1"),
            ("00.5", "0.5"),
            ("1e6", "1e+06"),
            ("0.00001", "1e-05"),
            ("1000000.0", "1e+06"),
            ("inf", "+Inf"),
            ("x", "x"),
            ("", ""),
        ] {
            assert_eq!(normalized(text.into()), expected);
        }
        for value in [0.0, 0.1, 1.0, 12.5, 0.0001, 0.00012, 123456.5, 999999.0, 1e6, 1e-5, f64::INFINITY] {
            let text = open_metrics(value);
            assert_eq!(normalized(text.as_str().into()), text);
        }
    }
}
