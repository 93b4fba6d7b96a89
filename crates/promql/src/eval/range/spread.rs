//! Quantiles and deviations over time.

use super::scope::Scope;
use super::window::Window;
use crate::histogram::Kahan;

pub(super) fn quantile(scope: &Scope<'_>, window: &Window<'_>, quantile: f64) -> Option<f64> {
    if window.floats.is_empty() {
        return None;
    }
    if !(0.0..=1.0).contains(&quantile) {
        scope.notes.quantile_out_of_range(quantile);
    }
    scope.say_ignored_histograms(window);
    Some(quantile_of(quantile, &mut window.floats.values.to_vec()))
}

/// The median of the distances from the median.
pub(super) fn median_absolute_deviation(scope: &Scope<'_>, window: &Window<'_>) -> Option<f64> {
    if window.floats.is_empty() {
        return None;
    }
    scope.say_ignored_histograms(window);
    let mut values = window.floats.values.to_vec();
    if values.iter().any(|value| value.is_nan()) {
        return Some(f64::NAN);
    }
    let median = quantile_of(0.5, &mut values);
    for value in &mut values {
        *value = (*value - median).abs();
    }
    Some(quantile_of(0.5, &mut values))
}

/// Between the two values next to it in proportion; NaN counts as the least. Sorts the values.
pub(super) fn quantile_of(quantile: f64, values: &mut [f64]) -> f64 {
    if values.is_empty() || quantile.is_nan() {
        return f64::NAN;
    }
    if quantile < 0.0 {
        return f64::NEG_INFINITY;
    }
    if quantile > 1.0 {
        return f64::INFINITY;
    }
    values.sort_unstable_by(|a, b| {
        b.is_nan().cmp(&a.is_nan()).then(a.partial_cmp(b).unwrap_or(std::cmp::Ordering::Equal))
    });
    let rank = quantile * (values.len() - 1) as f64;
    let lower = (rank.floor() as usize).min(values.len() - 1);
    let upper = (lower + 1).min(values.len() - 1);
    let weight = rank - rank.floor();
    values[lower] * (1.0 - weight) + values[upper] * weight
}

pub(super) fn standard_deviation(scope: &Scope<'_>, window: &Window<'_>) -> Option<f64> {
    variance(scope, window).map(f64::sqrt)
}

/// Of the whole window, not of a sample of something larger (Welford's algorithm).
pub(super) fn variance(scope: &Scope<'_>, window: &Window<'_>) -> Option<f64> {
    if window.floats.is_empty() {
        return None;
    }
    scope.say_ignored_histograms(window);
    let (mut count, mut mean, mut squares) = (0.0, Kahan::default(), Kahan::default());
    for value in window.floats.values {
        count += 1.0;
        let distance = value - mean.total();
        mean.add(distance / count);
        squares.add(distance * (value - mean.total()));
    }
    Some(squares.total() / count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_lie_between_values() {
        let values = [3.0, f64::NAN, 1.0, 2.0];
        for (quantile, expected) in [(1.0, 3.0), (0.5, 1.5), (2.0, f64::INFINITY), (-0.1, f64::NEG_INFINITY)] {
            assert_eq!(quantile_of(quantile, &mut values.to_vec()), expected, "{quantile}");
        }
        assert!(quantile_of(0.0, &mut values.to_vec()).is_nan() && quantile_of(f64::NAN, &mut [1.0]).is_nan());
    }
}
