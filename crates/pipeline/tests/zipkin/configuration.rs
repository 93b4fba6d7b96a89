use std::time::Duration;

use trefoil_pipeline::config::{Document, Section};
use trefoil_pipeline::receivers::zipkin::config::Config;

pub fn parse(yaml: &str) -> Result<Config, String> {
    let document = Document::parse("test.yaml", yaml, &|_| None).unwrap();
    Config::parse(&Section::new(document.root(), &[])).map_err(|error| error.to_string())
}

#[test]
fn it_listens_where_zipkin_listens() {
    let config = parse("").unwrap();
    assert_eq!((config.http.endpoint.as_str(), config.parse_string_tags), ("127.0.0.1:9411", false));
    assert_eq!(config.http.limits().unwrap().max_request_body_size, 20 << 20);
    assert_eq!(parse("protocols: {http: }").unwrap(), config);
}

#[test]
fn the_collectors_options_are_read_in_both_of_its_schemas() {
    let options = "
endpoint: 0.0.0.0:19411
tls: {cert_file: a.pem, key_file: a.key}
cors: {allowed_origins: ['https://*.example.com']}
max_request_body_size: 1000
include_metadata: true
response_headers: {x-a: b}
compression_algorithms: [gzip]
read_timeout: 3s
idle_timeout: 1m
keep_alives_enabled: false
";
    let flat = parse(&format!("{options}\nparse_string_tags: true")).unwrap();
    let limits = flat.http.limits().unwrap();
    assert_eq!((limits.max_request_body_size, limits.encodings.len(), limits.include_metadata), (1000, 1, true));
    assert_eq!(limits.read_timeout, Some(Duration::from_secs(3)));
    let settings = flat.http.server_settings();
    assert_eq!((settings.max_idle, settings.close_after_request), (Some(Duration::from_secs(60)), true));

    let nested = format!("parse_string_tags: true\nprotocols:\n  http:{}", options.replace('\n', "\n    "));
    let nested = parse(&nested).unwrap();
    assert!(flat.parse_string_tags && nested.parse_string_tags);
    assert_eq!((nested.http.endpoint, nested.http.cors), (flat.http.endpoint, flat.http.cors));
}

#[test]
fn mistakes_are_named() {
    let cases = [
        ("endpoint: http://x:1", "endpoint: \"http://x:1\" is not host:port"),
        ("transport: unix", "transport: \"unix\" is not supported"),
        ("response_headers: {'x y': b}", "response_headers: \"x y\" is not the name of a header"),
        ("cors: {allowed_origins: ['*.*']}", "cors: cors: allowed_origins"),
        ("compression_algorithms: [br]", "compression_algorithms: \"br\" is not one of"),
        ("auth: {authenticator: x}", "there are no authentication extensions"),
        ("protocols: {http: {auth: {authenticator: x}}}", "there are no authentication extensions"),
        ("endpiont: a:1", "did you mean `endpoint`?"),
        ("protocols: {}", "protocols: name http, the only one"),
        ("protocols: {http: {endpoint: x}}", "protocols.http.endpoint: \"x\" is not host:port"),
        ("protocols: {http: {parse_string_tags: true}}", "protocols.http.parse_string_tags: stands beside `protocols`"),
        ("endpoint: a:1\nprotocols: {http: }", "endpoint"),
    ];
    for (yaml, expected) in cases {
        let error = parse(yaml).unwrap_err();
        assert!(error.contains(expected), "{yaml}: {error}");
    }
}
