//! Requests out of what waits: items of one pod share its resource, and with `--tenant-header` a request is one tenant's.

use std::collections::BTreeMap;

use opentelemetry::InstrumentationScope;
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::logs::v1::ResourceLogs;
use opentelemetry_proto::tonic::trace::v1::ResourceSpans;
use opentelemetry_proto::transform::common::tonic::ResourceAttributesWithSchema;
use opentelemetry_proto::transform::logs::tonic::group_logs_by_resource_and_scope;
use opentelemetry_proto::transform::trace::tonic::group_spans_by_resource_and_scope;
use opentelemetry_sdk::logs::{LogBatch, SdkLogRecord};
use opentelemetry_sdk::trace::SpanData;

use super::otlp::Request;
use super::queue::Item;

/// Whose telemetry it is.
pub struct Source {
    pub tenant: &'static str,
    pub resource: ResourceAttributesWithSchema,
}

/// A request, as whom to send it, and how many items it has.
pub struct Batch {
    pub tenant: Option<&'static str>,
    pub request: Request,
    pub items: u64,
}

/// Makes the requests of one batch. `separate`: one for each tenant, instead of one for all.
pub fn requests(items: Vec<(usize, Item)>, sources: &[Source], separate: bool) -> Vec<Batch> {
    let mut spans: BTreeMap<usize, Vec<SpanData>> = BTreeMap::new();
    let mut records: BTreeMap<usize, Vec<(SdkLogRecord, InstrumentationScope)>> = BTreeMap::new();
    for (source, item) in items {
        match item {
            Item::Span(span) => spans.entry(source).or_default().push(span),
            Item::Record(record, scope) => records.entry(source).or_default().push((record, scope)),
        }
    }
    let mut by_tenant: BTreeMap<Option<&'static str>, Grouped> = BTreeMap::new();
    for (source, spans) in spans {
        let Some(Source { tenant, resource }) = sources.get(source) else { continue };
        let grouped = by_tenant.entry(separate.then_some(*tenant)).or_default();
        grouped.span_count += spans.len() as u64;
        grouped.spans.extend(group_spans_by_resource_and_scope(spans, resource));
    }
    for (source, records) in records {
        let Some(Source { tenant, resource }) = sources.get(source) else { continue };
        let grouped = by_tenant.entry(separate.then_some(*tenant)).or_default();
        grouped.record_count += records.len() as u64;
        let records: Vec<_> = records.iter().map(|(record, scope)| (record, scope)).collect();
        grouped.records.extend(group_logs_by_resource_and_scope(&LogBatch::new(&records), resource));
    }
    by_tenant.into_iter().flat_map(|(tenant, grouped)| grouped.into_batches(tenant)).collect()
}

#[derive(Default)]
struct Grouped {
    spans: Vec<ResourceSpans>,
    span_count: u64,
    records: Vec<ResourceLogs>,
    record_count: u64,
}

impl Grouped {
    fn into_batches(self, tenant: Option<&'static str>) -> impl Iterator<Item = Batch> {
        let spans = Request::Traces(ExportTraceServiceRequest { resource_spans: self.spans });
        let records = Request::Logs(ExportLogsServiceRequest { resource_logs: self.records });
        [
            Batch { tenant, request: spans, items: self.span_count },
            Batch { tenant, request: records, items: self.record_count },
        ]
        .into_iter()
        .filter(|batch| batch.items > 0)
    }
}
