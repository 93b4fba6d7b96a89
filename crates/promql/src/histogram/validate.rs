//! Histograms that say what cannot be.

use thiserror::Error;

use super::bounds::is_exponential_schema;
use super::{FloatHistogram, Span};

/// Why a histogram from outside is refused.
#[derive(Debug, Clone, PartialEq, Error)]
pub enum InvalidHistogram {
    #[error(
        "histogram has an invalid schema, which must be between -4 and 8 for exponential buckets, or -53 for custom buckets, got schema {0}"
    )]
    Schema(i32),
    #[error("observation count is {0}: histogram's observation count is negative")]
    NegativeCount(f64),
    #[error("zero bucket has observation count of {0}: histogram has a bucket whose observation count is negative")]
    NegativeZeroCount(f64),
    #[error(
        "{side}: bucket number {number} has observation count of {count}: histogram has a bucket whose observation count is negative"
    )]
    NegativeBucketCount { side: &'static str, number: usize, count: f64 },
    #[error("{side}: span number {number} with offset {offset}: histogram has a span whose offset is negative")]
    NegativeOffset { side: &'static str, number: usize, offset: i32 },
    #[error(
        "{side}: spans need {needed} buckets, have {given} buckets: histogram spans specify different number of buckets than provided"
    )]
    BucketsMismatch { side: &'static str, needed: u64, given: usize },
    #[error("{side}: span number {number} goes beyond the last bucket index")]
    IndexOverflow { side: &'static str, number: usize },
    #[error("histogram with exponential schema must not have custom bounds")]
    CustomBoundsOfExponential,
    #[error("custom buckets: histogram custom bounds must not be NaN")]
    NanBound,
    #[error(
        "custom buckets: previous bound is {previous:.6} and current is {current:.6}: histogram custom bounds must be in strictly increasing order"
    )]
    UnorderedBounds { previous: f64, current: f64 },
    #[error("custom buckets: last +Inf bound must not be explicitly defined: histogram custom bounds must be finite")]
    InfiniteBound,
    #[error(
        "custom buckets: only {bounds} custom bounds defined which is insufficient to cover total span length of {length}: histogram custom bounds are too few"
    )]
    TooFewBounds { bounds: usize, length: u64 },
    #[error("custom buckets: must have zero count of 0")]
    CustomZeroCount,
    #[error("custom buckets: must have zero threshold of 0")]
    CustomZeroThreshold,
    #[error("custom buckets: must not have negative spans")]
    CustomNegativeSpans,
    #[error("custom buckets: must not have negative buckets")]
    CustomNegativeBuckets,
}

fn check_spans(side: &'static str, spans: &[Span], counts: &[f64], first: i32) -> Result<u64, InvalidHistogram> {
    let (mut needed, mut end) = (0, 0i64);
    for (number, span) in (1..).zip(spans) {
        if span.offset < 0 && (number > 1 || span.offset < first) {
            return Err(InvalidHistogram::NegativeOffset { side, number, offset: span.offset });
        }
        needed += u64::from(span.length);
        end += i64::from(span.offset) + i64::from(span.length);
        // One bucket more has to have an index, too: some look at where it would begin.
        if end >= i64::from(i32::MAX) {
            return Err(InvalidHistogram::IndexOverflow { side, number });
        }
    }
    if needed != counts.len() as u64 {
        return Err(InvalidHistogram::BucketsMismatch { side, needed, given: counts.len() });
    }
    Ok(end.unsigned_abs())
}

fn check_counts(side: &'static str, counts: &[f64]) -> Result<(), InvalidHistogram> {
    match (1..).zip(counts).find(|(_, count)| **count < 0.0) {
        Some((number, count)) => Err(InvalidHistogram::NegativeBucketCount { side, number, count: *count }),
        None => Ok(()),
    }
}

impl FloatHistogram {
    fn validate_custom(&self) -> Result<(), InvalidHistogram> {
        if self.custom_values.iter().any(|bound| bound.is_nan()) {
            return Err(InvalidHistogram::NanBound);
        }
        if let Some((previous, current)) = self
            .custom_values
            .iter()
            .zip(self.custom_values.iter().skip(1))
            .find(|(previous, current)| current <= previous)
        {
            return Err(InvalidHistogram::UnorderedBounds { previous: *previous, current: *current });
        }
        if self.custom_values.last() == Some(&f64::INFINITY) {
            return Err(InvalidHistogram::InfiniteBound);
        }
        let length = check_spans("custom buckets", &self.positive_spans, &self.positive_buckets, 0)?;
        if (self.custom_values.len() as u64) + 1 < length {
            return Err(InvalidHistogram::TooFewBounds { bounds: self.custom_values.len(), length });
        }
        if self.zero_count != 0.0 {
            return Err(InvalidHistogram::CustomZeroCount);
        }
        if self.zero_threshold != 0.0 {
            return Err(InvalidHistogram::CustomZeroThreshold);
        }
        if !self.negative_spans.is_empty() {
            return Err(InvalidHistogram::CustomNegativeSpans);
        }
        if !self.negative_buckets.is_empty() {
            return Err(InvalidHistogram::CustomNegativeBuckets);
        }
        Ok(())
    }

    fn validate_exponential(&self) -> Result<(), InvalidHistogram> {
        check_spans("positive side", &self.positive_spans, &self.positive_buckets, i32::MIN)?;
        check_spans("negative side", &self.negative_spans, &self.negative_buckets, i32::MIN)?;
        check_counts("negative side", &self.negative_buckets)?;
        if self.zero_count < 0.0 {
            return Err(InvalidHistogram::NegativeZeroCount(self.zero_count));
        }
        if !self.custom_values.is_empty() {
            return Err(InvalidHistogram::CustomBoundsOfExponential);
        }
        Ok(())
    }

    /// Whether a histogram from outside is one: spans and buckets fit together, nothing is counted less than never, and the
    /// schema is one of ours. That counts add up is not looked at, as rounding may prevent it.
    pub fn validate(&self) -> Result<(), InvalidHistogram> {
        if self.uses_custom_buckets() {
            self.validate_custom()?;
        } else if is_exponential_schema(self.schema) {
            self.validate_exponential()?;
        } else {
            return Err(InvalidHistogram::Schema(self.schema));
        }
        if self.count < 0.0 {
            return Err(InvalidHistogram::NegativeCount(self.count));
        }
        check_counts("positive side", &self.positive_buckets)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_is_refused() {
        for (text, message) in [
            ("{{schema:8 count:3 z_bucket:1 buckets:[1 0 1] offset:-7 n_buckets:[1]}}", ""),
            ("{{schema:-53 count:3 custom_values:[1 2] buckets:[1 0 2]}}", ""),
            ("{{schema:-53}}", ""),
            ("{{schema:9}}", "or -53 for custom buckets, got schema 9"),
            ("{{count:-1}}", "histogram's observation count is negative"),
            ("{{z_bucket:-1}}", "zero bucket has observation count of -1: "),
            ("{{buckets:[1 -2]}}", "positive side: bucket number 2 has observation count of -2: "),
            ("{{n_buckets:[-2]}}", "negative side: bucket number 1 has observation count of -2: "),
            ("{{custom_values:[1]}}", "must not have custom bounds"),
            ("{{schema:-53 custom_values:[1 NaN]}}", "must not be NaN"),
            ("{{schema:-53 custom_values:[2 1]}}", "previous bound is 2.000000 and current is 1.000000: "),
            ("{{schema:-53 custom_values:[1 Inf]}}", "last +Inf bound"),
            ("{{schema:-53 custom_values:[1] buckets:[1 2 3]}}", "only 1 custom bounds"),
            ("{{schema:-53 custom_values:[1] offset:-1 buckets:[1]}}", "span number 1 with offset -1: "),
            ("{{schema:-53 z_bucket:1}}", "zero count of 0"),
            ("{{schema:-53 z_bucket_w:1}}", "zero threshold of 0"),
            ("{{schema:-53 n_buckets:[1]}}", "must not have negative spans"),
            ("{{offset:2147483647 buckets:[1]}}", "beyond the last bucket index"),
        ] {
            let result = FloatHistogram::parse(text).unwrap().histogram.validate();
            match result {
                Ok(()) => assert_eq!(message, "", "{text}"),
                Err(error) => assert!(!message.is_empty() && error.to_string().contains(message), "{text}: {error}"),
            }
        }
        let mut histogram = FloatHistogram::parse("{{buckets:[1 2]}}").unwrap().histogram;
        histogram.positive_spans.push(Span { offset: -1, length: 0 });
        assert!(histogram.validate().unwrap_err().to_string().contains("span number 2 with offset -1"));
        histogram.positive_spans = vec![Span { offset: 0, length: u32::MAX }];
        assert!(histogram.validate().is_err());
    }
}
