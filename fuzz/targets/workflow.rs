//! Any bytes as CloudEvents over HTTP, in each mode: no panic, what was read can be mapped, and the trace that it becomes is taken
//! by the store as it is, the same whatever the order of the events.
//!
//! The first byte chooses the mode; in binary mode lines before an empty one are headers.

#![no_main]

use http::{HeaderMap, HeaderName, HeaderValue};
use libfuzzer_sys::fuzz_target;
use prost::Message;
use trefoil_model::decode::{DecodeContext, decode};
use trefoil_model::series::SeriesIndex;
use trefoil_model::{Limits, Promoted, Signal, Tenant};
use trefoil_pipeline::receivers::workflow::change::{Change, Subject};
use trefoil_pipeline::receivers::workflow::cloudevents::{Mode, read};
use trefoil_pipeline::receivers::workflow::mapping::{MappingOptions, Traceparent};
use trefoil_pipeline::receivers::workflow::trace::{Instance, request};

fuzz_target!(|data: &[u8]| {
    let Some((choice, body)) = data.split_first() else { return };
    let (mode, headers, body) = match choice % 3 {
        0 => (Mode::Structured, HeaderMap::new(), body),
        1 => (Mode::Batched, HeaderMap::new(), body),
        _ => {
            let end = body.windows(2).position(|pair| pair == b"\n\n");
            let (head, body) = end.map_or((body, &[][..]), |end| (&body[..end], &body[end + 2..]));
            (Mode::Binary, headers(head), body)
        }
    };
    let Ok(events) = read(mode, &headers, body, 4096) else { return };
    let traceparent = if choice & 4 == 0 { Traceparent::Link } else { Traceparent::Parent };
    let mapping = MappingOptions { traceparent, ..MappingOptions::default() }.compile(16).expect("it is valid");
    let mut instances: Vec<Instance> = Vec::new();
    for event in events.into_iter().flatten() {
        let Ok((subject, change)) = mapping.change(&event, 7) else { continue };
        let kept = serde_json::to_string(&change).expect("it can be kept");
        let change: Change = serde_json::from_str(&kept).expect("it was kept");
        match instances.iter_mut().find(|instance| instance.subject == subject) {
            Some(instance) if instance.changes.iter().any(|other| other.id == change.id) => {}
            Some(instance) => instance.changes.push(change),
            None => instances.push(instance(subject, change)),
        }
    }
    for mut instance in instances {
        let spans = instance.spans();
        let body = request(spans.clone()).encode_to_vec();
        let (promoted, series, limits) = (Promoted::default(), SeriesIndex::new(100), Limits::default());
        let context = DecodeContext { promoted: &promoted, limits: &limits, series: &series, received: 1, trace_ids: None };
        let decoded = decode(Signal::Traces, &Tenant::default(), &body, &context).expect("it is an OTLP request");
        assert_eq!(decoded.rejected, 0, "{:?}", decoded.reasons);
        instance.changes.reverse();
        assert_eq!(instance.spans(), spans);
    }
});

fn instance(subject: Subject, change: Change) -> Instance {
    Instance { tenant: Tenant::default(), subject, changes: vec![change], delivered: 0, is_abandoned: false, now: 0 }
}

fn headers(head: &[u8]) -> HeaderMap {
    let line = |line: &[u8]| {
        let colon = line.iter().position(|byte| *byte == b':')?;
        let name = HeaderName::from_bytes(&line[..colon]).ok()?;
        Some((name, HeaderValue::from_bytes(&line[colon + 1..]).ok()?))
    };
    let mut headers = HeaderMap::new();
    for (name, value) in head.split(|byte| *byte == b'\n').filter_map(line) {
        headers.append(name, value);
    }
    headers
}
