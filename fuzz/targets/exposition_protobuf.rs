//! Any bytes as the protobuf format: no panic, and what is read can be written and is read again as the same.
//!
//! The first byte chooses the options.

#![no_main]

use libfuzzer_sys::fuzz_target;
use trefoil_fuzz::exposition;
use trefoil_prometheus::exposition::Format;

fuzz_target!(|data: &[u8]| exposition::read(Format::Protobuf, data));
