//! Prometheus' own test data: what it takes is taken, what it refuses is refused.

use std::path::{Path, PathBuf};

use super::*;

/// Bodies that Prometheus' common library refuses and Prometheus itself takes, as we do.
const TAKEN: &[(&str, &str)] = &[
    ("from_test_parse_error_0", "the last line needs no newline"),
    ("from_test_parse_error_1", "an unknown escape stands for itself"),
    ("from_test_parse_error_12", "a second HELP replaces the first"),
    ("from_test_parse_error_13", "a second TYPE replaces the first"),
    ("from_test_parse_error_14", "TYPE may come late"),
    ("from_test_parse_error_19", "a bound is a label like others"),
    ("from_test_parse_error_7", "a quantile is a label like others"),
];

/// As in `trefoil_model`, whose own is only for its tests.
fn directory(path: &str) -> Option<PathBuf> {
    let default = || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/conformance"));
    let directory = std::env::var_os("TREFOIL_CONFORMANCE").map_or_else(default, PathBuf::from).join(path);
    if directory.is_dir() {
        return Some(directory);
    }
    assert!(std::env::var_os("CI").is_none(), "conformance data is missing: {}", directory.display());
    eprintln!("skipped: no conformance data at {} (set TREFOIL_CONFORMANCE)", directory.display());
    None
}

fn read(path: &Path) -> Vec<u8> {
    std::fs::read(path).unwrap()
}

#[test]
fn the_corpus_of_the_common_library_is_taken_or_refused() {
    let Some(directory) = directory("common/expfmt/fuzz/corpus") else { return };
    let mut count = 0;
    for file in std::fs::read_dir(directory).unwrap() {
        let path = file.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        let is_good = !name.contains("error") || TAKEN.iter().any(|(taken, _)| *taken == name);
        let seen = seen(Format::Text, &read(&path), Options::default());
        assert_eq!(seen.is_ok(), is_good, "{name}: {seen:?}");
        count += 1;
    }
    assert_eq!(count, 26);
}

#[test]
fn bodies_of_real_targets_are_taken() {
    let Some(directory) = directory("") else { return };
    for (file, format) in [
        ("common/expfmt/testdata/text", Format::Text),
        ("common/expfmt/testdata/protobuf", Format::Protobuf),
        ("common/expfmt/testdata/protobuf-multimessage", Format::Protobuf),
        ("prometheus/model/textparse/testdata/alltypes.237mfs.prom.txt", Format::Text),
        ("prometheus/model/textparse/testdata/alltypes.237mfs.nometa.prom.txt", Format::Text),
        ("prometheus/model/textparse/testdata/alltypes.5mfs.om.txt", Format::OpenMetrics),
        ("prometheus/model/textparse/testdata/1histogram.om.txt", Format::OpenMetrics),
    ] {
        let body = read(&directory.join(file));
        let lines = seen(format, &body, Options::default()).unwrap_or_else(|error| panic!("{file}: {error}"));
        let found = lines.iter().filter(|line| line.contains('{')).count();
        let expected = match file {
            "common/expfmt/testdata/protobuf" => 248,
            "common/expfmt/testdata/protobuf-multimessage" => 6,
            // Every line that is no comment is a series.
            _ => body.split(|byte| *byte == b'\n').filter(|line| !line.is_empty() && line[0] != b'#').count(),
        };
        assert_eq!(found, expected, "{file}");
        for options in [
            Options { convert_classic: true, ..Options::default() },
            Options { created: Created::AsStart, keep_classic: true, ..Options::default() },
        ] {
            assert!(seen(format, &body, options).is_ok(), "{file} with {options:?}");
        }
    }
}
