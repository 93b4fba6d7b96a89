//! Queries that are still being typed.

use super::parse;
use crate::ast::{Expr, Field, Spanset, Stage};
use crate::lexer;

/// What the filter of a query says that may be incomplete: all of its parts, joined by `&&`, that are whole. `None` where nothing
/// is said, and of several spansets, since it is not known which of them is meant.
pub fn filter_so_far(text: &str) -> Option<Field> {
    if let Ok(query) = parse(text) {
        let Expr::Search(pipeline) = query.expr else { return None };
        return match pipeline.0.into_iter().next() {
            Some(Stage::Spanset(Spanset::Filter(field))) => Some(field),
            _ => None,
        };
    }
    let within = text.trim().strip_prefix('{')?;
    let parts: Vec<Field> = parts(within).into_iter().filter_map(whole).collect();
    match parts.len() {
        0 | 1 => parts.into_iter().next(),
        _ => Some(Field::And(parts)),
    }
}

/// Cut at every `&&` that is in no quotes and in no parentheses, up to the closing brace.
fn parts(text: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let (mut begin, mut depth, mut quote) = (0, 0usize, None);
    let mut characters = text.char_indices().peekable();
    let mut end = text.len();
    while let Some((at, character)) = characters.next() {
        match (quote, character) {
            (Some('"'), '\\') => {
                characters.next();
            }
            (Some(open), close) if open == close => quote = None,
            (Some(_), _) => {}
            (None, '"' | '`') => quote = Some(character),
            (None, '(') => depth += 1,
            (None, ')') => depth = depth.saturating_sub(1),
            (None, '}') if depth == 0 => {
                end = at;
                break;
            }
            (None, '&') if depth == 0 && characters.next_if(|(_, next)| *next == '&').is_some() => {
                parts.push(&text[begin..at]);
                begin = at + 2;
            }
            _ => {}
        }
    }
    parts.push(&text[begin..end]);
    parts
}

/// A part that says something by itself; a bare attribute is one that the comparison is missing of.
fn whole(part: &str) -> Option<Field> {
    lexer::tokens(part).ok()?;
    let query = parse(&format!("{{{part}}}")).ok()?;
    let Expr::Search(pipeline) = query.expr else { return None };
    match pipeline.0.into_iter().next()? {
        Stage::Spanset(Spanset::Filter(Field::Attribute(_) | Field::Value(_))) => None,
        Stage::Spanset(Spanset::Filter(field)) => Some(field),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_whole_counts_and_the_rest_does_not() {
        for (text, expected) in [
            ("", None),
            ("{}", Some("true")),
            ("{", None),
            ("{ .a = ", None),
            ("{ .a = 1 && .b = }", Some(".a = 1")),
            ("{ .a = 1 && .b }", Some("(.a = 1) && .b")),
            ("{ .a = 1 && .b", Some(".a = 1")),
            ("{ .a = 1 && .b = \"x && ", Some(".a = 1")),
            ("{ .a = \"x && y\" && .b = 2 && .c", Some("(.a = `x && y`) && (.b = 2)")),
            ("{ (.a = 1 && .b = 2) && .c = }", Some("(.a = 1) && (.b = 2)")),
            ("{ .a = 1 || .b = }", None),
            ("{ .a = 1 || .b = 2 && .c = }", Some("(.a = 1) || (.b = 2)")),
            ("{ resource.service.name = \"web\" && name=~ }", Some("resource.service.name = `web`")),
            ("{ .a = 1 } | rate()", None),
            ("{ .a = 1 } >> { .b = 2 }", None),
            ("not a query", None),
            ("{ .a = 1 } | count() >", Some(".a = 1")),
        ] {
            assert_eq!(filter_so_far(text).map(|field| field.to_string()).as_deref(), expected, "{text}");
        }
    }
}
