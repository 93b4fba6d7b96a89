//! Floats as text, as Go writes them: they stand in labels, errors and annotations, where clients compare them.

/// The shortest digits that read back as the same float, with an exponent below 1e-4 and from 1e6 or more (`%g`).
pub fn general(value: f64) -> String {
    special(value).unwrap_or_else(|| arrange(&format!("{value:e}"), SHORTEST_EXPONENT))
}

/// So many significant digits at most, without zeros at the end (`%.2g`).
pub fn general_with(value: f64, digits: usize) -> String {
    let digits = digits.max(1);
    special(value).unwrap_or_else(|| arrange(&format!("{:.*e}", digits - 1, value), digits as i32))
}

/// The shortest digits that read back as the same float, never with an exponent (`'f', -1`).
pub fn decimal(value: f64) -> String {
    special(value).unwrap_or_else(|| format!("{value}"))
}

/// As [`general`], but always recognisable as a float: `1.0`.
pub fn open_metrics(value: f64) -> String {
    // Both zeros.
    if value == 0.0 {
        return "0.0".to_owned();
    }
    let text = general(value);
    match value.is_finite() && !text.contains(['.', 'e']) {
        true => text + ".0",
        false => text,
    }
}

/// From this exponent on the shortest form shows it.
const SHORTEST_EXPONENT: i32 = 6;

fn special(value: f64) -> Option<String> {
    let text = match value {
        _ if value.is_nan() => "NaN",
        f64::INFINITY => "+Inf",
        f64::NEG_INFINITY => "-Inf",
        _ => return None,
    };
    Some(text.to_owned())
}

/// `-1.25e3` with an exponent where it is small or not below `largest`, else as a plain decimal.
fn arrange(scientific: &str, largest: i32) -> String {
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let (sign, mantissa) = match mantissa.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", mantissa),
    };
    let digits: String = mantissa.chars().filter(char::is_ascii_digit).collect();
    let digits = match digits.trim_end_matches('0') {
        "" => "0",
        digits => digits,
    };
    if exponent < -4 || exponent >= largest {
        let (first, rest) = digits.split_at(1);
        let point = if rest.is_empty() { "" } else { "." };
        let direction = if exponent < 0 { '-' } else { '+' };
        return format!("{sign}{first}{point}{rest}e{direction}{:02}", exponent.abs());
    }
    if exponent < 0 {
        let zeros = "0".repeat(exponent.unsigned_abs() as usize - 1);
        return format!("{sign}0.{zeros}{digits}");
    }
    let whole = exponent as usize + 1;
    if digits.len() <= whole {
        return format!("{sign}{digits}{}", "0".repeat(whole - digits.len()));
    }
    let (whole, rest) = digits.split_at(whole);
    format!("{sign}{whole}.{rest}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_are_written_as_go_writes_them() {
        for (value, shortest, plain, metric) in [
            (0.0, "0", "0", "0.0"),
            (1.0, "1", "1", "1.0"),
            (-1.1, "-1.1", "-1.1", "-1.1"),
            (0.99, "0.99", "0.99", "0.99"),
            (123456.0, "123456", "123456", "123456.0"),
            (1234567.0, "1.234567e+06", "1234567", "1.234567e+06"),
            (1e6, "1e+06", "1000000", "1e+06"),
            (1e-4, "0.0001", "0.0001", "0.0001"),
            (2.5e-5, "2.5e-05", "0.000025", "2.5e-05"),
            (-1e100, "-1e+100", &format!("-1{}", "0".repeat(100)), "-1e+100"),
            (f64::NAN, "NaN", "NaN", "NaN"),
            (f64::NEG_INFINITY, "-Inf", "-Inf", "-Inf"),
        ] {
            assert_eq!(
                (general(value), decimal(value), open_metrics(value)),
                (shortest.into(), plain.into(), metric.into())
            );
        }
        for (value, expected) in [(5.0, "5"), (10.0, "10"), (99.6, "1e+02"), (0.1234, "0.12"), (1234.0, "1.2e+03")] {
            assert_eq!(general_with(value, 2), expected);
        }
    }
}
