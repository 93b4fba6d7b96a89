use flate2::Compression;
use flate2::write::GzEncoder;

use super::*;

pub fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn compressed_files_are_read_once() {
    let folder = Folder::new();
    let kept = Arc::new(Kept::default());
    let mut reader = Reader::new(folder.path(), "compression: gzip", Some(&kept));
    folder.append("a.log.gz", gzip("one\ntwo\nopen"));
    assert_eq!(reader.lines(), ["one", "two"]);
    assert!(reader.lines().is_empty());
    reader.later(500);
    assert_eq!(reader.lines(), ["open"]);
    // Another member is appended.
    folder.append("a.log.gz", gzip("three\n"));
    assert_eq!(reader.lines(), ["three"]);
    let mut again = Reader::new(folder.path(), "compression: gzip", Some(&kept));
    assert!(again.lines().is_empty());
    again.later(10_000);
    assert!(again.lines().is_empty());
}

#[test]
fn a_compressed_file_that_is_being_written_is_read_as_far_as_it_goes() {
    let folder = Folder::new();
    let mut reader = Reader::new(folder.path(), "compression: auto\nforce_flush_period: 0s", None);
    let lines: Vec<String> =
        (0..20_000u32).map(|number| format!("line {}", number.wrapping_mul(2_654_435_761))).collect();
    let whole = gzip(&format!("{}\n", lines.join("\n")));
    let (first, second) = whole.split_at(whole.len() / 2);
    folder.append("a.log.gz", first);
    let mut read = reader.lines();
    assert!(!read.is_empty() && read.len() < lines.len(), "{}", read.len());
    folder.append("a.log.gz", second);
    read.extend(reader.lines());
    assert_eq!(read, lines);
}

#[test]
fn what_was_read_before_it_was_compressed_is_not_read_again() {
    let folder = Folder::new();
    let mut reader = Reader::new(folder.path(), "compression: auto", None);
    let text = format!("one {}\n", "-".repeat(1200));
    folder.append("app.log", &text);
    assert_eq!(reader.lines().len(), 1);
    folder.append("app.log", "two\n");
    folder.append("app.log.1.gz", gzip(&format!("{text}two\nthree\n")));
    folder.remove("app.log");
    // The rest of the file that is gone, and of what it became, but nothing twice.
    assert_eq!(reader.lines(), ["two", "three"]);
    reader.later(1000);
    assert!(reader.lines().is_empty());
}

#[test]
fn what_is_no_gzip_does_no_harm() {
    let folder = Folder::new();
    let mut reader = Reader::new(folder.path(), "compression: gzip", None);
    folder.append("a.log", "no gzip at all\n");
    folder.append("b.log", gzip("fine\n"));
    let mut broken = gzip(&"broken\n".repeat(10_000));
    let middle = broken.len() / 2;
    broken[middle..].fill(0x55);
    folder.append("c.log", broken);
    let lines = reader.lines();
    assert!(lines.contains(&"fine".to_owned()), "{lines:?}");
    reader.later(1000);
    assert!(!reader.lines().contains(&"fine".to_owned()));
}
