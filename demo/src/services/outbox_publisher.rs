//! Publishes what is written into the outbox. The spans go on where the row was written: its traceparent is in the row.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::future::join_all;
use opentelemetry::context::FutureExt as _;
use opentelemetry::logs::Severity;
use opentelemetry::trace::{SpanKind, TraceContextExt as _};
use opentelemetry::{Context, KeyValue};

use super::ServiceName;
use crate::broker::{BrokerError, Message};
use crate::database::OutboxRow;
use crate::shop::Shop;
use crate::telemetry::{Exception, Pod};
use crate::{latency, propagation, tenants};

/// Rows read at once, and published side by side.
const BATCH: i64 = 64;
/// The notification is only a hint; this finds what it missed.
const POLL: Duration = Duration::from_secs(1);
const ATTEMPTS: i64 = 3;
const FORGET: Duration = Duration::from_secs(30);

pub fn start(shop: &Arc<Shop>) {
    let shop = shop.clone();
    tokio::spawn(async move {
        let stop = shop.stop.clone();
        tokio::select! {
            () = run(shop) => {}
            () = stop.cancelled() => {}
        }
    });
}

async fn run(shop: Arc<Shop>) {
    let mut forgotten = Instant::now();
    loop {
        let _ = tokio::time::timeout(POLL, shop.outbox.notified()).await;
        while publish_batch(&shop).await {}
        if forgotten.elapsed() >= FORGET {
            forgotten = Instant::now();
            if let Err(error) = shop.database.forget_old_orders().await {
                tracing::warn!(%error, "old orders were not deleted");
            }
        }
    }
}

/// Publishes what waits; whether there may be more.
async fn publish_batch(shop: &Arc<Shop>) -> bool {
    let rows = match shop.database.outbox(BATCH).await {
        Ok(rows) => rows,
        Err(error) => {
            tracing::warn!(%error, "the outbox cannot be read");
            return false;
        }
    };
    let full = rows.len() as i64 == BATCH;
    let mut published = Vec::new();
    for row in &rows {
        published.push(publish(shop, row));
    }
    // A row that cannot be published stays, and is tried again at the next poll.
    let all = join_all(published).await.into_iter().all(|published| published);
    full && all
}

/// Publishes one row in a PRODUCER span and deletes it.
async fn publish(shop: &Arc<Shop>, row: &OutboxRow) -> bool {
    let parent = propagation::extract(&row.headers());
    let published = match tenants::of(&parent, &shop.tenants) {
        Ok(tenant) => {
            let pod = shop.telemetry.pod(ServiceName::OutboxPublisher, tenant);
            let context = pod.start(pod.span(format!("publish {}", row.topic), SpanKind::Producer), &parent);
            let published = send(shop, pod, row).with_context(context.clone()).await;
            context.span().end();
            published
        }
        // Of a demo with more tenants than this one.
        Err(_) => true,
    };
    if !published {
        return false;
    }
    match shop.database.published(&row.id).await {
        Ok(()) => true,
        Err(error) => {
            tracing::warn!(%error, "an outbox row was not deleted");
            false
        }
    }
}

async fn send(shop: &Arc<Shop>, pod: &Arc<Pod>, row: &OutboxRow) -> bool {
    let context = Context::current();
    let _active = pod.instruments.work();
    let begin = Instant::now();
    let mut message = Message {
        id: row.id.clone(),
        topic: row.topic.clone(),
        headers: Default::default(),
        payload: row.payload.clone(),
    };
    shop.inject(pod.service, &context, &mut message.headers);
    let mut attributes = shop.broker.attributes(&row.topic, "publish", "send");
    context.span().set_attributes(attributes.clone());
    context.span().set_attributes([
        KeyValue::new("messaging.message.id", message.id.clone()),
        KeyValue::new("messaging.message.body.size", message.payload.len() as i64),
    ]);
    if let Some(delay) = shop.faults.delay(pod.service) {
        tokio::time::sleep(delay).await;
    }
    latency::spend(3.0).await;

    let result = with_retries(shop, &message).await;
    if result.is_err() {
        let error = KeyValue::new("error.type", "BrokerError");
        context.span().set_attribute(error.clone());
        attributes.push(error);
    }
    pod.instruments.messaging_send.record(begin.elapsed(), &attributes, &context);
    pod.instruments.sent_messages.add(1, &attributes);
    match result {
        Ok(()) => {
            pod.log(Severity::Info, &format!("published {} {}", row.topic, row.id), &attributes);
            true
        }
        Err(error) => {
            let frames = [("bookstore_outbox::publish::{{closure}}", "./src/publish.rs:61:38")];
            let exception = Exception::new("BrokerError", error.to_string(), &frames);
            pod.record_exception(&exception);
            attributes.extend(exception.attributes());
            pod.log(Severity::Error, &format!("{} {} was not published: {error}", row.topic, row.id), &attributes);
            false
        }
    }
}

async fn with_retries(shop: &Shop, message: &Message) -> Result<(), BrokerError> {
    let mut attempt = 1;
    loop {
        let error = match shop.broker.publish(message).await {
            Ok(()) => return Ok(()),
            Err(error) if attempt == ATTEMPTS => return Err(error),
            Err(error) => error,
        };
        let retry = vec![KeyValue::new("retry.attempt", attempt), KeyValue::new("retry.reason", error.to_string())];
        Context::current().span().add_event("retry", retry);
        attempt += 1;
        latency::spend(100.0).await;
    }
}
