use std::time::Duration;

use trefoil_loki::{Limits, Options};
use trefoil_pipeline::config::{Document, Section};
use trefoil_pipeline::receivers::loki::config::Config;

pub fn parse(yaml: &str) -> Result<Config, String> {
    let document = Document::parse("test.yaml", yaml, &|_| None).unwrap();
    Config::parse(&Section::new(document.root(), &[])).map_err(|error| error.to_string())
}

#[test]
fn the_defaults_are_the_collectors_and_lokis() {
    let config = parse("protocols: {http: , grpc: }").unwrap();
    assert_eq!(config.protocols.http.as_ref().unwrap().endpoint, "127.0.0.1:3500");
    assert_eq!(config.protocols.grpc.as_ref().unwrap().endpoint, "127.0.0.1:3600");
    assert_eq!(config.options(), Options { limits: Limits::default(), use_incoming_timestamp: false });
    let one = parse("protocols: {http: {endpoint: ':1'}}").unwrap();
    assert_eq!((one.protocols.http.unwrap().endpoint.as_str(), one.protocols.grpc), (":1", None));
}

#[test]
fn options_are_read() {
    let config = parse(
        "
protocols:
  http: {endpoint: ':3500', max_request_body_size: 1000, compression_algorithms: [gzip], idle_timeout: 1m}
  grpc: {endpoint: ':3600', max_recv_msg_size_mib: 7}
use_incoming_timestamp: true
limits:
  max_line_size: 10
  max_label_names_per_series: 1
  reject_old_samples_max_age: 168h
  creation_grace_period: 0
  discover_service_name: [app]
",
    )
    .unwrap();
    let http = config.protocols.http.as_ref().unwrap().server().limits().unwrap();
    assert_eq!((http.max_request_body_size, http.encodings.len()), (1000, 1));
    assert_eq!(config.protocols.grpc.as_ref().unwrap().limits().max_message_size, 7 << 20);
    let limits = Limits {
        max_line_size: 10,
        max_label_names_per_series: 1,
        reject_old_samples_max_age: Duration::from_secs(7 * 24 * 3600),
        creation_grace_period: Duration::ZERO,
        discover_service_name: vec!["app".to_owned()],
        ..Limits::default()
    };
    assert_eq!(config.options(), Options { limits, use_incoming_timestamp: true });
}

#[test]
fn limits_are_written_as_they_are_read() {
    let limits = parse("{protocols: {http: }, limits: {creation_grace_period: 1h30m}}").unwrap().limits;
    let written = serde_json::to_string(&limits).unwrap();
    assert!(written.contains(r#""creation_grace_period":"1h30m0s""#), "{written}");
    assert_eq!(parse(&format!("{{protocols: {{http: }}, limits: {written}}}")).unwrap().limits, limits);
}

#[test]
fn mistakes_are_named() {
    let cases = [
        ("{}", "protocols"),
        ("protocols: {}", "protocols: name at least one of http and grpc"),
        ("protocols: {htp: {}}", "did you mean `http`?"),
        ("protocols: {http: {endpoint: x}}", "protocols.http.endpoint: \"x\" is not host:port"),
        ("protocols: {grpc: {max_recv_msg_size_mib: 0}}", "protocols.grpc.max_recv_msg_size_mib: must lie between"),
        ("protocols: {http: {logs_url_path: /x}}", "logs_url_path"),
        ("protocols: {http: {auth: {authenticator: x}}}", "there are no authentication extensions"),
        ("{protocols: {http: }, limits: {max_line_size: 0}}", "limits.max_line_size: must be more than 0"),
        ("{protocols: {http: }, limits: {max_line_sise: 1}}", "did you mean `max_line_size`?"),
        ("{protocols: {http: }, limits: {creation_grace_period: 10}}", "`10` has no unit"),
    ];
    for (yaml, expected) in cases {
        let error = parse(yaml).unwrap_err();
        assert!(error.contains(expected), "{yaml}: {error}");
    }
}
