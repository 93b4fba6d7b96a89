//! How many spans a sampled one stands for, by the threshold in its trace state
//! (<https://opentelemetry.io/docs/specs/otel/trace/tracestate-handling/#sampling-threshold-value-th>).

/// Thresholds are of 56 bits.
const ALL: u64 = 1 << 56;

/// `None`: nothing is said about sampling.
pub fn adjusted_count(trace_state: &[u8]) -> Option<f64> {
    if trace_state.is_empty() {
        return None;
    }
    let members = std::str::from_utf8(trace_state).ok()?.split(',');
    let ours = members.filter_map(|member| member.trim().strip_prefix("ot=")).next()?;
    let threshold = ours.split(';').find_map(|part| part.strip_prefix("th:"))?;
    if threshold.is_empty() || threshold.len() > 14 || !threshold.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return None;
    }
    // Trailing zeros are left out.
    let rejected = u64::from_str_radix(threshold, 16).ok()? << (4 * (14 - threshold.len()));
    Some(ALL as f64 / (ALL - rejected) as f64)
}

/// A whole number that is `count` on average.
pub fn whole(count: f64) -> u64 {
    let floor = count.floor();
    floor as u64 + u64::from(fastrand::f64() < count - floor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_threshold_is_the_part_that_is_left_out() {
        for (state, expected) in [
            ("ot=th:0", Some(1.0)),
            ("ot=th:8", Some(2.0)),
            ("x=y, ot=rv:abcdefabcdef12;th:c,z=ot=th:8", Some(4.0)),
            ("ot=th:ff", Some(256.0)),
            ("ot=th:ffffffffffffff", Some(ALL as f64)),
            ("ot=th:fffffffffffffff", None),
            ("ot=th:", None),
            ("ot=th:+8", None),
            ("ot=rv:8", None),
            ("x=th:8", None),
            ("", None),
        ] {
            assert_eq!(adjusted_count(state.as_bytes()), expected, "{state}");
        }
        assert_eq!(adjusted_count(b"\xffot=th:8"), None);
    }

    #[test]
    fn fractions_come_out_on_average() {
        assert_eq!((whole(1.0), whole(4.0)), (1, 4));
        let sum: u64 = (0..10_000).map(|_| whole(1.5)).sum();
        assert!((14_000..16_000).contains(&sum), "{sum}");
    }
}
