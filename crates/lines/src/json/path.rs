//! Paths into JSON: `response.headers["x-id"][0]`.

use std::fmt;

use thiserror::Error;
use trefoil_go::unquote;

/// Longer paths are refused: each step of one is a level of the stack.
const LONGEST: usize = 128;

/// Steps from a line's value to one inside it. At least one.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Path(Box<[Segment]>);

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Segment {
    Key(Box<str>),
    Index(usize),
}

#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{what} at byte {at} of the path {path:?}")]
pub struct PathError {
    what: &'static str,
    at: usize,
    path: String,
}

impl Path {
    /// Keys behind dots or, in quotes, in brackets; numbers in brackets are places in arrays.
    pub fn parse(text: &str) -> Result<Path, PathError> {
        let wrong = |what, rest: &str| Err(PathError { what, at: text.len() - rest.len(), path: text.to_owned() });
        let mut segments = Vec::new();
        let mut rest = text.trim();
        loop {
            if segments.len() == LONGEST {
                return wrong("more than 128 steps", rest);
            }
            let behind_dot = rest.strip_prefix('.').filter(|_| !segments.is_empty());
            let key = behind_dot.unwrap_or(rest);
            if let (None, Some(inside)) = (behind_dot, rest.strip_prefix('[')) {
                let Some((segment, behind)) = bracketed(inside) else {
                    return wrong("neither a number nor a text in quotes in brackets", inside);
                };
                segments.push(segment);
                rest = behind;
            } else {
                if behind_dot.is_none() && !segments.is_empty() {
                    return wrong("neither a dot nor a bracket", rest);
                }
                let end = key.find(is_special).unwrap_or(key.len());
                if end == 0 {
                    return wrong("no key", key);
                }
                segments.push(Segment::Key(key[..end].into()));
                rest = &key[end..];
            }
            if rest.is_empty() {
                return Ok(Path(segments.into()));
            }
        }
    }

    pub fn segments(&self) -> &[Segment] {
        &self.0
    }
}

fn is_special(character: char) -> bool {
    character.is_whitespace() || matches!(character, '.' | '[' | ']' | '"' | '\'' | '`' | '\\')
}

/// Behind the opening bracket: what it holds, and what stands behind it.
fn bracketed(inside: &str) -> Option<(Segment, &str)> {
    if !inside.starts_with('"') {
        let (index, behind) = inside.split_once(']')?;
        return Some((Segment::Index(index.trim().parse().ok()?), behind));
    }
    let mut is_escaped = false;
    let end = inside.char_indices().skip(1).find(|(_, character)| {
        let ends = *character == '"' && !is_escaped;
        is_escaped = *character == '\\' && !is_escaped;
        ends
    })?;
    let (quoted, behind) = inside.split_at(end.0 + 1);
    Some((Segment::Key(unquote(quoted).into()), behind.strip_prefix(']')?))
}

/// As it can be read again.
impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, segment) in self.0.iter().enumerate() {
            match segment {
                Segment::Index(index) => write!(f, "[{index}]")?,
                Segment::Key(key) if key.is_empty() || key.contains(is_special) => {
                    write!(f, "[{}]", trefoil_go::quote::quote(key))?;
                }
                Segment::Key(key) if place == 0 => f.write_str(key)?,
                Segment::Key(key) => write!(f, ".{key}")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_read_and_written() {
        for (text, written) in [
            ("a", "a"),
            ("a.b.c", "a.b.c"),
            ("a[0].b", "a[0].b"),
            (r#"a["b"]"#, "a.b"),
            (r#"["a b"].c"#, r#"["a b"].c"#),
            (r#"["a\"]"][12]"#, r#"["a\"]"][12]"#),
            ("[3]", "[3]"),
            (r#"[""]"#, r#"[""]"#),
            ("größe.x-y", "größe.x-y"),
        ] {
            let path = Path::parse(text).unwrap();
            assert_eq!(path.to_string(), written);
            assert_eq!(Path::parse(written), Ok(path));
        }
    }

    #[test]
    fn what_is_no_path_is_told_where() {
        for (text, at) in [
            ("", 0),
            (".a", 0),
            ("a.", 2),
            ("a..b", 2),
            ("a[", 2),
            ("a[x]", 2),
            ("a[0", 2),
            (r#"a["x]"#, 2),
            (r#"a["x"b"#, 2),
            ("a[-1]", 2),
            ("a[0]b", 4),
            ("a b", 1),
            ("a.[0]", 2),
        ] {
            assert_eq!(Path::parse(text).unwrap_err().at, at, "{text}");
        }
        assert!(Path::parse(&"[0]".repeat(129)).unwrap_err().to_string().contains("more than 128 steps"));
        assert!(Path::parse(&"[0]".repeat(128)).is_ok());
    }
}
