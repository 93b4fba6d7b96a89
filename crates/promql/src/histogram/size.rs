//! What a histogram costs, and whether it still fits into floats.

use super::FloatHistogram;

impl FloatHistogram {
    /// Bytes, as Prometheus counts them (a fixed part and eight for each span, bucket and bound).
    pub fn size(&self) -> usize {
        let elements = self.positive_spans.len()
            + self.negative_spans.len()
            + self.positive_buckets.len()
            + self.negative_buckets.len()
            + self.custom_values.len();
        168 + 8 * elements
    }

    /// How many samples of an instant vector it counts as.
    pub fn samples_in_vector(&self) -> usize {
        self.size() / 16
    }

    /// How many samples of a range vector or an answer it counts as, together with its time.
    pub fn samples_in_matrix(&self) -> usize {
        (self.size() + 8) / 16
    }

    /// Any number of it is infinite: a sum of many histograms exceeded what floats can say.
    pub fn has_overflow(&self) -> bool {
        let scalars = [self.zero_count, self.count, self.sum];
        let lists = [&self.positive_buckets, &self.negative_buckets, &self.custom_values];
        scalars.iter().chain(lists.into_iter().flatten()).any(|value| value.is_infinite())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_histogram_counts_as_several_samples() {
        let histogram = FloatHistogram::parse("{{buckets:[1 2] n_buckets:[1]}}").unwrap().histogram;
        assert_eq!((histogram.size(), histogram.samples_in_vector(), histogram.samples_in_matrix()), (208, 13, 13));
        assert_eq!(FloatHistogram::default().samples_in_vector(), 10);
        assert_eq!(FloatHistogram::default().samples_in_matrix(), 11);
    }

    #[test]
    fn infinities_are_overflow() {
        assert!(!FloatHistogram::default().has_overflow());
        for text in ["{{sum:-Inf}}", "{{count:Inf}}", "{{z_bucket:Inf}}", "{{buckets:[1 Inf]}}", "{{n_buckets:[Inf]}}"]
        {
            assert!(FloatHistogram::parse(text).unwrap().histogram.has_overflow(), "{text}");
        }
    }
}
