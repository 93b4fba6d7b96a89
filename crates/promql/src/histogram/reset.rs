//! Finding out that a counter began anew.

use super::cells::{Cell, cells, coarsen};
use super::custom::{Mapped, common_bounds, same_bounds};
use super::kahan::Kahan;
use super::zero::beyond;
use super::{CounterResetHint, FloatHistogram};

/// Some bucket held more before.
fn any_lower(now: impl Iterator<Item = Cell<f64>>, before: impl Iterator<Item = Cell<f64>>) -> bool {
    let mut now = now.peekable();
    for (index, count) in before {
        while now.next_if(|(other, _)| *other < index).is_some() {}
        // A bucket that is not there any more only matters if it held anything.
        let lower = match now.peek() {
            Some((other, left)) if *other == index => *left < count,
            _ => count != 0.0,
        };
        if lower {
            return true;
        }
    }
    false
}

impl FloatHistogram {
    /// Between `previous` and this one the counter was reset: any count is lower than it was (the sum may be anything), or
    /// the layout changed as it never does without a reset, which is to a higher resolution, to a narrower zero bucket, to
    /// one that ends within what was a populated bucket, or between exponential and custom. What the histogram says of it
    /// goes first, except that a gauge is looked at as if it were a counter.
    pub fn detect_reset(&self, previous: &Self) -> bool {
        match self.counter_reset_hint {
            CounterResetHint::CounterReset => return true,
            CounterResetHint::NotCounterReset => return false,
            CounterResetHint::Unknown | CounterResetHint::Gauge => {}
        }
        if self.count < previous.count || self.uses_custom_buckets() != previous.uses_custom_buckets() {
            return true;
        }
        if self.uses_custom_buckets() {
            return self.detect_custom_reset(previous);
        }
        if self.schema > previous.schema || self.zero_threshold < previous.zero_threshold {
            return true;
        }
        let (zero, threshold) = previous.zero_count_within(self.zero_threshold, None);
        if threshold != self.zero_threshold || self.zero_count < zero.sum {
            return true;
        }
        let levels = previous.schema.abs_diff(self.schema);
        let lower = |now, before| {
            let before = coarsen(beyond(before, previous.schema, threshold), levels, |a, b| a + b);
            any_lower(beyond(now, self.schema, threshold), before.into_iter())
        };
        lower(
            cells(&self.positive_spans, &self.positive_buckets),
            cells(&previous.positive_spans, &previous.positive_buckets),
        ) || lower(
            cells(&self.negative_spans, &self.negative_buckets),
            cells(&previous.negative_spans, &previous.negative_buckets),
        )
    }

    fn detect_custom_reset(&self, previous: &Self) -> bool {
        let now = cells(&self.positive_spans, &self.positive_buckets);
        let before = cells(&previous.positive_spans, &previous.positive_buckets);
        if same_bounds(&self.custom_values, &previous.custom_values) {
            return any_lower(now, before);
        }
        let common = common_bounds(&self.custom_values, &previous.custom_values);
        let map = |(index, sum)| (index, Kahan { sum, compensation: 0.0 });
        let (mut mapped, mut mapped_before) = (Mapped::onto(&common), Mapped::onto(&common));
        mapped.add(now.map(map), &self.custom_values);
        mapped_before.add(before.map(map), &previous.custom_values);
        mapped.counts().zip(mapped_before.counts()).any(|(now, before)| now < before)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resets_are_found() {
        let parse = |text: &str| FloatHistogram::parse(text).unwrap().histogram;
        for (previous, now, reset) in [
            ("{{}}", "{{}}", false),
            ("{{count:5}}", "{{count:4}}", true),
            ("{{count:5 sum:7}}", "{{count:5 sum:-3}}", false),
            ("{{count:5}}", "{{count:9 counter_reset_hint:reset}}", true),
            ("{{count:5}}", "{{count:4 counter_reset_hint:not_reset}}", false),
            ("{{count:5}}", "{{count:4 counter_reset_hint:gauge}}", true),
            ("{{count:5 counter_reset_hint:reset}}", "{{count:5}}", false),
            ("{{buckets:[1 2]}}", "{{count:9 buckets:[2 1]}}", true),
            ("{{buckets:[1 2]}}", "{{count:9 buckets:[1 2 3]}}", false),
            ("{{buckets:[1 2]}}", "{{count:9 offset:1 buckets:[2]}}", true),
            ("{{buckets:[0 2]}}", "{{count:9 offset:1 buckets:[2]}}", false),
            ("{{buckets:[1 2]}}", "{{count:9 buckets:[1]}}", true),
            ("{{buckets:[1 0]}}", "{{count:9 buckets:[1]}}", false),
            ("{{n_buckets:[1 2]}}", "{{count:9 n_buckets:[1 1]}}", true),
            // Resolution.
            ("{{buckets:[1 2]}}", "{{schema:1 buckets:[9 9 9 9]}}", true),
            ("{{schema:1 offset:1 buckets:[1 2]}}", "{{offset:1 buckets:[3]}}", false),
            ("{{schema:1 offset:1 buckets:[1 2]}}", "{{offset:1 buckets:[2]}}", true),
            // Zero buckets.
            ("{{z_bucket:3 z_bucket_w:1}}", "{{z_bucket:2 z_bucket_w:1}}", true),
            ("{{z_bucket:3 z_bucket_w:1}}", "{{z_bucket:3 z_bucket_w:0.5}}", true),
            ("{{z_bucket:3 z_bucket_w:0.5 buckets:[1]}}", "{{z_bucket:4 z_bucket_w:1}}", false),
            ("{{z_bucket:3 z_bucket_w:0.5 buckets:[1]}}", "{{z_bucket:3 z_bucket_w:1}}", true),
            ("{{z_bucket:3 z_bucket_w:0.5 buckets:[1]}}", "{{z_bucket:9 z_bucket_w:0.75}}", true),
            // Custom buckets.
            ("{{buckets:[1]}}", "{{schema:-53 custom_values:[1] buckets:[1]}}", true),
            ("{{schema:-53 custom_values:[1] buckets:[1]}}", "{{buckets:[1]}}", true),
            ("{{schema:-53 custom_values:[1] buckets:[1]}}", "{{schema:-53 custom_values:[1] buckets:[1 1]}}", false),
            ("{{schema:-53 custom_values:[1] buckets:[1 1]}}", "{{schema:-53 custom_values:[1] buckets:[1]}}", true),
            (
                "{{schema:-53 custom_values:[1 2 3] buckets:[1 1 1 1]}}",
                "{{schema:-53 custom_values:[2 4] buckets:[2 1 1]}}",
                false,
            ),
            (
                "{{schema:-53 custom_values:[1 2 3] buckets:[1 1 1 1]}}",
                "{{schema:-53 custom_values:[2 4] buckets:[1 2 2]}}",
                true,
            ),
        ] {
            assert_eq!(parse(now).detect_reset(&parse(previous)), reset, "{previous}, then {now}");
        }
    }
}
