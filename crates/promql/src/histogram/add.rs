//! Adding and subtracting histograms.

use thiserror::Error;

use super::bounds::exponential_bound;
use super::cells::{Cell, cells, coarsen, merge, to_spans};
use super::custom::{Mapped, common_bounds, same_bounds};
use super::kahan::Kahan;
use super::zero::{beyond, compensated};
use super::{CounterResetHint, FloatHistogram, Span};

/// Exponential and custom buckets have nothing in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("cannot apply this operation on histograms with a mix of exponential and custom bucket schemas")]
pub struct Incompatible;

/// What the user of a sum may want to know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct AddNotes {
    /// One histogram says that it was reset, the other that it was not ("conflicting counter resets during histogram …").
    pub counter_reset_collision: bool,
    /// Bounds that not both have were given up ("mismatched custom buckets were reconciled during …").
    pub nhcb_bounds_reconciled: bool,
}

/// Where and how other buckets are added: their schema, by how many levels it is higher, and the zero bucket, which counts
/// those inside it already.
#[derive(Clone, Copy)]
struct Scale {
    other_schema: i32,
    levels: u32,
    threshold: f64,
}

/// Adds `sign` times the other buckets.
fn add_side(
    (spans, counts): (&mut Vec<Span>, &mut Vec<f64>),
    (other_spans, other_counts): (&[Span], &[f64]),
    scale: Scale,
    sign: f64,
) {
    let Some(first) = other_spans.first() else { return };
    let begins_outside = exponential_bound(first.offset, scale.other_schema) > scale.threshold;
    if scale.levels == 0 && begins_outside && spans == other_spans && counts.len() == other_counts.len() {
        for (count, other) in counts.iter_mut().zip(other_counts) {
            *count += sign * other;
        }
        return;
    }
    // Before resolution is reduced: a wider bucket may reach out of the zero bucket with observations of inside it, which
    // would be counted twice then (as Prometheus does).
    let other = beyond(cells(other_spans, other_counts), scale.other_schema, scale.threshold);
    let other = coarsen(other, scale.levels, |a, b| a + b).into_iter().map(|(index, count)| (index, sign * count));
    (*spans, *counts) = to_spans(merge(cells(spans, counts), other, |a, b| a + b));
}

fn kahan_sum(mut total: Kahan, other: Kahan) -> Kahan {
    total.add(other.sum);
    if other.compensation != 0.0 {
        total.add(other.compensation);
    }
    total
}

fn exact(cells: impl Iterator<Item = Cell<f64>>) -> impl Iterator<Item = Cell<Kahan>> {
    cells.map(|(index, sum)| (index, Kahan { sum, compensation: 0.0 }))
}

/// Splits sums from compensations.
fn kahan_spans(cells: Vec<Cell<Kahan>>) -> (Vec<Span>, Vec<f64>, Vec<f64>) {
    let compensations = cells.iter().map(|(_, count)| count.compensation).collect();
    let (spans, sums) = to_spans(cells.into_iter().map(|(index, count)| (index, count.sum)));
    (spans, sums, compensations)
}

/// As [`add_side`], keeping what rounding loses.
fn kahan_add_side(
    (spans, counts, lost): (&mut Vec<Span>, &mut Vec<f64>, &mut Vec<f64>),
    (other_spans, other_counts): (&[Span], &[f64]),
    scale: Scale,
) {
    lost.resize(counts.len(), 0.0);
    let other = beyond(exact(cells(other_spans, other_counts)), scale.other_schema, scale.threshold);
    let other = coarsen(other, scale.levels, kahan_sum);
    let merged = merge(compensated(cells(spans, counts), lost), other.into_iter(), kahan_sum);
    (*spans, *counts, *lost) = kahan_spans(merged);
}

fn kahan_coarsen(spans: &mut Vec<Span>, counts: &mut Vec<f64>, lost: &mut Vec<f64>, levels: u32) {
    let coarse = coarsen(compensated(cells(spans, counts), lost), levels, kahan_sum);
    (*spans, *counts, *lost) = kahan_spans(coarse);
}

impl FloatHistogram {
    fn check_compatible(&self, other: &Self) -> Result<(), Incompatible> {
        if self.uses_custom_buckets() == other.uses_custom_buckets() { Ok(()) } else { Err(Incompatible) }
    }

    /// Takes over what the other one says of counter resets; whether that contradicts. A gauge makes gauges, what is not
    /// known of one is not known of the sum.
    fn reconcile_hints(&mut self, other: &Self) -> bool {
        use CounterResetHint::{CounterReset, Gauge, NotCounterReset, Unknown};
        let (hint, collision) = match (self.counter_reset_hint, other.counter_reset_hint) {
            (Gauge, _) | (_, Gauge) => (Gauge, false),
            (CounterReset, NotCounterReset) | (NotCounterReset, CounterReset) => (Unknown, true),
            (hint, other) if hint == other => (hint, false),
            _ => (Unknown, false),
        };
        self.counter_reset_hint = hint;
        collision
    }

    /// For adding `other`, whose schema is no lower.
    fn scale(&self, other: &Self) -> Scale {
        // Custom buckets have no zero bucket, and nothing can be inside it.
        let threshold = if self.uses_custom_buckets() { f64::NEG_INFINITY } else { self.zero_threshold };
        Scale { other_schema: other.schema, levels: other.schema.abs_diff(self.schema), threshold }
    }

    fn add_signed(&mut self, other: &Self, sign: f64) -> Result<AddNotes, Incompatible> {
        self.check_compatible(other)?;
        let mut notes = AddNotes { counter_reset_collision: self.reconcile_hints(other), ..AddNotes::default() };
        self.count += sign * other.count;
        self.sum += sign * other.sum;
        if self.uses_custom_buckets() {
            notes.nhcb_bounds_reconciled = self.add_custom(other, sign);
            return Ok(notes);
        }
        let other_zero_count = self.reconcile_zero_buckets(other, None).sum;
        self.zero_count += sign * other_zero_count;
        self.reduce_resolution(other.schema);
        let scale = self.scale(other);
        let positive = (&mut self.positive_spans, &mut self.positive_buckets);
        add_side(positive, (&other.positive_spans, &other.positive_buckets), scale, sign);
        let negative = (&mut self.negative_spans, &mut self.negative_buckets);
        add_side(negative, (&other.negative_spans, &other.negative_buckets), scale, sign);
        Ok(notes)
    }

    /// Whether bounds had to be reconciled.
    fn add_custom(&mut self, other: &Self, sign: f64) -> bool {
        if same_bounds(&self.custom_values, &other.custom_values) {
            let scale = self.scale(other);
            let positive = (&mut self.positive_spans, &mut self.positive_buckets);
            add_side(positive, (&other.positive_spans, &other.positive_buckets), scale, sign);
            return false;
        }
        let bounds = common_bounds(&self.custom_values, &other.custom_values);
        let mut mapped = Mapped::onto(&bounds);
        mapped.add(exact(cells(&self.positive_spans, &self.positive_buckets)), &self.custom_values);
        let signed = cells(&other.positive_spans, &other.positive_buckets).map(|(index, count)| (index, sign * count));
        mapped.add(exact(signed), &other.custom_values);
        (self.positive_spans, self.positive_buckets, _) = mapped.into_spans();
        self.custom_values = bounds;
        true
    }

    /// Adds counts, sum and buckets of `other`. Zero buckets, schemas and custom bounds are brought to the finest layout that
    /// both can have. Empty buckets may remain; see [`FloatHistogram::compact`].
    pub fn add_assign(&mut self, other: &Self) -> Result<AddNotes, Incompatible> {
        self.add_signed(other, 1.0)
    }

    /// Subtracts likewise, with the same rules for counter resets. What PromQL's `-` answers is a gauge; that is for the
    /// operator to set.
    pub fn sub_assign(&mut self, other: &Self) -> Result<AddNotes, Incompatible> {
        self.add_signed(other, -1.0)
    }

    pub fn add(&self, other: &Self) -> Result<(Self, AddNotes), Incompatible> {
        let mut sum = self.clone();
        let notes = sum.add_assign(other)?;
        Ok((sum, notes))
    }

    pub fn sub(&self, other: &Self) -> Result<(Self, AddNotes), Incompatible> {
        let mut difference = self.clone();
        let notes = difference.sub_assign(other)?;
        Ok((difference, notes))
    }

    /// An empty histogram of this layout, for what rounding loses of this one.
    fn compensation(&self) -> Self {
        Self {
            count: 0.0,
            sum: 0.0,
            zero_count: 0.0,
            positive_buckets: vec![0.0; self.positive_buckets.len()],
            negative_buckets: vec![0.0; self.negative_buckets.len()],
            ..self.clone()
        }
    }

    /// Adds one of many histograms and keeps in `compensation` what rounding loses (`None` before the first addition). The sum
    /// is `self` plus the compensation: add that once, at the end. Both may be scaled by the same factor in between.
    pub fn kahan_add_assign(
        &mut self,
        other: &Self,
        compensation: &mut Option<Self>,
    ) -> Result<AddNotes, Incompatible> {
        self.check_compatible(other)?;
        let mut notes = AddNotes { counter_reset_collision: self.reconcile_hints(other), ..AddNotes::default() };
        let lost = compensation.get_or_insert_with(|| self.compensation());
        let add = |sum: &mut f64, lost: &mut f64, increment: Kahan| {
            let total = kahan_sum(Kahan { sum: *sum, compensation: *lost }, increment);
            (*sum, *lost) = (total.sum, total.compensation);
        };
        add(&mut self.count, &mut lost.count, Kahan { sum: other.count, compensation: 0.0 });
        add(&mut self.sum, &mut lost.sum, Kahan { sum: other.sum, compensation: 0.0 });
        if self.uses_custom_buckets() {
            notes.nhcb_bounds_reconciled = self.kahan_add_custom(other, lost);
        } else {
            let zero = self.reconcile_zero_buckets(other, Some(lost));
            add(&mut self.zero_count, &mut lost.zero_count, zero);
            self.kahan_add_exponential(other, lost);
        }
        lost.schema = self.schema;
        lost.zero_threshold = self.zero_threshold;
        lost.positive_spans.clone_from(&self.positive_spans);
        lost.negative_spans.clone_from(&self.negative_spans);
        Ok(notes)
    }

    fn kahan_add_exponential(&mut self, other: &Self, lost: &mut Self) {
        if other.schema < self.schema {
            let levels = self.schema.abs_diff(other.schema);
            let (positive, negative) = (&mut lost.positive_buckets, &mut lost.negative_buckets);
            kahan_coarsen(&mut self.positive_spans, &mut self.positive_buckets, positive, levels);
            kahan_coarsen(&mut self.negative_spans, &mut self.negative_buckets, negative, levels);
            self.schema = other.schema;
        }
        let scale = self.scale(other);
        let positive = (&mut self.positive_spans, &mut self.positive_buckets, &mut lost.positive_buckets);
        kahan_add_side(positive, (&other.positive_spans, &other.positive_buckets), scale);
        let negative = (&mut self.negative_spans, &mut self.negative_buckets, &mut lost.negative_buckets);
        kahan_add_side(negative, (&other.negative_spans, &other.negative_buckets), scale);
    }

    fn kahan_add_custom(&mut self, other: &Self, lost: &mut Self) -> bool {
        if same_bounds(&self.custom_values, &other.custom_values) {
            let scale = self.scale(other);
            let positive = (&mut self.positive_spans, &mut self.positive_buckets, &mut lost.positive_buckets);
            kahan_add_side(positive, (&other.positive_spans, &other.positive_buckets), scale);
            return false;
        }
        let bounds = common_bounds(&self.custom_values, &other.custom_values);
        let mut mapped = Mapped::onto(&bounds);
        let counts = cells(&self.positive_spans, &self.positive_buckets);
        mapped.add(compensated(counts, &lost.positive_buckets), &self.custom_values);
        mapped.add(exact(cells(&other.positive_spans, &other.positive_buckets)), &other.custom_values);
        (self.positive_spans, self.positive_buckets, lost.positive_buckets) = mapped.into_spans();
        lost.custom_values.clone_from(&bounds);
        self.custom_values = bounds;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> FloatHistogram {
        FloatHistogram::parse(text).unwrap().histogram
    }

    #[test]
    fn histograms_add_up() {
        for (a, b, sum, reconciled) in [
            ("{{}}", "{{}}", "{{}}", false),
            (
                "{{count:1 sum:1 buckets:[1]}}",
                "{{count:2 sum:3 offset:1 buckets:[2]}}",
                "{{count:3 sum:4 buckets:[1 2]}}",
                false,
            ),
            (
                "{{offset:-3 buckets:[1 2 0 0 4] n_buckets:[1]}}",
                "{{offset:-2 buckets:[1 1 1] n_offset:5 n_buckets:[1]}}",
                "{{offset:-3 buckets:[1 3 1 1 4] n_buckets:[1 0 0 0 0 1]}}",
                false,
            ),
            // Resolution.
            ("{{schema:1 buckets:[1 2 3 4]}}", "{{buckets:[0 1]}}", "{{buckets:[1 6 4]}}", false),
            (
                "{{buckets:[0 1]}}",
                "{{schema:1 n_buckets:[1 2 3 4]}}",
                "{{offset:1 buckets:[1] n_buckets:[1 5 4]}}",
                false,
            ),
            // Zero buckets.
            (
                "{{z_bucket:1 z_bucket_w:0.1 offset:-2 buckets:[1 2 4]}}",
                "{{z_bucket:2 z_bucket_w:0.3}}",
                "{{z_bucket:6 z_bucket_w:0.5 buckets:[4]}}",
                false,
            ),
            (
                "{{z_bucket:2 z_bucket_w:0.3}}",
                "{{z_bucket:1 z_bucket_w:0.1 offset:-2 buckets:[1 2 4] n_offset:-2 n_buckets:[1]}}",
                "{{z_bucket:7 z_bucket_w:0.5 buckets:[4]}}",
                false,
            ),
            // Both: (2^-10, 2^-9] is inside the zero bucket, but not the bucket of lower resolution that it is part of.
            (
                "{{schema:-4 z_bucket:1 z_bucket_w:0.25 offset:1 buckets:[1]}}",
                "{{offset:-9 buckets:[2] n_buckets:[4]}}",
                "{{schema:-4 z_bucket:3 z_bucket_w:0.25 offset:1 buckets:[1] n_buckets:[4]}}",
                false,
            ),
            // Custom buckets.
            (
                "{{schema:-53 custom_values:[5 10] buckets:[1 2 3]}}",
                "{{schema:-53 custom_values:[5 10] offset:2 buckets:[4]}}",
                "{{schema:-53 custom_values:[5 10] buckets:[1 2 7]}}",
                false,
            ),
            (
                "{{schema:-53 count:6 custom_values:[5 10 15] buckets:[1 2 3]}}",
                "{{schema:-53 count:6 custom_values:[10 20] buckets:[1 2 3]}}",
                "{{schema:-53 count:12 custom_values:[10] buckets:[4 8]}}",
                true,
            ),
            (
                "{{schema:-53 custom_values:[5] buckets:[1 2]}}",
                "{{schema:-53 buckets:[4]}}",
                "{{schema:-53 buckets:[7]}}",
                true,
            ),
        ] {
            let (mut result, notes) = parse(a).add(&parse(b)).unwrap();
            assert_eq!(result.compact(0).to_string(), parse(sum).to_string(), "{a} + {b}");
            assert_eq!(notes, AddNotes { counter_reset_collision: false, nhcb_bounds_reconciled: reconciled });
            let mut compensation = None;
            let mut kahan = parse(a);
            assert_eq!(kahan.kahan_add_assign(&parse(b), &mut compensation), Ok(notes));
            kahan.add_assign(&compensation.unwrap()).unwrap();
            assert_eq!(kahan.compact(0).to_string(), parse(sum).to_string(), "{a} + {b}, compensated");
        }
    }

    #[test]
    fn histograms_subtract() {
        for (a, b, difference) in [
            (
                "{{count:3 sum:4 z_bucket:2 buckets:[1 2]}}",
                "{{count:1 sum:1 z_bucket:1 offset:1 buckets:[1]}}",
                "{{count:2 sum:3 z_bucket:1 buckets:[1 1]}}",
            ),
            ("{{n_buckets:[1]}}", "{{schema:1 buckets:[1 2 3]}}", "{{buckets:[-1 -5] n_buckets:[1]}}"),
            (
                "{{schema:-53 custom_values:[5 10] buckets:[1 2 3]}}",
                "{{schema:-53 custom_values:[10 15] buckets:[1 1 1]}}",
                "{{schema:-53 custom_values:[10] buckets:[2 1]}}",
            ),
        ] {
            let mut result = parse(a).sub(&parse(b)).unwrap().0;
            assert_eq!(result.compact(0).to_string(), parse(difference).to_string(), "{a} - {b}");
        }
    }

    #[test]
    fn exponential_and_custom_buckets_are_incompatible() {
        let (exponential, custom) = (parse("{{buckets:[1]}}"), parse("{{schema:-53 custom_values:[1] buckets:[1]}}"));
        assert_eq!(exponential.add(&custom), Err(Incompatible));
        assert_eq!(custom.sub(&exponential), Err(Incompatible));
        assert_eq!(exponential.clone().kahan_add_assign(&custom, &mut None), Err(Incompatible));
    }

    #[test]
    fn hints_are_reconciled() {
        for (a, b, result, collision) in [
            ("unknown", "unknown", "unknown", false),
            ("reset", "reset", "reset", false),
            ("not_reset", "not_reset", "not_reset", false),
            ("gauge", "gauge", "gauge", false),
            ("gauge", "reset", "gauge", false),
            ("gauge", "unknown", "gauge", false),
            ("unknown", "reset", "unknown", false),
            ("unknown", "not_reset", "unknown", false),
            ("reset", "not_reset", "unknown", true),
        ] {
            let hint = |hint: &str| parse(&format!("{{{{counter_reset_hint:{hint}}}}}"));
            for (a, b) in [(hint(a), hint(b)), (hint(b), hint(a))] {
                for (sum, notes) in [a.add(&b).unwrap(), a.sub(&b).unwrap()] {
                    assert_eq!(sum.counter_reset_hint, hint(result).counter_reset_hint, "{a} and {b}");
                    assert_eq!(notes.counter_reset_collision, collision, "{a} and {b}");
                }
            }
        }
    }

    #[test]
    fn sums_of_many_lose_nothing_to_rounding() {
        for (first, second, expected) in [
            (
                "{{count:N sum:N z_bucket:N z_bucket_w:0.001 buckets:[N] n_buckets:[0 N]}}",
                "{{count:N sum:N z_bucket:N z_bucket_w:0.001 buckets:[N] n_buckets:[0 N]}}",
                "{{count:2 sum:2 z_bucket:2 z_bucket_w:0.001 buckets:[2] n_offset:1 n_buckets:[2]}}",
            ),
            (
                "{{schema:1 buckets:[N N] n_buckets:[N]}}",
                "{{buckets:[N N] n_buckets:[N]}}",
                "{{buckets:[2 2] n_buckets:[2]}}",
            ),
            ("{{buckets:[N]}}", "{{schema:1 buckets:[N]}}", "{{buckets:[2]}}"),
            ("{{z_bucket_w:0.1 buckets:[N]}}", "{{z_bucket_w:0.75 z_bucket:N}}", "{{z_bucket:2 z_bucket_w:1}}"),
            (
                "{{schema:-53 custom_values:[5 10] buckets:[0 N]}}",
                "{{schema:-53 custom_values:[10 20] buckets:[N]}}",
                "{{schema:-53 custom_values:[10] buckets:[2]}}",
            ),
        ] {
            let number = |text: &str, number: &str| parse(&text.replace('N', number));
            let mut sum = number(first, "1");
            let mut compensation = None;
            for (text, value) in [(first, "1e100"), (second, "1"), (second, "-1e100")] {
                sum.kahan_add_assign(&number(text, value), &mut compensation).unwrap();
            }
            sum.add_assign(&compensation.unwrap()).unwrap();
            assert_eq!(sum.compact(0).to_string(), expected);
        }
    }
}
