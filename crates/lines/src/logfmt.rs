//! Lines of `key=value` pairs.
//!
//! Source of the form: <https://pkg.go.dev/github.com/kr/logfmt>; values in quotes have Go's escapes.

use std::borrow::Cow;

use memchr::memchr2;
use trefoil_go::unquote;

use crate::name::sanitised;
use crate::wanted::Search;
use crate::{Malformed, Wanted};

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Options {
    /// What is malformed ends the line and is an error; without it, it is left out.
    pub strict: bool,
    /// Keys without a value, or with an empty one, are fields with the empty text.
    pub keep_empty: bool,
}

/// Hands over each field of the line. `Err` only where it is strict.
pub fn fields<'l>(
    line: &'l str,
    options: Options,
    wanted: Wanted<'_>,
    mut take: impl FnMut(&str, Cow<'l, str>),
) -> Result<(), Malformed> {
    let mut search = Search::new(wanted);
    let (mut pairs, mut handed) = (Pairs { line, at: 0 }, 0);
    while !search.is_over() {
        match pairs.next() {
            None => break,
            Some(Err(malformed)) if options.strict => return Err(Malformed { kept: handed, ..malformed }),
            Some(Err(_)) => {}
            Some(Ok(pair)) => {
                let name = sanitised(pair.key);
                if !name.is_empty() && (options.keep_empty || !pair.value.is_empty()) && search.takes(&name) {
                    handed += 1;
                    take(&name, pair.value.text());
                }
            }
        }
    }
    Ok(())
}

/// Hands over what each of `keys` has in the line, with the key's place; of a key that comes twice the first, of one that is not
/// there the empty text. Each is handed over once.
pub fn find<'l, K: AsRef<str>>(
    line: &'l str,
    options: Options,
    keys: &[K],
    mut take: impl FnMut(usize, Cow<'l, str>),
) -> Result<(), Malformed> {
    let mut found = vec![false; keys.len()];
    let (mut left, mut result) = (keys.len(), Ok(()));
    let mut pairs = Pairs { line, at: 0 };
    while left > 0 {
        match pairs.next() {
            None => break,
            Some(Err(malformed)) if options.strict => {
                result = Err(malformed);
                break;
            }
            Some(Err(_)) => {}
            Some(Ok(pair)) => {
                for place in (0..keys.len()).filter(|place| keys[*place].as_ref() == pair.key) {
                    if !found[place] {
                        (found[place], left) = (true, left - 1);
                        take(place, pair.value.text());
                    }
                }
            }
        }
    }
    found.iter().enumerate().filter(|(_, found)| !**found).for_each(|(place, _)| take(place, Cow::Borrowed("")));
    result
}

/// Goes through a line.
pub(crate) struct Pairs<'l> {
    line: &'l str,
    at: usize,
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Pair<'l> {
    pub key: &'l str,
    pub value: Value<'l>,
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum Value<'l> {
    Plain(&'l str),
    /// With its quotes.
    Escaped(&'l str),
}

impl<'l> Value<'l> {
    fn is_empty(self) -> bool {
        matches!(self, Value::Plain(""))
    }

    pub fn text(self) -> Cow<'l, str> {
        match self {
            Value::Plain(text) => Cow::Borrowed(text),
            Value::Escaped(quoted) => Cow::Owned(unquote(quoted)),
        }
    }
}

impl<'l> Pairs<'l> {
    pub fn of(line: &'l str) -> Self {
        Self { line, at: 0 }
    }

    fn bytes(&self) -> &'l [u8] {
        self.line.as_bytes().get(self.at..).unwrap_or_default()
    }

    /// Up to the first byte that fulfils the condition.
    fn until(&mut self, ends: impl Fn(u8) -> bool) -> &'l str {
        let start = self.at;
        let bytes = self.bytes();
        self.at += bytes.iter().position(|byte| ends(*byte)).unwrap_or(bytes.len());
        self.line.get(start..self.at).unwrap_or_default()
    }

    /// What is wrong here; goes on behind the next space.
    fn wrong(&mut self, what: &'static str) -> Option<Result<Pair<'l>, Malformed>> {
        let at = self.at;
        self.until(is_space);
        Some(Err(Malformed { what, at, kept: 0 }))
    }
}

impl<'l> Iterator for Pairs<'l> {
    type Item = Result<Pair<'l>, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        self.until(|byte| !is_space(byte));
        let key = self.until(ends_plain);
        match self.bytes().first() {
            None if key.is_empty() => return None,
            Some(b'=') if key.is_empty() => return self.wrong("an equals sign without a key"),
            Some(b'"') => return self.wrong("a quote in a key"),
            Some(b'=') => self.at += 1,
            _ => return Some(Ok(Pair { key, value: Value::Plain("") })),
        }
        if self.bytes().first() == Some(&b'"') {
            return match self.quoted() {
                Some(value) => Some(Ok(Pair { key, value })),
                None => self.wrong("a value in quotes without an end"),
            };
        }
        let value = self.until(ends_plain);
        match self.bytes().first() {
            Some(b'=') => self.wrong("an equals sign in a value"),
            Some(b'"') => self.wrong("a quote in a value"),
            _ => Some(Ok(Pair { key, value: Value::Plain(value) })),
        }
    }
}

impl<'l> Pairs<'l> {
    /// A value in quotes. Without an end it is the rest of the line.
    fn quoted(&mut self) -> Option<Value<'l>> {
        let start = self.at;
        let (mut end, mut is_escaped) = (start + 1, false);
        loop {
            let rest = self.line.as_bytes().get(end..).unwrap_or_default();
            let Some(found) = memchr2(b'"', b'\\', rest) else {
                self.at = self.line.len();
                return None;
            };
            end += found + 1;
            if rest[found] == b'"' {
                break;
            }
            is_escaped = true;
            // Whatever is escaped, its first byte is no end.
            end += 1;
        }
        self.at = end;
        match is_escaped {
            true => self.line.get(start..end).map(Value::Escaped),
            false => self.line.get(start + 1..end - 1).map(Value::Plain),
        }
    }
}

/// Spaces and all control characters.
fn is_space(byte: u8) -> bool {
    byte <= b' '
}

fn ends_plain(byte: u8) -> bool {
    is_space(byte) || byte == b'=' || byte == b'"'
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const STRICT: Options = Options { strict: true, keep_empty: false };
    const KEEP: Options = Options { strict: false, keep_empty: true };

    fn shown(line: &str, options: Options) -> String {
        let mut fields = Vec::new();
        let result = super::fields(line, options, Wanted::All, |name, value| fields.push(format!("{name}={value}")));
        match result {
            Ok(()) => fields.join(","),
            Err(malformed) => {
                assert_eq!(malformed.kept, fields.len());
                format!("{}!{malformed}", fields.join(","))
            }
        }
    }

    #[test]
    fn pairs_are_fields() {
        for (line, expected) in [
            ("", ""),
            ("a=b", "a=b"),
            ("  a=b\tc=d ", "a=b,c=d"),
            (r#"a="b c" d="e""#, "a=b c,d=e"),
            (r#"a="b\"c\n" d="""#, "a=b\"c\n"),
            (r#"a="b"c=d"#, "a=b,c=d"),
            ("a b= c=d", "c=d"),
            ("a.b=c größe=1 1x=2", "a_b=c,gr__e=1,_1x=2"),
            (r#"a=b\n c={"x":1}"#, r"a=b\n"),
            ("text without any pair", ""),
            ("a=1 a=2", "a=1,a=2"),
            ("ts=2026-01-01T00:00:00Z url=/x?y dur=1.5ms", "ts=2026-01-01T00:00:00Z,url=/x?y,dur=1.5ms"),
            // What is malformed is left out.
            ("a=1 =b c=2", "a=1,c=2"),
            ("a=1 b=c=d e=2", "a=1,e=2"),
            (r#"a=1 b"x=2 e=2"#, "a=1,e=2"),
            (r#"a=1 b=x"y e=2"#, "a=1,e=2"),
            (r#"a=1 b="x e=2"#, "a=1"),
            (r#"a=1 b="x\"#, "a=1"),
        ] {
            assert_eq!(shown(line, Options::default()), expected, "{line}");
        }
    }

    #[test]
    fn strictness_ends_at_errors_and_empty_values_are_kept_on_demand() {
        for (line, expected) in [
            ("a=1 b=2", "a=1,b=2"),
            ("a=1 =b c=2", "a=1!an equals sign without a key at byte 4"),
            ("a=1 b=c=d e=2", "a=1!an equals sign in a value at byte 7"),
            (r#"a"b"#, "!a quote in a key at byte 1"),
            (r#"a=b"c"#, "!a quote in a value at byte 3"),
            (r#"a=1 b="x e=2"#, "a=1!a value in quotes without an end at byte 12"),
        ] {
            assert_eq!(shown(line, STRICT), expected, "{line}");
        }
        assert_eq!(shown(r#"a b= c="" d=1"#, KEEP), "a=,b=,c=,d=1");
    }

    #[test]
    fn only_what_is_wanted_is_read() {
        let wanted = ["b".to_owned(), "d".to_owned()];
        let mut fields = Vec::new();
        let line = "a=1 b=2 b=3 d=4 e=";
        let result =
            super::fields(line, STRICT, Wanted::Only(&wanted), |name, value| fields.push(format!("{name}={value}")));
        assert_eq!((fields, result), (vec!["b=2".to_owned(), "d=4".to_owned()], Ok(())));
        let mut found = vec![None; 4];
        let take = |place: usize, value: Cow<'_, str>| assert_eq!(found[place].replace(value.into_owned()), None);
        find(r#"a=1 b.c="2 3" b.c=4 =x"#, Options::default(), &["b.c", "none", "a", "a"], take).unwrap();
        assert_eq!(found, ["2 3", "", "1", "1"].map(|value| Some(value.to_owned())));
        let mut found = Vec::new();
        let result = find("a=1 =x b=2", STRICT, &["b", "a"], |place, value| found.push((place, value)));
        assert_eq!(found, [(1, "1".into()), (0, "".into())]);
        assert_eq!(result.unwrap_err().at, 4);
    }

    proptest! {
        #[test]
        fn what_was_written_is_read(pairs in prop::collection::vec(("[a-z_]{1,4}", ".{0,8}"), 0..6)) {
            let line: Vec<String> =
                pairs.iter().map(|(key, value)| format!("{key}={}", trefoil_go::quote::quote(value))).collect();
            let mut read = Vec::new();
            let options = Options { strict: true, keep_empty: true };
            let take = |name: &str, value: Cow<'_, str>| read.push((name.to_owned(), value.into_owned()));
            prop_assert_eq!(fields(&line.join(" "), options, Wanted::All, take), Ok(()));
            prop_assert_eq!(read, pairs);
        }

        #[test]
        fn strictness_changes_nothing_of_what_is_well_formed(line in r#"[a-c="\\ é]{0,30}"#) {
            let collect = |options| {
                let mut all = Vec::new();
                let result = fields(&line, options, Wanted::All, |name, value| all.push((name.to_owned(), value)));
                (all, result)
            };
            let ((strict, result), (lenient, never)) = (collect(STRICT), collect(Options::default()));
            prop_assert_eq!(never, Ok(()));
            prop_assert!(lenient.starts_with(&strict));
            prop_assert!(result.is_err() || strict == lenient);
        }
    }
}
