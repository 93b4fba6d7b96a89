//! Any bytes as lines that were taken away: no panic, and what is one is the same after it was written in its form.

#![no_main]

use libfuzzer_sys::fuzz_target;
use trefoil_loki::{LineForm, TakenLine};

fuzz_target!(|data: &[u8]| {
    for text in data.split(|byte| *byte == b'\n') {
        let Ok(line) = serde_json::from_slice::<TakenLine>(text) else { continue };
        let written = |form: LineForm| {
            let mut out = String::new();
            form.write(&line, &mut out);
            out
        };
        let json = written(LineForm::Jsonl);
        assert_eq!(json.lines().count(), 1, "{json}");
        assert_eq!(serde_json::from_str::<TakenLine>(&json).expect("what is written can be read"), line);
        assert_eq!(written(LineForm::Raw), format!("{}\n", line.line));
        assert!(written(LineForm::Text).ends_with(&format!(" {}\n", line.line)));
        assert_eq!(written(LineForm::Csv).matches('"').count() % 2, 0, "{line:?}");
    }
});
