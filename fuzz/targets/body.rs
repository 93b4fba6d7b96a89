//! Any bytes as a compressed HTTP body and as a gRPC message: no panic, never more than the limit, and no memory beyond it
//! (the runner bounds the process). The first byte chooses the encoding, the second the limit.

#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use trefoil_pipeline::net::compression::{Encoding, compress, decompress};
use trefoil_pipeline::net::grpc;

fuzz_target!(|data: &[u8]| {
    let [choice, limit, body @ ..] = data else { return };
    let encoding = Encoding::ALL[usize::from(*choice) % Encoding::ALL.len()];
    let limit = 1usize << (limit % 24);
    let body = Bytes::copy_from_slice(body);
    if let Ok(message) = grpc::unframe(body.clone(), encoding, limit) {
        assert!(message.len() <= limit);
    }
    let Ok(plain) = decompress(encoding, body, limit) else { return };
    assert!(plain.len() <= limit);
    let compressed = compress(encoding, plain.clone(), None).expect("memory does not fail");
    assert_eq!(decompress(encoding, compressed, limit), Ok(plain));
});
