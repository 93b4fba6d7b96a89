//! `addf` and its like, which sprig reckons in decimals: a tenth and two tenths are three tenths.

/// What is done with two numbers.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Operation {
    Add,
    Sub,
    Mul,
    Div,
}

/// `digits × 10^exponent`
#[derive(Debug, Clone, Copy)]
struct Decimal {
    digits: i128,
    exponent: i32,
}

/// Digits of a quotient behind the point.
const PRECISION: i32 = 16;

/// A quotient with more digits than this one has enough of them for any float.
const ENOUGH: u128 = 10_u128.pow(36);

/// One operation after the other. Numbers too long for 38 digits are reckoned as floats.
pub(crate) fn calculate(first: f64, others: &[f64], operation: Operation) -> Result<f64, String> {
    let mut exact = decimal(first)?;
    let mut float = first;
    for other in others {
        let decimal = decimal(*other)?;
        if matches!(operation, Operation::Div) && *other == 0.0 {
            return Err("decimal division by 0".to_owned());
        }
        exact = exact.zip(decimal).and_then(|(one, other)| applied(one, other, operation));
        float = match operation {
            Operation::Add => float + other,
            Operation::Sub => float - other,
            Operation::Mul => float * other,
            Operation::Div => float / other,
        };
    }
    let written = exact.map(|Decimal { digits, exponent }| format!("{digits}e{exponent}"));
    Ok(written.and_then(|text| text.parse().ok()).unwrap_or(float))
}

/// By its shortest digits. `None`: it has too many.
fn decimal(value: f64) -> Result<Option<Decimal>, String> {
    if !value.is_finite() {
        return Err(format!("Cannot create a Decimal from {}", trefoil_go::number::general(value)));
    }
    let text = format!("{value:e}");
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let fraction = mantissa.split_once('.').map_or(0, |(_, fraction)| fraction.len());
    let digits = mantissa.replace('.', "").parse::<i128>();
    let exponent = exponent.parse::<i32>().map(|exponent| exponent - fraction as i32);
    Ok(digits.ok().zip(exponent.ok()).map(|(digits, exponent)| Decimal { digits, exponent }))
}

fn applied(one: Decimal, other: Decimal, operation: Operation) -> Option<Decimal> {
    match operation {
        Operation::Add | Operation::Sub => {
            let exponent = one.exponent.min(other.exponent);
            let (one, other) = (one.shifted(exponent)?, other.shifted(exponent)?);
            let digits = match operation {
                Operation::Add => one.checked_add(other)?,
                _ => one.checked_sub(other)?,
            };
            Some(Decimal { digits, exponent })
        }
        Operation::Mul => {
            let digits = one.digits.checked_mul(other.digits)?;
            Some(Decimal { digits, exponent: one.exponent.checked_add(other.exponent)? })
        }
        Operation::Div => {
            let shift = PRECISION + one.exponent - other.exponent;
            // What is divided by more than 38 digits is less than the precision shows.
            let (dividend, divisor) = match power_of_ten((-shift).max(0)) {
                Some(power) => match other.digits.checked_mul(power) {
                    Some(divisor) => (one.digits, divisor),
                    None => (0, 1),
                },
                None => (0, 1),
            };
            divided(dividend, divisor, shift.max(0))
        }
    }
}

/// Rounded to the precision, with so many digits to come as the shift says; no more than fit.
fn divided(dividend: i128, divisor: i128, shift: i32) -> Option<Decimal> {
    let (mut quotient, mut rest) = (dividend.checked_div(divisor)?, dividend.checked_rem(divisor)?);
    let mut exponent = shift - PRECISION;
    while exponent > -PRECISION && quotient.unsigned_abs() < ENOUGH {
        let next = rest.checked_mul(10)?;
        quotient = quotient * 10 + next / divisor;
        rest = next % divisor;
        exponent -= 1;
    }
    let up = rest.unsigned_abs() >= divisor.unsigned_abs() - rest.unsigned_abs();
    let direction = dividend.signum() * divisor.signum();
    let digits = if up && rest != 0 { quotient.checked_add(direction)? } else { quotient };
    Some(Decimal { digits, exponent })
}

impl Decimal {
    /// Its digits with another, not larger exponent.
    fn shifted(self, exponent: i32) -> Option<i128> {
        self.digits.checked_mul(power_of_ten(self.exponent - exponent)?)
    }
}

fn power_of_ten(exponent: i32) -> Option<i128> {
    10_i128.checked_pow(exponent.try_into().ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_are_exact() {
        for (first, others, operation, expected) in [
            (0.1, &[0.2][..], Operation::Add, 0.3),
            (1.1, &[2.2, 3.3], Operation::Add, 6.6),
            (0.3, &[0.1], Operation::Sub, 0.2),
            (1.1, &[1.1], Operation::Mul, 1.21),
            (1.0, &[3.0], Operation::Div, 0.333_333_333_333_333_3),
            (2.0, &[3.0], Operation::Div, 0.666_666_666_666_666_7),
            (-2.0, &[3.0], Operation::Div, -0.666_666_666_666_666_7),
            (1e300, &[1e-300], Operation::Add, 1e300),
            (1e200, &[1e200], Operation::Div, 1.0),
            (1e300, &[1e10], Operation::Mul, f64::INFINITY),
            (5.0, &[], Operation::Add, 5.0),
            (-694.0, &[3.268430478750004e-6], Operation::Div, -2.1233433126759273e8),
            (639.7, &[5.852371151372977e-128], Operation::Div, 1.0930612284388785e130),
            (5.0, &[3e100], Operation::Div, 0.0),
            (5.0, &[3e16], Operation::Div, 2e-16),
        ] {
            assert_eq!(calculate(first, others, operation), Ok(expected), "{first} {others:?} {operation:?}");
        }
        assert!(calculate(1.0, &[0.0], Operation::Div).is_err());
        assert!(calculate(f64::NAN, &[], Operation::Add).is_err());
    }
}
