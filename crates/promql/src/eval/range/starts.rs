//! What start times say about counters.

use super::window::Track;

/// Whether counting began anew between two neighbouring samples, by when it began for each of them (0: unknown).
pub(super) fn is_reset(before_start: i64, before: i64, start: i64, time: i64) -> bool {
    // A start that is not before its sample says nothing: it is wrong, or OpenTelemetry's way to say "unknown".
    if start == 0 || start >= time || start < before {
        return false;
    }
    if start > before {
        return true;
    }
    // It began with the sample before: deltas do that, but so do counters of which the first start was unknown.
    before_start != 0 && before_start < before
}

/// Whether counting claims to have begun in the midst of what the sample before had counted.
pub(super) fn overlaps(before_start: i64, before: i64, start: i64) -> bool {
    start != 0 && start < before && start != before_start
}

/// Where a counter was reset: the places of the samples after.
pub(super) fn float_resets(track: &Track<f64>) -> Vec<usize> {
    if track.starts.is_empty() && !falls(&track.values) {
        return Vec::new();
    }
    let reset = |index: &usize| {
        let index = *index;
        track.values[index] < track.values[index - 1]
            || track.starts.get(index).is_some_and(|start| {
                is_reset(track.starts[index - 1], track.times[index - 1], *start, track.times[index])
            })
    };
    (1..track.values.len()).filter(reset).collect()
}

/// Whether any value is less than the one before. Without a way out early, so that many are compared at once.
fn falls(values: &[f64]) -> bool {
    let later = values.get(1..).unwrap_or_default();
    values.iter().zip(later).fold(false, |falls, (before, after)| falls | (after < before))
}

/// Where a start time overlaps the sample before: the places of the samples after.
pub(super) fn start_overlaps<T>(track: &Track<T>) -> Vec<usize> {
    let overlap = |index: &usize| overlaps(track.starts[*index - 1], track.times[*index - 1], track.starts[*index]);
    (1..track.starts.len()).filter(overlap).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn start_times_tell_of_resets() {
        for (before_start, before, start, time, expected) in [
            (1, 10, 0, 20, false),
            (1, 10, 1, 20, false),
            (1, 10, 15, 20, true),
            (1, 10, 20, 20, false),
            (1, 10, 25, 20, false),
            // Deltas, and a counter whose first start was unknown.
            (1, 10, 10, 20, true),
            (0, 10, 10, 20, false),
            (10, 10, 10, 20, false),
            (11, 10, 10, 20, false),
        ] {
            assert_eq!(is_reset(before_start, before, start, time), expected, "{before_start} {before} {start} {time}");
        }
        assert!(overlaps(1, 10, 5) && !overlaps(5, 10, 5) && !overlaps(1, 10, 10) && !overlaps(1, 10, 0));
    }
}
