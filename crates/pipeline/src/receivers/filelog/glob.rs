//! Paths by patterns, in the Collector's form (doublestar): `*`, `?`, `[a-z]`, `{a,b}`, and `**` for any folders.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use ::glob::{MatchOptions, Pattern, glob_with};

/// A pattern with alternatives stands for no more patterns than this.
const MOST_ALTERNATIVES: usize = 256;

const OPTIONS: MatchOptions =
    MatchOptions { case_sensitive: true, require_literal_separator: true, require_literal_leading_dot: false };

/// What of the alternatives of one text.
#[derive(Debug, Clone, PartialEq)]
pub struct Globs(Vec<Pattern>);

impl Globs {
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.is_empty() {
            return Err("must not be empty".to_owned());
        }
        let wrong = |reason: String| format!("`{text}` is no pattern of paths: {reason}");
        let patterns = alternatives(text).map_err(wrong)?;
        let pattern = |text: &String| Pattern::new(&translated(text)).map_err(|error| wrong(error.msg.to_owned()));
        patterns.iter().map(pattern).collect::<Result<_, _>>().map(Self)
    }

    fn fits(&self, path: &Path) -> bool {
        self.0.iter().any(|pattern| pattern.matches_path_with(path, OPTIONS))
    }
}

/// The files that any of `include` names and none of `exclude`, in order. A folder that cannot be read has none.
pub fn files(include: &[Globs], exclude: &[Globs]) -> BTreeSet<PathBuf> {
    let mut found = BTreeSet::new();
    for pattern in include.iter().flat_map(|globs| &globs.0) {
        let Ok(paths) = glob_with(pattern.as_str(), OPTIONS) else { continue };
        for path in paths {
            match path {
                Ok(path) if exclude.iter().any(|globs| globs.fits(&path)) => {}
                Ok(path) if path.is_file() => {
                    found.insert(path);
                }
                Ok(_) => {}
                Err(error) => tracing::debug!(%error, "looking for files"),
            }
        }
    }
    found
}

/// `a{b,c}` is `ab` and `ac`.
fn alternatives(text: &str) -> Result<Vec<String>, String> {
    let mut done = Vec::new();
    let mut open = vec![text.to_owned()];
    while let Some(text) = open.pop() {
        if done.len() + open.len() > MOST_ALTERNATIVES {
            return Err(format!("it has more than {MOST_ALTERNATIVES} alternatives"));
        }
        let Some((begin, end)) = braces(&text)? else {
            done.push(text);
            continue;
        };
        // Others inside of it are for later.
        let (mut depth, mut at, inner) = (0, 0, &text[begin + 1..end]);
        let mut parts = Vec::new();
        for (place, character) in inner.char_indices() {
            match character {
                '{' => depth += 1,
                '}' => depth -= 1,
                ',' if depth == 0 => {
                    parts.push(&inner[at..place]);
                    at = place + 1;
                }
                _ => {}
            }
        }
        parts.push(&inner[at..]);
        open.extend(parts.into_iter().rev().map(|part| format!("{}{part}{}", &text[..begin], &text[end + 1..])));
    }
    Ok(done)
}

/// The first pair of braces.
fn braces(text: &str) -> Result<Option<(usize, usize)>, String> {
    let (mut begin, mut depth, mut is_escaped) = (None, 0, false);
    for (place, character) in text.char_indices() {
        match character {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            '{' => {
                begin = begin.or(Some(place));
                depth += 1;
            }
            '}' if depth == 0 => return Err("a brace closes that was not opened".to_owned()),
            '}' => {
                depth -= 1;
                if let (0, Some(begin)) = (depth, begin) {
                    return Ok(Some((begin, place)));
                }
            }
            _ => {}
        }
    }
    match begin {
        Some(_) => Err("a brace is not closed".to_owned()),
        None => Ok(None),
    }
}

/// In the library's form, which has no backslash, `!` only for what a class is not, and `**` only alone.
fn translated(text: &str) -> String {
    let parts: Vec<&str> = text.split('/').collect();
    let last = parts.len() - 1;
    let mut pattern = Vec::new();
    for (place, part) in parts.iter().enumerate() {
        if *part == "**" {
            pattern.push("**".to_owned());
            if place == last {
                // Files, too, not folders alone.
                pattern.push("*".to_owned());
            }
            continue;
        }
        let mut own = String::new();
        let mut characters = part.chars().peekable();
        while let Some(character) = characters.next() {
            match character {
                '\\' => match characters.next() {
                    Some(escaped) => own.push_str(&Pattern::escape(&escaped.to_string())),
                    None => own.push('\\'),
                },
                '[' => {
                    own.push('[');
                    if characters.next_if_eq(&'^').is_some() {
                        own.push('!');
                    }
                }
                '*' => {
                    while characters.next_if_eq(&'*').is_some() {}
                    own.push('*');
                }
                other => own.push(other),
            }
        }
        pattern.push(own);
    }
    pattern.join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_fit_paths() {
        let cases = [
            ("/var/log/*.log", "/var/log/a.log", true),
            ("/var/log/*.log", "/var/log/x/a.log", false),
            ("/var/log/**/*.log", "/var/log/a.log", true),
            ("/var/log/**/*.log", "/var/log/x/y/a.log", true),
            ("/var/log/**", "/var/log/x/y/a.log", true),
            ("/var/log/x**y.log", "/var/log/x1y.log", true),
            ("/var/log/x**y.log", "/var/log/x/y.log", false),
            ("/var/log/{a,b}.log", "/var/log/b.log", true),
            ("/var/log/{a,b}.log", "/var/log/c.log", false),
            ("/var/log/{a,b{1,2}}/{x,}y", "/var/log/b2/y", true),
            ("/var/log/{a,b{1,2}}/{x,}y", "/var/log/b/y", false),
            ("/a/[0-9]?.log", "/a/1x.log", true),
            ("/a/[^0-9].log", "/a/x.log", true),
            ("/a/[^0-9].log", "/a/1.log", false),
            ("/a/[!0-9].log", "/a/x.log", true),
            ("/a/\\*.log", "/a/*.log", true),
            ("/a/\\*.log", "/a/b.log", false),
            ("/a/\\{b.log", "/a/{b.log", true),
            ("/var/log/pods/*/*/*.log", "/var/log/pods/n_p_u/c/0.log", true),
        ];
        for (pattern, path, expected) in cases {
            assert_eq!(Globs::parse(pattern).unwrap().fits(Path::new(path)), expected, "{pattern} {path}");
        }
    }

    #[test]
    fn what_is_no_pattern_is_refused() {
        for (pattern, expected) in [
            ("", "must not be empty"),
            ("/a/{b", "a brace is not closed"),
            ("/a/b}", "closes that was not opened"),
            ("/a/[b", "no pattern of paths"),
            (&"{a,b}".repeat(12), "more than 256 alternatives"),
        ] {
            let error = Globs::parse(pattern).unwrap_err();
            assert!(error.contains(expected), "{pattern}: {error}");
        }
    }
}
