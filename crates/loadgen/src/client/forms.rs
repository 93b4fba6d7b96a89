//! Traces and logs in the forms of those who do not speak OTLP.

use bytes::Bytes;
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs};
use prost::Message;
use trefoil_jaeger::model::Batch;
use trefoil_jaeger::otlp::from_otlp;
use trefoil_jaeger::proto::write_post_spans;
use trefoil_jaeger::thrift;
use trefoil_loki::{Entry, Labels, Stream, to_protobuf};

use super::Protocol;

/// One request as it goes over the wire.
#[derive(Debug, Clone)]
pub struct Body {
    pub bytes: Bytes,
    pub items: u64,
}

/// What an encoded OTLP request of `items` items is in a protocol that carries its signal: itself in OTLP, otherwise the requests that a
/// client of that protocol would send. Jaeger's carry spans of one process each, Loki's the lines of files with the labels of their pods.
pub fn bodies(protocol: Protocol, request: Bytes, items: u64) -> anyhow::Result<Vec<Body>> {
    let spans = || ExportTraceServiceRequest::decode(request.as_ref());
    let zipkin = || anyhow::Ok(trefoil_zipkin::from_otlp(&spans()?, "unknown").spans);
    let whole = |bytes: Vec<u8>| vec![Body { bytes: bytes.into(), items }];
    let each = |write: fn(&Batch) -> anyhow::Result<Vec<u8>>| {
        let body = |batch: &Batch| Ok(Body { bytes: write(batch)?.into(), items: batch.spans.len() as u64 });
        from_otlp(&spans()?.resource_spans).iter().map(body).collect()
    };
    match protocol {
        Protocol::Http | Protocol::Grpc => Ok(vec![Body { bytes: request, items }]),
        Protocol::JaegerThrift => each(|batch| Ok(thrift::write_batch(thrift::Protocol::Binary, batch)?)),
        Protocol::JaegerGrpc => each(|batch| Ok(write_post_spans(batch))),
        Protocol::ZipkinJson => Ok(whole(trefoil_zipkin::to_json(&zipkin()?)?)),
        Protocol::ZipkinProtobuf => Ok(whole(trefoil_zipkin::to_protobuf(&zipkin()?))),
        Protocol::Loki => {
            let request = ExportLogsServiceRequest::decode(request.as_ref())?;
            let streams = request.resource_logs.into_iter().map(stream).collect::<anyhow::Result<Vec<_>>>()?;
            Ok(whole(snap::raw::Encoder::new().compress_vec(&to_protobuf(&streams))?))
        }
    }
}

/// The labels that agents give to the lines of a pod.
const LABELS: [(&str, &str); 3] =
    [("service_name", "service.name"), ("namespace", "k8s.namespace.name"), ("pod", "k8s.pod.name")];

fn stream(of_pod: ResourceLogs) -> anyhow::Result<Stream> {
    let attributes = of_pod.resource.unwrap_or_default().attributes;
    let labels = LABELS.into_iter().filter_map(|(label, key)| {
        let value = attributes.iter().find(|attribute| attribute.key == key)?.value.as_ref()?.value.as_ref()?;
        let Value::StringValue(value) = value else { return None };
        Some((label.into(), value.clone().into()))
    });
    let labels = Labels::of(labels.collect()).map_err(|label| anyhow::anyhow!("{label:?} is no label"))?;
    let records = of_pod.scope_logs.into_iter().flat_map(|scope| scope.log_records);
    Ok(Stream { labels, entries: records.map(entry).collect() })
}

fn entry(record: LogRecord) -> Entry {
    let line = match record.body.and_then(|body| body.value) {
        Some(Value::StringValue(line)) => line,
        _ => String::new(),
    };
    Entry { time: record.time_unix_nano, line, metadata: Vec::new() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Signal, Source, SourceOptions};
    use trefoil_jaeger::proto::read_post_spans;
    use trefoil_zipkin::{Format, Options, translate};

    #[test]
    fn all_lines_are_there_as_loki_has_them() {
        let source = Source::new(SourceOptions::new(Signal::Logs));
        let bodies = bodies(Protocol::Loki, source.request(3), source.items() as u64).unwrap();
        let [body] = bodies.as_slice() else { panic!("{} requests", bodies.len()) };
        let pushed = snap::raw::Decoder::new().decompress_vec(&body.bytes).unwrap();
        let options = trefoil_loki::Options::default();
        let taken =
            trefoil_loki::translate(trefoil_loki::Format::Protobuf, &pushed, &options, crate::source::now()).unwrap();
        let request = ExportLogsServiceRequest::decode(taken.request.as_slice()).unwrap();
        let records = request.resource_logs.iter().flat_map(|resource| &resource.scope_logs);
        assert_eq!(records.map(|scope| scope.log_records.len()).sum::<usize>(), source.items());
        assert_eq!(body.items, source.items() as u64);
    }

    #[test]
    fn all_spans_are_there_in_every_form() {
        let source = Source::new(SourceOptions::new(Signal::Traces));
        let jaegers = |batch: Batch| batch.spans.len() as u64;
        let zipkins = |format, bytes: &Bytes| translate(format, bytes, &Options::default()).unwrap().spans;
        let read = |protocol, bytes: &Bytes| match protocol {
            Protocol::Http | Protocol::Grpc => source.items() as u64,
            Protocol::JaegerThrift => jaegers(thrift::read_batch(thrift::Protocol::Binary, bytes).unwrap()),
            Protocol::JaegerGrpc => jaegers(read_post_spans(bytes).unwrap()),
            Protocol::ZipkinJson => zipkins(Format::JsonV2, bytes),
            Protocol::ZipkinProtobuf => zipkins(Format::ProtobufV2, bytes),
            Protocol::Loki => panic!("no traces"),
        };
        let all = <Protocol as clap::ValueEnum>::value_variants();
        for protocol in all.iter().filter(|protocol| protocol.carries(Signal::Traces)) {
            let bodies = bodies(*protocol, source.request(3), source.items() as u64).unwrap();
            assert_eq!(bodies.iter().map(|body| body.items).sum::<u64>(), source.items() as u64, "{protocol:?}");
            for body in bodies {
                assert_eq!(read(*protocol, &body.bytes), body.items, "{protocol:?}");
            }
        }
    }
}
