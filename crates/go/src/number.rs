//! Floats as text, as Go writes them: they stand in labels, errors and annotations, where clients compare them.

/// The shortest digits that read back as the same float, with an exponent below 1e-4 and from 1e6 or more (`%g`).
pub fn general(value: f64) -> String {
    match value.abs() {
        0.0 | 1e-4..1e6 => decimal(value),
        _ => special(value).unwrap_or_else(|| Digits::shortest(value).written(SHORTEST_EXPONENT)),
    }
}

/// So many significant digits at most, without zeros at the end (`%.2g`).
pub fn general_with(value: f64, digits: usize) -> String {
    let digits = digits.max(1);
    special(value).unwrap_or_else(|| Digits::of(&format!("{:.*e}", digits - 1, value)).written(digits as i32))
}

/// The shortest digits that read back as the same float, never with an exponent (`'f', -1`).
pub fn decimal(value: f64) -> String {
    if let Some(text) = special(value) {
        return text;
    }
    let mut buffer = ryu::Buffer::new();
    // Answers are full of numbers, nearly all of which are written so already.
    match buffer.format_finite(value) {
        text if text.contains('e') => Digits::of(text).plain(),
        text => text.strip_suffix(".0").unwrap_or(text).to_owned(),
    }
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

/// `digits[0].digits[1..] × 10^exponent`, without zeros at the end.
struct Digits {
    sign: &'static str,
    digits: String,
    exponent: i32,
}

impl Digits {
    /// The shortest that read back as the same finite float, of those the nearest, of two as near the even ones. The standard
    /// library has the upper ones then: -81267963200670.63 for Go's -81267963200670.62.
    fn shortest(value: f64) -> Digits {
        Digits::of(ryu::Buffer::new().format_finite(value))
    }

    /// Of `-12.50` or `-1.25e1`.
    fn of(text: &str) -> Digits {
        let (mantissa, exponent) = text.split_once('e').unwrap_or((text, "0"));
        let exponent: i32 = exponent.parse().unwrap_or(0);
        let (sign, mantissa) = mantissa.strip_prefix('-').map_or(("", mantissa), |rest| ("-", rest));
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let all = format!("{whole}{fraction}");
        let significant = all.trim_start_matches('0');
        if significant.is_empty() {
            return Digits { sign, digits: "0".to_owned(), exponent: 0 };
        }
        let zeros = all.len() - significant.len();
        let exponent = exponent + whole.len() as i32 - 1 - zeros as i32;
        Digits { sign, digits: significant.trim_end_matches('0').to_owned(), exponent }
    }

    /// With an exponent where it is below -4 or not below `largest`.
    fn written(&self, largest: i32) -> String {
        if (-4..largest).contains(&self.exponent) {
            return self.plain();
        }
        let (first, rest) = self.digits.split_at(1);
        let point = if rest.is_empty() { "" } else { "." };
        let direction = if self.exponent < 0 { '-' } else { '+' };
        format!("{}{first}{point}{rest}e{direction}{:02}", self.sign, self.exponent.abs())
    }

    fn plain(&self) -> String {
        let Digits { sign, digits, exponent } = self;
        if *exponent < 0 {
            let zeros = "0".repeat(exponent.unsigned_abs() as usize - 1);
            return format!("{sign}0.{zeros}{digits}");
        }
        let whole = *exponent as usize + 1;
        if digits.len() <= whole {
            return format!("{sign}{digits}{}", "0".repeat(whole - digits.len()));
        }
        let (whole, fraction) = digits.split_at(whole);
        format!("{sign}{whole}.{fraction}")
    }
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
            (-0.0, "-0", "-0", "0.0"),
            (1e-300, "1e-300", &format!("0.{}1", "0".repeat(299)), "1e-300"),
            (
                f64::MAX,
                "1.7976931348623157e+308",
                &format!("17976931348623157{}", "0".repeat(292)),
                "1.7976931348623157e+308",
            ),
            (f64::from_bits(1), "5e-324", &format!("0.{}5", "0".repeat(323)), "5e-324"),
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

    // Written out, since they are about what lies between two shorter ones.
    #[allow(clippy::excessive_precision)]
    #[test]
    fn of_two_that_are_as_near_the_even_is_written() {
        for (value, expected) in [
            (-81_267_963_200_670.625, "-81267963200670.62"),
            (81_267_963_200_670.375, "81267963200670.38"),
            (1_125_899_906_842_624.25, "1125899906842624.2"),
            (1_125_899_906_842_624.75, "1125899906842624.8"),
            (9_007_199_254_740_993e3, "9007199254740993000"),
        ] {
            assert_eq!(decimal(value), expected);
        }
    }
}
