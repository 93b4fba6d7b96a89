use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::common::v1::{AnyValue, ArrayValue, KeyValue, KeyValueList};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::span::{Event, Link};
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span as OtlpSpan, Status};
use proptest::collection::vec;
use proptest::prelude::*;
use prost::Message as _;

use super::generate;
use crate::model::*;
use crate::otlp::{NO_SERVICE_NAME, from_otlp, to_otlp, to_request};

fn text<'a>(key: &'a str, value: &'a str) -> Tag<'a> {
    Tag::string(key, value)
}

fn int(key: &str, value: i64) -> Tag<'_> {
    Tag { key: key.into(), value: Value::Int64(value) }
}

fn boolean(key: &str, value: bool) -> Tag<'_> {
    Tag { key: key.into(), value: Value::Bool(value) }
}

fn attribute(key: &str, value: Any) -> KeyValue {
    KeyValue { key: key.to_owned(), value: Some(AnyValue { value: Some(value) }), ..KeyValue::default() }
}

fn string(key: &str, value: &str) -> KeyValue {
    attribute(key, Any::StringValue(value.to_owned()))
}

fn batch<'a>(process: Process<'a>, spans: Vec<Span<'a>>) -> Batch<'a> {
    Batch { process: Some(process), spans }
}

fn translated(span: Span<'_>) -> OtlpSpan {
    let mut request = to_request([batch(Process::default(), vec![span])]);
    request.resource_spans.remove(0).scope_spans.remove(0).spans.remove(0)
}

fn keys(attributes: &[KeyValue]) -> Vec<&str> {
    attributes.iter().map(|attribute| attribute.key.as_str()).collect()
}

#[test]
fn processes_become_resources() {
    let resource = |service: &str, tags| {
        let span = Span::default();
        let request = to_request([batch(Process { service_name: service.into(), tags }, vec![span])]);
        request.resource_spans[0].resource.clone().unwrap().attributes
    };
    let tags = vec![text("hostname", "h"), text("ip", "10.0.0.1"), text("jaeger.version", "Go-2.30")];
    let expected = [
        string("service.name", "svc"),
        string("host.name", "h"),
        string("ip", "10.0.0.1"),
        string("opencensus.exporterversion", "Jaeger-Go-2.30"),
    ];
    assert_eq!(resource("svc", tags), expected);
    // A newer name that is there already stays.
    assert_eq!(
        keys(&resource("svc", vec![text("hostname", "a"), text("host.name", "b")]))[1..],
        ["hostname", "host.name"]
    );
    assert!(resource("", vec![]).is_empty() && resource(NO_SERVICE_NAME, vec![]).is_empty());
}

#[test]
fn spans_come_together_by_process_and_scope() {
    let own = Process { service_name: "own".into(), tags: vec![] };
    let named = |name: &'static str, tags| Span { operation_name: name.into(), tags, ..Span::default() };
    let scope = |name| vec![text("otel.scope.name", name), text("otel.scope.version", "1")];
    let spans = vec![
        named("a", scope("x")),
        Span { process: Some(own.clone()), ..named("b", vec![]) },
        named("c", scope("y")),
        named("d", scope("x")),
        Span { process: Some(own), ..named("e", vec![]) },
    ];
    let request = to_request([batch(Process { service_name: "svc".into(), tags: vec![] }, spans)]);
    let seen = request.resource_spans.iter().map(|of| {
        let service = of.resource.as_ref().unwrap().attributes[0].value.clone().unwrap().value.unwrap();
        let scopes = of.scope_spans.iter().map(|of| {
            let spans: String = of.spans.iter().map(|span| span.name.as_str()).collect();
            (of.scope.clone().unwrap().name, spans)
        });
        (service, scopes.collect::<Vec<_>>())
    });
    let pair = |scope: &str, spans: &str| (scope.to_owned(), spans.to_owned());
    let expected = [
        (Any::StringValue("svc".to_owned()), vec![pair("x", "ad"), pair("y", "c")]),
        (Any::StringValue("own".to_owned()), vec![pair("", "be")]),
    ];
    assert_eq!(seen.collect::<Vec<_>>(), expected);
}

#[test]
fn scopes_have_an_old_name_too() {
    let scope = |tags| {
        let request = to_request([batch(Process::default(), vec![Span { tags, ..Span::default() }])]);
        let of = &request.resource_spans[0].scope_spans[0];
        let scope = of.scope.clone().unwrap();
        (scope.name, scope.version, of.spans[0].attributes.len())
    };
    let old = vec![text("otel.library.name", "l"), text("otel.library.version", "2")];
    assert_eq!(scope(old.clone()), ("l".to_owned(), "2".to_owned(), 0));
    let both = [vec![text("otel.scope.name", "l"), text("otel.scope.version", "2")], old.clone()].concat();
    assert_eq!(scope(both), ("l".to_owned(), "2".to_owned(), 0));
    let contradicting = [vec![text("otel.scope.name", "s")], old].concat();
    assert_eq!(scope(contradicting), ("s".to_owned(), "2".to_owned(), 1));
}

/// Tags, the status that they tell, and the keys that are left.
type Case<'a> = (&'a [Tag<'a>], Option<(i32, &'a str)>, &'a str);

#[test]
fn the_status_is_what_the_tags_say() {
    let status = |tags: &[Tag<'_>]| {
        let span = translated(Span { tags: tags.to_vec(), ..Span::default() });
        let rest = keys(&span.attributes).join(" ");
        (span.status.map(|status| (status.code, status.message)), rest)
    };
    let expected = |status: Option<(i32, &str)>, rest: &str| {
        (status.map(|(code, message)| (code, message.to_owned())), rest.to_owned())
    };
    let (code, description) = (|value| text("otel.status_code", value), text("otel.status_description", "why"));
    let (client, server) = (text("span.kind", "client"), text("span.kind", "server"));
    let cases: &[Case<'_>] = &[
        (&[], None, ""),
        (&[boolean("error", true)], Some((2, "")), ""),
        (&[boolean("error", false)], None, "error"),
        (&[text("error", "true")], None, "error"),
        (&[boolean("error", true), description.clone()], Some((2, "why")), ""),
        (&[boolean("error", true), text("http.status_message", "no")], Some((2, "no")), "http.status_message"),
        // The error wins.
        (&[boolean("error", true), code("OK"), description.clone()], Some((2, "why")), ""),
        (&[boolean("error", false), code("ERROR")], Some((2, "")), "error"),
        (&[code("ok"), description.clone()], Some((1, "why")), ""),
        (&[code("unset")], Some((0, "")), ""),
        (&[code("maybe")], None, "otel.status_code"),
        (&[int("otel.status_code", 2)], None, "otel.status_code"),
        (&[code("OK"), int("http.status_code", 500)], Some((1, "")), "http.status_code"),
        (&[int("http.status_code", 200)], None, "http.status_code"),
        (&[int("http.status_code", 399)], None, "http.status_code"),
        (&[int("http.status_code", 404)], Some((2, "")), "http.status_code"),
        (&[client, int("http.status_code", 404)], Some((2, "")), "http.status_code"),
        (&[server.clone(), int("http.status_code", 404)], None, "http.status_code"),
        (&[server.clone(), text("http.status_code", "503")], Some((2, "")), "http.status_code"),
        (&[server, int("http.response.status_code", 500)], Some((2, "")), "http.response.status_code"),
        (
            &[int("http.status_code", 500), text("http.status_message", "broken")],
            Some((2, "broken")),
            "http.status_code http.status_message",
        ),
        (&[text("http.status_code", "many")], None, "http.status_code"),
    ];
    for (tags, found, rest) in cases {
        assert_eq!(status(tags), expected(*found, rest), "{tags:?}");
    }
}

#[test]
fn what_is_not_understood_stays() {
    let span = translated(Span { tags: vec![text("span.kind", "odd"), int("w3c.tracestate", 1)], ..Span::default() });
    assert_eq!((span.kind, keys(&span.attributes)), (0, vec!["span.kind", "w3c.tracestate"]));
    for (name, kind) in [("internal", 1), ("server", 2), ("client", 3), ("producer", 4), ("consumer", 5)] {
        let span = translated(Span { tags: vec![text("span.kind", name)], ..Span::default() });
        assert_eq!((span.kind, span.attributes.len()), (kind, 0));
    }
}

#[test]
fn references_are_parent_and_links() {
    let (child, follows) = (ReferenceType::ChildOf, ReferenceType::FollowsFrom);
    let translate = |references: &[(ReferenceType, u128, u64)]| {
        let reference = |&(kind, trace_id, span_id)| Reference { kind, trace_id, span_id };
        let span = Span { trace_id: 5, references: references.iter().map(reference).collect(), ..Span::default() };
        let span = translated(span);
        let parent = span.parent_span_id.last().copied();
        let links = span.links.iter().map(|link| {
            assert_eq!((link.trace_id.len(), link.span_id.len()), (16, 8));
            let Some(Any::StringValue(kind)) = link.attributes[0].value.clone().unwrap().value else { panic!() };
            format!("{kind} {}/{}", link.trace_id[15], link.span_id[7])
        });
        (parent, links.collect::<Vec<_>>())
    };
    assert_eq!(translate(&[]), (None, vec![]));
    assert_eq!(translate(&[(child, 5, 7)]), (Some(7), vec![]));
    // The kind of a parent that is followed is told by a link.
    assert_eq!(translate(&[(follows, 5, 7)]), (Some(7), vec!["follows_from 5/7".to_owned()]));
    let others = translate(&[(follows, 5, 3), (child, 5, 7), (child, 5, 8), (child, 6, 7)]);
    let links = ["follows_from 5/3", "child_of 5/8", "child_of 6/7"];
    assert_eq!(others, (Some(7), links.map(str::to_owned).to_vec()));
    assert_eq!(translate(&[(child, 6, 7)]), (None, vec!["child_of 6/7".to_owned()]));
}

#[test]
fn logs_become_events() {
    let event = |fields: &[Tag<'_>]| {
        let log = Log { time: 9, fields: fields.to_vec() };
        let span = translated(Span { logs: vec![log], ..Span::default() });
        let event = &span.events[0];
        assert_eq!(event.time_unix_nano, 9);
        (event.name.clone(), keys(&event.attributes).join(" "))
    };
    let pair = |name: &str, rest: &str| (name.to_owned(), rest.to_owned());
    assert_eq!(event(&[]), pair("", ""));
    assert_eq!(event(&[text("level", "info"), text("event", "start")]), pair("start", "level"));
    assert_eq!(event(&[text("message", "m")]), pair("m", ""));
    assert_eq!(event(&[text("message", "m"), text("event", "e")]), pair("e", "message"));
    assert_eq!(event(&[int("event", 5), text("message", "m")]), pair("", "event message"));
}

#[test]
fn flags_and_warnings_are_kept() {
    let span = translated(Span { flags: SAMPLED | DEBUG | 8, warnings: vec!["odd".into()], ..Span::default() });
    assert_eq!(span.flags, 1);
    assert_eq!(span.attributes[0], attribute("jaeger.flags", Any::IntValue(10)));
    let values = vec![AnyValue { value: Some(Any::StringValue("odd".to_owned())) }];
    assert_eq!(span.attributes[1], attribute("@jaeger@warnings", Any::ArrayValue(ArrayValue { values })));
}

#[test]
fn times_beyond_time_end_with_it() {
    let span = translated(Span { start: u64::MAX - 1, duration: 5, ..Span::default() });
    assert_eq!((span.start_time_unix_nano, span.end_time_unix_nano), (u64::MAX - 1, u64::MAX));
    let backwards = OtlpSpan { start_time_unix_nano: 9, end_time_unix_nano: 5, ..OtlpSpan::default() };
    assert_eq!(jaeger(&request(backwards)).duration, 0);
}

/// A span by itself.
fn request(span: OtlpSpan) -> Vec<ResourceSpans> {
    let scope_spans = vec![ScopeSpans { spans: vec![span], ..ScopeSpans::default() }];
    vec![ResourceSpans { scope_spans, ..ResourceSpans::default() }]
}

fn jaeger(request: &[ResourceSpans]) -> Span<'_> {
    from_otlp(request).remove(0).spans.remove(0)
}

#[test]
fn a_span_of_opentelemetry_comes_back() {
    let list = Any::KvlistValue(KeyValueList { values: vec![attribute("n", Any::IntValue(1)), string("s", "x")] });
    let span = OtlpSpan {
        trace_id: vec![1; 16],
        span_id: vec![2; 8],
        parent_span_id: vec![3; 8],
        trace_state: "a=b".to_owned(),
        flags: 0x301,
        name: "get".to_owned(),
        kind: 2,
        start_time_unix_nano: 1000,
        end_time_unix_nano: 3000,
        attributes: vec![string("s", "x"), attribute("b", Any::BytesValue(vec![0, 255])), attribute("l", list)],
        dropped_attributes_count: 4,
        events: vec![Event {
            time_unix_nano: 1500,
            name: "e".to_owned(),
            attributes: vec![string("k", "v")],
            dropped_attributes_count: 7,
        }],
        dropped_events_count: 5,
        links: vec![Link { trace_id: vec![9; 16], span_id: vec![8; 8], ..Link::default() }],
        dropped_links_count: 6,
        status: Some(Status { code: 2, message: "why".to_owned() }),
    };
    let original = request(span.clone());
    let seen = jaeger(&original);
    let tags: Vec<String> = seen.tags.iter().map(|tag| format!("{}={:?}", tag.key, tag.value)).collect();
    let expected = [
        "s=String(\"x\")",
        "b=Binary([0, 255])",
        "l=String(\"{\\\"n\\\":1,\\\"s\\\":\\\"x\\\"}\")",
        "span.kind=String(\"server\")",
        "otel.status_code=String(\"ERROR\")",
        "error=Bool(true)",
        "otel.status_description=String(\"why\")",
        "w3c.tracestate=String(\"a=b\")",
        "otel.dropped_attributes_count=Int64(4)",
        "otel.dropped_events_count=Int64(5)",
        "otel.dropped_links_count=Int64(6)",
    ];
    assert_eq!(tags, expected);
    assert_eq!((seen.flags, seen.references.len()), (SAMPLED, 2));
    let back = translated(seen);
    let mut expected = span;
    expected.flags = 1;
    expected.attributes[2] = string("l", r#"{"n":1,"s":"x"}"#);
    expected.links[0].attributes = vec![string("opentracing.ref_type", "follows_from")];
    assert_eq!(back, expected);
}

#[test]
fn a_parent_that_is_followed_comes_back() {
    let follows = Reference { kind: ReferenceType::FollowsFrom, trace_id: 5, span_id: 7 };
    let span = Span { trace_id: 5, references: vec![follows], ..Span::default() };
    assert_eq!(jaeger(&request(translated(span.clone()))), span);
}

#[test]
fn a_resource_without_a_name_has_one_that_is_known() {
    let resource = |attributes| {
        let resource = Some(Resource { attributes, ..Resource::default() });
        ResourceSpans { resource, ..ResourceSpans::default() }
    };
    let process = |of: &ResourceSpans| {
        let process = from_otlp(std::slice::from_ref(of)).remove(0).process.unwrap();
        let tags = process.tags.iter().map(|tag| tag.key.to_string()).collect::<Vec<_>>().join(" ");
        (process.service_name.to_string(), tags)
    };
    let pair = |name: &str, tags: &str| (name.to_owned(), tags.to_owned());
    assert_eq!(process(&resource(vec![])), pair(NO_SERVICE_NAME, ""));
    let odd = resource(vec![attribute("service.name", Any::IntValue(5)), string("a", "b")]);
    assert_eq!(process(&odd), pair(NO_SERVICE_NAME, "service.name a"));
    let named = resource(vec![string("a", "b"), string("service.name", "svc")]);
    assert_eq!(process(&named), pair("svc", "a"));
}

proptest! {
    #[test]
    fn batches_come_back_from_opentelemetry(batch in generate::batch()) {
        let request = to_request([batch.clone()]);
        prop_assert_eq!(from_otlp(&request.resource_spans), vec![batch]);
    }

    #[test]
    fn requests_are_written_as_generated_code_writes_them(batches in vec(generate::mixed(), 0..4)) {
        prop_assert_eq!(to_request(batches.clone()).encode_to_vec(), to_otlp(batches));
    }
}
