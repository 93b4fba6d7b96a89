//! Templates: what is one can be executed within its limits, and what is none of it comes out as it is.
#![no_main]

use libfuzzer_sys::fuzz_target;
use trefoil_template::{Labels, Limits, Template, functions};

fuzz_target!(|text: &str| {
    let Ok(template) = Template::parse("fuzz", text, functions::loki()) else {
        assert!(text.contains("{{") || text.len() > 1 << 20, "{text:?} has no action");
        return;
    };
    let limits = Limits { steps: 20_000, output: 1 << 16, depth: 10 };
    let template = template.with_limits(limits);
    let labels = Labels(vec![("a", "some text"), ("b", "12.5"), ("j", r#"{"x":[1,"y",null]}"#), ("t", text)]);
    let _ = template.fields();
    let mut output = String::new();
    match template.execute((&labels).into(), 1_700_000_000_123_456_789, &mut output) {
        Ok(()) => assert!(output.len() <= limits.output),
        Err(error) => assert!(output.is_empty() && !error.to_string().is_empty()),
    }
    if !text.contains("{{") && text.len() <= limits.output {
        assert_eq!(output, text);
    }
});
