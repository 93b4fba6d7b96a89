//! Any bytes as a file of traces: no panic, every batch is a request that can be decoded and holds as many spans as it says, also split,
//! and how the bytes come makes no difference.
//!
//! The first byte says what the file is said to be, and how many bytes come at once.

#![no_main]

use std::io::{self, Read};

use libfuzzer_sys::fuzz_target;
use prost::Message;
use trefoil_interchange::{Batches, Form, Part, decompressed, spans_of, split};
use trefoil_model::decode::{DecodeContext, decode};
use trefoil_model::series::SeriesIndex;
use trefoil_model::{Limits, Promoted, Signal, Tenant};

struct Trickle<'a>(&'a [u8], usize);

impl Read for Trickle<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.1.min(buffer.len()).min(self.0.len());
        let (now, rest) = self.0.split_at(count);
        buffer[..count].copy_from_slice(now);
        self.0 = rest;
        Ok(count)
    }
}

/// The parts, and whether the file ended in an error.
fn read(input: impl Read, form: Option<Form>) -> (Vec<Part>, bool) {
    let (mut batches, mut parts) = (Batches::new(input, form, 1), Vec::new());
    loop {
        match batches.next_part() {
            Ok(Some(part)) => parts.push(part),
            Ok(None) => return (parts, false),
            Err(_) => return (parts, true),
        }
    }
}

fuzz_target!(|data: &[u8]| {
    let Some((choice, bytes)) = data.split_first() else { return };
    let form = [None, Some(Form::Otlp), Some(Form::Jaeger), Some(Form::Zipkin)][usize::from(choice % 4)];
    let step = usize::from(choice / 4) + 1;
    if let Ok(input) = decompressed(bytes) {
        // What unpacks to very much is another matter.
        read(input.take(1 << 20), form);
    }
    let (parts, failed) = read(bytes, form);
    assert!(!failed, "bytes in memory are no file that cannot be read");
    // As text: no NaN is equal to another.
    assert_eq!(format!("{:?}", read(Trickle(bytes, step), form)), format!("{:?}", (&parts, false)));

    let (promoted, series, limits) = (Promoted::default(), SeriesIndex::new(100), Limits::default());
    let context = DecodeContext { promoted: &promoted, limits: &limits, series: &series, received: 1, trace_ids: None };
    for part in parts {
        let Part::Batch(batch) = part else { continue };
        assert_eq!(spans_of(&batch.request), batch.spans);
        let decoded = decode(Signal::Traces, &Tenant::default(), &batch.request.encode_to_vec(), &context);
        decoded.expect("it is an OTLP request");
        let pieces = split(batch.request, 100);
        assert_eq!(pieces.iter().map(spans_of).sum::<u64>(), batch.spans);
    }
});
