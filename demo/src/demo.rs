//! Bringing the bookstore up and taking it down.

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
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

/// How long work that goes on after its request may take at the end.
const DRAIN: Duration = Duration::from_secs(5);

/// A bookstore that runs.
pub struct Demo {
    shop: Arc<Shop>,
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
        let mut listeners = Vec::new();
        for service in ServiceName::ALL {
            listeners.push((service, bind(service, options.listen).await?));
        }
        let mut addresses = HashMap::new();
        for (service, listener) in &listeners {
            addresses.insert(*service, listener.local_addr()?);
        }
        let gateway = addresses[&ServiceName::Gateway];
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
        let mut servers = JoinSet::new();
        for (service, listener) in listeners {
            let router = services::router(service, &shop);
            let stopped = stop.clone().cancelled_owned();
            servers.spawn(async move {
                if let Err(error) = axum::serve(listener, router).with_graceful_shutdown(stopped).await {
                    tracing::error!(%service, %error, "a service ended");
                }
            });
        }
        let tally = Arc::new(Tally::default());
        let load = Load::new(shop.clone(), reachable(gateway), tally.clone())?;
        Ok(Self { shop, servers, tally, load, gateway, options })
    }

    /// Where the bookstore can be called.
    pub fn gateway(&self) -> SocketAddr {
        self.gateway
    }

    /// Runs the load with a progress line until `stop` or the end of the options' duration, and then ends in order: no new
    /// requests, those under way answered, the telemetry of all of them sent.
    pub async fn run(self, stop: CancellationToken) {
        let Self { shop, mut servers, tally, load, options, .. } = self;
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

async fn bind(service: ServiceName, gateway: SocketAddr) -> anyhow::Result<TcpListener> {
    if service != ServiceName::Gateway {
        return TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.with_context(|| format!("no port for {service}"));
    }
    let listener = TcpListener::bind(gateway).await;
    listener.with_context(|| format!("the bookstore's gateway cannot listen at {gateway} (move it with --listen)"))
}

/// Where a listener on all interfaces can be reached from here.
fn reachable(mut address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        address.set_ip(Ipv4Addr::LOCALHOST.into());
    }
    address
}
