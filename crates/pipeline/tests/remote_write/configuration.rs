use std::time::Duration;

use trefoil_pipeline::config::{Document, Section};
use trefoil_pipeline::receivers::prometheusremotewrite::config::Config;

pub fn parse(yaml: &str) -> Result<Config, String> {
    let document = Document::parse("test.yaml", yaml, &|_| None).unwrap();
    Config::parse(&Section::new(document.root(), &[])).map_err(|error| error.to_string())
}

#[test]
fn it_listens_where_the_collector_listens() {
    let config = parse("").unwrap();
    assert_eq!(config.endpoint, "127.0.0.1:9090");
    assert_eq!(config.limits().max_request_body_size, 20 << 20);
}

#[test]
fn the_collectors_options_are_read() {
    let config = parse(
        "
endpoint: 0.0.0.0:19291
tls: {cert_file: a.pem, key_file: a.key}
max_request_body_size: 1000
include_metadata: true
response_headers: {x-a: b}
read_timeout: 3s
idle_timeout: 1m
keep_alives_enabled: false
",
    )
    .unwrap();
    assert_eq!((config.endpoint.as_str(), config.limits().max_request_body_size), ("0.0.0.0:19291", 1000));
    assert_eq!(config.limits().read_timeout, Some(Duration::from_secs(3)));
    let settings = config.server_settings();
    assert_eq!((settings.max_idle, settings.close_after_request), (Some(Duration::from_secs(60)), true));
}

#[test]
fn mistakes_are_named() {
    let cases = [
        ("endpoint: http://x:1", "endpoint: \"http://x:1\" is not host:port"),
        ("transport: unix", "transport: \"unix\" is not supported"),
        ("response_headers: {'x y': b}", "response_headers: \"x y\" is not the name of a header"),
        ("cors: {allowed_origins: ['*.*']}", "cors: cors: allowed_origins"),
        ("compression_algorithms: [gzip]", "remote write is always compressed with snappy"),
        ("auth: {authenticator: x}", "there are no authentication extensions"),
        ("endpiont: a:1", "did you mean `endpoint`?"),
    ];
    for (yaml, expected) in cases {
        let error = parse(yaml).unwrap_err();
        assert!(error.contains(expected), "{yaml}: {error}");
    }
}
