//! Jaeger's own test data.

use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use prost::Message as _;
use serde_json::Value as Json;
use trefoil_model::Signal;

use crate::model::*;
use crate::sampling::Strategies;
use crate::thrift::Protocol;
use crate::{json, otlp, proto, thrift};

/// As in `trefoil_model`, whose own is only for its tests.
fn directory(path: &str) -> Option<PathBuf> {
    let default = || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/conformance"));
    let directory = std::env::var_os("TREFOIL_CONFORMANCE").map_or_else(default, PathBuf::from).join(path);
    if directory.is_dir() {
        return Some(directory);
    }
    assert!(std::env::var_os("CI").is_none(), "conformance data is missing: {}", directory.display());
    eprintln!("skipped: no conformance data at {} (set TREFOIL_CONFORMANCE)", directory.display());
    None
}

fn load(path: &Path) -> Json {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn list(json: &Json, name: &str) -> Vec<Json> {
    json[name].as_array().cloned().unwrap_or_default()
}

fn text(json: &Json, name: &str) -> String {
    json[name].as_str().unwrap_or_default().to_owned()
}

/// Spans as protobuf's JSON has them (`model.proto`).
mod domain {
    use super::*;

    fn id(json: &Json, name: &str) -> u128 {
        BASE64.decode(text(json, name)).unwrap().iter().fold(0, |id, byte| id << 8 | u128::from(*byte))
    }

    fn tag(json: &Json) -> Tag<'static> {
        let value = match json["vType"].as_str() {
            None | Some("STRING") => Value::String(text(json, "vStr").into()),
            Some("BOOL") => Value::Bool(json["vBool"].as_bool().unwrap()),
            Some("INT64") => Value::Int64(json["vInt64"].as_i64().unwrap()),
            Some("FLOAT64") => Value::Float64(json["vFloat64"].as_f64().unwrap()),
            Some("BINARY") => Value::Binary(BASE64.decode(text(json, "vBinary")).unwrap().into()),
            other => panic!("{other:?}"),
        };
        Tag { key: text(json, "key").into(), value }
    }

    fn tags(json: &Json, name: &str) -> Vec<Tag<'static>> {
        list(json, name).iter().map(tag).collect()
    }

    /// All of them are of the same second.
    fn time(json: &Json, name: &str) -> u64 {
        let text = text(json, name);
        let fraction = text.strip_prefix("2017-01-26T16:46:31.").unwrap().strip_suffix("-05:00").unwrap();
        1_485_467_191_000_000_000 + format!("{fraction:0<9}").parse::<u64>().unwrap()
    }

    pub fn process(json: &Json) -> Process<'static> {
        Process { service_name: text(json, "serviceName").into(), tags: tags(json, "tags") }
    }

    pub fn span(json: &Json) -> Span<'static> {
        let reference = |json: &Json| Reference {
            kind: match json["refType"].as_str() {
                Some("FOLLOWS_FROM") => ReferenceType::FollowsFrom,
                _ => ReferenceType::ChildOf,
            },
            trace_id: id(json, "traceId"),
            span_id: id(json, "spanId") as u64,
        };
        Span {
            trace_id: id(json, "traceId"),
            span_id: id(json, "spanId") as u64,
            operation_name: text(json, "operationName").into(),
            references: list(json, "references").iter().map(reference).collect(),
            flags: json["flags"].as_u64().unwrap_or(0) as u32,
            start: time(json, "startTime"),
            duration: text(json, "duration").strip_suffix("ns").unwrap().parse().unwrap(),
            tags: tags(json, "tags"),
            logs: list(json, "logs")
                .iter()
                .map(|log| Log { time: time(log, "timestamp"), fields: tags(log, "fields") })
                .collect(),
            process: Some(process(&json["process"])),
            warnings: list(json, "warnings").iter().map(|text| text.as_str().unwrap().to_owned().into()).collect(),
        }
    }
}

/// Batches as Thrift's structs are in JSON, written by hand for a reader of the wire.
mod thrift_json {
    use super::*;

    fn tag(json: &Json) -> Tag<'static> {
        let value = match json["vType"].as_str().unwrap() {
            "STRING" => Value::String(text(json, "vStr").into()),
            "BOOL" => Value::Bool(json["vBool"].as_bool().unwrap()),
            "LONG" => Value::Int64(json["vLong"].as_i64().unwrap()),
            "DOUBLE" => Value::Float64(json["vDouble"].as_f64().unwrap()),
            "BINARY" => Value::Binary(BASE64.decode(text(json, "vBinary")).unwrap().into()),
            other => panic!("{other}"),
        };
        Tag { key: text(json, "key").into(), value }
    }

    fn tags(json: &Json, name: &str) -> Vec<Tag<'static>> {
        list(json, name).iter().map(tag).collect()
    }

    fn trace_id(json: &Json) -> u128 {
        let half = |name: &str| json[name].as_i64().unwrap_or(0) as u64;
        u128::from(half("traceIdHigh")) << 64 | u128::from(half("traceIdLow"))
    }

    fn microseconds(json: &Json, name: &str) -> u64 {
        json[name].as_u64().unwrap() * 1000
    }

    pub fn batch(json: &Json) -> Batch<'static> {
        let span = |json: &Json| {
            let reference = |json: &Json| Reference {
                kind: match json["refType"].as_str().unwrap() {
                    "FOLLOWS_FROM" => ReferenceType::FollowsFrom,
                    _ => ReferenceType::ChildOf,
                },
                trace_id: trace_id(json),
                span_id: json["spanId"].as_i64().unwrap() as u64,
            };
            let mut span = Span {
                trace_id: trace_id(json),
                span_id: json["spanId"].as_i64().unwrap() as u64,
                operation_name: text(json, "operationName").into(),
                references: list(json, "references").iter().map(reference).collect(),
                start: microseconds(json, "startTime"),
                duration: microseconds(json, "duration"),
                tags: tags(json, "tags"),
                logs: list(json, "logs")
                    .iter()
                    .map(|log| Log { time: microseconds(log, "timestamp"), fields: tags(log, "fields") })
                    .collect(),
                ..Span::default()
            };
            span.set_parent(json["parentSpanId"].as_i64().unwrap_or(0) as u64);
            span
        };
        let process = &json["process"];
        let process = Process { service_name: text(process, "serviceName").into(), tags: tags(process, "tags") };
        Batch { process: Some(process), spans: list(json, "spans").iter().map(span).collect() }
    }
}

#[test]
fn thrift_is_read_as_jaeger_reads_it() {
    let Some(directory) = directory("jaeger/internal/converter/thrift/jaeger/fixtures") else { return };
    for number in ["01", "02"] {
        let batch = thrift_json::batch(&load(&directory.join(format!("thrift_batch_{number}.json"))));
        let domain = load(&directory.join(format!("domain_{number}.json")));
        let expected: Vec<Span<'_>> = list(&domain, "spans").iter().map(domain::span).collect();
        for protocol in [Protocol::Binary, Protocol::Compact] {
            let packet = thrift::write_emit_batch(protocol, &batch).unwrap();
            let read = thrift::read_emit_batch(protocol, &packet).unwrap();
            let spans = read.spans.into_iter().map(|span| Span { process: read.process.clone(), ..span });
            assert_eq!(spans.collect::<Vec<_>>(), expected, "{number}");
        }
    }
}

#[test]
fn the_ui_gets_what_jaegers_gets() {
    let Some(directory) = directory("jaeger/internal/uimodel/converter/v1/json/fixtures") else { return };
    let domain = load(&directory.join("domain_01.json"));
    let spans = list(&domain, "spans").iter().map(domain::span).collect();
    let mut trace = json::of_batches([Batch { process: None, spans }]).remove(0);
    trace.warnings = Some(vec!["some trace warning".to_owned()]);
    assert_eq!(serde_json::to_value(&trace).unwrap(), load(&directory.join("ui_01.json")));
    // And it is read again.
    let read = json::read(&std::fs::read(directory.join("ui_01.json")).unwrap()).unwrap();
    assert_eq!(read, [trace]);
}

fn request(path: &Path) -> ExportTraceServiceRequest {
    let bytes = trefoil_model::json::to_protobuf(Signal::Traces, &std::fs::read(path).unwrap()).unwrap();
    ExportTraceServiceRequest::decode(&bytes[..]).unwrap()
}

#[test]
fn opentelemetry_is_shown_as_jaeger_shows_it() {
    let Some(directory) = directory("jaeger/cmd/jaeger/internal/extension/jaegerquery/internal/fixture") else {
        return;
    };
    let traces = json::traces(&request(&directory.join("otlp2jaeger-in.json")).resource_spans);
    let expected = load(&directory.join("otlp2jaeger-out.json"));
    assert_eq!(serde_json::to_value(&traces).unwrap(), expected["data"]);
}

#[test]
fn traces_of_jaegers_storage_tests_come_back() {
    let Some(directory) = directory("jaeger/internal/storage/integration/fixtures/traces") else { return };
    let mut count = 0;
    for file in std::fs::read_dir(directory).unwrap() {
        let path = file.unwrap().path();
        let request = request(&path);
        let batches = otlp::from_otlp(&request.resource_spans);
        let written: Vec<Vec<u8>> = batches.iter().map(proto::write_post_spans).collect();
        let read = written.iter().map(|bytes| proto::read_post_spans(bytes).unwrap());
        let back = otlp::to_request(read);
        assert_eq!(otlp::from_otlp(&back.resource_spans), batches, "{}", path.display());
        let spans = |request: &ExportTraceServiceRequest| {
            request.resource_spans.iter().flat_map(|of| &of.scope_spans).map(|of| of.spans.len()).sum::<usize>()
        };
        assert_eq!(spans(&back), spans(&request), "{}", path.display());
        count += spans(&back);
    }
    assert!(count >= 32, "{count} spans");
}

/// Go's encoder leaves zeros out and writes the type as a number.
fn as_go_writes_it(answer: &Json) -> Json {
    let mut answer = answer.clone();
    let members = answer.as_object_mut().unwrap();
    match members.remove("strategyType").unwrap().as_str().unwrap() {
        "RATE_LIMITING" => members.insert("strategyType".to_owned(), 1.into()),
        _ => None,
    };
    if let Some(operations) = members.get_mut("operationSampling").and_then(Json::as_object_mut) {
        operations.retain(|_, value| value.as_f64() != Some(0.0));
    }
    answer
}

/// Numbers compare as numbers.
fn floats(json: Json) -> Json {
    match json {
        Json::Number(number) => number.as_f64().unwrap().into(),
        Json::Array(values) => values.into_iter().map(floats).collect(),
        Json::Object(members) => members.into_iter().map(|(name, value)| (name, floats(value))).collect(),
        other => other,
    }
}

#[test]
fn services_are_told_what_jaeger_tells_them() {
    let Some(directory) = directory("jaeger/internal/sampling/samplingstrategy/file/fixtures") else { return };
    let read = |name: &str| std::fs::read_to_string(directory.join(name)).unwrap();
    let strategies = Strategies::parse(&read("service_no_per_operation.json")).unwrap();
    for service in ["ServiceA", "ServiceB"] {
        let answer = serde_json::to_value(strategies.of(service)).unwrap();
        let expected = load(&directory.join(format!("TestServiceNoPerOperationStrategies_{service}.json")));
        assert_eq!(floats(as_go_writes_it(&answer)), floats(expected), "{service}");
    }
    Strategies::parse(&read("bad_strategies.json")).unwrap_err();
    assert_eq!(Strategies::parse(&read("strategies.json")).unwrap().warnings().len(), 0);
    assert_eq!(Strategies::parse(&read("missing-service-types.json")).unwrap().warnings().len(), 2);

    let strategies = Strategies::parse(&read("operation_strategies.json")).unwrap();
    assert_eq!(strategies.warnings().len(), 3, "{:?}", strategies.warnings());
    let operations = |service: &str| {
        let sampling = strategies.of(service).operation_sampling.clone().unwrap();
        let rate = |one: &crate::sampling::Operation| {
            format!("{}={}", one.operation, one.probabilistic_sampling.unwrap().sampling_rate)
        };
        let rates: Vec<String> = sampling.per_operation_strategies.iter().map(rate).collect();
        (sampling.default_sampling_probability, rates.join(" "))
    };
    assert_eq!(operations("foo"), (0.8, "op6=0.5 op1=0.2 op0=0.2 op7=1".to_owned()));
    assert_eq!(operations("bar"), (0.001, "op3=0.3 op5=0.4 op0=0.2 op6=0 op7=1".to_owned()));
    assert_eq!(operations("others"), (0.5, "op0=0.2 op6=0 op7=1".to_owned()));
}
