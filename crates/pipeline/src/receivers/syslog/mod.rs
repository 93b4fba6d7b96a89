//! The `syslog` receiver: messages of RFC 5424 and RFC 3164 over TCP, TLS and UDP, as the Collector's receiver takes them.
//!
//! Neither transport acknowledges. What cannot be parsed is kept as it came; what is longer than its limit is cut there; what the
//! pipelines do not take for now makes TCP's senders wait and UDP's packets go, which is counted.
//!
//! The parsers are our own: `syslog_loose` guesses, does not say what is wrong with a message and where, and knows neither Cisco's
//! forms nor a message without a timestamp.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use opentelemetry_proto::tonic::resource::v1::Resource;
use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use trefoil_model::{Signal, Tenancy, Tenant};

use self::config::Config;
use self::door::Door;
use self::tcp::TcpSyslog;
use self::translate::{Translator, Trim};
use self::udp::UdpSyslog;
use super::log_records::gate::Gate;
use super::log_records::options::tenant_of;
use super::log_records::outlet::{Delivery, Outlet, Room};
use super::log_records::values::members;
use super::otlp::intake::{DEFAULT_IN_FLIGHT_BYTES, Intake};
use crate::component::{
    Component, ComponentError, Context, Downstream, Listening, Receiver, ReceiverConfig, ReceiverFactory,
};
use crate::config::{ConfigError, Section};
use crate::metrics::{Metrics, SyslogMetrics, TransportMetrics};

pub mod charset;
pub mod config;
mod cursor;
mod door;
pub mod framing;
pub mod message;
mod peers;
pub mod priority;
pub mod rfc3164;
pub mod rfc5424;
mod tcp;
#[cfg(test)]
mod tests;
mod time;
pub mod translate;
mod udp;

pub use self::cursor::Malformed;

pub const FACTORY: ReceiverFactory = ReceiverFactory { kind: "syslog", signals: &[Signal::Logs], parse };

fn parse(section: &Section<'_>) -> Result<Box<dyn ReceiverConfig>, ConfigError> {
    Ok(Box::new(Config::parse(section)?))
}

impl ReceiverConfig for Config {
    fn build(&self, context: Context, downstream: Downstream) -> Result<Arc<dyn Receiver>, ComponentError> {
        let id = context.id.to_string();
        Ok(Arc::new(SyslogReceiver::new(self, context.tenancy, downstream, &context.metrics, &id)?))
    }
}

/// The running receiver.
pub struct SyslogReceiver {
    config: Config,
    tenant: Tenant,
    intake: Intake,
    room: Room,
    tcp: Option<(TcpSyslog, OfTransport)>,
    udp: Option<(UdpSyslog, OfTransport)>,
    /// What hands records to the pipelines, and what looks after those that operators hold.
    outlets: Mutex<TaskTracker>,
    /// Nothing more comes in.
    end: Mutex<CancellationToken>,
}

/// What is counted of one transport.
struct OfTransport {
    requests: TransportMetrics,
    messages: SyslogMetrics,
}

impl SyslogReceiver {
    /// Reads certificates; listens only when started. `id` is the name in `metrics`.
    pub fn new(
        config: &Config,
        tenancy: Tenancy,
        downstream: Downstream,
        metrics: &Metrics,
        id: &str,
    ) -> Result<Self, ComponentError> {
        let of = |transport| OfTransport {
            requests: metrics.receiver(id).over(transport),
            messages: metrics.syslog(id, transport),
        };
        let tcp = match &config.tcp {
            Some(tcp) => Some((TcpSyslog::new(tcp, config.framing, metrics.connections(id))?, of("tcp"))),
            None => None,
        };
        let udp = config.udp.as_ref().map(|udp| (UdpSyslog::new(udp, metrics.packets_dropped(id)), of("udp")));
        Ok(Self {
            config: config.clone(),
            tenant: tenant_of(tenancy, config.tenant.as_ref())?,
            intake: Intake::new(downstream, tenancy, DEFAULT_IN_FLIGHT_BYTES),
            room: Room::new(DEFAULT_IN_FLIGHT_BYTES),
            tcp,
            udp,
            outlets: Mutex::default(),
            end: Mutex::default(),
        })
    }

    fn door(&self, transport: &OfTransport, charset: charset::Charset, trim: Trim) -> Door {
        let delivery = Delivery {
            intake: self.intake.clone(),
            tenant: self.tenant.clone(),
            resource: Resource { attributes: members(&self.config.resource), ..Resource::default() },
            retry: self.config.retry_on_failure.config(),
            metrics: transport.requests.clone(),
        };
        let (outlet, run) = Outlet::open(delivery, |()| ());
        self.outlets.lock().spawn(run);
        let gate = Arc::new(Gate::new(outlet, self.room.clone(), &self.config.chain, &self.config.resource));
        if gate.has_operators() {
            let (gate, end) = (gate.clone(), self.end.lock().clone());
            self.outlets.lock().spawn(async move {
                end.run_until_cancelled(gate.keep_flushing()).await;
                gate.flush_all().await;
            });
        }
        let translator = Translator::new(&self.config, charset, trim, transport.messages.clone());
        Door { translator, room: self.room.clone(), gate }
    }

    async fn listen(&self) -> Result<(), ComponentError> {
        if let (Some((tcp, transport)), Some(options)) = (&self.tcp, &self.config.tcp) {
            let trim = Trim {
                keeps_leading: options.preserve_leading_whitespaces,
                keeps_trailing: options.preserve_trailing_whitespaces,
            };
            tcp.start(self.door(transport, options.charset().map_err(ComponentError::new)?, trim)).await?;
        }
        if let (Some((udp, transport)), Some(options)) = (&self.udp, &self.config.udp) {
            let trim = Trim {
                keeps_leading: options.preserve_leading_whitespaces,
                keeps_trailing: options.preserve_trailing_whitespaces,
            };
            udp.start(self.door(transport, options.charset().map_err(ComponentError::new)?, trim)).await?;
        }
        Ok(())
    }

    /// Takes nothing new and waits for what is under way.
    async fn drain(&self) {
        if let Some((tcp, _)) = &self.tcp {
            tcp.shutdown().await;
        }
        if let Some((udp, _)) = &self.udp {
            udp.shutdown().await;
        }
        // With the listeners the doors are gone, and so outlets end, when what operators hold has come out.
        std::mem::take(&mut *self.end.lock()).cancel();
        let outlets = std::mem::take(&mut *self.outlets.lock());
        outlets.close();
        outlets.wait().await;
    }

    /// Where it listens, `tcp` or `udp`; nothing before start and after shutdown.
    pub fn address(&self, protocol: &str) -> Option<SocketAddr> {
        self.listening().iter().find(|listening| listening.protocol == protocol).map(|listening| listening.address)
    }
}

impl Receiver for SyslogReceiver {
    fn listening(&self) -> Vec<Listening> {
        let tcp = self.tcp.as_ref().and_then(|(tcp, _)| tcp.listening());
        let udp = self.udp.as_ref().and_then(|(udp, _)| udp.listening());
        tcp.into_iter().chain(udp).collect()
    }
}

#[async_trait]
impl Component for SyslogReceiver {
    async fn start(&self) -> Result<(), ComponentError> {
        let listening = self.listen().await;
        if listening.is_err() {
            // All or none.
            self.drain().await;
        }
        listening
    }

    async fn shutdown(&self, grace: Duration) {
        self.intake.refuse_after(grace, self.drain()).await;
    }
}
