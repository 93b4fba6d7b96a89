//! Any text as a configuration file: no panic, bounded memory; what is accepted has pipelines, and every error and warning
//! names a place inside the text.

#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use trefoil_pipeline::component::Registry;
use trefoil_pipeline::config::{ConfigError, Document, Problem, check};
use trefoil_storage::StorageConfig;

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
    // YAML's lines may end in a carriage return alone.
    let lines = 1 + text.matches(['\n', '\r']).count() as u32;
    let in_text = |problem: &Problem| assert!((1..=lines).contains(&problem.at.line), "{problem}");
    let refused = |error: &ConfigError| {
        assert!(!error.problems().is_empty());
        error.problems().iter().for_each(in_text);
    };
    let document = match Document::parse("fuzz.yaml", text, &environment) {
        Ok(document) => document,
        Err(error) => return refused(&error),
    };
    document.warnings().iter().for_each(in_text);
    match check(&document, &REGISTRY, &["storage"]) {
        Ok(configuration) => {
            assert!(!configuration.pipelines.is_empty());
            configuration.warnings.iter().for_each(in_text);
        }
        Err(error) => refused(&error),
    }
    match document.section::<StorageConfig>("storage") {
        Ok(Some(storage)) => drop(storage.validate()),
        Ok(None) => {}
        Err(error) => refused(&error),
    }
});
