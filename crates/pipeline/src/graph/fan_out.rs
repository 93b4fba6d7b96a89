//! One request to several consumers.

use std::sync::Arc;

use async_trait::async_trait;
use futures::future::join_all;

use crate::receivers::prometheusremotewrite::WriteRequest;
use crate::telemetry::{Accepted, Consumer, Refused, Telemetry};

/// Sends to all of `consumers` at once; nobody's failure keeps the others from getting it.
pub fn fan_out(mut consumers: Vec<Arc<dyn Consumer>>) -> Arc<dyn Consumer> {
    match consumers.pop() {
        Some(only) if consumers.is_empty() => only,
        last => {
            consumers.extend(last);
            Arc::new(FanOut(consumers))
        }
    }
}

struct FanOut(Vec<Arc<dyn Consumer>>);

#[async_trait]
impl Consumer for FanOut {
    async fn consume(&self, telemetry: Telemetry) -> Result<Accepted, Refused> {
        // Encoded once, the bytes are shared by all; each branch decodes for itself if it changes something.
        let Telemetry { tenant, payload, origin } = telemetry;
        let shared = Telemetry { tenant, payload: payload.into_shared(), origin };
        let answers = join_all(self.0.iter().map(|consumer| consumer.consume(shared.clone()))).await;
        merge(answers)
    }

    async fn consume_write(&self, request: WriteRequest) -> Result<Accepted, Refused> {
        merge(join_all(self.0.iter().map(|consumer| consumer.consume_write(request.clone()))).await)
    }
}

/// A request counts as taken when all took it. Of several refusals one that can be retried wins, because the branch
/// behind it still lacks the data; the sender's next attempt meets the final ones again.
fn merge(answers: Vec<Result<Accepted, Refused>>) -> Result<Accepted, Refused> {
    let mut merged = Accepted::all();
    let mut refused: Vec<Refused> = Vec::new();
    for answer in answers {
        match answer {
            Ok(accepted) => {
                // Branches reject items of the same request, often the same ones: the largest count, not the sum.
                let rejected = merged.rejected.max(accepted.rejected);
                merged = Accepted { rejected, ..merged.and(accepted) };
            }
            Err(error) => refused.push(error),
        }
    }
    let retryable = refused.iter().position(Refused::is_retryable).unwrap_or(0);
    match refused.is_empty() {
        true => Ok(merged),
        false => Err(refused.swap_remove(retryable)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_must_take_it() {
        assert_eq!(merge(vec![Ok(Accepted::all()), Ok(Accepted::all())]), Ok(Accepted::all()));
        let invalid = Refused::Invalid("bad".to_owned());
        let down = Refused::unavailable("down");
        assert_eq!(merge(vec![Ok(Accepted::all()), Err(invalid.clone())]), Err(invalid.clone()));
        assert_eq!(merge(vec![Err(invalid), Ok(Accepted::all()), Err(down.clone())]), Err(down));
    }

    #[test]
    fn items_rejected_by_several_branches_count_once() {
        let some = |rejected, text: &str| Ok(Accepted { rejected, message: Some(text.to_owned()) });
        let merged = merge(vec![some(3, "too old"), some(1, "too large"), some(2, "too old")]).unwrap();
        assert_eq!(merged.rejected, 3);
        assert_eq!(merged.message.unwrap(), "too old; too large; too old");
    }
}
