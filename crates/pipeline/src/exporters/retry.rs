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

    fn jittered(&self, interval: Duration) -> Duration {
        let share = 1.0 + self.randomization_factor * (fastrand::f64() * 2.0 - 1.0);
        interval.mul_f64(share)
    }
}

/// Sends until it succeeds, is refused for good, or `retry` is exhausted; gives up waiting when `stop` is cancelled.
///
/// A wait that the other side asked for is kept even where it is longer than `max_interval`.
pub async fn send_with_retry(
    sender: &dyn Sender,
    parcel: &Parcel,
    retry: &RetryConfig,
    stop: &CancellationToken,
) -> Result<Accepted, Refused> {
    let start = Instant::now();
    let mut interval = retry.initial_interval;
    loop {
        let refused = match sender.send(parcel).await {
            Ok(accepted) => return Ok(accepted),
            Err(refused) => refused,
        };
        if !retry.enabled || !refused.is_retryable() {
            return Err(refused);
        }
        let wait = retry.jittered(interval).max(refused.retry_after().unwrap_or_default());
        if !retry.max_elapsed_time.is_zero() && start.elapsed() + wait > retry.max_elapsed_time {
            return Err(refused);
        }
        tracing::info!(%refused, ?wait, signal = %parcel.signal, "sending failed, will try again");
        tokio::select! {
            () = stop.cancelled() => return Err(refused),
            () = tokio::time::sleep(wait) => {}
        }
        interval = interval.mul_f64(retry.multiplier).min(retry.max_interval);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use async_trait::async_trait;
    use trefoil_model::{Signal, Tenant};

    use super::*;

    struct Failing {
        times: u32,
        with: Refused,
        calls: AtomicU32,
    }

    #[async_trait]
    impl Sender for Failing {
        async fn send(&self, _: &Parcel) -> Result<Accepted, Refused> {
            if self.calls.fetch_add(1, Ordering::AcqRel) < self.times {
                return Err(self.with.clone());
            }
            Ok(Accepted::all())
        }
    }

    async fn run(times: u32, with: Refused, retry: RetryConfig) -> (Result<Accepted, Refused>, u32, Duration) {
        let sender = Failing { times, with, calls: AtomicU32::new(0) };
        let parcel = Parcel { tenant: Tenant::default(), signal: Signal::Traces, items: 0, body: bytes::Bytes::new() };
        let start = Instant::now();
        let result = send_with_retry(&sender, &parcel, &retry, &CancellationToken::new()).await;
        (result, sender.calls.into_inner(), start.elapsed())
    }

    fn exact() -> RetryConfig {
        RetryConfig { randomization_factor: 0.0, ..RetryConfig::default() }
    }

    #[tokio::test(start_paused = true)]
    async fn waits_grow() {
        let (result, calls, took) = run(3, Refused::unavailable("down"), exact()).await;
        assert_eq!((result, calls), (Ok(Accepted::all()), 4));
        assert_eq!(took.as_millis(), 5_000 + 7_500 + 11_250);
    }

    #[tokio::test(start_paused = true)]
    async fn the_other_side_decides_the_wait() {
        let (_, _, took) = run(1, Refused::overloaded("full", Duration::from_secs(60)), exact()).await;
        assert_eq!(took.as_secs(), 60);
    }

    #[tokio::test(start_paused = true)]
    async fn gives_up() {
        let (result, calls, _) = run(u32::MAX, Refused::Invalid("bad".into()), exact()).await;
        assert_eq!((result, calls), (Err(Refused::Invalid("bad".into())), 1));
        let (result, _, took) = run(u32::MAX, Refused::unavailable("down"), exact()).await;
        assert!(result.is_err() && took <= Duration::from_secs(300), "{took:?}");
        let off = RetryConfig { enabled: false, ..exact() };
        assert_eq!(run(u32::MAX, Refused::unavailable("down"), off).await.1, 1);
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
