//! Calls of `Agent.emitBatch` by UDP, as Jaeger's clients send them to an agent.
//!
//! One task reads the socket into a queue, some take from it. Nothing here waits for room: what finds none is dropped and counted, or
//! else the system would drop it without a word.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;
use socket2::SockRef;
use tokio::net::UdpSocket;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{Mutex as AsyncMutex, mpsc};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use trefoil_jaeger::thrift::{self, Protocol};
use trefoil_model::{Signal, Tenant};

use super::config::Udp;
use crate::component::{ComponentError, Listening};
use crate::metrics::{Dropped, Metrics, PacketMetrics, TransportMetrics};
use crate::net::body::Reservation;
use crate::net::server::bind_udp;
use crate::receivers::otlp::intake::Intake;
use crate::telemetry::Origin;

/// No UDP packet is longer.
const LONGEST: usize = 65_535;

/// How long reading rests after an error, so that one that stays does not take a core.
const PAUSE: Duration = Duration::from_millis(50);

/// What is known of a packet before it is read.
struct Packet {
    bytes: Bytes,
    peer: SocketAddr,
    reservation: Reservation,
}

pub struct UdpListener {
    /// As the configuration names the protocol.
    name: &'static str,
    endpoint: String,
    options: Udp,
    door: Arc<Door>,
    running: Mutex<Option<Running>>,
}

struct Running {
    address: SocketAddr,
    stop: CancellationToken,
    tasks: TaskTracker,
}

/// Where packets go.
struct Door {
    name: &'static str,
    protocol: Protocol,
    tenant: Tenant,
    intake: Intake,
    metrics: TransportMetrics,
    packets: PacketMetrics,
}

impl UdpListener {
    /// `name` is that of the protocol in the configuration, `endpoint` where it listens unless `options` say otherwise.
    pub fn new(
        name: &'static str,
        endpoint: &str,
        options: &Udp,
        tenant: Tenant,
        intake: Intake,
        metrics: &Metrics,
        id: &str,
    ) -> Self {
        // The Collector's names.
        let (protocol, transport) = match name {
            "thrift_compact" => (Protocol::Compact, "udp_thrift_compact"),
            _ => (Protocol::Binary, "udp_thrift_binary"),
        };
        let packets = metrics.packets(id, transport);
        let metrics = metrics.receiver(id).over(transport);
        let endpoint = options.endpoint.as_deref().unwrap_or(endpoint).to_owned();
        let door = Arc::new(Door { name, protocol, tenant, intake, metrics, packets });
        Self { name, endpoint, options: options.clone(), door, running: Mutex::default() }
    }

    pub async fn start(&self) -> Result<(), ComponentError> {
        let failed = |error: io::Error| {
            ComponentError::new(format!("protocols.{}: cannot listen on {}: {error}", self.name, self.endpoint))
        };
        let socket = bind_udp(&self.endpoint).await.map_err(failed)?;
        if self.options.socket_buffer_size > 0 {
            SockRef::from(&socket).set_recv_buffer_size(self.options.socket_buffer_size).map_err(failed)?;
        }
        let address = socket.local_addr().map_err(failed)?;
        let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
        let (queue, waiting) = mpsc::channel(self.options.queue_size);
        let reader = Reader { socket, queue, door: self.door.clone(), longest: self.options.max_packet_size };
        tasks.spawn(reader.run(stop.clone()));
        let waiting = Arc::new(AsyncMutex::new(waiting));
        for _ in 0..self.options.workers {
            tasks.spawn(work(waiting.clone(), self.door.clone()));
        }
        tasks.close();
        tracing::info!(protocol = self.name, %address, "receiving Jaeger's spans");
        *self.running.lock() = Some(Running { address, stop, tasks });
        Ok(())
    }

    pub fn listening(&self) -> Option<Listening> {
        let running = self.running.lock();
        running.as_ref().map(|running| Listening { protocol: self.name, address: running.address })
    }

    /// Reads no more, and waits until what was read is delivered or refused.
    pub async fn shutdown(&self) {
        let Some(Running { stop, tasks, .. }) = self.running.lock().take() else { return };
        stop.cancel();
        tasks.wait().await;
    }
}

struct Reader {
    socket: UdpSocket,
    queue: mpsc::Sender<Packet>,
    door: Arc<Door>,
    /// `max_packet_size`
    longest: usize,
}

impl Reader {
    async fn run(self, stop: CancellationToken) {
        // One byte more, to tell a packet that is too long from one that just fits.
        let mut buffer = vec![0; self.longest.min(LONGEST) + 1];
        loop {
            let received = tokio::select! {
                () = stop.cancelled() => return,
                received = self.socket.recv_from(&mut buffer) => received,
            };
            match received {
                Ok((length, peer)) => self.enqueue(&buffer[..length], peer),
                // Nothing that the socket would not recover from.
                Err(error) => {
                    tracing::warn!(protocol = self.door.name, %error, "cannot read a packet");
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }

    fn enqueue(&self, packet: &[u8], peer: SocketAddr) {
        if packet.len() > self.longest {
            return self.door.dropped(Dropped::TooLarge, peer, &format!("it has more than {} bytes", self.longest));
        }
        let mut reservation = self.door.intake.admission.start();
        if let Err(error) = reservation.resize(packet.len()) {
            return self.door.dropped(Dropped::Busy, peer, &error.to_string());
        }
        let packet = Packet { bytes: Bytes::copy_from_slice(packet), peer, reservation };
        if let Err(TrySendError::Full(packet)) = self.queue.try_send(packet) {
            self.door.dropped(Dropped::QueueFull, packet.peer, "queue_size packets are waiting");
        }
    }
}

async fn work(waiting: Arc<AsyncMutex<mpsc::Receiver<Packet>>>, door: Arc<Door>) {
    loop {
        let next = waiting.lock().await.recv().await;
        let Some(packet) = next else { return };
        door.deliver(packet).await;
    }
}

impl Door {
    async fn deliver(&self, packet: Packet) {
        let Packet { bytes, peer, reservation: _reservation } = packet;
        let mut metrics = self.metrics.begin();
        let batch = match thrift::read_emit_batch(self.protocol, &bytes) {
            Ok(batch) => batch,
            Err(error) => return self.dropped(Dropped::Malformed, peer, &error.to_string()),
        };
        if let Err(answer) = self.intake.check_taken(Signal::Traces) {
            return self.dropped(Dropped::Refused, peer, &answer.message);
        }
        let origin = Origin { address: Some(peer), ..Origin::default() };
        let (tenant, request) = (self.tenant.clone(), super::otlp(batch));
        match self.intake.deliver(&mut metrics, tenant, Signal::Traces, request, origin).await {
            Ok(_) => self.packets.processed(),
            Err(refused) => self.dropped(Dropped::Refused, peer, &refused.to_string()),
        }
    }

    /// Counts; only the first one of a kind is worth a warning.
    fn dropped(&self, reason: Dropped, peer: SocketAddr, why: &str) {
        let protocol = self.name;
        match self.packets.dropped(reason) {
            0 => tracing::warn!(
                protocol, %peer, why,
                "a packet of Jaeger's spans is dropped; more of this kind are counted in otelcol_jaeger_receiver_thrift_pkt_dropped_total"
            ),
            _ => tracing::debug!(protocol, %peer, why, "a packet of Jaeger's spans is dropped"),
        }
    }
}
