use std::collections::BTreeMap;

use opentelemetry_proto::tonic::common::v1::AnyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use proptest::prelude::*;

use super::arguments::{Place, command};
use super::config::{Config, StartAt};
use super::entry::{Read, Reader, Unreadable};
use crate::config::{Document, Section};
use crate::receivers::log_records::values::{any, array, int, map, member, string};

fn parse(yaml: &str) -> Result<Config, String> {
    let document = Document::parse("test.yaml", yaml, &|_| None).unwrap();
    Config::parse(&Section::new(document.root(), &[])).map_err(|error| error.to_string())
}

#[test]
fn journalctl_is_told_what_the_collector_tells_it() {
    let plain = "journalctl --utc --output=json --follow";
    let cases = [
        ("{}", Place::Since(7), format!("{plain} --no-tail --since @7 --priority info")),
        ("start_at: beginning", Place::Beginning, format!("{plain} --no-tail --priority info")),
        ("{}", Place::After("s=1;i=2".into()), format!("{plain} --no-tail --after-cursor s=1;i=2 --priority info")),
        (
            "{units: [ssh, kubelet], identifiers: [systemd], priority: emerg..err, grep: 'a b'}",
            Place::Beginning,
            format!(
                "{plain} --no-tail --unit ssh --unit kubelet --identifier systemd --priority emerg..err --grep a b"
            ),
        ),
        (
            "{directory: /run/log/journal, all: true, namespace: n, merge: true}",
            Place::Beginning,
            format!("{plain} --no-tail --priority info --namespace n --directory /run/log/journal --all --merge"),
        ),
        ("dmesg: true", Place::Beginning, format!("{plain} --no-tail --priority info --dmesg")),
        ("files: [/a, /b]", Place::Beginning, format!("{plain} --no-tail --priority info --file /a --file /b")),
        (
            "matches: [{_SYSTEMD_UNIT: ssh}, {_SYSTEMD_UNIT: kubelet, _UID: '1000'}]",
            Place::Beginning,
            format!("{plain} --no-tail --priority info _SYSTEMD_UNIT=ssh + _SYSTEMD_UNIT=kubelet _UID=1000"),
        ),
        (
            "{root_path: /host, journalctl_path: /bin/journalctl}",
            Place::Beginning,
            "chroot /host /bin/journalctl --utc --output=json --follow --no-tail --priority info".to_owned(),
        ),
    ];
    for (yaml, place, expected) in cases {
        assert_eq!(command(&parse(yaml).unwrap(), &place).join(" "), expected, "{yaml}");
    }
    assert_eq!(Place::first(StartAt::End, 7), Place::Since(7));
    assert_eq!(Place::first(StartAt::Beginning, 7), Place::Beginning);
}

#[test]
fn mistakes_are_named_with_their_place() {
    let cases = [
        ("{directory: /a, files: [/b]}", "files: and `directory` exclude each other"),
        ("{merge: true, dmesg: true}", "merge: and `dmesg` exclude each other"),
        ("{start_at: middle}", "start_at: unknown value `middle`"),
        ("{matches: [{_UID: a}, {uid: b}]}", "matches[1].uid: `uid` is not the name of a field"),
        ("{matches: [{}]}", "matches[0]: name at least one field"),
        ("{priority: ''}", "priority: must not be empty"),
        ("{storage: '/'}", "storage: "),
        ("{operators: [{type: jsn_parser}]}", "operators[0].type: unknown operator `jsn_parser`"),
        ("{operators: x}", "operators: expected a list, found `x`"),
        ("{attributes: {a: 'EXPR(1)'}}", "attributes: `a` is an expression"),
        (
            "{retry_on_failure: {enabled: true, initial_interval: 0s}}",
            "retry_on_failure: initial_interval must be positive",
        ),
        ("{unit: [ssh]}", "did you mean `units`?"),
        ("{tenant: 'a/b'}", "tenant: the tenant id contains"),
    ];
    for (yaml, expected) in cases {
        let error = parse(yaml).unwrap_err();
        assert!(error.contains(expected) && error.contains("test.yaml:1:"), "{yaml}: {error}");
    }
    assert!(parse("operators: []").unwrap().chain.is_empty());
    assert!(!parse("operators: [{type: noop}]").unwrap().chain.is_empty());
}

fn read(line: &str) -> Result<Read, Unreadable> {
    Reader::default().read(line.as_bytes(), 9)
}

/// The body's fields by name.
fn fields(read: &Read) -> BTreeMap<String, AnyValue> {
    let Some(AnyValue { value: Some(Value::KvlistValue(list)) }) = &read.record.body else { panic!("a map") };
    list.values.iter().map(|field| (field.key.clone(), field.value.clone().unwrap())).collect()
}

#[test]
fn an_entry_is_as_in_the_collector() {
    let line = r#"{"__CURSOR": "s=1;i=2", "__REALTIME_TIMESTAMP": "1587049549516168", "PRIORITY": "6", "MESSAGE": "Succeeded.",
        "_PID": "18667", "BYTES": [72, 195, 0], "TWO": ["a", [255]], "LONG": null, "_SELINUX_CONTEXT": "unconfined\n"}"#;
    let read = read(line).unwrap();
    assert_eq!(read.cursor, "s=1;i=2");
    let record = &read.record;
    assert_eq!((record.time_unix_nano, record.observed_time_unix_nano), (1_587_049_549_516_168_000, 9));
    assert_eq!((record.severity_text.as_str(), record.severity_number), ("info", 9));
    assert!(record.attributes.is_empty());
    let expected = [
        ("__CURSOR", string("s=1;i=2")),
        ("PRIORITY", string("6")),
        ("MESSAGE", string("Succeeded.")),
        ("_PID", string("18667")),
        ("BYTES", array(vec![int(72), int(195), int(0)])),
        ("TWO", array(vec![string("a"), array(vec![int(255)])])),
        ("LONG", AnyValue::default()),
        ("_SELINUX_CONTEXT", string("unconfined\n")),
    ];
    assert_eq!(fields(&read), expected.map(|(name, value)| (name.to_owned(), value)).into());
}

#[test]
fn a_message_of_bytes_becomes_text_where_it_is_wanted() {
    let line = |message: &str| {
        format!(r#"{{"__CURSOR": "c", "__REALTIME_TIMESTAMP": "1", "MESSAGE": {message}, "OTHER": [72]}}"#)
    };
    let message = |convert_message_bytes, text: &str| {
        let reader = Reader { convert_message_bytes, ..Reader::default() };
        let fields = fields(&reader.read(line(text).as_bytes(), 9).unwrap());
        assert_eq!(fields["OTHER"], array(vec![int(72)]));
        fields["MESSAGE"].clone()
    };
    assert_eq!(message(true, "[72, 195, 182]"), string("Hö"));
    assert_eq!(message(true, "[72, 255]"), string("H\u{fffd}"));
    assert_eq!(message(false, "[72]"), array(vec![int(72)]));
    assert_eq!(message(true, r#""as it is""#), string("as it is"));
    // Several messages are no bytes.
    assert_eq!(message(true, r#"["a", "b"]"#), array(vec![string("a"), string("b")]));
    assert_eq!(message(true, "[72, 256]"), array(vec![int(72), int(256)]));
    assert_eq!(message(true, "null"), AnyValue::default());
}

#[test]
fn priorities_are_severities() {
    let severity = |priority: &str| {
        let line = format!(r#"{{"__CURSOR": "c", "__REALTIME_TIMESTAMP": "1", "PRIORITY": {priority}}}"#);
        let record = read(&line).unwrap().record;
        format!("{}={}", record.severity_text, record.severity_number)
    };
    let all: Vec<String> = (0..8).map(|priority| severity(&format!("\"{priority}\""))).collect();
    assert_eq!(all, ["emerg=21", "alert=22", "crit=23", "err=17", "warning=13", "notice=10", "info=9", "debug=5"]);
    for priority in ["\"8\"", "\"x\"", "null", "[\"1\", \"2\"]", "6"] {
        assert_eq!(severity(priority), "=0", "{priority}");
    }
}

#[test]
fn what_is_no_entry_says_why() {
    let cases = [
        ("", "not a JSON object"),
        ("-- No entries --", "not a JSON object"),
        ("[1]", "not a JSON object"),
        ("{", "not a JSON object"),
        (r#"{"__CURSOR": "c"}"#, "no __REALTIME_TIMESTAMP"),
        (r#"{"__CURSOR": "c", "__REALTIME_TIMESTAMP": 1}"#, "no __REALTIME_TIMESTAMP"),
        (r#"{"__CURSOR": "c", "__REALTIME_TIMESTAMP": "-1"}"#, "no __REALTIME_TIMESTAMP"),
        (r#"{"__CURSOR": "c", "__REALTIME_TIMESTAMP": "99999999999999999999"}"#, "no __REALTIME_TIMESTAMP"),
        (r#"{"__CURSOR": "c", "__REALTIME_TIMESTAMP": "18446744073709551615"}"#, "no __REALTIME_TIMESTAMP"),
        (r#"{"__REALTIME_TIMESTAMP": "1"}"#, "no __CURSOR"),
        (r#"{"__REALTIME_TIMESTAMP": "1", "__CURSOR": ["a"]}"#, "no __CURSOR"),
    ];
    for (line, expected) in cases {
        let error = read(line).unwrap_err().to_string();
        assert!(error.contains(expected), "{line}: {error}");
    }
}

proptest! {
    #[test]
    fn fields_are_kept(names in prop::collection::btree_map("[A-Z]{1,8}", "\\PC{0,20}", 0..8)) {
        let mut entry: serde_json::Map<String, serde_json::Value> =
            names.iter().map(|(name, text)| (name.clone(), text.clone().into())).collect();
        entry.insert("__CURSOR".to_owned(), "c".into());
        entry.insert("__REALTIME_TIMESTAMP".to_owned(), "5".into());
        let read = read(&serde_json::Value::Object(entry).to_string()).unwrap();
        let mut expected: BTreeMap<String, AnyValue> = names.into_iter().map(|(name, text)| (name, string(text))).collect();
        expected.insert("__CURSOR".to_owned(), string("c"));
        prop_assert_eq!(fields(&read), expected);
    }

    #[test]
    fn any_line_is_read_or_refused(line in "\\PC{0,60}") {
        let _ = read(&line);
    }
}

#[test]
fn other_json_is_taken_as_it_is() {
    let line = r#"{"__CURSOR": "c", "__REALTIME_TIMESTAMP": "1", "A": true, "B": 1.5, "C": {"d": -1}}"#;
    let fields = fields(&read(line).unwrap());
    assert_eq!(fields["A"], any(Value::BoolValue(true)));
    assert_eq!(fields["B"], any(Value::DoubleValue(1.5)));
    assert_eq!(fields["C"], map(vec![member("d", int(-1))]));
}
