//! The `journald` receiver: what systemd's journal holds and gets, read by following `journalctl`, as the Collector's receiver does.
//!
//! When journalctl ends, it is started again behind the last entry that the pipelines have taken (or refused for good). That place is kept
//! in memory, and where `storage` names an extension there, too.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use opentelemetry_proto::tonic::resource::v1::Resource;
use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use trefoil_model::{Signal, Tenancy, Tenant};

use self::arguments::{Place, command};
use self::config::Config;
use self::entry::Reader;
use self::journalctl::{Destination, Journalctl};
use super::log_records::gate::Gate;
use super::log_records::options::tenant_of;
use super::log_records::outlet::{Delivery, Outlet, Room};
use super::log_records::values::{members, now};
use super::otlp::intake::{DEFAULT_IN_FLIGHT_BYTES, Intake};
use crate::component::{
    Component, ComponentError, ComponentId, Context, Downstream, Receiver, ReceiverConfig, ReceiverFactory,
    StorageClient, Storages,
};
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

/// What the cursor of the last entry is kept under.
const CURSOR: &str = "cursor";

fn parse(section: &Section<'_>) -> Result<Box<dyn ReceiverConfig>, ConfigError> {
    Ok(Box::new(Config::parse(section)?))
}

impl ReceiverConfig for Config {
    fn build(&self, context: Context, downstream: Downstream) -> Result<Arc<dyn Receiver>, ComponentError> {
        let id = context.id.to_string();
        let receiver = JournaldReceiver::new(self, context.tenancy, downstream, &context.metrics, &id)?;
        Ok(Arc::new(receiver.keeping(context.storages, context.id)))
    }
}

/// The running receiver.
pub struct JournaldReceiver {
    follower: Arc<Follower>,
    storages: Option<(Storages, ComponentId)>,
    kept: Mutex<Option<Arc<dyn StorageClient>>>,
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
        Ok(Self {
            follower: Arc::new(follower),
            storages: None,
            kept: Mutex::default(),
            stop: CancellationToken::new(),
            tasks: TaskTracker::new(),
        })
    }

    /// With the extensions that run, and the name under which one of them knows this receiver.
    #[must_use]
    pub fn keeping(mut self, storages: Storages, id: ComponentId) -> Self {
        self.storages = Some((storages, id));
        self
    }

    /// What keeps the place in the journal, and the cursor that it has.
    async fn open(&self) -> Result<(Option<Arc<dyn StorageClient>>, Option<String>), ComponentError> {
        let (Some(storage), Some((storages, id))) = (&self.follower.config.storage, &self.storages) else {
            return Ok((None, None));
        };
        let client = storages.get(storage)?.client("receiver", id).await?;
        let kept = client.all().await?.into_iter().find(|(key, _)| key == CURSOR);
        Ok((Some(client), kept.map(|(_, cursor)| String::from_utf8_lossy(&cursor).into_owned())))
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
        let (kept, cursor) = self.open().await?;
        let begin = || Place::first(self.follower.config.start_at, now() / 1_000_000_000);
        let place = cursor.map_or_else(begin, Place::After);
        let first = match self.follower.journalctl(&place) {
            Ok(first) => first,
            Err(error) => {
                if let Some(kept) = kept {
                    kept.close().await;
                }
                return Err(error);
            }
        };
        *self.kept.lock() = kept.clone();
        self.tasks.spawn(self.follower.clone().follow(first, place, kept, self.stop.clone()));
        tracing::info!("following the journal");
        Ok(())
    }

    async fn shutdown(&self, grace: Duration) {
        self.stop.cancel();
        self.tasks.close();
        self.follower.intake.refuse_after(grace, self.tasks.wait()).await;
        let kept = self.kept.lock().take();
        if let Some(kept) = kept {
            kept.close().await;
        }
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

    async fn follow(
        self: Arc<Self>,
        first: Journalctl,
        mut place: Place,
        kept: Option<Arc<dyn StorageClient>>,
        stop: CancellationToken,
    ) {
        let mut started = Ok(first);
        let mut pause = self.pause;
        loop {
            let since = Instant::now();
            match started {
                Ok(journalctl) => {
                    if let Some(cursor) = self.run(journalctl, kept.as_deref(), &stop).await {
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
    async fn run(
        &self,
        journalctl: Journalctl,
        kept: Option<&dyn StorageClient>,
        stop: &CancellationToken,
    ) -> Option<String> {
        let (place, last) = watch::channel(None);
        // None is settled while operators hold the first ones.
        let settled = move |cursor: String| drop((!cursor.is_empty()).then(|| place.send_replace(Some(cursor))));
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
        let gate = Gate::new(outlet, self.room.clone(), &self.config.chain, &self.config.resource);
        let destination = Destination { reader, room: self.room.clone(), gate, metrics: self.metrics.clone() };
        let running = async move {
            let ended = tokio::select! {
                ended = journalctl.run(&destination, stop) => ended,
                () = destination.gate.keep_flushing() => None,
            };
            match ended {
                Some(Ok(status)) => tracing::warn!(%status, "journalctl ended; it will be started again"),
                Some(Err(error)) => tracing::warn!(%error, "journalctl ended; it will be started again"),
                // What operators hold is read again where the place in the journal is kept; elsewhere it would be lost.
                None if kept.is_none() => destination.gate.flush_all().await,
                None => {}
            }
        };
        tokio::join!(running, delivered, keep(kept, last.clone()));
        last.borrow().clone()
    }
}

/// Writes each place that `last` has, until it has no more.
async fn keep(kept: Option<&dyn StorageClient>, mut last: watch::Receiver<Option<String>>) {
    let Some(kept) = kept else { return };
    while last.changed().await.is_ok() {
        let cursor = last.borrow_and_update().clone();
        let Some(cursor) = cursor else { continue };
        if let Err(error) = kept.write(vec![(CURSOR.to_owned(), Some(cursor.into_bytes()))]).await {
            tracing::warn!(%error, "how far the journal has been read cannot be written; it is tried again");
        }
    }
}
