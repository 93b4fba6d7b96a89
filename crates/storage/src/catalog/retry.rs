//! Trying a transaction again while the database is busy or away.

use std::time::{Duration, Instant};

use futures::future::BoxFuture;
use uuid::Uuid;

use super::commit::Failure;
use super::database::{self, Database};
use super::error::CatalogError;

const MAX_ATTEMPTS: u32 = 8;
/// No attempt begins later than this after the first.
const MAX_RETRY_TIME: Duration = Duration::from_secs(20);

/// Runs one transaction until it succeeds, is refused, or the database stays busy or away for too long. `transaction`
/// gets the number of the attempt, from 1.
pub(super) async fn retry<'a, T>(
    database: &Database,
    mut transaction: impl FnMut(u32) -> BoxFuture<'a, Result<T, Failure>> + Send,
) -> Result<T, CatalogError> {
    let begin = Instant::now();
    let mut attempt = 1;
    loop {
        let error = match transaction(attempt).await {
            Ok(value) => return Ok(value),
            Err(Failure::Refused(error)) => return Err(error),
            Err(Failure::Database(error)) => error,
        };
        if !database::is_transient(&error) || attempt >= MAX_ATTEMPTS || begin.elapsed() >= MAX_RETRY_TIME {
            return Err(database.error(error, attempt));
        }
        tracing::debug!(%error, attempt, "the catalog is busy or away, trying again");
        tokio::time::sleep(pause(attempt)).await;
        attempt += 1;
    }
}

/// About 20, 40, 80, … 1280 ms, by chance half or one and a half of it: writers that met once should not meet again.
pub(super) fn pause(attempt: u32) -> Duration {
    let pause = 10u64 << attempt.min(7);
    let chance = u64::from(Uuid::new_v4().as_bytes()[0]);
    Duration::from_millis(pause / 2 + chance * pause / 255)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_and_stay_bounded() {
        for attempt in 1..=MAX_ATTEMPTS {
            let base = 10u128 << attempt.min(7);
            assert!((base / 2..=base * 3 / 2).contains(&pause(attempt).as_millis()));
        }
    }
}
