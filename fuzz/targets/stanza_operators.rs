//! Any operators and any lines: no panic, every line is done with once all that became of it is, and what comes out is taken by the
//! store as it is.
//!
//! What is before a line `---` are the operators, as a configuration has them; what follows are lines.

#![no_main]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use libfuzzer_sys::fuzz_target;
use prost::Message;
use trefoil_model::decode::{DecodeContext, decode};
use trefoil_model::series::SeriesIndex;
use trefoil_model::{Limits, Promoted, Signal, Tenant};
use trefoil_pipeline::config::{Document, Section};
use trefoil_pipeline::stanza::receipt::{Receipt, Source};
use trefoil_pipeline::stanza::{Entry, Value, config, records};

struct Done(AtomicU64);

impl Source for Done {
    fn settled(&self, _number: u64) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

fuzz_target!(|text: &str| {
    let (operators, lines) = text.split_once("\n---\n").unwrap_or(("operators: [{type: container}]", text));
    let Ok(document) = Document::verbatim("fuzz.yaml", operators) else { return };
    let Ok(mut chain) = config::parse(&Section::new(document.root(), &[])) else { return };
    let done = Arc::new(Done(AtomicU64::new(0)));
    let mut out = Vec::new();
    let mut count = 0;
    for line in lines.lines().take(20) {
        let mut entry = Entry::new(Value::from(line), 1_700_000_000_000_000_000);
        entry.attributes.make_map().insert("log.file.path".to_owned(), "/var/log/pods/n_p_ab/c/0.log".into());
        entry.receipts.push(Receipt::new(done.clone(), count));
        chain.process(entry, &mut out);
        count += 1;
    }
    chain.flush(u64::MAX, &mut out);
    assert_eq!(chain.held(), 0);
    let entries = out.len();
    let (request, receipts) = records::request(out);
    receipts.into_iter().for_each(Receipt::settle);
    assert_eq!(done.0.load(Ordering::SeqCst), count);
    let (promoted, series, limits) = (Promoted::default(), SeriesIndex::new(100), Limits::default());
    let context = DecodeContext { promoted: &promoted, limits: &limits, series: &series, received: 1, trace_ids: None };
    let body = request.encode_to_vec();
    let decoded = decode(Signal::Logs, &Tenant::default(), &body, &context).expect("it is an OTLP request");
    assert!(decoded.rejected as usize <= entries);
});
