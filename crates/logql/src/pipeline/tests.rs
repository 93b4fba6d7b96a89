//! What the cases of lines do not say: what is kept between lines, and what is left out where nobody asks for it.

use proptest::prelude::*;

use super::*;
use crate::parse_log;

fn pipeline(stages: &str, wants: &Wants) -> Pipeline {
    Pipeline::new(&parse_log(&format!("{{app=\"orders\"}} {stages}")).unwrap().stages, wants).unwrap()
}

const STREAM: [(&str, &str); 2] = [("app", "orders"), ("env", "prod")];

fn entry(line: &str) -> Entry<'_> {
    Entry { timestamp: 0, line, stream: &STREAM, metadata: &[("pod", "orders-1")] }
}

/// In the order of names.
fn labels(runner: &mut Runner<'_>, line: &str) -> Option<Vec<(String, String)>> {
    runner.run(&entry(line), |_, labels| {
        let mut all: Vec<(String, String)> =
            labels.iter().map(|(_, name, value)| (name.to_owned(), value.to_owned())).collect();
        all.sort();
        all
    })
}

#[test]
fn lines_leave_nothing_to_those_behind_them() {
    let pipeline = pipeline("| logfmt | drop env, pod | a=\"1\" or b!=\"\" | a!=\"3\"", &Wants::All);
    let mut runner = Runner::new(&pipeline, 0);
    let mut shown = |line: &str| {
        let labels = labels(&mut runner, line)?;
        Some(labels.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(" "))
    };
    for (line, expected) in [
        ("a=1 c=2", Some("a=1 app=orders c=2")),
        ("b=1", Some("app=orders b=1")),
        ("a=2", None),
        ("a=3 b=1", None),
        ("a=1", Some("a=1 app=orders")),
        ("b=2 app=x pod=y", Some("app=orders app_extracted=x b=2 pod_extracted=y")),
    ] {
        assert_eq!(shown(line).as_deref(), expected, "{line}");
    }
}

#[test]
fn nothing_but_the_line_is_asked_by_the_first_filters() {
    let pipeline = pipeline("| json |= \"a\" |~ \"b+\" | line_format \"{{.c}}\" |= \"x\"", &Wants::All);
    assert!(pipeline.may_pass("a bb") && !pipeline.may_pass("a") && !pipeline.may_pass("b"));
    assert!(!pipeline.is_empty() && super::Pipeline::new(&[], &Wants::All).unwrap().is_empty());
}

#[test]
fn there_may_be_any_number_of_names_but_not_in_one_line() {
    let pipeline = pipeline("| logfmt", &Wants::All);
    let mut runner = Runner::new(&pipeline, 0);
    for number in 0..3_000 {
        let found = labels(&mut runner, &format!("name{number}=x")).unwrap();
        assert!(found.contains(&(format!("name{number}"), "x".to_owned())));
    }
    let many: String = (0..3_000).map(|number| format!("name{number}=x ")).collect();
    let found = labels(&mut runner, &many).unwrap();
    let is = |name: &str, value: &str| found.contains(&(name.to_owned(), value.to_owned()));
    assert!(is("__error__", "LogfmtParserErr") && is("__error_details__", "line has more than 2000 labels"));
    assert_eq!(found.len(), 2_000 + STREAM.len() + 1 + 2);
}

#[test]
fn errors_are_preserved_where_series_ask_for_them() {
    for (wanted, expected) in [(vec!["__error__"], true), (vec!["level"], false)] {
        let wants = Wants::Labels(wanted.into_iter().map(str::to_owned).collect());
        let pipeline = pipeline("| json", &wants);
        let found = labels(&mut Runner::new(&pipeline, 0), "no object").unwrap();
        assert!(found.contains(&("__error__".to_owned(), "JSONParserErr".to_owned())));
        assert_eq!(found.contains(&(PRESERVE_ERROR.to_owned(), "true".to_owned())), expected);
    }
}

#[test]
fn where_nothing_is_asked_for_nothing_is_parsed() {
    for stage in
        ["json", "logfmt --strict", "json a=\"b\"", "logfmt a=\"b\"", "pattern \"<a> <b>\"", "regexp \"(?P<a>.)\""]
    {
        let pipeline = pipeline(&format!("| {stage}"), &Wants::Labels(Vec::new()));
        let found = labels(&mut Runner::new(&pipeline, 0), "a=\"b").unwrap();
        assert_eq!(found.len(), STREAM.len() + 1, "{stage}");
    }
}

/// Stages that look at labels by name, and which of them may be asked for behind them.
const STAGES: [&str; 12] = [
    "| logfmt",
    "| json",
    "| logfmt | a=\"1\"",
    "| logfmt | b != 2 or c > 1",
    "| logfmt | line_format \"a={{.b}}\" | json | logfmt",
    "| logfmt | label_format d=a, e=\"{{.b}}{{.c}}\"",
    "| logfmt | app_extracted=\"1\"",
    "| logfmt | drop b=\"1\" | label_format c=\"{{.a}}\"",
    "| logfmt | keep a, c",
    "| regexp \"a=(?P<a>\\\\d)\" | logfmt",
    "| pattern \"<a>=<b> \" | logfmt",
    "| json | label_format x=\"{{ range $k, $v := . }}{{$k}}{{end}}\" | drop x",
];

proptest! {
    #[test]
    fn what_is_wanted_is_the_same_as_where_all_is(
        stages in prop::sample::select(STAGES.to_vec()),
        pairs in prop::collection::btree_map("a|b|c|d|app|pod", "[0-3]{1,2}", 0..5),
        wanted in prop::collection::vec("a|b|c|d|e|app|env|pod|app_extracted", 0..3),
        as_json: bool,
    ) {
        let line = match as_json {
            true => {
                let members: Vec<String> = pairs.iter().map(|(key, value)| format!("\"{key}\":\"{value}\"")).collect();
                format!("{{{}}}", members.join(","))
            }
            false => pairs.iter().map(|(key, value)| format!("{key}={value} ")).collect(),
        };
        let some = pipeline(stages, &Wants::Labels(wanted.clone()));
        let all = pipeline(stages, &Wants::All);
        let kept = |labels: Vec<(String, String)>| -> Vec<(String, String)> {
            labels.into_iter().filter(|(name, _)| wanted.contains(name)).collect()
        };
        let some = labels(&mut Runner::new(&some, 0), &line).map(kept);
        let all = labels(&mut Runner::new(&all, 0), &line).map(kept);
        prop_assert_eq!(some, all, "{} {}", stages, line);
    }

    #[test]
    fn names_are_there_once(
        stages in prop::sample::select(STAGES.to_vec()),
        line in "([a-c]=|\"|\\{|\\}|:|,|app|[0-9]| ){0,20}",
    ) {
        let pipeline = pipeline(stages, &Wants::All);
        let found = labels(&mut Runner::new(&pipeline, 0), &line).unwrap_or_default();
        prop_assert!(found.windows(2).all(|pair| pair[0].0 != pair[1].0), "{:?}", found);
    }
}
