//! Any bytes as a stream of syslog, in each framing and protocol, and as entries of journalctl: no panic, the same messages however the
//! stream is chopped, none of them above its limit, and records that the store takes as they are.
//!
//! The first byte chooses the framing and the protocol, the second where the stream is chopped.

#![no_main]

use libfuzzer_sys::fuzz_target;
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use prost::Message as _;
use trefoil_model::decode::{DecodeContext, decode};
use trefoil_model::series::SeriesIndex;
use trefoil_model::{Limits, Promoted, Signal, Tenant};
use trefoil_pipeline::Metrics;
use trefoil_pipeline::config::{Document, Section};
use trefoil_pipeline::net::body::Admission;
use trefoil_pipeline::receivers::journald::entry::Reader;
use trefoil_pipeline::receivers::syslog::charset::Charset;
use trefoil_pipeline::receivers::syslog::config::Config;
use trefoil_pipeline::receivers::syslog::framing::{Frame, Framer, Framing};
use trefoil_pipeline::receivers::syslog::translate::{Translator, Trim};

const NOW: u64 = 1_768_478_400_000_000_000;
const LIMIT: usize = 512;

fuzz_target!(|data: &[u8]| {
    let [choice, piece, stream @ ..] = data else { return };
    let framing = match choice % 4 {
        0 => Framing::Trailer(b"\n"),
        1 => Framing::Trailer(b"\n\0"),
        2 => Framing::OctetCount(b"\n\0"),
        _ => Framing::Whole,
    };
    let frames = cut(framing, [stream]);
    assert!(frames.iter().all(|(bytes, _)| bytes.len() <= LIMIT));
    assert_eq!(cut(framing, stream.chunks(usize::from(*piece).max(1))), frames);
    let records = match choice & 4 {
        0 => {
            let options = if choice & 8 == 0 { "rfc3164, location: Europe/Berlin" } else { "rfc5424" };
            let translator = translator(options, choice & 16 == 0, choice & 32 == 0);
            let record = |(bytes, is_cut): &(Vec<u8>, bool)| {
                translator.record(&Frame { bytes, is_cut: *is_cut }, &[], NOW)
            };
            frames.iter().filter_map(record).collect()
        }
        _ => {
            let reader = Reader { convert_message_bytes: choice & 8 == 0, ..Reader::default() };
            frames.iter().filter_map(|(line, _)| Some(reader.read(line, NOW).ok()?.record)).collect()
        }
    };
    store(records);
});

/// Messages, and whether they are cut.
fn cut<'a>(framing: Framing, chunks: impl IntoIterator<Item = &'a [u8]>) -> Vec<(Vec<u8>, bool)> {
    let admission = Admission::new(1 << 30);
    let mut framer = Framer::new(framing, LIMIT, &admission);
    let mut frames = Vec::new();
    for mut chunk in chunks {
        while let Some(frame) = framer.next(&mut chunk) {
            frames.push((frame.bytes.to_vec(), frame.is_cut));
        }
    }
    frames.extend(framer.finish().map(|frame| (frame.bytes.to_vec(), frame.is_cut)));
    frames
}

fn translator(options: &str, may_lack_priority: bool, is_raw: bool) -> Translator {
    let yaml = format!("{{tcp: {{listen_address: ':1'}}, allow_skip_pri_header: {may_lack_priority}, protocol: {options}}}");
    let document = Document::parse("fuzz", &yaml, &|_| None).expect("it is YAML");
    let config = Config::parse(&Section::new(document.root(), &[])).expect("it is valid");
    let charset = if is_raw { Charset::Raw } else { Charset::default() };
    Translator::new(&config, charset, Trim::default(), Metrics::default().syslog("syslog", "tcp"))
}

fn store(records: Vec<LogRecord>) {
    let count = records.len() as u64;
    let scope = ScopeLogs { log_records: records, ..ScopeLogs::default() };
    let logs = ResourceLogs { scope_logs: vec![scope], ..ResourceLogs::default() };
    let body = ExportLogsServiceRequest { resource_logs: vec![logs] }.encode_to_vec();
    let (promoted, series, limits) = (Promoted::default(), SeriesIndex::new(100), Limits::default());
    let context = DecodeContext { promoted: &promoted, limits: &limits, series: &series, received: 1, trace_ids: None };
    let decoded = decode(Signal::Logs, &Tenant::default(), &body, &context).expect("it is an OTLP request");
    assert_eq!(decoded.rejected, 0, "{:?} of {count}", decoded.reasons);
}
