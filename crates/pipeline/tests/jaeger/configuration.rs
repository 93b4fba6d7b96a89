use std::time::Duration;

use trefoil_model::Tenancy;
use trefoil_pipeline::config::{Document, Section};
use trefoil_pipeline::receivers::jaeger::JaegerReceiver;
use trefoil_pipeline::receivers::jaeger::config::Config;
use trefoil_pipeline::{Metrics, component::Downstream};

pub fn parse(yaml: &str) -> Result<Config, String> {
    let document = Document::parse("test.yaml", yaml, &|_| None).unwrap();
    Config::parse(&Section::new(document.root(), &[])).map_err(|error| error.to_string())
}

#[test]
fn protocols_listen_where_the_collector_listens() {
    let config = parse("protocols: {grpc: , thrift_http: , thrift_compact: {}, thrift_binary: }").unwrap();
    assert_eq!(config.protocols.grpc.as_ref().unwrap().endpoint, "127.0.0.1:14250");
    assert_eq!(config.protocols.thrift_http.as_ref().unwrap().endpoint, "127.0.0.1:14268");
    let udp: Vec<_> = config.protocols.udp().map(|(name, endpoint, _)| (name, endpoint)).collect();
    assert_eq!(udp, [("thrift_compact", "127.0.0.1:6831"), ("thrift_binary", "127.0.0.1:6832")]);
    let only = parse("protocols: {thrift_binary: {}}").unwrap();
    assert!(only.protocols.grpc.is_none() && only.protocols.thrift_http.is_none());
    assert_eq!(only.protocols.udp().count(), 1);
}

#[test]
fn the_collectors_options_are_read() {
    let config = parse(
        "
protocols:
  grpc: {endpoint: 0.0.0.0:14260, max_recv_msg_size_mib: 16, keepalive: {server_parameters: {max_connection_idle: 11s}}}
  thrift_http: {endpoint: ':14268', max_request_body_size: 1000, compression_algorithms: [gzip], idle_timeout: 1m}
  thrift_binary:
    endpoint: 0.0.0.0:6832
    queue_size: 5_000
    max_packet_size: 131_072
    workers: 50
    socket_buffer_size: 8_388_608
tenant: acme
",
    )
    .unwrap();
    let grpc = config.protocols.grpc.as_ref().unwrap();
    assert_eq!((grpc.endpoint.as_str(), grpc.limits().max_message_size), ("0.0.0.0:14260", 16 << 20));
    let http = config.protocols.thrift_http.as_ref().unwrap().server();
    let limits = http.limits().unwrap();
    assert_eq!((limits.max_request_body_size, limits.encodings.len()), (1000, 1));
    assert_eq!(http.server_settings().max_idle, Some(Duration::from_secs(60)));
    let (_, _, udp) = config.protocols.udp().next().unwrap();
    assert_eq!((udp.queue_size, udp.max_packet_size, udp.workers), (5000, 131_072, 50));
    assert_eq!((udp.endpoint.as_deref(), udp.socket_buffer_size), (Some("0.0.0.0:6832"), 8_388_608));
    assert_eq!(config.tenant.unwrap().as_str(), "acme");
}

#[test]
fn mistakes_are_named_with_their_place() {
    let cases = [
        ("{}", "protocols"),
        ("protocols: {}", "name at least one of grpc, thrift_http, thrift_compact and thrift_binary"),
        ("protocols: {thrift_htp: {}}", "did you mean `thrift_http`?"),
        ("protocols: {grpc: {endpoint: '14250'}}", "protocols.grpc.endpoint: \"14250\" is not host:port"),
        ("protocols: {grpc: {max_recv_msg_size_mib: 0}}", "between 1 and 4095"),
        ("protocols: {grpc: {auth: {authenticator: oidc}}}", "there are no authentication"),
        ("protocols: {thrift_http: {traces_url_path: /x}}", "traces_url_path"),
        ("protocols: {thrift_http: {transport: unix}}", "protocols.thrift_http.transport: \"unix\" is not supported"),
        ("protocols: {thrift_http: {response_headers: {'a b': c}}}", "not the name of a header"),
        ("protocols: {thrift_compact: {endpoint: x}}", "protocols.thrift_compact.endpoint: \"x\" is not host:port"),
        (
            "protocols: {thrift_binary: {queue_size: 0}}",
            "protocols.thrift_binary.queue_size: must lie between 1 and 1000000",
        ),
        ("protocols: {thrift_binary: {workers: 5000}}", "protocols.thrift_binary.workers: must lie between 1 and 1000"),
        ("protocols: {thrift_binary: {max_packet_size: 0}}", "must lie between 1 and 1048576"),
        ("protocols: {thrift_binary: {socket_buffer_size: 4294967296}}", "must not be more than 2147483647"),
        ("{protocols: {grpc: {}}, remote_sampling: {host_endpoint: 'x:1'}}", "the extension `jaegerremotesampling`"),
        ("{protocols: {grpc: {}}, tenant: a}", "tenant: it is for spans that come by UDP"),
        ("{protocols: {thrift_binary: {}}, tenant: 'a/b'}", "tenant: the tenant id contains"),
    ];
    for (yaml, expected) in cases {
        let error = parse(yaml).unwrap_err();
        assert!(error.contains(expected) && error.contains("test.yaml:1:"), "{yaml}: {error}");
    }
}

#[test]
fn packets_need_a_tenant_where_tenants_are_told_apart() {
    let build = |yaml: &str, tenancy| {
        let config = parse(yaml).unwrap();
        JaegerReceiver::new(&config, tenancy, Downstream::not_running(), &Metrics::default(), "jaeger").map(|_| ())
    };
    let (udp, grpc) = ("protocols: {thrift_compact: {}}", "protocols: {grpc: {}}");
    build(udp, Tenancy::Single).unwrap();
    build(grpc, Tenancy::Multi).unwrap();
    build("{protocols: {thrift_compact: {}}, tenant: acme}", Tenancy::Multi).unwrap();
    let error = build(udp, Tenancy::Multi).unwrap_err().to_string();
    assert!(
        error.contains("protocols.thrift_compact: tenants are told apart (tenancy.enabled) and UDP packets name none"),
        "{error}"
    );
}
