//! How long work takes: log-normally distributed, as in real services, with a long tail to the right.

use std::time::Duration;

/// The standard deviation of the logarithm: one in fifty takes more than twice the median.
const SIGMA: f64 = 0.33;

/// Waits for about `median` milliseconds.
pub async fn spend(median: f64) {
    tokio::time::sleep(around(median)).await;
}

/// A duration around `median` milliseconds, at most five times as long.
pub fn around(median: f64) -> Duration {
    let milliseconds = median * (SIGMA * normal()).exp();
    Duration::from_secs_f64(milliseconds.min(5.0 * median) / 1000.0)
}

/// Normally distributed around 0 with a deviation of 1 (Box and Muller, 1958).
fn normal() -> f64 {
    let radius = (-2.0 * (1.0 - fastrand::f64()).ln()).sqrt();
    radius * (std::f64::consts::TAU * fastrand::f64()).cos()
}

/// The time to the next of events that come `rate` times a second, independently of each other; `None` if none comes within
/// `horizon`. It may be asked again then: such events do not remember how long ago the last one was.
pub fn next_within(horizon: Duration, rate: f64) -> Option<Duration> {
    let seconds = -(1.0 - fastrand::f64()).ln() / rate;
    (seconds < horizon.as_secs_f64()).then(|| Duration::from_secs_f64(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_of_all_are_below_the_median() {
        let median = Duration::from_millis(80);
        let below = (0..4000).filter(|_| around(80.0) < median).count();
        assert!((1700..2300).contains(&below), "{below} of 4000");
        assert!((0..4000).all(|_| around(80.0) <= median * 5));
    }

    #[test]
    fn events_come_at_the_rate() {
        for rate in [100.0, 0.01] {
            let (horizon, mut seconds, mut events) = (Duration::from_millis(100), 0.0, 0);
            while events < 1000 {
                let next = next_within(horizon, rate);
                seconds += next.unwrap_or(horizon).as_secs_f64();
                events += usize::from(next.is_some());
            }
            let measured = 1000.0 / seconds;
            assert!((0.85..1.15).contains(&(measured / rate)), "{measured} a second instead of {rate}");
        }
        assert_eq!(next_within(Duration::from_secs(1), f64::MIN_POSITIVE), None);
    }
}
