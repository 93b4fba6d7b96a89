//! Messages over UDP, one a packet. Nobody waits for us here: what finds no room is dropped and counted.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::net::UdpSocket;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{Mutex as AsyncMutex, mpsc};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::config::{Concurrency, Udp};
use super::door::Door;
use super::framing::Frame;
use super::peers::addresses;
use crate::component::{ComponentError, Listening};
use crate::metrics::{DroppedPacket, PacketsDropped};
use crate::net::server::bind_udp;
use crate::receivers::log_records::outlet::Place;

/// No UDP packet is longer.
const LONGEST: usize = 65_535;
/// How long reading rests after an error, so that one that stays does not take a core.
const PAUSE: Duration = Duration::from_millis(50);

/// A listener of the receiver.
pub struct UdpSyslog {
    options: Udp,
    metrics: PacketsDropped,
    running: Mutex<Option<Running>>,
}

struct Running {
    address: SocketAddr,
    stop: CancellationToken,
    tasks: TaskTracker,
}

struct Packet {
    bytes: Bytes,
    peer: SocketAddr,
    place: Place,
}

impl UdpSyslog {
    pub fn new(options: &Udp, metrics: PacketsDropped) -> Self {
        Self { options: options.clone(), metrics, running: Mutex::default() }
    }

    pub async fn start(&self, door: Door) -> Result<(), ComponentError> {
        let endpoint = &self.options.listen_address;
        let failed = |error: io::Error| ComponentError::new(format!("udp: cannot listen on {endpoint}: {error}"));
        let socket = Arc::new(bind_udp(endpoint).await.map_err(failed)?);
        let address = socket.local_addr().map_err(failed)?;
        let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
        let Concurrency { readers, processors, max_queue_length } = self.options.concurrency();
        let (queue, waiting) = mpsc::channel(max_queue_length);
        let (door, waiting) = (Arc::new(door), Arc::new(AsyncMutex::new(waiting)));
        for _ in 0..readers {
            let (socket, queue) = (socket.clone(), queue.clone());
            let reader = Reader { socket, queue, door: door.clone(), metrics: self.metrics.clone() };
            tasks.spawn(reader.run(stop.clone()));
        }
        for _ in 0..processors {
            let host = self.options.add_attributes.then_some(address);
            tasks.spawn(process(waiting.clone(), door.clone(), host));
        }
        tasks.close();
        tracing::info!(%address, "receiving syslog over UDP");
        *self.running.lock() = Some(Running { address, stop, tasks });
        Ok(())
    }

    pub fn listening(&self) -> Option<Listening> {
        self.running.lock().as_ref().map(|running| Listening { protocol: "udp", address: running.address })
    }

    /// Reads no more, and waits until what was read is handed in.
    pub async fn shutdown(&self) {
        let Some(Running { stop, tasks, .. }) = self.running.lock().take() else { return };
        stop.cancel();
        tasks.wait().await;
    }
}

struct Reader {
    socket: Arc<UdpSocket>,
    queue: mpsc::Sender<Packet>,
    door: Arc<Door>,
    metrics: PacketsDropped,
}

impl Reader {
    async fn run(self, stop: CancellationToken) {
        let mut buffer = vec![0; LONGEST];
        loop {
            let received = tokio::select! {
                () = stop.cancelled() => return,
                received = self.socket.recv_from(&mut buffer) => received,
            };
            match received {
                Ok((length, peer)) => self.enqueue(&buffer[..length], peer),
                // Nothing that the socket would not recover from.
                Err(error) => {
                    tracing::warn!(%error, "cannot read a packet of syslog");
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }

    fn enqueue(&self, packet: &[u8], peer: SocketAddr) {
        // As in the Collector: handlers that end a message with NUL or a line feed do so here as well.
        let length = packet.iter().rposition(|byte| *byte >= b' ').map_or(0, |last| last + 1);
        let packet = &packet[..length];
        if packet.is_empty() {
            return;
        }
        let Some(place) = self.door.room.try_take(Door::size(packet.len())) else {
            return self.dropped(DroppedPacket::Busy, peer);
        };
        let packet = Packet { bytes: Bytes::copy_from_slice(packet), peer, place };
        if let Err(TrySendError::Full(_)) = self.queue.try_send(packet) {
            self.dropped(DroppedPacket::QueueFull, peer);
        }
    }

    /// Counts; only the first one of a kind is worth a warning.
    fn dropped(&self, reason: DroppedPacket, peer: SocketAddr) {
        let why = reason.as_str();
        match self.metrics.dropped(reason) {
            0 => tracing::warn!(
                %peer, why,
                "a packet of syslog is dropped; more of this kind are counted in otelcol_syslog_receiver_dropped_packets_total"
            ),
            _ => tracing::debug!(%peer, why, "a packet of syslog is dropped"),
        }
    }
}

/// `host` is where we listen, if attributes are wanted.
async fn process(waiting: Arc<AsyncMutex<mpsc::Receiver<Packet>>>, door: Arc<Door>, host: Option<SocketAddr>) {
    loop {
        let next = waiting.lock().await.recv().await;
        let Some(Packet { bytes, peer, place }) = next else { return };
        let addresses = host.map(|host| addresses("IP.UDP", peer, Some(host))).unwrap_or_default();
        door.take_in(&Frame { bytes: &bytes, is_cut: false }, &addresses, place).await;
    }
}
