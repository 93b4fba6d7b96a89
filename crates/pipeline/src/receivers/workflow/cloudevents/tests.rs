use http::{HeaderMap, HeaderName, HeaderValue};
use proptest::prelude::*;
use serde_json::json;

use super::*;

const LIMIT: usize = 1 << 16;

fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
    let pair = |(name, value): &(&str, &str)| {
        (name.parse::<HeaderName>().unwrap(), HeaderValue::from_bytes(value.as_bytes()).unwrap())
    };
    pairs.iter().map(pair).collect()
}

fn event(over: Value) -> Value {
    let mut event = json!({"specversion": "1.0", "id": "1", "source": "/s", "type": "t"});
    for (name, value) in over.as_object().unwrap() {
        event[name] = value.clone();
    }
    event
}

fn structured(event: Value) -> Result<Event, Problem> {
    read(Mode::Structured, &HeaderMap::new(), event.to_string().as_bytes(), LIMIT).unwrap().remove(0)
}

fn binary(pairs: &[(&str, &str)], body: &str) -> Result<Event, Problem> {
    let required = [("ce-id", "1"), ("ce-source", "/s"), ("ce-specversion", "1.0"), ("ce-type", "t")];
    let given = |name: &str| pairs.iter().any(|(own, _)| *own == name);
    let all: Vec<_> = required.into_iter().filter(|(name, _)| !given(name)).chain(pairs.iter().copied()).collect();
    read(Mode::Binary, &headers(&all), body.as_bytes(), LIMIT).unwrap().remove(0)
}

#[test]
fn the_content_type_says_the_mode() {
    let of = |pairs: &[(&str, &str)]| Mode::of(&headers(pairs));
    let cases = [
        ("application/cloudevents+json", Mode::Structured),
        ("Application/CloudEvents+JSON; charset=UTF-8", Mode::Structured),
        ("application/cloudevents-batch+json ;charset=utf-8", Mode::Batched),
    ];
    for (content_type, mode) in cases {
        assert_eq!(of(&[("content-type", content_type)]), Ok(mode), "{content_type}");
    }
    assert_eq!(of(&[("content-type", "text/xml"), ("CE-Id", "1")]), Ok(Mode::Binary));
    assert_eq!(of(&[("ce-id", "1")]), Ok(Mode::Binary));
    for pairs in [&[("content-type", "application/cloudevents+avro")][..], &[("content-type", "application/json")], &[]]
    {
        assert!(matches!(of(pairs), Err(Unreadable::NotUnderstood(_))), "{pairs:?}");
    }
}

#[test]
fn the_examples_of_the_json_format_are_read() {
    let base = json!({"type": "com.example.someevent", "source": "/mycontext", "time": "2018-04-05T17:31:00Z",
        "comexampleextension1": "value", "comexampleothervalue": 5, "unsetextension": null, "subject": null});
    let with = |more: Value| {
        let mut event = event(base.clone());
        event.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        structured(event).unwrap()
    };
    let xml = with(json!({"datacontenttype": "application/xml", "data": "<much wow=\"xml\"/>"}));
    assert_eq!(xml.data, json!("<much wow=\"xml\"/>"));
    assert_eq!(xml.time, Some(1_522_949_460_000_000_000));
    assert_eq!(xml.subject, None);
    assert_eq!(xml.extensions.len(), 2);
    assert_eq!(xml.attribute("comexampleothervalue"), Some(json!(5)));

    let object = with(json!({"datacontenttype": "application/json", "data": {"appinfoB": 123}}));
    assert_eq!(object.data, json!({"appinfoB": 123}));
    assert_eq!(with(json!({"data": "I'm just a string"})).data, json!("I'm just a string"));
    let bytes = with(json!({"datacontenttype": "application/vnd.apache.thrift.binary", "data_base64": "AP8="}));
    assert_eq!(bytes.data, Value::Null);
    let encoded = with(json!({"datacontenttype": "application/json", "data_base64": "eyJhIjoxfQ=="}));
    assert_eq!(encoded.data, json!({"a": 1}));
}

#[test]
fn what_is_wrong_is_named() {
    let cases = [
        (json!({"specversion": "0.3"}), "specversion: \"0.3\" is not understood"),
        (json!({"specversion": null}), "specversion: is missing"),
        (json!({"source": ""}), "source: is empty"),
        (json!({"source": 7}), "source: is not a string"),
        (json!({"type": null}), "type: is missing"),
        (json!({"subject": ""}), "subject: is empty"),
        (json!({"time": "yesterday"}), "time: \"yesterday\" is no timestamp"),
        (json!({"time": "2018-04-05T17:31:00"}), "time: "),
        (json!({"time": "1969-04-05T17:31:00Z"}), "is not between 1970 and 2262"),
        (json!({"time": "2562-04-05T17:31:00Z"}), "is not between 1970 and 2262"),
        (json!({"comExample": "x"}), "\"comExample\": names of attributes"),
        (json!({"ext": {"a": 1}}), "ext: is not a string, an integer or a boolean"),
        (json!({"ext": 1.5}), "ext: is not an integer"),
        (json!({"ext": 3_000_000_000_u64}), "ext: is not an integer"),
        (json!({"data": 1, "data_base64": ""}), "data: is there together with data_base64"),
        (json!({"data_base64": "%"}), "data_base64: is not base64"),
        (json!({"data": {}, "datacontenttype": "text/plain"}), "data: is not a string, as text/plain has to be"),
        (json!({"data_base64": "e30x", "datacontenttype": "text/json"}), "data: is not the JSON"),
    ];
    for (over, expected) in cases {
        let problem = structured(event(over.clone())).unwrap_err();
        assert!(problem.reason.contains(expected), "{over}: {}", problem.reason);
        assert_eq!(problem.id.as_deref(), Some("1"), "{over}");
    }
    assert_eq!(structured(json!([])).unwrap_err().reason, "the event is not a JSON object");
}

#[test]
fn a_bad_event_of_a_batch_costs_only_itself() {
    let long = event(json!({"data": "x".repeat(LIMIT)}));
    let batch = json!([event(json!({})), 7, event(json!({"id": null})), long, event(json!({"id": "2"}))]).to_string();
    let read = read(Mode::Batched, &HeaderMap::new(), batch.as_bytes(), LIMIT).unwrap();
    let good: Vec<_> = read.iter().map(Result::is_ok).collect();
    assert_eq!(good, [true, false, false, false, true]);
    assert!(read[3].as_ref().unwrap_err().is_too_large);
    assert_eq!(super::read(Mode::Batched, &HeaderMap::new(), b"[]", LIMIT), Ok(Vec::new()));
    for body in ["{}", "[", "", "[{]", "null"] {
        let read = super::read(Mode::Batched, &HeaderMap::new(), body.as_bytes(), LIMIT);
        assert!(matches!(read, Err(Unreadable::Malformed(_))), "{body}");
    }
}

#[test]
fn headers_are_unquoted_and_decoded_once() {
    let json = [
        ("ce-subject", "Euro%20%E2%82%AC%20%f0%9f%98%80"),
        ("ce-a", "\"a \\\"b\\\" %41\""),
        ("ce-b", "%2541"),
        ("ce-time", "2018-04-05T03:56:24Z"),
        ("content-type", "application/json; charset=utf-8"),
    ];
    let event = binary(&json, "{\"a\": 1}").unwrap();
    assert_eq!(event.subject.as_deref(), Some("Euro € 😀"));
    assert_eq!(event.extensions["a"], "a \"b\" A");
    assert_eq!(event.extensions["b"], "%41");
    assert_eq!(event.data, json!({"a": 1}));
    assert_eq!(event.data_content_type.as_deref(), Some("application/json; charset=utf-8"));
    assert_eq!(binary(&[("content-type", "text/plain")], "hello").unwrap().data, json!("hello"));
    assert_eq!(binary(&[], "\u{1}").unwrap().data, json!("\u{1}"));

    let wrong = [
        (&[("ce-subject", "%C0%A0")][..], "", "ce-subject: is not UTF-8 when decoded"),
        (&[("ce-subject", "%4")], "", "ce-subject: has a %"),
        (&[("ce-subject", "\"x")], "", "ce-subject: has a quote"),
        (&[("ce-subject", "a"), ("ce-subject", "b")], "", "ce-subject: is there twice"),
        (&[("ce-datacontenttype", "text/plain")], "", "ce-datacontenttype: is said by"),
        (&[("ce-specversion", "")], "", "specversion: is empty"),
        (&[("content-type", "application/json")], "{", "data: is not the JSON"),
    ];
    for (pairs, body, expected) in wrong {
        let problem = binary(pairs, body).unwrap_err();
        assert!(problem.reason.contains(expected), "{pairs:?}: {}", problem.reason);
    }
    let required = headers(&[("ce-id", "1"), ("ce-source", "/s"), ("ce-specversion", "1.0"), ("ce-type", "t")]);
    assert!(read(Mode::Binary, &required, &[b'x'; 100], 64).unwrap()[0].as_ref().unwrap_err().is_too_large);
}

proptest! {
    /// What is written as the binding says is read as it was.
    #[test]
    fn any_text_comes_through_a_header(text in "\\PC{1,40}") {
        let encoded: String = text.bytes().map(|byte| match byte {
            b'!'..=b'~' if !matches!(byte, b'"' | b'%') => char::from(byte).to_string(),
            other => format!("%{other:02X}"),
        }).collect();
        prop_assert_eq!(binary(&[("ce-subject", &encoded)], "").unwrap().subject, Some(text));
    }

    #[test]
    fn nothing_panics(body in proptest::collection::vec(any::<u8>(), 0..200), header in "[ -~]{0,40}") {
        let pairs = headers(&[("ce-id", &header), ("content-type", &header)]);
        for mode in [Mode::Structured, Mode::Batched, Mode::Binary] {
            let _ = read(mode, &pairs, &body, 100);
        }
    }
}
