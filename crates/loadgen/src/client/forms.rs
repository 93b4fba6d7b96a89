//! Traces in the forms of those who do not speak OTLP.

use bytes::Bytes;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use prost::Message;
use trefoil_jaeger::model::Batch;
use trefoil_jaeger::otlp::from_otlp;
use trefoil_jaeger::proto::write_post_spans;
use trefoil_jaeger::thrift;

use super::Protocol;

/// One request as it goes over the wire.
#[derive(Debug, Clone)]
pub struct Body {
    pub bytes: Bytes,
    pub items: u64,
}

/// What an encoded OTLP request of `items` items is in a protocol: itself in OTLP, otherwise (traces only) the requests that a client
/// of that protocol would send. Jaeger's carry spans of one process each.
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
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Signal, Source, SourceOptions};
    use trefoil_jaeger::proto::read_post_spans;
    use trefoil_zipkin::{Format, Options, translate};

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
        };
        for protocol in <Protocol as clap::ValueEnum>::value_variants() {
            let bodies = bodies(*protocol, source.request(3), source.items() as u64).unwrap();
            assert_eq!(bodies.iter().map(|body| body.items).sum::<u64>(), source.items() as u64, "{protocol:?}");
            for body in bodies {
                assert_eq!(read(*protocol, &body.bytes), body.items, "{protocol:?}");
            }
        }
    }
}
