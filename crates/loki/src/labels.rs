//! Labels of a stream, and their text: `{a="b", c="d"}`.

use std::borrow::Cow;
use std::fmt;

use thiserror::Error;
use trefoil_go::quote::quote;
use trefoil_go::unquote;

/// Sorted by name. A label without a value is no label.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Labels<'a>(Vec<(Cow<'a, str>, Cow<'a, str>)>);

/// Why a text says no labels, and where.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("at byte {at}: {problem}")]
pub struct InvalidLabels {
    /// Bytes from the beginning of the text.
    pub at: usize,
    pub problem: &'static str,
}

impl<'a> Labels<'a> {
    /// Reads the text as Prometheus does a metric without a name. A name that comes twice stays there twice.
    ///
    /// # Errors
    /// If it is no such text.
    pub fn parse(text: &'a str) -> Result<Self, InvalidLabels> {
        Parser { text, rest: text }.labels()
    }

    /// In any order.
    ///
    /// # Errors
    /// If one has a name that no label can have: that name.
    pub fn of(pairs: Vec<(Cow<'a, str>, Cow<'a, str>)>) -> Result<Self, Cow<'a, str>> {
        if let Some(wrong) = pairs.iter().position(|(name, _)| !is_name(name)) {
            return Err(pairs.into_iter().nth(wrong).map(|(name, _)| name).unwrap_or_default());
        }
        Ok(Self::sorted(pairs))
    }

    fn sorted(mut pairs: Vec<(Cow<'a, str>, Cow<'a, str>)>) -> Self {
        pairs.retain(|(_, value)| !value.is_empty());
        // In their order where a name comes twice.
        pairs.sort_by(|(one, _), (other, _)| one.cmp(other));
        Self(pairs)
    }

    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(other, _)| other == name).map(|(_, value)| &**value)
    }

    /// Adds a label, or changes it.
    pub fn set(&mut self, name: impl Into<Cow<'a, str>>, value: impl Into<Cow<'a, str>>) {
        let (name, value) = (name.into(), value.into());
        let place = self.0.partition_point(|(other, _)| *other < name);
        match self.0.get_mut(place) {
            Some((other, old)) if *other == name => *old = value,
            _ => self.0.insert(place, (name, value)),
        }
    }

    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (&**name, &**value))
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// A name that comes more than once.
    pub fn duplicate(&self) -> Option<&str> {
        self.0.windows(2).find(|pair| pair[0].0 == pair[1].0).map(|pair| &*pair[0].0)
    }

    /// Apart from what they were read from.
    pub fn into_owned(self) -> Labels<'static> {
        let owned = |text: Cow<'_, str>| Cow::Owned(text.into_owned());
        Labels(self.0.into_iter().map(|(name, value)| (owned(name), owned(value))).collect())
    }
}

/// As Loki writes them.
impl fmt::Display for Labels<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("{")?;
        for (index, (name, value)) in self.iter().enumerate() {
            let comma = if index > 0 { ", " } else { "" };
            write!(f, "{comma}{name}={}", quote(value))?;
        }
        f.write_str("}")
    }
}

/// The labels of a stream; the error is Loki's. No text at all is no label.
pub(crate) fn of_stream(text: &str) -> Result<Labels<'_>, String> {
    match text {
        "" => Ok(Labels::default()),
        _ => Labels::parse(text).map_err(|error| unreadable(text, &error)),
    }
}

/// Loki's words for labels that are none.
pub(crate) fn unreadable(text: &str, reason: &dyn fmt::Display) -> String {
    format!("Error parsing labels '{text}' with error: {reason}")
}

/// Whether a label can have that name.
pub(crate) fn is_name(text: &str) -> bool {
    let starts = |byte: u8| byte.is_ascii_alphabetic() || byte == b'_';
    let continues = |byte: u8| starts(byte) || byte.is_ascii_digit();
    text.bytes().next().is_some_and(starts) && text.bytes().all(continues)
}

struct Parser<'a> {
    text: &'a str,
    rest: &'a str,
}

impl<'a> Parser<'a> {
    fn labels(mut self) -> Result<Labels<'a>, InvalidLabels> {
        let mut pairs = Vec::new();
        self.expect('{', "labels begin with {")?;
        while !self.take('}') {
            pairs.push(self.pair()?);
            if !self.take(',') {
                self.expect('}', "expected , or } behind a label")?;
                break;
            }
        }
        self.skip_space();
        match self.rest {
            "" => Ok(Labels::sorted(pairs)),
            _ => Err(self.wrong("expected nothing more behind the labels")),
        }
    }

    fn pair(&mut self) -> Result<(Cow<'a, str>, Cow<'a, str>), InvalidLabels> {
        self.skip_space();
        let end = self.rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(self.rest.len());
        let (name, rest) = self.rest.split_at(end);
        if !is_name(name) {
            return Err(self.wrong("expected the name of a label"));
        }
        self.rest = rest;
        self.expect('=', "expected = behind the name of a label")?;
        self.skip_space();
        let quoted = self.quoted()?;
        let inner = &quoted[1..quoted.len() - 1];
        let is_plain = quoted.starts_with('`') || !inner.contains('\\');
        let value = if is_plain { Cow::Borrowed(inner) } else { Cow::Owned(unquote(quoted)) };
        Ok((name.into(), value))
    }

    /// A text with its quotes, all of whose escapes are ones of Go.
    fn quoted(&mut self) -> Result<&'a str, InvalidLabels> {
        let start = self.rest;
        let Some(quote) = start.chars().next().filter(|c| matches!(c, '"' | '\'' | '`')) else {
            return Err(self.wrong("expected a value in quotes"));
        };
        self.rest = &start[1..];
        loop {
            let stops = |c: char| c == quote || (quote != '`' && matches!(c, '\\' | '\n'));
            let end = self.rest.find(stops).unwrap_or(self.rest.len());
            self.rest = &self.rest[end..];
            match self.rest.as_bytes().first() {
                Some(b'\\') => self.escape(quote)?,
                Some(b'\n') | None => return Err(self.wrong("a value in quotes does not end")),
                Some(_) => break,
            }
        }
        self.rest = &self.rest[1..];
        Ok(&start[..start.len() - self.rest.len()])
    }

    fn escape(&mut self, quote: char) -> Result<(), InvalidLabels> {
        let mut characters = self.rest.chars();
        characters.next();
        let known = match characters.next() {
            Some('a' | 'b' | 'f' | 'n' | 'r' | 't' | 'v' | '\\') => true,
            Some(c) if c == quote => true,
            Some(first @ '0'..='3') => first.is_digit(8) && code(&mut characters, 2, 8).is_some(),
            Some('x') => code(&mut characters, 2, 16).is_some(),
            Some('u') => code(&mut characters, 4, 16).and_then(char::from_u32).is_some(),
            Some('U') => code(&mut characters, 8, 16).and_then(char::from_u32).is_some(),
            _ => false,
        };
        if !known {
            return Err(self.wrong("an unknown escape"));
        }
        self.rest = characters.as_str();
        Ok(())
    }

    fn expect(&mut self, character: char, problem: &'static str) -> Result<(), InvalidLabels> {
        if self.take(character) { Ok(()) } else { Err(self.wrong(problem)) }
    }

    fn take(&mut self, character: char) -> bool {
        self.skip_space();
        let rest = self.rest.strip_prefix(character);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn skip_space(&mut self) {
        self.rest = self.rest.trim_start_matches([' ', '\t', '\n', '\r']);
    }

    fn wrong(&self, problem: &'static str) -> InvalidLabels {
        InvalidLabels { at: self.text.len() - self.rest.len(), problem }
    }
}

/// So many digits.
fn code(characters: &mut std::str::Chars<'_>, digits: usize, base: u32) -> Option<u32> {
    (0..digits).try_fold(0, |code: u32, _| code.checked_mul(base)?.checked_add(characters.next()?.to_digit(base)?))
}

#[cfg(test)]
mod tests {
    use proptest::collection::btree_map;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn labels_are_read_as_prometheus_reads_them() {
        for (text, written) in [
            ("{}", "{}"),
            (" { } ", "{}"),
            (r#"{a="b"}"#, r#"{a="b"}"#),
            (r#"{ b = "2" , a='1', }"#, r#"{a="1", b="2"}"#),
            (r#"{a="b\"\n\x41\101\u00e9\U0001f600"}"#, "{a=\"b\\\"\\nAAé😀\"}"),
            (r"{a=`\n`}", r#"{a="\\n"}"#),
            (r"{a='it\'s'}", r#"{a="it's"}"#),
            (r#"{__a_1="x", a="", B="}"}"#, r#"{B="}", __a_1="x"}"#),
        ] {
            let labels = Labels::parse(text).unwrap();
            assert_eq!(labels.to_string(), written, "{text}");
            assert_eq!(Labels::parse(written).unwrap(), labels, "{text}");
        }
    }

    #[test]
    fn what_is_wrong_is_told_by_its_place() {
        let cases = [
            ("", "at byte 0: labels begin with {"),
            (r#"a{b="c"}"#, "at byte 0: labels begin with {"),
            ("{", "at byte 1: expected the name of a label"),
            ("{,}", "at byte 1: expected the name of a label"),
            (r#"{1a="b"}"#, "at byte 1: expected the name of a label"),
            (r#"{a.b="c"}"#, "at byte 2: expected = behind the name of a label"),
            ("{a=b}", "at byte 3: expected a value in quotes"),
            (r#"{a="b}"#, "at byte 6: a value in quotes does not end"),
            ("{a=\"b\n\"}", "at byte 5: a value in quotes does not end"),
            (r#"{a="\q"}"#, "at byte 4: an unknown escape"),
            (r#"{a="\'"}"#, "at byte 4: an unknown escape"),
            (r#"{a="\ud800"}"#, "at byte 4: an unknown escape"),
            (r#"{a="\400"}"#, "at byte 4: an unknown escape"),
            (r#"{a="\x4"}"#, "at byte 4: an unknown escape"),
            (r#"{a="b" c="d"}"#, "at byte 7: expected , or } behind a label"),
            (r#"{a="b"} x"#, "at byte 8: expected nothing more behind the labels"),
        ];
        for (text, problem) in cases {
            assert_eq!(Labels::parse(text).unwrap_err().to_string(), problem, "{text}");
        }
    }

    #[test]
    fn only_names_of_labels_are_names() {
        assert_eq!(["a", "_", "A9", "__x__"].map(is_name), [true; 4]);
        assert_eq!(["", "9", "a.b", "a-b", "ä", "a b"].map(is_name), [false; 6]);
        assert_eq!(Labels::of(vec![("a".into(), "b".into()), ("a.b".into(), "c".into())]), Err("a.b".into()));
    }

    #[test]
    fn a_name_may_come_twice_and_can_be_set() {
        let mut labels = Labels::parse(r#"{b="1", a="x", b="2"}"#).unwrap();
        assert_eq!((labels.duplicate(), labels.get("b")), (Some("b"), Some("1")));
        labels.set("aa", "y");
        labels.set("a", "z");
        assert_eq!(labels.to_string(), r#"{a="z", aa="y", b="1", b="2"}"#);
    }

    proptest! {
        #[test]
        fn what_is_written_can_be_read(pairs in btree_map("[a-zA-Z_][a-zA-Z0-9_]{0,4}", "\\PC{1,8}|[\\x00-\\x20\"`'\\\\]{1,4}", 0..5)) {
            let labels = Labels::of(pairs.iter().map(|(name, value)| (name.into(), value.into())).collect()).unwrap();
            let text = labels.to_string();
            prop_assert_eq!(&Labels::parse(&text).unwrap(), &labels);
            prop_assert_eq!(labels.duplicate(), None);
        }

        #[test]
        fn nothing_makes_it_panic(text in "\\PC{0,20}|[{}a=\"'`\\\\x4, \n]{0,20}") {
            if let Ok(labels) = Labels::parse(&text) {
                let written = labels.to_string();
                prop_assert_eq!(&Labels::parse(&written).unwrap(), &labels);
            }
        }
    }
}
