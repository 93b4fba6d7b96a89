//! Messages of RFC 5424.
//!
//! Lengths of names are not checked, as senders exceed them, and names may hold any character but those that end them.

use std::borrow::Cow;

use super::cursor::{Cursor, Malformed};
use super::message::{Element, Message};
use super::priority::Priority;
use super::time::rfc3339;

const BYTE_ORDER_MARK: char = '\u{feff}';

pub fn parse(text: &str, may_lack_priority: bool) -> Result<Message<'_>, Malformed> {
    let mut cursor = Cursor::new(text);
    let priority = Priority::read(&mut cursor, may_lack_priority)?;
    let version = version(&mut cursor)?;
    let timestamp = match is_nil(&cursor) {
        true => {
            cursor.eat(b'-');
            None
        }
        false => Some(rfc3339(&mut cursor)?),
    };
    let hostname = name(&mut cursor, "the host's name")?;
    let appname = name(&mut cursor, "the application's name")?;
    let proc_id = name(&mut cursor, "the process id")?;
    let msg_id = name(&mut cursor, "the message id")?;
    cursor.expect(b' ', "a space before the structured data")?;
    let structured_data = structured_data(&mut cursor)?;
    let message = match cursor.is_at_end() {
        true => "",
        false => {
            cursor.expect(b' ', "a space before the message")?;
            cursor.rest()
        }
    };
    let message = Some(message.trim_start_matches(BYTE_ORDER_MARK)).filter(|message| !message.is_empty());
    let version = Some(version);
    Ok(Message { priority, version, timestamp, hostname, appname, proc_id, msg_id, structured_data, message })
}

fn version(cursor: &mut Cursor<'_>) -> Result<u16, Malformed> {
    let start = *cursor;
    let version = cursor.digits(3).parse().ok().filter(|version| *version > 0);
    let version = version.ok_or_else(|| start.malformed("expected the version, 1 (is it a message of RFC 3164?)"))?;
    cursor.expect(b' ', "a space after the version")?;
    Ok(version)
}

/// `-`, and nothing behind it that would make it a longer word.
fn is_nil(cursor: &Cursor<'_>) -> bool {
    let mut cursor = *cursor;
    cursor.word() == "-"
}

/// A space and a word; `-` is none.
fn name<'a>(cursor: &mut Cursor<'a>, what: &'static str) -> Result<Option<&'a str>, Malformed> {
    if !cursor.eat(b' ') {
        return Err(cursor.malformed(format!("expected a space before {what}")));
    }
    match cursor.word() {
        "" => Err(cursor.malformed(format!("expected {what}, or - for none"))),
        "-" => Ok(None),
        name => Ok(Some(name)),
    }
}

fn structured_data<'a>(cursor: &mut Cursor<'a>) -> Result<Vec<Element<'a>>, Malformed> {
    if cursor.eat(b'-') {
        return Ok(Vec::new());
    }
    let mut elements = Vec::new();
    while cursor.eat(b'[') {
        elements.push(element(cursor)?);
    }
    match elements.is_empty() {
        true => Err(cursor.malformed("expected structured data, or - for none")),
        false => Ok(elements),
    }
}

fn element<'a>(cursor: &mut Cursor<'a>) -> Result<Element<'a>, Malformed> {
    let id = sd_name(cursor, "the id of an element")?;
    let mut params = Vec::new();
    while cursor.eat(b' ') {
        // Some senders leave a space before the bracket.
        if cursor.peek() == Some(b']') {
            break;
        }
        let name = sd_name(cursor, "the name of a parameter")?;
        cursor.expect(b'=', "`=` after the name of a parameter")?;
        cursor.expect(b'"', "a quote before the value of a parameter")?;
        params.push((name, value(cursor)?));
    }
    cursor.expect(b']', "`]` at the end of an element")?;
    Ok(Element { id, params })
}

fn sd_name<'a>(cursor: &mut Cursor<'a>, what: &'static str) -> Result<&'a str, Malformed> {
    match cursor.until(|byte| matches!(byte, b'=' | b' ' | b']' | b'"')) {
        "" => Err(cursor.malformed(format!("expected {what}"))),
        name => Ok(name),
    }
}

/// Up to the closing quote, and over it. A backslash that escapes nothing stays (6.3.3).
fn value<'a>(cursor: &mut Cursor<'a>) -> Result<Cow<'a, str>, Malformed> {
    let start = *cursor;
    let mut value = Cow::Borrowed(cursor.until(|byte| matches!(byte, b'"' | b'\\' | b']')));
    loop {
        if cursor.eat(b'"') {
            return Ok(value);
        }
        if cursor.eat(b'\\') {
            match cursor.peek() {
                Some(escaped @ (b'"' | b'\\' | b']')) => {
                    cursor.eat(escaped);
                    value.to_mut().push(char::from(escaped));
                }
                _ => value.to_mut().push('\\'),
            }
        } else if cursor.is_at_end() {
            return Err(start.malformed("the value of a parameter does not end"));
        } else {
            return Err(cursor.malformed("expected a backslash before `]` in the value of a parameter"));
        }
        value.to_mut().push_str(cursor.until(|byte| matches!(byte, b'"' | b'\\' | b']')));
    }
}
