//! Any bytes as a remote-write request of either version: no panic, never more than the limit, and what it becomes is an
//! OTLP request of which every point can be stored. By the way into the store, once with unknown and once with known series,
//! it becomes samples and such a request.
//!
//! The first byte chooses the version.

#![no_main]

use libfuzzer_sys::fuzz_target;
use trefoil_model::decode::{DecodeContext, decode, decode_samples};
use trefoil_model::series::SeriesIndex;
use trefoil_model::{Limits, Promoted, Signal, Tenant};
use trefoil_pipeline::receivers::prometheusremotewrite::{try_translate, try_translate_for_store};

const LIMIT: usize = 1 << 20;

fuzz_target!(|data: &[u8]| {
    let Some((choice, body)) = data.split_first() else { return };
    let Some(request) = try_translate(choice % 2 == 1, body, LIMIT) else { return };
    assert!(request.len() <= LIMIT + 32);
    let (promoted, series, limits) = (Promoted::default(), SeriesIndex::new(100), Limits::default());
    let context = DecodeContext { promoted: &promoted, limits: &limits, series: &series, received: 1, trace_ids: None };
    let decoded = decode(Signal::Metrics, &Tenant::default(), &request, &context).expect("it is an OTLP request");
    assert_eq!(decoded.rejected, 0, "{:?}", decoded.reasons);

    let tenant = Tenant::default();
    let active = series.active().of(&tenant);
    for _ in 0..2 {
        let (rest, samples) = try_translate_for_store(choice % 2 == 1, body, LIMIT, &active).expect("it was readable");
        assert!(rest.len() <= LIMIT + 32);
        let decoded = decode_samples(&tenant, &samples, &rest, &context).expect("it is an OTLP request");
        assert_eq!(decoded.rejected, 0, "{:?}", decoded.reasons);
        series.remember(&tenant, &decoded.new_series);
        active.forget_order();
    }
});
