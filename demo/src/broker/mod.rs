//! The bookstore's message broker: within the process, or NATS. Messages have headers, and those carry the context.

mod memory;
mod nats;

use std::collections::HashMap;

use anyhow::bail;
use opentelemetry::KeyValue;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use url::Url;

use memory::Memory;
use nats::Nats;

/// The topic of all messages there are.
pub const ORDER_CREATED: &str = "order.created";
/// How many messages may wait for their consumer.
const CAPACITY: usize = 1024;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    pub id: String,
    pub topic: String,
    pub headers: HashMap<String, String>,
    pub payload: String,
}

#[derive(Debug, thiserror::Error)]
pub enum BrokerError {
    #[error("nobody takes messages of {0}")]
    NoConsumer(String),
    #[error("too many messages wait")]
    Full,
    #[error("the broker at {server} is away: {why}")]
    Away { server: String, why: String },
}

pub enum Broker {
    Memory(Memory),
    Nats(Nats),
}

impl Broker {
    /// Connects to the broker that an URL names; within the process without one. Connections end with `stop`.
    pub async fn open(url: Option<&Url>, stop: CancellationToken) -> anyhow::Result<Self> {
        let Some(url) = url else { return Ok(Self::Memory(Memory::default())) };
        match url.scheme() {
            "nats" => Ok(Self::Nats(Nats::connect(url, stop).await?)),
            other => bail!("--broker {other}: is not spoken; a broker is nats://HOST:PORT, or leave it out"),
        }
    }

    /// What spans and measurements of an operation with a topic have in common. `kind` is its `messaging.operation.type`.
    pub fn attributes(&self, topic: &str, operation: &'static str, kind: &'static str) -> Vec<KeyValue> {
        let system = match self {
            Self::Memory(_) => "in_process",
            Self::Nats(_) => "nats",
        };
        let mut attributes = vec![
            KeyValue::new("messaging.system", system),
            KeyValue::new("messaging.destination.name", topic.to_owned()),
            KeyValue::new("messaging.operation.name", operation),
            KeyValue::new("messaging.operation.type", kind),
        ];
        if let Self::Nats(nats) = self {
            let (host, port) = nats.server();
            attributes.push(KeyValue::new("server.address", host.to_owned()));
            attributes.push(KeyValue::new("server.port", port));
        }
        attributes
    }

    /// Returns once the broker has the message.
    pub async fn publish(&self, message: &Message) -> Result<(), BrokerError> {
        match self {
            Self::Memory(memory) => memory.publish(message).await,
            Self::Nats(nats) => nats.publish(message).await,
        }
    }

    /// The messages of a topic, each for one member of the group.
    pub async fn subscribe(&self, topic: &str, group: &str) -> Result<mpsc::Receiver<Message>, BrokerError> {
        match self {
            Self::Memory(memory) => Ok(memory.subscribe(topic)),
            Self::Nats(nats) => nats.subscribe(topic, group).await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn other_brokers_are_refused_by_name() {
        let url = Url::parse("kafka://localhost:9092").unwrap();
        let error = Broker::open(Some(&url), CancellationToken::new()).await.err().unwrap();
        assert!(error.to_string().contains("kafka") && error.to_string().contains("nats://"), "{error}");
    }

    #[tokio::test]
    async fn messages_arrive_with_their_headers() {
        let broker = Broker::open(None, CancellationToken::new()).await.unwrap();
        let headers = HashMap::from([("traceparent".to_owned(), "00-1-2-01".to_owned())]);
        let message = Message { id: "1".into(), topic: ORDER_CREATED.into(), headers, payload: "{}".into() };
        assert!(matches!(broker.publish(&message).await, Err(BrokerError::NoConsumer(_))));
        let mut messages = broker.subscribe(ORDER_CREATED, "payments").await.unwrap();
        broker.publish(&message).await.unwrap();
        assert_eq!(messages.recv().await.unwrap(), message);
    }
}
