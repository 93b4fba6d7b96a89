//! Lines that are objects of JSON.

mod escape;
mod find;
mod path;
pub(crate) mod scan;
mod shapes;

pub use find::find;
pub use path::{Path, PathError, Segment};
pub(crate) use shapes::Shapes;

use std::borrow::Cow;
use std::ops::ControlFlow;

use crate::name::{is_sane, push_sanitised, starts_with_digit};
use crate::wanted::Search;
use crate::{Malformed, Wanted};
use scan::{Scanner, Token};

/// Objects that are nested deeper are an error.
const DEEPEST: usize = 128;

/// Hands over each field of the object that `line` is, names of nested ones joined by `_`. Arrays and null are left out, numbers
/// and truths are as written; what follows the object is not looked at.
///
/// Where the line is malformed, what stood before that has been handed over ([`Malformed::kept`]). `buffer` is for names; given
/// again with the next line, it saves an allocation.
pub fn flatten<'l>(
    line: &'l str,
    wanted: Wanted<'_>,
    buffer: &mut String,
    take: impl FnMut(&str, Cow<'l, str>),
) -> Result<(), Malformed> {
    buffer.clear();
    let mut scanner = Scanner::new(line);
    if !scanner.takes(b'{') {
        return scanner.wrong("no object");
    }
    let search = Search::new(wanted);
    if search.is_over() {
        return Ok(());
    }
    let mut flattening = Flattening { search, name: buffer, take, handed: 0, member: None };
    match flattening.object(&mut scanner, 1) {
        Ok(_) => Ok(()),
        Err(malformed) => Err(Malformed { kept: flattening.kept(line), ..malformed }),
    }
}

struct Flattening<'a, F> {
    search: Search<'a>,
    /// That of the object around, without an underscore behind it.
    name: &'a mut String,
    take: F,
    /// How many fields have been handed over.
    handed: usize,
    /// Of the outermost nested object: where it begins, and how many fields had been handed over before it.
    member: Option<(usize, usize)>,
}

impl<'l, F: FnMut(&str, Cow<'l, str>)> Flattening<'_, F> {
    fn object(&mut self, scanner: &mut Scanner<'l>, depth: usize) -> Result<ControlFlow<()>, Malformed> {
        if depth > DEEPEST {
            return scanner.wrong("objects nested deeper than 128 levels");
        }
        scanner.members(|scanner, key| {
            let key = key.text();
            let token = scanner.token()?;
            let value = match token {
                Token::String(quoted) => quoted.text(),
                Token::Plain(text) => Cow::Borrowed(text),
                Token::Object => return self.nested(scanner, &key, depth),
                Token::Array | Token::Null => {
                    scanner.skip_rest(token)?;
                    return Ok(ControlFlow::Continue(()));
                }
            };
            self.field(&key, value);
            Ok(if self.search.is_over() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
        })
    }

    fn nested(&mut self, scanner: &mut Scanner<'l>, key: &str, depth: usize) -> Result<ControlFlow<()>, Malformed> {
        let length = self.name.len();
        self.push(key);
        if depth == 1 {
            self.member = Some((scanner.at, self.handed));
        }
        let flow = match self.search.takes_below(self.name) {
            true => self.object(scanner, depth + 1)?,
            false => scanner.skip_block(b'{', b'}').map(|()| ControlFlow::Continue(()))?,
        };
        if depth == 1 {
            self.member = None;
        }
        self.name.truncate(length);
        Ok(flow)
    }

    fn field(&mut self, key: &str, value: Cow<'l, str>) {
        // Most fields are not nested and have names that are names of labels.
        if self.name.is_empty() && is_sane(key) && !starts_with_digit(key) {
            return self.hand_over(None, key, value);
        }
        let length = self.name.len();
        self.push(key);
        self.hand_over(Some(length), key, value);
        self.name.truncate(length);
    }

    fn push(&mut self, key: &str) {
        if !self.name.is_empty() && !key.trim().is_empty() {
            self.name.push('_');
        }
        push_sanitised(self.name, key);
    }

    /// `built`: the name stands in the buffer, where the object around has one of this length.
    fn hand_over(&mut self, built: Option<usize>, key: &str, value: Cow<'l, str>) {
        let name = if built.is_some() { self.name.as_str() } else { key };
        if name.len() == built.unwrap_or(0) || !self.search.takes(name) {
            return;
        }
        self.handed += 1;
        (self.take)(name, value);
    }

    fn kept(&self, line: &'l str) -> usize {
        let Some((at, before)) = self.member else { return self.handed };
        let mut scanner = Scanner::new(line);
        scanner.at = at;
        if scanner.skip_block(b'{', b'}').is_ok() { self.handed } else { before }
    }
}

/// Hands over the members of the object that `line` is, nested ones as they stand there, until `take` wants no more.
pub(crate) fn members<'l>(
    line: &'l str,
    mut take: impl FnMut(Cow<'l, str>, Member<'l>) -> ControlFlow<()>,
) -> Result<(), Malformed> {
    let mut scanner = Scanner::new(line);
    if !scanner.takes(b'{') {
        return scanner.wrong("no object");
    }
    let members = scanner.members(|scanner, key| {
        scanner.peek();
        let start = scanner.at;
        let token = scanner.token()?;
        scanner.skip_rest(token)?;
        Ok(take(key.text(), Member { token, text: scanner.since(start) }))
    });
    members.map(drop)
}

/// The value of a member.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Member<'l> {
    token: Token<'l>,
    /// As it stands there.
    text: &'l str,
}

impl<'l> Member<'l> {
    /// Of a string what it says.
    pub fn string(self) -> Option<Cow<'l, str>> {
        match self.token {
            Token::String(quoted) => Some(quoted.text()),
            _ => None,
        }
    }

    /// Of an object its text.
    pub fn object(self) -> Option<&'l str> {
        matches!(self.token, Token::Object).then_some(self.text)
    }
}

#[cfg(test)]
mod tests;
