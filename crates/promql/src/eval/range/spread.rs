//! Quantiles and deviations over time.

use super::scope::Scope;
use super::window::Window;
use crate::eval::aggregate::quantile_of;
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
