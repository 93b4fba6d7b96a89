//! Any text as a configuration file: no panic, bounded memory; what is accepted is accepted again, and every error and
//! warning names a place inside the text.
//!
//! `cargo +nightly fuzz run configuration` in `crates/pipeline`.

#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use trefoil_pipeline::component::Registry;
use trefoil_pipeline::config::{Document, check};

static REGISTRY: LazyLock<Registry> = LazyLock::new(Registry::builtin);

/// Variables that refer to one another, so that expansion has something to do.
fn environment(name: &str) -> Option<String> {
    match name {
        "A" => Some("${env:B}".to_owned()),
        "B" => Some("[1, {a: 2}]".to_owned()),
        "C" => Some("${env:C}${env:C}".to_owned()),
        "D" => Some("5s".to_owned()),
        _ => None,
    }
}

fuzz_target!(|text: &str| {
    let lines = u32::try_from(text.lines().count()).unwrap_or(u32::MAX).saturating_add(1);
    let parsed = Document::parse("fuzz.yaml", text, &environment);
    let checked = match &parsed {
        Ok(document) => check(document, &REGISTRY, &["storage"]),
        Err(error) => Err(error.clone()),
    };
    match checked {
        Ok(configuration) => assert!(!configuration.pipelines.is_empty()),
        Err(error) => {
            assert!(!error.problems().is_empty());
            for problem in error.problems() {
                assert!((1..=lines).contains(&problem.at.line), "{problem}");
            }
        }
    }
});
