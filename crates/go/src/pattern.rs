//! Regular expressions as Prometheus reads them, which is as Go does (RE2's syntax), for our library.
//!
//! Most of both is the same. What is not, and stands in real queries, is written in another way: `\d`, `\w`, `\s` and `\b` are
//! about ASCII, a brace that repeats nothing is a brace, classes do not nest, and `\Q…\E` is literal.
//! Source: <https://github.com/google/re2/wiki/Syntax>.

use std::iter::Peekable;
use std::str::Chars;

use regex::{Captures, Regex, RegexBuilder};

/// Compiled patterns larger than this (bytes) are refused, as a pattern comes from outside.
const LARGEST: usize = 10 << 20;

/// Matches whole texts only; `.` matches line ends, too.
pub fn compile(pattern: &str) -> Result<Regex, regex::Error> {
    RegexBuilder::new(&format!("^(?s:{})$", translated(pattern))).size_limit(LARGEST).build()
}

/// Matches anywhere in a text; `.` does not match line ends. Groups are those of the pattern.
pub fn search(pattern: &str) -> Result<Regex, regex::Error> {
    search_up_to(pattern, LARGEST)
}

/// What Go says of `given`, which is no pattern. Our library describes errors in its own way, so the usual ones are told in
/// Go's words.
pub fn explain(given: &str, error: &regex::Error) -> String {
    let described = error.to_string();
    let reason = match described.lines().last().unwrap_or_default() {
        last if last.contains("unclosed group") => format!("missing closing ): `{given}`"),
        last if last.contains("unopened group") => format!("unexpected ): `{given}`"),
        last if last.contains("unclosed character class") => {
            let class = given.rfind('[').and_then(|start| given.get(start..)).unwrap_or_default();
            format!("missing closing ]: `{class}`")
        }
        last if last.contains("repetition operator missing expression") => {
            format!("missing argument to repetition operator: `{}`", first_repetition(given))
        }
        last => return format!("error parsing regexp: {}", last.trim_start_matches("error: ")),
    };
    format!("error parsing regexp: {reason}")
}

/// The first of `*`, `+` and `?` that has nothing in front of it to repeat.
fn first_repetition(pattern: &str) -> char {
    let mut previous = '(';
    for (place, character) in pattern.chars().enumerate() {
        let is_first = matches!(previous, '(' | '|' | '^' | ':') || place == 0;
        if matches!(character, '*' | '+' | '?') && is_first && !is_flag(character, previous) {
            return character;
        }
        previous = character;
    }
    '*'
}

/// `(?`, which begins a group.
fn is_flag(character: char, previous: char) -> bool {
    character == '?' && previous == '('
}

/// As [`search`], but compiled patterns larger than `largest` bytes are refused.
pub fn search_up_to(pattern: &str, largest: usize) -> Result<Regex, regex::Error> {
    RegexBuilder::new(&translated(pattern)).size_limit(largest).build()
}

/// What a replacement stands for where a pattern matches: `$1`, `${1}`, `$name` and `${name}` are groups (nothing where there is no such
/// group), `$$` is a dollar. A name goes on as long as it can: `$1x` is the group `1x`.
pub fn expand(replacement: &str, found: &Captures<'_>, text: &mut String) {
    let mut rest = replacement;
    while let Some((before, behind)) = rest.split_once('$') {
        text.push_str(before);
        if let Some(behind) = behind.strip_prefix('$') {
            text.push('$');
            rest = behind;
            continue;
        }
        let Some((name, behind)) = group_name(behind) else {
            // Not well-formed, so the dollar is one.
            text.push('$');
            rest = behind;
            continue;
        };
        let group = match name.parse::<usize>() {
            Ok(number) => found.get(number),
            Err(_) => found.name(name),
        };
        text.push_str(group.map_or("", |group| group.as_str()));
        rest = behind;
    }
    text.push_str(rest);
}

/// The name behind a dollar, and what is behind the name.
fn group_name(text: &str) -> Option<(&str, &str)> {
    let (braced, text) = text.strip_prefix('{').map_or((false, text), |rest| (true, rest));
    let length = text.find(|next: char| next != '_' && !next.is_alphanumeric()).unwrap_or(text.len());
    if length == 0 {
        return None;
    }
    let (name, behind) = text.split_at(length);
    let behind = if braced { behind.strip_prefix('}')? } else { behind };
    Some((name, behind))
}

/// As [`search`], in bytes, and line by line: `^` and `$` match at the ends of lines, too.
pub fn search_lines(pattern: &str) -> Result<regex::bytes::Regex, regex::Error> {
    regex::bytes::RegexBuilder::new(&translated(pattern)).multi_line(true).size_limit(LARGEST).build()
}

fn translated(pattern: &str) -> String {
    let mut rest = pattern.chars().peekable();
    let mut text = String::with_capacity(pattern.len());
    while let Some(character) = rest.next() {
        match character {
            '\\' => escape(&mut rest, &mut text),
            '[' => class(&mut rest, &mut text),
            '{' if !is_repetition(rest.clone()) => text.push_str("\\{"),
            other => text.push(other),
        }
    }
    text
}

/// What follows a backslash outside of a class.
fn escape(rest: &mut Peekable<Chars<'_>>, text: &mut String) {
    match rest.next() {
        Some('Q') => literal(rest, text),
        Some('b') => text.push_str("(?-u:\\b)"),
        // Our library takes these for the edges of words.
        Some(plain @ ('<' | '>')) => text.push(plain),
        Some(other) => match ascii_class(other) {
            Some((negation, members)) => {
                text.push('[');
                text.push_str(negation);
                text.push_str(members);
                text.push(']');
            }
            None => text.extend(['\\', other]),
        },
        None => text.push('\\'),
    }
}

/// Whether the class is negated, and its members.
fn ascii_class(name: char) -> Option<(&'static str, &'static str)> {
    let members = match name.to_ascii_lowercase() {
        'd' => "0-9",
        's' => "\\t\\n\\f\\r ",
        'w' => "0-9A-Za-z_",
        _ => return None,
    };
    Some((if name.is_ascii_uppercase() { "^" } else { "" }, members))
}

/// Up to `\E` or the end.
fn literal(rest: &mut Peekable<Chars<'_>>, text: &mut String) {
    let mut quoted = String::new();
    while let Some(character) = rest.next() {
        if character == '\\' && rest.next_if_eq(&'E').is_some() {
            break;
        }
        quoted.push(character);
    }
    text.push_str(&regex::escape(&quoted));
}

/// `{n}`, `{n,}` or `{n,m}`, behind the opening brace.
fn is_repetition(mut rest: Peekable<Chars<'_>>) -> bool {
    let digits = |rest: &mut Peekable<Chars<'_>>| {
        let mut any = false;
        while rest.next_if(char::is_ascii_digit).is_some() {
            any = true;
        }
        any
    };
    if !digits(&mut rest) {
        return false;
    }
    if rest.next_if_eq(&',').is_some() {
        digits(&mut rest);
    }
    rest.next() == Some('}')
}

/// Behind the opening bracket.
fn class(rest: &mut Peekable<Chars<'_>>, text: &mut String) {
    text.push('[');
    if rest.next_if_eq(&'^').is_some() {
        text.push('^');
    }
    // A bracket that closes an empty class closes none.
    if rest.next_if_eq(&']').is_some() {
        text.push_str("\\]");
    }
    let mut after_dash = false;
    while let Some(character) = rest.next() {
        let is_dash = character == '-' && !after_dash;
        match character {
            ']' => {
                text.push(']');
                return;
            }
            '[' => match named_class(rest) {
                Some(name) => text.push_str(&name),
                None => text.push_str("\\["),
            },
            '\\' => match rest.next() {
                Some(name) => match ascii_class(name) {
                    Some(("", members)) => text.push_str(members),
                    Some((_, members)) => text.push_str(&format!("[^{members}]")),
                    None => text.extend(['\\', name]),
                },
                None => text.push('\\'),
            },
            // Doubled they are operators between classes.
            '&' | '~' => text.extend(['\\', character]),
            '-' if after_dash => text.push_str("\\-"),
            other => text.push(other),
        }
        after_dash = is_dash;
    }
}

/// `[:alpha:]`, behind the opening bracket.
fn named_class(rest: &mut Peekable<Chars<'_>>) -> Option<String> {
    let mut ahead = rest.clone();
    ahead.next_if_eq(&':')?;
    let mut name = String::from("[:");
    while let Some(character) = ahead.next_if(|character| character.is_ascii_alphabetic() || *character == '^') {
        name.push(character);
    }
    ahead.next_if_eq(&':')?;
    ahead.next_if_eq(&']')?;
    *rest = ahead;
    Some(name + ":]")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_mean_what_they_mean_in_go() {
        for (pattern, matching, other) in [
            ("a{", "a{", "a"),
            ("{a,b}", "{a,b}", "a"),
            ("a{2}", "aa", "a{2}"),
            ("a{2,}b{1,2}", "aaabb", "ab"),
            ("{,3}x", "{,3}x", "x"),
            (r"\d+", "12", "१२"),
            (r"\w", "_", "é"),
            (r"\W", "é", "a"),
            (r"[\d\-x]+", "1-x", "y"),
            (r"[\D]", "x", "1"),
            (r"a\b.b", "aéb", "acb"),
            (r"\<a\>", "<a>", "a"),
            (r"\Qa.b\E.", "a.bc", "axbc"),
            (r"\Q[", "[", "a"),
            ("[[]", "[", "]"),
            ("[]a]+", "]a", "["),
            ("[^]]", "a", "]"),
            ("[a&&b]+", "a&b", "c"),
            ("[+--]+", "+,-", "."),
            ("[a~~b]+", "~a", "c"),
            ("[[:alpha:][]+", "a[", "1"),
            ("[[:^alpha:]]", "1", "a"),
            ("[a-c]", "b", "-"),
            (r"\.\*\}", ".*}", "x"),
            ("(?i)ab|.", "AB", "ac"),
            ("a)(b", "ab", "a"),
            ("", "", "a"),
        ] {
            let regex = compile(pattern).unwrap_or_else(|error| panic!("{pattern}: {error}"));
            assert!(regex.is_match(matching), "{pattern} {matching}");
            assert!(!regex.is_match(other), "{pattern} {other}");
        }
        for wrong in ["(", "a)", "[a", "*", "\\", "{2}", "a{2,1}"] {
            assert!(compile(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_is_searched_for_may_stand_anywhere() {
        let regex = search(r"b\d(?P<rest>.*)$").unwrap();
        assert_eq!(regex.captures("ab1cd").map(|found| found["rest"].to_owned()), Some("cd".to_owned()));
        assert!(!regex.is_match("b1c\nd"));
        assert!(search("a.c").is_ok_and(|regex| !regex.is_match("a\nc")));
    }

    #[test]
    fn usual_errors_are_in_the_words_of_go() {
        let cases = [
            ("a(", "missing closing ): `a(`"),
            ("a)", "unexpected ): `a)`"),
            ("a|*b", "missing argument to repetition operator: `*`"),
            ("+", "missing argument to repetition operator: `+`"),
            ("(?i)a|?", "missing argument to repetition operator: `?`"),
            ("a[b", "missing closing ]: `[b`"),
        ];
        for (pattern, expected) in cases {
            let error = search(pattern).unwrap_err();
            assert_eq!(explain(pattern, &error), format!("error parsing regexp: {expected}"));
        }
    }

    #[test]
    fn searches_find_what_is_within() {
        let regex = search(r"\d+.").unwrap();
        assert_eq!(regex.find("ab1\n34x").map(|found| found.as_str()), Some("34x"));
        assert!(search_up_to("a{1000}{1000}", 1 << 10).is_err());
    }

    #[test]
    fn replacements_name_groups() {
        let regex = search("(?P<first>a)(b)?(c)").unwrap();
        let found = regex.captures("ac").unwrap();
        for (replacement, expected) in [
            ("<$1>", "<a>"),
            ("${1}x", "ax"),
            ("$1x", ""),
            ("$first-${first}", "a-a"),
            ("$2|$9|$none", "||"),
            ("$$1", "$1"),
            ("$", "$"),
            ("${1", "${1"),
            ("${}-$.", "${}-$."),
            ("é$3", "éc"),
        ] {
            let mut text = String::new();
            expand(replacement, &found, &mut text);
            assert_eq!(text, expected, "{replacement}");
        }
    }
}
