//! Objects that look like the ones before them: a program's lines mostly have the same keys in the same order, so that what stands
//! between two values is known before it is read.

use std::borrow::Cow;
use std::ops::{ControlFlow, Range};

use super::escape;
use super::scan::{Scanner, Token};
use crate::level::{self, Level};
use crate::name::sanitised;

/// Shapes that are remembered.
const MOST: usize = 8;
/// Members of an object whose shape is.
const MOST_MEMBERS: usize = 64;
/// Lines without a shape before learning becomes rare: then the next one is looked at once in so many lines.
const PATIENCE: usize = 32;

/// How objects looked that were read lately.
#[derive(Debug, Default)]
pub(crate) struct Shapes {
    /// That of the last object first.
    shapes: Vec<Vec<Member>>,
    values: Vec<Value>,
    /// Lines in a row that had none of the shapes.
    missed: usize,
}

#[derive(Debug)]
struct Member {
    /// What stands in front of its value, from the value before it on: `, "level": `.
    lead: Box<str>,
    /// Its name as a field. `None`: it is no field.
    name: Option<Box<str>>,
    /// Whether its key is one of those that name levels.
    names_level: bool,
}

#[derive(Debug)]
struct Value {
    place: Range<usize>,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    /// A number or a truth.
    Plain,
    String,
    /// A string with escapes in it.
    Escaped,
    /// Of no field.
    None,
}

impl Shapes {
    /// Hands over what [`super::flatten`] does. `false`: the line has none of the shapes, and nothing was handed over.
    pub fn read<'l>(&mut self, line: &'l str, mut take: impl FnMut(&str, Cow<'l, str>)) -> bool {
        let values = &mut self.values;
        let Some(found) = self.shapes.iter().position(|members| fits(members, line, values)) else { return false };
        self.missed = 0;
        self.shapes[..=found].rotate_right(1);
        for (member, Value { place, kind }) in self.shapes[0].iter().zip(values) {
            let (Some(name), Some(text)) = (&member.name, line.get(place.clone())) else { continue };
            match kind {
                Kind::Plain | Kind::String => take(name, Cow::Borrowed(text)),
                Kind::Escaped => take(name, Cow::Owned(escape::decoded(text))),
                Kind::None => {}
            }
        }
        true
    }

    /// What the keys of the line that was read last say of its level; see [`level`].
    pub fn level(&self, line: &str) -> Option<Level> {
        let mut members = self.shapes.first()?.iter().zip(&self.values);
        members.find_map(|(member, Value { place, kind })| {
            let text = line.get(place.clone()).filter(|_| member.names_level)?;
            match kind {
                Kind::String => Some(Level::of_name(text)),
                Kind::Escaped => Some(Level::of_name(&escape::decoded(text))),
                Kind::Plain | Kind::None => None,
            }
        })?
    }

    /// Remembers how a line looks that none of the shapes fitted. Objects in it would have names that are made of several.
    pub fn learn(&mut self, line: &str) {
        self.missed += 1;
        if self.missed > PATIENCE && !self.missed.is_multiple_of(PATIENCE) {
            return;
        }
        let Some(members) = shape(line).filter(|members| !members.is_empty()) else { return };
        self.shapes.truncate(MOST - 1);
        self.shapes.insert(0, members);
    }
}

/// Whether an object has these members and no other; then these are its values.
fn fits(members: &[Member], line: &str, values: &mut Vec<Value>) -> bool {
    values.clear();
    let mut scanner = Scanner::new(line);
    for member in members {
        if !line.as_bytes()[scanner.at..].starts_with(member.lead.as_bytes()) {
            return false;
        }
        scanner.at += member.lead.len();
        let start = scanner.at;
        let Ok(token) = scanner.token() else { return false };
        values.push(match token {
            Token::Object => return false,
            Token::String(quoted) => {
                let kind = if quoted.is_escaped() { Kind::Escaped } else { Kind::String };
                Value { place: scanner.at - 1 - quoted.len()..scanner.at - 1, kind }
            }
            Token::Plain(text) => Value { place: scanner.at - text.len()..scanner.at, kind: Kind::Plain },
            Token::Array | Token::Null => {
                if scanner.skip_rest(token).is_err() {
                    return false;
                }
                Value { place: start..start, kind: Kind::None }
            }
        });
    }
    scanner.takes(b'}')
}

/// `None`: there is an object in it, it has too many members, or it is malformed.
fn shape(line: &str) -> Option<Vec<Member>> {
    let mut scanner = Scanner::new(line);
    if !scanner.takes(b'{') {
        return None;
    }
    let (mut members, mut end) = (Vec::new(), 0);
    let flow = scanner.members(|scanner, key| {
        scanner.peek();
        let lead = line.get(end..scanner.at).unwrap_or_default();
        let token = scanner.token()?;
        if matches!(token, Token::Object) || members.len() == MOST_MEMBERS {
            return Ok(ControlFlow::Break(()));
        }
        scanner.skip_rest(token)?;
        end = scanner.at;
        let key = key.text();
        let name = Some(sanitised(&key)).filter(|name| !name.is_empty()).map(|name| name.into());
        members.push(Member { lead: lead.into(), name, names_level: level::KEYS.contains(&&*key) });
        Ok(ControlFlow::Continue(()))
    });
    matches!(flow, Ok(ControlFlow::Continue(()))).then_some(members)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{Wanted, json};

    type Fields = Vec<(String, String)>;

    fn by_shapes(shapes: &mut Shapes, line: &str) -> Option<Fields> {
        let mut fields = Fields::new();
        let fits = shapes.read(line, |name, value| fields.push((name.to_owned(), value.into_owned())));
        assert!(fits || fields.is_empty(), "{line}");
        fits.then_some(fields)
    }

    fn by_flattening(line: &str) -> Option<Fields> {
        let mut fields = Fields::new();
        let take = |name: &str, value: Cow<'_, str>| fields.push((name.to_owned(), value.into_owned()));
        let is_well_formed = json::flatten(line, Wanted::All, &mut String::new(), take).is_ok();
        is_well_formed.then_some(fields)
    }

    #[test]
    fn lines_that_look_alike_are_known() {
        let mut shapes = Shapes::default();
        shapes.learn(r#"{"level":"info", "a b" : 1,"n":null,"":[1,"]"]}"#);
        let fields = |values: [&str; 2]| {
            Some(vec![("level".to_owned(), values[0].to_owned()), ("a_b".to_owned(), values[1].to_owned())])
        };
        for (line, expected) in [
            (r#"{"level":"warn", "a b" : -2.5,"n":[],"":"x"} rest"#, Some(["warn", "-2.5"])),
            (r#"{"level":"a\"b", "a b" : "","n":null,"":true}"#, Some(["a\"b", ""])),
            (r#"{"level":"warn","a b" : 1,"n":null,"":1}"#, None),
            (r#"{"level":"warn", "a b" : {},"n":null,"":1}"#, None),
            (r#"{"level":"warn", "a b" : 1,"n":null,"":1,"more":1}"#, None),
            (r#"{"level":"warn", "a b" : 1,"n":null"#, None),
            (r#"{"level":"warn"#, None),
            ("", None),
        ] {
            // What is no field in one line is one in the other.
            let expected = expected.map(|values| fields(values).unwrap());
            let found =
                by_shapes(&mut shapes, line).map(|fields| fields.into_iter().filter(|(name, _)| name != "n").collect());
            assert_eq!(found, expected, "{line}");
        }
        shapes.learn(r#"{"a":{"b":1}}"#);
        shapes.learn("{}");
        shapes.learn("no object");
        assert_eq!(shapes.shapes.len(), 1);
    }

    #[test]
    fn lines_that_never_look_alike_are_hardly_learned() {
        let mut shapes = Shapes::default();
        for number in 0..1_000 {
            let line = format!(r#"{{"k{number}":1}}"#);
            assert_eq!(by_shapes(&mut shapes, &line), None);
            shapes.learn(&line);
        }
        let known: Vec<&str> = shapes.shapes.iter().map(|members| &*members[0].lead).collect();
        assert_eq!(known[..2], [r#"{"k991":"#, r#"{"k959":"#]);
    }

    proptest! {
        #[test]
        fn shapes_find_what_flattening_finds(lines in proptest::collection::vec((
            proptest::collection::vec((
                prop::sample::select(vec![r#""a":"#, r#""b" : "#, r#""":"#, r#""a\"":"#, r#""a":x"#, r#""é":"#, r#""1":"#, r#""level":"#, r#""lvl":"#]),
                prop::sample::select(vec!["1", "null", "\"x\"", "\"warn\"", r#""\u0069nfo""#, r#""\u00e9\"""#, "[1,\"]\"]", "{\"c\":2}", "true", "\"", ""]),
            ), 0..4),
            prop::sample::select(vec!["{", " {", ""]),
            prop::sample::select(vec!["}", "} x", " }", ",}", ""]),
        ), 1..30)) {
            let mut shapes = Shapes::default();
            for (members, open, close) in lines {
                let members: Vec<String> = members.iter().map(|(key, value)| format!("{key}{value}")).collect();
                let line = format!("{open}{}{close}", members.join(","));
                match by_shapes(&mut shapes, &line) {
                    Some(fields) => {
                        prop_assert_eq!(Some(fields), by_flattening(&line), "{}", line);
                        let level = level::of_keys_or_words(shapes.level(&line), &line);
                        prop_assert_eq!(level, level::of_line(&line), "{}", line);
                    }
                    None => shapes.learn(&line),
                }
            }
        }
    }
}
