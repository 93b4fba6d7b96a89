//! `quantile_over_time`, which needs all values.

use std::cmp::Ordering;

use trefoil_promql::error::EvalError;

use super::summary::Values;
use super::windows::Windows;

/// The quantile of each window from `first` on that has values.
pub(super) fn of_windows(
    quantile: f64,
    pieces: &[Values],
    windows: &Windows,
    first: usize,
    check: &dyn Fn() -> Result<(), EvalError>,
    take: &mut dyn FnMut(usize, f64),
) -> Result<(), EvalError> {
    let mut scratch = Vec::new();
    for window in first..windows.count() {
        if let Some(value) = of_window(quantile, pieces, windows, window, &mut scratch) {
            check()?;
            take(window, value);
        }
    }
    Ok(())
}

/// The quantile of a window, if it has values. `scratch`: memory.
pub(super) fn of_window(
    quantile: f64,
    pieces: &[Values],
    windows: &Windows,
    window: usize,
    scratch: &mut Vec<f64>,
) -> Option<f64> {
    let (from, behind) = windows.pieces_of(window);
    scratch.clear();
    let of_window = pieces.get(from..behind.min(pieces.len())).unwrap_or_default();
    of_window.iter().for_each(|piece| scratch.extend_from_slice(&piece.0));
    (!scratch.is_empty()).then(|| of(quantile, scratch))
}

/// The quantile of at least one value, interpolated between the two next to it as Prometheus does. NaN is less than all.
fn of(quantile: f64, values: &mut [f64]) -> f64 {
    if quantile.is_nan() || values.is_empty() {
        return f64::NAN;
    }
    if quantile < 0.0 {
        return f64::NEG_INFINITY;
    }
    if quantile > 1.0 {
        return f64::INFINITY;
    }
    let rank = quantile * (values.len() - 1) as f64;
    let (lower, weight) = (rank.floor() as usize, rank - rank.floor());
    let (_, below, above) = values.select_nth_unstable_by(lower, ascending);
    let below = *below;
    if weight == 0.0 {
        return below;
    }
    let above = above.iter().copied().min_by(ascending).unwrap_or(below);
    below * (1.0 - weight) + above * weight
}

fn ascending(a: &f64, b: &f64) -> Ordering {
    b.is_nan().cmp(&a.is_nan()).then(a.partial_cmp(b).unwrap_or(Ordering::Equal))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_interpolated() {
        for (quantile, values, expected) in [
            (0.5, vec![3.0, 1.0], 2.0),
            (0.0, vec![2.0, 1.0], 1.0),
            (1.0, vec![2.0, 1.0], 2.0),
            (0.25, vec![4.0, 1.0, 3.0, 2.0, 5.0], 2.0),
            (0.9, vec![1.0, 2.0, 3.0, 4.0], 3.7),
            (0.75, vec![f64::NAN, 4.0, 2.0], 3.0),
            (-0.1, vec![1.0], f64::NEG_INFINITY),
            (1.1, vec![1.0], f64::INFINITY),
            (0.5, vec![7.0], 7.0),
        ] {
            let found = of(quantile, &mut values.clone());
            assert!((found - expected).abs() < 1e-9 || found == expected, "{quantile} of {values:?}: {found}");
        }
        assert!(of(f64::NAN, &mut [1.0]).is_nan() && of(0.0, &mut [1.0, f64::NAN]).is_nan());
    }
}
