//! LogQL: what is a query is written as the same query, on one line and on several.
#![no_main]

use libfuzzer_sys::fuzz_target;
use trefoil_logql::print::pretty;
use trefoil_logql::{parse, parse_selector};

fuzz_target!(|text: &str| {
    let _ = parse_selector(text);
    let Ok(query) = parse(text) else { return };
    let written = query.to_string();
    // Lengths of time with a point lose what is shorter than a nanosecond, and what is no number equals nothing.
    assert_eq!(parse(&written).map(|query| query.to_string()).as_ref(), Ok(&written), "{text:?}");
    let split = pretty(&query);
    assert_eq!(parse(&split).map(|query| query.to_string()).as_ref(), Ok(&written), "{text:?} is split into {split:?}");
});
