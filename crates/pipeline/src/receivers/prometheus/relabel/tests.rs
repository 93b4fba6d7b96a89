use super::*;
use crate::receivers::prometheus::config::names::NameValidation;

fn rule(text: &str) -> Result<Rule, String> {
    let document = crate::config::Document::verbatim("t.yml", text).map_err(|error| error.to_string())?;
    let config = crate::config::Section::new(document.root(), &[]).parse().map_err(|error| error.to_string())?;
    Rule::new(config, NameValidation::Utf8).map_err(|(option, reason)| format!("{option}: {reason}"))
}

fn labels(text: &str) -> Labels {
    text.split(' ').filter_map(|pair| pair.split_once('=')).collect()
}

/// `rules` are separated by lines of `-`; the result is `None` where the labels are dropped.
#[track_caller]
fn check(before: &str, rules: &[&str], after: Option<&str>) {
    let rules: Vec<Rule> = rules.iter().map(|text| rule(text).unwrap()).collect();
    let mut changed = labels(before);
    let kept = apply(&rules, &mut changed);
    assert_eq!(kept.then_some(changed), after.map(labels), "{before} by {rules:?}");
}

#[test]
fn replace() {
    let cases: &[(&str, &str, &str)] = &[
        (
            "a=foo b=bar",
            "{source_labels: [a], regex: f(.*), target_label: d, replacement: ch$1-ch$1}",
            "a=foo b=bar d=choo-choo",
        ),
        ("a=foo b=bar", "{source_labels: [a, b], separator: '-', target_label: c}", "a=foo b=bar c=foo-bar"),
        ("a=foo b=bar", "{source_labels: [a, b], target_label: c}", "a=foo b=bar c=foo;bar"),
        // It must match from beginning to end.
        ("a=foo", "{source_labels: [a], regex: oo, target_label: a, replacement: x}", "a=foo"),
        ("a=foo", "{source_labels: [a], regex: f, target_label: a, replacement: x}", "a=foo"),
        ("a=foo", "{source_labels: [a], regex: 'x|foo', target_label: a, replacement: y}", "a=y"),
        // Nothing takes the label away.
        ("a=foo b=bar", "{source_labels: [a], regex: f(.*), target_label: b, replacement: ''}", "a=foo"),
        ("a=foo", "{source_labels: [none], target_label: a}", ""),
        ("a=foo", "{source_labels: [none], regex: x, target_label: a, replacement: y}", "a=foo"),
        ("", "{target_label: a, replacement: static}", "a=static"),
        ("", "{target_label: a, replacement: '$${1}'}", "a=${1}"),
        ("", "{regex: , target_label: a, replacement: static}", "a=static"),
        ("b=1", "{regex: , source_labels: [b], target_label: a, replacement: static}", "b=1"),
        // The target is a template, too.
        ("a=x-y", "{source_labels: [a], regex: (.+)-(.+), target_label: $1, replacement: $2}", "a=x-y x=y"),
        (
            "a=x-y",
            "{source_labels: [a], regex: '(?P<n>.+)-(?P<v>.+)', target_label: '${n}', replacement: '${v}'}",
            "a=x-y x=y",
        ),
        // A target that comes out empty is no label.
        ("a=x", "{source_labels: [a], regex: '(z?)x', target_label: $1, replacement: y}", "a=x"),
        ("http.x=1", "{source_labels: [http.x], target_label: 'å.b'}", "http.x=1 å.b=1"),
    ];
    for (before, rule, after) in cases {
        check(before, &[rule], Some(after));
    }
    let line = "a\nb";
    let mut changed: Labels = [("a", line)].into_iter().collect();
    assert!(
        rule("{source_labels: [a], regex: a.b, target_label: c}").unwrap().apply(&mut changed),
        "a dot is any character"
    );
    assert!(!changed.has("c") || changed.get("c").is_empty(), "without a group $1 is nothing");
}

#[test]
fn keep_and_drop() {
    check("a=foo", &["{source_labels: [a], regex: .*o, action: drop}"], None);
    check("a=foo", &["{source_labels: [a], regex: no-match, action: drop}"], Some("a=foo"));
    check("a=foo", &["{source_labels: [a], regex: f|foo, action: keep}"], Some("a=foo"));
    check("a=foo", &["{source_labels: [a], regex: f, action: keep}"], None);
    check("a=foo", &["{source_labels: [b], regex: '', action: keep}"], Some("a=foo"));
    // What comes behind a drop does not happen.
    check("a=foo", &["{source_labels: [a], regex: foo, action: drop}", "{target_label: b, replacement: x}"], None);
}

#[test]
fn keepequal_and_dropequal() {
    check("a=1 b=1", &["{source_labels: [a], target_label: b, action: keepequal}"], Some("a=1 b=1"));
    check("a=1 b=2", &["{source_labels: [a], target_label: b, action: keepequal}"], None);
    check("a=1 b=1", &["{source_labels: [a], target_label: b, action: dropequal}"], None);
    check("a=1 b=2", &["{source_labels: [a], target_label: b, action: dropequal}"], Some("a=1 b=2"));
}

/// The remainders are Prometheus' own (its relabel_test.go).
#[test]
fn hashmod() {
    let rule = "{source_labels: [c], target_label: d, separator: ;, action: hashmod, modulus: 1000}";
    check("a=foo b=bar c=baz", &[rule], Some("a=foo b=bar c=baz d=976"));
    let mut changed: Labels = [("a", "foo\nbar")].into_iter().collect();
    let two = "{source_labels: [a], target_label: b, action: hashmod, modulus: 1000}";
    assert!(self::rule(two).unwrap().apply(&mut changed));
    assert_eq!(changed.get("b"), "734");
}

#[test]
fn labelmap_labeldrop_labelkeep() {
    check(
        "a=foo b1=bar b2=baz",
        &["{regex: (b.*), replacement: bar_$1, action: labelmap}"],
        Some("a=foo b1=bar b2=baz bar_b1=bar bar_b2=baz"),
    );
    check("__meta_x_y=1 a=2", &["{regex: __meta_x_(.+), action: labelmap}"], Some("__meta_x_y=1 a=2 y=1"));
    check("a=foo b1=bar b2=baz", &["{regex: (b.*), action: labeldrop}"], Some("a=foo"));
    check("a=foo b1=bar b2=baz", &["{regex: (b.*), action: labelkeep}"], Some("b1=bar b2=baz"));
}

#[test]
fn lowercase_and_uppercase() {
    let rules = [
        "{source_labels: [a], target_label: u, action: uppercase}",
        "{source_labels: [a], target_label: l, action: Lowercase}",
    ];
    check("a=bAr123Foo", &rules, Some("a=bAr123Foo l=bar123foo u=BAR123FOO"));
}

#[test]
fn what_is_wrong_is_told() {
    let cases = [
        ("{action: replace}", "target_label: replace requires a target_label"),
        ("{}", "target_label: replace requires a target_label"),
        ("{action: null}", "relabel action cannot be empty"),
        ("{action: rename}", "unknown value"),
        ("{action: hashmod, source_labels: [a], target_label: b}", "modulus: hashmod requires"),
        ("{regex: '(', action: labeldrop}", "regex: `(` is not a regular expression"),
        ("{action: labeldrop, source_labels: [a]}", "action: labeldrop takes a regex, and nothing else"),
        ("{action: labelkeep, replacement: x}", "action: labelkeep takes a regex, and nothing else"),
        ("{action: keepequal, source_labels: [a], target_label: b, regex: x}", "action: keepequal takes"),
        ("{action: uppercase, source_labels: [a], target_label: b, replacement: x}", "replacement: uppercase has none"),
        ("{action: labelmap, replacement: ''}", "replacement: "),
        ("{actoin: drop}", "unknown option; did you mean `action`?"),
    ];
    for (text, expected) in cases {
        let error = rule(text).map(|_| ()).unwrap_err();
        let expected = expected.replace("has none", "has no replacement");
        assert!(error.contains(&expected), "{text}: {error}");
    }
}

#[test]
fn legacy_names_are_asked_for() {
    let of =
        |config: RelabelConfig| Rule::new(config, NameValidation::Legacy).map(|_| ()).map_err(|(option, _)| option);
    let target = |name: &str| RelabelConfig { target_label: Some(name.into()), ..RelabelConfig::default() };
    assert_eq!(of(target("a.b")), Err("target_label"));
    assert_eq!(of(target("a_${1}")), Ok(()));
    let map =
        |to: &str| RelabelConfig { replacement: Some(to.into()), action: Action::LabelMap, ..RelabelConfig::default() };
    assert_eq!(of(map("a.$1")), Err("replacement"));
}

proptest::proptest! {
    /// Whatever is configured and whatever comes, nothing panics and the labels stay sorted and without empty values.
    #[test]
    fn labels_stay_labels(regex in "[a-z().*$|]{0,6}", target in "[a-z$1{}]{1,5}", replacement in "[a-z$1{}]{0,5}", values in proptest::collection::vec(("[a-c]{1,2}", "[a-z]{0,3}"), 0..5)) {
        let config = RelabelConfig { source_labels: Some(vec!["a".into()]), regex: Some(regex), target_label: Some(target), replacement: Some(replacement), ..RelabelConfig::default() };
        if let Ok(rule) = Rule::new(config, NameValidation::Utf8) {
            let mut labels: Labels = values.into_iter().collect();
            let _ = rule.apply(&mut labels);
            let names: Vec<_> = labels.iter().map(|(name, _)| name).collect();
            proptest::prop_assert!(names.is_sorted_by(|a, b| a < b));
            proptest::prop_assert!(labels.iter().all(|(name, value)| !name.is_empty() && !value.is_empty()));
        }
    }
}
