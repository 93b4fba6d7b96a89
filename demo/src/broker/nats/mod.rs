//! NATS: as much of its client protocol as publishing and consuming with headers needs. A connection that breaks is made
//! again, with its subscriptions.

mod protocol;

use std::collections::VecDeque;
use std::time::Duration;

use anyhow::Context as _;
use tokio::io::{AsyncWriteExt as _, BufReader, BufWriter};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use url::Url;

use super::{BrokerError, CAPACITY, Message};
use protocol::{Frame, read_frame};

const DEFAULT_PORT: u16 = 4222;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// How long a message may wait to be acknowledged.
const PATIENCE: Duration = Duration::from_secs(5);
const RECONNECT_PAUSE: Duration = Duration::from_millis(500);

pub struct Nats {
    host: String,
    port: u16,
    commands: mpsc::Sender<Command>,
}

enum Command {
    /// Bytes to send, and who wants to know that the server has them.
    Publish(Vec<u8>, oneshot::Sender<()>),
    Subscribe(Subscription),
}

struct Subscription {
    topic: String,
    group: String,
    messages: mpsc::Sender<Message>,
}

impl Nats {
    /// Connects to `nats://[USER:PASSWORD@]HOST[:PORT]`. The error is a server that is not there or does not want us.
    pub async fn connect(url: &Url, stop: CancellationToken) -> anyhow::Result<Self> {
        let host = url.host_str().context("--broker: the URL has no host; write it as nats://HOST:PORT")?.to_owned();
        let port = url.port().unwrap_or(DEFAULT_PORT);
        let greeting = protocol::connect(url);
        let dial = Dial { host: host.clone(), port, greeting };
        let connection = dial.dial().await.with_context(|| format!("no NATS server at {host}:{port}"))?;
        let (commands, queue) = mpsc::channel(CAPACITY);
        tokio::spawn(async move {
            tokio::select! {
                () = stop.cancelled() => {}
                () = run(dial, connection, queue) => {}
            }
        });
        Ok(Self { host, port, commands })
    }

    pub fn server(&self) -> (&str, i64) {
        (&self.host, i64::from(self.port))
    }

    pub async fn publish(&self, message: &Message) -> Result<(), BrokerError> {
        let (done, acknowledged) = oneshot::channel();
        let sent = async {
            self.commands.send(Command::Publish(protocol::publish(message), done)).await.ok()?;
            acknowledged.await.ok()
        };
        match timeout(PATIENCE, sent).await {
            Ok(Some(())) => Ok(()),
            Ok(None) => Err(self.away("the connection broke")),
            Err(_) => Err(self.away("it does not answer")),
        }
    }

    pub async fn subscribe(&self, topic: &str, group: &str) -> Result<mpsc::Receiver<Message>, BrokerError> {
        let (messages, receiver) = mpsc::channel(CAPACITY);
        let subscription = Subscription { topic: topic.to_owned(), group: group.to_owned(), messages };
        let sent = self.commands.send(Command::Subscribe(subscription)).await;
        sent.map(|()| receiver).map_err(|_| self.away("the connection was closed"))
    }

    fn away(&self, why: &str) -> BrokerError {
        BrokerError::Away { server: format!("{}:{}", self.host, self.port), why: why.to_owned() }
    }
}

/// How to connect.
struct Dial {
    host: String,
    port: u16,
    greeting: Vec<u8>,
}

struct Connection {
    reader: BufReader<OwnedReadHalf>,
    writer: BufWriter<OwnedWriteHalf>,
}

impl Dial {
    /// Connects and waits until the server has accepted it.
    async fn dial(&self) -> anyhow::Result<Connection> {
        timeout(CONNECT_TIMEOUT, self.greet()).await.context("it does not answer")?
    }

    async fn greet(&self) -> anyhow::Result<Connection> {
        let stream = TcpStream::connect((self.host.as_str(), self.port)).await?;
        stream.set_nodelay(true)?;
        let (reader, writer) = stream.into_split();
        let mut connection = Connection { reader: BufReader::new(reader), writer: BufWriter::new(writer) };
        connection.writer.write_all(&self.greeting).await?;
        connection.writer.write_all(protocol::PING).await?;
        connection.writer.flush().await?;
        loop {
            match read_frame(&mut connection.reader).await? {
                Frame::Pong => return Ok(connection),
                Frame::Error(why) => anyhow::bail!("it refused: {why}"),
                _ => {}
            }
        }
    }
}

/// Keeps a connection until nobody publishes any more.
async fn run(dial: Dial, first: Connection, mut commands: mpsc::Receiver<Command>) {
    let mut subscriptions = Vec::new();
    let mut connection = Some(first);
    loop {
        match connection.take() {
            Some(connection) => match serve(connection, &mut commands, &mut subscriptions).await {
                Ok(()) => return,
                Err(error) => tracing::warn!(%error, "the connection to NATS broke"),
            },
            None => sleep(RECONNECT_PAUSE).await,
        }
        connection = dial.dial().await.ok();
    }
}

/// Serves one connection; `Ok` when there are no more commands, an error when it broke. Publishers who wait then learn that
/// nobody knows about their message.
async fn serve(
    connection: Connection,
    commands: &mut mpsc::Receiver<Command>,
    subscriptions: &mut Vec<Subscription>,
) -> anyhow::Result<()> {
    let Connection { reader, mut writer } = connection;
    for (id, subscription) in subscriptions.iter().enumerate() {
        writer.write_all(&protocol::subscribe(&subscription.topic, &subscription.group, id)).await?;
    }
    writer.flush().await?;
    let (frames_in, mut frames) = mpsc::channel(CAPACITY);
    let _reading = ReadTask(tokio::spawn(read(reader, frames_in)));
    // The server acknowledges in order: each PONG is for the oldest.
    let mut waiting: VecDeque<oneshot::Sender<()>> = VecDeque::new();
    loop {
        tokio::select! {
            frame = frames.recv() => match frame.context("closed")?? {
                Frame::Ping => writer.write_all(protocol::PONG).await?,
                Frame::Pong => {
                    if let Some(done) = waiting.pop_front() {
                        let _ = done.send(());
                    }
                }
                Frame::Message { subscription, message } => {
                    if let Some(subscription) = subscriptions.get(subscription) {
                        let _ = subscription.messages.send(message).await;
                    }
                }
                Frame::Error(why) => anyhow::bail!("{why}"),
                Frame::Other => {}
            },
            command = commands.recv() => match command {
                // It has waited too long; its publisher tries again.
                Some(Command::Publish(_, done)) if done.is_closed() => {}
                Some(Command::Publish(..)) if waiting.len() == CAPACITY => anyhow::bail!("it does not answer"),
                Some(Command::Publish(bytes, done)) => {
                    writer.write_all(&bytes).await?;
                    writer.write_all(protocol::PING).await?;
                    waiting.push_back(done);
                }
                Some(Command::Subscribe(subscription)) => {
                    let id = subscriptions.len();
                    writer.write_all(&protocol::subscribe(&subscription.topic, &subscription.group, id)).await?;
                    subscriptions.push(subscription);
                }
                None => return Ok(()),
            },
        }
        writer.flush().await?;
    }
}

/// In a task of its own, because a frame that is half read must not be thrown away.
async fn read(mut reader: BufReader<OwnedReadHalf>, frames: mpsc::Sender<anyhow::Result<Frame>>) {
    loop {
        let frame = read_frame(&mut reader).await;
        let broken = frame.is_err();
        if frames.send(frame).await.is_err() || broken {
            return;
        }
    }
}

struct ReadTask(tokio::task::JoinHandle<()>);

impl Drop for ReadTask {
    fn drop(&mut self) {
        self.0.abort();
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use futures::future::join_all;
    use tokio::net::TcpListener;

    use super::*;

    /// Greets whoever comes, and then says no more.
    async fn silent(listener: TcpListener, came: mpsc::Sender<TcpStream>) {
        while let Ok((mut stream, _)) = listener.accept().await {
            stream.write_all(protocol::PONG).await.unwrap();
            came.send(stream).await.unwrap();
        }
    }

    #[tokio::test]
    async fn a_server_that_acknowledges_nothing_is_left() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = Url::parse(&format!("nats://{}", listener.local_addr().unwrap())).unwrap();
        let (came, mut comers) = mpsc::channel(8);
        tokio::spawn(silent(listener, came));
        let stop = CancellationToken::new();
        let nats = Nats::connect(&url, stop.clone()).await.unwrap();
        let message = Message { id: "1".into(), topic: "t".into(), headers: HashMap::new(), payload: "{}".into() };
        let _first = comers.recv().await.unwrap();
        let many = join_all((0..CAPACITY + 1).map(|_| nats.publish(&message)));
        tokio::select! {
            results = many => panic!("{} of them were not told", results.len()),
            second = comers.recv() => assert!(second.is_some(), "it is called again"),
        }
        stop.cancel();
    }
}
