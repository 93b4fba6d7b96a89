//! Series that come and go: what matches is decided at each step.

use super::fixture::Series;

const SERIES: Series = Series(&[
    ("l a=1 b=1", "1 _ 3 4"),
    ("l a=1 b=2", "_ 20 _ 40"),
    ("l a=2 b=1", "5 5 5 5"),
    ("r a=1", "10 10 _ 10"),
    ("r a=1 c=x", "_ _ 100 _"),
    ("r a=3", "7 7 7 7"),
    ("twice a=1 c=1", "1 1 _ 1"),
    ("twice a=1 c=2", "_ _ 1 1"),
]);

fn check(query: &str, steps: i64, expected: &[&str]) {
    for delayed in [false, true] {
        assert_eq!(SERIES.ask(query, steps, delayed).unwrap(), expected, "{query} delayed {delayed}");
    }
}

fn check_error(query: &str, steps: i64, expected: &str) {
    for delayed in [false, true] {
        assert_eq!(SERIES.ask(query, steps, delayed).unwrap_err(), expected, "{query} delayed {delayed}");
    }
}

#[test]
fn one_to_one_may_change_partners() {
    // Until the last step no two series of a group meet.
    check("l + on(a) r", 3, &[r#"{a="1"} 11 30 103"#]);
    check("l > on(a) r", 3, &[r#"{a="1"} _ 20 _"#]);
    check("l > bool on(a) r", 3, &[r#"{a="1"} 0 1 0"#]);
    check_error(
        "l + on(a) r",
        4,
        "multiple matches for labels: many-to-one matching must be explicit (group_left/group_right)",
    );
}

#[test]
fn many_to_one_takes_labels_of_the_partner_of_the_step() {
    check(
        "l + on(a) group_left(c) r",
        4,
        &[r#"{a="1", b="1"} 11 _ _ 14"#, r#"{a="1", b="1", c="x"} _ _ 103 _"#, r#"{a="1", b="2"} _ 30 _ 50"#],
    );
    check("r - on(a) group_right l", 2, &[r#"{a="1", b="1"} 9 _"#, r#"{a="1", b="2"} _ -10"#]);
    check_error(
        "l * on(a) group_left(b) r",
        4,
        "multiple matches for labels: grouping labels must ensure unique matches",
    );
}

#[test]
fn two_of_the_one_side_must_not_meet_where_anything_is_asked() {
    check("l * on(a) group_left twice", 3, &[r#"{a="1", b="1"} 1 _ 3"#, r#"{a="1", b="2"} _ 20 _"#]);
    let duplicates = r#"[{__name__="twice", a="1", c="1"}, {__name__="twice", a="1", c="2"}]"#;
    let advice = "many-to-many matching not allowed: matching labels must be unique on one side";
    check_error(
        "l * on(a) group_left twice",
        4,
        &format!(
            r#"found duplicate series for the match group {{a="1"}} on the right hand-side of the operation: {duplicates};{advice}"#
        ),
    );
    check_error(
        "twice * on(a) group_right l",
        4,
        &format!(
            r#"found duplicate series for the match group {{a="1"}} on the left hand-side of the operation: {duplicates};{advice}"#
        ),
    );
    // Nothing on the other side, so nothing is in the way.
    check("(l unless l) * on(a) group_left twice", 4, &[]);
    check("(l < 0) * on(a) group_left twice", 4, &[]);
}

/// The "many" side comes series by series, or all at once where it is no selector.
#[test]
fn joins_that_are_added_up_are_as_those_that_are_not() {
    let both_ways = |query: &str, many: &str, steps: i64| {
        let answers = [false, true].map(|delayed| {
            let answer = SERIES.ask(&query.replace("MANY", many), steps, delayed);
            let at_once = SERIES.ask(&query.replace("MANY", &format!("({many} or {many})")), steps, delayed);
            assert_eq!(answer, at_once, "{query} delayed {delayed}");
            answer
        });
        assert_eq!(answers[0], answers[1], "{query}");
        answers.into_iter().next().unwrap()
    };
    for (query, many, steps, expected) in [
        (
            "sum by (b, c) (MANY + on(a) group_left(c) r)",
            "l",
            4,
            vec![r#"{b="1"} 11 _ _ 14"#, r#"{b="1", c="x"} _ _ 103 _"#, r#"{b="2"} _ 30 _ 50"#],
        ),
        ("count(r - on(a) group_right() MANY)", "l", 4, vec!["{} 1 1 1 2"]),
        ("max(MANY * on(a) group_left r)", "l", 4, vec!["{} 10 200 300 400"]),
        ("sum by (__name__, b) (MANY > on(a) group_left r)", "l", 4, vec![r#"{__name__="l", b="2"} _ 20 _ 40"#]),
        ("sum by (b) (MANY > bool on(a) group_left r)", "l", 4, vec![r#"{b="1"} 0 _ 0 0"#, r#"{b="2"} _ 1 _ 1"#]),
        ("sum(MANY * on(a) group_left r * on(a) group_left(c) r)", "l", 2, vec!["{} 100 2000"]),
        (
            "avg by (b) (MANY * on(a) group_left r)",
            "sum_over_time(l[90s])",
            2,
            vec![r#"{b="1"} 10 10"#, r#"{b="2"} _ 200"#],
        ),
        ("sum(MANY * on(a) group_left twice)", "nothing", 4, vec![]),
        ("sum(MANY * on(a) group_left r)", "{__name__=~\"l|k\"}", 2, vec!["{} 10 200"]),
        // A label of the many side that the other one's replaces.
        (
            "sum by (a, c) (MANY * on(a) group_left(c) r)",
            "twice",
            3,
            vec![r#"{a="1"} 10 10 _"#, r#"{a="1", c="x"} _ _ 100"#],
        ),
        // Two of the one side that meet where nothing is asked.
        ("sum(MANY * on(a) group_left twice)", "l", 3, vec!["{} 1 20 3"]),
    ] {
        assert_eq!(both_ways(query, many, steps).unwrap(), expected, "{query}");
    }
    let duplicates = both_ways("sum(MANY * on(a) group_left twice)", "l", 4).unwrap_err();
    assert!(
        duplicates.starts_with(r#"found duplicate series for the match group {a="1"} on the right"#),
        "{duplicates}"
    );
    let meeting = both_ways("sum(MANY * on(a) group_left(b) r)", "l", 4).unwrap_err();
    assert_eq!(meeting, "multiple matches for labels: grouping labels must ensure unique matches");
}

#[test]
fn what_is_missing_is_filled_in() {
    check("l + on(a) fill_right(0) r", 3, &[r#"{a="1"} 11 30 103"#, r#"{a="2"} 5 5 5"#]);
    check("l + on(a) fill_left(0) r", 3, &[r#"{a="1"} 11 30 103"#, r#"{a="3"} 7 7 7"#]);
    check("(l < 0) + on(a) fill_left(1) r", 1, &[r#"{a="1"} 11"#, r#"{a="3"} 8"#]);
}

#[test]
fn sets_are_made_step_by_step() {
    check(
        "l and on(a) twice",
        4,
        &[r#"{__name__="l", a="1", b="1"} 1 _ 3 4"#, r#"{__name__="l", a="1", b="2"} _ 20 _ 40"#],
    );
    check("l unless on(a) (l > 4)", 4, &[r#"{__name__="l", a="1", b="1"} 1 _ 3 _"#]);
    check(
        "l{b=\"1\",a=\"1\"} or on(a) r{a=\"1\"}",
        4,
        &[r#"{__name__="l", a="1", b="1"} 1 _ 3 4"#, r#"{__name__="r", a="1"} _ 10 _ _"#],
    );
}

#[test]
fn a_scalar_may_stand_on_either_side() {
    check("5 - l{b=\"2\"}", 2, &[r#"{a="1", b="2"} _ -15"#]);
    check("3 < l{b=\"1\"}", 4, &[r#"{__name__="l", a="1", b="1"} _ _ _ 4"#, r#"{__name__="l", a="2", b="1"} 5 5 5 5"#]);
    check("l{b=\"2\"} == bool time() / 3", 2, &[r#"{a="1", b="2"} _ 1"#]);
    check("-l{b=\"2\"}", 2, &[r#"{a="1", b="2"} _ -20"#]);
    check(
        "l{b=\"2\"} </ 3",
        2,
        &[r#"PromQL info: incompatible sample types encountered for binary operator "</": float </ float (1:1)"#],
    );
}
