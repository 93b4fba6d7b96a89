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
