//! Zipkin's own test data: all of it is read, and comes back as it was, but for a tag that repeats what `error` says.

use std::path::PathBuf;

use super::*;
use crate::{from_otlp, json};

/// `None` where there is no such data and the test has to be skipped; with `CI` set that is a failure.
fn directory() -> Option<PathBuf> {
    let default = || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/conformance"));
    let directory = std::env::var_os("TREFOIL_CONFORMANCE").map_or_else(default, PathBuf::from).join("zipkin");
    if directory.is_dir() {
        return Some(directory);
    }
    assert!(std::env::var_os("CI").is_none(), "conformance data is missing: {}", directory.display());
    eprintln!("skipped: no conformance data at {} (set TREFOIL_CONFORMANCE)", directory.display());
    None
}

fn sorted(mut spans: Vec<Span<'_>>) -> Vec<String> {
    for span in &mut spans {
        span.annotations.sort_by(|a, b| (a.timestamp, &a.value).cmp(&(b.timestamp, &b.value)));
    }
    let mut lines: Vec<String> = spans.iter().map(|span| serde_json::to_string(span).unwrap()).collect();
    lines.sort();
    lines
}

#[test]
fn zipkins_own_traces_come_back() {
    let Some(directory) = directory() else { return };
    let mut files = 0;
    for folder in ["zipkin-lens/testdata", "benchmarks/src/test/resources"] {
        for file in std::fs::read_dir(directory.join(folder)).unwrap() {
            let path = file.unwrap().path();
            let mut body = std::fs::read(&path).unwrap();
            if body.trim_ascii_start().starts_with(b"{") {
                // One span of its own.
                body = [&b"["[..], &body, &b"]"[..]].concat();
            }
            let mut before = Vec::new();
            json::read(&body, |span| before.push(owned(span.unwrap()))).unwrap();
            assert!(!before.is_empty(), "{}", path.display());
            let mut after = from_otlp(&request(&translated(Format::JsonV2, &body)), "").spans;
            after.iter_mut().for_each(|span| drop(span.tags.remove("otel.status_code")));
            // No description is written in one way.
            for span in before.iter_mut().filter(|span: &&mut Span| span.tags.get("error") == Some("")) {
                span.tags.insert("error", "true");
            }
            assert_eq!(before.len(), after.len());
            for (before, after) in sorted(before).iter().zip(sorted(after)) {
                assert_eq!(*before, after, "{}", path.display());
            }
            files += 1;
        }
    }
    assert!(files >= 11, "only {files} files");
}
