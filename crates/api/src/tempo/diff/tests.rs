use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, Status};

use super::*;

const SECOND: u64 = 1_000_000_000;

fn attribute(key: &str, value: Any) -> KeyValue {
    KeyValue { key: key.into(), value: Some(AnyValue { value: Some(value) }), ..KeyValue::default() }
}

fn text(key: &str, value: &str) -> KeyValue {
    attribute(key, Any::StringValue(value.into()))
}

/// Times in milliseconds behind a second.
fn span(id: u8, parent: u8, name: &str, [start, end]: [u64; 2]) -> Span {
    Span {
        trace_id: vec![1; 16],
        span_id: vec![id; 8],
        parent_span_id: if parent == 0 { Vec::new() } else { vec![parent; 8] },
        name: name.into(),
        kind: 2,
        start_time_unix_nano: SECOND + start * 1_000_000,
        end_time_unix_nano: SECOND + end * 1_000_000,
        ..Span::default()
    }
}

fn trace(services: Vec<(&str, Vec<Span>)>) -> TracesData {
    let resource_spans = services.into_iter().map(|(service, spans)| ResourceSpans {
        resource: Some(Resource { attributes: vec![text("service.name", service)], ..Resource::default() }),
        scope_spans: vec![ScopeSpans { spans, ..ScopeSpans::default() }],
        ..ResourceSpans::default()
    });
    TracesData { resource_spans: resource_spans.collect() }
}

fn compared(base: &TracesData, compare: &TracesData, format: &str) -> Value {
    document(&Tree::new(base, "base"), &Tree::new(compare, "compare"), format)
}

fn checkout() -> TracesData {
    let gateway = vec![span(1, 0, "POST /checkout", [0, 100])];
    let orders = vec![span(2, 1, "reserve", [10, 40]), span(3, 1, "reserve", [40, 60]), span(4, 3, "SELECT", [45, 50])];
    trace(vec![("gateway", gateway), ("orders", orders)])
}

/// It takes longer, one call is gone, one fails, and there is another.
fn slower() -> TracesData {
    let mut gateway = span(11, 0, "POST /checkout", [0, 300]);
    gateway.attributes = vec![text("tier", "gold"), attribute("n", Any::DoubleValue(f64::NAN))];
    let mut reserve = span(12, 11, "reserve", [10, 41]);
    reserve.status = Some(Status { code: 2, message: "no stock".into() });
    trace(vec![
        ("gateway", vec![gateway]),
        ("orders", vec![reserve, span(14, 12, "SELECT", [15, 20])]),
        ("mail", vec![span(15, 11, "send 4bf92f3577b34da6", [50, 250])]),
    ])
}

#[test]
fn a_patch_tells_every_change() {
    insta::assert_json_snapshot!("patch", compared(&checkout(), &slower(), PATCH));
}

#[test]
fn a_summary_tells_what_became_of_services() {
    insta::assert_json_snapshot!("summary", compared(&checkout(), &slower(), SUMMARY));
}

#[test]
fn the_same_trace_is_no_different_whatever_its_ids_are() {
    let mut same = checkout();
    for span in same.resource_spans.iter_mut().flat_map(|r| &mut r.scope_spans).flat_map(|s| &mut s.spans) {
        span.trace_id = vec![9; 16];
        span.span_id[0] ^= 0xff;
        if let Some(first) = span.parent_span_id.first_mut() {
            *first ^= 0xff;
        }
        span.start_time_unix_nano += 5 * SECOND;
        span.end_time_unix_nano += 5 * SECOND;
    }
    let patch = compared(&checkout(), &same, PATCH);
    assert_eq!((&patch["modified"], &patch["added"], &patch["removed"]), (&json!([]), &json!([]), &json!([])));
    assert_eq!(patch["stats"]["matchedSpans"], 4);
    let summary = compared(&checkout(), &same, SUMMARY);
    assert_eq!(summary["changedServices"], json!([]));
    assert_eq!(summary["trust"], json!({"matchedSpanRatio": 1.0, "structureOverlap": 1.0}));
}

#[test]
fn a_composed_answer_holds_the_patch_if_it_is_short() {
    let composed = compared(&checkout(), &slower(), COMPOSED);
    assert_eq!((&composed["version"], &composed["patch"]["version"]), (&json!(COMPOSED), &json!(PATCH)));
    let long: Vec<Span> = (1..=250).map(|id| span(id, 0, &"x".repeat(300), [0, 1])).collect();
    let composed = compared(&checkout(), &trace(vec![("a", long)]), COMPOSED);
    assert_eq!((&composed["patchOmitted"]["reason"], composed.get("patch")), (&json!("over_budget"), None));
    assert!(composed["patchOmitted"]["bytes"].as_u64().unwrap() > 64 * 1024);
}

#[test]
fn what_is_strange_in_a_trace_is_told() {
    let mut timeless = span(1, 2, "a", [0, 1]);
    timeless.start_time_unix_nano = 0;
    // A cycle, an id that comes again, a parent that is not there, a span that is its own parent.
    let spans = vec![
        timeless,
        span(2, 1, "b", [0, 1]),
        span(2, 1, "b", [0, 1]),
        span(3, 9, "c", [0, 1]),
        span(4, 4, "d", [0, 1]),
    ];
    let strange = trace(vec![("", spans)]);
    let patch = compared(&strange, &checkout(), PATCH);
    let codes: Vec<&str> =
        patch["warnings"].as_array().unwrap().iter().map(|one| one["code"].as_str().unwrap()).collect();
    assert_eq!(codes, ["invalid_duration", "duplicate_span_id"]);
    assert_eq!((&patch["base"]["spanCount"], &patch["stats"]["removedSpans"]), (&json!(5), &json!(4)));
    let paths: Vec<&Value> = patch["removed"].as_array().unwrap().iter().map(|span| &span["target"]["path"]).collect();
    assert_eq!(paths, [&json!([0]), &json!([1]), &json!([1, 0]), &json!([2])]);
    let summary = compared(&strange, &checkout(), SUMMARY);
    assert_eq!(summary["changedServices"], json!(["<unknown>", "gateway", "orders"]));
}

#[test]
fn too_much_is_refused() {
    let status = |answer: Result<Response, TempoError>| answer.map_err(|error| error.0).err();
    assert_eq!(status(answer(&checkout(), &slower(), PATCH, 8)), None);
    assert_eq!(status(answer(&checkout(), &slower(), PATCH, 7)), Some(StatusCode::TOO_MANY_REQUESTS));
    let chain: Vec<Span> = (0..10_000u64)
        .map(|n| Span {
            span_id: (n + 1).to_be_bytes().into(),
            parent_span_id: n.to_be_bytes().into(),
            ..Span::default()
        })
        .collect();
    let deep = trace(vec![("a", chain)]);
    assert_eq!(status(answer(&deep, &deep, PATCH, 100_000)), Some(StatusCode::TOO_MANY_REQUESTS));
}

#[test]
fn requests_are_checked() {
    let error = |body: &str| request(body.as_bytes()).unwrap_err();
    assert!(error("").starts_with("invalid trace diff request body: "));
    assert_eq!(error("{}"), "base.traceId is required");
    assert_eq!(error(r#"{"base":{"traceId":"1"}}"#), "compare.traceId is required");
    assert!(error(r#"{"base":{"traceId":"x"}}"#).starts_with("invalid base.traceId: "));
    assert!(error(r#"{"format":"x"}"#).starts_with("invalid format \"x\": must be one of"));
    let hinted = r#"{"base":{"traceId":"1","start":5,"end":5},"compare":{"traceId":"2"}}"#;
    assert_eq!(error(hinted), "base.start must be before base.end. received start=5 end=5");
    let asked =
        request(br#"{"base":{"traceId":"1","start":5},"compare":{"traceId":"2","start":1,"end":2},"more":1}"#).unwrap();
    assert_eq!(asked.format, PATCH);
    assert_eq!((asked.base.starts(), asked.compare.starts().is_some()), (None, true));
}
