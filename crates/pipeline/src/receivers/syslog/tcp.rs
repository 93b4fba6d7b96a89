//! Messages over TCP, with TLS where it is configured. The protocol has no acknowledgement: a sender learns only that we read on,
//! and we do so only while the pipelines keep up.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::config::Tcp;
use super::door::Door;
use super::framing::{Framer, Framing};
use super::peers::addresses;
use crate::component::{ComponentError, Listening};
use crate::metrics::ConnectionMetrics;
use crate::net::body::Admission;
use crate::net::server::bind;
use crate::net::tls::ServerTlsSource;
use crate::receivers::otlp::load_tls;

const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// How long accepting rests after an error, so that one that stays does not take a core.
const PAUSE: Duration = Duration::from_millis(50);
/// After so much silence the system asks whether the sender is still there.
const KEEPALIVE: Duration = Duration::from_secs(60);
/// Bytes that are read at once.
const CHUNK: usize = 16 << 10;
/// What unfinished messages of all connections may hold together.
const UNFINISHED_BYTES: usize = 64 << 20;

/// A listener of the receiver.
pub struct TcpSyslog {
    options: Tcp,
    tls: Option<Arc<ServerTlsSource>>,
    framing: Framing,
    metrics: ConnectionMetrics,
    running: Mutex<Option<Running>>,
}

struct Running {
    address: SocketAddr,
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl TcpSyslog {
    /// Reads certificates; listens only when started.
    pub fn new(options: &Tcp, framing: Framing, metrics: ConnectionMetrics) -> Result<Self, ComponentError> {
        let tls = load_tls(options.tls.as_ref(), &[])?;
        Ok(Self { options: options.clone(), tls, framing, metrics, running: Mutex::default() })
    }

    pub async fn start(&self, door: Door) -> Result<(), ComponentError> {
        let endpoint = &self.options.listen_address;
        let failed = |error: io::Error| ComponentError::new(format!("tcp: cannot listen on {endpoint}: {error}"));
        let listener = bind("tcp", endpoint).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
        let acceptor = Acceptor {
            shared: Arc::new(Shared {
                door,
                tls: self.tls.clone(),
                framing: self.framing,
                max_log_size: self.options.max_log_size(),
                add_attributes: self.options.add_attributes,
                idle: Some(self.options.connection_idle_timeout).filter(|idle| !idle.is_zero()),
                unfinished: Admission::new(UNFINISHED_BYTES),
                stop: stop.clone(),
            }),
            places: Arc::new(Semaphore::new(self.options.max_connections())),
            metrics: self.metrics.clone(),
            tasks: tasks.clone(),
        };
        tasks.spawn(acceptor.run(listener));
        tasks.close();
        tracing::info!(%address, "receiving syslog over TCP");
        *self.running.lock() = Some(Running { address, stop, tasks });
        Ok(())
    }

    pub fn listening(&self) -> Option<Listening> {
        self.running.lock().as_ref().map(|running| Listening { protocol: "tcp", address: running.address })
    }

    /// Closes all connections, and waits until what was read of them is handed in.
    pub async fn shutdown(&self) {
        let Some(Running { stop, tasks, .. }) = self.running.lock().take() else { return };
        stop.cancel();
        tasks.wait().await;
    }
}

struct Acceptor {
    shared: Arc<Shared>,
    places: Arc<Semaphore>,
    metrics: ConnectionMetrics,
    tasks: TaskTracker,
}

/// What connections have in common.
struct Shared {
    door: Door,
    tls: Option<Arc<ServerTlsSource>>,
    framing: Framing,
    max_log_size: usize,
    add_attributes: bool,
    idle: Option<Duration>,
    unfinished: Admission,
    stop: CancellationToken,
}

impl Acceptor {
    async fn run(self, listener: TcpListener) {
        loop {
            let accepted = tokio::select! {
                () = self.shared.stop.cancelled() => return,
                accepted = listener.accept() => accepted,
            };
            match accepted {
                Ok((stream, peer)) => self.admit(stream, peer),
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a connection");
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }

    fn admit(&self, stream: TcpStream, peer: SocketAddr) {
        let Ok(place) = self.places.clone().try_acquire_owned() else {
            match self.metrics.refused.inc() {
                0 => tracing::warn!(
                    %peer,
                    "a connection is refused, there are max_connections; more are counted in \
                     otelcol_tcp_input_refused_connections_total"
                ),
                _ => tracing::debug!(%peer, "a connection is refused, there are max_connections"),
            }
            return;
        };
        self.tasks.spawn(serve(self.shared.clone(), stream, peer, self.metrics.clone(), place));
    }
}

async fn serve(
    shared: Arc<Shared>,
    stream: TcpStream,
    peer: SocketAddr,
    metrics: ConnectionMetrics,
    _place: OwnedSemaphorePermit,
) {
    metrics.active.inc();
    if let Err(error) = shared.connection(stream, peer).await {
        tracing::debug!(%peer, %error, "a connection ended with an error");
    }
    metrics.active.dec();
}

impl Shared {
    async fn connection(&self, stream: TcpStream, peer: SocketAddr) -> io::Result<()> {
        SockRef::from(&stream).set_tcp_keepalive(&TcpKeepalive::new().with_time(KEEPALIVE))?;
        let host = stream.local_addr().ok();
        let Some(tls) = &self.tls else { return self.read(stream, peer, host).await };
        let acceptor = tokio_rustls::TlsAcceptor::from(tls.current());
        let accepted = tokio::select! {
            () = self.stop.cancelled() => return Ok(()),
            accepted = timeout(HANDSHAKE_TIMEOUT, acceptor.accept(stream)) => accepted,
        };
        self.read(accepted??, peer, host).await
    }

    async fn read(
        &self,
        mut stream: impl AsyncRead + Unpin,
        peer: SocketAddr,
        host: Option<SocketAddr>,
    ) -> io::Result<()> {
        let addresses = if self.add_attributes { addresses("IP.TCP", peer, host) } else { Vec::new() };
        let mut framer = Framer::new(self.framing, self.max_log_size, &self.unfinished);
        let mut chunk = vec![0; CHUNK];
        let ended = loop {
            let read = tokio::select! {
                () = self.stop.cancelled() => break Ok(()),
                read = within(self.idle, stream.read(&mut chunk)) => read,
            };
            let mut rest = match read {
                Ok(0) => break Ok(()),
                Ok(length) => &chunk[..length],
                Err(error) => break Err(error),
            };
            while let Some(frame) = framer.next(&mut rest) {
                self.door.take(&frame, &addresses).await;
            }
        };
        // However it ended, what came is kept.
        if let Some(frame) = framer.finish() {
            self.door.take(&frame, &addresses).await;
        }
        ended
    }
}

async fn within<T>(idle: Option<Duration>, read: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    match idle {
        None => read.await,
        Some(idle) => timeout(idle, read).await?,
    }
}
