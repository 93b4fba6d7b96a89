//! Histograms as text.

use std::fmt;

use trefoil_go::number::general;

use super::iterate::Bucket;
use super::{CounterResetHint, FloatHistogram, Span};

/// The longest run of empty buckets that is written out. The notation knows one run of buckets a sign.
const MAX_EMPTY_SHOWN: usize = 10_000;

fn list(values: &[f64]) -> String {
    values.iter().map(|value| general(*value)).collect::<Vec<_>>().join(" ")
}

fn side(fields: &mut Vec<String>, prefix: &str, spans: &[Span], counts: &[f64]) {
    if let Some(span) = spans.first()
        && span.offset != 0
    {
        fields.push(format!("{prefix}offset:{}", span.offset));
    }
    if !counts.is_empty() {
        fields.push(format!("{prefix}buckets:[{}]", list(counts)));
    }
}

/// The notation of Prometheus' tests, `{{schema:1 count:3 sum:4 buckets:[1 2]}}`, which [`FloatHistogram::parse`] reads.
/// Buckets too far apart to be one run are written as [`FloatHistogram::describe`] does.
impl fmt::Display for FloatHistogram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut compact = self.clone();
        compact.compact(MAX_EMPTY_SHOWN);
        if compact.positive_spans.len() > 1 || compact.negative_spans.len() > 1 {
            return f.write_str(&self.describe());
        }
        let mut fields = Vec::new();
        if self.schema != 0 {
            fields.push(format!("schema:{}", self.schema));
        }
        for (key, value) in [
            ("count", self.count),
            ("sum", self.sum),
            ("z_bucket", self.zero_count),
            ("z_bucket_w", self.zero_threshold),
        ] {
            if value != 0.0 {
                fields.push(format!("{key}:{}", general(value)));
            }
        }
        if self.uses_custom_buckets() {
            fields.push(format!("custom_values:[{}]", list(&self.custom_values)));
        }
        match self.counter_reset_hint {
            CounterResetHint::Unknown => {}
            CounterResetHint::CounterReset => fields.push("counter_reset_hint:reset".to_owned()),
            CounterResetHint::NotCounterReset => fields.push("counter_reset_hint:not_reset".to_owned()),
            CounterResetHint::Gauge => fields.push("counter_reset_hint:gauge".to_owned()),
        }
        side(&mut fields, "", &compact.positive_spans, &compact.positive_buckets);
        side(&mut fields, "n_", &compact.negative_spans, &compact.negative_buckets);
        write!(f, "{{{{{}}}}}", fields.join(" "))
    }
}

/// `(1,2]:3`.
impl fmt::Display for Bucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let open = if self.lower_inclusive { '[' } else { '(' };
        let close = if self.upper_inclusive { ']' } else { ')' };
        write!(f, "{open}{},{}{close}:{}", general(self.lower), general(self.upper), general(self.count))
    }
}

impl FloatHistogram {
    /// As Prometheus writes samples: `{count:3, sum:4, [-0.1,0.1]:1, (1,2]:2}`, without empty buckets.
    pub fn describe(&self) -> String {
        let mut text = format!("{{count:{}, sum:{}", general(self.count), general(self.sum));
        let zero = (!self.uses_custom_buckets()).then(|| self.zero_bucket());
        let buckets = self.negative_ascending().chain(zero).chain(self.positive());
        for bucket in buckets.filter(|bucket| bucket.count != 0.0) {
            text.push_str(&format!(", {bucket}"));
        }
        text.push('}');
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> FloatHistogram {
        FloatHistogram::parse(text).unwrap().histogram
    }

    #[test]
    fn histograms_are_written_as_in_tests() {
        for (text, written) in [
            ("{{}}", "{{}}"),
            ("{{ schema:0 offset:3 }}", "{{}}"),
            ("{{sum:3 count:2e7 schema:-2}}", "{{schema:-2 count:2e+07 sum:3}}"),
            (
                "{{buckets:[0 5 0 0 7 0] n_buckets:[4.1 5] n_offset:-5 z_bucket_w:0.05 z_bucket:7.1}}",
                "{{z_bucket:7.1 z_bucket_w:0.05 offset:1 buckets:[5 0 0 7] n_offset:-5 n_buckets:[4.1 5]}}",
            ),
            ("{{counter_reset_hint:not_reset sum:-Inf}}", "{{sum:-Inf counter_reset_hint:not_reset}}"),
            ("{{counter_reset_hint:reset sum:nan}}", "{{sum:NaN counter_reset_hint:reset}}"),
            ("{{schema:-53 custom_values:[5 10] buckets:[1]}}", "{{schema:-53 custom_values:[5 10] buckets:[1]}}"),
            ("{{schema:-53 buckets:[1]}}", "{{schema:-53 custom_values:[] buckets:[1]}}"),
        ] {
            assert_eq!(parse(text).to_string(), written);
        }
    }

    #[test]
    fn samples_are_described_by_their_buckets() {
        for (text, described) in [
            ("{{}}", "{count:0, sum:0}"),
            (
                "{{count:9 sum:1.5 z_bucket:1 z_bucket_w:0.75 buckets:[1 0 3] n_buckets:[4]}}",
                "{count:9, sum:1.5, [-1,-0.5):4, [-0.75,0.75]:1, (0.5,1]:1, (2,4]:3}",
            ),
            ("{{schema:-53 custom_values:[5] buckets:[1 2]}}", "{count:0, sum:0, [-Inf,5]:1, (5,+Inf]:2}"),
        ] {
            assert_eq!(parse(text).describe(), described);
        }
        let mut far = parse("{{buckets:[1]}}");
        far.positive_spans.push(Span { offset: i32::MAX - 1, length: 1 });
        far.positive_buckets.push(1.0);
        assert!(far.to_string().starts_with("{count:0, sum:0, (0.5,1]:1, ("), "{far}");
    }
}
