//! The `jaeger` receiver: what Jaeger's clients and agents send to a Jaeger, over gRPC, HTTP and UDP.
//!
//! A batch becomes one OTLP export request (`trefoil_jaeger::otlp`). Over gRPC and HTTP it is answered when the pipelines are done with
//! it; over UDP nobody waits for an answer, and what cannot be taken is counted.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::future::join_all;
use trefoil_jaeger::model::Batch;
use trefoil_jaeger::otlp::to_otlp;
use trefoil_model::{Signal, Tenancy};

use self::config::Config;
use self::udp::UdpListener;
use super::otlp::intake::{DEFAULT_IN_FLIGHT_BYTES, Intake};
use super::prometheus::tenant_of;
use crate::component::{
    Component, ComponentError, Context, Downstream, Listening, Receiver, ReceiverConfig, ReceiverFactory,
};
use crate::config::{ConfigError, Section};
use crate::metrics::Metrics;
use crate::net::listener::Listeners;

pub mod config;
mod grpc;
mod http;
mod udp;

pub const FACTORY: ReceiverFactory = ReceiverFactory { kind: "jaeger", signals: &[Signal::Traces], parse };

fn parse(section: &Section<'_>) -> Result<Box<dyn ReceiverConfig>, ConfigError> {
    Ok(Box::new(Config::parse(section)?))
}

impl ReceiverConfig for Config {
    fn build(&self, context: Context, downstream: Downstream) -> Result<Arc<dyn Receiver>, ComponentError> {
        let id = context.id.to_string();
        Ok(Arc::new(JaegerReceiver::new(self, context.tenancy, downstream, &context.metrics, &id)?))
    }
}

/// The running receiver.
pub struct JaegerReceiver {
    intake: Intake,
    listeners: Listeners,
    udp: Vec<UdpListener>,
}

impl JaegerReceiver {
    /// Reads certificates; listens only when started. `id` is the name in `metrics`.
    pub fn new(
        config: &Config,
        tenancy: Tenancy,
        downstream: Downstream,
        metrics: &Metrics,
        id: &str,
    ) -> Result<Self, ComponentError> {
        let intake = Intake::new(downstream, tenancy, DEFAULT_IN_FLIGHT_BYTES);
        let of_receiver = metrics.receiver(id);
        let mut listeners = Vec::new();
        if let Some(grpc) = &config.protocols.grpc {
            let routes = grpc::routes(intake.clone(), grpc.limits(), of_receiver.over("grpc"));
            listeners.push(grpc.listener(routes)?);
        }
        if let Some(http) = &config.protocols.thrift_http {
            let server = http.server();
            let limits = server.limits().map_err(ComponentError::new)?;
            // The Collector's name for it.
            let routes = http::routes(intake.clone(), limits, of_receiver.over("collector_http"));
            listeners.push(server.listener("thrift_http", routes)?);
        }
        let mut udp = Vec::new();
        for (name, endpoint, options) in config.protocols.udp() {
            let tenant = tenant_of(tenancy, config.tenant.as_ref()).map_err(|_| {
                ComponentError::new(format!(
                    "protocols.{name}: tenants are told apart (tenancy.enabled) and UDP packets name none, so say whose they are: \
                     tenant"
                ))
            })?;
            udp.push(UdpListener::new(name, endpoint, options, tenant, intake.clone(), metrics, id));
        }
        Ok(Self { intake, listeners: Listeners::new("receiving Jaeger's spans", "protocols.", listeners), udp })
    }

    /// Takes nothing new and waits for what is under way.
    async fn drain(&self, grace: Duration) {
        let udp = join_all(self.udp.iter().map(UdpListener::shutdown));
        tokio::join!(self.listeners.shutdown(grace), udp);
    }

    /// Where it listens, by the name of the protocol; empty before start and after shutdown.
    pub fn address(&self, protocol: &str) -> Option<SocketAddr> {
        self.listening().iter().find(|listening| listening.protocol == protocol).map(|listening| listening.address)
    }
}

impl Receiver for JaegerReceiver {
    fn listening(&self) -> Vec<Listening> {
        let udp = self.udp.iter().filter_map(UdpListener::listening);
        self.listeners.listening().into_iter().chain(udp).collect()
    }
}

#[async_trait]
impl Component for JaegerReceiver {
    async fn start(&self) -> Result<(), ComponentError> {
        self.listeners.start().await?;
        for udp in &self.udp {
            if let Err(error) = udp.start().await {
                // All or none.
                self.drain(Duration::ZERO).await;
                return Err(error);
            }
        }
        Ok(())
    }

    async fn shutdown(&self, grace: Duration) {
        self.intake.refuse_after(grace, self.drain(grace)).await;
    }
}

/// A batch as the body of an OTLP export request.
fn otlp(batch: Batch<'_>) -> Bytes {
    to_otlp([batch]).into()
}
