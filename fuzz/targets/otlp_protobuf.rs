//! Any bytes as a request of any signal: no panic, and what was accepted can be turned back into OTLP.
//!
//! The first byte chooses the signal.

#![no_main]

use libfuzzer_sys::fuzz_target;
use trefoil_model::decode::{DecodeContext, decode};
use trefoil_model::series::SeriesIndex;
use trefoil_model::{Limits, Promoted, Signal, Table, Tenant, encode};

fuzz_target!(|data: &[u8]| {
    let Some((choice, body)) = data.split_first() else { return };
    let signal = Signal::ALL[usize::from(*choice) % 3];
    // Small limits, so that small inputs reach them.
    let limits = Limits {
        max_request_bytes: 1 << 20,
        max_item_bytes: 2000,
        max_attributes: 8,
        max_attribute_key_bytes: 16,
        max_attribute_value_bytes: 64,
        max_nesting: 3,
        max_events: 3,
        max_links: 3,
    };
    let (promoted, series) = (Promoted::default(), SeriesIndex::new(100));
    let context = DecodeContext { promoted: &promoted, limits: &limits, series: &series, received: 1, trace_ids: None };
    let Ok(decoded) = decode(signal, &Tenant::default(), body, &context) else { return };
    for (table, batch) in decoded.batches {
        match table {
            Table::Spans => drop(encode::traces(&[batch]).expect("what was decoded can be encoded")),
            Table::Logs => drop(encode::logs(&[batch]).expect("what was decoded can be encoded")),
            Table::Samples | Table::Series | Table::Exemplars => {}
        }
    }
});
