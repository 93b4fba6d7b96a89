//! Bringing the bookstore up and taking it down.

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use tokio::net::TcpListener;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::broker::Broker;
use crate::database::Database;
use crate::faults::Faults;
use crate::load::{Load, Tally};
use crate::options::Options;
use crate::progress::Progress;
use crate::services::{self, ServiceName, orders::Payments};
use crate::shop::Shop;
use crate::telemetry::Telemetry;
use crate::{http, tenants};

/// How long each step of the end may take: requests of others, work that goes on after its request, open connections.
const DRAIN: Duration = Duration::from_secs(5);

/// A bookstore that runs.
pub struct Demo {
    shop: Arc<Shop>,
    /// It closes before the services that its requests need.
    entrance: JoinHandle<()>,
    closing: CancellationToken,
    servers: JoinSet<()>,
    tally: Arc<Tally>,
    load: Load,
    gateway: SocketAddr,
    options: Options,
}

impl Demo {
    /// Binds the gateway's port, opens database and broker, and starts the services. The error says which of them is not
    /// as the options say.
    pub async fn start(options: Options) -> anyhow::Result<Self> {
        let faults = Faults::new(options.rate, options.faults()).map_err(anyhow::Error::msg)?;
        let entrance = TcpListener::bind(options.listen).await.with_context(|| {
            format!("the bookstore's gateway cannot listen at {} (move it with --listen)", options.listen)
        })?;
        let gateway = reachable(entrance.local_addr()?);
        let (mut services, mut addresses) = (Vec::new(), HashMap::new());
        for service in ServiceName::ALL.into_iter().filter(|service| *service != ServiceName::Gateway) {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await;
            let listener = listener.with_context(|| format!("no port for {service}"))?;
            addresses.insert(service, listener.local_addr()?);
            services.push((service, listener));
        }
        let stop = CancellationToken::new();
        let database = Database::open(&options.database).await?;
        let broker = Broker::open(options.broker.as_ref(), stop.clone()).await?;
        let tenants = tenants::first(options.tenants);
        let shop = Arc::new(Shop {
            telemetry: Telemetry::start(&options, &tenants)?,
            tenants,
            faults,
            database,
            broker,
            payments: Payments::default(),
            outbox: tokio::sync::Notify::new(),
            http: http::client(&addresses)?,
            background: TaskTracker::new(),
            stop: stop.clone(),
        });

        services::start_workers(&shop).await?;
        let (mut servers, closing) = (JoinSet::new(), CancellationToken::new());
        for (service, listener) in services {
            servers.spawn(serve(service, listener, &shop, stop.clone()));
        }
        let entrance = tokio::spawn(serve(ServiceName::Gateway, entrance, &shop, closing.clone()));
        let tally = Arc::new(Tally::default());
        let load = Load::new(shop.clone(), gateway, tally.clone())?;
        Ok(Self { shop, entrance, closing, servers, tally, load, gateway, options })
    }

    /// Where the bookstore can be called from here.
    pub fn gateway(&self) -> SocketAddr {
        self.gateway
    }

    /// Runs the load with a progress line until `stop` or the end of the options' duration, and then ends in order: no new
    /// requests, those under way answered, the telemetry of all of them sent.
    pub async fn run(self, stop: CancellationToken) {
        let Self { shop, mut entrance, closing, mut servers, tally, load, options, .. } = self;
        let progress = Progress { tally: &tally, status: &shop.telemetry.status, endpoint: options.endpoint() };
        let time_up = async {
            match options.duration {
                Some(duration) => tokio::time::sleep(duration).await,
                None => std::future::pending().await,
            }
        };
        let load_stop = CancellationToken::new();
        let mut load = tokio::spawn(load.run(load_stop.clone()));
        tokio::select! {
            () = stop.cancelled() => {}
            () = time_up => {}
            () = progress.run() => {}
            _ = &mut load => tracing::error!("the load ended early"),
        }
        load_stop.cancel();
        if !load.is_finished() {
            let _ = load.await;
        }
        closing.cancel();
        if timeout(DRAIN, &mut entrance).await.is_err() {
            tracing::warn!("requests still under way after {DRAIN:?} were cut off");
            entrance.abort();
        }
        shop.background.close();
        if timeout(DRAIN, shop.background.wait()).await.is_err() {
            tracing::warn!("what still went on after {DRAIN:?} was cut off");
        }
        shop.stop.cancel();
        if timeout(DRAIN, async { while servers.join_next().await.is_some() {} }).await.is_err() {
            tracing::warn!("connections still open after {DRAIN:?} were cut off");
        }
        servers.shutdown().await;
        shop.telemetry.flush().await;
        shop.database.close().await;
        progress.conclude();
    }
}

/// Serves until `stop`, and then answers what is under way.
fn serve(
    service: ServiceName,
    listener: TcpListener,
    shop: &Arc<Shop>,
    stop: CancellationToken,
) -> impl Future<Output = ()> + use<> {
    let router = services::router(service, shop);
    async move {
        if let Err(error) = axum::serve(listener, router).with_graceful_shutdown(stop.cancelled_owned()).await {
            tracing::error!(%service, %error, "a service ended");
        }
    }
}

/// Where a listener can be reached from here, if it listens on all addresses.
pub fn reachable(mut address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        address.set_ip(Ipv4Addr::LOCALHOST.into());
    }
    address
}
