use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::logs::v1::LogRecord;

use super::{NOW, time};
use crate::config::{Document, Section};
use crate::metrics::{Metrics, SyslogMetrics};
use crate::receivers::log_records::values::{member, string};
use crate::receivers::syslog::charset::Charset;
use crate::receivers::syslog::config::Config;
use crate::receivers::syslog::framing::Frame;
use crate::receivers::syslog::translate::{Translator, Trim};

fn config(options: &str) -> Config {
    let yaml = format!("{{tcp: {{listen_address: 'localhost:0'}}, {options}}}");
    let document = Document::parse("test.yaml", &yaml, &|_| None).unwrap();
    Config::parse(&Section::new(document.root(), &[])).unwrap()
}

fn metrics() -> SyslogMetrics {
    Metrics::default().syslog("syslog", "tcp")
}

fn translator(options: &str) -> Translator {
    Translator::new(&config(options), Charset::default(), Trim::default(), metrics())
}

fn whole(text: &str) -> Frame<'_> {
    Frame { bytes: text.as_bytes(), is_cut: false }
}

fn value(value: Option<&Value>) -> String {
    let members = |values: &[KeyValue]| values.iter().map(attribute).collect::<Vec<_>>().join(", ");
    match value {
        Some(Value::StringValue(text)) => format!("{text:?}"),
        Some(Value::IntValue(number)) => number.to_string(),
        Some(Value::BoolValue(value)) => value.to_string(),
        Some(Value::KvlistValue(list)) => format!("{{{}}}", members(&list.values)),
        Some(Value::ArrayValue(list)) => {
            let values: Vec<String> = list.values.iter().map(|any| self::value(any.value.as_ref())).collect();
            format!("[{}]", values.join(", "))
        }
        other => format!("{other:?}"),
    }
}

fn attribute(KeyValue { key, value, .. }: &KeyValue) -> String {
    format!("{key}={}", self::value(value.as_ref().and_then(|any| any.value.as_ref())))
}

fn shown(record: &LogRecord) -> String {
    let mut attributes: Vec<String> = record.attributes.iter().map(attribute).collect();
    attributes.sort();
    let time = if record.time_unix_nano == 0 { "-".to_owned() } else { time(record.time_unix_nano) };
    let body = value(record.body.as_ref().and_then(|body| body.value.as_ref()));
    format!("{time} {}={} {body}\n{}\n", record.severity_text, record.severity_number, attributes.join("\n"))
}

#[test]
fn a_message_of_rfc_5424_is_as_in_the_collector() {
    let text = "<165>1 2003-10-11T22:14:15.003Z mymachine evntslog 8710 ID47 \
                [ex@1 iut=\"3\" ip=\"a\" ip=\"b\"][meta x=\"1\"][ex@1 more=\"2\"] An event";
    let record = translator("protocol: rfc5424, attributes: {site: b1}").record(&whole(text), &[], NOW).unwrap();
    assert_eq!(record.observed_time_unix_nano, NOW);
    insta::assert_snapshot!(shown(&record), @r#"
    2003-10-11T22:14:15.003Z notice=10 "<165>1 2003-10-11T22:14:15.003Z mymachine evntslog 8710 ID47 [ex@1 iut=\"3\" ip=\"a\" ip=\"b\"][meta x=\"1\"][ex@1 more=\"2\"] An event"
    appname="evntslog"
    facility=20
    facility_text="local4"
    hostname="mymachine"
    message="An event"
    msg_id="ID47"
    priority=165
    proc_id="8710"
    site="b1"
    structured_data={ex@1={iut="3", ip=["a", "b"], more="2"}, meta={x="1"}}
    version=1
    "#);
}

#[test]
fn a_message_of_rfc_3164_is_as_in_the_collector() {
    let text = "<123>Jan 15 06:00:00 1.2.3.4 apache_server: test message";
    let options = "protocol: rfc3164, location: America/Detroit";
    insta::assert_snapshot!(shown(&translator(options).record(&whole(text), &[], NOW).unwrap()), @r#"
    2026-01-15T11:00:00Z err=17 "<123>Jan 15 06:00:00 1.2.3.4 apache_server: test message"
    appname="apache_server"
    facility=15
    facility_text="cron2"
    hostname="1.2.3.4"
    message="test message"
    priority=123
    "#);
}

#[test]
fn nil_values_are_absent() {
    let record = translator("protocol: rfc5424").record(&whole("<0>1 - - - - - -"), &[], NOW).unwrap();
    insta::assert_snapshot!(shown(&record), @r#"
    - emerg=21 "<0>1 - - - - - -"
    facility=0
    facility_text="kern"
    priority=0
    version=1
    "#);
}

#[test]
fn severities_and_facilities_have_the_collectors_names() {
    let translator = translator("protocol: rfc5424");
    let record = |priority: u8| {
        let text = format!("<{priority}>1 - - - - - -");
        translator.record(&whole(&text), &[], NOW).unwrap()
    };
    let severities: Vec<(String, i32)> =
        (0..8).map(record).map(|record| (record.severity_text, record.severity_number)).collect();
    let expected = [
        ("emerg", 21),
        ("alert", 19),
        ("crit", 18),
        ("err", 17),
        ("warning", 13),
        ("notice", 10),
        ("info", 9),
        ("debug", 5),
    ];
    assert_eq!(severities, expected.map(|(text, number)| (text.to_owned(), number)));
    let facility = |number: u8| {
        let record = record(number * 8);
        let found = record.attributes.iter().find(|attribute| attribute.key == "facility_text").unwrap();
        value(found.value.as_ref().and_then(|any| any.value.as_ref()))
    };
    let facilities: Vec<String> = (0..24).map(facility).collect();
    insta::assert_snapshot!(facilities.join(" "), @r#""kern" "user" "mail" "daemon" "auth" "syslog" "lpr" "news" "uucp" "cron" "authpriv" "ftp" "ntp" "security" "console" "cron2" "local0" "local1" "local2" "local3" "local4" "local5" "local6" "local7""#);
}

#[test]
fn what_is_malformed_is_kept_marked_and_counted() {
    let metrics = metrics();
    let with = |on_error: &str| {
        let config = config(&format!("protocol: rfc5424, attributes: {{site: b1}}, on_error: {on_error}"));
        Translator::new(&config, Charset::default(), Trim::default(), metrics.clone())
    };
    let kept = with("send").record(&whole("<34>nonsense"), &[], NOW).unwrap();
    insta::assert_snapshot!(shown(&kept), @r#"
    - =0 "<34>nonsense"
    site="b1"
    syslog.parse_error="expected the version, 1 (is it a message of RFC 3164?), at byte 4"
    "#);
    assert_eq!(with("send_quiet").record(&whole("<34>nonsense"), &[], NOW), Some(kept));
    for on_error in ["drop", "drop_quiet"] {
        assert_eq!(with(on_error).record(&whole("<34>nonsense"), &[], NOW), None, "{on_error}");
    }
    assert_eq!(metrics.malformed.get(), 4);
}

#[test]
fn a_cut_message_says_so() {
    let metrics = metrics();
    let translator =
        Translator::new(&config("protocol: rfc3164"), Charset::default(), Trim::default(), metrics.clone());
    let frame = Frame { bytes: b"<13>app: the begin", is_cut: true };
    let addresses = [member("net.transport", string("IP.TCP"))];
    insta::assert_snapshot!(shown(&translator.record(&frame, &addresses, NOW).unwrap()), @r#"
    - notice=10 "<13>app: the begin"
    appname="app"
    facility=1
    facility_text="user"
    message="the begin"
    net.transport="IP.TCP"
    priority=13
    syslog.truncated=true
    "#);
    assert_eq!((metrics.truncated.get(), metrics.malformed.get()), (1, 0));
}

#[test]
fn a_counted_message_may_be_too_long_to_be_read() {
    let translator = translator("protocol: rfc5424, enable_octet_counting: true, max_octets: 20");
    let record = |text: &str| shown(&translator.record(&whole(text), &[], NOW).unwrap());
    assert!(!record("<34>1 - - - - - - ok").contains("parse_error"));
    assert!(record("<34>1 - - - - - - not").contains("its 21 bytes are more than max_octets, 20"));
}

#[test]
fn white_space_is_kept_where_it_is_wanted() {
    let text = "  <13>app:  x  ";
    let body = |keeps_leading, keeps_trailing| {
        let config = config("protocol: rfc3164");
        let translator =
            Translator::new(&config, Charset::default(), Trim { keeps_leading, keeps_trailing }, metrics());
        let record = translator.record(&whole(text), &[], NOW).unwrap();
        value(record.body.as_ref().and_then(|body| body.value.as_ref()))
    };
    assert_eq!(body(false, false), "\"<13>app:  x\"");
    assert_eq!(body(true, false), "\"  <13>app:  x\"");
    assert_eq!(body(false, true), "\"<13>app:  x  \"");
    assert_eq!(body(true, true), format!("{text:?}"));
    assert_eq!(translator("protocol: rfc3164").record(&whole(" \t "), &[], NOW), None);
}

#[test]
fn bytes_become_text_by_their_encoding() {
    let body = |name: &str, bytes: &[u8]| {
        let translator =
            Translator::new(&config("protocol: rfc3164"), Charset::named(name).unwrap(), Trim::default(), metrics());
        let record = translator.record(&Frame { bytes, is_cut: false }, &[], NOW).unwrap();
        value(record.body.as_ref().and_then(|body| body.value.as_ref()))
    };
    assert_eq!(body("utf-8", "<13>é".as_bytes()), "\"<13>é\"");
    assert_eq!(body("", b"<13>\xe9"), "\"<13>\u{fffd}\"");
    assert_eq!(body("latin1", b"<13>\xe9"), "\"<13>é\"");
    assert_eq!(body("Big5", b"<13>\xa4\xa4"), "\"<13>中\"");
    assert_eq!(body("nop", "<13>é".as_bytes()), "\"<13>é\"");
    assert_eq!(body("nop", b"<13>\xe9"), "Some(BytesValue([60, 49, 51, 62, 233]))");
    for name in ["utf-16le", "utf-16", "iso-2022-jp", "klingon"] {
        assert!(Charset::named(name).is_err(), "{name}");
    }
}
