//! How long work takes: log-normally distributed, as in real services, with a long tail to the right.

use std::time::Duration;

/// The standard deviation of the logarithm: one in a hundred takes more than twice the median.
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

/// The time to the next of events that come `rate` times a second, independently of each other.
pub fn until_next(rate: f64) -> Duration {
    Duration::from_secs_f64((-(1.0 - fastrand::f64()).ln() / rate).min(10.0))
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
        let second: f64 = (0..4000).map(|_| until_next(100.0).as_secs_f64()).sum::<f64>() / 40.0;
        assert!((0.9..1.1).contains(&second), "a hundred events took {second} s");
    }
}
