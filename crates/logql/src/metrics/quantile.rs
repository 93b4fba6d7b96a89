//! `quantile_over_time`, which needs all values.

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
    let (_, below, above) = values.select_nth_unstable_by_key(lower, place);
    let below = *below;
    if weight == 0.0 {
        return below;
    }
    let above = above.iter().copied().min_by_key(place).unwrap_or(below);
    below * (1.0 - weight) + above * weight
}

/// A number that stands among others as the value does, which is faster to compare (the order of [`f64::total_cmp`], but for NaN).
fn place(value: &f64) -> i64 {
    let bits = value.to_bits() as i64;
    if value.is_nan() { i64::MIN } else { bits ^ ((bits >> 63) as u64 >> 1) as i64 }
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
        let ascending = [f64::NAN, f64::NEG_INFINITY, -2.0, -1e-300, 0.0, 1e-300, 1.0, 2.5, f64::INFINITY];
        assert!(ascending.is_sorted_by_key(place));
        assert!(of(f64::NAN, &mut [1.0]).is_nan() && of(0.0, &mut [1.0, f64::NAN]).is_nan());
    }
}
