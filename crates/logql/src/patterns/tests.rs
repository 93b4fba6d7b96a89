use proptest::prelude::*;

use super::*;
use crate::filter::pattern::LinePattern;

const SPAN: Span = Span { start: 0, end: 1_000, step: 10 };

fn mined(lines: &[&str]) -> Vec<String> {
    let mut miner = Miner::new(SPAN, Limits::default()).unwrap();
    lines.iter().for_each(|line| miner.observe(5, line));
    miner.mined().into_iter().map(|mined| format!("{} {}", mined.total(), mined.pattern)).collect()
}

#[test]
fn lines_have_templates() {
    for (lines, expected) in [
        (vec!["user bob logged in", "user eve logged in", "disk full"], vec!["2 user <_> logged in", "1 disk full"]),
        (
            vec![
                r#"10.0.0.1 - "GET /a HTTP/1.1" 200 15ms"#,
                r#"10.0.0.2 - "GET /b HTTP/1.1" 404 1ms"#,
                r#"10.0.0.2 - "GET /a/c HTTP/1.1" 200 3ms"#,
            ],
            vec![r#"3 <_> - "GET <_> HTTP/1.1" <_> <_>"#],
        ),
        (vec!["took 5ms", "took 17ms", "took 5ms"], vec!["3 took <_>"]),
        (vec!["12", "13"], vec!["2 <_>"]),
        (vec!["a", "b", ""], vec!["1 ", "1 a", "1 b"]),
        (vec!["level=info msg=x", "level=info msg=x"], vec!["2 level=info msg=x"]),
        (vec!["a b, c", "a b; c"], vec!["1 a b, c", "1 a b; c"]),
        // What looks like a capture in a line is none of its name.
        (vec!["<id> x y 1", "<id> x y 2"], vec!["2 <_> x y <_>"]),
        (vec!["<a><b>"], vec!["1 <_>"]),
    ] {
        assert_eq!(mined(&lines), expected, "{lines:?}");
    }
}

#[test]
fn lines_are_counted_by_steps() {
    let mut miner = Miner::new(SPAN, Limits::default()).unwrap();
    for time in [-1, 0, 9, 10, 995, 1_000] {
        miner.observe(time, "a b c");
    }
    assert_eq!(miner.mined(), [Mined { pattern: "a b c".to_owned(), counts: vec![(0, 2), (10, 1), (990, 1)] }]);
    let mut other = Miner::new(SPAN, Limits::default()).unwrap();
    other.observe(12, "a b d");
    other.observe(3, "x");
    miner.merge(&other);
    let counts = vec![(0, 2), (10, 2), (990, 1)];
    let x = Mined { pattern: "x".to_owned(), counts: vec![(0, 1)] };
    assert_eq!(miner.mined(), [Mined { pattern: "a b <_>".to_owned(), counts }, x]);
    let error = Miner::new(Span { end: 1_000_000, ..SPAN }, Limits::default()).unwrap_err().to_string();
    assert!(error.contains("more than 11,000 steps"), "{error}");
    assert!(Miner::new(Span { step: 0, ..SPAN }, Limits::default()).is_err());
}

#[test]
fn finer_steps_are_added_up_within_the_time() {
    let mut fine = Miner::of_all_times(10, Limits::default());
    for (time, line) in [(15, "a b c"), (25, "a b c"), (26, "a b d"), (105, "a b c"), (115, "gone"), (205, "a b e")] {
        fine.observe(time, line);
    }
    let mut coarse = Miner::new(Span { start: 20, end: 110, step: 50 }, Limits::default()).unwrap();
    coarse.merge(&fine);
    assert_eq!(coarse.mined(), [Mined { pattern: "a b <_>".to_owned(), counts: vec![(0, 2), (100, 1)] }]);
    fine.forget_before(110);
    let gone = Mined { pattern: "gone".to_owned(), counts: vec![(110, 1)] };
    assert_eq!(fine.mined(), [Mined { pattern: "a b <_>".to_owned(), counts: vec![(200, 1)] }, gone]);
    fine.forget_before(1_000);
    assert_eq!((fine.len(), fine.bytes()), (0, 0));
}

#[test]
fn what_few_lines_have_is_forgotten() {
    let mut miner = Miner::new(SPAN, Limits { clusters: 8, ..Limits::default() }).unwrap();
    for index in 0_u8..200 {
        miner.observe(5, "often seen here");
        // Each of a shape of its own.
        miner.observe(5, &format!("x{}", "!".repeat(usize::from(index) + 1)));
        assert!(miner.len() <= 8);
        assert_eq!(miner.bytes(), miner.shapes.values().flatten().map(Cluster::bytes).sum::<usize>());
    }
    assert_eq!(miner.forgotten() + miner.len() as u64, 201);
    let mined = miner.mined();
    assert_eq!((mined[0].pattern.as_str(), mined[0].total()), ("often seen here", 200));
    // The newest is there.
    assert!(mined.iter().any(|mined| mined.pattern.len() == 201));
}

#[test]
fn long_lines_end_in_a_gap() {
    let limits = Limits { tokens: 5, line: 40, ..Limits::default() };
    let mut miner = Miner::new(SPAN, limits).unwrap();
    for line in ["a b c d e", "a b c e", "short", &"y".repeat(50)] {
        miner.observe(1, line);
    }
    let patterns: Vec<String> = miner.mined().into_iter().map(|mined| mined.pattern).collect();
    assert_eq!(patterns, ["a b c<_>", "short", &format!("{}<_>", "y".repeat(40))]);
}

fn lines() -> impl Strategy<Value = Vec<String>> {
    let word = prop_oneof!["[a-c]{1,2}", "[0-9]{1,3}", "<_>", "<a>", "é", "[<>_]{1,3}"];
    let line = prop::collection::vec((word, "[ ,=<>]{1,2}"), 0..6)
        .prop_map(|pieces| pieces.into_iter().map(|(word, between)| word + &between).collect::<String>());
    prop::collection::vec(line, 1..40)
}

proptest! {
    /// No line is lost and each is matched by a template that counts it: there are templates for each line, and as many counts
    /// as lines.
    #[test]
    fn templates_match_their_lines(lines in lines(), cut in 0..40_usize) {
        let limits = Limits { tokens: 9, line: 20, ..Limits::default() };
        let mut parts = [Miner::new(SPAN, limits).unwrap(), Miner::new(SPAN, limits).unwrap()];
        for (index, line) in lines.iter().enumerate() {
            parts[usize::from(index < cut)].observe(index as i64, line);
        }
        let [mut miner, other] = parts;
        miner.merge(&other);
        let mined = miner.mined();
        prop_assert_eq!(mined.iter().map(Mined::total).sum::<u64>(), lines.len() as u64);
        let patterns: Vec<LinePattern> = mined.iter().map(|mined| LinePattern::compile(&mined.pattern).unwrap()).collect();
        for line in &lines {
            prop_assert!(patterns.iter().any(|pattern| pattern.matches(line)), "{:?} {:?}", line, mined);
        }
    }

    /// Of lines that one template counts each is matched by it.
    #[test]
    fn a_template_matches_all_its_lines(lines in lines()) {
        let mut clusters: Vec<(Cluster, Vec<&String>)> = Vec::new();
        for line in &lines {
            let tokens = token::cut(line, 9, 20);
            match clusters.iter_mut().find(|(cluster, _)| cluster.likeness(&tokens).is_some()) {
                Some((cluster, known)) => {
                    cluster.absorb(&tokens, &[(0, 1)], 0);
                    known.push(line);
                }
                None => clusters.push((Cluster::new(&tokens, &[(0, 1)], 0), vec![line])),
            }
        }
        for (cluster, lines) in clusters {
            let pattern = LinePattern::compile(&cluster.pattern()).unwrap();
            for line in lines {
                prop_assert!(pattern.matches(line), "{} {:?}", cluster.pattern(), line);
            }
        }
    }
}

#[test]
fn a_line_may_stand_for_many() {
    let mut miner = Miner::new(Span { start: 0, end: 10, step: 10 }, Limits::default()).unwrap();
    miner.observe(1, "a 1");
    miner.observe_one_of(2, "a 2", 7);
    assert_eq!(miner.mined().iter().map(Mined::total).collect::<Vec<_>>(), [8]);
}
