//! Texts that a line must have to pass a query's filters: row groups without them are not read.

use arrow::array::{ArrayRef, AsArray};
use arrow::datatypes::Int32Type;
use regex_syntax::hir::{Class, Hir, HirKind};
use trefoil_logql::ast::{LineCondition, LineFilter, LineOp, Stage};
use trefoil_logql::pattern::Pattern;
use trefoil_storage::catalog::DataFile;

use crate::QueryError;
use crate::sources::{Source, Sources};

/// Filters have sequences of four bytes: shorter texts say nothing.
const SHORTEST: usize = 4;
/// Hexadecimal digits of a trace's id.
const TRACE_ID_DIGITS: usize = 32;

/// Of each list a line has to have one.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Needles(Vec<Vec<String>>);

impl Needles {
    /// What the filters in front of everything that changes a line want.
    pub fn of(stages: &[Stage]) -> Needles {
        let changes = |stage: &Stage| matches!(stage, Stage::Unpack | Stage::LineFormat(_) | Stage::Decolorize);
        let filters = stages.iter().take_while(|stage| !changes(stage)).filter_map(|stage| match stage {
            Stage::LineFilter(filter) => Some(filter),
            _ => None,
        });
        let all = filters.flat_map(of_filter).filter(|texts| texts.iter().all(|text| text.len() >= SHORTEST));
        Needles(all.collect())
    }

    /// Whether a source may have lines with them, by what is known without reading any.
    pub async fn may_be_in(&self, sources: &Sources<'_>, source: &Source) -> Result<bool, QueryError> {
        let Source::Group { file, row_group, .. } = source else { return Ok(true) };
        if self.0.is_empty() {
            return Ok(true);
        }
        let known = sources.snapshot.texts(file).await?;
        let Some(known) = known.get(*row_group) else { return Ok(true) };
        let Some(grams) = &known.grams else { return Ok(true) };
        for texts in &self.0 {
            let mut may_be = false;
            for text in texts {
                may_be |= grams.may_have_outside(text.as_bytes())
                    || may_be_id(sources, file, *row_group, text).await?
                    || may_be_in_values(sources, source, &known.left_out, text).await?;
            }
            if !may_be {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// Ids that lines and columns have in common are left out of what is known of texts.
async fn may_be_id(sources: &Sources<'_>, file: &DataFile, row_group: usize, text: &str) -> Result<bool, QueryError> {
    if !text.bytes().all(|digit| digit.is_ascii_digit() || (b'a'..=b'f').contains(&digit)) {
        return Ok(false);
    }
    if text.len() != TRACE_ID_DIGITS {
        return Ok(text.len() < TRACE_ID_DIGITS);
    }
    let Ok(id) = u128::from_str_radix(text, 16) else { return Ok(true) };
    Ok(sources.snapshot.groups_of_trace(file, &id.to_be_bytes()).await?.contains(&row_group))
}

/// Values that lines and columns have in common are left out likewise.
async fn may_be_in_values(
    sources: &Sources<'_>,
    source: &Source,
    columns: &[String],
    text: &str,
) -> Result<bool, QueryError> {
    for column in columns {
        let values = match sources.known_values(source, column) {
            Some(known) => known,
            None => sources.read(source, &[column]).await?.column(column).cloned(),
        };
        if values.is_some_and(|values| any_contains(&values, text.as_bytes())) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// As in filters of grams, letters are the same in either case.
fn any_contains(texts: &ArrayRef, wanted: &[u8]) -> bool {
    let texts = texts.as_dictionary_opt::<Int32Type>().map_or(texts, |dictionary| dictionary.values());
    let Some(texts) = texts.as_string_opt::<i32>() else { return true };
    let contains = |text: &str| text.as_bytes().windows(wanted.len()).any(|part| part.eq_ignore_ascii_case(wanted));
    texts.iter().flatten().any(contains)
}

fn of_filter(filter: &LineFilter) -> Vec<Vec<String>> {
    match (filter.op, filter.alternatives.as_slice()) {
        (LineOp::Contains | LineOp::Regex | LineOp::Pattern, [one]) => of_condition(filter.op, one),
        (LineOp::Contains | LineOp::Regex | LineOp::Pattern, several) => {
            either(several.iter().map(|condition| of_condition(filter.op, condition))).into_iter().collect()
        }
        _ => Vec::new(),
    }
}

fn of_condition(op: LineOp, condition: &LineCondition) -> Vec<Vec<String>> {
    match (op, condition) {
        (LineOp::Contains, LineCondition::Text(text)) => vec![vec![text.clone()]],
        (LineOp::Pattern, LineCondition::Text(text)) => text.split("<_>").map(|part| vec![part.to_owned()]).collect(),
        (_, LineCondition::Regex(pattern)) => of_pattern(pattern),
        _ => Vec::new(),
    }
}

fn of_pattern(pattern: &Pattern) -> Vec<Vec<String>> {
    regex_syntax::parse(pattern.regex().as_str()).map(|hir| of_expression(&hir)).unwrap_or_default()
}

/// Of alternatives one of the longest texts of each; nothing, if one of them can do without.
fn either(alternatives: impl Iterator<Item = Vec<Vec<String>>>) -> Option<Vec<String>> {
    let shortest = |texts: &Vec<String>| texts.iter().map(String::len).min().unwrap_or(0);
    let best = alternatives.map(|wanted| wanted.into_iter().max_by_key(shortest));
    Some(best.collect::<Option<Vec<_>>>()?.into_iter().flatten().collect())
}

/// Recursion ends where the library's own limit of nesting does.
fn of_expression(expression: &Hir) -> Vec<Vec<String>> {
    match expression.kind() {
        HirKind::Literal(literal) => text_of(&literal.0).into_iter().map(|text| vec![text]).collect(),
        HirKind::Capture(capture) => of_expression(&capture.sub),
        HirKind::Repetition(repetition) if repetition.min > 0 => of_expression(&repetition.sub),
        HirKind::Concat(parts) => of_parts(parts),
        HirKind::Alternation(parts) => either(parts.iter().map(of_expression)).into_iter().collect(),
        _ => Vec::new(),
    }
}

/// Letters in either case count as small ones, and so belong to the text around them.
fn of_parts(parts: &[Hir]) -> Vec<Vec<String>> {
    let mut wanted = Vec::new();
    let mut run = String::new();
    for part in parts {
        let text = match part.kind() {
            HirKind::Literal(literal) => text_of(&literal.0),
            HirKind::Class(class) => letter(class).map(String::from),
            _ => None,
        };
        match text {
            Some(text) => run.push_str(&text),
            None => {
                wanted.push(vec![std::mem::take(&mut run)]);
                wanted.extend(of_expression(part));
            }
        }
    }
    wanted.push(vec![run]);
    wanted.retain(|texts| texts.iter().any(|text| !text.is_empty()));
    wanted
}

fn text_of(literal: &[u8]) -> Option<String> {
    std::str::from_utf8(literal).ok().map(str::to_owned)
}

/// The small letter of a class that has it in both cases, and nothing else.
fn letter(class: &Class) -> Option<char> {
    let Class::Unicode(class) = class else { return None };
    let mut characters = class.iter().flat_map(|range| [range.start(), range.end()]).collect::<Vec<_>>();
    characters.dedup();
    match characters.as_slice() {
        [large, small] if large.is_ascii_uppercase() && large.to_ascii_lowercase() == *small => Some(*small),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use trefoil_logql::parse_log;

    use super::*;

    #[test]
    fn a_line_must_have_what_filters_want() {
        let cases: [(&str, &[&[&str]]); 16] = [
            (r#"|= "needle""#, &[&["needle"]]),
            (r#"|= "needle" |= "hay" |= "stack""#, &[&["needle"], &["stack"]]),
            (r#"|= "first" or "second""#, &[&["first", "second"]]),
            (r#"|= "first" or "2""#, &[]),
            (r#"!= "needle""#, &[]),
            (r#"| json | level="error" |= "needle""#, &[&["needle"]]),
            (r#"| line_format "x" |= "needle""#, &[]),
            (r#"| decolorize |= "needle""#, &[]),
            (r#"|~ "conn.*refused""#, &[&["conn"], &["refused"]]),
            (r#"|~ "(timeout|deadline) exceeded""#, &[&["timeout", "deadline"], &[" exceeded"]]),
            (r#"|~ "(timeout|no) exceeded""#, &[&[" exceeded"]]),
            (r#"|~ "(?i)declined""#, &[&["decline"]]),
            (r#"|~ "a?(optional)*""#, &[]),
            (r#"|~ "(repeated)+x{3}""#, &[&["repeated"]]),
            (r#"!~ "needle""#, &[]),
            (r#"|> "<_> GET /a<_> took""#, &[&[" GET /a"], &[" took"]]),
        ];
        for (stages, expected) in cases {
            let query = parse_log(&format!(r#"{{a="b"}} {stages}"#)).unwrap();
            let found = Needles::of(&query.stages).0;
            // Case-insensitive letters that have further cases (`s`, `k`) end a text.
            let found: Vec<Vec<&str>> = found.iter().map(|texts| texts.iter().map(String::as_str).collect()).collect();
            match stages.contains("(?i)") {
                true => assert!(found[0][0].starts_with(expected[0][0]), "{stages}: {found:?}"),
                false => assert_eq!(found, expected, "{stages}"),
            }
        }
    }
}
