//! Any bytes as a request of traces to the connectors that make metrics of them: no panic, what the store's decoder takes they take,
//! and of what they make every point can be stored.
//!
//! The first byte chooses options.

#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use prost::Message as _;
use trefoil_model::decode::{DecodeContext, decode};
use trefoil_model::series::SeriesIndex;
use trefoil_model::{Limits, Promoted, Signal, Tenant};
use trefoil_pipeline::config::{Document, Section};
use trefoil_pipeline::connectors::{try_propagation, try_traces};

const NOW: u64 = 1_800_000_000_000_000_000;

/// By four bits of the choice: options of the connectors.
static OPTIONS: LazyLock<Vec<[Document; 3]>> = LazyLock::new(|| (0..16).map(options).collect());

fn options(bits: u8) -> [Document; 3] {
    let histogram = if bits & 1 == 0 { "{}" } else { "{exponential: {max_size: 5}}" };
    let temporality = if bits & 2 == 0 { "CUMULATIVE" } else { "DELTA" };
    let names = if bits & 4 == 0 { "collector" } else { "tempo" };
    let exemplars = format!("{{enabled: {}}}", bits & 8 != 0);
    let spanmetrics = format!(
        "{{dimensions: [{{name: a}}, {{name: b, default: x}}], histogram: {histogram}, names: {names}, max_series: 3, \
         aggregation_temporality: AGGREGATION_TEMPORALITY_{temporality}, exemplars: {exemplars}, \
         include_instrumentation_scope: [s], include_status_message: true, enable_metrics_sampling_method: true, \
         events: {{enabled: true, dimensions: [{{name: e}}]}}}}"
    );
    let max_size = if bits & 1 == 0 { 0 } else { 5 };
    let servicegraph = format!(
        "{{dimensions: [a], store: {{max_items: 3}}, exponential_histogram_max_size: {max_size}, max_series: 3, \
         virtual_node_extra_label: true, exemplars: {exemplars}}}"
    );
    let propagation = "{max_spans: 5, max_series: 3}".to_owned();
    [spanmetrics, servicegraph, propagation].map(|text| Document::verbatim("fuzz.yaml", &text).expect("it is YAML"))
}

fuzz_target!(|data: &[u8]| {
    let Some((choice, body)) = data.split_first() else { return };
    let documents = &OPTIONS[usize::from(choice & 15)];
    let [spanmetrics, servicegraph, propagation] = documents.each_ref().map(|document| Section::new(document.root(), &[]));
    let made = try_traces(&spanmetrics, &servicegraph, body, NOW).and_then(|mut made| {
        made.extend(try_propagation(&propagation, body, NOW)?);
        Ok(made)
    });
    let (promoted, series, limits) = (Promoted::default(), SeriesIndex::new(100), Limits::default());
    let context = DecodeContext { promoted: &promoted, limits: &limits, series: &series, received: 1, trace_ids: None };
    let Ok(made) = made else {
        // A request that would be stored is counted, too.
        assert!(decode(Signal::Traces, &Tenant::default(), body, &context).is_err(), "{made:?}");
        return;
    };
    for request in made {
        let request = request.encode_to_vec();
        let decoded = decode(Signal::Metrics, &Tenant::default(), &request, &context).expect("it is an OTLP request");
        assert_eq!(decoded.rejected, 0, "{:?}", decoded.reasons);
    }
});
