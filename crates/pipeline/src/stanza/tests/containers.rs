use super::*;

const PATH: &str = "/var/log/pods/shop_cart-7d9_0a1b-2c/web/3.log";

fn line(text: &str, path: &str) -> String {
    let (text, path) = (Value::from(text), Value::from(path));
    let quoted = |value: &Value| serde_json::to_string(value).unwrap();
    format!("{{\"body\": {}, \"attributes\": {{\"log.file.path\": {}}}}}", quoted(&text), quoted(&path))
}

const RESOURCE: &str = "resource={\"k8s.namespace.name\":\"shop\",\"k8s.pod.name\":\"cart-7d9\",\"k8s.pod.uid\":\"0a1b-2c\",\
                        \"k8s.container.name\":\"web\",\"k8s.container.restart_count\":\"3\"} time=1700000000500000000";

#[test]
fn the_formats_are_told_apart() {
    let path = format!("\"log.file.path\":\"{PATH}\"");
    let cases = [
        (
            "",
            r#"{"log":"hi\n","stream":"stdout","time":"2023-11-14T22:13:20.5Z"}"#,
            format!("body=\"hi\\n\" attributes={{{path},\"log.iostream\":\"stdout\"}} {RESOURCE}"),
        ),
        (
            ", format: docker",
            r#"{"log":"hi","stream":"stdout","time":"2023-11-14T22:13:20.5Z","attrs":{"a":"b"}}"#,
            format!(
                "body=\"hi\" attributes={{{path},\"attrs\":{{\"a\":\"b\"}},\"log.iostream\":\"stdout\"}} {RESOURCE}"
            ),
        ),
        (
            "",
            "2023-11-14T22:13:20.500000000Z stderr F some  text ",
            format!(
                "body=\"some  text \" attributes={{{path},\"log.iostream\":\"stderr\",\"logtag\":\"F\"}} {RESOURCE}"
            ),
        ),
        (
            ", format: crio",
            "2023-11-15T00:13:20.5+02:00 stdout F x",
            format!("body=\"x\" attributes={{{path},\"log.iostream\":\"stdout\",\"logtag\":\"F\"}} {RESOURCE}"),
        ),
        (
            ", format: containerd",
            "2023-11-14T22:13:20.5Z stdout F",
            format!("body=\"\" attributes={{{path},\"log.iostream\":\"stdout\",\"logtag\":\"F\"}} {RESOURCE}"),
        ),
    ];
    for (options, text, expected) in cases {
        let yaml = format!("- {{type: container{options}}}");
        assert_eq!(run(&yaml, &[&line(text, PATH)]), expected, "{text}");
    }
}

#[test]
fn what_is_no_line_of_a_container_stays_as_it_is() {
    let cases = [
        ("plain text", PATH),
        ("2023-11-14T22:13:20.5Z stdlog F x", PATH),
        ("yesterday stdout F x", PATH),
        (r#"{"log":"hi","stream":"stdout"}"#, PATH),
        (r#"{"log":"hi","stream":"stdout","time":"now"}"#, PATH),
        ("2023-11-14T22:13:20.5Z stdout F x", "/var/log/app.log"),
    ];
    for (text, path) in cases {
        let json = line(text, path);
        assert_eq!(run("- type: container", &[&json]), written(&entry(&json)), "{text} {path}");
        assert_eq!(run("- {type: container, on_error: drop}", &[&json]), "", "{text} {path}");
    }
    let without = "- {type: container, add_metadata_from_filepath: false}";
    let lines = run(without, &[r#"{"body": "2023-11-14T22:13:20.5Z stdout F x"}"#]);
    assert_eq!(lines, "body=\"x\" attributes={\"log.iostream\":\"stdout\",\"logtag\":\"F\"} time=1700000000500000000");
}

#[test]
fn paths_of_rotated_logs_are_known() {
    for end in ["0.log", "12.log.20240101-101010", "0.log.20240101-101010.gz"] {
        let path = format!("/var/log/pods/ns_pod-0_ab12/main/{end}");
        let lines = run("- type: container", &[&line("2023-11-14T22:13:20.5Z stdout F x", &path)]);
        assert!(lines.contains("\"k8s.pod.name\":\"pod-0\""), "{lines}");
    }
}

#[test]
fn parts_of_a_line_are_put_together() {
    let other = "/var/log/pods/shop_db-0_ff/db/0.log";
    let part = |tag: &str, text: &str, path: &str| line(&format!("2023-11-14T22:13:20.5Z stdout {tag} {text}"), path);
    let lines = [
        part("P", "one ", PATH),
        part("P", "first ", other),
        part("P", "two ", PATH),
        part("F", "three", PATH),
        part("F", "second", other),
        part("F", "alone", PATH),
        part("P", "never ends", PATH),
    ];
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    let joined = run("- type: container", &lines);
    let bodies: Vec<&str> = joined.lines().map(|line| line.split(" attributes").next().unwrap()).collect();
    assert_eq!(bodies, ["body=\"one two three\"", "body=\"first second\"", "body=\"alone\"", "body=\"never ends\""]);
    let limited = run("- {type: container, max_log_size: 5}", &lines);
    assert!(limited.starts_with("body=\"first \""), "{limited}");
    assert!(limited.contains("\nbody=\"one two \"") && limited.contains("\nbody=\"three\""), "{limited}");
}
