//! `deriv`, `predict_linear` and `double_exponential_smoothing`.

use super::scope::Scope;
use super::window::{View, Window};
use crate::error::EvalError;
use crate::histogram::Kahan;

/// By second.
pub(super) fn derivative(scope: &Scope<'_>, window: &Window<'_>) -> Option<f64> {
    let floats = at_least_two(scope, window)?;
    // Times relative to one of them: as numbers they are so large that they would cost precision.
    Some(regression(floats, *floats.times.first()?).slope)
}

/// The value `seconds` after the step.
pub(super) fn predicted(scope: &Scope<'_>, window: &Window<'_>, seconds: f64) -> Option<f64> {
    let Line { slope, intercept } = regression(at_least_two(scope, window)?, window.time);
    Some(slope * seconds + intercept)
}

fn at_least_two<'a>(scope: &Scope<'_>, window: &Window<'a>) -> Option<View<'a, f64>> {
    if !window.floats.is_empty() {
        scope.say_ignored_histograms(window);
    }
    (window.floats.len() >= 2).then_some(window.floats)
}

#[derive(Debug, PartialEq)]
struct Line {
    slope: f64,
    intercept: f64,
}

/// Least squares; the intercept is the value at the time `origin`.
fn regression(floats: View<'_, f64>, origin: i64) -> Line {
    let first = floats.values.first().copied().unwrap_or(f64::NAN);
    if floats.values.iter().skip(1).all(|value| *value == first) {
        let is_finite = !first.is_infinite();
        return Line {
            slope: if is_finite { 0.0 } else { f64::NAN },
            intercept: if is_finite { first } else { f64::NAN },
        };
    }
    let [mut x, mut y, mut xy, mut xx] = [Kahan::default(); 4];
    for (time, value) in floats.times.iter().zip(floats.values) {
        let seconds = (time - origin) as f64 / 1e3;
        x.add(seconds);
        y.add(*value);
        xy.add(seconds * value);
        xx.add(seconds * seconds);
    }
    let count = floats.len() as f64;
    let [x, y, xy, xx] = [x.total(), y.total(), xy.total(), xx.total()];
    let slope = (xy - x * y / count) / (xx - x * x / count);
    Line { slope, intercept: y / count - slope * x / count }
}

/// Holt's linear method; fails where a factor is not between 0 and 1.
pub(super) fn smoothed(
    scope: &Scope<'_>,
    window: &Window<'_>,
    smoothing: f64,
    trend: f64,
) -> Result<Option<f64>, EvalError> {
    // NaN is let through, as it is by Prometheus.
    let check = |name: &str, short: &str, factor: f64| match factor <= 0.0 || factor >= 1.0 {
        false => Ok(()),
        true => {
            let message = format!("invalid {name} factor. Expected: 0 < {short} < 1, got: {factor:.6}");
            Err(EvalError::Execution(message))
        }
    };
    check("smoothing", "sf", smoothing)?;
    check("trend", "tf", trend)?;
    let Some(View { values: [first, second, others @ ..], .. }) = at_least_two(scope, window) else { return Ok(None) };
    let mut slope = second - first;
    let (mut before, mut now) = (*first, smoothing * second + (1.0 - smoothing) * (first + slope));
    for value in others {
        slope = trend * (now - before) + (1.0 - trend) * slope;
        (before, now) = (now, smoothing * value + (1.0 - smoothing) * (now + slope));
    }
    Ok(Some(now))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(values: &[f64]) -> Line {
        regression(View { first: 0, times: &[1_000, 2_000, 3_000], values, starts: &[] }, 3_000)
    }

    #[test]
    fn lines_fit() {
        assert_eq!(line(&[1.0, 3.0, 5.0]), Line { slope: 2.0, intercept: 5.0 });
        assert_eq!(line(&[7.0, 7.0, 7.0]), Line { slope: 0.0, intercept: 7.0 });
        assert!(line(&[f64::INFINITY; 3]).slope.is_nan());
        assert!(line(&[f64::NAN; 3]).intercept.is_nan());
    }
}
