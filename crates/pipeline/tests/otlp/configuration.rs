use std::time::Duration;

use trefoil_pipeline::config::{Document, Section};
use trefoil_pipeline::receivers::otlp::config::Config;

fn parse(yaml: &str) -> Result<Config, String> {
    let document = Document::parse("test.yaml", yaml, &|_| None).unwrap();
    Config::parse(&Section::new(document.root(), &[])).map_err(|error| error.to_string())
}

#[test]
fn protocols_listen_where_the_collector_listens() {
    let config = parse("protocols: {grpc: , http: {}}").unwrap();
    assert_eq!(config.protocols.grpc.as_ref().unwrap().endpoint, "127.0.0.1:4317");
    let http = config.protocols.http.as_ref().unwrap();
    assert_eq!((http.endpoint.as_str(), http.limits().unwrap().max_request_body_size), ("127.0.0.1:4318", 20 << 20));
    assert!(parse("protocols: {http: }").unwrap().protocols.grpc.is_none());
}

#[test]
fn the_collectors_options_are_read() {
    let config = parse(
        "
protocols:
  grpc:
    endpoint: 0.0.0.0:4317
    transport: tcp
    max_recv_msg_size_mib: 16
    max_concurrent_streams: 16
    read_buffer_size: 1024
    write_buffer_size: 1024
    include_metadata: true
    keepalive:
      server_parameters:
        max_connection_idle: 11s
        max_connection_age: 12s
        max_connection_age_grace: 13s
        time: 30s
        timeout: 5s
  http:
    endpoint: ':4318'
    traces_url_path: /traces
    compression_algorithms: ['', gzip, x-snappy-framed]
    idle_timeout: 1m
    cors: {allowed_origins: ['*'], allowed_headers: ['*'], max_age: 7200}
",
    )
    .unwrap();
    let settings = config.protocols.grpc.unwrap().server_settings();
    assert_eq!(settings.max_idle, Some(Duration::from_secs(11)));
    assert_eq!(settings.max_age_grace, Some(Duration::from_secs(13)));
    assert_eq!(settings.ping_interval, Some(Duration::from_secs(30)));
    assert_eq!(config.protocols.http.unwrap().limits().unwrap().encodings.len(), 3);
}

#[test]
fn mistakes_are_named_with_their_place() {
    let cases = [
        ("{}", "protocols"),
        ("protocols: {}", "name at least one of grpc and http"),
        ("protocols: {grcp: {}}", "grpc"),
        ("protocols: {grpc: {endpoint: '4317'}}", "not host:port"),
        ("protocols: {grpc: {endpoint: 'http://0.0.0.0:4317'}}", "not host:port"),
        ("protocols: {grpc: {transport: unix}}", "use tcp, tcp4 or tcp6"),
        ("protocols: {grpc: {max_recv_msg_size_mib: 0}}", "between 1 and 4095"),
        ("protocols: {grpc: {auth: {authenticator: oidc}}}", "not supported by Trefoil: there are no authentication"),
        ("protocols: {grpc: {keepalive: {enforcement_policy: {min_time: 1s}}}}", "not supported by Trefoil"),
        ("protocols: {http: {compression_algorithms: [br]}}", "\"br\" is not one of"),
        ("protocols: {http: {traces_url_path: v1}}", "not a path"),
        ("protocols: {http: {traces_url_path: /v1/logs}}", "the path of two signals"),
        ("protocols: {http: {cors: {allowed_origins: ['*.*']}}}", "more than one"),
        ("protocols: {http: {response_headers: {'a b': c}}}", "not the name of a header"),
        ("protocols: {http: {read_timeout: 5}}", "has no unit"),
        ("protocols: {http: {tls: {cert_fil: a}}}", "cert_file"),
    ];
    for (yaml, expected) in cases {
        let error = parse(yaml).unwrap_err();
        assert!(error.contains(expected) && error.contains("test.yaml:1:"), "{yaml}: {error}");
    }
}
