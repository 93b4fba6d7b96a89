//! Any bytes as a remote-read request: it is a request or an error, and nothing is unpacked beyond its limit.
//!
//! The first byte says whether they are compressed.

#![no_main]

use libfuzzer_sys::fuzz_target;
use trefoil_api::prometheus::try_request;

fuzz_target!(|data: &[u8]| {
    let Some((choice, body)) = data.split_first() else { return };
    try_request(choice % 2 == 1, body);
});
