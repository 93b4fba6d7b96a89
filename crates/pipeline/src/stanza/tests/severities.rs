use super::*;

#[test]
fn levels_have_numbers() {
    let cases = [
        // options, body, number and text
        ("", r#""info""#, "9:info"),
        ("", r#""INFO""#, "9:INFO"),
        ("", r#""Warning""#, "13:Warning"),
        ("", r#""err3""#, "19:err3"),
        ("", r#""trace4""#, "4:trace4"),
        ("", r#""fatal""#, "21:fatal"),
        ("", r#""17""#, "17:17"),
        ("", "5", "5:5"),
        ("", "5.0", "5:5"),
        ("", r#""loud""#, "0:loud"),
        ("", r#""25""#, "0:25"),
        ("", r#""debug5""#, "0:debug5"),
        (", overwrite_text: true", r#""warning""#, "13:WARN"),
        (", overwrite_text: true", r#""err2""#, "18:ERROR2"),
        (", overwrite_text: true", r#""loud""#, "0:loud"),
        (", preset: otel", r#""warning""#, "0:warning"),
        (", preset: aliases", r#""warn""#, "13:warn"),
        (", preset: none", r#""info""#, "0:info"),
        (", preset: none, mapping: {info: [good, FINE]}", r#""fine""#, "9:fine"),
        (", mapping: {error: oops}", r#""OOPS""#, "17:OOPS"),
        (", mapping: {error: oops}", r#""info""#, "9:info"),
        (", mapping: {fatal: info}", r#""info""#, "21:info"),
        (", mapping: {warn2: 42}", "42", "14:42"),
        (", mapping: {error: [{min: 400, max: 499}, 5xx]}", "404", "17:404"),
        (", mapping: {error: [{min: 400, max: 499}, 5xx]}", r#""503""#, "17:503"),
        (", mapping: {error: {min: 9, max: 1}}", "5", "17:5"),
        (", mapping: {info: 2xx, info3: 3xx, warn: 4xx}", "301", "11:301"),
        (", mapping: {10: ten}", r#""ten""#, "10:ten"),
    ];
    for (options, body, expected) in cases {
        let yaml = format!("- {{type: severity_parser, parse_from: body{options}}}");
        let written = run(&yaml, &[&format!("{{\"body\": {body}}}")]);
        assert!(written.ends_with(&format!("severity={expected}")), "{options} {body}: {written}");
    }
    for body in ["1.5", "true", "null", "[1]"] {
        let yaml = "- {type: severity_parser, parse_from: body, on_error: drop}";
        assert_eq!(run(yaml, &[&format!("{{\"body\": {body}}}")]), "", "{body}");
    }
}
