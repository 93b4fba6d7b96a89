use std::time::Duration;

use chrono_tz::Tz;
use trefoil_model::Tenancy;
use trefoil_pipeline::Metrics;
use trefoil_pipeline::component::Downstream;
use trefoil_pipeline::config::{Document, Section};
use trefoil_pipeline::receivers::syslog::SyslogReceiver;
use trefoil_pipeline::receivers::syslog::config::{Concurrency, Config, OnError, Protocol};
use trefoil_pipeline::receivers::syslog::framing::Framing;

pub fn parse(yaml: &str) -> Result<Config, String> {
    let document = Document::parse("test.yaml", yaml, &|_| None).unwrap();
    Config::parse(&Section::new(document.root(), &[])).map_err(|error| error.to_string())
}

#[test]
fn the_collectors_examples_are_read() {
    let tcp = parse("{tcp: {listen_address: '0.0.0.0:54526'}, protocol: rfc5424}").unwrap();
    assert_eq!((tcp.protocol, tcp.location, tcp.on_error), (Protocol::Rfc5424, Tz::UTC, OnError::Send));
    assert_eq!(tcp.framing, Framing::Trailer(b"\n\0"));
    let options = tcp.tcp.unwrap();
    assert_eq!((options.max_log_size(), options.max_connections()), (1 << 20, 10_000));
    assert!(options.connection_idle_timeout.is_zero() && !options.add_attributes);
    assert!(!tcp.retry_on_failure.enabled);

    let udp = parse("{udp: {listen_address: '0.0.0.0:54526'}, protocol: rfc3164, location: UTC}").unwrap();
    assert_eq!(udp.protocol, Protocol::Rfc3164);
    let expected = Concurrency { readers: 1, processors: 1, max_queue_length: 1000 };
    assert_eq!(udp.udp.unwrap().concurrency(), expected);
}

#[test]
fn the_collectors_options_are_read() {
    let config = parse(
        "
tcp:
  listen_address: ':6514'
  max_log_size: 64kib
  tls: {cert_file: /c.pem, key_file: /k.pem, client_ca_file: /ca.pem, min_version: '1.3'}
  add_attributes: true
  encoding: latin1
  preserve_leading_whitespaces: true
  preserve_trailing_whitespaces: true
  max_connections: 5
  connection_idle_timeout: 5m
udp:
  listen_address: 127.0.0.1:514
  add_attributes: true
  one_log_per_packet: true
  async: {readers: 2, processors: 3}
protocol: RFC5424
enable_octet_counting: true
max_octets: 8192
on_error: send_quiet
attributes: {a: 1, b: x}
resource: {service.name: syslog}
operators: []
retry_on_failure: {enabled: true, initial_interval: 2s, max_interval: 10s, max_elapsed_time: 0s}
tenant: acme
",
    )
    .unwrap();
    let tcp = config.tcp.unwrap();
    assert_eq!((tcp.max_log_size(), tcp.max_connections()), (65_536, 5));
    assert_eq!(tcp.connection_idle_timeout, Duration::from_secs(300));
    assert!(tcp.add_attributes && tcp.preserve_leading_whitespaces && tcp.preserve_trailing_whitespaces);
    assert_eq!(tcp.tls.unwrap().min_version.as_deref(), Some("1.3"));
    let expected = Concurrency { readers: 2, processors: 3, max_queue_length: 100 };
    assert_eq!(config.udp.unwrap().concurrency(), expected);
    assert_eq!((config.framing, config.max_octets), (Framing::OctetCount(b"\n\0"), 8192));
    assert_eq!(config.attributes["a"], "1");
    assert_eq!(config.resource["service.name"], "syslog");
    assert!(config.on_error.is_quiet() && !config.on_error.drops());
    assert_eq!(config.retry_on_failure.config().max_interval, Duration::from_secs(10));
    assert_eq!(config.tenant.unwrap().as_str(), "acme");
}

#[test]
fn trailers_are_told_from_each_other() {
    let framing = |options: &str| {
        let yaml = format!("{{tcp: {{listen_address: ':1'}}, protocol: rfc3164, {options}}}");
        parse(&yaml).unwrap().framing
    };
    assert_eq!(framing("non_transparent_framing_trailer: LF"), Framing::Trailer(b"\n"));
    assert_eq!(framing("non_transparent_framing_trailer: NUL"), Framing::Trailer(b"\0"));
    let whole = parse("{tcp: {listen_address: ':1', one_log_per_packet: true}, protocol: rfc3164}").unwrap();
    assert_eq!(whole.framing, Framing::Whole);
}

#[test]
fn mistakes_are_named_with_their_place() {
    let tcp = "tcp: {listen_address: ':1'}";
    let cases = [
        (format!("{{{tcp}}}"), "the option `protocol` is missing"),
        ("{protocol: rfc5424}".into(), "name `tcp` or `udp`, or both"),
        ("{protocol: rfc5424, tcp: {}}".into(), "tcp: the option `listen_address` is missing"),
        ("{protocol: rfc5424, tcp: {listen_address: x}}".into(), "tcp.listen_address: \"x\" is not host:port"),
        ("{protocol: rfc5424, udp: {listen_address: x}}".into(), "udp.listen_address: \"x\" is not host:port"),
        (format!("{{{tcp}, protocol: rfc1234}}"), "protocol: unknown value `rfc1234`; known are rfc3164, rfc5424"),
        (
            format!("{{{tcp}, protocol: rfc3164, location: Mars/Phobos}}"),
            "location: `Mars/Phobos` is not the name of a time zone",
        ),
        (format!("{{{tcp}, protocol: rfc3164, location: Local}}"), "location: `Local` is not the name of a time zone"),
        (format!("{{{tcp}, protocol: rfc5424, on_error: panic}}"), "on_error: unknown value `panic`"),
        (
            format!("{{{tcp}, protocol: rfc5424, non_transparent_framing_trailer: CR}}"),
            "unknown value `CR`; known are LF, NUL",
        ),
        (
            format!("{{{tcp}, protocol: rfc5424, enable_octet_counting: true, non_transparent_framing_trailer: LF}}"),
            "non_transparent_framing_trailer: and `enable_octet_counting` exclude each other",
        ),
        (
            format!("{{{tcp}, protocol: rfc5424, enable_octet_counting: true, allow_skip_pri_header: true}}"),
            "allow_skip_pri_header: and `enable_octet_counting` exclude each other",
        ),
        (format!("{{{tcp}, protocol: rfc5424, max_octets: 100}}"), "max_octets: is for `enable_octet_counting`"),
        (
            format!("{{{tcp}, protocol: rfc5424, enable_octet_counting: true, max_octets: 2_000_000}}"),
            "max_octets: must not be more than `tcp.max_log_size`",
        ),
        (
            "{udp: {listen_address: ':1'}, protocol: rfc5424, enable_octet_counting: true}".into(),
            "enable_octet_counting: is for `tcp`",
        ),
        (
            "{udp: {listen_address: ':1'}, protocol: rfc5424, non_transparent_framing_trailer: LF}".into(),
            "non_transparent_framing_trailer: is for `tcp`",
        ),
        (
            "{protocol: rfc5424, tcp: {listen_address: ':1', max_log_size: 1kb}}".into(),
            "tcp.max_log_size: must lie between",
        ),
        (
            "{protocol: rfc5424, tcp: {listen_address: ':1', max_log_size: 1GiB}}".into(),
            "tcp.max_log_size: must lie between",
        ),
        ("{protocol: rfc5424, tcp: {listen_address: ':1', max_log_size: big}}".into(), "`big` is not a size"),
        (
            "{protocol: rfc5424, tcp: {listen_address: ':1', encoding: utf-16le}}".into(),
            "tcp.encoding: messages in `utf-16le`",
        ),
        ("{protocol: rfc5424, udp: {listen_address: ':1', encoding: x}}".into(), "udp.encoding: `x` is not the name"),
        (
            "{protocol: rfc5424, udp: {listen_address: ':1', async: {readers: 65}}}".into(),
            "udp.async.readers: must not be more than 64",
        ),
        (
            "{protocol: rfc5424, tcp: {listen_address: ':1', max_connections: 9_999_999}}".into(),
            "tcp.max_connections: must not",
        ),
        (
            "{protocol: rfc5424, tcp: {listen_address: ':1', multiline: {}}}".into(),
            "tcp.multiline: this option of the Collector",
        ),
        ("{protocol: rfc5424, tcp: {listen_address: ':1', listen_adress: x}}".into(), "did you mean `listen_address`?"),
        (
            format!("{{{tcp}, protocol: rfc5424, operators: [{{type: regex_parser}}, {{type: nop}}]}}"),
            "operators[1].type: unknown operator `nop`; did you mean `noop`?",
        ),
        (format!("{{{tcp}, protocol: rfc5424, storage: file_storage}}"), "storage: this option of the Collector"),
        (format!("{{{tcp}, protocol: rfc5424, attributes: {{a: EXPR(1)}}}}"), "attributes: `a` is an expression"),
        (format!("{{{tcp}, protocol: rfc5424, resource: {{a: EXPR(1)}}}}"), "resource: `a` is an expression"),
        (
            format!("{{{tcp}, protocol: rfc5424, retry_on_failure: {{enabled: true, initial_interval: 0s}}}}"),
            "retry_on_failure: initial_interval must be positive",
        ),
        (format!("{{{tcp}, protocol: rfc5424, tenant: 'a/b'}}"), "tenant: the tenant id contains"),
    ];
    for (yaml, expected) in cases {
        let error = parse(&yaml).unwrap_err();
        assert!(error.contains(expected) && error.contains("test.yaml:1:"), "{yaml}: {error}");
    }
}

#[test]
fn messages_need_a_tenant_where_tenants_are_told_apart() {
    let build = |options: &str, tenancy| {
        let config = parse(&format!("{{udp: {{listen_address: ':1'}}, protocol: rfc5424, {options}}}")).unwrap();
        SyslogReceiver::new(&config, tenancy, Downstream::not_running(), &Metrics::default(), "syslog").map(|_| ())
    };
    build("", Tenancy::Single).unwrap();
    build("tenant: acme", Tenancy::Multi).unwrap();
    let error = build("", Tenancy::Multi).unwrap_err().to_string();
    assert!(error.contains("tenants are told apart (tenancy.enabled) and these records name none"), "{error}");
}
