//! Reducing resolution.

use super::cells::{cells, coarsen, to_spans};
use super::{CounterResetHint, FloatHistogram, Span};

/// The buckets of one sign in a schema that is lower by `levels`.
pub(super) fn coarser_side(spans: &[Span], counts: &[f64], levels: u32) -> (Vec<Span>, Vec<f64>) {
    to_spans(coarsen(cells(spans, counts), levels, |a, b| a + b))
}

impl FloatHistogram {
    /// Merges buckets so that the schema is `target`, which is no higher than it is now. Custom buckets, or a higher target,
    /// leave the histogram as it is: no resolution can be gained.
    pub fn reduce_resolution(&mut self, target: i32) {
        if self.uses_custom_buckets() || target >= self.schema {
            return;
        }
        let levels = self.schema.abs_diff(target);
        (self.positive_spans, self.positive_buckets) =
            coarser_side(&self.positive_spans, &self.positive_buckets, levels);
        (self.negative_spans, self.negative_buckets) =
            coarser_side(&self.negative_spans, &self.negative_buckets, levels);
        self.schema = target;
    }

    /// A copy of resolution `target`, likewise. Where buckets are merged, what the copy says of counter resets is unknown.
    pub fn copy_to_schema(&self, target: i32) -> Self {
        let mut copy = self.clone();
        copy.reduce_resolution(target);
        if copy.schema != self.schema {
            copy.counter_reset_hint = CounterResetHint::Unknown;
        }
        copy
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_merge_into_wider_ones() {
        for (from, target, expected) in [
            (
                "{{schema:0 count:8 buckets:[1 2 3 4] n_buckets:[4 3 2 1]}}",
                -1,
                "{{schema:-1 count:8 buckets:[1 5 4] n_buckets:[4 5 1]}}",
            ),
            ("{{schema:1 offset:-5 buckets:[1 2 3 4 5]}}", 0, "{{schema:0 offset:-2 buckets:[3 7 5]}}"),
            ("{{schema:2 offset:1 buckets:[1 2 3 4 5]}}", -1, "{{schema:-1 offset:1 buckets:[15]}}"),
            ("{{schema:0 buckets:[1]}}", 3, "{{schema:0 buckets:[1]}}"),
            ("{{schema:-53 custom_values:[1] buckets:[1]}}", -53, "{{schema:-53 custom_values:[1] buckets:[1]}}"),
        ] {
            let reduced = FloatHistogram::parse(from).unwrap().histogram.copy_to_schema(target);
            assert_eq!(reduced.to_string(), FloatHistogram::parse(expected).unwrap().histogram.to_string());
        }
    }
}
