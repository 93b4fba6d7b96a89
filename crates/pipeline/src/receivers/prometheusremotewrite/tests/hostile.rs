//! Any bytes at all.

use super::*;
use proptest::prelude::*;

/// Fields of numbers and types that mean something, nested, with any content.
fn fields() -> impl Strategy<Value = Vec<u8>> {
    let small = prop_oneof![Just(0i64), 0..6i64, Just(NOW_MS), any::<i64>()];
    let leaf = prop_oneof![
        (1..18u32, small).prop_map(|(field, value)| varint(field, value)),
        (1..18u32, any::<f64>()).prop_map(|(field, value)| double(field, value)),
        (1..6u32, prop_oneof!["__name__", "[ab]{0,2}"]).prop_map(|(field, text)| bytes(field, text)),
        (1..18u32, proptest::collection::vec(any::<u8>(), 0..8)).prop_map(|(field, content)| bytes(field, content)),
        proptest::collection::vec(0..5u64, 0..6).prop_map(|references| refs(&references)),
        Just(labels("__name__=m a=b")),
        Just(sample(1.0, NOW_MS)),
    ];
    leaf.prop_recursive(4, 64, 8, |inner| {
        (1..18u32, proptest::collection::vec(inner, 0..8)).prop_map(|(field, parts)| bytes(field, parts.concat()))
    })
}

fn check(version: Version, body: &[u8]) {
    let Ok(translated) = attempt(version, body) else { return };
    assert!(translated.body.len() <= (1 << 20) + 32);
    // It is a request, and has as many points as it says.
    let written = translated.report.written;
    assert!(metrics(&translated).is_empty() == (translated.points == 0));
    assert!(written.samples + written.histograms <= translated.points);
}

proptest! {
    #[test]
    fn noise_does_no_harm(body in proptest::collection::vec(any::<u8>(), 0..300)) {
        check(Version::V1, &body);
        check(Version::V2, &body);
    }

    #[test]
    fn what_looks_like_a_request_does_no_harm(parts in proptest::collection::vec(fields(), 0..12)) {
        let body = [symbols(&["", "__name__", "m", "a", "b"]), parts.concat()].concat();
        check(Version::V1, &body);
        check(Version::V2, &body);
    }
}
