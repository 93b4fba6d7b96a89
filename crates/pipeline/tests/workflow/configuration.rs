use std::time::Duration;

use trefoil_pipeline::config::{Document, Section};
use trefoil_pipeline::receivers::workflow::config::Config;

pub fn parse(yaml: &str) -> Result<Config, String> {
    let document = Document::parse("test.yaml", yaml, &|_| None).unwrap();
    Config::parse(&Section::new(document.root(), &[])).map_err(|error| error.to_string())
}

#[test]
fn nothing_needs_to_be_said() {
    let config = parse("").unwrap();
    assert_eq!((config.http.endpoint.as_str(), config.path.as_str()), ("127.0.0.1:8380", "/"));
    assert_eq!((config.limits.max_instances, config.retire.idle), (10_000, Duration::from_secs(604_800)));
    assert_eq!(parse("protocols: {http: }").unwrap(), config);
}

#[test]
fn everything_can_be_said() {
    let config = parse(
        "
protocols:
  http: {endpoint: '0.0.0.0:1', tls: {cert_file: a.pem, key_file: a.key}, cors: {allowed_origins: ['*']}, read_timeout: 3s}
path: /events/orders
webhook: {allowed_origins: [events.example.com]}
mapping:
  instance: data.order.id
  state: data.status
  state_prefix: ''
  workflow: data.kind
  service: source
  namespace: data.client
  final_states: [shipped]
  error_states: [lost]
  attributes: [order.*, region]
  traceparent: parent
limits: {max_instances: 5, max_states: 6, max_event_bytes: 700, max_attributes: 8}
refresh: 5m
retire: {finished: 1m, idle: 2h}
",
    )
    .unwrap();
    assert_eq!((config.path.as_str(), config.limits.max_event_bytes), ("/events/orders", 700));
    assert_eq!(config.retire.finished, Duration::from_secs(60));
    assert!(config.http.tls.is_some());
}

#[test]
fn mistakes_are_named() {
    let cases = [
        ("protocols: {http: {endpoint: x}}", "protocols.http.endpoint: \"x\" is not host:port"),
        ("protocols: {http: {auth: {}}}", "there are no authentication extensions"),
        ("protocols: {grpc: }", "protocols.grpc"),
        ("path: events", "path: is no path"),
        ("path: '/{x}'", "path: is no path"),
        ("webhook: {allowed_origins: []}", "webhook.allowed_origins: names nobody"),
        ("mapping: {state: Status}", "mapping.state: \"Status\" is neither data.MEMBER nor an attribute"),
        ("mapping: {state: time}", "mapping.state: \"time\" is neither"),
        ("mapping: {workflow: data.}", "mapping.workflow: \"data.\" has a part without a name"),
        ("mapping: {attributes: ['*.x']}", "mapping.attributes[0]: \"*.x\" is not a name"),
        ("mapping: {traceparent: child}", "mapping.traceparent"),
        ("limits: {max_states: 0}", "limits.max_states: must lie between"),
        ("limits: {max_event_bytes: 1}", "limits.max_event_bytes: must lie between"),
        ("refresh: 0s", "refresh: must be positive"),
        ("retire: {idle: 0s}", "retire.idle: must be positive"),
        ("retire: {idel: 1s}", "did you mean `idle`?"),
    ];
    for (yaml, expected) in cases {
        let error = parse(yaml).unwrap_err();
        assert!(error.contains(expected), "{yaml}: {error}");
    }
}
