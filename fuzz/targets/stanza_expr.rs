//! Any text as a condition or a template of log operators: no panic, and what is one gives the same of an entry each time.

#![no_main]

use libfuzzer_sys::fuzz_target;
use trefoil_pipeline::stanza::expr::{Condition, Program, Template};
use trefoil_pipeline::stanza::{Entry, Value};

const BODY: &str = r#"{"msg": "GET /a 200", "n": 5, "f": 2.5, "flag": true, "list": [1, "two", null], "in": {"a.b": "deep"}}"#;

fuzz_target!(|text: &str| {
    let entries = [Entry::new(serde_json::from_str(BODY).expect("it is JSON"), 1), Entry::new(Value::from(text), 1)];
    if let Ok(program) = Program::parse(text) {
        for entry in &entries {
            let first = program.evaluate(entry).map(|value| value.to_string());
            assert_eq!(first, program.evaluate(entry).map(|value| value.to_string()));
        }
    }
    if let Ok(condition) = Condition::parse(text) {
        entries.iter().for_each(|entry| drop(condition.0.holds(entry)));
    }
    if let Ok(template) = Template::parse(text) {
        entries.iter().for_each(|entry| drop(template.text(entry)));
    }
});
