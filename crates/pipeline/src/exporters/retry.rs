//! Trying again with exponential backoff, as `retry_on_failure` says and as the other side asks.

use std::time::Duration;

use serde::Deserialize;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::parcel::{Parcel, Sender};
use crate::telemetry::{Accepted, Refused};

/// The Collector's `retry_on_failure`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RetryConfig {
    pub enabled: bool,
    #[serde(with = "crate::config::duration")]
    pub initial_interval: Duration,
    /// Waits differ at random by this share of themselves, so that many senders do not come back at once.
    pub randomization_factor: f64,
    pub multiplier: f64,
    #[serde(with = "crate::config::duration")]
    pub max_interval: Duration,
    /// How long a request is tried before it is given up; 0 for ever.
    #[serde(with = "crate::config::duration")]
    pub max_elapsed_time: Duration,
}

impl Default for RetryConfig {
    fn default() -> Self {
        Self {
            enabled: true,
            initial_interval: Duration::from_secs(5),
            randomization_factor: 0.5,
            multiplier: 1.5,
            max_interval: Duration::from_secs(30),
            max_elapsed_time: Duration::from_secs(300),
        }
    }
}

impl RetryConfig {
    /// What is wrong with the values, if anything.
    pub fn check(&self) -> Result<(), String> {
        if !self.enabled {
            return Ok(());
        }
        if !(0.0..=1.0).contains(&self.randomization_factor) {
            return Err("retry_on_failure: randomization_factor must lie between 0 and 1".to_string());
        }
        if !(1.0..=1e6).contains(&self.multiplier) {
            return Err("retry_on_failure: multiplier must be at least 1".to_string());
        }
        if self.initial_interval.is_zero() {
            return Err("retry_on_failure: initial_interval must be positive".to_string());
        }
        if !self.max_elapsed_time.is_zero() && self.max_elapsed_time < self.initial_interval {
            return Err("retry_on_failure: max_elapsed_time must not be shorter than initial_interval".to_string());
        }
        Ok(())
    }
}

/// The waits of one request.
pub struct Backoff<'a> {
    retry: &'a RetryConfig,
    interval: Duration,
}

impl<'a> Backoff<'a> {
    pub fn new(retry: &'a RetryConfig) -> Self {
        Self { retry, interval: retry.initial_interval }
    }

    /// How long to wait after a failure, `elapsed` after the first attempt; `None` to give up.
    ///
    /// A wait that the other side asked for is kept even where it is longer than `max_interval`.
    pub fn next(&mut self, refused: &Refused, elapsed: Duration) -> Option<Duration> {
        let retry = self.retry;
        if !retry.enabled || !refused.is_retryable() {
            return None;
        }
        let jitter = 1.0 + retry.randomization_factor * (fastrand::f64() * 2.0 - 1.0);
        let wait = self.interval.mul_f64(jitter).max(refused.retry_after().unwrap_or_default());
        self.interval = self.interval.mul_f64(retry.multiplier).min(retry.max_interval);
        let exhausted = !retry.max_elapsed_time.is_zero() && elapsed + wait > retry.max_elapsed_time;
        (!exhausted).then_some(wait)
    }
}

/// Sends until it succeeds, is refused for good, or `retry` is exhausted; gives up waiting when `stop` is cancelled.
pub async fn send_with_retry(
    sender: &dyn Sender,
    parcel: &Parcel,
    retry: &RetryConfig,
    stop: &CancellationToken,
) -> Result<Accepted, Refused> {
    let start = Instant::now();
    let mut backoff = Backoff::new(retry);
    let mut delivery = sender.delivery(parcel);
    loop {
        let refused = match delivery.attempt().await {
            Ok(accepted) => return Ok(accepted),
            Err(refused) => refused,
        };
        let Some(wait) = backoff.next(&refused, start.elapsed()) else { return Err(refused) };
        tracing::info!(%refused, ?wait, signal = %parcel.signal, "sending failed, will try again");
        tokio::select! {
            () = stop.cancelled() => return Err(refused),
            () = tokio::time::sleep(wait) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exact() -> RetryConfig {
        RetryConfig { randomization_factor: 0.0, ..RetryConfig::default() }
    }

    /// The waits until it gives up, at most `limit` of them.
    fn waits(retry: &RetryConfig, refused: &Refused, limit: usize) -> Vec<u128> {
        let mut backoff = Backoff::new(retry);
        let mut elapsed = Duration::ZERO;
        let next = || {
            let wait = backoff.next(refused, elapsed)?;
            elapsed += wait;
            Some(wait.as_millis())
        };
        std::iter::from_fn(next).take(limit).collect()
    }

    #[test]
    fn waits_grow_up_to_the_longest() {
        let down = Refused::unavailable("down");
        assert_eq!(waits(&exact(), &down, 6), [5_000, 7_500, 11_250, 16_875, 25_312, 30_000]);
    }

    #[test]
    fn it_gives_up_in_time() {
        let down = Refused::unavailable("down");
        assert!(waits(&RetryConfig::default(), &down, 1000).iter().sum::<u128>() <= 300_000);
        let for_ever = RetryConfig { max_elapsed_time: Duration::ZERO, ..exact() };
        assert_eq!(waits(&for_ever, &down, 1000).len(), 1000);
        assert!(waits(&exact(), &Refused::Invalid("bad".into()), 10).is_empty());
        assert!(waits(&RetryConfig { enabled: false, ..exact() }, &down, 10).is_empty());
    }

    #[test]
    fn the_other_side_may_ask_for_more() {
        let full = Refused::overloaded("full", Duration::from_secs(60));
        assert_eq!(waits(&exact(), &full, 2), [60_000, 60_000]);
        let full = Refused::overloaded("full", Duration::from_secs(1));
        assert_eq!(waits(&exact(), &full, 1), [5_000]);
    }

    #[test]
    fn waits_differ_at_random() {
        for wait in waits(&RetryConfig::default(), &Refused::unavailable("down"), 1) {
            assert!((2_500..=7_500).contains(&wait), "{wait}");
        }
    }

    #[test]
    fn nonsense_is_refused() {
        let with = |change: fn(&mut RetryConfig)| {
            let mut retry = RetryConfig::default();
            change(&mut retry);
            retry.check()
        };
        assert_eq!(with(|_| ()), Ok(()));
        assert!(with(|r| r.multiplier = 0.5).is_err());
        assert!(with(|r| r.multiplier = f64::NAN).is_err());
        assert!(with(|r| r.randomization_factor = 2.0).is_err());
        assert!(with(|r| r.initial_interval = Duration::ZERO).is_err());
        assert!(with(|r| r.max_elapsed_time = Duration::from_secs(1)).is_err());
    }
}
