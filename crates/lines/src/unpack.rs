//! Lines that an agent has packed: an object of labels with the line itself as `_entry`.

use std::borrow::Cow;
use std::ops::ControlFlow;

use crate::Malformed;
use crate::json::members;
use crate::name::sanitised;

/// The member that is the line.
pub const ENTRY: &str = "_entry";

/// The line that has been packed. `None`: `line` is an object without one, or empty; nothing is handed over then.
///
/// Hands over all other members that are strings; what else there is, is left out.
pub fn unpack<'l>(line: &'l str, mut take: impl FnMut(&str, Cow<'l, str>)) -> Result<Option<Cow<'l, str>>, Malformed> {
    if line.is_empty() {
        return Ok(None);
    }
    let (mut entry, mut labels) = (None, Vec::new());
    members(line, |key, value| {
        match value.string() {
            Some(value) if key == ENTRY => entry = Some(value),
            Some(value) => labels.push((key, value)),
            None => {}
        }
        ControlFlow::Continue(())
    })?;
    if entry.is_some() {
        for (key, value) in labels {
            let name = sanitised(&key);
            if !name.is_empty() {
                take(&name, value);
            }
        }
    }
    Ok(entry)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packed_lines_are_unpacked() {
        for (line, expected) in [
            (r#"{"a.b":"c","n":1,"_entry":"x\ny","o":{"_entry":"z"},"":"e","d":"f"}"#, "x\ny|a_b=c,d=f"),
            (r#"{"_entry":""}"#, "|"),
            (r#"{"a":"b"}"#, "none|"),
            (r#"{"_entry":1,"a":"b"}"#, "none|"),
            ("{}", "none|"),
            ("text", "no object at byte 0|"),
            ("", "none|"),
            (" ", "no object at byte 1|"),
            (r#"{"a":"b","_entry":"x""#, "neither comma nor closing brace behind a value at byte 21|"),
        ] {
            let mut fields = Vec::new();
            let entry = unpack(line, |name, value| fields.push(format!("{name}={value}")));
            let entry = match entry {
                Ok(entry) => entry.unwrap_or(Cow::Borrowed("none")).into_owned(),
                Err(malformed) => malformed.to_string(),
            };
            assert_eq!(format!("{entry}|{}", fields.join(",")), expected, "{line}");
        }
    }
}
