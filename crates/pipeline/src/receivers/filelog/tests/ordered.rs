use super::*;

fn read(names: &[&str], ordering: &str) -> Vec<String> {
    let folder = Folder::new();
    names.iter().for_each(|name| folder.append(name, format!("{name}\n")));
    let mut lines = Reader::new(folder.path(), &format!("ordering_criteria: {ordering}"), None).lines();
    lines.sort();
    lines
}

#[test]
fn only_the_first_of_files_that_belong_together_are_read() {
    let names = ["a-1.log", "a-2.log", "a-10.log", "b-3.log", "none.log"];
    let cases = [
        (
            "{regex: '-(?P<n>\\d+)', top_n: 2, sort_by: [{regex_key: n, sort_type: numeric}]}",
            &["a-10.log", "b-3.log"][..],
        ),
        ("{regex: '-(?P<n>\\d+)', sort_by: [{regex_key: n, sort_type: numeric, ascending: true}]}", &["a-1.log"]),
        (
            "{regex: '-(?P<n>\\d+)', group_by: '(?P<app>[ab])-', top_n: 1, sort_by: [{regex_key: n, sort_type: numeric}]}",
            &["a-10.log", "b-3.log"],
        ),
        (
            "{regex: '(?P<a>[ab])-(?P<n>\\d+)', top_n: 2, sort_by: [{regex_key: a, sort_type: alphabetical, ascending: true}, {regex_key: n, sort_type: numeric}]}",
            &["a-10.log", "a-2.log"],
        ),
    ];
    for (ordering, expected) in cases {
        assert_eq!(read(&names, ordering), expected, "{ordering}");
    }
    let dated = ["x.2024-01-02.log", "x.2023-12-31.log"];
    let by_time = "{regex: 'x\\.(?P<t>[^.]+)', sort_by: [{regex_key: t, sort_type: timestamp, layout: '%Y-%m-%d', location: UTC}]}";
    assert_eq!(read(&dated, by_time), ["x.2024-01-02.log"]);
    assert_eq!(read(&["a.log"], "{sort_by: [{sort_type: mtime}]}"), ["a.log"]);
}
