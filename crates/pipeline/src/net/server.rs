//! An HTTP server for one listener: HTTP/1.1 and h2c (or TLS) in front of an axum router, with the connection
//! limits that the Collector's settings name, and a shutdown that drains. Handlers find the peer in `ConnectInfo`.

use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::Router;
use axum::extract::ConnectInfo;
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncWrite, BufStream, ReadBuf};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::time::{Instant, Sleep, sleep_until};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::Service;

use super::tls::ServerTlsSource;

/// How long a client may take for a TLS handshake, and for the headers of a request where nothing else is configured.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
const DEFAULT_HEADER_TIMEOUT: Duration = Duration::from_secs(300);

/// How the connections of one listener behave. Unset means: no limit, or the default of hyper.
#[derive(Debug, Clone, Default)]
pub struct ServerSettings {
    /// Speak HTTP/2 only, as gRPC listeners do.
    pub http2_only: bool,
    /// Close HTTP/1.1 connections after one request.
    pub close_after_request: bool,
    /// For HTTP/1.1 this also bounds the wait for the next request of a kept-alive connection; default 5 minutes.
    pub header_timeout: Option<Duration>,
    /// How long a response write may make no progress.
    pub write_timeout: Option<Duration>,
    /// How long a connection may have no request under way.
    pub max_idle: Option<Duration>,
    pub max_age: Option<Duration>,
    /// How long requests under way may take after `max_age`.
    pub max_age_grace: Option<Duration>,
    pub max_concurrent_streams: Option<u32>,
    /// How long a connection is silent before a ping asks whether the client is still there.
    pub ping_interval: Option<Duration>,
    /// How long the answer to a ping may take.
    pub ping_timeout: Option<Duration>,
    pub max_frame_size: Option<u32>,
    /// Bytes to buffer between socket and protocol; 0 for none.
    pub read_buffer_size: usize,
    pub write_buffer_size: usize,
}

/// A running server. Dropping it leaves it running; [`Server::shutdown`] ends it.
pub struct Server {
    address: SocketAddr,
    stop: CancellationToken,
    kill: CancellationToken,
    connections: TaskTracker,
}

impl Server {
    /// Serves `router` on `listener` in the background.
    pub fn start(
        listener: TcpListener,
        router: Router,
        settings: ServerSettings,
        tls: Option<Arc<ServerTlsSource>>,
    ) -> io::Result<Server> {
        let address = listener.local_addr()?;
        let server = Server {
            address,
            stop: CancellationToken::new(),
            kill: CancellationToken::new(),
            connections: TaskTracker::new(),
        };
        let acceptor = Acceptor {
            router,
            builder: builder(&settings),
            settings: Arc::new(settings),
            tls,
            stop: server.stop.clone(),
            kill: server.kill.clone(),
            connections: server.connections.clone(),
        };
        server.connections.spawn(acceptor.run(listener));
        Ok(server)
    }

    /// Where it listens; tells the port when the configuration said port 0.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Stops listening, lets the requests under way finish, and cuts what is left after `grace`.
    /// Returns whether everything finished in time.
    pub async fn shutdown(&self, grace: Duration) -> bool {
        self.stop.cancel();
        self.connections.close();
        if tokio::time::timeout(grace, self.connections.wait()).await.is_ok() {
            return true;
        }
        self.kill.cancel();
        self.connections.wait().await;
        false
    }
}

/// Binds a `host:port` endpoint over `tcp`, `tcp4` or `tcp6`; an empty host means every address of the machine, as in
/// Go. The first address of a name that can be bound wins.
pub async fn bind(transport: &str, endpoint: &str) -> io::Result<TcpListener> {
    let addresses = addresses(endpoint).await?;
    let mut result = Err(io::Error::new(io::ErrorKind::NotFound, format!("no {transport} address has that name")));
    for address in addresses {
        if (transport == "tcp4" && address.is_ipv6()) || (transport == "tcp6" && address.is_ipv4()) {
            continue;
        }
        result = TcpListener::bind(address).await;
        let in_use = matches!(&result, Err(error) if error.kind() == io::ErrorKind::AddrInUse);
        if result.is_ok() || in_use {
            break;
        }
    }
    result.map_err(explain_bind)
}

/// As [`bind`], for UDP.
pub async fn bind_udp(endpoint: &str) -> io::Result<UdpSocket> {
    UdpSocket::bind(&addresses(endpoint).await?[..]).await.map_err(explain_bind)
}

async fn addresses(endpoint: &str) -> io::Result<Vec<SocketAddr>> {
    match endpoint.strip_prefix(':') {
        // On most systems the IPv6 wildcard takes IPv4 too; where IPv6 is off, the second is the one.
        Some(port) => [format!("[::]:{port}"), format!("0.0.0.0:{port}")]
            .iter()
            .map(|address| address.parse().map_err(io::Error::other))
            .collect(),
        None => Ok(tokio::net::lookup_host(endpoint).await?.collect()),
    }
}

fn explain_bind(error: io::Error) -> io::Error {
    let reason = match error.kind() {
        io::ErrorKind::AddrInUse => "the address is in use: stop the program that listens there or change the endpoint",
        io::ErrorKind::AddrNotAvailable => "no interface of this machine has that address",
        io::ErrorKind::PermissionDenied => "permission denied: ports below 1024 need privileges",
        _ => return error,
    };
    io::Error::new(error.kind(), reason)
}

type Builder = auto::Builder<TokioExecutor>;

fn builder(settings: &ServerSettings) -> Builder {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .keep_alive(!settings.close_after_request)
        .header_read_timeout(settings.header_timeout.unwrap_or(DEFAULT_HEADER_TIMEOUT));
    let mut http2 = builder.http2();
    http2.timer(TokioTimer::new()).keep_alive_interval(settings.ping_interval);
    if let Some(timeout) = settings.ping_timeout {
        http2.keep_alive_timeout(timeout);
    }
    if let Some(streams) = settings.max_concurrent_streams {
        http2.max_concurrent_streams(streams);
    }
    if let Some(size) = settings.max_frame_size {
        http2.max_frame_size(size);
    }
    if settings.http2_only { builder.http2_only() } else { builder }
}

struct Acceptor {
    router: Router,
    builder: Builder,
    settings: Arc<ServerSettings>,
    tls: Option<Arc<ServerTlsSource>>,
    stop: CancellationToken,
    kill: CancellationToken,
    connections: TaskTracker,
}

impl Acceptor {
    async fn run(self, listener: TcpListener) {
        loop {
            let accepted = tokio::select! {
                () = self.stop.cancelled() => return,
                accepted = listener.accept() => accepted,
            };
            match accepted {
                Ok((stream, peer)) => self.spawn(stream, peer),
                Err(error) => {
                    // Out of file descriptors, or a client that left at once: neither ends the listener.
                    tracing::warn!(%error, "cannot accept a connection");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            }
        }
    }

    fn spawn(&self, stream: TcpStream, peer: SocketAddr) {
        let connection = Connection {
            router: self.router.clone(),
            builder: self.builder.clone(),
            settings: self.settings.clone(),
            stop: self.stop.clone(),
            peer,
        };
        let tls = self.tls.clone();
        let kill = self.kill.clone();
        self.connections.spawn(async move {
            let served = async {
                // Answers are small and complete: waiting for more to send only adds latency.
                stream.set_nodelay(true)?;
                let Some(tls) = tls else { return connection.serve(stream).await };
                let acceptor = tokio_rustls::TlsAcceptor::from(tls.current());
                let stream = tokio::time::timeout(HANDSHAKE_TIMEOUT, acceptor.accept(stream)).await??;
                connection.serve(stream).await
            };
            let result = tokio::select! {
                () = kill.cancelled() => return,
                result = served => result,
            };
            if let Err(error) = result {
                tracing::debug!(%peer, %error, "a connection ended with an error");
            }
        });
    }
}

type BoxError = Box<dyn std::error::Error + Send + Sync>;

struct Connection {
    router: Router,
    builder: Builder,
    settings: Arc<ServerSettings>,
    stop: CancellationToken,
    peer: SocketAddr,
}

impl Connection {
    async fn serve<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(self, stream: S) -> Result<(), BoxError> {
        let (read, write) = (self.settings.read_buffer_size, self.settings.write_buffer_size);
        let stream = WriteTimeout { stream, timeout: self.settings.write_timeout, deadline: None };
        if read == 0 && write == 0 {
            return self.drive(stream).await;
        }
        self.drive(BufStream::with_capacity(read.max(1), write.max(1), stream)).await
    }

    async fn drive<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(self, stream: S) -> Result<(), BoxError> {
        let activity = Arc::new(Activity::new());
        let requests = activity.clone();
        let router = self.router;
        let service = hyper::service::service_fn(move |mut request: http::Request<Incoming>| {
            request.extensions_mut().insert(ConnectInfo(self.peer));
            let under_way = UnderWay::new(requests.clone());
            let mut router = router.clone();
            async move {
                let response = router.call(request).await;
                drop(under_way);
                response
            }
        });
        let mut connection = pin!(self.builder.serve_connection(TokioIo::new(stream), service));

        let start = Instant::now();
        let mut closing = false;
        let mut cut_at = None;
        loop {
            let age_out = self.settings.max_age.map(|age| start + age).filter(|_| !closing);
            let idle_out = self.settings.max_idle.map(|idle| activity.idle_until(idle)).filter(|_| !closing);
            tokio::select! {
                result = connection.as_mut() => return result,
                () = self.stop.cancelled(), if !closing => {}
                () = at(age_out) => cut_at = self.settings.max_age_grace.map(|grace| Instant::now() + grace),
                () = at(idle_out) => if !activity.is_idle_since(self.settings.max_idle) { continue },
                () = at(cut_at) => return Err("requests outlived max_connection_age_grace".into()),
            }
            closing = true;
            connection.as_mut().graceful_shutdown();
        }
    }
}

/// Resolves at the instant, or never when there is none.
async fn at(instant: Option<Instant>) {
    match instant {
        Some(instant) => sleep_until(instant).await,
        None => std::future::pending().await,
    }
}

/// Whether a connection has requests under way, and since when it has none.
struct Activity {
    under_way: AtomicUsize,
    last: Mutex<Instant>,
}

impl Activity {
    fn new() -> Self {
        Self { under_way: AtomicUsize::new(0), last: Mutex::new(Instant::now()) }
    }

    /// The earliest instant at which the connection can have been idle for `max_idle`.
    fn idle_until(&self, max_idle: Duration) -> Instant {
        match self.under_way.load(Ordering::Acquire) {
            0 => *self.last.lock() + max_idle,
            _ => Instant::now() + max_idle,
        }
    }

    fn is_idle_since(&self, max_idle: Option<Duration>) -> bool {
        let idle = max_idle.is_some_and(|max_idle| self.last.lock().elapsed() >= max_idle);
        idle && self.under_way.load(Ordering::Acquire) == 0
    }
}

struct UnderWay(Arc<Activity>);

impl UnderWay {
    fn new(activity: Arc<Activity>) -> Self {
        activity.under_way.fetch_add(1, Ordering::AcqRel);
        Self(activity)
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        *self.0.last.lock() = Instant::now();
        self.0.under_way.fetch_sub(1, Ordering::AcqRel);
    }
}

/// Fails a write or flush that makes no progress for `timeout`.
struct WriteTimeout<S> {
    stream: S,
    timeout: Option<Duration>,
    deadline: Option<Pin<Box<Sleep>>>,
}

impl<S> WriteTimeout<S> {
    fn watch<T>(&mut self, cx: &mut Context<'_>, result: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        let Some(timeout) = self.timeout else { return result };
        if result.is_ready() {
            self.deadline = None;
            return result;
        }
        let deadline = self.deadline.get_or_insert_with(|| Box::pin(tokio::time::sleep(timeout)));
        ready!(deadline.as_mut().poll(cx));
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the client did not take the response in time")))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for WriteTimeout<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for WriteTimeout<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.stream).poll_write(cx, data);
        self.watch(cx, result)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.stream).poll_write_vectored(cx, data);
        self.watch(cx, result)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let result = Pin::new(&mut self.stream).poll_flush(cx);
        self.watch(cx, result)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
