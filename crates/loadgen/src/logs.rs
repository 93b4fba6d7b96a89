//! Log records: JSON bodies as the shop's services write them, one in ten with plain text.

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, any_value::Value};
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs, SeverityNumber};
use prost::Message;

use crate::bookstore::{SCHEMA_URL, SERVICES, resource, scope, text};
use crate::template::{Hole, Holes, Template};

/// The records of a request were written within two seconds.
const SPREAD: u64 = 2_000_000_000;
const PODS: usize = 3;

/// What a service says: logger, message, path.
const MESSAGES: [(&str, &str, &str); 8] = [
    ("http.access", "request completed", "/api/v1/checkout"),
    ("http.access", "request completed", "/books"),
    ("orders.checkout", "order placed and outbox record written", "/orders"),
    ("payments.client", "charge authorised by provider", "/v1/payments"),
    ("cache", "cache miss, reading through to the database", "/books"),
    ("db.pool", "connection acquired after waiting", "/orders"),
    ("recommendations.rank", "ranked similar books for customer", "/recommendations"),
    ("payments.client", "charge declined: insufficient funds", "/v1/payments"),
];

/// A request of `records` log records.
pub fn template(seed: u64, variant: u64, records: usize) -> Template {
    let mut holes = Holes::default();
    let mut random = fastrand::Rng::with_seed(seed ^ (variant << 20) ^ 0x1095);
    let mut by_pod: Vec<Vec<LogRecord>> = vec![Vec::new(); SERVICES.len() * PODS];
    for record in 0..records as u32 {
        let pod = random.usize(0..by_pod.len());
        let record = self::record(&mut holes, &mut random, record);
        by_pod[pod].push(record);
    }
    let resource_logs = by_pod
        .into_iter()
        .enumerate()
        .filter(|(_, records)| !records.is_empty())
        .map(|(index, log_records)| {
            let service = &SERVICES[index / PODS];
            let pod = variant * PODS as u64 % 24 + (index % PODS) as u64;
            ResourceLogs {
                resource: Some(resource(seed, service, pod)),
                scope_logs: vec![ScopeLogs {
                    scope: Some(scope(("bookstore.logging", service.version))),
                    log_records,
                    ..Default::default()
                }],
                schema_url: SCHEMA_URL.into(),
            }
        })
        .collect();
    let request = ExportLogsServiceRequest { resource_logs };
    Template::new(request.encode_to_vec(), holes, records, SPREAD)
}

fn record(holes: &mut Holes, random: &mut fastrand::Rng, record: u32) -> LogRecord {
    let (logger, message, path) = MESSAGES[random.usize(0..MESSAGES.len())];
    let (severity, level) = match random.u32(0..100) {
        _ if message.starts_with("charge declined") => (SeverityNumber::Error, "error"),
        0..=4 => (SeverityNumber::Warn, "warn"),
        5..=14 => (SeverityNumber::Debug, "debug"),
        _ => (SeverityNumber::Info, "info"),
    };
    let when = holes.text(Hole::TimeText { key: record, offset: 0 });
    let trace = holes.text(Hole::TraceIdHex { key: record });
    let span = holes.text(Hole::SpanIdHex { key: record });
    let user = holes.text(Hole::Digits { key: record, width: 8, bound: 60_000, skew: true });
    let duration = format!("{}.{:03}", random.u32(0..180), random.u32(0..1000));
    let status = if severity == SeverityNumber::Error { 402 } else { [200, 200, 200, 201, 304][random.usize(0..5)] };
    let body = if random.u32(0..10) == 0 {
        format!(
            "{when} {level} [{logger}] {message} path={path} user={user} trace={trace} span={span} took {duration} ms"
        )
    } else {
        format!(
            r#"{{"ts":"{when}","level":"{level}","logger":"{logger}","msg":"{message}","trace_id":"{trace}","span_id":"{span}","user_id":"{user}","path":"{path}","method":"POST","status":{status},"duration_ms":{duration},"bytes":{},"thread":"worker-{}"}}"#,
            random.u32(100..9000),
            random.u32(0..16),
        )
    };
    LogRecord {
        time_unix_nano: holes.fixed64(Hole::Time { key: record, offset: 0 }),
        observed_time_unix_nano: holes.fixed64(Hole::Time { key: record, offset: 900_000 }),
        severity_number: severity.into(),
        severity_text: level.to_uppercase(),
        body: Some(AnyValue { value: Some(Value::StringValue(body)) }),
        attributes: vec![text("code.namespace", logger), text("log.iostream", "stdout")],
        flags: 1,
        trace_id: holes.bytes(Hole::TraceId { key: record }),
        span_id: holes.bytes(Hole::SpanId { key: record }),
        ..Default::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::template::Filling;

    #[test]
    fn bodies_are_json_of_the_documented_size() {
        let template = template(1, 0, 1000);
        let filling = Filling { seed: 5, world: 1, time: 1_795_239_033_000_000_000, tick: 0 };
        let request = ExportLogsServiceRequest::decode(template.fill(&filling).as_slice()).unwrap();
        let records = request.resource_logs.iter().flat_map(|group| &group.scope_logs[0].log_records);
        let bodies: Vec<String> = records
            .map(|record| match record.body.clone().unwrap().value.unwrap() {
                Value::StringValue(body) => body,
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(bodies.len(), 1000);
        let json = bodies.iter().filter(|body| serde_json::from_str::<serde_json::Value>(body).is_ok()).count();
        assert!(json > 800, "{json}");
        let size = bodies.iter().map(String::len).sum::<usize>() / bodies.len();
        assert!((270..330).contains(&size), "{size} bytes a body");
    }
}
