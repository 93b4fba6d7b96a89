//! Any bytes as what a target says in two scrapes, in each format: no panic, and what it becomes are OTLP requests of which
//! every point can be stored.
//!
//! The first byte chooses the format and how histograms are taken; `BETWEEN` parts the scrapes.

#![no_main]

use std::path::Path;
use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use trefoil_model::decode::{DecodeContext, decode};
use trefoil_model::series::SeriesIndex;
use trefoil_model::{Limits, Promoted, Signal, Tenant};
use trefoil_pipeline::config::{Document, Section};
use trefoil_pipeline::receivers::prometheus::config::PrometheusConfig;
use trefoil_pipeline::receivers::prometheus::try_scrapes;
use trefoil_prometheus::exposition::Format;

/// Nothing that the numbers of a protobuf message are full of.
const BETWEEN: &[u8] = b"\n==\n";

/// By three bits of the choice.
static CONFIGURATIONS: LazyLock<Vec<PrometheusConfig>> = LazyLock::new(|| (0..8).map(configuration).collect());

fn configuration(bits: u8) -> PrometheusConfig {
    let text = format!(
        "scrape_configs: [{{job_name: j, scrape_native_histograms: {}, convert_classic_histograms_to_nhcb: {}, \
         honor_labels: {}, metric_relabel_configs: [{{regex: '(a)(.*)', replacement: $2, action: labelmap}}]}}]",
        bits & 1 != 0,
        bits & 2 != 0,
        bits & 4 != 0
    );
    let document = Document::verbatim("fuzz.yml", &text).expect("it is YAML");
    let config = PrometheusConfig::parse(&Section::new(document.root(), &[]), Path::new(""), &|_| None);
    config.expect("it is a configuration")
}

fuzz_target!(|data: &[u8]| {
    let Some((choice, bodies)) = data.split_first() else { return };
    let format = [Format::Text, Format::OpenMetrics, Format::Protobuf][usize::from(choice % 3)];
    let job = &CONFIGURATIONS[usize::from(choice >> 3 & 7)].jobs[0];
    let bodies = match bodies.windows(BETWEEN.len()).position(|window| window == BETWEEN) {
        Some(at) => vec![&bodies[..at], &bodies[at + BETWEEN.len()..]],
        None => vec![bodies],
    };
    for request in try_scrapes(job, format, &bodies) {
        let (promoted, series, limits) = (Promoted::default(), SeriesIndex::new(100), Limits::default());
        let context = DecodeContext { promoted: &promoted, limits: &limits, series: &series, received: 1, trace_ids: None };
        let decoded = decode(Signal::Metrics, &Tenant::default(), &request, &context).expect("it is an OTLP request");
        assert_eq!(decoded.rejected, 0, "{:?}", decoded.reasons);
    }
});
