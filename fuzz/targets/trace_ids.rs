//! Any text as a line of a log, and its first line as a pattern: no panic, and an id that is found stands in the text.

#![no_main]

use libfuzzer_sys::fuzz_target;
use trefoil_model::trace_ids::{Found, Rules, SPAN_KEYS, TRACE_KEYS, TraceIds, in_labelled_attribute};

fn hex(id: &[u8]) -> String {
    id.iter().map(|byte| format!("{byte:02x}")).collect()
}

fuzz_target!(|data: &[u8]| {
    let text = String::from_utf8_lossy(data);
    let (pattern, line) = text.split_once('\n').unwrap_or((r"\|(\w+)\|", &text));
    let (keys, span_keys) = (TRACE_KEYS.map(str::to_owned), SPAN_KEYS.map(str::to_owned));
    let patterns = [pattern.to_owned()];
    let span = Rules { keys: &span_keys, patterns: &patterns };
    let Ok(rules) = TraceIds::new(Rules { keys: &keys, patterns: &patterns }, span) else { return };

    let found = rules.in_text(line.as_bytes());
    let small = line.to_ascii_lowercase();
    if let Some(trace) = found.trace {
        // One of 64 bits has zeros in front that the text has not.
        assert_ne!(trace, [0; 16]);
        assert!(small.contains(&hex(&trace)) || (trace[..8] == [0; 8] && small.contains(&hex(&trace[8..]))));
    }
    if let Some(span) = found.span {
        assert!(span != [0; 8] && small.contains(&hex(&span)));
    }
    let mut of_attribute = Found::default();
    rules.in_attribute(pattern.as_bytes(), line.as_bytes(), &mut of_attribute);
    in_labelled_attribute(pattern.as_bytes(), line.as_bytes(), &mut of_attribute);
});
