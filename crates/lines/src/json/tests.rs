use proptest::prelude::*;

use super::*;

fn flat(line: &str, wanted: Wanted<'_>) -> (Vec<(String, String)>, Result<(), Malformed>) {
    let mut fields = Vec::new();
    let result =
        flatten(line, wanted, &mut String::new(), |name, value| fields.push((name.to_owned(), value.into_owned())));
    (fields, result)
}

fn shown(line: &str) -> String {
    let (fields, result) = flat(line, Wanted::All);
    let kept = result.map_or_else(|malformed| malformed.kept, |()| fields.len());
    let fields: Vec<String> = fields.iter().take(kept).map(|(name, value)| format!("{name}={value}")).collect();
    match result {
        Ok(()) => fields.join(","),
        Err(malformed) => format!("{}!{malformed}", fields.join(",")),
    }
}

#[test]
fn objects_are_flattened() {
    for (line, expected) in [
        ("{}", ""),
        (r#"{"a":"b"}"#, "a=b"),
        (r#" { "a" : "b" , "c" : 1 } "#, "a=b,c=1"),
        (r#"{"n":-1.50e+3,"t":true,"f":false}"#, "n=-1.50e+3,t=true,f=false"),
        (r#"{"a":null,"b":[1,{"x":"]"}],"c":"d"}"#, "c=d"),
        (r#"{"a":{"b":{"c":1},"d":2},"e":3}"#, "a_b_c=1,a_d=2,e=3"),
        (r#"{"a.b":{"c-d":"x"}}"#, "a_b_c_d=x"),
        (r#"{"1a":{"2b":"x"}}"#, "_1a_2b=x"),
        (r#"{"":"x"," ":"y","a":{"":"z"}}"#, ""),
        (r#"{"a\"b":"c\nd"}"#, "a_b=c\nd"),
        (r#"{"größe":"é"}"#, "gr__e=é"),
        (r#"{"a":"x\u00e9\ud83d\ude00"}"#, "a=xé😀"),
        (r#"{"a":""}"#, "a="),
        (r#"{"a":"}{","b":{"c":"\"}"}}"#, "a=}{,b_c=\"}"),
        (r#"{"a":1,"a":2}"#, "a=1,a=2"),
        (r#"{"a":1} and more"#, "a=1"),
    ] {
        assert_eq!(shown(line), expected, "{line}");
    }
}

#[test]
fn what_stands_before_an_error_counts() {
    for (line, expected) in [
        ("", "!no object at byte 0"),
        ("text", "!no object at byte 0"),
        ("[1]", "!no object at byte 0"),
        ("{", "!no key of an object at byte 1"),
        (r#"{"a":1"#, "a=1!neither comma nor closing brace behind a value at byte 6"),
        (r#"{"a":1,}"#, "a=1!no key of an object at byte 7"),
        (r#"{"a":1,"b"}"#, "a=1!no colon behind a key at byte 10"),
        (r#"{"a":1,"b":x}"#, "a=1!no value at byte 11"),
        (r#"{"a":tru}"#, "!no value at byte 5"),
        (r#"{"a":"x"#, "!a string without an end at byte 7"),
        (r#"{"a":"x\"#, "!a string without an end at byte 8"),
        (r#"{"a":1 "b":2}"#, "a=1!neither comma nor closing brace behind a value at byte 7"),
        // An object without an end has nothing, one with an end has what stands before its error.
        (r#"{"a":1,"b":{"c":2,"d":"#, "a=1!no value at byte 22"),
        (r#"{"a":1,"b":{"c":{"x":1},"d":2"#, "a=1!neither comma nor closing brace behind a value at byte 29"),
        (r#"{"a":1,"b":{"c":2,"d":}}"#, "a=1,b_c=2!no value at byte 22"),
        (r#"{"a":[1,2"#, "!an object or array without an end at byte 9"),
    ] {
        assert_eq!(shown(line), expected, "{line}");
    }
    let deep = format!("{}1{}", r#"{"a":"#.repeat(200), "}".repeat(200));
    assert!(shown(&deep).contains("deeper than 128 levels"));
}

#[test]
fn only_what_is_wanted_is_read() {
    let line = r#"{"a":{"b":1,"c":{"d":2}},"e":3,"e":4,"f":broken"#;
    for (wanted, expected) in [
        (vec!["a_b"], vec!["a_b=1"]),
        (vec!["a_c_d", "e"], vec!["a_c_d=2", "e=3"]),
        (vec!["e"], vec!["e=3"]),
        (vec![], Vec::<&str>::new()),
    ] {
        let wanted: Vec<String> = wanted.into_iter().map(str::to_owned).collect();
        let (fields, result) = flat(line, Wanted::Only(&wanted));
        let fields: Vec<String> = fields.into_iter().map(|(name, value)| format!("{name}={value}")).collect();
        assert_eq!((fields, result), (expected.into_iter().map(str::to_owned).collect::<Vec<_>>(), Ok(())));
    }
    let (fields, result) = flat(line, Wanted::Only(&["x".to_owned()]));
    assert!(fields.is_empty() && result.is_err());
}

fn found(line: &str, paths: &[&str]) -> (Vec<String>, bool) {
    let paths: Vec<Path> = paths.iter().map(|path| Path::parse(path).unwrap()).collect();
    let mut values = vec![None; paths.len()];
    let result = find(line, &paths, |place, value| {
        assert!(values[place].is_none(), "handed over twice");
        values[place] = Some(value.into_owned());
    });
    (values.into_iter().map(Option::unwrap).collect(), result.is_ok())
}

#[test]
fn values_are_found_by_paths() {
    let line = r#"{"a":{"b":"x\ny","c":[1,{"d":true},"z"]},"e f":null,"g":{"h": [ 1, 2 ] },"i":-1.0,"a":5}"#;
    for (path, expected) in [
        ("a.b", "x\ny"),
        (r#"a["b"]"#, "x\ny"),
        ("a.c[0]", "1"),
        ("a.c[1].d", "true"),
        ("a.c[1]", r#"{"d":true}"#),
        ("a.c[2]", "z"),
        ("a.c[3]", ""),
        ("a.c.d", ""),
        ("a.b.c", ""),
        ("a[0]", ""),
        (r#"["e f"]"#, ""),
        ("g", r#"{"h": [ 1, 2 ] }"#),
        ("g.h", "[ 1, 2 ]"),
        ("i", "-1.0"),
        ("none", ""),
    ] {
        assert_eq!(found(line, &[path]), (vec![expected.to_owned()], true), "{path}");
    }
    let (values, _) = found(line, &["i", "g", "g.h[1]", "g.h[0]", "i", "none"]);
    assert_eq!(values, ["-1.0", r#"{"h": [ 1, 2 ] }"#, "2", "1", "-1.0", ""]);
    assert_eq!(found(r#"[{"a":1},{"a":2}]"#, &["[1].a"]), (vec!["2".to_owned()], true));
    assert_eq!(found(r#""text""#, &["a"]), (vec![String::new()], true));
    assert_eq!(found("", &["a"]), (vec![String::new()], true));
    assert_eq!(found(" ", &["a"]), (vec![String::new()], false));
    assert_eq!(found("text", &["a", "b"]), (vec![String::new(); 2], false));
    assert_eq!(found(r#"{"a":1,"b":"#, &["a"]), (vec!["1".to_owned()], true));
    assert_eq!(found(r#"{"a":1,"b":"#, &["a", "b"]), (vec!["1".to_owned(), String::new()], false));
    let many: Vec<String> = (0..150).map(|index| format!("k{index}")).collect();
    let line = many.iter().map(|key| format!("{key:?}:{key:?}")).collect::<Vec<_>>().join(",");
    let paths: Vec<&str> = many.iter().map(String::as_str).collect();
    assert_eq!(found(&format!("{{{line}}}"), &paths), (many.clone(), true));
}

/// JSON that a tree can be made of, and what its fields are.
fn objects() -> impl Strategy<Value = Vec<(String, Json)>> {
    let scalar = prop_oneof![
        any::<String>().prop_map(Json::Text),
        any::<i32>().prop_map(|number| Json::Plain(number.to_string())),
        any::<bool>().prop_map(|truth| Json::Plain(truth.to_string())),
        Just(Json::Null),
    ];
    let value = scalar.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Json::List),
            prop::collection::vec(("[a-c.\"é]{0,3}", inner), 0..4).prop_map(Json::Object),
        ]
    });
    prop::collection::vec(("[a-c0-9. \"é]{0,4}", value), 0..5)
}

#[derive(Debug, Clone)]
enum Json {
    Text(String),
    Plain(String),
    Null,
    List(Vec<Json>),
    Object(Vec<(String, Json)>),
}

fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for unit in text.encode_utf16() {
        match u8::try_from(unit) {
            Ok(byte) if byte.is_ascii_alphanumeric() => quoted.push(char::from(byte)),
            _ => quoted.push_str(&format!("\\u{unit:04x}")),
        }
    }
    quoted + "\""
}

fn written(value: &Json) -> String {
    match value {
        Json::Text(text) => quoted(text),
        Json::Plain(text) => text.clone(),
        Json::Null => "null".to_owned(),
        Json::List(items) => format!("[{}]", items.iter().map(written).collect::<Vec<_>>().join(",")),
        Json::Object(members) => {
            let members = members.iter().map(|(key, value)| format!("{} : {}", quoted(key), written(value)));
            format!("{{{}}}", members.collect::<Vec<_>>().join(", "))
        }
    }
}

fn expected(prefix: &str, members: &[(String, Json)], fields: &mut Vec<(String, String)>) {
    for (key, value) in members {
        let key = key.trim();
        let between = if prefix.is_empty() || key.is_empty() { "" } else { "_" };
        let name = crate::sanitised(&format!("{prefix}{between}{key}")).into_owned();
        match value {
            Json::Text(text) | Json::Plain(text) if !key.is_empty() => fields.push((name, text.clone())),
            Json::Object(members) => expected(&name, members, fields),
            _ => {}
        }
    }
}

proptest! {
    #[test]
    fn what_was_written_is_read(members in objects()) {
        let line = written(&Json::Object(members.clone()));
        let mut fields = Vec::new();
        expected("", &members, &mut fields);
        prop_assert_eq!(flat(&line, Wanted::All), (fields.clone(), Ok(())));

        // Each name that is asked for alone is the first of that name.
        if let Some((name, _)) = fields.last() {
            let first = fields.iter().find(|(other, _)| other == name).cloned().unwrap();
            prop_assert_eq!(flat(&line, Wanted::Only(std::slice::from_ref(name))), (vec![first], Ok(())));
        }
        // A line that was cut keeps a part of the fields, from the first on.
        let cut: String = line.chars().take(line.chars().count() / 2).collect();
        let (some, result) = flat(&cut, Wanted::All);
        let kept = result.map_or_else(|malformed| malformed.kept, |()| some.len());
        prop_assert!(kept <= some.len());
        // A number may be cut, too.
        for (place, (some, whole)) in some[..kept].iter().zip(&fields).enumerate() {
            let is_part = place + 1 == kept && whole.1.starts_with(&some.1);
            prop_assert!(some.0 == whole.0 && (some.1 == whole.1 || is_part), "{:?} of {:?}", some, whole);
        }
    }

    #[test]
    fn any_text_is_survived(line in r#"[\{\}\[\]":, a\\u0-9tn-]{0,40}"#) {
        let (fields, result) = flat(&line, Wanted::All);
        prop_assert!(result.map_or(0, |()| fields.len()) <= fields.len());
        let (values, _) = found(&line, &["a", "a.a", "[0]", "a[1].t"]);
        prop_assert_eq!(values.len(), 4);
    }
}
