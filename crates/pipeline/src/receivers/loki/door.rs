//! What becomes of a push, however it came.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http::StatusCode;
use tonic::Code;
use trefoil_loki::{Format, Options, Translated, Unreadable, translate};
use trefoil_model::{Signal, Tenant};

use crate::metrics::{RequestMetrics, TransportMetrics};
use crate::net::body::Reservation;
use crate::receivers::otlp::intake::Intake;
use crate::receivers::otlp::status::Answer;
use crate::telemetry::{Accepted, Origin, Payload, Refused, Telemetry};

/// One protocol's way in; all of a receiver share the intake.
#[derive(Clone)]
pub(super) struct Door {
    pub intake: Intake,
    pub options: Arc<Options>,
    pub metrics: TransportMetrics,
}

impl Door {
    /// Hands an unpacked body to the pipelines. What of it is good is stored also where the answer is an error: Loki's clients look for one
    /// if anything was left out, and do not send again.
    pub async fn deliver(
        &self,
        metrics: &mut RequestMetrics<'_>,
        tenant: Tenant,
        (format, body): (Format, Bytes),
        mut reservation: Reservation,
        origin: Origin,
    ) -> Result<(), Answer> {
        let options = self.options.clone();
        let read = move || translate(format, &body, &options, now());
        let read = self.intake.workshop.run(reservation.bytes(), read).await?;
        let Translated { request, entries, rejected } = read?;
        reservation.resize(request.len())?;

        let items = entries + rejected.entries;
        let left_out = Accepted { rejected: rejected.entries, message: rejected.message() };
        let answer = match entries {
            0 => Ok(left_out),
            _ => {
                let payload = Payload::from_bytes(Signal::Logs, request.into()).with_items(entries);
                let mut telemetry = Telemetry::new(tenant.clone(), payload);
                telemetry.origin = origin;
                self.intake.consume(telemetry).await.map(|accepted| left_out.and(accepted))
            }
        };
        let answer = answer.and_then(|accepted| match accepted.rejected {
            rejected if rejected > 0 && rejected >= items => {
                Err(Refused::Invalid(accepted.message.unwrap_or_default()))
            }
            _ => Ok(accepted),
        });
        metrics.delivered(Signal::Logs, items, &answer);
        let Accepted { rejected, message } = answer?;
        if rejected == 0 {
            return Ok(());
        }
        let reasons = message.unwrap_or_else(|| "no reason was given".to_owned());
        tracing::debug!(%tenant, rejected, of = items, reasons, "a push is stored only in part");
        Err(Answer::invalid(format!("{reasons} ({rejected} of {items} entries are not stored)")))
    }
}

impl From<Unreadable> for Answer {
    fn from(error: Unreadable) -> Self {
        match error {
            Unreadable::Malformed { .. } => Answer::invalid(error.to_string()),
            Unreadable::TooLarge => {
                Answer::new(StatusCode::PAYLOAD_TOO_LARGE, Code::ResourceExhausted, error.to_string())
            }
        }
    }
}

fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}
