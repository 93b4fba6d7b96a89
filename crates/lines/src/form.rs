//! What columns can say of a line: its form and level, and its fields as the stage for that form finds them.

use std::borrow::Cow;

use crate::json::Shapes;
use crate::json::scan::Scanner;
use crate::level::{self, Level};
use crate::logfmt::{self, Options};
use crate::{Wanted, json};

/// The form of a line of which columns have fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Form {
    /// An object of JSON, well-formed as far as it is read.
    Json,
    /// No object, but there are pairs in it.
    Logfmt,
    /// Neither: it has no fields.
    Text,
}

/// Fields of a line for which columns are filled; lines with more are left to whoever asks.
pub const MOST_FIELDS: usize = 256;

/// Names of labels begin so that mean something to queries, such as errors. No column is named so.
const RESERVED: &str = "__";

/// Bytes of a line, likewise.
pub const MOST_BYTES: usize = 64 << 10;

impl Form {
    pub const ALL: [Form; 3] = [Form::Json, Form::Logfmt, Form::Text];

    pub fn name(self) -> &'static str {
        match self {
            Form::Json => "json",
            Form::Logfmt => "logfmt",
            Form::Text => "text",
        }
    }

    pub fn of_name(name: &str) -> Option<Form> {
        Form::ALL.into_iter().find(|form| form.name() == name)
    }
}

/// What a line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Told {
    /// `None`, whatever fields were handed over: columns cannot have what a stage finds in it, for it is malformed, too long, or has too
    /// many fields or odd ones.
    pub form: Option<Form>,
    /// As [`level::of_line`] has it.
    pub level: Level,
}

/// Reads line after line, faster where they look like those before. What it says of a line does not depend on that.
#[derive(Debug, Default)]
pub struct Reader {
    shapes: Shapes,
    name: String,
}

impl Reader {
    /// Hands over all fields of a line, some perhaps more than once: the first of a name counts.
    pub fn read<'l>(&mut self, line: &'l str, mut take: impl FnMut(&str, Cow<'l, str>)) -> Told {
        if line.len() > MOST_BYTES {
            return Told { form: None, level: level::of_line(line) };
        }
        let (mut count, mut is_reserved) = (0, false);
        let counted = |name: &str, value: Cow<'l, str>| {
            count += 1;
            is_reserved |= name.starts_with(RESERVED);
            take(name, value);
        };
        let Told { form, level } = match Scanner::new(line).takes(b'{') {
            true => self.object(line, counted),
            // Never fails where it is not strict.
            false => {
                let read = logfmt::fields(line, Options::default(), Wanted::All, counted);
                Told { form: read.ok().map(|()| Form::Logfmt), level: level::of_line(line) }
            }
        };
        let form = match (form, count) {
            (Some(Form::Logfmt), 0) => Some(Form::Text),
            (form, count) => form.filter(|_| count <= MOST_FIELDS && !is_reserved),
        };
        Told { form, level }
    }

    fn object<'l>(&mut self, line: &'l str, mut take: impl FnMut(&str, Cow<'l, str>)) -> Told {
        if self.shapes.read(line, &mut take) {
            let level = level::of_keys_or_words(self.shapes.level(line), line);
            return Told { form: Some(Form::Json), level };
        }
        self.shapes.learn(line);
        let read = json::flatten(line, Wanted::All, &mut self.name, take);
        Told { form: read.ok().map(|()| Form::Json), level: level::of_line(line) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> (Option<Form>, Vec<String>) {
        let mut fields = Vec::new();
        let told = Reader::default().read(line, |name, value| fields.push(format!("{name}={value}")));
        assert_eq!(told.level, level::of_line(line), "{line}");
        (told.form, fields)
    }

    #[test]
    fn lines_have_forms() {
        for (line, form, fields) in [
            (r#"{"a":{"b":1},"c":"x"}"#, Some(Form::Json), vec!["a_b=1", "c=x"]),
            (r#" {"a":1,"a":2} and more"#, Some(Form::Json), vec!["a=1", "a=2"]),
            ("{}", Some(Form::Json), vec![]),
            ("a=1 b=\"x y\" =z", Some(Form::Logfmt), vec!["a=1", "b=x y"]),
            ("a b=", Some(Form::Text), vec![]),
            ("[1]", Some(Form::Text), vec![]),
            ("", Some(Form::Text), vec![]),
        ] {
            assert_eq!(read(line), (form, fields.into_iter().map(str::to_owned).collect()), "{line}");
        }
        assert_eq!(read(r#"{"a":1,"#).0, None);
        assert_eq!(read("{a=1}").0, None);
        assert_eq!(read("__error__=x").0, None);
        assert_eq!(read(&"x ".repeat(MOST_BYTES)).0, None);
        assert_eq!(read(&"a=1 ".repeat(MOST_FIELDS + 1)).0, None);
        assert_eq!(read(&"a=1 ".repeat(MOST_FIELDS)).0, Some(Form::Logfmt));
        assert!(Form::ALL.iter().all(|form| Form::of_name(form.name()) == Some(*form)));
    }
}
