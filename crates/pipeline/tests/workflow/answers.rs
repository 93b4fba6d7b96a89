//! Requests that are not, or not wholly, taken, and the handshake of webhooks.

use reqwest::{Client, Method, Response};
use serde_json::{Value, json};
use trefoil_model::Tenancy;
use trefoil_pipeline::component::Downstream;

use crate::configuration::parse;
use crate::receive::{BATCH, Running, STRUCTURED, answer, event, seen, span, start, start_in, start_with};
use crate::support::{Recorder, to_all};

async fn send(running: &Running, method: Method, headers: &[(&str, &str)], body: &str) -> Response {
    let request = Client::new().request(method, running.url()).body(body.to_owned());
    headers.iter().fold(request, |request, (name, value)| request.header(*name, *value)).send().await.unwrap()
}

fn reasons(body: &Value) -> Vec<(u64, String)> {
    let rejected = body["rejected"].as_array().unwrap();
    rejected.iter().map(|one| (one["index"].as_u64().unwrap(), one["reason"].as_str().unwrap().to_owned())).collect()
}

#[tokio::test]
async fn bad_events_are_named_and_the_others_kept() {
    let directory = tempfile::tempdir().unwrap();
    let recorder = Recorder::new();
    let running = start(directory.path(), "limits: {max_event_bytes: 600}", &recorder).await;
    let mut no_subject = event("2", "", "Paid", 1);
    no_subject["subject"] = Value::Null;
    let mut large = event("3", "a", "Paid", 1);
    large["data"] = json!("x".repeat(600));
    let batch = json!([event("1", "a", "Submitted", 0), no_subject, large, {"id": "4"}, event("1", "b", "Paid", 1)]);
    let (status, body) = running.post(BATCH, &batch).await;
    assert_eq!((status, &body["accepted"], &body["rejected"][0]["id"]), (200, &json!(1), &json!("2")));
    insta::assert_debug_snapshot!(reasons(&body));
    assert_eq!(seen(&recorder), [span("order", 0, true), span("Submitted", 0, true)]);

    assert_eq!(running.post(STRUCTURED, &batch[1]).await.0, 400);
    assert_eq!(running.post(STRUCTURED, &batch[2]).await.0, 413);
    assert_eq!(running.post(BATCH, &json!([batch[1], batch[3]])).await.0, 400);
    assert_eq!(running.post(BATCH, &json!([])).await, (200, json!({"accepted": 0, "duplicates": 0})));
    running.tells("otelcol_receiver_workflow_events_total{receiver=\"workflow\",outcome=\"rejected\"} 8").await;
}

#[tokio::test]
async fn many_bad_events_are_counted() {
    let directory = tempfile::tempdir().unwrap();
    let running = start(directory.path(), "", &Recorder::new()).await;
    let (status, body) = running.post(BATCH, &Value::Array(vec![json!({}); 130])).await;
    assert_eq!((status, body["rejected"].as_array().unwrap().len(), &body["rejected_more"]), (400, 100, &json!(30)));
    // Three times as many instances as are looked at together.
    let batch = (0..130).map(|id| event(&id.to_string(), &format!("order-{id}"), "Submitted", 0)).collect();
    let (status, body) = running.post(BATCH, &Value::Array(batch)).await;
    assert_eq!((status, &body["accepted"], &body["traces_more"]), (200, &json!(130), &json!(30)));
}

#[tokio::test]
async fn requests_that_are_no_events_are_told_so() {
    let directory = tempfile::tempdir().unwrap();
    let running = start(directory.path(), "", &Recorder::new()).await;
    let cases = [
        (&[("content-type", "application/json")][..], "{}", 415, "this is no CloudEvent"),
        (&[], "{}", 415, "the content type is missing"),
        (&[("content-type", "application/cloudevents+avro")], "", 415, "only in JSON"),
        (&[("content-type", STRUCTURED)], "{", 400, "cannot be read as JSON"),
        (&[("content-type", BATCH)], "{}", 400, "cannot be read as JSON"),
        (&[("content-type", STRUCTURED), ("content-encoding", "br")], "{}", 415, "unsupported Content-Encoding"),
    ];
    for (headers, body, status, expected) in cases {
        let (found, answer) = answer(send(&running, Method::POST, headers, body).await).await;
        assert_eq!(found, status, "{headers:?} {body}");
        assert!(answer["error"].as_str().unwrap().contains(expected), "{answer}");
    }
    let response = send(&running, Method::PUT, &[("content-type", STRUCTURED)], "{}").await;
    assert_eq!((response.status().as_u16(), &response.headers()["allow"]), (405, &"OPTIONS, POST".parse().unwrap()));
    let nowhere = start_in(&directory.path().join("2"), "", Tenancy::Single, Downstream::new([])).await;
    assert_eq!(nowhere.post(STRUCTURED, &event("1", "a", "x", 0)).await.0, 404);
}

#[tokio::test]
async fn where_there_is_no_room_senders_come_back() {
    let directory = tempfile::tempdir().unwrap();
    let running = start(directory.path(), "limits: {max_instances: 1}", &Recorder::new()).await;
    let batch = json!([event("1", "a", "Submitted", 0), event("2", "b", "Submitted", 0)]);
    let response = send(&running, Method::POST, &[("content-type", BATCH)], &batch.to_string()).await;
    assert_eq!(response.headers()["retry-after"], "1");
    let (status, body) = answer(response).await;
    assert_eq!((status, &body["accepted"]), (429, &json!(1)));
    assert!(reasons(&body)[0].1.contains("limits.max_instances"));
    // The first ends and makes room: all of it can be sent again.
    assert_eq!(running.post(STRUCTURED, &event("3", "a", "Completed", 5)).await.0, 200);
    let (status, body) = running.post(BATCH, &batch).await;
    assert_eq!((status, &body["accepted"]), (200, &json!(1)), "{body}");
}

#[tokio::test]
async fn tenants_are_told_apart() {
    let directory = tempfile::tempdir().unwrap();
    let recorder = Recorder::new();
    let running = start_in(directory.path(), "", Tenancy::Multi, to_all(recorder.clone())).await;
    let body = event("1", "a", "Submitted", 0).to_string();
    let mut trace_ids = Vec::new();
    for tenant in ["acme", "globex"] {
        let headers = [("content-type", STRUCTURED), ("x-scope-orgid", tenant)];
        let (status, body) = answer(send(&running, Method::POST, &headers, &body).await).await;
        assert_eq!((status, &body["accepted"]), (200, &json!(1)));
        trace_ids.push(body["traces"][0]["trace_id"].clone());
        assert_eq!(recorder.seen.lock().last().unwrap().tenant.as_str(), tenant);
    }
    assert_ne!(trace_ids[0], trace_ids[1]);
    assert_eq!(running.post(STRUCTURED, &event("1", "a", "Submitted", 0)).await.0, 401);
}

#[tokio::test]
async fn senders_may_ask_before_they_send() {
    let directory = tempfile::tempdir().unwrap();
    let options = async |running: &Running, headers: &[(&str, &str)]| {
        let response = send(running, Method::OPTIONS, headers, "").await;
        let header = |name| response.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
        let said = [header("webhook-allowed-origin"), header("webhook-allowed-rate"), header("allow")];
        (response.status().as_u16(), said.map(|value| value.unwrap_or_default()))
    };
    let asks = [("WebHook-Request-Origin", "events.example.com"), ("WebHook-Request-Rate", "120")];
    let said = |origin: &str, rate: &str, allow: &str| [origin, rate, allow].map(str::to_owned);

    let all = start(directory.path(), "", &Recorder::new()).await;
    assert_eq!(options(&all, &asks).await, (200, said("*", "*", "OPTIONS, POST")));
    assert_eq!(options(&all, &[]).await, (204, said("", "", "OPTIONS, POST")));
    // CORS takes every OPTIONS for a browser's, but not this one.
    let config = parse("protocols: {http: {endpoint: '127.0.0.1:0', cors: {allowed_origins: ['*']}}}").unwrap();
    let with_cors = start_with(&directory.path().join("3"), &config, Tenancy::Single, to_all(Recorder::new())).await;
    assert_eq!(options(&with_cors, &asks).await, (200, said("*", "*", "OPTIONS, POST")));

    let some =
        start(&directory.path().join("2"), "webhook: {allowed_origins: [Events.example.com]}", &Recorder::new()).await;
    assert_eq!(options(&some, &asks).await, (200, said("events.example.com", "*", "OPTIONS, POST")));
    let other = [("WebHook-Request-Origin", "else.example.com")];
    assert_eq!(options(&some, &other).await, (403, said("", "", "")));
    assert_eq!(some.post(STRUCTURED, &event("1", "a", "Submitted", 0)).await.0, 403);
    let body = event("1", "a", "Submitted", 0).to_string();
    let headers = [("content-type", STRUCTURED), ("webhook-request-origin", "events.example.com")];
    assert_eq!(send(&some, Method::POST, &headers, &body).await.status(), 200);
}
