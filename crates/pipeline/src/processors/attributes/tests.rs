use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};

use super::*;
use crate::config::Document;
use crate::telemetry::Origin;

fn read(text: &str) -> Result<Config, String> {
    let document = Document::parse("t.yaml", text, &|_| None).map_err(|error| error.to_string())?;
    let section = Section::new(document.root(), &[]);
    let raw: RawConfig = section.parse().map_err(|error| error.to_string())?;
    let filter = Filter::new(&section, raw.include, raw.exclude).map_err(|error| error.to_string())?;
    let actions = Actions::new(&section, "actions", raw.actions).map_err(|error| error.to_string())?;
    Ok(Config { actions: Arc::new(actions), filter: Arc::new(filter) })
}

fn attribute(key: &str, value: Value) -> KeyValue {
    KeyValue { key: key.into(), value: Some(AnyValue { value: Some(value) }), ..KeyValue::default() }
}

fn text(value: &str) -> Value {
    Value::StringValue(value.into())
}

/// What becomes of a span's attributes.
fn changed(config: &str, attributes: Vec<KeyValue>) -> Vec<(String, Value)> {
    let origin = Origin {
        metadata: Arc::new(vec![("x-user".into(), "a".into()), ("x-user".into(), "b".into())]),
        address: Some("10.1.2.3:99".parse().unwrap()),
    };
    let span = Span { name: "GET /".into(), kind: 2, attributes, ..Span::default() };
    let scope_spans = vec![ScopeSpans { spans: vec![span], ..ScopeSpans::default() }];
    let resource_spans = vec![ResourceSpans { scope_spans, ..ResourceSpans::default() }];
    let mut message = Message::Traces(ExportTraceServiceRequest { resource_spans });
    read(config).unwrap().change(&mut message, &origin);
    let Message::Traces(mut request) = message else { unreachable!() };
    let span = request.resource_spans.remove(0).scope_spans.remove(0).spans.remove(0);
    span.attributes.into_iter().map(|a| (a.key, a.value.unwrap().value.unwrap())).collect()
}

fn pairs(expected: &[(&str, Value)]) -> Vec<(String, Value)> {
    expected.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect()
}

#[test]
fn insert_update_and_upsert_differ_in_what_exists() {
    let config = "actions:
- {key: there, action: insert, value: new}
- {key: not_there, action: update, value: new}
- {key: inserted, action: insert, value: 5}
- {key: updated, action: update, value: 1.5}
- {key: upserted, action: upsert, from_attribute: there}
- {key: user, action: insert, from_context: metadata.X-User}
- {key: peer, action: insert, from_context: client.address}
- {key: nobody, action: insert, from_context: metadata.other}
- {key: list, action: insert, value: [a, true]}
";
    let found = changed(config, vec![attribute("there", text("old")), attribute("updated", text("old"))]);
    assert_eq!(
        found[..6],
        pairs(&[
            ("there", text("old")),
            ("updated", Value::DoubleValue(1.5)),
            ("inserted", Value::IntValue(5)),
            ("upserted", text("old")),
            ("user", text("a;b")),
            ("peer", text("10.1.2.3")),
        ])
    );
    assert!(matches!(&found[6], (key, Value::ArrayValue(list)) if key == "list" && list.values.len() == 2));
    assert_eq!(found.len(), 7);
}

#[test]
fn delete_hash_extract_and_convert() {
    let config = r"actions:
- {key: secret, action: delete}
- {pattern: ^card\., action: delete}
- {key: email, action: hash}
- {key: url, action: extract, pattern: '^(?P<scheme>\w+)://(?P<host>[^/]+)'}
- {key: status, action: convert, converted_type: int}
- {key: words, action: convert, converted_type: int}
- {key: count, action: convert, converted_type: string}
- {key: ratio, action: convert, converted_type: double}
";
    let attributes = vec![
        attribute("secret", text("x")),
        attribute("card.number", text("x")),
        attribute("email", text("abc")),
        attribute("url", text("https://shop/cart")),
        attribute("status", text("200")),
        attribute("words", text("two hundred")),
        attribute("count", Value::IntValue(7)),
        attribute("ratio", Value::IntValue(2)),
    ];
    assert_eq!(
        changed(config, attributes),
        pairs(&[
            // SHA-256 of "abc", from FIPS 180-2.
            ("email", text("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")),
            ("url", text("https://shop/cart")),
            ("status", Value::IntValue(200)),
            ("words", text("two hundred")),
            ("count", text("7")),
            ("ratio", Value::DoubleValue(2.0)),
            ("scheme", text("https")),
            ("host", text("shop")),
        ])
    );
}

#[test]
fn include_and_exclude_choose_the_items() {
    let touched = |filter: &str| {
        let config = format!("{filter}\nactions: [{{key: touched, action: insert, value: 1}}]\n");
        changed(&config, vec![attribute("env", text("prod"))]).len() == 2
    };
    assert!(touched("include: {match_type: strict, span_names: [other, GET /]}"));
    assert!(!touched("include: {match_type: strict, span_names: [GET]}"));
    assert!(touched("include: {match_type: regexp, span_names: [^GET], span_kinds: [SPAN_KIND_SERVER]}"));
    assert!(!touched("include: {match_type: regexp, span_names: [^GET], span_kinds: [SPAN_KIND_CLIENT]}"));
    assert!(touched("include: {match_type: strict, attributes: [{key: env, value: prod}]}"));
    assert!(!touched("include: {match_type: strict, attributes: [{key: env, value: prod}, {key: no}]}"));
    assert!(!touched("exclude: {match_type: strict, attributes: [{key: env}]}"));
    assert!(!touched("include: {match_type: strict, services: [orders]}"));
    assert!(touched("exclude: {match_type: strict, resources: [{key: pod}]}"));
}

#[test]
fn wrong_configurations_are_told_with_their_places() {
    let wrong = [
        ("actions: []", "actions: is empty"),
        ("actions: [{key: a, action: insert}]", "actions[0]: has no `value`"),
        ("actions: [{key: a, action: insert, value: 1, from_attribute: b}]", "more than one of"),
        ("actions: [{action: delete}]", "neither `key` nor `pattern`"),
        ("actions: [{key: a, action: extract, pattern: '(x)'}]", "actions[0].pattern: all groups must be named"),
        ("actions: [{key: a, action: hash, pattern: '('}]", "actions[0].pattern: regex parse error"),
        ("actions: [{key: a, action: delete, value: 1}]", "actions[0].value: has no meaning for the action delete"),
        ("actions: [{key: a, action: insert, from_context: auth.x}]", "`auth.x` is not"),
        ("include: {match_type: strict}\nactions: [{key: a, action: delete}]", "include: names no property"),
        ("include: {match_type: regexp, services: ['(']}\nactions: [{key: a, action: delete}]", "include.services"),
        ("include: {match_type: strict, span_kinds: [x]}\nactions: [{key: a, action: delete}]", "not a span kind"),
    ];
    for (config, expected) in wrong {
        let error = read(config).unwrap_err();
        assert!(error.contains(expected), "{config}\n{error}");
    }
    let logs_only = read("include: {match_type: strict, log_bodies: [x]}\nactions: [{key: a, action: delete}]").unwrap();
    assert_eq!(logs_only.filter.unfit_for(Signal::Logs), None);
    assert!(logs_only.filter.unfit_for(Signal::Traces).is_some());
}
