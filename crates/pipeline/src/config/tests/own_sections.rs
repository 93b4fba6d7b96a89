//! Trefoil's own sections, and how variables become values.

use serde::Deserialize;

use super::*;

#[derive(Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[derive(Default)]
struct Own {
    text: String,
    other: Option<String>,
    count: u32,
    ratio: f64,
    on: bool,
    names: Vec<String>,
    #[serde(with = "duration")]
    retention: std::time::Duration,
    #[serde(with = "duration::option")]
    interval: Option<std::time::Duration>,
}

#[test]
fn own_sections_are_typed_and_take_their_types_from_variables() {
    let yaml = r#"
storage:
  text: ${env:SIZE}
  other: a${env:PORT}b$$c$${env:PORT}
  count: "${env:SIZE}"
  ratio: 2
  on: ${env:UNSET:-true}
  names: ${env:LIST}
  retention: 168h
  interval: ${env:UNSET:-}
"#;
    let document = Document::parse("c.yaml", yaml, &environment).unwrap();
    let own: Own = document.section("storage").unwrap().unwrap();
    let expected = Own {
        text: "1000".to_owned(),
        other: Some("a4318b$c${env:PORT}".to_owned()),
        count: 1000,
        ratio: 2.0,
        on: true,
        names: vec!["otlp".to_owned()],
        retention: std::time::Duration::from_secs(604_800),
        interval: None,
    };
    assert_eq!(own, expected);
    assert!(document.section::<Own>("listeners").unwrap().is_none());
}

#[test]
fn variables_are_text_where_text_is_wanted() {
    let yaml = "storage: {text: '${env:BRACES}', other: '${env:NESTED}', count: '${env:UNSET:-7}'}";
    let document = Document::parse("c.yaml", yaml, &environment).unwrap();
    let own: Own = document.section("storage").unwrap().unwrap();
    assert_eq!((own.text.as_str(), own.other.as_deref(), own.count), ("{abc}", Some("4318"), 7));
    let document = Document::parse("c.yaml", "storage:\n  other: x${UNSET}y", &environment).unwrap();
    let own: Own = document.section("storage").unwrap().unwrap();
    assert_eq!(own.other.as_deref(), Some("xy"));
    insta::assert_snapshot!(document.warnings()[0], @"c.yaml:2:10: storage.other: the environment variable UNSET is not set; its value is taken as empty");
}

#[test]
fn wrong_types_in_own_sections_are_explained() {
    let yaml = "
storage:
  text: [1]
  count: 1.5
  ratio: fast
  on: yes
  names: one
  retention: 7d
  intervall: 5s
";
    let document = Document::parse("c.yaml", yaml, &environment).unwrap();
    insta::assert_snapshot!(document.section::<Own>("storage").unwrap_err(), @r#"
    c.yaml:3:9: storage.text: expected a string, found a list
    c.yaml:4:10: storage.count: expected a whole number, not negative, found `1.5`
    c.yaml:5:10: storage.ratio: expected a number, found `fast`
    c.yaml:6:7: storage.on: expected true or false, found `yes`
    c.yaml:7:10: storage.names: expected a list, found `one`
    c.yaml:8:14: storage.retention: `7d`: the largest unit of a duration is h; write 24h for a day
    c.yaml:9:3: storage.intervall: unknown option; did you mean `interval`?
    "#);
}
