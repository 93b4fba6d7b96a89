use super::*;

#[test]
fn lines_are_read_as_they_come() {
    let folder = Folder::new();
    let mut reader = Reader::new(folder.path(), "", None);
    assert!(reader.lines().is_empty());
    folder.append("a.log", "one\ntwo\nthr");
    assert_eq!(reader.lines(), ["one", "two"]);
    assert!(reader.lines().is_empty());
    folder.append("a.log", "ee\n\n  \nfour \r\n");
    assert_eq!(reader.lines(), ["three", "four"]);
    folder.append("b.log", "five\n");
    assert_eq!(reader.lines(), ["five"]);
    assert!(reader.lines().is_empty());
}

#[test]
fn what_is_there_at_the_start_is_left_out_but_not_what_comes_later() {
    let folder = Folder::new();
    folder.append("old.log", "old\nunfinished");
    let mut reader = Reader::new(folder.path(), "start_at: end", None);
    assert!(reader.lines().is_empty());
    folder.append("old.log", " new\nmore\n");
    folder.append("new.log", "first\n");
    assert_eq!(reader.lines(), ["new", "more", "first"]);
}

#[test]
fn a_line_without_an_end_goes_on_after_a_while() {
    let folder = Folder::new();
    let mut reader = Reader::new(folder.path(), "force_flush_period: 500ms", None);
    folder.append("a.log", "begin");
    assert!(reader.lines().is_empty());
    reader.later(400);
    folder.append("a.log", " and go on");
    assert!(reader.lines().is_empty());
    reader.later(499);
    assert!(reader.lines().is_empty());
    reader.later(1);
    assert_eq!(reader.lines(), ["begin and go on"]);
    reader.later(1000);
    assert!(reader.lines().is_empty());
    folder.append("a.log", "rest\n");
    assert_eq!(reader.lines(), ["rest"]);

    let mut never = Reader::new(folder.path(), "force_flush_period: 0s", None);
    folder.append("a.log", "open");
    assert_eq!(never.lines(), ["begin and go onrest"]);
    never.later(1_000_000);
    assert!(never.lines().is_empty());
}

#[test]
fn long_lines_are_cut() {
    let folder = Folder::new();
    let mut reader = Reader::new(folder.path(), "max_log_size: 10", None);
    folder.append("a.log", "0123456789abcdefghij\nshort\n0123456789x\n");
    assert_eq!(reader.lines(), ["0123456789", "abcdefghij", "short", "0123456789", "x"]);
    // A file that is one line.
    folder.append("b.log", "y".repeat(300_000));
    let lines = reader.lines();
    assert!(lines.iter().all(|line| line == "yyyyyyyyyy"));
    assert_eq!(lines.len(), 29_999);
    reader.later(500);
    assert_eq!(reader.lines(), ["yyyyyyyyyy"]);
}

#[test]
fn what_is_no_text_is_read_all_the_same() {
    let folder = Folder::new();
    let mut reader = Reader::new(folder.path(), "", None);
    folder.append("a.log", b"a\xff\xfeb\nc\0d\n");
    assert_eq!(reader.lines(), ["a\u{fffd}\u{fffd}b", "c\0d"]);
    let mut reader = Reader::new(folder.path(), "encoding: nop\nmax_log_size: 4", None);
    assert_eq!(reader.lines(), ["[97, 255, 254, 98]", "[10, 99, 0, 100]"]);
    let mut reader = Reader::new(folder.path(), "encoding: utf8-raw", None);
    assert_eq!(reader.lines()[0], "[97, 255, 254, 98]");
    let wide: Vec<u8> = "größe 😀\r\nzwei\n".encode_utf16().flat_map(u16::to_be_bytes).collect();
    let other = Folder::new();
    other.append("w.log", wide);
    let mut reader = Reader::new(other.path(), "encoding: utf-16be", None);
    assert_eq!(reader.lines(), ["größe 😀", "zwei"]);
}

#[test]
fn space_is_kept_where_it_is_wanted() {
    let cases = [
        ("", "a b"),
        ("preserve_leading_whitespaces: true", "\t a b"),
        ("preserve_trailing_whitespaces: true", "a b  "),
        ("preserve_leading_whitespaces: true\npreserve_trailing_whitespaces: true", "\t a b  "),
    ];
    let folder = Folder::new();
    folder.append("a.log", "\t a b  \r\n");
    for (options, expected) in cases {
        assert_eq!(Reader::new(folder.path(), options, None).lines(), [expected], "{options}");
    }
}

#[test]
fn entries_can_have_several_lines() {
    let folder = Folder::new();
    folder.append("a.log", "before\n2024 one\n  at x\n  at y\n2024 two\n");
    let mut reader = Reader::new(folder.path(), "multiline: {line_start_pattern: '^\\d{4} '}", None);
    assert_eq!(reader.lines(), ["before", "2024 one\n  at x\n  at y"]);
    folder.append("a.log", "  at z\n2024 three\n");
    assert_eq!(reader.lines(), ["2024 two\n  at z"]);
    reader.later(500);
    assert_eq!(reader.lines(), ["2024 three"]);

    let folder = Folder::new();
    folder.append("a.log", "a\nb;\nc;\nd");
    let mut reader = Reader::new(folder.path(), "multiline: {line_end_pattern: ';\\n', omit_pattern: true}", None);
    assert_eq!(reader.lines(), ["a\nb", "c"]);
    folder.append("a.log", ";\n");
    assert!(reader.lines().is_empty());
    reader.later(500);
    assert_eq!(reader.lines(), ["d"]);
}

#[test]
fn entries_say_where_they_are_from() {
    let folder = Folder::new();
    folder.append("real.txt", "a\n\nb\n");
    std::os::unix::fs::symlink(folder.of("real.txt"), folder.of("link.log")).unwrap();
    let options = "
include_file_path: true
include_file_name_resolved: true
include_file_path_resolved: true
include_file_owner_name: true
include_file_owner_group_name: true
include_file_record_number: true
include_file_record_offset: true
attributes: {kind: 'EXPR(attributes[\"log.file.name\"])!', fixed: x}
resource: {service.name: shop}
";
    let entries = Reader::new(folder.path(), options, None).entries();
    let attributes = |entry: &Entry| entry.attributes.as_map().unwrap().clone();
    let second = attributes(&entries[1]);
    let resolved = fs::canonicalize(folder.of("real.txt")).unwrap();
    let expected = [
        ("log.file.name", "link.log".to_owned()),
        ("log.file.path", folder.of("link.log").display().to_string()),
        ("log.file.name_resolved", "real.txt".to_owned()),
        ("log.file.path_resolved", resolved.display().to_string()),
        ("log.file.record_number", "2".to_owned()),
        ("log.file.record_offset", "3".to_owned()),
        ("kind", "link.log!".to_owned()),
        ("fixed", "x".to_owned()),
    ];
    for (key, value) in expected {
        assert_eq!(second.get(key).map(ToString::to_string), Some(value), "{key}");
    }
    assert!(second.contains_key("log.file.owner.name") && second.contains_key("log.file.owner.group.name"));
    assert_eq!(entries[1].resource.to_string(), r#"{"service.name":"shop"}"#);
    assert!(entries[0].observed > 1_600_000_000_000_000_000);

    let bare = Reader::new(folder.path(), "include_file_name: false", None).entries();
    assert_eq!(bare[0].attributes.to_string(), "{}");
}

#[test]
fn files_are_chosen_by_patterns_and_age() {
    let folder = Folder::new();
    fs::create_dir_all(folder.of("x/y")).unwrap();
    for name in ["a.txt", "x/b.txt", "x/y/c.txt", "x/y/d.old", "x/skip.txt"] {
        folder.append(name, format!("{name}\n"));
    }
    let dir = folder.path().display();
    let yaml = format!("include: ['{dir}/**/*.{{txt,old}}']\nexclude: ['{dir}/**/skip*']\nstart_at: beginning");
    assert_eq!(Reader::with(&yaml, None).lines(), ["a.txt", "x/b.txt", "x/y/c.txt", "x/y/d.old"]);
    let long_ago = std::time::SystemTime::now() - Duration::from_secs(7200);
    fs::File::options().write(true).open(folder.of("a.txt")).unwrap().set_modified(long_ago).unwrap();
    let yaml = format!("{yaml}\nexclude_older_than: 1h");
    assert_eq!(Reader::with(&yaml, None).lines(), ["x/b.txt", "x/y/c.txt", "x/y/d.old"]);
}

#[test]
fn files_that_cannot_be_read_do_no_harm() {
    let folder = Folder::new();
    std::os::unix::fs::symlink(folder.of("nowhere"), folder.of("broken.log")).unwrap();
    fs::create_dir(folder.of("folder.log")).unwrap();
    folder.append("empty.log", "");
    folder.append("fine.log", "x\n");
    assert_eq!(Reader::new(folder.path(), "", None).lines(), ["x"]);
}

#[test]
fn more_files_than_may_be_open_are_read() {
    let folder = Folder::new();
    let mut reader = Reader::new(folder.path(), "max_concurrent_files: 2", None);
    let names: Vec<String> = (0..9).map(|number| format!("{number}.log")).collect();
    for round in ["one", "two"] {
        names.iter().for_each(|name| folder.append(name, format!("{name} {round}\n")));
        let mut lines = reader.lines();
        lines.sort();
        assert_eq!(lines, names.iter().map(|name| format!("{name} {round}")).collect::<Vec<_>>());
    }
}

#[test]
fn files_are_deleted_once_they_are_taken() {
    let folder = Folder::new();
    folder.append("a.log", "one\nlast");
    let mut reader = Reader::new(folder.path(), "delete_after_read: true", None);
    let pending = reader.pending();
    assert_eq!(pending.iter().map(text).collect::<Vec<_>>(), ["one", "last"]);
    reader.pending();
    assert!(folder.of("a.log").exists());
    pending.into_iter().for_each(Entry::settle);
    reader.pending();
    assert!(!folder.of("a.log").exists());
    folder.append("a.log", "one\nagain\n");
    assert_eq!(reader.lines(), ["one", "again"]);
}

#[test]
fn operators_see_every_line() {
    let folder = Folder::new();
    let options = "
operators:
  - {type: json_parser, on_error: drop}
  - {type: filter, expr: 'attributes.level == \"debug\"'}
  - {type: move, from: attributes.msg, to: body}
";
    let mut reader = Reader::new(folder.path(), options, None);
    folder.append("a.log", "{\"level\":\"info\",\"msg\":\"kept\"}\nnot json\n{\"level\":\"debug\",\"msg\":\"gone\"}\n");
    assert_eq!(reader.lines(), ["kept"]);
    assert!(reader.checkpoints.all().iter().all(|progress| progress.is_clear()));
}

#[test]
fn parts_of_containers_lines_are_joined_over_polls() {
    let folder = Folder::new();
    fs::create_dir_all(folder.of("pods/ns_pod_ab/web")).unwrap();
    let name = "pods/ns_pod_ab/web/0.log";
    let dir = folder.path().display();
    let yaml = format!(
        "include: ['{dir}/pods/*/*/*.log']\nstart_at: beginning\ninclude_file_path: true\noperators: [{{type: container}}]"
    );
    let mut reader = Reader::with(&yaml, None);
    folder.append(name, "2024-01-01T00:00:00Z stdout P one-\n2024-01-01T00:00:00Z stdout P two-\n");
    assert!(reader.lines().is_empty());
    assert!(!reader.checkpoints.all()[0].is_clear());
    folder.append(name, "2024-01-01T00:00:01Z stdout F three\n");
    let entries = reader.entries();
    assert_eq!(entries.iter().map(text).collect::<Vec<_>>(), ["one-two-three"]);
    assert!(entries[0].resource.to_string().contains("\"k8s.pod.name\":\"pod\""), "{}", entries[0].resource);
    assert!(reader.checkpoints.all()[0].is_clear());
}
