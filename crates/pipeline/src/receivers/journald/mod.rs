//! The `journald` receiver: what systemd's journal holds and gets, read by following `journalctl`, as the Collector's receiver does.
//!
//! The place in the journal is kept in memory: when journalctl ends, it is started again behind the last entry that the pipelines have
//! taken (or refused for good).

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use opentelemetry_proto::tonic::resource::v1::Resource;
use parking_lot::Mutex;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use trefoil_model::{Signal, Tenancy, Tenant};

use self::arguments::{Place, command};
use self::config::Config;
use self::entry::Reader;
use self::journalctl::{Destination, Journalctl};
use super::log_records::options::tenant_of;
use super::log_records::outlet::{Delivery, Outlet, Room};
use super::log_records::values::{members, now};
use super::otlp::intake::{DEFAULT_IN_FLIGHT_BYTES, Intake};
use crate::component::{Component, ComponentError, Context, Downstream, Receiver, ReceiverConfig, ReceiverFactory};
use crate::config::{ConfigError, Section};
use crate::metrics::{JournaldMetrics, Metrics, TransportMetrics};

pub mod arguments;
pub mod config;
pub mod entry;
mod journalctl;
#[cfg(test)]
mod tests;

pub const FACTORY: ReceiverFactory = ReceiverFactory { kind: "journald", signals: &[Signal::Logs], parse };

/// How long it takes until journalctl is started again: longer each time, unless it ran for a while.
const SHORTEST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

fn parse(section: &Section<'_>) -> Result<Box<dyn ReceiverConfig>, ConfigError> {
    Ok(Box::new(Config::parse(section)?))
}

impl ReceiverConfig for Config {
    fn build(&self, context: Context, downstream: Downstream) -> Result<Arc<dyn Receiver>, ComponentError> {
        let id = context.id.to_string();
        Ok(Arc::new(JournaldReceiver::new(self, context.tenancy, downstream, &context.metrics, &id)?))
    }
}

/// The running receiver.
pub struct JournaldReceiver {
    follower: Arc<Follower>,
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl JournaldReceiver {
    /// Runs nothing until started. `id` is the name in `metrics`.
    pub fn new(
        config: &Config,
        tenancy: Tenancy,
        downstream: Downstream,
        metrics: &Metrics,
        id: &str,
    ) -> Result<Self, ComponentError> {
        let follower = Follower {
            config: config.clone(),
            tenant: tenant_of(tenancy, config.tenant.as_ref())?,
            intake: Intake::new(downstream, tenancy, DEFAULT_IN_FLIGHT_BYTES),
            room: Room::new(DEFAULT_IN_FLIGHT_BYTES),
            requests: metrics.receiver(id).over("journald"),
            metrics: metrics.journald(id),
            pause: SHORTEST_PAUSE,
        };
        Ok(Self { follower: Arc::new(follower), stop: CancellationToken::new(), tasks: TaskTracker::new() })
    }

    /// With another pause before journalctl is started for the second time.
    #[must_use]
    pub fn pausing(mut self, pause: Duration) -> Self {
        if let Some(follower) = Arc::get_mut(&mut self.follower) {
            follower.pause = pause;
        }
        self
    }
}

impl Receiver for JournaldReceiver {}

#[async_trait]
impl Component for JournaldReceiver {
    /// That journalctl cannot be run at all is an error here; what happens later is only written to our log.
    async fn start(&self) -> Result<(), ComponentError> {
        let place = Place::first(self.follower.config.start_at, now() / 1_000_000_000);
        let first = self.follower.journalctl(&place)?;
        self.tasks.spawn(self.follower.clone().follow(first, place, self.stop.clone()));
        tracing::info!("following the journal");
        Ok(())
    }

    async fn shutdown(&self, grace: Duration) {
        self.stop.cancel();
        self.tasks.close();
        self.follower.intake.refuse_after(grace, self.tasks.wait()).await;
    }
}

/// Runs journalctl, again and again.
struct Follower {
    config: Config,
    tenant: Tenant,
    intake: Intake,
    room: Room,
    requests: TransportMetrics,
    metrics: JournaldMetrics,
    pause: Duration,
}

impl Follower {
    fn journalctl(&self, place: &Place) -> Result<Journalctl, ComponentError> {
        let journalctl = Journalctl::start(&command(&self.config, place))?;
        self.metrics.starts.inc();
        Ok(journalctl)
    }

    async fn follow(self: Arc<Self>, first: Journalctl, mut place: Place, stop: CancellationToken) {
        let mut started = Ok(first);
        let mut pause = self.pause;
        loop {
            let since = Instant::now();
            match started {
                Ok(journalctl) => {
                    if let Some(cursor) = self.run(journalctl, &stop).await {
                        place = Place::After(cursor);
                    }
                }
                Err(error) => tracing::error!(%error, "the journal is not followed for now"),
            }
            if since.elapsed() > LONGEST_PAUSE {
                pause = self.pause;
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(pause) => {}
            }
            pause = (pause * 2).min(LONGEST_PAUSE);
            started = self.journalctl(&place);
        }
    }

    /// Until it ends and all of its entries are settled: gives the cursor of the last of them.
    async fn run(&self, journalctl: Journalctl, stop: &CancellationToken) -> Option<String> {
        let last = Arc::new(Mutex::new(None));
        let settled = {
            let last = last.clone();
            move |cursor| *last.lock() = Some(cursor)
        };
        let delivery = Delivery {
            intake: self.intake.clone(),
            tenant: self.tenant.clone(),
            resource: Resource { attributes: members(&self.config.resource), ..Resource::default() },
            retry: self.config.retry_on_failure.config(),
            metrics: self.requests.clone(),
        };
        let (outlet, delivered) = Outlet::open(delivery, settled);
        let reader = Reader {
            convert_message_bytes: self.config.convert_message_bytes,
            attributes: members(&self.config.attributes),
        };
        let destination = Destination { reader, room: self.room.clone(), outlet, metrics: self.metrics.clone() };
        let running = async move {
            if let Some(ended) = journalctl.run(&destination, stop).await {
                match ended {
                    Ok(status) => tracing::warn!(%status, "journalctl ended; it will be started again"),
                    Err(error) => tracing::warn!(%error, "journalctl ended; it will be started again"),
                }
            }
        };
        tokio::join!(running, delivered);
        let mut last = last.lock();
        last.take()
    }
}
