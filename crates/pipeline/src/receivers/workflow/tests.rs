//! Mapping and traces: whatever the order in which events come, how often they come, and what becomes of the spans on their way.

use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::trace::v1::{Span, TracesData};
use proptest::prelude::*;
use serde_json::{Value, json};
use trefoil_model::{Tenant, versions};

use super::change::{Change, Subject};
use super::cloudevents::{Event, Mode, read};
use super::mapping::{Mapping, MappingOptions, Traceparent};
use super::trace::{Instance, Placed, request};

const TRACEPARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b9c7c989f97918e1-01";

/// Seconds in 2024.
fn at(seconds: u64) -> u64 {
    (1_721_642_400 + seconds) * 1_000_000_000
}

fn event(over: Value) -> Event {
    let mut event = json!({"specversion": "1.0", "id": "1", "source": "/orders", "type": "com.acme.order.Submitted",
        "subject": "order-17", "time": "2024-07-22T10:00:00Z"});
    event.as_object_mut().unwrap().extend(over.as_object().unwrap().clone());
    read(Mode::Structured, &http::HeaderMap::new(), event.to_string().as_bytes(), 1 << 20).unwrap().remove(0).unwrap()
}

fn mapping(options: MappingOptions) -> Mapping {
    options.compile(8).unwrap()
}

fn map(options: MappingOptions, over: Value) -> Result<(Subject, Change), String> {
    mapping(options).change(&event(over), 7)
}

fn default() -> MappingOptions {
    MappingOptions::default()
}

#[test]
fn by_default_the_type_says_workflow_and_state() {
    let (subject, change) = map(default(), json!({})).unwrap();
    assert_eq!(
        (subject.source.as_str(), subject.instance.as_str(), subject.joins.as_str()),
        ("/orders", "order-17", "")
    );
    assert_eq!((change.workflow.as_str(), change.state.as_str()), ("com.acme.order", "Submitted"));
    assert_eq!((change.service.as_str(), change.time), ("/orders", at(0)));
    assert!(!change.is_final && !change.is_error);
    let (_, failed) = map(default(), json!({"type": "FAILED", "time": null})).unwrap();
    assert_eq!((failed.workflow.as_str(), failed.state.as_str(), failed.time), ("/orders", "FAILED", 7));
    assert!(failed.is_final && failed.is_error);
}

#[test]
fn members_say_what_the_mapping_takes_from_them() {
    let options = MappingOptions {
        instance: "data.order.id".into(),
        state: "data.status".into(),
        state_prefix: Some("ST_".into()),
        workflow: Some("data.kind".into()),
        service: "shop".into(),
        namespace: Some("data.client".into()),
        final_states: vec!["Shipped".into()],
        error_states: vec!["lost".into()],
        attributes: vec!["order.*".into(), "region".into()],
        ..default()
    };
    let data = json!({"order": {"id": 17, "lines": [1, 2]}, "status": "ST_shipped", "kind": "order", "client": "acme"});
    let (subject, change) = map(options.clone(), json!({"data": data, "shop": "books", "region": "eu"})).unwrap();
    assert_eq!(subject.instance, "17");
    assert_eq!((change.workflow.as_str(), change.state.as_str(), change.is_final), ("order", "shipped", true));
    assert_eq!((change.service.as_str(), change.namespace.as_deref()), ("books", Some("acme")));
    let names: Vec<&str> = change.attributes.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["order.id", "order.lines", "cloudevents.region"]);

    for (over, expected) in [
        (json!({}), "data.order.id: is missing"),
        (json!({"data": {"order": {"id": []}}}), "data.order.id: is missing or no text"),
        (json!({"data": {"order": {"id": 1}, "status": "ST_"}}), "state: nothing is left of \"ST_\""),
    ] {
        let reason = map(options.clone(), over).unwrap_err();
        assert!(reason.contains(expected), "{reason}");
    }
    assert!(map(default(), json!({"subject": null})).unwrap_err().contains("subject: is missing"));
    assert!(map(default(), json!({"traceparent": "x"})).unwrap_err().contains("traceparent: \"x\" is not one"));
}

#[test]
fn attributes_are_flat_bounded_and_never_ours() {
    let data = json!({"a.b": 1, "a": {"b": 2}, "workflow.running": false, "none": null, "": 3});
    let (_, change) = map(default(), json!({"data": data, "ext": true, "sequence": "1", "tracestate": "a=b"})).unwrap();
    let names: Vec<&str> = change.attributes.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["a.b", "data.workflow.running", "cloudevents.ext"]);
    let many: serde_json::Map<String, Value> = (0..20).map(|n| (format!("m{n}"), json!(n))).collect();
    let (_, change) = map(default(), json!({"data": many})).unwrap();
    assert_eq!((change.attributes.len(), change.dropped), (8, 12));
    let (_, change) = map(default(), json!({"data": "text"})).unwrap();
    assert_eq!(change.attributes, [("data".to_owned(), json!("text"))]);
}

fn change(id: &str, seconds: u64, state: &str) -> Change {
    let time = chrono::DateTime::from_timestamp_nanos(at(seconds) as i64).to_rfc3339();
    map(default(), json!({"id": id, "type": format!("order.{state}"), "time": time, "data": {"n": seconds}})).unwrap().1
}

fn instance(changes: Vec<Change>) -> Instance {
    let subject = Subject { source: "/orders".into(), instance: "order-17".into(), joins: String::new() };
    Instance { tenant: Tenant::default(), subject, changes, delivered: 0, is_abandoned: false, now: 0 }
}

/// Name, seconds from and to, whether it is running, and whether it failed.
fn told(spans: &[Placed]) -> Vec<(String, u64, u64, bool, bool)> {
    let of = |Placed { span, .. }: &Placed| {
        let seconds = |nanos: u64| nanos / 1_000_000_000 - at(0) / 1_000_000_000;
        let (from, to) = (seconds(span.start_time_unix_nano), seconds(span.end_time_unix_nano));
        (span.name.clone(), from, to, attribute(span, "workflow.running").is_some(), span.status.is_some())
    };
    spans.iter().map(of).collect()
}

fn attribute<'s>(span: &'s Span, name: &str) -> Option<&'s Any> {
    span.attributes.iter().find(|pair| pair.key == name)?.value.as_ref()?.value.as_ref()
}

fn row(name: &str, from: u64, to: u64, is_running: bool, is_error: bool) -> (String, u64, u64, bool, bool) {
    (name.to_owned(), from, to, is_running, is_error)
}

#[test]
fn an_instance_is_a_root_and_a_span_for_each_state() {
    let mut order = instance(vec![change("1", 0, "Submitted"), change("2", 10, "Paid")]);
    let running =
        [row("order", 0, 10, true, false), row("Submitted", 0, 10, false, false), row("Paid", 10, 10, true, false)];
    assert_eq!(told(&order.spans()), running);

    order.changes.push(change("3", 30, "Failed"));
    let failed = [
        row("order", 0, 30, false, true),
        row("Submitted", 0, 10, false, false),
        row("Paid", 10, 30, false, false),
        row("Failed", 30, 30, false, true),
    ];
    assert_eq!(told(&order.spans()), failed);
    assert!(order.is_finished());

    // What ended goes on: nothing took place meanwhile.
    order.changes.push(change("4", 40, "Retried"));
    let retried = told(&order.spans());
    assert_eq!(retried[0], row("order", 0, 40, true, false));
    assert_eq!(retried[3..], [row("Failed", 30, 30, false, true), row("Retried", 40, 40, true, false)]);

    order.is_abandoned = true;
    let abandoned = order.spans();
    assert_eq!(told(&abandoned)[4], row("Retried", 40, 40, false, false));
    assert_eq!(attribute(&abandoned[0].span, "workflow.abandoned"), Some(&Any::BoolValue(true)));
    assert_eq!(attribute(&abandoned[0].span, "workflow.states"), Some(&Any::IntValue(4)));
    assert_eq!(attribute(&abandoned[1].span, "n"), Some(&Any::IntValue(0)));
}

#[test]
fn what_runs_lasts_until_it_is_looked_at() {
    let mut order = instance(vec![change("1", 0, "Submitted"), change("2", 10, "Paid")]);
    (order.delivered, order.now) = (2, at(100));
    let root = row("order", 0, 100, true, false);
    let paid = row("Paid", 10, 100, true, false);
    assert_eq!(told(&order.spans()), [root.clone(), row("Submitted", 0, 10, false, false), paid.clone()]);
    assert_eq!(told(&order.running()), [root, paid]);
    assert_eq!(told(&order.news()), []);
    // The later look is the one that is seen; what comes then ends it.
    let mut rows = order.spans();
    order.now = at(200);
    rows.extend(order.running());
    let last = |rows: &[Placed], name: &str| {
        let of_name = |(_, span): &(String, Span)| span.name == name;
        seen(rows.to_vec()).into_iter().find(of_name).unwrap().1.end_time_unix_nano
    };
    assert_eq!((last(&rows, "order"), last(&rows, "Paid")), (at(200), at(200)));
    order.changes.push(change("3", 30, "Completed"));
    assert_eq!(told(&order.news()).len(), 3);
    rows.extend(order.news());
    assert_eq!((last(&rows, "order"), last(&rows, "Paid")), (at(30), at(30)));
    assert_eq!(told(&order.running()), []);
}

#[test]
fn events_of_the_same_time_are_in_the_order_of_their_sequence_and_ends_are_last() {
    let sequenced = |id: &str, state: &str, sequence: Option<&str>| Change {
        sequence: sequence.map(str::to_owned),
        ..change(id, 0, state)
    };
    let order = instance(vec![sequenced("1", "Completed", None), sequenced("2", "Begun", None)]);
    assert_eq!(told(&order.spans())[2].0, "Completed");
    let order = instance(vec![sequenced("1", "B", Some("2")), sequenced("2", "A", Some("1"))]);
    assert_eq!(told(&order.spans())[1].0, "A");
}

#[test]
fn ids_stay_what_they_are() {
    let order = instance(vec![change("1", 0, "Submitted")]);
    let ids = |spans: Vec<Placed>| {
        spans
            .iter()
            .map(|placed| (hex::encode(&placed.span.trace_id), hex::encode(&placed.span.span_id)))
            .collect::<Vec<_>>()
    };
    insta::assert_debug_snapshot!(ids(order.spans()));
    let other = |change: fn(&mut Instance)| {
        let mut instance = order.clone();
        change(&mut instance);
        ids(instance.spans())
    };
    let all = [
        ids(order.spans()),
        other(|instance| instance.tenant = Tenant::new("acme").unwrap()),
        other(|instance| instance.subject.source = "/order".into()),
        other(|instance| instance.subject.instance = "sorder-17".into()),
    ];
    for (place, ids) in all.iter().enumerate() {
        assert!(all[..place].iter().flatten().all(|(trace, span)| *trace != ids[0].0 && *span != ids[0].1));
    }
}

#[test]
fn a_caller_is_linked_to_or_joined() {
    let over = json!({"traceparent": TRACEPARENT, "tracestate": "rojo=1"});
    let of = |traceparent| {
        let (subject, change) = map(MappingOptions { traceparent, ..default() }, over.clone()).unwrap();
        Instance { subject, ..instance(vec![change]) }.spans()
    };
    let linked = of(Traceparent::Link);
    for Placed { span, .. } in &linked {
        assert_eq!(hex::encode(&span.links[0].trace_id), "0af7651916cd43dd8448eb211c80319c");
        assert_eq!(span.links[0].trace_state, "rojo=1");
    }
    assert!(linked[0].span.parent_span_id.is_empty());
    let joined = of(Traceparent::Parent);
    assert_eq!(hex::encode(&joined[1].span.trace_id), "0af7651916cd43dd8448eb211c80319c");
    assert_eq!(hex::encode(&joined[0].span.parent_span_id), "b9c7c989f97918e1");
    assert_eq!(joined[0].span.trace_state, "trefoil=v:1,rojo=1");
    assert!(joined.iter().all(|placed| placed.span.links.is_empty()));
    assert!(of(Traceparent::Ignore).iter().all(|placed| placed.span.links.is_empty()));
}

/// What readers see of rows.
fn seen(rows: Vec<Placed>) -> Vec<(String, Span)> {
    let mut traces = TracesData { resource_spans: request(rows).resource_spans };
    versions::keep_last(&mut traces);
    let service = |resource: &opentelemetry_proto::tonic::resource::v1::Resource| format!("{:?}", resource.attributes);
    let spans = traces.resource_spans.into_iter().flat_map(|group| {
        let service = service(&group.resource.unwrap());
        group.scope_spans.into_iter().flat_map(|scope| scope.spans).map(move |span| (service.clone(), span))
    });
    let mut spans: Vec<_> = spans.collect();
    spans.sort_by(|a, b| a.1.span_id.cmp(&b.1.span_id));
    spans
}

/// Times, states, whether there is a caller: often the same.
fn changes() -> impl Strategy<Value = Vec<Change>> {
    let states = prop::sample::select(vec!["Begun", "Working", "Failed", "Completed"]);
    let one = (0_u64..6, states, prop::option::of("[ab]"), any::<bool>(), prop::sample::select(vec!["order", "bill"]));
    prop::collection::vec(one, 1..10).prop_map(|all| {
        let change = |(number, (seconds, state, sequence, is_called, workflow)): (usize, _)| {
            let change = change(&format!("event-{number}"), seconds, state);
            let caller = super::caller::Caller::parse(TRACEPARENT).filter(|_| is_called);
            let workflow: &str = workflow;
            Change { sequence, caller, workflow: workflow.into(), service: workflow.into(), ..change }
        };
        all.into_iter().enumerate().map(change).collect()
    })
}

proptest! {
    /// Events come in any order and any number of times; after each, what the pipelines take is what they have not, or have
    /// otherwise; sometimes they take nothing, or take it without our knowing. In the end, and whenever all is delivered, readers
    /// see the trace of the events that have come.
    #[test]
    fn any_order_and_any_duplication_give_the_same_trace(
        changes in changes(),
        steps in prop::collection::vec((any::<prop::sample::Index>(), 0_u8..4), 0..30),
    ) {
        let mut rows = Vec::new();
        let mut known = instance(Vec::new());
        let all = changes.iter().map(|change| (change, 3));
        let steps = steps.into_iter().map(|(index, luck)| (index.get(&changes), luck)).chain(all);
        for (change, luck) in steps {
            if !known.changes.iter().any(|other| other.id == change.id) {
                known.changes.push(change.clone());
            }
            let news = known.news();
            if luck > 0 {
                rows.extend(news);
            }
            if luck > 1 {
                known.delivered = known.changes.len();
            }
            if known.delivered == known.changes.len() {
                prop_assert_eq!(seen(rows.clone()), seen(known.spans()));
            }
        }
        prop_assert_eq!(seen(rows), seen(instance(changes).spans()));
    }

    /// The span of the root holds those of the states, which are as many as there are events and do not overlap.
    #[test]
    fn states_follow_each_other_within_the_root(changes in changes()) {
        let spans = instance(changes.clone()).spans();
        prop_assert_eq!(spans.len(), changes.len() + 1);
        let (root, states) = spans.split_first().unwrap();
        for pair in states.windows(2) {
            prop_assert!(pair[0].span.end_time_unix_nano <= pair[1].span.start_time_unix_nano);
        }
        for Placed { span, .. } in states {
            prop_assert_eq!(&span.parent_span_id, &root.span.span_id);
            prop_assert!(root.span.start_time_unix_nano <= span.start_time_unix_nano);
            prop_assert!(span.start_time_unix_nano <= span.end_time_unix_nano);
            prop_assert!(span.end_time_unix_nano <= root.span.end_time_unix_nano);
        }
    }
}
