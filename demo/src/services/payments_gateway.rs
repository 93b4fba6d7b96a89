//! Takes orders from the broker and has them paid.

use std::sync::Arc;
use std::time::Instant;

use http::Method;
use opentelemetry::context::FutureExt as _;
use opentelemetry::logs::Severity;
use opentelemetry::trace::{Link, SpanKind, TraceContextExt as _};
use opentelemetry::{Context, KeyValue};
use serde::Deserialize;
use serde_json::json;
use tokio::sync::Semaphore;

use super::ServiceName;
use crate::broker::{BrokerError, Message, ORDER_CREATED};
use crate::scenario::Scenario;
use crate::shop::{Job, Shop};
use crate::telemetry::Exception;
use crate::{propagation, tenants};

const GROUP: &str = "payments-gateway";
/// Messages processed side by side.
const SIDE_BY_SIDE: usize = 256;

#[derive(Deserialize)]
struct OrderCreated {
    order_id: String,
    total_cents: i64,
    currency: String,
    payment_method: String,
    isbns: Vec<String>,
}

/// Subscribes, and processes messages until the shop stops.
pub async fn start(shop: &Arc<Shop>) -> Result<(), BrokerError> {
    let mut messages = shop.broker.subscribe(ORDER_CREATED, GROUP).await?;
    let shop = shop.clone();
    tokio::spawn(async move {
        let permits = Arc::new(Semaphore::new(SIDE_BY_SIDE));
        let stop = shop.stop.clone();
        while let Some(Some(message)) = stop.run_until_cancelled(messages.recv()).await {
            let Ok(permit) = permits.clone().acquire_owned().await else { return };
            let work = process(shop.clone(), message);
            shop.background.spawn(async move {
                work.await;
                drop(permit);
            });
        }
    });
    Ok(())
}

/// Processes one message in a CONSUMER span: a child of the span that published it, and linked to it.
async fn process(shop: Arc<Shop>, message: Message) {
    let parent = propagation::extract(&message.headers);
    let Ok(tenant) = tenants::of(&parent, &shop.tenants) else {
        tracing::warn!("a message of a tenant that this demo does not have was left out");
        return;
    };
    let pod = shop.telemetry.pod(ServiceName::PaymentsGateway, tenant).clone();
    let mut attributes = shop.broker.attributes(&message.topic, "process", "process");
    attributes.push(KeyValue::new("messaging.consumer.group.name", GROUP));
    let mut span =
        pod.span(format!("process {}", message.topic), SpanKind::Consumer).with_attributes(attributes.clone());
    let producer = parent.span().span_context().clone();
    if producer.is_valid() {
        span = span.with_links(vec![Link::new(producer, vec![KeyValue::new("messaging.operation.type", "send")], 0)]);
    }
    let context = pod.start(span, &parent);
    let begin = Instant::now();
    let job = Job { shop, pod };
    let outcome = pay(&job, &message).with_context(context.clone()).await;

    let _current = context.clone().attach();
    let instruments = &job.pod.instruments;
    if let Err(exception) = outcome {
        attributes.push(KeyValue::new("error.type", exception.kind));
        context.span().set_attribute(KeyValue::new("error.type", exception.kind));
        job.pod.record_exception(&exception);
        job.pod.log(Severity::Error, &format!("payment failed: {}", exception.message), &exception.attributes());
    }
    instruments.messaging_process.record(begin.elapsed(), &attributes, &context);
    instruments.consumed_messages.add(1, &attributes);
    context.span().end();
}

async fn pay(job: &Job, message: &Message) -> Result<(), Exception> {
    let _active = job.pod.instruments.work();
    let span = Context::current();
    span.span().set_attributes([
        KeyValue::new("messaging.message.id", message.id.clone()),
        KeyValue::new("messaging.message.body.size", message.payload.len() as i64),
    ]);
    if let Some(delay) = job.shop.faults.delay(job.pod.service) {
        tokio::time::sleep(delay).await;
    }
    job.spend(6.0, Scenario::SlowConsumer, 900.0).await;
    let order: OrderCreated = serde_json::from_str(&message.payload)
        .map_err(|error| Exception::new("serde_json::Error", format!("the message cannot be read: {error}"), &[]))?;
    span.span().set_attribute(KeyValue::new("bookstore.order.id", order.order_id.clone()));
    let charge = json!({
        "amount": order.total_cents,
        "currency": order.currency,
        "payment_method": order.payment_method,
        "metadata": {"order_id": order.order_id, "isbns": order.isbns},
    });
    let answer = job.call(ServiceName::Stripe, Method::POST, &["v1", "charges"], Some(&charge)).await;
    let failure = match answer {
        Ok(answer) if answer.status.is_success() => {
            let id = KeyValue::new("bookstore.order.id", order.order_id.clone());
            job.info(format!("order {} charged {} cents", order.order_id, order.total_cents), &[id]);
            return Ok(());
        }
        Ok(answer) => answer.into_failure(),
        Err(failure) => failure,
    };
    let kind = match failure.status.as_u16() {
        402 => "payments::CardDeclined",
        _ => "payments::ProviderError",
    };
    let frames = [
        ("bookstore_payments::stripe::Charge::authorize", "./src/stripe/charge.rs:214:22"),
        ("bookstore_payments::orders::pay::{{closure}}", "./src/orders.rs:97:13"),
    ];
    Err(Exception::new(kind, failure.message, &frames))
}
