//! Checkout traces: twelve spans over nine services.

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::trace::v1::{
    ResourceSpans, ScopeSpans, Span, Status,
    span::{Event, Link, SpanKind},
    status::StatusCode,
};
use prost::Message;

use crate::bookstore::{SCHEMA_URL, SERVICES, boolean, double, int, resource, scope, text, texts};
use crate::template::{Hole, Holes, Template};

pub const SPANS_PER_TRACE: usize = 12;
/// Pods of each service whose spans share a request, as a collector's batches show them.
const PODS: u64 = 3;
const MICROSECOND: u64 = 1000;
/// The traces of a request began within two seconds.
const SPREAD: u64 = 2_000_000_000;

/// One step of a checkout: who does it, called by which step, when (microseconds after the trace began) and how long.
struct Step {
    service: usize,
    parent: Option<usize>,
    kind: SpanKind,
    name: &'static str,
    begin: u64,
    duration: u64,
}

const fn step(
    service: usize,
    parent: Option<usize>,
    kind: SpanKind,
    name: &'static str,
    begin: u64,
    duration: u64,
) -> Step {
    Step { service, parent, kind, name, begin, duration }
}

const STEPS: [Step; SPANS_PER_TRACE] = [
    step(0, None, SpanKind::Server, "POST /api/v1/checkout", 0, 182_000),
    step(1, Some(0), SpanKind::Server, "POST /checkout", 1_900, 176_000),
    step(2, Some(1), SpanKind::Server, "GET /books/{isbn}", 4_100, 11_200),
    step(2, Some(2), SpanKind::Client, "SELECT bookstore.books", 5_000, 7_300),
    step(3, Some(1), SpanKind::Server, "POST /orders", 18_000, 149_000),
    step(3, Some(4), SpanKind::Client, "INSERT bookstore.orders", 21_500, 6_900),
    step(3, Some(4), SpanKind::Client, "INSERT bookstore.outbox", 29_200, 3_100),
    step(4, Some(6), SpanKind::Producer, "publish orders.placed", 34_000, 2_700),
    step(5, Some(4), SpanKind::Server, "POST /v1/payments", 41_000, 118_000),
    step(6, Some(8), SpanKind::Server, "POST /v1/charges", 46_000, 97_000),
    step(7, Some(9), SpanKind::Consumer, "process charge.succeeded", 151_000, 13_000),
    step(8, Some(1), SpanKind::Internal, "rank similar books", 12_500, 24_000),
];

/// A request of `traces` checkouts. `variant` makes templates differ in what is not a hole.
pub fn template(seed: u64, variant: u64, traces: usize) -> Template {
    let mut holes = Holes::default();
    let mut random = fastrand::Rng::with_seed(seed ^ (variant << 20) ^ 0x7ace);
    // By service and pod: a request carries each resource once.
    let mut by_pod: Vec<Vec<Span>> = (0..SERVICES.len() as u64 * PODS).map(|_| Vec::new()).collect();
    for trace in 0..traces as u32 {
        let pod = random.u64(0..PODS) as usize;
        let fails = random.u32(0..100) < 3;
        for (place, step) in STEPS.iter().enumerate() {
            let span = span(&mut holes, &mut random, trace, place, step, fails);
            by_pod[step.service * PODS as usize + pod].push(span);
        }
    }
    let resource_spans = by_pod
        .into_iter()
        .enumerate()
        .filter(|(_, spans)| !spans.is_empty())
        .map(|(index, spans)| {
            let service = &SERVICES[index / PODS as usize];
            let pod = variant * PODS % 24 + index as u64 % PODS;
            ResourceSpans {
                resource: Some(resource(seed, service, pod)),
                scope_spans: vec![ScopeSpans { scope: Some(scope(service.scope)), spans, ..Default::default() }],
                schema_url: SCHEMA_URL.into(),
            }
        })
        .collect();
    let request = ExportTraceServiceRequest { resource_spans };
    Template::new(request.encode_to_vec(), holes, traces * SPANS_PER_TRACE, SPREAD)
}

/// Holes about the same thing in one trace (the customer, the order) share this key.
fn about(trace: u32, thing: u32) -> u32 {
    trace * 64 + thing
}

fn span_key(trace: u32, place: usize) -> u32 {
    trace * 16 + place as u32
}

fn span(holes: &mut Holes, random: &mut fastrand::Rng, trace: u32, place: usize, step: &Step, fails: bool) -> Span {
    // A failed charge fails everything that waits for it.
    let failed = fails && matches!(place, 0 | 1 | 4 | 8 | 9);
    let time = |holes: &mut Holes, microseconds: u64| {
        holes.fixed64(Hole::Time { key: trace, offset: microseconds * MICROSECOND })
    };
    let jitter = random.u64(0..1 + step.duration / 8);
    let mut span = Span {
        trace_id: holes.bytes(Hole::TraceId { key: trace }),
        span_id: holes.bytes(Hole::SpanId { key: span_key(trace, place) }),
        parent_span_id: match step.parent {
            Some(parent) => holes.bytes(Hole::SpanId { key: span_key(trace, parent) }),
            None => Vec::new(),
        },
        name: step.name.into(),
        kind: step.kind.into(),
        start_time_unix_nano: time(holes, step.begin),
        end_time_unix_nano: time(holes, step.begin + step.duration - jitter),
        flags: if step.parent.is_some() { 0x301 } else { 0x101 },
        attributes: attributes(holes, random, trace, place, failed),
        ..Default::default()
    };
    if failed {
        span.status = Some(Status { code: StatusCode::Error.into(), message: "card was declined".into() });
    }
    if failed && place == 9 {
        span.events.push(Event {
            time_unix_nano: time(holes, step.begin + step.duration / 2),
            name: "exception".into(),
            attributes: vec![
                text("exception.type", "payments.CardDeclined"),
                text("exception.message", "card was declined: insufficient_funds"),
                text("exception.stacktrace", STACK),
            ],
            ..Default::default()
        });
    }
    if place == 11 {
        span.events.push(Event {
            time_unix_nano: time(holes, step.begin + step.duration / 3),
            name: "model.loaded".into(),
            attributes: vec![text("model.name", "als-2026-10"), int("model.candidates", random.i64(20..400))],
            ..Default::default()
        });
    }
    if step.kind == SpanKind::Consumer {
        span.links.push(Link {
            trace_id: holes.bytes(Hole::TraceId { key: trace }),
            span_id: holes.bytes(Hole::SpanId { key: span_key(trace, 7) }),
            attributes: vec![text("messaging.operation.type", "receive")],
            flags: 0x301,
            ..Default::default()
        });
    }
    span
}

const STACK: &str = "payments.CardDeclined: card was declined: insufficient_funds\n\
    \tat stripe_standin::charges::authorize (src/charges.rs:214)\n\
    \tat stripe_standin::charges::create (src/charges.rs:97)\n\
    \tat axum::handler::call (src/handler/mod.rs:189)\n\
    \tat tower::util::oneshot (src/util/oneshot.rs:97)";

const AGENTS: [&str; 5] = [
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.6 Safari/605.1.15",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148",
    "Mozilla/5.0 (X11; Linux x86_64; rv:143.0) Gecko/20100101 Firefox/143.0",
    "BookstoreApp/7.12.0 (Android 16; Pixel 9)",
];

/// Seventeen on average, beside the ten of the resource.
fn attributes(holes: &mut Holes, random: &mut fastrand::Rng, trace: u32, place: usize, failed: bool) -> Vec<KeyValue> {
    let digits = |holes: &mut Holes, thing: u32, width: u8, bound: u32, skew: bool| {
        holes.text(Hole::Digits { key: about(trace, thing), width, bound, skew })
    };
    let user = |holes: &mut Holes| format!("user-{}", digits(holes, 0, 9, 60_000, true));
    let order = |holes: &mut Holes| format!("ord_{}", digits(holes, 1, 9, 999_999_999, false));
    let isbn = |holes: &mut Holes| format!("978{}", digits(holes, 2, 10, 20_000, true));
    let mut attributes = vec![
        text("enduser.id", user(holes)),
        text("bookstore.tenant", ["retail", "wholesale", "libraries"][random.usize(0..3)]),
        text("bookstore.cart.currency", ["EUR", "USD", "GBP"][random.usize(0..3)]),
        text("bookstore.release", "2026.46-blue"),
        text("thread.name", format!("worker-{}", random.u32(0..16))),
    ];
    // What a client or a payload has of its own.
    let session = |holes: &mut Holes| holes.text(Hole::SpanIdHex { key: about(trace, 40) });
    match place {
        0 | 1 | 2 | 4 | 8 | 9 => {
            let (host, path, route) = match place {
                0 => ("api.bookstore.example", "/api/v1/checkout".to_string(), "/api/v1/checkout"),
                1 => ("storefront.bookstore.svc.cluster.local", "/checkout".to_string(), "/checkout"),
                2 => ("catalog.bookstore.svc.cluster.local", format!("/books/{}", isbn(holes)), "/books/{isbn}"),
                4 => ("orders.bookstore.svc.cluster.local", "/orders".to_string(), "/orders"),
                8 => ("payments-gateway.bookstore.svc.cluster.local", "/v1/payments".to_string(), "/v1/payments"),
                _ => ("stripe-standin.bookstore.svc.cluster.local", "/v1/charges".to_string(), "/v1/charges"),
            };
            let method = if place == 2 { "GET" } else { "POST" };
            let status = if failed { 402 } else { [200, 201][usize::from(place != 2)] };
            attributes.extend([
                text("http.request.method", method),
                text("http.route", route),
                int("http.response.status_code", status),
                text("url.full", format!("https://{host}{path}?session={}&order={}", session(holes), order(holes))),
                text("url.path", path),
                text("url.scheme", "https"),
                text("server.address", host),
                int("server.port", 443),
                text("client.address", holes.text(Hole::Address { key: about(trace, 3) })),
                text("user_agent.original", AGENTS[trace as usize % AGENTS.len()]),
                text("network.protocol.version", ["1.1", "2"][place % 2]),
                int("http.request.body.size", random.i64(180..2600)),
                int("http.response.body.size", random.i64(90..9000)),
            ]);
        }
        3 | 5 | 6 => {
            let (operation, table, query) = match place {
                3 => (
                    "SELECT",
                    "books",
                    "SELECT isbn, title, author, price_cents, stock, publisher_id, published_on, \
                    cover_url, rating FROM bookstore.books WHERE isbn = $1 AND withdrawn_at IS NULL LIMIT 1",
                ),
                5 => (
                    "INSERT",
                    "orders",
                    "INSERT INTO bookstore.orders (id, user_id, total_cents, currency, status, \
                    placed_at, shipping_address_id) VALUES ($1, $2, $3, $4, $5, $6, $7) RETURNING id",
                ),
                _ => (
                    "INSERT",
                    "outbox",
                    "INSERT INTO bookstore.outbox (id, topic, key, payload, headers, created_at) \
                    VALUES ($1, $2, $3, $4, $5, now()) ON CONFLICT (id) DO NOTHING",
                ),
            };
            attributes.extend([
                text("db.system.name", "postgresql"),
                text("db.namespace", "bookstore"),
                text("db.operation.name", operation),
                text("db.collection.name", table),
                text("db.query.text", query),
                text("db.query.summary", format!("{operation} {table}")),
                text("server.address", format!("bookstore-pg-{}.db.svc.cluster.local", place % 3)),
                int("server.port", 5432),
                text("db.client.connection.pool.name", "primary"),
                text("db.query.parameter.0", if place == 3 { isbn(holes) } else { order(holes) }),
                int("db.response.returned_rows", 1),
            ]);
        }
        7 | 10 => attributes.extend([
            text("messaging.system", "kafka"),
            text("messaging.destination.name", if place == 7 { "orders.placed" } else { "payments.charge-succeeded" }),
            text("messaging.operation.type", if place == 7 { "send" } else { "process" }),
            text("messaging.operation.name", if place == 7 { "publish" } else { "process" }),
            text("messaging.client.id", format!("bookstore-{}", random.u32(0..12))),
            text("messaging.message.id", holes.text(Hole::TraceIdHex { key: about(trace, 41) })),
            text("messaging.kafka.message.key", order(holes)),
            text("messaging.consumer.group.name", "bookstore-webhooks"),
            int("messaging.kafka.offset", random.i64(1_000_000..9_000_000)),
            text("messaging.destination.partition.id", random.u32(0..24).to_string()),
            int("messaging.message.body.size", random.i64(300..4000)),
            text("server.address", "kafka-bootstrap.kafka.svc.cluster.local"),
            boolean("messaging.destination.anonymous", false),
        ]),
        _ => attributes.extend([
            text("code.function.name", "recommendations.ranking.SimilarBooks.rank"),
            text("code.file.path", "/app/recommendations/ranking/similar_books.py"),
            int("code.line.number", 118),
            text("book.isbn", isbn(holes)),
            text("recommendation.model", "als-2026-10"),
            text("recommendation.strategy", ["collaborative", "content", "popular"][random.usize(0..3)]),
            int("recommendation.candidates", random.i64(20..400)),
            double("recommendation.score", f64::from(random.u32(0..10_000)) / 10_000.0),
            boolean("recommendation.cached", random.bool()),
            texts("recommendation.genres", &["history", "travel", "science fiction"]),
            text("feature.flag.key", "ranker-v2"),
            text("feature.flag.variant", ["on", "off"][random.usize(0..2)]),
        ]),
    }
    attributes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::template::{Filling, trace_id};

    fn request(seed: u64) -> ExportTraceServiceRequest {
        let template = template(1, 0, 83);
        let filling = Filling { seed, world: 1, time: 1_795_239_033_000_000_000, tick: 0 };
        let bytes = template.fill(&filling);
        assert_eq!(bytes.len(), template.len());
        ExportTraceServiceRequest::decode(bytes.as_slice()).unwrap()
    }

    fn spans(request: &ExportTraceServiceRequest) -> impl Iterator<Item = &Span> {
        request.resource_spans.iter().flat_map(|group| &group.scope_spans).flat_map(|group| &group.spans)
    }

    #[test]
    fn traces_hang_together() {
        let request = request(5);
        let ours: Vec<&Span> = spans(&request).filter(|span| span.trace_id == trace_id(5, 17)).collect();
        assert_eq!(ours.len(), SPANS_PER_TRACE);
        for span in &ours {
            assert!(span.end_time_unix_nano >= span.start_time_unix_nano, "{}", span.name);
            let parent = ours.iter().find(|other| other.span_id == span.parent_span_id);
            assert_eq!(parent.is_none(), span.parent_span_id.is_empty(), "{}", span.name);
        }
    }

    #[test]
    fn spans_have_the_documented_size() {
        let template = template(1, 0, 83);
        let size = template.len() / template.items();
        assert!((790..870).contains(&size), "{size} bytes a span");
        let request = request(5);
        let own: usize = spans(&request).map(|span| span.attributes.len()).sum();
        println!("{size} bytes and {} own attributes a span", own as f64 / 996.0);
    }

    #[test]
    fn requests_share_no_ids() {
        let (one, other) = (request(5), request(6));
        let ids: std::collections::HashSet<&[u8]> = spans(&one).map(|span| span.span_id.as_slice()).collect();
        assert_eq!(ids.len(), 996);
        assert!(spans(&other).all(|span| !ids.contains(span.span_id.as_slice())));
    }
}
