//! What stands between a store and its PostgreSQL, and breaks connections when it hurts most.

use std::sync::Arc;

use parking_lot::Mutex;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    Open,
    /// The next COMMIT does not arrive, and from then on it is [`Mode::Down`].
    LoseCommit,
    /// The next COMMIT arrives, its answer does not, and from then on it is [`Mode::Down`].
    LoseAnswer,
    /// Connections end as soon as they are made or used.
    Down,
}

#[derive(Clone)]
pub struct Proxy {
    pub port: u16,
    mode: Arc<Mutex<Mode>>,
}

impl Proxy {
    /// Forwards to a port of this machine as long as the runtime runs.
    pub async fn start(target: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let proxy = Self { port: listener.local_addr().unwrap().port(), mode: Arc::new(Mutex::new(Mode::Open)) };
        let running = proxy.clone();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                if running.mode() != Mode::Down
                    && let Ok(server) = TcpStream::connect(("127.0.0.1", target)).await
                {
                    tokio::spawn(running.clone().forward(client, server));
                }
            }
        });
        proxy
    }

    pub fn set(&self, mode: Mode) {
        *self.mode.lock() = mode;
    }

    pub fn mode(&self) -> Mode {
        *self.mode.lock()
    }

    /// Until one direction ends.
    async fn forward(self, client: TcpStream, server: TcpStream) {
        let (from_client, to_client) = client.into_split();
        let (from_server, to_server) = server.into_split();
        let mut directions = JoinSet::new();
        directions.spawn(self.clone().requests(from_client, to_server));
        directions.spawn(self.answers(from_server, to_client));
        directions.join_next().await;
    }

    async fn requests(self, mut client: OwnedReadHalf, mut server: OwnedWriteHalf) {
        let mut bytes = vec![0; 64 << 10];
        while let Ok(length @ 1..) = client.read(&mut bytes).await {
            let is_commit = bytes[..length].windows(7).any(|part| part == b"COMMIT\0");
            match self.mode() {
                Mode::Down => return,
                Mode::LoseCommit if is_commit => return self.set(Mode::Down),
                // The answer to it is not forwarded any more.
                Mode::LoseAnswer if is_commit => self.set(Mode::Down),
                _ => {}
            }
            if server.write_all(&bytes[..length]).await.is_err() {
                return;
            }
        }
    }

    async fn answers(self, mut server: OwnedReadHalf, mut client: OwnedWriteHalf) {
        let mut bytes = vec![0; 64 << 10];
        while let Ok(length @ 1..) = server.read(&mut bytes).await {
            if self.mode() == Mode::Down || client.write_all(&bytes[..length]).await.is_err() {
                return;
            }
        }
    }
}
