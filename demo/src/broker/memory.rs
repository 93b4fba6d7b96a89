//! A broker within the process: a bounded queue a topic.

use std::collections::HashMap;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::mpsc;

use super::{BrokerError, CAPACITY, Message};

/// How long a publisher waits for room.
const PATIENCE: Duration = Duration::from_secs(2);

#[derive(Debug, Default)]
pub struct Memory(Mutex<HashMap<String, mpsc::Sender<Message>>>);

impl Memory {
    pub async fn publish(&self, message: &Message) -> Result<(), BrokerError> {
        let consumer = self.0.lock().get(&message.topic).cloned();
        let consumer = consumer.ok_or_else(|| BrokerError::NoConsumer(message.topic.clone()))?;
        consumer.send_timeout(message.clone(), PATIENCE).await.map_err(|_| BrokerError::Full)
    }

    /// The last subscriber gets them all.
    pub fn subscribe(&self, topic: &str) -> mpsc::Receiver<Message> {
        let (sender, receiver) = mpsc::channel(CAPACITY);
        self.0.lock().insert(topic.to_owned(), sender);
        receiver
    }
}
