//! Where long bodies are unpacked: not on the threads that serve connections, and no more at once than there are cores.

use std::num::NonZero;
use std::sync::Arc;

use tokio::sync::Semaphore;

use super::status::Answer;
use crate::telemetry::Refused;

/// Unpacking a longer body would hold up the other requests of its thread for milliseconds.
const LONG_BODY: usize = 256 << 10;

#[derive(Clone)]
pub struct Workshop(Arc<Semaphore>);

impl Default for Workshop {
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
        Self(Arc::new(Semaphore::new(cores)))
    }
}

impl Workshop {
    /// Does `work` on a body of so many bytes, here if it is short.
    pub async fn run<T: Send + 'static>(
        &self,
        bytes: usize,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Answer> {
        if bytes < LONG_BODY {
            return Ok(work());
        }
        let cut_off = |error: String| Refused::unavailable(format!("unpacking the request was cut off: {error}"));
        let turn = self.0.clone().acquire_owned().await.map_err(|error| cut_off(error.to_string()))?;
        let task = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            work()
        });
        Ok(task.await.map_err(|error| cut_off(error.to_string()))?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn long_bodies_leave_the_thread() {
        let workshop = Workshop::default();
        let thread_of = async |bytes| workshop.run(bytes, || std::thread::current().id()).await.unwrap();
        assert_eq!(thread_of(10).await, std::thread::current().id());
        assert_ne!(thread_of(LONG_BODY).await, std::thread::current().id());
    }
}
