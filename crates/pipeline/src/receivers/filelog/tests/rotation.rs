use super::*;

fn long(text: &str) -> String {
    format!("{text} {}\n", "-".repeat(1200))
}

fn heads(lines: Vec<String>) -> Vec<String> {
    lines.into_iter().map(|line| line.split(" -").next().unwrap().to_owned()).collect()
}

#[test]
fn renamed_files_are_the_same() {
    let folder = Folder::new();
    let mut reader = Reader::new(folder.path(), "", None);
    folder.append("app.log", "one\n");
    assert_eq!(reader.lines(), ["one"]);
    folder.append("app.log", "two\n");
    folder.rename("app.log", "app.log.1");
    folder.append("app.log", "three\n");
    assert_eq!(reader.lines(), ["two", "three"]);
    // Whoever wrote it may still do so for a while.
    folder.append("app.log.1", "late\n");
    folder.append("app.log", "four\n");
    assert_eq!(reader.lines(), ["late", "four"]);
    for round in 0..5 {
        folder.rename("app.log.1", "app.log.2");
        folder.rename("app.log", "app.log.1");
        folder.append("app.log", format!("round {round}\n"));
        assert_eq!(reader.lines(), [format!("round {round}")]);
    }
}

#[test]
fn what_is_left_of_a_file_that_moves_out_of_sight_is_read() {
    let folder = Folder::new();
    let mut reader = Reader::new(folder.path(), "", None);
    folder.append("app.log", "one\n");
    assert_eq!(reader.lines(), ["one"]);
    folder.append("app.log", "two\nthree");
    folder.rename("app.log", "hidden");
    assert_eq!(reader.lines(), ["two"]);
    folder.append("hidden", " is whole\nfour");
    reader.later(100);
    assert_eq!(reader.lines(), ["three is whole"]);
    reader.later(500);
    assert_eq!(reader.lines(), ["four"]);
    // After a while nobody looks any more.
    reader.later(31_000);
    reader.lines();
    folder.append("hidden", "five\n");
    assert!(reader.lines().is_empty());
}

#[test]
fn deleted_files_are_read_to_their_end() {
    let folder = Folder::new();
    let mut reader = Reader::new(folder.path(), "", None);
    folder.append("app.log", "one\n");
    reader.lines();
    folder.append("app.log", "two\n");
    folder.remove("app.log");
    assert_eq!(reader.lines(), ["two"]);
    folder.append("app.log", "three\n");
    assert_eq!(reader.lines(), ["three"]);
}

#[test]
fn files_that_come_back_go_on_where_they_were() {
    let folder = Folder::new();
    let mut reader = Reader::new(folder.path(), "", None);
    folder.append("app.log", long("one"));
    assert_eq!(heads(reader.lines()), ["one"]);
    folder.rename("app.log", "hidden");
    for _ in 0..50 {
        reader.later(10_000);
        assert!(reader.lines().is_empty());
    }
    folder.append("hidden", "two\n");
    folder.rename("hidden", "other.log");
    assert_eq!(reader.lines(), ["two"]);
}

#[test]
fn truncated_files_begin_anew() {
    let folder = Folder::new();
    let mut reader = Reader::new(folder.path(), "", None);
    folder.append("app.log", "one\ntwo\nthree\n");
    assert_eq!(reader.lines().len(), 3);
    folder.truncate("app.log");
    assert!(reader.lines().is_empty());
    folder.append("app.log", "four\n");
    assert_eq!(reader.lines(), ["four"]);
    // In one step, and with the same beginning.
    folder.append("app.log", "five\n");
    assert_eq!(reader.lines(), ["five"]);
    folder.truncate("app.log");
    folder.append("app.log", "four\n");
    assert_eq!(reader.lines(), ["four"]);
}

#[test]
fn copied_and_truncated_files_lose_nothing() {
    for head in ["short\n".to_owned(), long("long")] {
        let folder = Folder::new();
        let mut reader = Reader::new(folder.path(), "", None);
        folder.append("app.log", &head);
        assert_eq!(reader.lines().len(), 1);
        folder.append("app.log", "unread\n");
        folder.copy("app.log", "app.log.1");
        folder.truncate("app.log");
        folder.append("app.log", "new\n");
        let mut lines = reader.lines();
        lines.sort();
        assert_eq!(lines, ["new", "unread"]);
        folder.append("app.log", "more\n");
        assert_eq!(reader.lines(), ["more"]);
    }
}

#[test]
fn a_copy_is_not_read_while_it_is_made() {
    let folder = Folder::new();
    let mut reader = Reader::new(folder.path(), "", None);
    reader.poller.copying = Duration::from_secs(3600);
    folder.append("app.log", "one\ntwo\n");
    assert_eq!(reader.lines(), ["one", "two"]);
    // It is not yet complete.
    folder.append("app.log.1", "one\n");
    assert!(reader.lines().is_empty());
    folder.append("app.log.1", "two\n");
    assert!(reader.lines().is_empty());
    folder.truncate("app.log");
    assert!(reader.lines().is_empty());
    folder.append("app.log", "three\n");
    assert_eq!(reader.lines(), ["three"]);
}

#[test]
fn files_that_begin_alike_are_told_apart() {
    let folder = Folder::new();
    let mut reader = Reader::new(folder.path(), "", None);
    let head = long("the same head of every file");
    // As soon as they have stayed for a while as they are.
    folder.append("a.log", &head);
    folder.append("b.log", &head);
    assert_eq!(reader.lines().len(), 2);
    folder.append("a.log", "a\n");
    folder.append("b.log", "b\n");
    assert_eq!(reader.lines(), ["a", "b"]);
    folder.append("c.log", "the same");
    folder.append("d.log", "the");
    reader.lines();
    folder.append("c.log", " c\n");
    folder.append("d.log", " d\n");
    assert_eq!(reader.lines(), ["the same c", "the d"]);
}

#[test]
fn a_new_file_with_a_short_beginning_is_not_an_old_one() {
    let folder = Folder::new();
    let mut reader = Reader::new(folder.path(), "", None);
    folder.append("0.log", "Starting\n");
    assert_eq!(reader.lines(), ["Starting"]);
    folder.remove("0.log");
    reader.lines();
    reader.later(60_000);
    reader.lines();
    folder.append("1.log", "Starting\nReady\n");
    assert_eq!(reader.lines(), ["Starting", "Ready"]);
}

#[test]
fn two_names_of_one_file_are_one() {
    let folder = Folder::new();
    let mut reader = Reader::new(folder.path(), "", None);
    folder.append("a.log", "one\n");
    fs::hard_link(folder.of("a.log"), folder.of("b.log")).unwrap();
    std::os::unix::fs::symlink(folder.of("a.log"), folder.of("c.log")).unwrap();
    assert_eq!(reader.lines(), ["one"]);
    folder.append("b.log", "two\n");
    assert_eq!(reader.lines(), ["two"]);
}

#[test]
fn a_link_that_leads_to_another_file_is_followed() {
    let folder = Folder::new();
    let mut reader = Reader::new(folder.path(), "", None);
    folder.append("v1", "one\n");
    folder.append("v2", "two\n");
    std::os::unix::fs::symlink(folder.of("v1"), folder.of("current.log")).unwrap();
    assert_eq!(reader.lines(), ["one"]);
    fs::remove_file(folder.of("current.log")).unwrap();
    std::os::unix::fs::symlink(folder.of("v2"), folder.of("current.log")).unwrap();
    folder.append("v1", "last words\n");
    let mut lines = reader.lines();
    lines.sort();
    assert_eq!(lines, ["last words", "two"]);
}
